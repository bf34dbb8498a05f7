/* A trainer: a working copy of a model's parameters and everything that a window needs. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "base/pool.h"
#include "kernels/kernels.h"
#include "kernels/multiply.h"
#include "loss.h"
#include "lrnn/train.h"
#include "model/layer_state.h"
#include "model/model.h"
#include "model/segment.h"

typedef enum pass_mode { PASS_TRAIN, PASS_EVALUATE } pass_mode;

/* What one layer in one direction keeps of a segment. Rows are time-major, t * B + b. h and c have
 * T + 1 places: place t is the state before step t, and place t + 1 that after it. A reverse layer
 * runs from place T down to place 0. */
typedef struct layer_space {
    real *packed_input;  /* W_ih^T [I,G*H], packed */
    real *packed_hidden; /* W_hh^T [R,G*H], packed */
    real *packed_back;   /* W_hh [G*H,R], packed */
    real *bias;          /* [G*H], what gates start from */
    /* With weight dropout only. */
    real *weight_mask; /* [G*H,R] */
    real *weight;      /* W_hh as dropped, then its gradient */
    real *gates;       /* [T*B,G*H] pre-activations, activations, then their gradient */
    real *hidden;      /* GRU: [T*B,3H] W_hh h + b_hh, then its gradient */
    real *h;           /* [(T+1)*B,R] */
    real *c;           /* LSTM: [(T+1)*B,H] */
    real *tanh_c;      /* LSTM: [T*B,H] */
    real *dh, *dc;     /* [B,R], [B,H] */
    /* With a projection only: h' = W_hr m. */
    real *packed_projection; /* W_hr^T [H,R], packed */
    real *packed_lift;       /* W_hr [R,H], packed */
    real *m;                 /* [T*B,H] */
    real *dprojected;        /* [T*B,R] gradient of h' at each step */
    real *dm;                /* [B,H] */
} layer_space;

/* A row of a block: as the loss sees it, what its loss is multiplied by (0: it does not count, or
 * there is no loss), and whether the sequence has this step. */
typedef struct head_row {
    loss_item item;
    size_t row;    /* of the segment */
    size_t output; /* the caller's index of its outputs */
    double weight;
    /* Adaptive softmax: the sum of the caller's gradients of this section's outputs, which the
     * softmax takes off again. */
    double pull;
    bool exists;
    bool observed; /* by the loss */
} head_row;

/* A matrix of the head. The whole head is one section; of an adaptive softmax the shortlist with
 * the tails' values is one, and each tail. Its values are made in blocks of rows, cut into slices
 * of its columns; a slice is [rows,slice_width] and all of it is worked on while it is in cache. */
typedef struct head_section {
    size_t inputs, columns; /* W [columns,inputs] */
    size_t weight, bias;    /* offsets; NETWORK_NONE: no bias */
    /* So many columns are the model's outputs, from `first` on; any others the tails' values. */
    size_t first, outputs;
    size_t rows;        /* of a block, at most */
    size_t slice_width; /* columns; the last slice may have fewer */
    size_t stride;
    size_t slices;
    size_t groups; /* of slices whose gradients of the rows are summed first */
    bool few;      /* see network_has_few_outputs */
    real *packed;  /* W^T, packed; of few columns as few.h says */
} head_section;

/* What an adaptive softmax needs besides. Rows are those of the segment, n tails. */
typedef struct adaptive_space {
    head_section tails[LRNN_MOST_CUTOFFS];
    real *packed_down[LRNN_MOST_CUTOFFS]; /* [top,size], packed */
    size_t *list;                         /* [T*B] rows that a tail reads */
    real *y, *dy;                         /* [rows,top] of a block of those, and */
    real *reduced, *dreduced;             /*   [rows,size] what the tail makes of them */
    real *clusters;                       /* [T*B,n] values of the tails */
    real *cluster_gradients;              /* [T*B,n] from the caller */
    struct adaptive_row *rows;            /* [T*B] */
    lrnn_trainer_options plain;           /* of the losses of the sections */
    lrnn_sequences targets;               /* of the block that is there, one for each of its rows */
    int32_t *target;                      /* [rows] its targets */
} adaptive_space;

/* The sections share everything but their matrices. */
typedef struct head_space {
    head_section all;        /* the whole head, or the shortlist with the tails' values */
    adaptive_space adaptive; /* only of an adaptive softmax */
    real *values;            /* [slices,rows,stride] outputs, then their gradient */
    head_row *items;         /* [rows] of the block that is there */
    /* What a row loss keeps: of each row and slice [rows,slices], of each row [rows,LOSS_KEPT]. */
    real *factor;
    double *sum, *other, *kept;
    real *partial;     /* [groups,rows,inputs] */
    real *packed_y;    /* y [rows,inputs], packed */
    double *loss;      /* [T*B], of each row */
    loss_tally *tally; /* [T*B] */
    /* The values are those that the last forward judged, and wait for their gradient. */
    bool judged;
    /* A sequence loss only: outputs [B,T,O] of the window, then their gradient; and its scratch, so
     * many bytes for each thread. */
    real *window;
    unsigned char *scratch;
    size_t scratch_bytes;
} head_space;

/* h [L*D,B,R] and c [L*D,B,H] of every layer, each part of its layer's size, with B = batch. */
typedef struct carried {
    real *h, *c;
    size_t batch; /* 0: the next window starts at zero, whatever h and c are */
    size_t rows;  /* of h and c: of the last window or import; 0 before the first */
} carried;

/* Of one row: squares of its h, and of the changes from step to step. */
typedef struct regularizer_sums {
    double square, change;
} regularizer_sums;

/* Terms of the loss that regularize the top layer's h; see regularize.h. */
typedef struct regularizer {
    double values, pairs; /* what the means are taken over, of all workers */
    double square_sum, change_sum;
    double scale;           /* of the gradients */
    real *next;             /* [B,D*R] h at the first step of the segment after this one */
    regularizer_sums *sums; /* [B] of this segment */
} regularizer;

/* What stands around the recurrent layers; see normalize.c. */
typedef struct stage_space {
    real *packed_entry, *packed_exit; /* the linear layers' W^T */
    real *entry;                      /* [T*B,entry] the input layer's outputs */
    real *exit, *dexit; /* [rows of the head,head_size] the head layer's, and their gradient */
    real **normed;      /* [L] [T*B,I] what layers have normalized, then [T*B,2] mean and scale */
    real *kept;         /* [T*B,top] gradient of a layer's outputs, for what went past it */
    bool fresh;         /* the window began where streams begin */
} stage_space;

/* A window cut into shards of rows; see shards.c. */
typedef struct shard_space {
    size_t count;      /* of a window; 1: it is not cut */
    size_t first, own; /* those of this worker */
    size_t current;    /* that runs; 0 when none does */
    /* Only where it is cut: sums of branches that wait for the next one, [levels] gradients each;
     * the state before the shard that runs, and that after all rows. */
    real **sums;
    carried initial, final;
} shard_space;

struct lrnn_trainer {
    lrnn_allocator allocator;
    lrnn_trainer_options options;
    lrnn_model *model; /* architecture and vocabularies; its parameters are the initial ones */
    const network *net;
    const loss_kind *loss; /* NULL: LRNN_LOSS_NONE */
    pool *pool;
    lrnn_exchange exchange; /* functions NULL: there is none */
    void *storage;
    real *parameters, *gradients;
    /* What the last pass ran with: the parameters, or in evaluation their average. */
    const real *running;
    real *average;     /* over updates; NULL until it is asked for */
    bool averages;     /* is the next update taken in? */
    uint64_t averaged; /* updates that are */
    regularizer regular;
    bool weighs_outputs;
    real *output_weights;  /* [O] class_weights or positive_weights; else NULL */
    double *square_sums;   /* of each piece of the gradients */
    unsigned char *frozen; /* a flag for each tensor */
    real *workspace;       /* of multiply, for each thread */
    layer_space *spaces;   /* [L*D] */
    real *x;               /* [T*B,input] */
    real **outputs;        /* [L] [T*B,D*R], dropped out: what the layer above reads */
    real **masks;          /* [L] [T*B,D*R], 0 or 1/(1-p); NULL without dropout */
    real *input_mask;      /* [T*B,input]; NULL without dropout */
    real *dy[2];           /* [T*B, max(top, input)] */
    real *top;             /* [B,top], rows of a once-a-sequence head, and */
    real *dtop;            /*   their gradient */
    head_space head;
    carried carry, evaluation, pending;
    stage_space stages;
    shard_space shards;
    size_t segment_steps; /* most that a segment has */
    carried *borders;     /* recomputing: the state before each segment; else NULL */
    uint64_t windows;     /* that drew dropout */

    lrnn_sequences sequences; /* of the last forward */
    segment segment;          /* whose activations are there; all, unless it recomputes */
    size_t segment_index;     /*   its place among the segments of the window */
    pass_mode mode;           /* of the last forward */
    uint64_t window;          /* its number, from which its dropout is drawn */
    bool ready;               /* a forward waits for its backward */
    bool answered;            /* a forward has been: outputs can be copied */
    double loss_weight;       /* of the last forward */
};

/* trainer.c. With the arena still empty, *state stays empty too. */
void carried_lay_out(const lrnn_trainer *trainer, carried *state, arena *from);

static inline layer_state carried_layers(const carried *state)
{
    return (layer_state){state->h, state->c, state->batch, 0};
}

/* What a window starts from. */
static inline layer_state_view carried_read(const carried *state)
{
    return state->batch == 0 ? (layer_state_view){0} : layer_state_read(carried_layers(state));
}

/* Reals of h of all layers and directions for so many rows, and of c. */
static inline size_t carried_h_count(const lrnn_trainer *trainer, size_t batch)
{
    return batch * trainer->net->h_values;
}

static inline size_t carried_c_count(const lrnn_trainer *trainer, size_t batch)
{
    return batch * trainer->net->c_values;
}

/* run.c: the recurrent layers. */
void run_pack(lrnn_trainer *trainer, pass_mode mode);
/* One segment. final: where the state after it goes, or NULL. */
void run_forward(lrnn_trainer *trainer, const carried *initial, carried *final);
/* Takes the gradient of the top layer's outputs in dy[0] and of the states after the segment in
 * spaces[].dh and dc, and leaves that of the states before it there. */
void run_backward(lrnn_trainer *trainer, real *feature_gradient);

/* gradients at offset `bias`, unless that is NETWORK_NONE, += the rows of x. */
void run_bias_gradient(lrnn_trainer *trainer, size_t bias, const real *x, size_t rows,
                       size_t columns);

/* dropout.c: draws masks for this segment and applies them, and applies them to gradients. */
void dropout_input(lrnn_trainer *trainer);
void dropout_input_gradient(const lrnn_trainer *trainer, real *gradient);
void dropout_layer(lrnn_trainer *trainer, size_t layer);
/* W_hh of a layer in one direction, which the whole window runs with; and from its gradient in
 * spaces[].weight to that of the parameters. */
const real *dropout_weights(lrnn_trainer *trainer, size_t index, const real *weight);
void dropout_weights_gradient(lrnn_trainer *trainer, size_t index);
void dropout_layer_gradient(const lrnn_trainer *trainer, size_t layer, real *gradient);

/* head.c: the linear head and the losses. */
typedef struct head_job {
    bool want_loss;
    double scale;      /* of the gradient of the loss sum; 0: no gradient of it */
    const real *given; /* gradient of the outputs, from the caller; or NULL */
    bool want_gradient;
    real *copy;  /* outputs go here; or NULL */
    double loss; /* what is found is added */
    loss_tally tally;
} head_job;

/* head_layout.c: where the head's part of a trainer lies; see arena. */
void head_lay_out(lrnn_trainer *trainer, arena *from);
/* Once an update. */
void head_pack(lrnn_trainer *trainer);
/* Keeps what a once-a-sequence head reads of this segment. */
void head_collect(lrnn_trainer *trainer);
/* The rows of this segment, or those of a once-a-sequence head. */
void head_run(lrnn_trainer *trainer, head_job *job);
/* A once-a-sequence head's gradient to the rows of this segment. */
void head_spread(lrnn_trainer *trainer);

/* targets.c */
bool targets_given(const lrnn_trainer *trainer, const lrnn_sequences *sequences);
/* Sum of the weights of the items that count; checks targets and weights. There is a loss. */
lrnn_status targets_check(double *weight, const lrnn_trainer *trainer,
                          const lrnn_sequences *sequences);

/* sequence.c: the sequence loss of the outputs in head.window, which become its gradient times
 * `scale`; with scale 0 they stay. Adds to job->loss and job->tally. LRNN_ERR_NUMERIC: that of a
 * row is infinite. */
lrnn_status sequence_run(lrnn_trainer *trainer, head_job *job, double scale);

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

/* segments.c: the passes over a whole window. */
void segments_lay_out(lrnn_trainer *trainer, arena *from);
size_t segments_count(const lrnn_trainer *trainer);
/* The final state goes to trainer->pending. job: what the head does on the way, or NULL. */
void segments_forward(lrnn_trainer *trainer, const carried *initial, pass_mode mode, head_job *job);
/* Head and layers; the gradient of the final state is in spaces[].dh and dc. */
void segments_backward(lrnn_trainer *trainer, head_job *job, real *feature_gradient);
/* The outputs of the whole window once more. */
void segments_copy_outputs(lrnn_trainer *trainer, real *outputs);
/* Makes the activations of a segment be there. */
void segments_enter(lrnn_trainer *trainer, size_t index);

/* clip.c */
void gradient_zero(lrnn_trainer *trainer);
double gradient_square_sum(lrnn_trainer *trainer);
void gradient_clip_value(lrnn_trainer *trainer, double limit);
void gradient_zero_frozen(lrnn_trainer *trainer);
double clip_factor(double norm, double max_norm);

#endif
