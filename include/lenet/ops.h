/* ops.h - the contract of every operation, stated once for all backends.
 *
 * An operation takes its context and one struct named after it. The struct is
 * the documentation: each field carries its shape, each output says whether it
 * is overwritten (=) or added to (+=). The same struct travels by value into
 * the CUDA kernel, so nothing is listed twice.
 *
 * Shapes. Capital letters are sizes: R networks (a population), N images, C and
 * O maps of the input and the output, H x W pixels. Images are innermost, and N
 * is a multiple of the backend's lanes; a batch that fills fewer is padded with
 * images (finite ones) that have no label, and the loss gives these a zero gradient.
 * Parameters of a network lie together, so that one network's tensor w is
 * w + r*stride: [R] below then means "stride elements apart".
 *
 * NaN is passed on by every operation but the maximum, which may drop it.
 *
 * Pointers belong to the backend that allocated them. An operation returns
 * LENET_ERR_ARG, and does nothing, where a size is not as documented. It only
 * enqueues work, never allocates, and gives the same bits every time. */
#ifndef LENET_OPS_H
#define LENET_OPS_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The element type: float, or double in the CPU twin that gradients are checked
 * with. Only the twins know it (they define LENET_REAL); everyone else handles
 * tensors as opaque pointers and asks the backend for the element's size. */
#ifdef LENET_REAL
typedef LENET_REAL lenet_real;
#else
typedef void lenet_real;
#endif

struct lenet_ctx;

enum {
    LENET_NO_LABEL = 255, /* label of an image that only pads the batch */
    LENET_MAX_KERNEL = 8, /* largest K of a convolution                 */
    LENET_PARTS = 8,      /* partial sums of a parameter's gradient     */
};

/* ---- the settings of one network, of which a population has an array ------ */

enum lenet_schedule { LENET_SCHEDULE_CONSTANT, LENET_SCHEDULE_STEP, LENET_SCHEDULE_COSINE, LENET_SCHEDULE_ONE_CYCLE };

struct lenet_hyper {
    uint64_t seed;
    uint32_t train_first; /* the training subset, never empty: positions train_first ...        */
    uint32_t train_count; /* ... + train_count of the seed's random order of the set */

    float learning_rate, momentum, weight_decay;
    float beta2, epsilon; /* AdamW; its beta1 is momentum */

    enum lenet_schedule schedule;
    uint64_t warmup_steps; /* the rate rises over so many steps                */
    uint64_t total_steps;  /* cosine and one-cycle end here                    */
    uint64_t decay_every;  /* step: multiplied by decay_factor so often, steps */
    float decay_factor;

    /* Augmentation: each image draws uniformly from +- these; 0 switches one off. */
    float shift;   /* pixels, both ways          */
    float rotate;  /* degrees                    */
    float scale;   /* fraction of width and height */
    float shear;   /* horizontal, as a tangent   */
    float elastic; /* pixels, largest displacement of a node of draw.h's spline grid */

    /* Label noise: a wrong label is one of the other classes, each as likely, and its image has it in every epoch. */
    float label_noise; /* fraction of the training labels that are wrong, 0 to 1 */
};

/* What a network's losses add up to. */
struct lenet_tally {
    double loss;        /* sum of the images' losses, NaN included */
    uint64_t count;     /* images                    */
    uint64_t correct;   /* images whose largest output is their label's */
    uint64_t nonfinite; /* images whose loss is NaN or infinite         */
};

/* ---- batches: bytes of the data set to inputs of the network -------------- */

/* A data set on the device, and how its bytes become inputs:
 * x = factor*byte + offset, in the middle of a field of OH x OW pixels (an odd
 * margin is one larger below and to the right) whose rest is byte 0. */
struct lenet_source {
    uint32_t count;        /* images, 1 to 2^31       */
    int H, W;              /* of an image             */
    int classes;           /* 1 to LENET_NO_LABEL     */
    const uint8_t *images; /* [count][H][W]           */
    const uint8_t *labels; /* [count], below classes  */
    int OH, OW;            /* OH >= H and OW >= W     */
    float factor, offset;
};

/* The training batch of the current step: network r takes images B*p ... of its
 * subset in the random order of epoch e, where *step = e*ceil(train_count/B) + p.
 * An epoch's last batch may be smaller. Label noise is in these labels alone. */
struct batch_draw {
    int R, N, B; /* B images at most, B <= N */
    struct lenet_source source;
    const struct lenet_hyper *hyper; /* [R]                     */
    const uint64_t *step;            /* [1]                     */
    lenet_real *x;                   /* = [R][1][OH][OW][N]     */
    uint8_t *label;                  /* = [R][N]                */
};

/* Images first ... first+B-1 as they are, with their true labels, for evaluation;
 * those past the end are padding. Of the data set's own order or, where hyper is
 * given, of each network's random order of the set (the one that training subsets
 * are cut from). */
struct batch_slice {
    int R, N, B;
    struct lenet_source source;
    const struct lenet_hyper *hyper; /* [R], or NULL            */
    uint32_t first, end;             /* images end ... are padding; end <= count */
    lenet_real *x;                   /* = [R][1][OH][OW][N]     */
    uint8_t *label;                  /* = [R][N]                */
};

/* ---- layers ---------------------------------------------------------------- */

/* Convolution ("valid" cross-correlation) of every input map with a K x K kernel:
 * y = b + sum over c, i, j of w[o][c][i][j] * x[c][h+i][w+j]; OH = H-K+1, OW = W-K+1. */
struct conv_forward {
    int R, N, C, H, W, O, K; /* K <= LENET_MAX_KERNEL, K <= H, K <= W */
    size_t stride;
    const lenet_real *x; /* [R][C][H][W][N]     */
    const lenet_real *w; /* [R][O][C][K][K]     */
    const lenet_real *b; /* [R][O]              */
    lenet_real *y;       /* = [R][O][OH][OW][N] */
};
struct conv_backward_input {
    int R, N, C, H, W, O, K;
    size_t stride;
    const lenet_real *dy; /* [R][O][OH][OW][N]  */
    const lenet_real *w;  /* [R][O][C][K][K]    */
    lenet_real *dx;       /* = [R][C][H][W][N]  */
};
struct conv_backward_params {
    int R, N, C, H, W, O, K;
    size_t stride;
    const lenet_real *x;  /* [R][C][H][W][N]    */
    const lenet_real *dy; /* [R][O][OH][OW][N]  */
    lenet_real *dw;       /* = [R][O][C][K][K]  */
    lenet_real *db;       /* = [R][O]           */
    lenet_real *scratch;  /* = [R][LENET_PARTS][O*C*K*K + O], for a backend that adds in parts */
};

/* A nonlinearity f. Its gradient is taken from the output: tanh' = 1 - y^2, relu' = (y > 0), linear' = 1. */
enum lenet_activation { LENET_TANH, LENET_RELU, LENET_LINEAR };

/* f of the inputs (maps of a convolution, say), and of that the average or the maximum of every S x S window. Where
 * several pixels of x are a window's maximum, the first in reading order gets the gradient. */
enum lenet_pooling { LENET_POOL_AVERAGE, LENET_POOL_MAX };

struct subsample_forward {
    int R, N, C, H, W, S; /* S divides H and W */
    enum lenet_pooling pooling;
    enum lenet_activation activation;
    const lenet_real *x; /* [R][C][H][W][N]       */
    lenet_real *y;       /* = [R][C][H/S][W/S][N] */
};
struct subsample_backward_input {
    int R, N, C, H, W, S;
    enum lenet_pooling pooling;
    enum lenet_activation activation;
    const lenet_real *x;  /* [R][C][H][W][N]     */
    const lenet_real *dy; /* [R][C][H/S][W/S][N] */
    lenet_real *dx;       /* = [R][C][H][W][N]   */
};

/* f of F units. In place is fine: y may be x, and dx may be dy. */
struct activation_forward {
    int R, N, F;
    enum lenet_activation activation;
    const lenet_real *x; /* [R][F][N]   */
    lenet_real *y;       /* = [R][F][N] */
};
struct activation_backward_input {
    int R, N, F;
    enum lenet_activation activation;
    const lenet_real *y;  /* [R][F][N]   */
    const lenet_real *dy; /* [R][F][N]   */
    lenet_real *dx;       /* = [R][F][N] */
};

/* Fully connected: y = b + w x. */
struct dense_forward {
    int R, N, I, O;
    size_t stride;
    const lenet_real *x; /* [R][I][N]   */
    const lenet_real *w; /* [R][O][I]   */
    const lenet_real *b; /* [R][O]      */
    lenet_real *y;       /* = [R][O][N] */
};
struct dense_backward_input {
    int R, N, I, O;
    size_t stride;
    const lenet_real *dy; /* [R][O][N]   */
    const lenet_real *w;  /* [R][O][I]   */
    lenet_real *dx;       /* = [R][I][N] */
};
struct dense_backward_params {
    int R, N, I, O;
    size_t stride;
    const lenet_real *x;  /* [R][I][N]   */
    const lenet_real *dy; /* [R][O][N]   */
    lenet_real *dw;       /* = [R][O][I] */
    lenet_real *db;       /* = [R][O]    */
};

/* Cross-entropy of the softmax of the outputs: loss = log(sum exp y) - y[label].
 * dy is the gradient of the mean over the images that have a label. */
struct softmax_loss {
    int R, N, O;
    const lenet_real *y;       /* [R][O][N]                                    */
    const uint8_t *label;      /* [R][N], below O or LENET_NO_LABEL            */
    lenet_real *dy;            /* = [R][O][N], or NULL where only losses count */
    uint8_t *predicted;        /* = [R][N] index of the first largest output   */
    struct lenet_tally *tally; /* += [R]                                       */
};

/* ---- learning --------------------------------------------------------------- */

/* The learning rate of the current step, *step counted from 0, and then
 * *step += 1: the last reader of the old step has run. With s the step, T
 * total_steps and u warmup_steps (in train.h the options are explained):
 *   constant   rate
 *   step       rate * decay_factor^floor(s / decay_every)
 *   cosine     rate * (1 + cos(pi s/T)) / 2
 *   all three  times (s+1)/u while s < u
 *   one-cycle  from rate/25 up to rate by half a cosine over u steps, then down
 *              to rate/10,000 by another over the rest */
struct schedule_step {
    int R;
    const struct lenet_hyper *hyper; /* [R]    */
    uint64_t *step;                  /* += [1] */
    float *rate;                     /* = [R]  */
};

/* One update of all parameters, g = dw + weight_decay*w:
 *   sgd       w -= rate*g
 *   momentum  m = momentum*m + g,  w -= rate*m
 *   nesterov  m = momentum*m + g,  w -= rate*(g + momentum*m)
 *   adamw     g = dw,  w -= rate*weight_decay*w,  m = beta1*m + (1-beta1)*g,
 *             v = beta2*v + (1-beta2)*g^2,
 *             w -= rate * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + epsilon),  t = *step
 * Source: Sutskever et al. 2013 and PyTorch's form of it; Loshchilov & Hutter 2019. */
enum lenet_optimizer { LENET_SGD, LENET_MOMENTUM, LENET_NESTEROV, LENET_ADAMW };

struct optimizer_step {
    int R;
    size_t stride; /* parameters of a network */
    enum lenet_optimizer optimizer;
    const struct lenet_hyper *hyper; /* [R]                                        */
    const float *rate;               /* [R]                                        */
    const uint64_t *step;            /* [1], steps begun so far: 1 in the first    */
    const lenet_real *dw;            /* [R][stride]                                */
    lenet_real *w;                   /* += [R][stride]                             */
    lenet_real *m;                   /* += [R][stride], zero at first; not for sgd */
    lenet_real *v;                   /* += [R][stride], zero at first; adamw only  */
};

/* The one list of operations: the backend table, the prototypes of the twins
 * and the test wrappers are all made from it. */
#define LENET_OPS(X)                                                                                                   \
    X(batch_draw)                                                                                                      \
    X(batch_slice)                                                                                                     \
    X(conv_forward)                                                                                                    \
    X(conv_backward_input)                                                                                             \
    X(conv_backward_params)                                                                                            \
    X(subsample_forward)                                                                                               \
    X(subsample_backward_input)                                                                                        \
    X(activation_forward)                                                                                              \
    X(activation_backward_input)                                                                                       \
    X(dense_forward)                                                                                                   \
    X(dense_backward_input)                                                                                            \
    X(dense_backward_params)                                                                                           \
    X(softmax_loss)                                                                                                    \
    X(schedule_step)                                                                                                   \
    X(optimizer_step)

#ifdef __cplusplus
}
#endif
#endif
