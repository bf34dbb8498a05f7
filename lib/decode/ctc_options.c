/* Options of the search over frames: defaults, ranges, and what of them fits together. */
#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "ctc.h"
#include "model/model.h"

static const lrnn_ctc_options default_options = {
    .size = sizeof(lrnn_ctc_options),
    .beam_width = 16,
    .n_best = 1,
    .max_length = 1024,
    .method = LRNN_CTC_BEAM,
    .separator = -1,
    .lm_weight = 1,
    .lm_start = -1,
    .lm_end = -1,
    .lm_unknown = -1,
};
_Static_assert(sizeof(lrnn_ctc_options) % sizeof(size_t) == 0, "no implicit padding");

lrnn_status lrnn_ctc_options_init(lrnn_ctc_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_ctc_options);
}

static lrnn_status check_greedy(lrnn_ctc_options *o)
{
    if (o->lexicon != NULL || o->language_model != NULL || o->scorer != NULL ||
        o->insertion_bonus != 0) {
        return error_set(LRNN_ERR_INVALID, "lexicon, language_model, scorer, insertion_bonus: not "
                                           "with LRNN_CTC_GREEDY");
    }
    o->beam_width = 1;
    return LRNN_OK;
}

static lrnn_status check_options(lrnn_ctc_options *o)
{
    CHECK(check_size("output_size", o->output_size, 2, INT32_MAX));
    CHECK(check_choice("method", o->method, LRNN_CTC_BEAM));
    CHECK(check_choice("input", o->input, LRNN_CTC_LOG_PROBS));
    CHECK(check_size("beam_width", o->beam_width, 1, INT32_MAX / 4));
    if (o->method == LRNN_CTC_GREEDY) {
        CHECK(check_greedy(o));
    }
    CHECK(check_size("n_best", o->n_best, 1, o->beam_width));
    CHECK(check_size("max_length", o->max_length, 1, INT32_MAX / 4));
    CHECK(check_size("token_count", o->token_count, 0, o->output_size));
    CHECK(check_not_negative("token_threshold", o->token_threshold));
    CHECK(check_choice("unknown_words", o->unknown_words, 1));
    CHECK(check_choice("lm_words", o->lm_words, 1));
    CHECK(check_not_negative("lm_weight", o->lm_weight));
    CHECK(check_finite("insertion_bonus", o->insertion_bonus));
    CHECK(check_not_negative("unknown_penalty", o->unknown_penalty));
    CHECK(check_reserved(o->reserved));
    if (o->blank < 0 || (size_t)o->blank >= o->output_size) {
        return error_set(LRNN_ERR_INVALID, "blank: expected 0..%zu, found %d", o->output_size - 1,
                         (int)o->blank);
    }
    return LRNN_OK;
}

lrnn_status ctc_options_read(lrnn_ctc_options *copy, const lrnn_ctc_options *given)
{
    CHECK(OPTIONS_READ(copy, given, &default_options, lrnn_ctc_options));
    return check_options(copy);
}

/* ---- words and language models ---- */

static lrnn_status check_lexicon(lrnn_ctc *ctc)
{
    const lrnn_ctc_options *o = &ctc->options;
    const lrnn_lexicon *lexicon = o->lexicon;
    size_t V = o->output_size;
    if (o->separator < -1 || o->separator >= (int32_t)V || o->separator == o->blank) {
        return error_set(LRNN_ERR_INVALID, "separator: expected -1..%zu, not the blank, found %d",
                         V - 1, (int)o->separator);
    }
    if (lexicon == NULL) {
        if (o->separator != -1 || o->unknown_words != 0 || o->unknown_penalty > 0 ||
            o->lm_words != 0) {
            return error_set(LRNN_ERR_INVALID,
                             "separator, unknown_words, unknown_penalty, lm_words: need a lexicon");
        }
        return LRNN_OK;
    }
    if (lexicon->largest >= (int32_t)V) {
        return error_set(LRNN_ERR_INVALID,
                         "lexicon: word %zu, label %zu: expected 0..%zu, found %d",
                         lexicon->largest_word, lexicon->largest_at, V - 1, (int)lexicon->largest);
    }
    for (size_t i = 1; i < lexicon->node_count; i++) {
        int32_t label = lexicon->nodes[i].label;
        if (label == o->blank || label == o->separator) {
            return error_set(LRNN_ERR_INVALID, "lexicon: label %d in a word is the %s", (int)label,
                             label == o->blank ? "blank" : "separator");
        }
    }
    return LRNN_OK;
}

static lrnn_status read_model(ctc_language *l, const lrnn_model *model)
{
    const network *net = &model->net;
    const lrnn_model_options *o = &net->options;
    const char *why = o->vocab_size == 0           ? "it does not read tokens"
                      : o->bidirectional != 0      ? "it is bidirectional"
                      : o->head != LRNN_HEAD_STEPS ? "it has no head at every step"
                      : o->feature_size > 0        ? "it reads features"
                      : !network_gives_logits(net) ? "its output_activation is not of logits"
                      : o->output_size > INT32_MAX ? "it has too many outputs"
                                                   : NULL;
    if (why != NULL) {
        return error_set(LRNN_ERR_UNSUPPORTED, "language_model: %s", why);
    }
    l->vocab_size = o->output_size;
    l->h_values = net->h_values;
    l->c_values = net->c_values;
    l->cell_state = network_has_cell_state(net);
    return LRNN_OK;
}

static const lrnn_scorer default_scorer = {.size = sizeof(lrnn_scorer)};

static lrnn_status read_scorer(ctc_language *l, const lrnn_scorer *scorer)
{
    CHECK(OPTIONS_READ(&l->scorer, scorer, &default_scorer, lrnn_scorer));
    if (l->scorer.score == NULL) {
        return error_null("scorer: score");
    }
    CHECK(check_size("scorer: vocab_size", l->scorer.vocab_size, 1, INT32_MAX));
    l->vocab_size = l->scorer.vocab_size;
    return LRNN_OK;
}

static lrnn_status check_token(const ctc_language *l, const char *name, int32_t token)
{
    return token >= -1 && (token == -1 || (size_t)token < l->vocab_size)
               ? LRNN_OK
               : error_set(LRNN_ERR_INVALID, "%s: expected -1..%zu, found %d", name,
                           l->vocab_size - 1, (int)token);
}

static lrnn_status check_tokens(const lrnn_ctc *ctc)
{
    const lrnn_ctc_options *o = &ctc->options;
    const ctc_language *l = &ctc->language;
    size_t count = ctc_unit_count(ctc);
    CHECK(check_token(l, "lm_start", o->lm_start));
    CHECK(check_token(l, "lm_end", o->lm_end));
    CHECK(check_token(l, "lm_unknown", o->lm_unknown));
    if (o->language_model != NULL && o->lm_start < 0) {
        return error_set(LRNN_ERR_INVALID, "lm_start: a model needs a token to start from");
    }
    if (o->lm_tokens == NULL && count > l->vocab_size) {
        return error_set(LRNN_ERR_INVALID,
                         "lm_tokens: NULL, but there are %zu %s and only %zu tokens", count,
                         ctc->words ? "words" : "labels", l->vocab_size);
    }
    for (size_t i = 0; o->lm_tokens != NULL && i < count; i++) {
        if (o->lm_tokens[i] < -1 || o->lm_tokens[i] >= (int64_t)l->vocab_size) {
            return error_set(LRNN_ERR_INVALID, "lm_tokens[%zu]: expected -1..%zu, found %d", i,
                             l->vocab_size - 1, (int)o->lm_tokens[i]);
        }
    }
    return LRNN_OK;
}

lrnn_status ctc_options_apply(lrnn_ctc *ctc, const lrnn_ctc_options *given)
{
    const lrnn_ctc_options *o = &ctc->options;
    ctc_language *l = &ctc->language;
    CHECK(check_lexicon(ctc));
    ctc->lexicon = lexicon_share(o->lexicon);
    ctc->words = o->lm_words != 0;
    ctc->most_extra = o->insertion_bonus > 0 ? o->insertion_bonus : 0;
    if (o->language_model != NULL && o->scorer != NULL) {
        return error_set(LRNN_ERR_INVALID, "language_model and scorer: there can be only one");
    }
    if (o->language_model != NULL) {
        CHECK(read_model(l, o->language_model));
    } else if (o->scorer != NULL) {
        CHECK(read_scorer(l, o->scorer));
    } else if (given->lm_tokens != NULL || o->lm_start != -1 || o->lm_end != -1 ||
               o->lm_unknown != -1) {
        return error_set(LRNN_ERR_INVALID,
                         "lm_tokens, lm_start, lm_end, lm_unknown: need a language model");
    }
    l->capacity = l->vocab_size > 0 ? 2 * o->beam_width + 1 : 0;
    return l->vocab_size > 0 ? check_tokens(ctc) : LRNN_OK;
}
