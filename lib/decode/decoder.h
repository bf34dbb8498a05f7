/* A decoder: slots, each the search for one request, and the rows that their live hypotheses make
 * up in the step at hand.
 *
 * A hypothesis is a node of its slot's tree; a node knows its parent, so hypotheses that fork share
 * what they have in common and nothing is ever copied. Finished hypotheses are `ending`s, which
 * hang their last token on a node. All slots of a wave start together, so every live hypothesis has
 * the same number of generated tokens, decoder->step. */
#ifndef DECODE_DECODER_H
#define DECODE_DECODER_H

#include <stdbool.h>

#include "base/fpmode.h"
#include "base/memory.h"
#include "base/real.h"
#include "lrnn/decode.h"
#include "select.h"

#define NODE_ROOT (-1) /* the end of the prompt */
#define NO_TOKEN  (-1)

typedef struct decode_node {
    int32_t parent;
    int32_t token;
    real log_probability;
} decode_node;

/* A live hypothesis: one row of the step. */
typedef struct hypothesis {
    size_t slot, group;
    int32_t node;
    double sum;   /* of x, what the search ranks by */
    double total; /* of log-probabilities under the model */
} hypothesis;

/* A hypothesis that has ended: node, and after it a last token unless that is NO_TOKEN. */
typedef struct ending {
    double score, total;
    size_t length, group;
    int32_t node, token;
    real log_probability; /* of the last token */
    int32_t ended;        /* LRNN_ENDED_* */
} ending;

/* Endings by falling score; equal ones in the order in which they came. */
typedef struct ending_list {
    ending *items;
    size_t count, capacity;
} ending_list;

typedef struct search_group {
    ending_list finished;
    size_t first, count; /* its rows in this step */
} search_group;

typedef struct slot {
    lrnn_request request;
    size_t index; /* of the request in the run */
    decode_node *nodes;
    size_t node_count;
    search_group *groups;
    ending_list unfinished;
    size_t first, count; /* its rows in this step; groups one after the other */
    size_t reported;     /* tokens given to the token callback */
    bool done;           /* its results are written */
} slot;

typedef struct stored_result {
    int32_t *tokens;
    real *log_probabilities;
    size_t count;
    double total, score;
    int32_t ended;
    int32_t group;
} stored_result;

struct lrnn_decoder {
    lrnn_allocator allocator;
    lrnn_decoder_options options; /* the arrays are the decoder's own */
    void *storage;
    size_t vocab_size;   /* V */
    size_t input_size;   /* prompt tokens are 0..input_size-1 */
    size_t width;        /* hypotheses of a request: beam_width or 1 */
    size_t groups;       /* in which they stand */
    size_t row_capacity; /* batch * width */
    bool filters;        /* something changes the values of a step */
    bool bounded;        /* and nothing makes x > 0 */

    /* ---- the source: see source.h ---- */
    lrnn_scorer scorer; /* score NULL: the model's state */
    lrnn_state *state;
    size_t feature_size, layers, h_size, c_size;
    bool cell_state, every_step;
    int32_t *prompt_tokens;    /* [batch, PROMPT_STEPS] */
    int32_t *prompt_parents;   /* [batch] */
    real *features;            /* [max(batch * PROMPT_STEPS, row_capacity), F] */
    real *prompt_h, *prompt_c; /* [L,batch,H] */
    size_t logits_rows;        /* rows there is room for in logits */
    real *logits;              /* [logits_rows,V] as the source gave them */

    /* ---- a run ---- */
    size_t request_count; /* of the last run */
    size_t step;          /* tokens that each live hypothesis has */
    slot *slots;          /* [batch] */
    size_t slot_count;    /* in this wave */
    size_t row_count;
    hypothesis *live, *next;                      /* [row_capacity] */
    int32_t *parents, *tokens, *owners, *lengths; /* [row_capacity], what lrnn_rows shows */
    int32_t *next_parents, *next_tokens;
    lrnn_rows rows;
    const int32_t *scored; /* the text that lrnn_decoder_score is at work on */
    fpmode mode;           /* of the caller */
    bool called;           /* a callback is running */

    /* ---- a step ---- */
    real *values;                   /* [row_capacity,V]; logits itself without filters */
    size_t slices;                  /* of a row of logits, of VALUES_SLICE */
    real *slice_maxima;             /* [logits_rows,slices] */
    double *slice_sums;             /* [logits_rows,slices] of exp(logit - maximum) */
    bool last_first;                /* last slice first; see cell_step */
    double *normalizers;            /* [row_capacity] log(sum of exp(logits)) */
    double *shifts;                 /* [row_capacity] x * temperature = value - shift */
    real *maxima;                   /* [row_capacity] of values */
    bool *stuck;                    /* [row_capacity] no token is left */
    selection best;                 /* of a group */
    candidate *list;                /* [V] tokens that the sampling filters have not yet dropped */
    real *weights;                  /* [width,V] */
    double *block_sums;             /* [width, blocks] */
    double *row_sums, *row_factors; /* [width] */
    int32_t *counts;                /* [V], zero between uses */
    int32_t *history;               /* [max_length] */
    real *history_values;           /* [max_length] */
    size_t *taken;                  /* [groups] */
    int32_t *seen;                  /* [V] distinct tokens of a history */

    /* ---- results ---- */
    stored_result *results; /* [requests, n_best] */
    size_t *result_counts;  /* [requests] */
};

/* Reads the caller's options, fills in the defaults and checks all fields but the tokens. */
lrnn_status decoder_read_options(lrnn_decoder_options *options, const lrnn_decoder_options *given);

/* Checks the token lists. */
lrnn_status decoder_check_tokens(const lrnn_decoder_options *options, size_t vocab_size);

static inline bool decoder_is_beam(const lrnn_decoder_options *options)
{
    return options->method == LRNN_METHOD_BEAM || options->method == LRNN_METHOD_SAMPLED_BEAM;
}

static inline bool decoder_is_sampled(const lrnn_decoder_options *options)
{
    return options->method == LRNN_METHOD_SAMPLE || options->method == LRNN_METHOD_SAMPLED_BEAM;
}

/* All callbacks are called between these two, in the caller's floating-point mode. The second
 * returns the status of what the callback returned. */
void decoder_leave(lrnn_decoder *decoder);
lrnn_status decoder_return(lrnn_decoder *decoder, int32_t returned, const char *name);

/* LRNN_ERR_STATE while a callback is running: the decoder is in the middle of a step. */
lrnn_status decoder_check_idle(const lrnn_decoder *decoder);

/* decoder->rows from the row arrays of this step. */
void decoder_show_rows(lrnn_decoder *decoder);

/* Reads request `index` of an array of the caller's and checks it. */
lrnn_status decoder_read_request(lrnn_request *copy, const lrnn_decoder *decoder,
                                 const lrnn_request *requests, size_t index);

/* The last `count` tokens of the path to `node`, in order, and their log-probabilities. Either
 * array may be NULL. */
void decoder_copy_path(int32_t *tokens, real *log_probabilities, size_t count, const slot *of,
                       int32_t node);

/* ---- steps.c: from the values of a step to the next rows ---- */

bool decoder_is_end_token(const lrnn_decoder *decoder, int32_t token);

/* x of a token in a row of this step. */
static inline double decoder_x(const lrnn_decoder *decoder, size_t row, int32_t token)
{
    double value = (double)decoder->values[row * decoder->vocab_size + (size_t)token];
    return (value - decoder->shifts[row]) / decoder->options.temperature;
}

/* The greatest of every slice of a row of values, or NULL: the filters may have changed them. */
static inline const real *decoder_slice_maxima(const lrnn_decoder *decoder, size_t row)
{
    return decoder->filters ? NULL : decoder->slice_maxima + row * decoder->slices;
}

/* (sum of x) / n^length_penalty after `length` generated tokens; -infinity for none. */
double decoder_score(const lrnn_decoder *decoder, const slot *of, double sum, size_t length);

/* The hypothesis of a row ends, with `token` after it unless that is NO_TOKEN. sum: of x, the
 * token's included. The worst falls out of a full list. */
void decoder_end(lrnn_decoder *decoder, size_t row, int32_t token, double sum, int32_t ended,
                 ending_list *to);

/* The hypothesis of a row takes `token` and becomes next row number (*count)++. */
void decoder_continue(lrnn_decoder *decoder, size_t row, int32_t token, double sum, size_t *count);

/* One step of a slot: greedy search or sampling, and beam search. *count next rows are there. */
void greedy_step(lrnn_decoder *decoder, slot *of, size_t *count);
void beam_step(lrnn_decoder *decoder, slot *of, size_t *count);

/* ---- results.c ---- */

/* Writes the results of a slot from its endings. */
void decoder_store(lrnn_decoder *decoder, slot *of);

/* Hands the token callback what has become certain; and, once results are stored, the rest. */
lrnn_status decoder_report(lrnn_decoder *decoder, slot *of);
lrnn_status decoder_report_rest(lrnn_decoder *decoder, slot *of);

#endif
