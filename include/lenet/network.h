/* network.h - a population of R networks on a backend: its memory, its forward
 * and backward passes and its training step, as sequences of operations.
 *
 * Knows no architecture and no backend: it walks the topology's layers and calls the
 * backend's table. The host never reads a backend's pointer. */
#ifndef LENET_NETWORK_H
#define LENET_NETWORK_H
#include "lenet/backend.h"
#include "lenet/topology.h"
#ifdef __cplusplus
extern "C" {
#endif

enum {
    LENET_EVALUATIONS = 2, /* that may be recorded: on the test set and on held-out images */
};

/* A recorded evaluation: of which images, as lenet_network_evaluate has them. */
struct lenet_recorded_evaluation {
    void *graph; /* or NULL */
    struct lenet_source source;
    const struct lenet_hyper *hyper;
    uint32_t first, end;
};

struct lenet_network {
    const struct lenet_backend *backend;
    struct lenet_ctx *ctx; /* borrowed */
    struct lenet_topology topology;
    enum lenet_optimizer optimizer;
    int fuses;   /* 1: a convolution and the maxima of 2 x 2 windows are one operation */
    int R, B, N; /* networks; images a batch; B padded to the backend's lanes */

    /* On the backend: */
    void *w, *dw, *m, *v;              /* [R][stride]; m and v as the optimizer needs them      */
    void *x;                           /* [R][1][field][field][N]                               */
    void *y[LENET_MAX_LAYERS];         /* each layer's output, [R][O][OH][OW][N]; that of an    */
                                       /* activation overwrites its input, and that of a fused  */
                                       /* convolution is NULL                                   */
    uint8_t *place[LENET_MAX_LAYERS];  /* of a subsampling that is fused with the convolution   */
                                       /* below it: which pixels are the maxima; else NULL      */
    void *gradient[LENET_MAX_LAYERS];  /* of each layer's outputs, as y                         */
    void *scratch[LENET_MAX_LAYERS];   /* of the gradients of convolutions' parameters, else NULL */
    void *squared_w;                   /* [R][stride]: for the second derivatives of sdlm, else NULL */
    void *squared_x;                   /* as large as the largest input of a layer: likewise     */
    void *dx;                          /* gradient of x: only where asked for, else NULL        */
    uint8_t *label, *predicted;        /* [R][N]                                                */
    double *losses;                    /* [R][N]                                                */
    struct lenet_hyper *hyper;         /* [R]                                                   */
    struct lenet_tally *tally;         /* [R]                                                   */
    struct lenet_tally *scratch_tally; /* [R], of losses that do not count */
    uint64_t *step;                    /* [1]                                                   */
    float *rate;                       /* [R]                                                   */
    void *next_x;                      /* for the next step, where the backend records, else NULL: x */
    uint8_t *next_label;               /* and its labels, drawn beside the step under way       */
    void *memory[3];                   /* what the pointers above point into                    */

    /* Asked before each batch of an evaluation or of the curvature, and before a recorded evaluation, which then end
     * with LENET_STOPPED; or NULL. */
    int (*is_stopped)(void *self);
    void *stop; /* self of that                         */

    void *one_step, *many_steps;  /* recorded: a training step, and many; or NULL */
    struct lenet_source recorded; /* the source on which they were recorded       */
    struct lenet_recorded_evaluation evaluations[LENET_EVALUATIONS];
};

struct lenet_network_options {
    const struct lenet_topology *topology;
    enum lenet_optimizer optimizer;
    int R, B;
    int input_gradient; /* keep room for dx (gradient checks)                  */
    int by_layer;       /* keep each layer's output: no layers are fused       */
};

/* Allocates everything; weights, moments and the step are zero. */
enum lenet_status lenet_network_create(const struct lenet_backend *backend, struct lenet_ctx *ctx,
                                       const struct lenet_network_options *options, struct lenet_network *net,
                                       struct lenet_error *err);
void lenet_network_free(struct lenet_network *net);

/* Copies parameters of network r, host_w[stride], to and from the backend, whatever
 * the backend's element type. which: net->w, dw, m or v. */
enum lenet_status lenet_network_put(struct lenet_network *net, void *which, int r, const float *host_w);
enum lenet_status lenet_network_get(struct lenet_network *net, const void *which, int r, float *host_w);

/* One training step: draw a batch, forward, loss, backward, update. */
enum lenet_status lenet_network_step(struct lenet_network *net, const struct lenet_source *source);

/* Several training steps, replayed from a recording where the backend can. */
enum lenet_status lenet_network_steps(struct lenet_network *net, const struct lenet_source *source, int count);

/* Where the backend records: loads all that training steps need, and records them, so that the first one takes as long
 * as any. To be called before the weights are put, for these and the moments become anything; *step and the tallies are
 * 0 then. */
enum lenet_status lenet_network_prepare(struct lenet_network *net, const struct lenet_source *source);

/* The same for an evaluation, if its images are few enough that nobody will want to stop it on its way. Keeps weights,
 * step and tallies. */
enum lenet_status lenet_network_prepare_evaluation(struct lenet_network *net, const struct lenet_source *source,
                                                   const struct lenet_hyper *hyper, uint32_t first, uint32_t end);

/* The parts of a training step, for gradient checks and tests. The forward pass needs x, and the loss label, too. */
enum lenet_status lenet_network_draw(struct lenet_network *net, const struct lenet_source *source);
enum lenet_status lenet_network_forward(struct lenet_network *net);
enum lenet_status lenet_network_loss(struct lenet_network *net, int with_gradient);
enum lenet_status lenet_network_backward(struct lenet_network *net);
enum lenet_status lenet_network_update(struct lenet_network *net);

/* For LENET_SDLM: estimates the diagonal of the Hessian into m, as the mean over the next `batches` training batches,
 * by second derivatives that are propagated back from RBF outputs as for the distance loss, whatever the loss is.
 * Training goes on as if nothing had happened, also where it is stopped. Source: LeCun et al. 1998, app. C. */
enum lenet_status lenet_network_curvature(struct lenet_network *net, const struct lenet_source *source, int batches);

/* Parts of it, after the forward pass: the first adds the share of batch i of `batches` to m. The second only
 * propagates the second derivatives, after which the batch's diagonal is in dw. */
enum lenet_status lenet_network_add_curvature(struct lenet_network *net, int i, int batches);
enum lenet_status lenet_network_backward_second(struct lenet_network *net);

/* One layer of the forward pass, which computes y[l] from y[l-1]; and one of the backward pass, which computes the
 * gradients of its parameters and of its input. For layer 0 the latter needs options.input_gradient, and who looks at
 * what is between the layers needs options.by_layer. */
enum lenet_status lenet_network_forward_layer(struct lenet_network *net, int l);
enum lenet_status lenet_network_backward_layer(struct lenet_network *net, int l);

/* Where the gradient of y[l] lies, [R][O][OH][OW][N]; for l = -1, the gradient of x, or NULL where that is not wanted.
 * It is there from the backward pass of layer l+1, or the loss, until that of layer l-1. An activation overwrites it.
 */
void *lenet_network_gradient(const struct lenet_network *net, int l);

/* What an evaluation may bring to the host besides the tallies. What is not wanted is NULL. */
struct lenet_answers {
    uint8_t *predicted; /* [net->R][end-first] classes                         */
    float *outputs;     /* [net->R][end-first][classes]; of a backend in float */
    uint16_t *loss;     /* [net->R][end-first] in F16; likewise                */
};

/* Adds the losses of images first ... end-1 of a source to host_tally[net->R]. hyper as for batch_slice. */
enum lenet_status lenet_network_evaluate(struct lenet_network *net, const struct lenet_source *source,
                                         const struct lenet_hyper *hyper, uint32_t first, uint32_t end,
                                         struct lenet_tally *host_tally, const struct lenet_answers *answers);

#ifdef __cplusplus
}
#endif
#endif
