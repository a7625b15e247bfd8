/* divergence.h - where the first NaN or infinity of a network that has diverged came from. */
#ifndef LENET_TRAIN_DIVERGENCE_H
#define LENET_TRAIN_DIVERGENCE_H
#include "lenet/network.h"
#include "train/settings.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Steps are counted from 1. */
struct lenet_divergence {
    uint64_t step;      /* of the first value that is NaN or infinite; 0: not known               */
    char tensor[112];   /* what it is in: "the outputs of layer C3", "the gradient of C3.weight"  */
    uint64_t loss_step; /* the first whose loss is not finite; 0: none, as far as it has trained  */
};

enum { LENET_DIVERGENCE_TEXT = 256 };

/* All of it as a part of a sentence. */
void lenet_divergence_text(const struct lenet_divergence *divergence, char text[LENET_DIVERGENCE_TEXT]);

/* A network's training between two looks: the first found it all finite, the second did not. */
struct lenet_replay {
    const struct lenet_network *network; /* what it trained in, with others perhaps */
    const struct lenet_source *source;
    const struct lenet_settings *settings;
    const float *state;  /* [1 + moments][stride] weights, m and v at the first look */
    uint64_t first, end; /* steps done by then, or by a later moment                 */
};

/* Trains again from the first look, alone, until something is not finite, and looks at the tensors of that step one
 * by one. *found stays unknown where that does not come up again, as rounding on a GPU may have it, or where memory
 * does not suffice. LENET_STOPPED where training is stopped. */
enum lenet_status lenet_divergence_find(const struct lenet_replay *replay, struct lenet_divergence *found);

#ifdef __cplusplus
}
#endif

#endif
