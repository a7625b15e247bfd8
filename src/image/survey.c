/* survey.c - tells pictures of two kinds of pixels, such as black on white, from others. */
#include <math.h>
#include <stdlib.h>

#include "image/parts.h"

/* The grey above which the brighter of two kinds of pixels begins, and the means of both. Source: Otsu 1979. */
static int threshold(const struct lenet_image *image, double means[2]) {
    const int n = image->H * image->W;
    double histogram[256] = {0}, all = 0, below = 0, sum = 0, most = -1;
    int best = 0;
    for (int i = 0; i < n; i++) histogram[image->grey[i]]++;
    for (int v = 0; v < 256; v++) all += v * histogram[v];
    for (int v = 0; v < 255; v++) {
        below += histogram[v];
        sum += v * histogram[v];
        if (below == 0 || below == n) continue;
        const double low = sum / below, high = (all - sum) / (n - below);
        const double between = below * (n - below) * (high - low) * (high - low);
        if (between <= most) continue;
        most = between;
        best = v;
        means[0] = low;
        means[1] = high;
    }
    return best;
}

/* Light that changes gradually has many pixels between two kinds. */
static int has_two_kinds(const struct lenet_image *image, const double means[2]) {
    const int n = image->H * image->W;
    int between = 0;
    for (int i = 0; i < n; i++) {
        const double part = (image->grey[i] - means[0]) / (means[1] - means[0]);
        between += part > 1 / 3.0 && part < 2 / 3.0;
    }
    return means[1] - means[0] > 40 && between < 0.1 * n;
}

int lenet_has_two_kinds(const struct lenet_image *image, uint8_t kinds[2], double *bright) {
    double means[2] = {0};
    const int limit = threshold(image, means), n = image->H * image->W;
    int above = 0;
    for (int i = 0; i < n; i++) above += image->grey[i] > limit;
    for (int k = 0; k < 2; k++) kinds[k] = (uint8_t)means[k];
    *bright = (double)above / n;
    return has_two_kinds(image, means);
}
