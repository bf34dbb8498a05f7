/* Language models for tests of the decoder: a function of the whole hypothesis, so that a test can
 * work out for itself what the decoder ought to find. */
#ifndef SUPPORT_DECODE_SCORERS_H
#define SUPPORT_DECODE_SCORERS_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lrnn/decode.h"

/* Logits that are pseudo-random numbers in +-spread, different for every prefix. */
typedef struct hash_scorer {
    uint64_t seed;
    double spread;
    size_t vocab_size;
    size_t calls, rows; /* so far */
    int32_t answer;     /* what the callback returns from call number `answer_at` on */
    size_t answer_at;
} hash_scorer;

static inline uint64_t hash_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline void hash_logits(const hash_scorer *scorer, const int32_t *tokens, size_t count,
                               float *logits)
{
    uint64_t state = hash_mix(scorer->seed);
    for (size_t i = 0; i < count; i++) {
        state = hash_mix(state ^ (uint64_t)(tokens[i] + 1));
    }
    for (size_t v = 0; v < scorer->vocab_size; v++) {
        double unit = (double)(hash_mix(state + v) >> 11) / 9007199254740992.0;
        logits[v] = (float)((2 * unit - 1) * scorer->spread);
    }
}

static inline int32_t hash_score(void *user, const lrnn_rows *rows, float *logits)
{
    hash_scorer *scorer = user;
    scorer->calls++;
    scorer->rows += rows->count;
    for (size_t row = 0; row < rows->count; row++) {
        size_t count = (size_t)rows->lengths[row];
        int32_t *tokens = malloc((count + 1) * sizeof *tokens);
        if (tokens == NULL || lrnn_rows_copy_tokens(tokens, count, rows, row) != LRNN_OK) {
            free(tokens);
            return -99;
        }
        hash_logits(scorer, tokens, count, logits + row * scorer->vocab_size);
        free(tokens);
    }
    return scorer->answer_at > 0 && scorer->calls >= scorer->answer_at ? scorer->answer : 0;
}

static inline lrnn_scorer hash_scorer_wrap(hash_scorer *scorer)
{
    lrnn_scorer wrapped;
    lrnn_scorer_init(&wrapped, sizeof wrapped);
    wrapped.user = scorer;
    wrapped.vocab_size = scorer->vocab_size;
    wrapped.score = hash_score;
    return wrapped;
}

static inline void to_log_probabilities(const float *logits, size_t n, double *log_probabilities)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += exp((double)logits[i]);
    }
    for (size_t i = 0; i < n; i++) {
        log_probabilities[i] = (double)logits[i] - log(sum);
    }
}

static inline lrnn_decoder_options decoder_defaults(void)
{
    lrnn_decoder_options options;
    lrnn_decoder_options_init(&options, sizeof options);
    return options;
}

static inline lrnn_request make_request(const int32_t *tokens, size_t count, uint64_t seed)
{
    lrnn_request request;
    lrnn_request_init(&request, sizeof request);
    request.tokens = tokens;
    request.count = count;
    request.seed = seed;
    return request;
}

static inline lrnn_result get_result(const lrnn_decoder *decoder, size_t request, size_t rank)
{
    lrnn_result result;
    lrnn_result_init(&result, sizeof result);
    if (lrnn_decoder_get_result(&result, decoder, request, rank) != LRNN_OK) {
        result.count = (size_t)-1;
    }
    return result;
}

static inline lrnn_decoder *decoder_over(hash_scorer *scorer, const lrnn_decoder_options *options)
{
    lrnn_scorer wrapped = hash_scorer_wrap(scorer);
    lrnn_decoder *decoder = NULL;
    lrnn_decoder_create_with_scorer(&decoder, &wrapped, options);
    return decoder;
}

#endif
