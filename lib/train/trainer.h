/* A trainer: a working copy of a model's parameters and everything that a window needs. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "base/pool.h"
#include "kernels/kernels.h"
#include "kernels/multiply.h"
#include "lrnn/train.h"
#include "model/model.h"

/* What one layer in one direction keeps of a window. Rows are time-major, t * B + b. Slot t of h
 * and c is the state before step t forwards; a backward net runs from slot T down to slot 0. */
typedef struct layer_run {
    real *packed_input;  /* W_ih^T [I,G*H], packed */
    real *packed_hidden; /* W_hh^T [R,G*H], packed */
    real *packed_back;   /* W_hh [G*H,R], packed */
    real *bias;          /* [G*H], what gates start from */
    real *gates;         /* [T*B,G*H] pre-activations, activations, then their gradient */
    real *hidden;        /* GRU: [T*B,3H] W_hh h + b_hh, then its gradient */
    real *h;             /* [(T+1)*B,R] */
    real *c;             /* LSTM: [(T+1)*B,H] */
    real *tanh_c;        /* LSTM: [T*B,H] */
    real *dh, *dc;       /* [B,R], [B,H] */
    /* With a projection only: h' = W_hr m. */
    real *packed_projection; /* W_hr^T [H,R], packed */
    real *packed_lift;       /* W_hr [R,H], packed */
    real *m;                 /* [T*B,H] */
    real *dprojected;        /* [T*B,R] gradient of h' at each step */
    real *dm;                /* [B,H] */
} layer_run;

/* The head's outputs are made in blocks of rows, cut into slices of the vocabulary; a slice is
 * [rows,width] and all of it is worked on while it is in cache. */
typedef struct head_run_space {
    size_t rows;  /* of a block, at most */
    size_t width; /* of a slice; the last one may have fewer columns */
    size_t stride;
    size_t slices;
    size_t groups; /* of slices whose gradients of the rows are summed first */
    real *packed;  /* W^T [top,O], packed */
    real *values;  /* [slices,rows,stride] outputs, then their gradient */
    real *maxima;  /* [rows,slices], then a factor */
    double *sums;  /* [rows,slices] */
    real *target;  /* [rows] the target's logit */
    double *all;   /* [rows,slices] sum of the logits, for label smoothing */
    real *partial; /* [groups,rows,top] */
    double *loss;  /* [T*B], of each row */
} head_run_space;

/* h [L*D,B,R] and c [L*D,B,H] of every layer, with B = batch. */
typedef struct carried {
    real *h, *c;
    size_t batch; /* 0: at the start of a stream */
} carried;

struct lrnn_trainer {
    lrnn_allocator allocator;
    lrnn_trainer_options options;
    lrnn_model *model; /* architecture and vocabularies; its parameters are the initial ones */
    const network *net;
    pool *pool;
    void *storage;
    real *parameters, *gradients;
    double *square_sums;   /* of each piece of the gradients */
    unsigned char *frozen; /* a flag for each tensor */
    real *workspace;       /* of multiply, for each thread */
    layer_run *runs;       /* [L*D] */
    real *x;               /* [T*B,input] */
    real **outputs;        /* [L] [T*B,D*R], dropped out: what the layer above reads */
    real **masks;          /* [L-1] [T*B,D*R], 0 or 1/(1-p); NULL without dropout */
    real *dy[2];           /* [T*B, max(top, input)] */
    real *top;             /* [B,top], rows of a once-a-sequence head, and */
    real *dtop;            /*   their gradient */
    head_run_space head;
    carried carry, evaluation, pending;
    uint64_t windows; /* that drew dropout */

    lrnn_sequences sequences; /* of the last forward */
    bool ready;               /* a forward waits for its backward */
    bool answered;            /* a forward has been: outputs can be copied */
    double loss_weight;       /* of the last forward */
};

/* Reals of h of all layers and directions for so many rows, and of c. */
static inline size_t carried_h_count(const lrnn_trainer *trainer, size_t batch)
{
    const network *net = trainer->net;
    return net->options.layers * net->directions * batch * net->h_size;
}

static inline size_t carried_c_count(const lrnn_trainer *trainer, size_t batch)
{
    const network *net = trainer->net;
    return net->options.layers * net->directions * batch * net->options.hidden_size;
}

typedef enum pass_mode { PASS_TRAIN, PASS_EVALUATE } pass_mode;

/* run.c: the recurrent layers. */
void run_pack(lrnn_trainer *trainer);
void run_forward(lrnn_trainer *trainer, const carried *initial, pass_mode mode);
/* Takes the gradient of the top layer's outputs in dy[0] and of final states in runs[].dh and dc.
 */
void run_backward(lrnn_trainer *trainer, real *feature_gradient);

/* head.c: the linear head and the losses. */
typedef struct head_job {
    bool want_loss;
    double scale;      /* of the gradient of the loss sum; 0: no gradient of it */
    const real *given; /* gradient of the outputs, from the caller; or NULL */
    bool want_gradient;
    real *copy; /* outputs go here; or NULL */
    double loss;
} head_job;

/* Where the head's part of a trainer lies; see arena. */
void head_lay_out(lrnn_trainer *trainer, arena *from);
/* Once an update. */
void head_pack(lrnn_trainer *trainer);
void head_run(lrnn_trainer *trainer, head_job *job);

/* Sum of the weights of the items that count; checks targets and weights. */
lrnn_status head_check_targets(double *weight, const lrnn_trainer *trainer,
                               const lrnn_sequences *sequences);

/* Passes over all parameters go in pieces of fixed size, which threads share and which stay in
 * cache for what is done to them together. */
#define PARAMETER_PIECE ((size_t)1 << 14)

static inline size_t parameter_pieces(const lrnn_trainer *trainer)
{
    return (trainer->net->parameter_count + PARAMETER_PIECE - 1) / PARAMETER_PIECE;
}

/* Length of the piece that begins at `first`. */
static inline size_t parameter_piece(const lrnn_trainer *trainer, size_t first)
{
    size_t left = trainer->net->parameter_count - first;
    return left < PARAMETER_PIECE ? left : PARAMETER_PIECE;
}

/* clip.c */
void gradient_zero(lrnn_trainer *trainer);
double gradient_square_sum(lrnn_trainer *trainer);
void gradient_clip_value(lrnn_trainer *trainer, double limit);
void gradient_zero_frozen(lrnn_trainer *trainer);
double clip_factor(double norm, double max_norm);

/* Row b of the window at step t. */
static inline bool row_active(const lrnn_sequences *s, size_t b, size_t t)
{
    return t < sequence_length(s, b);
}

#endif
