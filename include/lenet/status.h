/* status.h - what a call that can fail returns, and how it says why.
 *
 * A failing call returns a status and, where it takes a struct lenet_error,
 * leaves one line there that names the file or option, what was found, what was
 * wanted and the likely cause. Only src/cli prints and exits. */
#ifndef LENET_STATUS_H
#define LENET_STATUS_H
#ifdef __cplusplus
extern "C" {
#endif

enum lenet_status {
    LENET_OK = 0,
    LENET_ERR_CHECK,    /* a check that was asked for failed (gradcheck)        */
    LENET_ERR_ARG,      /* a precondition or an option's range was broken       */
    LENET_ERR_MEMORY,   /* an allocation failed, on the host or on the device   */
    LENET_ERR_FORMAT,   /* a file is not what its header or its use claims      */
    LENET_ERR_IO,       /* the operating system refused to read or write        */
    LENET_ERR_DEVICE,   /* no such device, or the CUDA runtime or cuBLAS failed */
    LENET_ERR_DIVERGED, /* the loss is NaN or infinite                          */
    LENET_STOPPED,      /* no failure: it was asked to end before it was done   */
};

struct lenet_error {
    char text[1024];
};

/* A short English name, for messages; never NULL. */
const char *lenet_status_name(enum lenet_status status);

/* Writes the formatted line into err (which may be NULL) and returns status,
 * so that a failure is one statement: return lenet_fail(err, STATUS, "...").  */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum lenet_status
lenet_fail(struct lenet_error *err, enum lenet_status status, const char *format, ...);

/* Hands the first failure up to the caller. */
#define LENET_TRY(call)                                                                                                \
    do {                                                                                                               \
        const enum lenet_status try_ = (call);                                                                         \
        if (try_ != LENET_OK) return try_;                                                                             \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
