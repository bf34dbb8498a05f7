/* Checking what a caller feeds in, once, before anything is changed. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "network.h"

static const lrnn_sequences default_sequences = {.size = sizeof(lrnn_sequences)};

lrnn_status lrnn_sequences_init(lrnn_sequences *sequences, size_t struct_size)
{
    return OPTIONS_INIT(sequences, struct_size, &default_sequences, lrnn_sequences);
}

lrnn_status sequences_read(lrnn_sequences *copy, const lrnn_sequences *given)
{
    return OPTIONS_READ(copy, given, &default_sequences, lrnn_sequences);
}

static lrnn_status check_presence(const char *name, bool given, bool needed, const char *why)
{
    if (given == needed) {
        return LRNN_OK;
    }
    return error_set(LRNN_ERR_INVALID, "%s: %s, but the model's %s", name,
                     given ? "given" : "not given", why);
}

static lrnn_status check_lengths(const lrnn_sequences *s)
{
    for (size_t b = 0; s->lengths != NULL && b < s->batch; b++) {
        if (s->lengths[b] < 1 || (size_t)s->lengths[b] > s->steps) {
            return error_set(LRNN_ERR_INVALID, "lengths[%zu]: expected 1..%zu, found %d", b,
                             s->steps, (int)s->lengths[b]);
        }
    }
    return LRNN_OK;
}

static lrnn_status check_tokens(const lrnn_sequences *s, size_t vocab_size)
{
    for (size_t b = 0; s->tokens != NULL && b < s->batch; b++) {
        size_t length = sequence_length(s, b);
        for (size_t t = 0; t < length; t++) {
            int32_t token = s->tokens[b * s->steps + t];
            if (token < 0 || (size_t)token >= vocab_size) {
                return error_set(LRNN_ERR_INVALID,
                                 "tokens: row %zu, step %zu: expected 0..%zu, found %d", b, t,
                                 vocab_size - 1, (int)token);
            }
        }
    }
    return LRNN_OK;
}

lrnn_status network_read_sequences(lrnn_sequences *copy, const network *net,
                                   const lrnn_sequences *given)
{
    CHECK(sequences_read(copy, given));
    CHECK(check_size("sequences: batch", copy->batch, 1, INT32_MAX));
    CHECK(check_size("sequences: steps", copy->steps, 1, INT32_MAX));
    const lrnn_model_options *o = &net->options;
    CHECK(check_presence("tokens", copy->tokens != NULL, o->vocab_size > 0,
                         o->vocab_size > 0 ? "vocab_size is not 0" : "vocab_size is 0"));
    CHECK(check_presence("features", copy->features != NULL, o->feature_size > 0,
                         o->feature_size > 0 ? "feature_size is not 0" : "feature_size is 0"));
    return LRNN_OK;
}

lrnn_status network_check_sequences(const network *net, const lrnn_sequences *s)
{
    CHECK(check_lengths(s));
    return check_tokens(s, net->options.vocab_size);
}
