/* A decoder: slots, each the search for one request, and the rows that their live hypotheses make
 * up in the step at hand.
 *
 * A step is a pipe. source.c feeds the tokens of the rows to the model, or asks the scorer, and
 * fills scores.logits; filter.c turns those into scores.values; steps.c, with select.c and
 * sample.c, chooses continuations and fills the next rows; run.c makes them this step's; results.c
 * keeps what has ended and reports what is settled. Each file writes its own part of the decoder,
 * which is named there. All slots of a wave start together, so every live hypothesis has the same
 * number of generated tokens, decoder->step. */
#ifndef DECODE_DECODER_H
#define DECODE_DECODER_H

#include "base/memory.h"
#include "lrnn/decode.h"
#include "search.h"
#include "select.h"

/* A live hypothesis: one row of the step. */
typedef struct hypothesis {
    size_t slot, group;
    int32_t node;
    double sum;   /* of x, what the search ranks by */
    double total; /* of log-probabilities under the model */
} hypothesis;

typedef struct search_group {
    ending_list finished;
    size_t first, count; /* its rows in this step */
} search_group;

/* The search for one request. */
typedef struct slot {
    lrnn_request request;
    size_t index;            /* of the request in the run */
    search_node *nodes;      /* [1 + width * max_length] */
    real *log_probabilities; /* of each node's token */
    size_t node_count;
    search_group *groups;
    ending_list unfinished;
    size_t first, count; /* its rows in this step; groups one after the other */
    size_t reported;     /* tokens given to the token callback */
    bool done;           /* its results are written */
} slot;

/* Where scores come from; source.c. */
typedef struct decode_source {
    lrnn_scorer scorer; /* score NULL: the model's state */
    lrnn_state *state;
    size_t input_size; /* prompt tokens are 0..input_size-1 */
    size_t feature_size;
    size_t h_values, c_values; /* of a stream, in all layers */
    bool cell_state, every_step;
    int32_t *prompt_tokens;    /* [batch, PROMPT_STEPS] */
    int32_t *prompt_parents;   /* [batch] */
    real *features;            /* [max(batch * PROMPT_STEPS, rows), F] */
    real *prompt_h, *prompt_c; /* [L,batch,R], [L,batch,H], each part of its layer's size */
    bool last_first;           /* slices of logits, the last first; see step_model */
} decode_source;

/* The numbers of a step; source.c, then filter.c. */
typedef struct decode_scores {
    size_t capacity;     /* rows of logits there is room for */
    real *logits;        /* [capacity,V] as the source gave them */
    size_t slices;       /* of a row of logits, of VALUES_SLICE */
    real *slice_maxima;  /* [capacity,slices] */
    double *slice_sums;  /* [capacity,slices] of exp(logit - maximum) */
    double *normalizers; /* [capacity] log(sum of exp(logits)) */
    real *maxima;        /* [capacity] of values */
    real *values;        /* [rows,V]; logits itself without filters */
    double *shifts;      /* [rows] x * temperature = value - shift */
    bool *stuck;         /* [rows] no token is left */
} decode_scores;

/* The rows of a step and of the next; run.c and steps.c. */
typedef struct decode_rows {
    size_t capacity; /* batch * width */
    size_t count;
    hypothesis *live, *next;                        /* [capacity] */
    int32_t *parents, *tokens, *requests, *lengths; /* [capacity], what lrnn_rows shows */
    int32_t *next_parents, *next_tokens;
    lrnn_rows shown;
} decode_rows;

/* What a filter sees of the past; filter.c. */
typedef struct decode_past {
    int32_t *history; /* [max_length] */
    int32_t *counts;  /* [V], zero between uses */
    int32_t *seen;    /* [V] distinct tokens of a history */
} decode_past;

/* Drawing; sample.c. */
typedef struct decode_draw {
    candidate *list;                /* [V] tokens that the filters have not dropped yet */
    real *weights;                  /* [width,V] */
    double *block_sums;             /* [width, blocks] */
    double *row_sums, *row_factors; /* [width] */
} decode_draw;

typedef struct stored_result {
    int32_t *tokens;
    real *log_probabilities;
    size_t count;
    double total, score;
    int32_t ended;
    int32_t group;
} stored_result;

/* What has ended; results.c. */
typedef struct decode_results {
    size_t requests;      /* of the last run */
    stored_result *items; /* [requests, n_best] */
    size_t *counts;       /* [requests] */
    size_t *taken;        /* [groups] */
    int32_t *fresh;       /* [max_length] settled and not yet reported */
    real *fresh_values;   /* [max_length] */
} decode_results;

struct lrnn_decoder {
    lrnn_allocator allocator;
    lrnn_decoder_options options; /* the arrays are the decoder's own */
    void *storage;
    size_t vocab_size; /* V */
    size_t width;      /* hypotheses of a request: beam_width or 1 */
    size_t groups;     /* in which they stand */
    bool filters;      /* something changes the values of a step */
    search_rules rules;
    search_calls calls;
    decode_source source;
    decode_scores scores;
    decode_rows rows;
    decode_past past;
    decode_draw draw;
    decode_results results;
    selection best;        /* continuations of a group; steps.c and sample.c */
    slot *slots;           /* [batch] */
    size_t slot_count;     /* in this wave */
    size_t step;           /* tokens that each live hypothesis has */
    const int32_t *scored; /* the text that lrnn_decoder_score is at work on */
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

/* LRNN_ERR_STATE while a callback is running: the decoder is in the middle of a step. */
lrnn_status decoder_check_idle(const lrnn_decoder *decoder);

/* rows.shown from the row arrays of this step. */
void decoder_show_rows(lrnn_decoder *decoder);

/* Reads request `index` of an array of the caller's and checks it. */
lrnn_status decoder_read_request(lrnn_request *copy, const lrnn_decoder *decoder,
                                 const lrnn_request *requests, size_t index);

/* ---- steps.c: from the values of a step to the next rows ---- */

bool decoder_is_end_token(const lrnn_decoder *decoder, int32_t token);

/* x of a token in a row of this step. */
static inline double decoder_x(const lrnn_decoder *decoder, size_t row, int32_t token)
{
    double value = (double)decoder->scores.values[row * decoder->vocab_size + (size_t)token];
    return (value - decoder->scores.shifts[row]) / decoder->options.temperature;
}

/* The greatest of every slice of a row of values, or NULL: the filters may have changed them. */
static inline const real *decoder_slice_maxima(const lrnn_decoder *decoder, size_t row)
{
    return decoder->filters ? NULL : decoder->scores.slice_maxima + row * decoder->scores.slices;
}

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
