/* choice.c - looks names up in texts like "tanh|relu|squash". */
#include "base/choice.h"

#include <string.h>

int lenet_choice_find(const char *choices, const char *name) {
    const size_t length = strlen(name);
    int value = 0;
    for (const char *at = choices;; value++) {
        const size_t n = strcspn(at, "|");
        if (n == length && strncmp(at, name, n) == 0) return value;
        if (!at[n]) return -1;
        at += n + 1;
    }
}

void lenet_choice_name(const char *choices, int value, char *name, size_t size) {
    for (; value > 0; value--) choices = strchr(choices, '|') + 1;
    const size_t length = strcspn(choices, "|"), n = length < size ? length : size - 1;
    if (size) memcpy(name, choices, n);
    if (size) name[n] = 0;
}
