/* ops.h - the contract of every operation, stated once for all backends.
 *
 * An operation takes its context and one struct named after it. The struct is the documentation: each field carries
 * its shape, and each output says whether it is overwritten (=) or added to (+=). The same struct travels by value
 * into the CUDA kernel, so nothing is listed twice.
 *
 * Shapes. Capital letters are sizes: R networks (a population), N images, C and O maps of the input and the output,
 * H x W pixels. Images are innermost, and N is a multiple of the backend's lanes. Where a backend has a `group`, a
 * network's images lie in groups of so many, one group after the other: [R][C][H][W][N] stands for
 * [R][N/group][C][H][W][group], of which the last group may be smaller. A batch with fewer images is padded with images
 * that have finite pixels and no label; the loss gives these a gradient of zero. The parameters of a network lie
 * together, so that one network's tensor w is w + r*stride: [R] below then means "stride elements apart".
 *
 * Limits. Every size is at least 1. At most, R is LENET_MAX_NETWORKS, N is LENET_MAX_BATCH, C is LENET_MAX_MAPS, so is
 * O of a convolution, and H, W, OH and OW are LENET_MAX_SIDE. Other limits stand beside the fields. An operation whose
 * arguments are outside of them returns LENET_ERR_ARG and does nothing, on every backend: ops/preconditions.h has all
 * limits in code.
 *
 * NaN is passed on, with two exceptions: the maximum may drop it, and the weights that a connection table leaves out
 * have a gradient of 0.
 *
 * Pointers belong to the backend that allocated them. An operation only enqueues work: its struct is copied, and what
 * that points to is read later. It gives the same bits every time. It never allocates, except on cpu_batch1, where it
 * may return LENET_ERR_MEMORY. */
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
    LENET_NO_LABEL = 255,    /* label of an image that only pads the batch */
    LENET_MAX_KERNEL = 8,    /* largest K of a convolution                 */
    LENET_PARTS = 28,        /* most partial sums of a parameter's gradient */
    LENET_TABLE_MAPS = 16,   /* most output maps of a convolution with a connection table */
    LENET_TABLE_INPUTS = 32, /* most input maps of such a convolution      */
    LENET_TARGETS = 10,      /* most RBF units                             */
    LENET_MAX_TARGET = 96,   /* most components of an RBF unit's target    */

    /* The largest sizes, with which a GPU's grid can launch every operation: */
    LENET_MAX_NETWORKS = 65535, /* R                                                */
    LENET_MAX_BATCH = 65536,    /* N                                                */
    LENET_MAX_MAPS = 128,       /* C, and O of a convolution                        */
    LENET_MAX_SIDE = 512,       /* H and W of maps, OH and OW of a batch, in pixels */
};

/* Most values that an operation takes one by one: as many as a grid has threads, 2^31 - 1 blocks of 256. */
#define LENET_MAX_VALUES ((((size_t)1 << 31) - 1) * 256)

/* ---- the settings of one network, of which a population has an array ------ */

enum lenet_schedule {
    LENET_SCHEDULE_CONSTANT,
    LENET_SCHEDULE_STEP,
    LENET_SCHEDULE_COSINE,
    LENET_SCHEDULE_ONE_CYCLE,
    LENET_SCHEDULE_PUBLISHED,
};

struct lenet_hyper {
    uint64_t seed;
    uint32_t train_first; /* the training subset: train_count positions, at least one, */
    uint32_t train_count; /* of the seed's random order of the set, from train_first on */

    float learning_rate, momentum, weight_decay;
    float beta2, epsilon; /* AdamW, whose beta1 is momentum; epsilon is also sdlm's mu */

    enum lenet_schedule schedule;
    uint64_t warmup_steps; /* the rate rises over so many steps                */
    uint64_t total_steps;  /* cosine and one-cycle end here                    */
    uint64_t decay_every;  /* in steps. step: how often decay_factor multiplies the rate; published: a pass */
    float decay_factor;

    int constant_order; /* 1: every epoch has the order of the first one */

    /* Augmentation: for each image these are drawn uniformly from +- the setting; 0 switches one off. */
    float shift;   /* pixels, both ways          */
    float rotate;  /* degrees                    */
    float scale;   /* fraction of width and height */
    float shear;   /* horizontal, as a tangent   */
    float elastic; /* pixels, largest displacement of a node of draw.h's spline grid */

    /* Label noise: a wrong label is one of the other classes, all of them equally likely. An image has the same label
     * in every epoch. */
    float label_noise; /* fraction of the training labels that are wrong, 0 to 1 */
};

/* The sums of a network's losses. */
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
    int classes;           /* at most LENET_NO_LABEL  */
    const uint8_t *images; /* [count][H][W]           */
    const uint8_t *labels; /* [count], below classes  */
    int OH, OW;            /* OH >= H and OW >= W     */
    float factor, offset;
};

/* The training batch of the current step: network r takes images B*p ... of its
 * subset in the random order of epoch e, where *step = e*ceil(train_count/B) + p.
 * An epoch's last batch may be smaller. Only these labels have label noise. */
struct batch_draw {
    int R, N, B; /* B images at most, B <= N */
    struct lenet_source source;
    const struct lenet_hyper *hyper; /* [R]                     */
    const uint64_t *step;            /* [1]                     */
    lenet_real *x;                   /* = [R][1][OH][OW][N]     */
    uint8_t *label;                  /* = [R][N]                */
};

/* Images first ... first+B-1 as they are, with their true labels, for evaluation.
 * They are counted in the data set's own order or, where hyper is given, in each
 * network's random order of the set (the one that training subsets are cut from). */
struct batch_slice {
    int R, N, B;
    struct lenet_source source;
    const struct lenet_hyper *hyper; /* [R], or NULL            */
    uint32_t first, end;             /* images end ... are padding; first <= end <= source.count */
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
/* The connection table: bit c of table[o] says that map c feeds map o, for C <= 32 and O <= LENET_TABLE_MAPS. All 0 is
 * no table: each map feeds each. The weights that a table leaves out get a gradient of 0; where they are 0 themselves,
 * the other operations compute the convolution without these connections. */
struct conv_backward_params {
    int R, N, C, H, W, O, K;
    size_t stride;
    const lenet_real *x;              /* [R][C][H][W][N]    */
    const lenet_real *dy;             /* [R][O][OH][OW][N]  */
    lenet_real *dw;                   /* = [R][O][C][K][K]  */
    lenet_real *db;                   /* = [R][O]           */
    lenet_real *scratch;              /* = [R][LENET_PARTS][O*C*K*K + O], for a backend that adds in parts */
    uint32_t table[LENET_TABLE_MAPS]; /* as above */
};

/* A nonlinearity f; squash is 1.7159 tanh(2x/3). Its gradient is taken from the output: tanh' = 1 - y^2,
 * relu' = (y > 0), squash' = 2/3 (1.7159 - y^2/1.7159), linear' = 1. Source of squash: LeCun et al. 1998, app. A. */
enum lenet_activation { LENET_TANH, LENET_RELU, LENET_SQUASH, LENET_LINEAR };

/* f of the inputs, and then the average, the maximum or the sum of every S x S window. Where several pixels of x are a
 * window's maximum, the first one in reading order gets the gradient. */
enum lenet_pooling { LENET_POOL_AVERAGE, LENET_POOL_MAX, LENET_POOL_SUM };

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

/* Convolution, f and the maximum of every 2 x 2 window as one operation: what conv_forward and subsample_forward give,
 * to the bit, without the outputs of the convolution in between. The place of a maximum is its pixel's number in the
 * window, 0 to 3 in reading order; where several are largest it is that of the first one. */
struct conv_maxpool_forward {
    int R, N, C, H, W, O, K; /* H-K+1 and W-K+1 are even */
    enum lenet_activation activation;
    size_t stride;
    const lenet_real *x; /* [R][C][H][W][N]                     */
    const lenet_real *w; /* [R][O][C][K][K]                     */
    const lenet_real *b; /* [R][O]                              */
    lenet_real *y;       /* = [R][O][(H-K+1)/2][(W-K+1)/2][N]   */
    uint8_t *place;      /* = likewise: of each window's maximum */
};
/* The gradient of what conv_maxpool_forward has not kept: of the outputs of its convolution, for conv_backward_input
 * and conv_backward_params. */
struct maxpool_backward_input {
    int R, N, C, H, W; /* H and W are even */
    enum lenet_activation activation;
    const lenet_real *y;  /* [R][C][H/2][W/2][N] */
    const uint8_t *place; /* [R][C][H/2][W/2][N] */
    const lenet_real *dy; /* [R][C][H/2][W/2][N] */
    lenet_real *dx;       /* = [R][C][H][W][N]   */
};
/* What conv_backward_params gives of that, to the bit, for a convolution whose inputs have no gradient. */
struct conv_maxpool_backward_params {
    int R, N, C, H, W, O, K; /* H-K+1 and W-K+1 are even */
    enum lenet_activation activation;
    size_t stride;
    const lenet_real *x;  /* [R][C][H][W][N]                   */
    const lenet_real *y;  /* [R][O][(H-K+1)/2][(W-K+1)/2][N]   */
    const uint8_t *place; /* likewise                          */
    const lenet_real *dy; /* likewise                          */
    lenet_real *dw;       /* = [R][O][C][K][K]                 */
    lenet_real *db;       /* = [R][O]                          */
    lenet_real *scratch;  /* as in conv_backward_params        */
    lenet_real *between;  /* [R][O][H-K+1][W-K+1][N]: for what maxpool_backward_input gives, where it is used */
    uint32_t table[LENET_TABLE_MAPS]; /* as in conv_backward_params        */
};

/* A coefficient and a bias of each map: y[c] = w[c] * x[c] + b[c]. Behind the sum of windows it makes the trainable
 * subsampling of LeCun et al. 1998. dx may be dy. */
struct scale_forward {
    int R, N, C, P; /* P pixels a map, at most LENET_MAX_SIDE^2 */
    size_t stride;
    const lenet_real *x; /* [R][C][P][N]   */
    const lenet_real *w; /* [R][C]         */
    const lenet_real *b; /* [R][C]         */
    lenet_real *y;       /* = [R][C][P][N] */
};
struct scale_backward_input {
    int R, N, C, P;
    size_t stride;
    const lenet_real *dy; /* [R][C][P][N]   */
    const lenet_real *w;  /* [R][C]         */
    lenet_real *dx;       /* = [R][C][P][N] */
};
struct scale_backward_params {
    int R, N, C, P;
    size_t stride;
    const lenet_real *x;  /* [R][C][P][N] */
    const lenet_real *dy; /* [R][C][P][N] */
    lenet_real *dw;       /* = [R][C]     */
    lenet_real *db;       /* = [R][C]     */
};

/* f of F units, where f is not linear: that would be no work. R*F*N is at most LENET_MAX_VALUES. In place is fine: y
 * may be x, and dx may be dy. */
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

/* Fully connected, and a nonlinearity f behind it, which may be linear: y = f(b + w x). The gradients are those of
 * b + w x. That of x goes on through the nonlinearity in front, if there is one: where x = f(z), dx is the gradient of
 * z. */
struct dense_forward {
    int R, N, I, O;
    size_t stride;
    enum lenet_activation activation;
    const lenet_real *x; /* [R][I][N]   */
    const lenet_real *w; /* [R][O][I]   */
    const lenet_real *b; /* [R][O]      */
    lenet_real *y;       /* = [R][O][N] */
};
struct dense_backward_input {
    int R, N, I, O;
    size_t stride;
    enum lenet_activation activation; /* in front; linear for none */
    const lenet_real *x;              /* [R][I][N], not read where f is linear */
    const lenet_real *dy;             /* [R][O][N]   */
    const lenet_real *w;              /* [R][O][I]   */
    lenet_real *dx;                   /* = [R][I][N] */
};
struct dense_backward_params {
    int R, N, I, O;
    size_t stride;
    const lenet_real *x;  /* [R][I][N]   */
    const lenet_real *dy; /* [R][O][N]   */
    lenet_real *dw;       /* = [R][O][I] */
    lenet_real *db;       /* = [R][O]    */
};

/* Euclidean radial basis functions with fixed targets of components +1 and -1: the outputs are the negative squared
 * distances, y[o] = - sum over i of (x[i] - t[o][i])^2, so that, as elsewhere, the largest one is the answer.
 * Source: LeCun et al. 1998, eq. 7. */
struct rbf_targets {
    uint32_t plus[LENET_TARGETS][LENET_MAX_TARGET / 32]; /* bit i%32 of plus[o][i/32]: t[o][i] is +1, else -1 */
};
struct rbf_forward {
    int R, N, I, O; /* I <= LENET_MAX_TARGET, O <= LENET_TARGETS */
    struct rbf_targets targets;
    const lenet_real *x; /* [R][I][N]   */
    lenet_real *y;       /* = [R][O][N] */
};
struct rbf_backward_input {
    int R, N, I, O;
    struct rbf_targets targets;
    const lenet_real *x;  /* [R][I][N]   */
    const lenet_real *dy; /* [R][O][N]   */
    lenet_real *dx;       /* = [R][I][N] */
};
/* The second derivative by each input of a loss that is linear in y: d2x[i] = -2 * sum over o of dy[o]. */
struct rbf_backward_second {
    int R, N, I, O;
    const lenet_real *dy; /* [R][O][N]   */
    lenet_real *d2x;      /* = [R][I][N] */
};

/* Cross-entropy of the softmax of the outputs: loss = log(rubbish + sum exp y) - y[label]. dy is the gradient of the
 * mean over the images that have a label. `rubbish` is the share of a class that is never right; with rbf's outputs
 * and exp(-j) it makes eq. 9 of LeCun et al. 1998. */
struct softmax_loss {
    int R, N, O;               /* O < LENET_NO_LABEL                           */
    const lenet_real *y;       /* [R][O][N]                                    */
    const uint8_t *label;      /* [R][N], below O or LENET_NO_LABEL            */
    lenet_real *dy;            /* = [R][O][N], or NULL where only losses count */
    uint8_t *predicted;        /* = [R][N] index of the first largest output   */
    double *losses;            /* = [R][N], for a backend that adds them up afterwards; of images with a label */
    struct lenet_tally *tally; /* += [R]                                       */
    float rubbish;             /* finite, and 0 for none                       */
};

/* loss = -y[label], the squared distance to the right target where y comes from rbf_forward: eq. 8 of LeCun et al.
 * 1998. The fields are those of softmax_loss. */
struct distance_loss {
    int R, N, O;
    const lenet_real *y;
    const uint8_t *label;
    lenet_real *dy;
    uint8_t *predicted;
    double *losses;
    struct lenet_tally *tally;
};

/* ---- learning --------------------------------------------------------------- */

/* The learning rate of the current step, where *step is counted from 0. After that *step += 1: no later operation of a
 * training step needs the old one. With s the step, T total_steps and u warmup_steps:
 *   constant   rate
 *   step       rate * decay_factor^floor(s / decay_every)
 *   cosine     rate * (1 + cos(pi s/T)) / 2
 *   all three  times (s+1)/u while s < u
 *   one-cycle  from rate/25 up to rate by half a cosine over u steps, then down
 *              to rate/10,000 by another over the rest
 *   published  rate * 1, 1, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1 in the first twelve passes of
 *              decay_every steps, then 0.02 (LeCun et al. 1998, section III.B, where rate is 0.0005) */
struct schedule_step {
    int R;
    const struct lenet_hyper *hyper; /* [R]    */
    uint64_t *step;                  /* += [1] */
    float *rate;                     /* = [R]  */
};

/* One update of the parameters first ... end-1 of each network, g = dw + weight_decay*w:
 *   sgd       w -= rate*g
 *   momentum  m = momentum*m + g,  w -= rate*m
 *   nesterov  m = momentum*m + g,  w -= rate*(g + momentum*m)
 *   adamw     g = dw,  w -= rate*weight_decay*w,  m = beta1*m + (1-beta1)*g,
 *             v = beta2*v + (1-beta2)*g^2,
 *             w -= rate * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + epsilon),  t = *step
 *   sdlm      w -= rate*g / (epsilon + m): m is the diagonal of the Hessian, estimated elsewhere
 * Source: LeCun et al. 1998, app. C, for sdlm; Sutskever et al. 2013 and PyTorch's form of it; Loshchilov & Hutter
 * 2019. */
enum lenet_optimizer { LENET_SGD, LENET_MOMENTUM, LENET_NESTEROV, LENET_ADAMW, LENET_SDLM };

struct optimizer_step {
    int R;
    size_t stride, first, end; /* of parameters of a network; first < end <= stride, end-first <= LENET_MAX_VALUES */
    enum lenet_optimizer optimizer;
    const struct lenet_hyper *hyper; /* [R]                                        */
    const float *rate;               /* [R]                                        */
    const uint64_t *step;            /* [1], counted from 1                        */
    const lenet_real *dw;            /* [R][stride]                                */
    lenet_real *w;                   /* += [R][stride]                             */
    lenet_real *m;                   /* += [R][stride], zero at first; not for sgd; only read by sdlm */
    lenet_real *v;                   /* += [R][stride], zero at first; adamw only  */
};

/* Elementwise, of any tensors: y = x^2, and y = keep*y + factor*x (y is not read where keep is 0). With these
 * and the operations above second derivatives are propagated back: of a weighted sum, what holds for first derivatives
 * holds for the diagonal of the Gauss-Newton matrix with the squares of weights and inputs. */
struct square {
    size_t count;        /* <= LENET_MAX_VALUES */
    const lenet_real *x; /* [count]   */
    lenet_real *y;       /* = [count] */
};
struct accumulate {
    size_t count; /* <= LENET_MAX_VALUES */
    float keep, factor;
    const lenet_real *x; /* [count]    */
    lenet_real *y;       /* += [count] */
};

/* The one list of operations: the backends' tables, the prototypes of the twins, their checks, and the tests of every
 * operation are all made from it. */
#define LENET_OPS(X)                                                                                                   \
    X(batch_draw)                                                                                                      \
    X(batch_slice)                                                                                                     \
    X(conv_forward)                                                                                                    \
    X(conv_backward_input)                                                                                             \
    X(conv_backward_params)                                                                                            \
    X(subsample_forward)                                                                                               \
    X(subsample_backward_input)                                                                                        \
    X(conv_maxpool_forward)                                                                                            \
    X(maxpool_backward_input)                                                                                          \
    X(conv_maxpool_backward_params)                                                                                    \
    X(scale_forward)                                                                                                   \
    X(scale_backward_input)                                                                                            \
    X(scale_backward_params)                                                                                           \
    X(activation_forward)                                                                                              \
    X(activation_backward_input)                                                                                       \
    X(dense_forward)                                                                                                   \
    X(dense_backward_input)                                                                                            \
    X(dense_backward_params)                                                                                           \
    X(rbf_forward)                                                                                                     \
    X(rbf_backward_input)                                                                                              \
    X(rbf_backward_second)                                                                                             \
    X(softmax_loss)                                                                                                    \
    X(distance_loss)                                                                                                   \
    X(square)                                                                                                          \
    X(accumulate)                                                                                                      \
    X(schedule_step)                                                                                                   \
    X(optimizer_step)

#ifdef __cplusplus
}
#endif
#endif
