/* The inside of lrnn_ctc: a beam of label sequences, the lexicon that restricts them and the
 * language model that ranks them. ctc.c makes it and speaks to the caller, ctc_search.c takes a
 * frame, ctc_language.c knows words and language models. */
#ifndef DECODE_CTC_H
#define DECODE_CTC_H

#include <math.h>

#include "base/memory.h"
#include "lexicon.h"
#include "lrnn/decode.h"
#include "prefix.h"
#include "select.h"

/* A label sequence of the beam. */
typedef struct ctc_entry {
    int32_t node;
    int32_t history;     /* in ctc_language; not used without a language model */
    double blank, label; /* log-probabilities of the alignments that end in the blank, and in the
                            last label */
    double total;        /* of both */
    double extra;        /* what lexicon and language model add to it */
} ctc_entry;

/* What appending a label to a sequence means beyond the frame. */
typedef struct ctc_step {
    int32_t place; /* in the lexicon, after it */
    int32_t token; /* that the language model reads, or NO_TOKEN */
    double extra;  /* added to the sequence's */
} ctc_step;

/* A language model's histories, each shared by the sequences that it belongs to, with the scores of
 * what may follow. */
typedef struct ctc_language {
    lrnn_scorer scorer;        /* score NULL: the model's state, or none */
    lrnn_state *state;         /* [W] streams, for histories while they grow */
    size_t vocab_size;         /* V of the language model; 0: there is none */
    size_t h_values, c_values; /* of a history, in all layers */
    bool cell_state;
    size_t capacity;                  /* histories: 2W + 1 */
    int32_t *uses;                    /* [capacity] sequences; 0: free */
    int32_t *nodes;                   /* [capacity] the sequence that it grew with */
    int32_t *rows;                    /* [capacity] in the last call of the scorer */
    int32_t *sizes;                   /* [capacity] tokens that it has read */
    real *h, *c;                      /* [capacity,h_values], [capacity,c_values] */
    real *scores;                     /* [capacity,V] log-probabilities of the next token */
    real *logits;                     /* [capacity,V] as they come */
    int32_t *grown, *from, *appended; /* [W] histories that grow in this frame, out of which */
    size_t grown_count;
    int32_t *parents, *tokens, *requests, *lengths; /* [capacity] what lrnn_rows shows */
    int32_t *order;                                 /* [capacity] the history of each row */
    size_t row_count;
    lrnn_rows shown;
    search_calls calls;
} ctc_language;

struct lrnn_ctc {
    lrnn_allocator allocator;
    lrnn_ctc_options options;
    void *storage;
    lrnn_lexicon *lexicon; /* NULL: none */
    bool words;            /* the language model reads words */
    double most_extra;     /* that appending a label can add */
    prefix_tree tree;
    ctc_entry *beam; /* [W] best first; `count` of them */
    size_t count;
    ctc_entry *stay, *next; /* [W] the beam without new labels, and that after the frame */
    selection best;         /* [W] */
    int32_t *tops;          /* [V] labels that are tried in this frame */
    real *p;                /* [V] log-probabilities of the frame */
    size_t frames;          /* so far */
    int32_t last;           /* greedy: output of the last frame */
    bool started;           /* the language model has its first history */
    bool finished;          /* no more frames */
    bool broken;            /* a callback failed in the middle of a frame */
    ctc_language language;
    /* Of the result that is lent: [max_length] each. */
    int32_t *tokens, *token_frames, *words_found;
    real *confidences;
};

/* What a sequence is ranked by. */
static inline double ctc_rank(const ctc_entry *of)
{
    return of->total + of->extra;
}

static inline double ctc_log_add(double a, double b)
{
    double larger = a < b ? b : a, smaller = a < b ? a : b;
    return smaller == -(double)INFINITY ? larger : larger + log1p(exp(smaller - larger));
}

/* ---- ctc_search.c ---- */

/* Moves the beam on by the frame whose log-probabilities are in `p`. */
lrnn_status ctc_search_frame(lrnn_ctc *ctc);

/* ---- ctc_options.c ---- */

/* Reads the caller's options and checks all that needs no other object. */
lrnn_status ctc_options_read(lrnn_ctc_options *copy, const lrnn_ctc_options *given);

/* Checks lexicon and language model, and takes from them what the search needs. */
lrnn_status ctc_options_apply(lrnn_ctc *ctc, const lrnn_ctc_options *given);

/* What lm_tokens has one number for: labels or words. */
static inline size_t ctc_unit_count(const lrnn_ctc *ctc)
{
    return ctc->words ? ctc->lexicon->words : ctc->options.output_size;
}

/* ---- ctc_language.c ---- */

void ctc_language_lay_out(lrnn_ctc *ctc, arena *from);
lrnn_status ctc_language_create_state(lrnn_ctc *ctc, const lrnn_model *model);
void ctc_language_release(lrnn_ctc *ctc);

/* Whether the lexicon allows the label after a sequence, and what follows from it. */
bool ctc_language_step(ctc_step *step, const lrnn_ctc *ctc, const ctc_entry *of, int32_t label);

/* The history of a sequence that grew by a step out of that of `of`; taken by it. */
int32_t ctc_language_take(lrnn_ctc *ctc, const ctc_entry *of, int32_t node, const ctc_step *step);
void ctc_language_hold(lrnn_ctc *ctc, int32_t history);
void ctc_language_drop(lrnn_ctc *ctc, int32_t history);

/* The first history, with which every sequence starts; and the scores of those that have grown. */
lrnn_status ctc_language_start(lrnn_ctc *ctc);
lrnn_status ctc_language_grow(lrnn_ctc *ctc);

/* The sequences end: their last words are complete, or their total is -infinity. */
lrnn_status ctc_language_finish(lrnn_ctc *ctc);

/* The words of a sequence: LEXICON_NO_WORD for one that is not in the lexicon. Returns how many. */
size_t ctc_language_words(int32_t *words, const lrnn_ctc *ctc, const int32_t *labels, size_t count);

/* lrnn_rows_copy_tokens for the rows of a search over frames. */
lrnn_status ctc_language_copy_tokens(int32_t *tokens, size_t capacity, const lrnn_ctc *ctc,
                                     size_t row);

#endif
