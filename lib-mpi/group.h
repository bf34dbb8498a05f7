/* The inside of lrnn_mpi. Built on the public header of liblrnn, and on one of its headers that has
 * no functions to link: the floating-point mode in which a trainer adds. */
#ifndef MPI_GROUP_H
#define MPI_GROUP_H

#include <signal.h>
#include <stdbool.h>

#include "lrnn-mpi.h"

/* What ranks tell each other first, as bytes: it must be understood whatever the byte order. */
typedef struct hello {
    char version[32];
    char kernels[32];
    uint64_t order; /* HELLO_ORDER as this rank has it */
    uint64_t shards;
} hello;

#define HELLO_ORDER UINT64_C(0x0102030405060708)

enum { MESSAGE = 256 };

/* The rows of the embedding among the parameters, of which a step touches few. */
typedef struct touched_rows {
    size_t first, width, count; /* count 0: they are not looked at */
    unsigned char *bits;        /* [count / 8, rounded up] */
    float *packed;              /* [parameters] */
} touched_rows;

struct lrnn_mpi {
    MPI_Comm comm;
    int rank, ranks;
    size_t shards;
    lrnn_exchange exchange;
    volatile sig_atomic_t wants_stop;
    bool stopping;
    /* of the model that joined last */
    size_t parameters;
    lrnn_model_options shape;
    touched_rows rows;
    float *slices;   /* [SLICES] what the others have of this rank's slice */
    double *numbers; /* [ranks,NUMBERS] */
    int *counts;     /* [4,ranks] for MPI */
    uint64_t calls, bytes;
};

enum {
    SLICES = 1 << 20, /* floats that are summed at a time */
    NUMBERS = 9       /* of sum_doubles, and one that says that a rank wants to stop */
};

/* Sets this thread's message, and returns the status. */
lrnn_status group_fail(lrnn_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
lrnn_status group_fail_mpi(const char *what);

/* In a function that returns a status: returns that of the first call that fails. */
#define CHECK(call)                                                                                \
    do {                                                                                           \
        lrnn_status checked = (call);                                                              \
        if (checked != LRNN_OK) {                                                                  \
            return checked;                                                                        \
        }                                                                                          \
    } while (0)

/* The same for a call of MPI. */
#define CHECK_MPI(call)                                                                            \
    do {                                                                                           \
        if ((call) != MPI_SUCCESS) {                                                               \
            return group_fail_mpi(#call);                                                          \
        }                                                                                          \
    } while (0)

/* NULL, or what another rank has different. */
const char *hello_difference(const hello *first, const hello *other);

/* Can so many ranks share the shards? */
bool shards_fit(size_t shards, size_t ranks);

/* sums.c: functions of lrnn_exchange; user is the group. */
int32_t group_sum_doubles(void *user, double *values, size_t count);
int32_t group_sum_floats(void *user, float *values, size_t count);

#endif
