/* choice.h - names of an enumeration's values, as one text "tanh|relu|squash" in the order of the values. */
#ifndef LENET_BASE_CHOICE_H
#define LENET_BASE_CHOICE_H
#include <stddef.h>

/* The value of this name, or -1. */
int lenet_choice_find(const char *choices, const char *name);

/* Writes the name of a value, which must be one. */
void lenet_choice_name(const char *choices, int value, char *name, size_t size);

#endif
