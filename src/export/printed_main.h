/* printed_main.h - the main of an exported C file, for trying. The program only prints it. */
#ifndef LENET_EXPORT_PRINTED_MAIN_H
#define LENET_EXPORT_PRINTED_MAIN_H

#ifndef LENET_NO_MAIN
#include <stdio.h>
#include <string.h>

/* A number of a PGM's header, with the white space and comments before it and the one byte after it. */
static unsigned long read_number(FILE *file) {
    unsigned long number = 0;
    int c = getc(file), is_comment = 0;
    for (; c != EOF && (is_comment || c == '#' || c == ' ' || (c >= '\t' && c <= '\r')); c = getc(file))
        is_comment = c == '#' || (is_comment && c != '\n');
    for (; c >= '0' && c <= '9' && number < 100000; c = getc(file)) number = 10 * number + (unsigned long)(c - '0');
    return number;
}

static unsigned long big_endian(const unsigned char *b) {
    return (unsigned long)b[0] << 24 | (unsigned long)b[1] << 16 | (unsigned long)b[2] << 8 | b[3];
}

/* Reads what comes before the pixels: a PGM's header, an IDX file's, or nothing, when the bytes that were looked at are
 * the first image's own, *have of them. *images becomes how many an IDX file says that it has. Returns 0 where the
 * images have another size. */
static int read_header(FILE *file, unsigned char *image, size_t *have, unsigned long *images) {
    unsigned char sizes[12];
    *have = fread(image, 1, 2, file);
    if (*have == 2 && memcmp(image, "P5", 2) == 0) {
        *have = 0;
        return read_number(file) == LENET_COLUMNS && read_number(file) == LENET_ROWS && read_number(file) == 255;
    }
    *have += fread(image + *have, 1, 2, file);
    if (*have != 4 || memcmp(image, "\0\0\10\3", 4) != 0) return 1;
    *have = 0;
    if (fread(sizes, 1, sizeof sizes, file) != sizeof sizes) return 0;
    *images = big_endian(sizes);
    return big_endian(sizes + 4) == LENET_ROWS && big_endian(sizes + 8) == LENET_COLUMNS;
}

/* Prints a line for each image: its class, and with --scores first its scores, too. */
int main(int argc, char **argv) {
    const int with_scores = argc > 1 && strcmp(argv[1], "--scores") == 0;
    const char *path = argc > 1 + with_scores ? argv[1 + with_scores] : NULL;
    FILE *file = path ? fopen(path, "rb") : stdin;
    unsigned char image[LENET_ROWS * LENET_COLUMNS];
    int32_t scores[LENET_CLASSES];
    unsigned long images = 0, done = 0;
    size_t have = 0;
    if (!file || !read_header(file, image, &have, &images)) {
        fprintf(stderr, "%s: cannot be read, or not images of %d x %d pixels\n", path ? path : "standard input",
                LENET_ROWS, LENET_COLUMNS);
        return 1;
    }
    while ((have += fread(image + have, 1, sizeof image - have, file)) == sizeof image) {
        printf("%d", lenet_classify(image, scores));
        for (int c = 0; with_scores && c < LENET_CLASSES; c++) printf(" %ld", (long)scores[c]);
        printf("\n");
        have = 0;
        done++;
    }
    const int is_cut = have || done < images || ferror(file), is_lost = fflush(stdout) != 0 || ferror(stdout);
    if (is_cut) fprintf(stderr, "%s: the last image is cut short\n", path ? path : "standard input");
    if (is_lost) perror("standard output");
    return is_cut || is_lost;
}
#endif

#endif
