/* liblrnn, topic "decode": greedy search, sampling and beam search over any source of scores.
 *
 * The short way, from a model and a prompt to tokens:
 *
 *     lrnn_decoder_options options;
 *     lrnn_decoder_options_init(&options, sizeof options);
 *     options.method = LRNN_METHOD_SAMPLE;
 *     options.top_k = 5;
 *     lrnn_decoder *decoder;
 *     status = lrnn_decoder_create(&decoder, model, &options);
 *
 *     lrnn_request request;
 *     lrnn_request_init(&request, sizeof request);
 *     request.tokens = prompt;
 *     request.count = prompt_count;
 *     status = lrnn_decoder_run(decoder, &request, 1);
 *
 *     lrnn_result result;
 *     lrnn_result_init(&result, sizeof result);
 *     status = lrnn_decoder_get_result(&result, decoder, 0, 0);    tokens, scores, why it ended
 *
 * Any other language model can be searched in the same way through an lrnn_scorer. */
#ifndef LRNN_DECODE_H
#define LRNN_DECODE_H

#include "base.h"  /* lrnn_status, lrnn_allocator */
#include "model.h" /* lrnn_model, LRNN_AUTO */

#ifdef __cplusplus
extern "C" {
#endif

/* A search and all the memory it needs. It is made once for a source of scores and a set of
 * options, then run any number of times; nothing allocates after create. Used by one thread at a
 * time. */
typedef struct lrnn_decoder lrnn_decoder;

/* ---- rows: what callbacks see ---------------------------------------------------------------- */

/* The hypotheses that are extended in this step, one per row; rows of the same request are
 * adjacent. Valid only during the callback. */
typedef struct lrnn_rows {
    size_t size;
    size_t count; /* rows */
    /* [count] the row of the previous step that this one continues. An index may repeat (a
     * hypothesis that forks) or be absent (one that was dropped). -1: a request that starts here,
     * with its prompt. */
    const int32_t *parents;
    /* [count] the token that was appended; for a request that starts, the last of its prompt, or -1
     * if that is empty. In a search over frames a row
     * with a parent and -1 goes on unchanged: its logits are not read. */
    const int32_t *tokens;
    const int32_t *requests;     /* [count] index of the request in the array given to the call */
    const int32_t *lengths;      /* [count] tokens so far, including the prompt */
    const lrnn_decoder *decoder; /* for lrnn_rows_copy_tokens */
    /* For lrnn_rows_copy_tokens in a search over frames, where decoder is NULL. Since 0.2. */
    const struct lrnn_ctc *ctc;
} lrnn_rows;

/* Copies the tokens of a row so far, prompt first; lengths[row] of them. Only inside a callback.
 * LRNN_ERR_INVALID: no such row, NULL argument; LRNN_ERR_TOO_SMALL: capacity < lengths[row];
 * LRNN_ERR_STATE: no callback is running.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_rows_copy_tokens(int32_t *tokens, size_t capacity, const lrnn_rows *rows,
                                           size_t row);

/* All callbacks return 0 to continue. Above 0 means stop: the call in progress ends with
 * LRNN_ERR_CANCELLED. Below 0 means that the callback failed: the call ends with LRNN_ERR_CALLBACK,
 * and the message has the number. Either way the decoder may be run again. Callbacks run in the
 * calling thread and in its floating-point mode; they must not run the decoder that calls them
 * (LRNN_ERR_STATE). */

/* ---- scorer: the caller's source of scores --------------------------------------------------- */

/* A language model from elsewhere: a network, an n-gram, an acoustic model. One with a state per
 * row reorders its states by rows->parents, then feeds rows->tokens (for rows with parent -1 the
 * whole prompt, from lrnn_rows_copy_tokens); one without reads the whole hypothesis. */
typedef struct lrnn_scorer {
    size_t size;       /* set by lrnn_scorer_init */
    void *user;        /* passed to the callback */
    size_t vocab_size; /* V, at least 1 */
    /* Fills logits [rows->count, V] with the scores of the next token: log-probabilities up to a
     * constant per row. -infinity means impossible; NaN, +infinity or a row with only -infinity
     * ends the run with LRNN_ERR_NUMERIC. */
    int32_t (*score)(void *user, const lrnn_rows *rows, float *logits);
} lrnn_scorer;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_scorer).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_scorer_init(lrnn_scorer *scorer, size_t struct_size);

/* ---- options --------------------------------------------------------------------------------- */

/* How the next token is chosen, with x the value of a token in a step (see below): */
enum {
    LRNN_METHOD_GREEDY = 0, /* the largest x */
    /* drawn with probability exp(x) / sum of exp(x) from the tokens that the filters leave, or
     * uniformly from them (`uniform`) */
    LRNN_METHOD_SAMPLE = 1,
    /* Beam search: the beam_width unfinished hypotheses with the largest sums of x are kept. */
    LRNN_METHOD_BEAM = 2,
    /* Beam search whose continuations are drawn, without replacement, with probability proportional
     * to exp(sum of x) over all continuations of a request. */
    LRNN_METHOD_SAMPLED_BEAM = 3
};

/* When beam search ends a request; it always ends at max_length, or when no hypothesis is left. A
 * hypothesis that takes an end token is finished, with the score below; `kept` are the best n_best
 * finished ones (beam_width with LRNN_CANDIDATES_TRANSFORMERS; in each group beam_width /
 * beam_groups). n is the number of tokens generated so far, S the largest sum of x among the live
 * hypotheses. With groups each rule applies to each group separately. */
enum {
    LRNN_STOP_FIRST = 0, /* after the first step that finishes a hypothesis */
    LRNN_STOP_WIDTH = 1, /* when beam_width / beam_groups are finished (early_stopping=True of the
                            Python package transformers) */
    /* When `kept` is full and S / n^length_penalty is not above its worst score, as if the best
     * live hypothesis could end now at no cost (early_stopping=False). */
    LRNN_STOP_HEURISTIC = 2,
    /* When `kept` is full and no live hypothesis can still enter it: S / m^length_penalty is not
     * above its worst score, with m = max_length if length_penalty > 0 and n otherwise, which
     * bounds every continuation because x <= 0 (early_stopping="never"). Where a filter may make x
     * > 0 (a logits callback, a negative penalty), the search continues to max_length instead. */
    LRNN_STOP_EXACT = 3
};

/* Which continuations beam search considers in a step; those of a request are ranked by sum of
 * x. */
enum {
    /* From the best down until beam_width unfinished ones are found. Those before them that take an
     * end token are finished. */
    LRNN_CANDIDATES_UNTIL_WIDTH = 0,
    /* The best beam_width * max(2, 1 + end_count). Only those among the first beam_width of them
     * may finish. What generate() of the Python package transformers does. */
    LRNN_CANDIDATES_TRANSFORMERS = 1
};

/* What happens to hypotheses that are cut off by max_length. */
enum {
    LRNN_CUT_UNFINISHED = 0, /* results only if fewer than n_best have finished, after those */
    LRNN_CUT_FINISHED = 1    /* finished, and ranked by score like the others */
};

/* What the penalties apply to. */
enum {
    /* log-probabilities, which do not depend on a constant added by the source */
    LRNN_PENALTY_LOG_PROBABILITIES = 0,
    LRNN_PENALTY_LOGITS = 1 /* the source's own numbers */
};

/* What a step does with the logits z of a row, in this order; each part only if its option is set.
 *   1. log-probabilities l = z - log(sum of exp(z)), what results report. Then, on l (or z):
 *   2. penalties   tokens that occur before: l<0: l*repetition_penalty, else l/repetition_penalty;
 *                  minus presence_penalty, minus frequency_penalty times the number of occurrences
 *   3. bans        banned_tokens, the last token of banned_sequences, repeated n-grams, and end
 *                  tokens before min_length: -infinity
 *   4. forced      in the first forced_count steps every other token: -infinity; the forced one has
 *                  its own l, whatever penalties and bans say
 *   5. allowed     what the `allowed` callback does not list: -infinity
 *   6. logits      the `logits` callback
 *   7. diversity   minus diversity_penalty times the number of hypotheses in earlier groups that
 *                  took the token in this step
 *   8. temperature x = l / temperature
 *   9. top_k, top_p, min_p, typical_p, each over what the one before has left
 * Nothing is normalised again: bans do not make what is left more likely in a beam's score. */
typedef struct lrnn_decoder_options {
    size_t size; /* set by lrnn_decoder_options_init */
    /* NULL (default): the model's; with a scorer malloc and free. */
    const lrnn_allocator *allocator;

    /* ---- capacity ---- */
    size_t batch; /* requests searched in parallel; default 1, at least 1 */
    /* Maximum number of requests in a run, at least 1; those beyond `batch` wait for their turn.
     * LRNN_AUTO (default): batch. */
    size_t requests;
    size_t max_length; /* maximum tokens to generate, including the end token; default 100, at least
                          1 */

    /* ---- ending ---- */
    size_t min_length; /* tokens required before an end token; default 0, at most max_length */
    const int32_t *end_tokens; /* [end_count] ids that finish a hypothesis; copied */
    size_t end_count;          /* default 0: only max_length ends a text */

    /* ---- search ---- */
    int32_t method; /* LRNN_METHOD_*; default LRNN_METHOD_GREEDY */
    int32_t
        stopping; /* LRNN_STOP_*; default LRNN_STOP_FIRST. For beam methods, like all up to `cut` */
    size_t beam_width; /* hypotheses kept; default 5, at least 1 */
    size_t n_best;     /* results per request, the best first; default 1, 1..beam_width */
    /* beam_width is split evenly into groups that search one after another in each step, each
     * pushed away from the earlier ones by diversity_penalty (Vijayakumar et al. 2016, "Diverse
     * beam search"). Default 1; must divide beam_width. */
    size_t beam_groups;
    double diversity_penalty; /* default 0; finite, at least 0; requires beam_groups > 1 */
    /* score = (sum of x) / n^length_penalty, n the number of generated tokens. Default 1: the mean,
     * so that ranking by score is ranking by perplexity; 0: the sum; above 1 favours longer
     * texts. */
    double length_penalty;
    int32_t candidates; /* LRNN_CANDIDATES_*; default LRNN_CANDIDATES_UNTIL_WIDTH */
    int32_t cut;        /* LRNN_CUT_*; default LRNN_CUT_UNFINISHED */
    /* 1: n above, and max_length where it replaces n, include the prompt's tokens, as in some older
     * generators; default 0. */
    int32_t count_prompt;

    /* ---- sampling: LRNN_METHOD_SAMPLE and LRNN_METHOD_SAMPLED_BEAM ---- */
    int32_t uniform;    /* 1: draw uniformly from what the filters below leave; SAMPLE; default 0 */
    double temperature; /* default 1; finite, at least 1e-6 */
    size_t top_k;       /* keep the k most likely; default 0: all */
    /* Keep the smallest number of most likely tokens whose total probability reaches top_p
     * (Holtzman et al. 2020); default 1: all; above 0. */
    double top_p;
    /* Keep tokens at least min_p times as likely as the most likely one (Nguyen et al. 2024);
     * default 0: all; at most 1. */
    double min_p;
    /* Keep those whose -log p is nearest to the entropy, until their total probability reaches
     * typical_p (Meister et al. 2023); default 1: all; above 0. */
    double typical_p;
    size_t min_keep; /* none of the four keeps fewer than this; default 1, at least 1 */

    /* ---- filters: every method ---- */
    double repetition_penalty; /* Keskar et al. 2019; default 1: none; finite, above 0 */
    double presence_penalty;   /* default 0; finite */
    double frequency_penalty;  /* default 0; finite */
    int32_t penalize;          /* LRNN_PENALTY_*; default LRNN_PENALTY_LOG_PROBABILITIES */
    /* 1: penalties, repeated n-grams and banned sequences also consider the prompt's tokens;
     * default 0: only what was generated. */
    int32_t filter_prompt;
    size_t no_repeat_ngram;       /* no sequence of this many tokens twice; default 0: no limit */
    const int32_t *banned_tokens; /* [banned_count], copied */
    size_t banned_count;          /* default 0 */
    /* [banned_sequence_count] arrays, of banned_lengths[i] tokens each, at least 1; copied. */
    const int32_t *const *banned_sequences;
    const size_t *banned_lengths;
    size_t banned_sequence_count; /* default 0 */
    const int32_t *forced_tokens; /* [forced_count] with which each text begins; copied */
    size_t forced_count;          /* default 0; at most max_length */

    /* ---- callbacks, each NULL by default ---- */
    void *user; /* passed to all of them */
    /* Points *tokens at the *count ids that may follow a row, in any order, which must stay valid
     * until the next callback. *count is LRNN_AUTO on entry; if it is left so, all may follow. 0:
     * none may, and the hypothesis is stuck. */
    int32_t (*allowed)(void *user, const lrnn_rows *rows, size_t row, const int32_t **tokens,
                       size_t *count);
    /* Changes values [rows->count, V] in any way: filtered log-probabilities, or logits with
     * LRNN_PENALTY_LOGITS. NaN or +infinity ends the run with LRNN_ERR_NUMERIC. */
    int32_t (*logits)(void *user, const lrnn_rows *rows, float *values);
    /* Receives each token of the text of request `request` as soon as it is settled: with beam
     * search, when all live hypotheses and the best finished one share it, so that what has been
     * reported is always the beginning of the best result. log_probability: under the model. */
    int32_t (*token)(void *user, size_t request, int32_t token, float log_probability);
} lrnn_decoder_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_decoder_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_decoder_options_init(lrnn_decoder_options *options, size_t struct_size);

/* Makes a decoder for a model, of which it keeps what it needs. The model must read tokens, have a
 * head and not be bidirectional; it must have at least as many input as output tokens, because its
 * output is fed back to it.
 * options: NULL means the defaults. A field that the method does not use must have its default.
 * LRNN_ERR_INVALID: a field out of range or two that do not fit; the message names them.
 * LRNN_ERR_UNSUPPORTED: the model is not of this kind. LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_decoder_create(lrnn_decoder **decoder, const lrnn_model *model,
                                         const lrnn_decoder_options *options);

/* The same for a scorer; the struct is copied, what `user` points to must stay valid. Since 0.1. */
LRNN_API lrnn_status lrnn_decoder_create_with_scorer(lrnn_decoder **decoder,
                                                     const lrnn_scorer *scorer,
                                                     const lrnn_decoder_options *options);

/* Accepts NULL. Since 0.1. */
LRNN_API void lrnn_decoder_destroy(lrnn_decoder *decoder);

/* ---- running --------------------------------------------------------------------------------- */

/* A text to be generated: how it starts. Used only during the call. */
typedef struct lrnn_request {
    size_t size; /* set by lrnn_request_init */
    const int32_t
        *tokens;   /* [count] the prompt, or a token that stands for the beginning of a text */
    size_t count;  /* at least 1; 0 is allowed with a scorer */
    uint64_t seed; /* of sampling; default 0 */
    /* State before the prompt, h [L,R] and c [L,H] as lrnn_state_export gives it for one stream,
     * for example the final state of an encoder; NULL (default): zero. Models only; c for LSTM
     * only. */
    const float *h;
    const float *c;
    /* [F] fed with every token, including the prompt's, for example a description of an image;
     * required if and only if the model has features. */
    const float *features;
} lrnn_request;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_request).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_request_init(lrnn_request *request, size_t struct_size);

/* Searches for every request. The result of a request depends only on itself: not on the others,
 * their number or its place among them.
 * requests: `count` of them, 1..options.requests.
 * LRNN_ERR_INVALID: a request does not fit; the message says which and why, and the results of the
 * previous run remain. LRNN_ERR_CANCELLED: a callback asked to stop; every request that had started
 * has results up to there, with LRNN_ENDED_CANCELLED. LRNN_ERR_CALLBACK: a callback failed;
 * LRNN_ERR_NUMERIC: NaN, +infinity or only -infinity from the source or the logits callback; there
 * are no results then. Since 0.1. */
LRNN_API lrnn_status lrnn_decoder_run(lrnn_decoder *decoder, const lrnn_request *requests,
                                      size_t count);

/* Why a text ended. */
enum {
    LRNN_ENDED_TOKEN = 0,    /* with an end token, its last */
    LRNN_ENDED_LENGTH = 1,   /* max_length */
    LRNN_ENDED_STUCK = 2,    /* the filters left no token */
    LRNN_ENDED_CANCELLED = 3 /* a callback asked to stop */
};

/* A generated text. The prompt is not part of any of its numbers. */
typedef struct lrnn_result {
    size_t size;           /* set by lrnn_result_init */
    const int32_t *tokens; /* [count] generated, including the end token */
    /* [count] of each token under the model: before penalties, filters and temperature. */
    const float *log_probabilities;
    size_t count;
    double log_probability; /* their sum */
    double perplexity;      /* exp(-log_probability / count); NaN if count is 0 */
    /* (sum of x) / n^length_penalty: by which beam search ranks; -infinity if count is 0. */
    double score;
    int32_t ended; /* LRNN_ENDED_* */
    int32_t group; /* of the beam, 0..beam_groups-1 */
} lrnn_result;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_result).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_result_init(lrnn_result *result, size_t struct_size);

/* Number of results of a request of the last run: up to n_best. 0 if there is none. Since 0.1. */
LRNN_API size_t lrnn_decoder_result_count(const lrnn_decoder *decoder, size_t request);

/* Result `rank` of a request of the last run, 0 is the best; its arrays are valid until the next
 * run. LRNN_ERR_INVALID: there is no such request or rank, NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_decoder_get_result(lrnn_result *result, const lrnn_decoder *decoder,
                                             size_t request, size_t rank);

/* Scores a given text: the log-probability under the source of each token of request->tokens from
 * `first` on, given all the tokens before it. No filter applies, and the text may have any length.
 * For rescoring, compression and finding anomalies.
 * total: their sum; log_probabilities: [request->count - first]; either may be NULL.
 * first: 1..request->count; 0 is allowed with a scorer. A model requires a token to start from. The
 * results of the last run remain. LRNN_ERR_INVALID, LRNN_ERR_CANCELLED, LRNN_ERR_CALLBACK,
 * LRNN_ERR_NUMERIC as for lrnn_decoder_run. Since 0.1. */
LRNN_API lrnn_status lrnn_decoder_score(double *total, float *log_probabilities,
                                        lrnn_decoder *decoder, const lrnn_request *request,
                                        size_t first);

/* ---- frames: CTC ----------------------------------------------------------------------------- */

/* A list of words, each spelled as a sequence of labels, for lrnn_ctc_options.lexicon. Immutable:
 * any number of searches and threads may share one. Since 0.2. */
typedef struct lrnn_lexicon lrnn_lexicon;

/* Makes a lexicon of `count` words. labels: the labels of word 0, then those of word 1, and so on,
 * each at least 0; lengths: [count] labels of each word, at least 1. Both are copied.
 * Memory: up to 28 bytes for each label. allocator: NULL means malloc and free.
 * LRNN_ERR_INVALID: a word without labels, a negative label, or two words with the same labels; the
 * message names word and label; count is 0, more than 536,870,911 labels, NULL argument.
 * LRNN_ERR_MEMORY. Since 0.2. */
LRNN_API lrnn_status lrnn_lexicon_create(lrnn_lexicon **lexicon, const int32_t *labels,
                                         const size_t *lengths, size_t count,
                                         const lrnn_allocator *allocator);

/* Releases the caller's reference; searches that use the lexicon keep it alive. Accepts NULL.
 * Since 0.2. */
LRNN_API void lrnn_lexicon_destroy(lrnn_lexicon *lexicon);

/* A search for the labels in a sequence of frames, where a net trained with LRNN_LOSS_CTC gives
 * scores of V outputs for each frame. Many alignments of frames with labels stand for the same
 * labels: a label may repeat over several frames, and the blank may stand between labels.
 *
 *     lrnn_ctc_options options;
 *     lrnn_ctc_options_init(&options, sizeof options);
 *     options.output_size = V;
 *     lrnn_ctc *ctc;
 *     status = lrnn_ctc_create(&ctc, &options);
 *     status = lrnn_state_forward(state, &sequences, outputs);    any source of [T,V]
 *     status = lrnn_ctc_feed(ctc, outputs, T, V);
 *     status = lrnn_ctc_finish(ctc);                              no more frames
 *     lrnn_ctc_result result;
 *     lrnn_ctc_result_init(&result, sizeof result);
 *     status = lrnn_ctc_get_result(&result, ctc, 0);              the best labels
 *     status = lrnn_ctc_reset(ctc);                               for the next sequence
 *
 * Frames may come in pieces of any size, and results may be asked for at any time. Nothing after
 * create allocates. Used by one thread at a time. Since 0.2. */
typedef struct lrnn_ctc lrnn_ctc;

enum {
    /* The most likely alignment: the best output of each frame, with repetitions and blanks
     * removed. log_probability is that of this one alignment. */
    LRNN_CTC_GREEDY = 0,
    /* Prefix beam search: the beam_width best label sequences so far are kept, with the probability
     * of each summed over all its alignments that the beam has seen (Hannun et al. 2014; Graves
     * 2012, section 7.5). Exact if the beam holds every sequence. */
    LRNN_CTC_BEAM = 1
};

enum {
    LRNN_CTC_LOGITS = 0,   /* frames are outputs of a net: log-softmax is applied to each */
    LRNN_CTC_LOG_PROBS = 1 /* frames are log-probabilities, used as they are */
};

/* A sequence is ranked by
 *     log_probability of the frames + lm_weight * log p(tokens) + insertion_bonus * tokens
 *                                   - unknown_penalty * unknown words
 * where the tokens are what the language model reads: its labels, or with lm_words its words. */
typedef struct lrnn_ctc_options {
    size_t size;                     /* set by lrnn_ctc_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    size_t output_size;              /* V, including the blank; at least 2; no default */
    size_t beam_width;               /* W; default 16, at least 1; not used when greedy */
    size_t n_best;                   /* results kept, 1..beam_width; default 1; 1 when greedy */
    size_t max_length;               /* maximum labels of a result; default 1024, at least 1. Longer
                                        sequences are not searched. */
    /* Only this many of a frame's most likely labels may be appended; 0 (default): all. */
    size_t token_count;
    /* A label may be appended only in a frame in which its log-probability is at most this much
     * below that of the frame's most likely output; 0 (default): any. */
    double token_threshold;
    int32_t method; /* LRNN_CTC_*; default LRNN_CTC_BEAM */
    int32_t input;  /* LRNN_CTC_LOGITS (default) or LRNN_CTC_LOG_PROBS */
    int32_t blank;  /* the output that means "no label"; default 0 */

    /* ---- lexicon; beam search ---- */
    /* The label between words, such as a space; it may also begin and end a sequence, and repeat.
     * -1 (default): a sequence is one word. */
    int32_t separator;
    const lrnn_lexicon *lexicon; /* only its words are found; shared. NULL (default): any labels */
    /* 1: other words are found too, each at the price of unknown_penalty; default 0. */
    int32_t unknown_words;

    /* ---- language model; beam search ---- */
    int32_t lm_words; /* 1: it reads the words of the lexicon; default 0: it reads labels */
    /* A model of this library that reads tokens, such as lrnn train makes, of which the search
     * keeps what it needs; or a scorer, which is copied. NULL (default): none. */
    const lrnn_model *language_model;
    const lrnn_scorer *scorer;
    /* [output_size], or with lm_words one for each word: the token of the language model for each
     * label or word; -1: it does not read that. Copied. NULL (default): the same numbers. */
    const int32_t *lm_tokens;
    double lm_weight;       /* default 1; finite, at least 0 */
    double insertion_bonus; /* default 0; finite */
    double unknown_penalty; /* default 0; finite, at least 0 */
    int32_t lm_start;   /* token that starts every text; required for a model; default -1: none */
    int32_t lm_end;     /* token that is scored at the end of a text; default -1: none */
    int32_t lm_unknown; /* with lm_words: token for unknown words; default -1: not read */
    int32_t reserved;   /* 0 */
} lrnn_ctc_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_ctc_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.2. */
LRNN_API lrnn_status lrnn_ctc_options_init(lrnn_ctc_options *options, size_t struct_size);

/* Makes a search. Memory in bytes: 12 V + 80 W max_length + 200 W and a little; with a language
 * model of V' tokens, L layers and H units also (2 W + 1) (8 V' + 8 L H) and a state of W streams.
 * It does not depend on the number of frames.
 * LRNN_ERR_INVALID: a field is out of range or not used by the method; the message names it, and of
 * a lexicon the word and label. LRNN_ERR_UNSUPPORTED: a language model that does not read tokens,
 * is bidirectional or has no head at every step. LRNN_ERR_MEMORY. Since 0.2. */
LRNN_API lrnn_status lrnn_ctc_create(lrnn_ctc **ctc, const lrnn_ctc_options *options);

/* Accepts NULL. Since 0.2. */
LRNN_API void lrnn_ctc_destroy(lrnn_ctc *ctc);

/* Forgets all frames: a new sequence starts. LRNN_ERR_INVALID: NULL. Since 0.2. */
LRNN_API lrnn_status lrnn_ctc_reset(lrnn_ctc *ctc);

/* Takes the next frames [count,width] of the sequence; count may be 0. width: output_size.
 * LRNN_ERR_NUMERIC: a number is NaN or +infinity, or all outputs of a frame are -infinity; the
 * message names frame (counted from the start of the sequence) and output. LRNN_ERR_INVALID:
 * another width, NULL argument. LRNN_ERR_STATE: after lrnn_ctc_finish. After these errors nothing
 * has changed. LRNN_ERR_CANCELLED, LRNN_ERR_CALLBACK: the scorer asked to stop or failed;
 * LRNN_ERR_NUMERIC: it gave NaN, +infinity or only -infinity; the sequence cannot be continued, and
 * all calls return LRNN_ERR_STATE until lrnn_ctc_reset. Since 0.2. */
LRNN_API lrnn_status lrnn_ctc_feed(lrnn_ctc *ctc, const float *frames, size_t count, size_t width);

/* The sequence is over: results that end within a word are dropped, unless all do (with
 * unknown_words they count as unknown), the last word and lm_end are scored, and results are ranked
 * again. Needed only with a lexicon or lm_end. Errors as for lrnn_ctc_feed. Since 0.2. */
LRNN_API lrnn_status lrnn_ctc_finish(lrnn_ctc *ctc);

/* One label sequence. */
typedef struct lrnn_ctc_result {
    size_t size;           /* set by lrnn_ctc_result_init */
    const int32_t *tokens; /* [count] the labels; valid until the next call with this ctc */
    /* [count] the frame, from 0, at which each label is most probable between the one in which the
     * search appended it and the one in which it appended the next, and its probability there.
     * Frames ascend. Valid likewise. */
    const int32_t *frames;
    const float *confidences;
    size_t count;
    double log_probability; /* of the frames; see lrnn_ctc_options.method */
    double score;           /* by which results are ranked; see lrnn_ctc_options */
    /* [word_count] with a lexicon: the words, -1 for one that is not in it or not complete. Valid
     * likewise. */
    const int32_t *words;
    size_t word_count;
} lrnn_ctc_result;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_ctc_result). Since 0.2. */
LRNN_API lrnn_status lrnn_ctc_result_init(lrnn_ctc_result *result, size_t struct_size);

/* Result `rank` for the frames so far, 0 is the best.
 * LRNN_ERR_NOT_FOUND: there are not so many; LRNN_ERR_INVALID: rank is not below n_best, NULL
 * argument. Since 0.2. */
LRNN_API lrnn_status lrnn_ctc_get_result(lrnn_ctc_result *result, lrnn_ctc *ctc, size_t rank);

/* How many labels at the start of the best result are settled: whatever frames come, every result
 * will begin with them. 0 for NULL. Since 0.2. */
LRNN_API size_t lrnn_ctc_settled(const lrnn_ctc *ctc);

#ifdef __cplusplus
}
#endif

#endif
