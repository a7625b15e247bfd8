/* edit_distance.h - how far one word is from another, to guess what was meant by a mistyped one. */
#ifndef LENET_BASE_EDIT_DISTANCE_H
#define LENET_BASE_EDIT_DISTANCE_H

enum { LENET_LONGEST_WORD = 64 };

/* How many letters are to be put in, left out, changed or swapped with the next one to make b of a. Of longer words
 * than LENET_LONGEST_WORD, the beginning counts. */
int lenet_edit_distance(const char *a, const char *b);

#endif
