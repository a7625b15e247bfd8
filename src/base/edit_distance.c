/* edit_distance.c - the distance of Damerau and Levenshtein between two short words. */
#include "base/edit_distance.h"

#include <string.h>

static int least(int a, int b) { return a < b ? a : b; }

int lenet_edit_distance(const char *a, const char *b) {
    int rows[3][LENET_LONGEST_WORD + 1]; /* of the last letters of a: two before, one before, now */
    const int m = (int)strnlen(a, LENET_LONGEST_WORD), n = (int)strnlen(b, LENET_LONGEST_WORD);
    for (int j = 0; j <= n; j++) rows[1][j] = j;
    for (int i = 1; i <= m; i++) {
        rows[2][0] = i;
        for (int j = 1; j <= n; j++) {
            const int changed = rows[1][j - 1] + (a[i - 1] != b[j - 1]);
            rows[2][j] = least(changed, least(rows[1][j], rows[2][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                rows[2][j] = least(rows[2][j], rows[0][j - 2] + 1);
        }
        memmove(rows[0], rows[1], 2 * sizeof rows[0]);
    }
    return rows[1][n];
}
