/* Options of a decoder: defaults, ranges, and which fields a method uses; one that it does not use
 * has to keep its default, so that a mistaken method is noticed. */
#include <math.h>
#include <stdio.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "decoder.h"

static const lrnn_decoder_options default_options = {
    .size = sizeof(lrnn_decoder_options),
    .batch = 1,
    .requests = LRNN_AUTO,
    .max_length = 100,
    .method = LRNN_METHOD_GREEDY,
    .stopping = LRNN_STOP_FIRST,
    .beam_width = 5,
    .n_best = 1,
    .beam_groups = 1,
    .length_penalty = 1,
    .temperature = 1,
    .top_p = 1,
    .typical_p = 1,
    .min_keep = 1,
    .repetition_penalty = 1,
};

_Static_assert(sizeof(lrnn_decoder_options) % sizeof(size_t) == 0, "no implicit padding");
_Static_assert(sizeof(lrnn_request) % sizeof(size_t) == 0, "no implicit padding");
_Static_assert(sizeof(lrnn_result) % sizeof(size_t) == 0, "no implicit padding");
_Static_assert(sizeof(lrnn_rows) % sizeof(size_t) == 0, "no implicit padding");
_Static_assert(sizeof(lrnn_scorer) % sizeof(size_t) == 0, "no implicit padding");

lrnn_status lrnn_decoder_options_init(lrnn_decoder_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_decoder_options);
}

static lrnn_status check_capacity(lrnn_decoder_options *o)
{
    CHECK(check_size("batch", o->batch, 1, INT32_MAX));
    if (o->requests == LRNN_AUTO) {
        o->requests = o->batch;
    }
    CHECK(check_size("requests", o->requests, 1, INT32_MAX));
    CHECK(check_size("max_length", o->max_length, 1, INT32_MAX));
    CHECK(check_size("min_length", o->min_length, 0, o->max_length));
    return LRNN_OK;
}

static lrnn_status check_beam(const lrnn_decoder_options *o)
{
    CHECK(check_choice("stopping", o->stopping, LRNN_STOP_EXACT));
    CHECK(check_size("beam_width", o->beam_width, 1, INT32_MAX));
    CHECK(check_size("n_best", o->n_best, 1, o->beam_width));
    CHECK(check_size("beam_groups", o->beam_groups, 1, o->beam_width));
    if (o->beam_width % o->beam_groups != 0) {
        return error_set(LRNN_ERR_INVALID, "beam_groups: %zu does not divide beam_width %zu",
                         o->beam_groups, o->beam_width);
    }
    if (o->beam_groups > 1 && o->method != LRNN_METHOD_BEAM) {
        return error_set(LRNN_ERR_INVALID,
                         "beam_groups: more than one only with LRNN_METHOD_BEAM, found %zu",
                         o->beam_groups);
    }
    if (!isfinite(o->diversity_penalty) || o->diversity_penalty < 0) {
        return error_set(LRNN_ERR_INVALID,
                         "diversity_penalty: expected a finite number not below 0, found %g",
                         o->diversity_penalty);
    }
    if (o->diversity_penalty > 0 && o->beam_groups == 1) {
        return error_set(LRNN_ERR_INVALID, "diversity_penalty: %g, but there is only one group",
                         o->diversity_penalty);
    }
    CHECK(check_finite("length_penalty", o->length_penalty));
    double longest = o->count_prompt == 1 ? (double)INT32_MAX : (double)o->max_length;
    if (isinf(pow(longest, fabs(o->length_penalty)))) {
        return error_set(LRNN_ERR_INVALID,
                         "length_penalty: %g is too large: %.0f to this power is infinite, %s",
                         o->length_penalty, longest,
                         o->count_prompt == 1 ? "which a length may be with count_prompt"
                                              : "which is max_length");
    }
    CHECK(check_choice("candidates", o->candidates, LRNN_CANDIDATES_TRANSFORMERS));
    CHECK(check_choice("cut", o->cut, LRNN_CUT_FINISHED));
    CHECK(check_choice("count_prompt", o->count_prompt, 1));
    if (decoder_is_beam(o)) {
        CHECK(check_size("batch times beam_width", o->batch * o->beam_width, 1, INT32_MAX));
        CHECK(
            check_size("beam_width times max_length", o->beam_width * o->max_length, 1, INT32_MAX));
    }
    return LRNN_OK;
}

/* So that values divided by it stay finite. */
#define LEAST_TEMPERATURE 1e-6

static lrnn_status check_sampling(const lrnn_decoder_options *o)
{
    CHECK(check_choice("uniform", o->uniform, 1));
    if (!isfinite(o->temperature) || o->temperature < LEAST_TEMPERATURE) {
        return error_set(LRNN_ERR_INVALID,
                         "temperature: expected a finite number of at least %g (below that, "
                         "LRNN_METHOD_GREEDY), found %g",
                         LEAST_TEMPERATURE, o->temperature);
    }
    CHECK(check_share("top_p", o->top_p, false));
    CHECK(check_share("min_p", o->min_p, true));
    CHECK(check_share("typical_p", o->typical_p, false));
    CHECK(check_size("min_keep", o->min_keep, 1, SIZE_MAX));
    if (o->uniform == 1) {
        if (o->method != LRNN_METHOD_SAMPLE) {
            return error_set(LRNN_ERR_INVALID, "uniform: only with LRNN_METHOD_SAMPLE");
        }
        if (o->top_k == 0 && o->top_p == 1 && o->min_p == 0 && o->typical_p == 1) {
            return error_set(LRNN_ERR_INVALID,
                             "uniform: needs top_k, top_p, min_p or typical_p to draw among");
        }
    }
    return LRNN_OK;
}

static lrnn_status check_filters(const lrnn_decoder_options *o)
{
    CHECK(check_positive("repetition_penalty", o->repetition_penalty));
    CHECK(check_finite("presence_penalty", o->presence_penalty));
    CHECK(check_finite("frequency_penalty", o->frequency_penalty));
    CHECK(check_choice("penalize", o->penalize, LRNN_PENALTY_LOGITS));
    CHECK(check_choice("filter_prompt", o->filter_prompt, 1));
    CHECK(check_size("forced_count", o->forced_count, 0, o->max_length));
    CHECK(check_array("end_tokens", o->end_tokens, o->end_count));
    CHECK(check_array("banned_tokens", o->banned_tokens, o->banned_count));
    CHECK(check_array("forced_tokens", o->forced_tokens, o->forced_count));
    CHECK(check_array("banned_sequences", o->banned_sequences, o->banned_sequence_count));
    CHECK(check_array("banned_lengths", o->banned_lengths, o->banned_sequence_count));
    for (size_t i = 0; i < o->banned_sequence_count; i++) {
        if (o->banned_lengths[i] == 0 || o->banned_sequences[i] == NULL) {
            return error_set(LRNN_ERR_INVALID, "banned_sequences[%zu]: it is empty", i);
        }
    }
    return LRNN_OK;
}

/* A setting that the method would pass over in silence is a mistake. */
static lrnn_status check_unread(const lrnn_decoder_options *o)
{
    const lrnn_decoder_options *d = &default_options;
    const char *name = NULL;
    if (!decoder_is_beam(o)) {
        name = o->stopping != d->stopping         ? "stopping"
               : o->beam_width != d->beam_width   ? "beam_width"
               : o->n_best != d->n_best           ? "n_best"
               : o->beam_groups != d->beam_groups ? "beam_groups"
               : o->diversity_penalty != 0        ? "diversity_penalty"
               : o->candidates != d->candidates   ? "candidates"
               : o->cut != d->cut                 ? "cut"
                                                  : NULL;
    }
    if (name == NULL && !decoder_is_sampled(o)) {
        name = o->uniform != d->uniform           ? "uniform"
               : o->temperature != d->temperature ? "temperature"
               : o->top_k != d->top_k             ? "top_k"
               : o->top_p != d->top_p             ? "top_p"
               : o->min_p != d->min_p             ? "min_p"
               : o->typical_p != d->typical_p     ? "typical_p"
               : o->min_keep != d->min_keep       ? "min_keep"
                                                  : NULL;
    }
    if (name != NULL) {
        return error_set(LRNN_ERR_INVALID, "%s: set, but the method does not read it", name);
    }
    return LRNN_OK;
}

lrnn_status decoder_read_options(lrnn_decoder_options *options, const lrnn_decoder_options *given)
{
    *options = default_options;
    if (given != NULL) {
        CHECK(OPTIONS_READ(options, given, &default_options, lrnn_decoder_options));
    }
    CHECK(check_choice("method", options->method, LRNN_METHOD_SAMPLED_BEAM));
    CHECK(check_capacity(options));
    CHECK(check_beam(options));
    CHECK(check_sampling(options));
    CHECK(check_filters(options));
    return check_unread(options);
}

/* ---- tokens ---- */

static lrnn_status check_list(const char *name, const int32_t *tokens, size_t count,
                              size_t vocab_size)
{
    for (size_t i = 0; i < count; i++) {
        if (tokens[i] < 0 || (size_t)tokens[i] >= vocab_size) {
            return error_set(LRNN_ERR_INVALID, "%s[%zu]: expected 0..%zu, found %d", name, i,
                             vocab_size - 1, (int)tokens[i]);
        }
    }
    return LRNN_OK;
}

lrnn_status decoder_check_tokens(const lrnn_decoder_options *options, size_t vocab_size)
{
    CHECK(check_list("end_tokens", options->end_tokens, options->end_count, vocab_size));
    CHECK(check_list("banned_tokens", options->banned_tokens, options->banned_count, vocab_size));
    CHECK(check_list("forced_tokens", options->forced_tokens, options->forced_count, vocab_size));
    for (size_t i = 0; i < options->banned_sequence_count; i++) {
        char name[48];
        snprintf(name, sizeof name, "banned_sequences[%zu]", i);
        CHECK(
            check_list(name, options->banned_sequences[i], options->banned_lengths[i], vocab_size));
    }
    return LRNN_OK;
}
