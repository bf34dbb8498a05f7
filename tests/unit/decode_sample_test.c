/* Sampling: the frequencies of many draws against the exact distribution, worked out here by
 * sorting. A chi-squared statistic with k degrees of freedom is taken at its 1 - 1e-6 quantile, so
 * that a correct sampler fails one of these tests in about 30,000 seeds; the seeds are fixed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/decode_scorers.h"

enum { MOST_VOCAB = 600 };

typedef struct fixed_scorer {
    size_t vocab_size;
    float logits[MOST_VOCAB];
} fixed_scorer;

static int32_t score_fixed(void *user, const lrnn_rows *rows, float *logits)
{
    const fixed_scorer *scorer = user;
    for (size_t row = 0; row < rows->count; row++) {
        memcpy(logits + row * scorer->vocab_size, scorer->logits,
               scorer->vocab_size * sizeof(float));
    }
    return 0;
}

static lrnn_scorer wrap_fixed(fixed_scorer *scorer)
{
    lrnn_scorer wrapped;
    lrnn_scorer_init(&wrapped, sizeof wrapped);
    wrapped.user = scorer;
    wrapped.vocab_size = scorer->vocab_size;
    wrapped.score = score_fixed;
    return wrapped;
}

static fixed_scorer random_scorer(size_t vocab_size, double spread, uint64_t seed)
{
    fixed_scorer made = {.vocab_size = vocab_size};
    hash_scorer hash = {.seed = seed, .spread = spread, .vocab_size = vocab_size};
    hash_logits(&hash, NULL, 0, made.logits);
    return made;
}

/* ---- statistics ---- */

/* Upper 1e-6 quantile of chi-squared with k degrees of freedom, by Wilson and Hilferty's
 * approximation (1931). */
static double chi_squared_limit(double k)
{
    double z = 4.7534, a = 2 / (9 * k);
    return k * pow(1 - a + z * sqrt(a), 3);
}

/* Bins that expect fewer than 5 are put together. Nothing may be drawn that has no probability. */
static void check_frequencies(const size_t *observed, const double *expected, size_t n,
                              size_t draws)
{
    double statistic = 0, rare_expected = 0, rare_observed = 0, bins = 0;
    for (size_t i = 0; i < n; i++) {
        double e = expected[i] * (double)draws, o = (double)observed[i];
        assert_false(expected[i] == 0 && observed[i] > 0);
        if (e < 5) {
            rare_expected += e;
            rare_observed += o;
        } else {
            statistic += (o - e) * (o - e) / e;
            bins++;
        }
    }
    if (rare_expected >= 5) {
        statistic +=
            (rare_observed - rare_expected) * (rare_observed - rare_expected) / rare_expected;
        bins++;
    }
    if (bins > 1 && statistic > chi_squared_limit(bins - 1)) {
        fail_msg("chi-squared is %g with %g bins, the limit %g", statistic, bins,
                 chi_squared_limit(bins - 1));
    }
}

/* ---- the exact distribution ---- */

static const double *sort_keys;

static int by_key(const void *a, const void *b)
{
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    if (sort_keys[i] != sort_keys[k]) {
        return sort_keys[i] > sort_keys[k] ? -1 : 1;
    }
    return i < k ? -1 : 1;
}

static void normalize(double *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += p[i];
    }
    for (size_t i = 0; i < n; i++) {
        p[i] /= sum;
    }
}

/* Keeps items in the order of their keys until there are `least` and they reach `mass`. */
static void keep_by_key(double *p, const double *keys, size_t n, size_t least, double mass)
{
    static size_t order[MOST_VOCAB];
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
    }
    sort_keys = keys;
    qsort(order, n, sizeof *order, by_key);
    for (size_t i = 0; i < n; i++) {
        bool kept = i < least || sum < mass;
        sum += p[order[i]];
        p[order[i]] = kept ? p[order[i]] : 0;
    }
    normalize(p, n);
}

static void exact_distribution(double *p, const fixed_scorer *scorer, const lrnn_decoder_options *o)
{
    static double keys[MOST_VOCAB], scaled[MOST_VOCAB];
    size_t n = scorer->vocab_size;
    for (size_t i = 0; i < n; i++) {
        scaled[i] = (double)scorer->logits[i] / o->temperature;
        p[i] = exp(scaled[i]);
    }
    normalize(p, n);
    if (o->top_k > 0) {
        keep_by_key(p, scaled, n, o->top_k > o->min_keep ? o->top_k : o->min_keep, 0);
    }
    if (o->top_p < 1) {
        keep_by_key(p, scaled, n, o->min_keep, o->top_p);
    }
    if (o->min_p > 0) {
        double best = 0;
        for (size_t i = 0; i < n; i++) {
            best = p[i] > best ? p[i] : best;
        }
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            kept += p[i] >= o->min_p * best;
        }
        keep_by_key(p, scaled, n, kept > o->min_keep ? kept : o->min_keep, 0);
    }
    if (o->typical_p < 1) {
        double entropy = 0;
        for (size_t i = 0; i < n; i++) {
            entropy -= p[i] > 0 ? p[i] * log(p[i]) : 0;
        }
        for (size_t i = 0; i < n; i++) {
            keys[i] = p[i] > 0 ? -fabs(-log(p[i]) - entropy) : -HUGE_VAL;
        }
        keep_by_key(p, keys, n, o->min_keep, o->typical_p);
    }
    for (size_t i = 0; i < n; i++) {
        p[i] = o->uniform == 1 ? p[i] > 0 : p[i];
    }
    normalize(p, n);
}

/* One long text of independent draws, and many texts of one token under seeds of their own. */
static void check_draws(fixed_scorer *scorer, lrnn_decoder_options options, size_t draws,
                        bool many_seeds)
{
    size_t observed[MOST_VOCAB] = {0};
    double expected[MOST_VOCAB];
    exact_distribution(expected, scorer, &options);
    options.max_length = many_seeds ? 1 : draws;
    options.batch = many_seeds ? 100 : 1;
    options.requests = many_seeds ? draws : 1;
    lrnn_scorer wrapped = wrap_fixed(scorer);
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &wrapped, &options), LRNN_OK);
    lrnn_request *requests = malloc(draws * sizeof *requests);
    assert_non_null(requests);
    for (size_t i = 0; i < draws; i++) {
        requests[i] = make_request(NULL, 0, i);
    }
    assert_int_equal(lrnn_decoder_run(decoder, requests, options.requests), LRNN_OK);
    for (size_t i = 0; i < options.requests; i++) {
        lrnn_result result = get_result(decoder, i, 0);
        for (size_t k = 0; k < result.count; k++) {
            observed[result.tokens[k]]++;
        }
    }
    check_frequencies(observed, expected, scorer->vocab_size, draws);
    free(requests);
    lrnn_decoder_destroy(decoder);
}

static lrnn_decoder_options sampling(void)
{
    lrnn_decoder_options options = decoder_defaults();
    options.method = LRNN_METHOD_SAMPLE;
    return options;
}

static void draws_follow_the_softmax(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 5, 64, 257, 600};
    for (size_t i = 0; i < 6; i++) {
        fixed_scorer scorer = random_scorer(sizes[i], 3, i);
        check_draws(&scorer, sampling(), 60000, false);
    }
}

static void draws_under_different_seeds_follow_the_softmax(void **state)
{
    (void)state;
    fixed_scorer scorer = random_scorer(40, 2, 9);
    check_draws(&scorer, sampling(), 40000, true);
}

static void temperature_divides_the_logits(void **state)
{
    (void)state;
    const double temperatures[] = {0.3, 0.9, 2.5, 100};
    for (size_t i = 0; i < 4; i++) {
        fixed_scorer scorer = random_scorer(30, 3, i);
        lrnn_decoder_options options = sampling();
        options.temperature = temperatures[i];
        check_draws(&scorer, options, 60000, false);
    }
}

static void filters_and_their_combinations_leave_the_exact_distribution(void **state)
{
    (void)state;
    const size_t top_k[] = {0, 0, 1, 7, 500};
    const double top_p[] = {1, 1, 0.3, 0.8, 0.97}, min_p[] = {0, 0, 0.05, 0.3},
                 typical[] = {1, 1, 0.3, 0.9};
    for (uint64_t trial = 0; trial < 120; trial++) {
        uint64_t r = hash_mix(trial);
        fixed_scorer scorer = random_scorer(20 + (r & 63), 1 + (double)((r >> 8) & 3), trial);
        lrnn_decoder_options options = sampling();
        options.top_k = top_k[(r >> 16) % 5];
        options.top_p = top_p[(r >> 20) % 5];
        options.min_p = min_p[(r >> 24) % 4];
        options.typical_p = typical[(r >> 28) % 4];
        options.min_keep = 1 + ((r >> 32) % 4 == 0 ? 3 : 0);
        options.temperature = (r >> 36) % 2 == 0 ? 1 : 0.7;
        options.uniform = (r >> 40) % 3 == 0 && (options.top_k > 0 || options.top_p < 1 ||
                                                 options.min_p > 0 || options.typical_p < 1);
        check_draws(&scorer, options, 12000, false);
    }
}

static void uniform_draws_evenly_among_the_top_k(void **state)
{
    (void)state;
    fixed_scorer scorer = random_scorer(100, 4, 3);
    lrnn_decoder_options options = sampling();
    options.top_k = 5;
    options.uniform = 1;
    check_draws(&scorer, options, 50000, false);
}

static void a_banned_token_is_never_drawn(void **state)
{
    (void)state;
    fixed_scorer scorer = random_scorer(10, 1, 3);
    scorer.logits[4] = 8;
    scorer.logits[5] = -INFINITY;
    lrnn_decoder_options options = sampling();
    const int32_t banned[] = {4};
    options.banned_tokens = banned;
    options.banned_count = 1;
    options.max_length = 20000;
    lrnn_scorer wrapped = wrap_fixed(&scorer);
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &wrapped, &options), LRNN_OK);
    lrnn_request request = make_request(NULL, 0, 5);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_result result = get_result(decoder, 0, 0);
    assert_int_equal(result.count, 20000);
    for (size_t i = 0; i < result.count; i++) {
        assert_true(result.tokens[i] != 4 && result.tokens[i] != 5);
    }
    lrnn_decoder_destroy(decoder);
}

static void a_very_low_temperature_is_greedy(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        hash_scorer scorer = {.seed = seed, .spread = 100, .vocab_size = 50};
        lrnn_decoder_options options = decoder_defaults();
        lrnn_decoder *greedy = decoder_over(&scorer, &options);
        options = sampling();
        options.temperature = 1e-6;
        lrnn_decoder *sampler = decoder_over(&scorer, &options);
        lrnn_request request = make_request(NULL, 0, seed);
        assert_int_equal(lrnn_decoder_run(greedy, &request, 1), LRNN_OK);
        assert_int_equal(lrnn_decoder_run(sampler, &request, 1), LRNN_OK);
        assert_memory_equal(get_result(greedy, 0, 0).tokens, get_result(sampler, 0, 0).tokens,
                            100 * sizeof(int32_t));
        lrnn_decoder_destroy(greedy);
        lrnn_decoder_destroy(sampler);
    }
}

/* ---- sampled beams ---- */

/* Of a beam of two over texts of one token, the first and the second drawn: probability of (i, k)
 * is p_i p_k / (1 - p_i). */
static void sampled_beams_draw_without_replacement(void **state)
{
    (void)state;
    enum { V = 6, DRAWS = 60000 };
    fixed_scorer scorer = random_scorer(V, 1.5, 11);
    lrnn_decoder_options options = decoder_defaults();
    options.method = LRNN_METHOD_SAMPLED_BEAM;
    options.beam_width = options.n_best = 2;
    options.max_length = 1;
    options.batch = 50;
    options.requests = DRAWS;
    lrnn_scorer wrapped = wrap_fixed(&scorer);
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &wrapped, &options), LRNN_OK);
    static lrnn_request requests[DRAWS];
    for (size_t i = 0; i < DRAWS; i++) {
        requests[i] = make_request(NULL, 0, 1000 + i);
    }
    assert_int_equal(lrnn_decoder_run(decoder, requests, DRAWS), LRNN_OK);
    size_t observed[V * V] = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        assert_int_equal(lrnn_decoder_result_count(decoder, i), 2);
        int32_t a = get_result(decoder, i, 0).tokens[0], b = get_result(decoder, i, 1).tokens[0];
        observed[a < b ? a * V + b : b * V + a]++;
    }
    double p[V], expected[V * V] = {0};
    exact_distribution(p, &scorer, &options);
    for (size_t a = 0; a < V; a++) {
        for (size_t b = a + 1; b < V; b++) {
            expected[a * V + b] = p[a] * p[b] / (1 - p[a]) + p[b] * p[a] / (1 - p[b]);
        }
    }
    check_frequencies(observed, expected, V * V, DRAWS);
    lrnn_decoder_destroy(decoder);
}

/* The two hypotheses of the first step weigh in by their own probability in the second. */
static void sampled_beams_draw_over_all_rows_together(void **state)
{
    (void)state;
    enum { V = 4, DRAWS = 60000 };
    hash_scorer scorer = {.seed = 3, .spread = 1.5, .vocab_size = V};
    lrnn_decoder_options options = decoder_defaults();
    options.method = LRNN_METHOD_SAMPLED_BEAM;
    options.beam_width = V;
    options.max_length = 2;
    options.batch = 50;
    options.requests = DRAWS;
    options.n_best = V;
    options.temperature = 0.8;
    lrnn_decoder *decoder = decoder_over(&scorer, &options);
    static lrnn_request requests[DRAWS];
    for (size_t i = 0; i < DRAWS; i++) {
        requests[i] = make_request(NULL, 0, i);
    }
    assert_int_equal(lrnn_decoder_run(decoder, requests, DRAWS), LRNN_OK);

    /* All V first tokens live on; then V of the V*V texts are drawn without replacement. The chance
     * that a text is among them is found by going through all ordered draws. */
    double p[V * V], chance[V * V] = {0}, first[V], second[V], sum = 0;
    float logits[V];
    hash_logits(&scorer, NULL, 0, logits);
    to_log_probabilities(logits, V, first);
    for (int32_t a = 0; a < V; a++) {
        hash_logits(&scorer, &a, 1, logits);
        to_log_probabilities(logits, V, second);
        for (size_t b = 0; b < V; b++) {
            p[(size_t)a * V + b] = exp((first[a] + second[b]) / 0.8);
            sum += p[(size_t)a * V + b];
        }
    }
    for (size_t i = 0; i < V * V; i++) {
        p[i] /= sum;
    }
    for (size_t a = 0; a < V * V; a++) {
        for (size_t b = 0; b < V * V; b++) {
            for (size_t c = 0; c < V * V && b != a; c++) {
                for (size_t d = 0; d < V * V && c != a && c != b; d++) {
                    if (d != a && d != b && d != c) {
                        double all = p[a] * p[b] / (1 - p[a]) * p[c] / (1 - p[a] - p[b]) * p[d] /
                                     (1 - p[a] - p[b] - p[c]);
                        chance[a] += all;
                        chance[b] += all;
                        chance[c] += all;
                        chance[d] += all;
                    }
                }
            }
        }
    }
    size_t observed[V * V] = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        assert_int_equal(lrnn_decoder_result_count(decoder, i), V);
        for (size_t k = 0; k < V; k++) {
            lrnn_result result = get_result(decoder, i, k);
            observed[result.tokens[0] * V + result.tokens[1]]++;
        }
    }
    for (size_t i = 0; i < V * V; i++) {
        double deviation = sqrt(chance[i] * (1 - chance[i]) * DRAWS);
        assert_true(fabs((double)observed[i] - chance[i] * DRAWS) < 5 * deviation);
    }
    lrnn_decoder_destroy(decoder);
}

static void sampled_beams_take_only_what_the_filters_leave(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        fixed_scorer scorer = random_scorer(300, 2, 8 + k);
        lrnn_decoder_options options = decoder_defaults();
        options.method = LRNN_METHOD_SAMPLED_BEAM;
        options.beam_width = options.n_best = 5;
        options.top_k = k == 0 ? 3 : 0;
        options.top_p = k == 1 ? 0.2 : 1;
        options.min_p = k == 2 ? 0.8 : 0;
        options.typical_p = k == 3 ? 0.1 : 1;
        options.max_length = 30;
        double p[MOST_VOCAB];
        exact_distribution(p, &scorer, &options);
        lrnn_scorer wrapped = wrap_fixed(&scorer);
        lrnn_decoder *decoder;
        assert_int_equal(lrnn_decoder_create_with_scorer(&decoder, &wrapped, &options), LRNN_OK);
        lrnn_request request = make_request(NULL, 0, 5);
        assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
        for (size_t rank = 0; rank < lrnn_decoder_result_count(decoder, 0); rank++) {
            lrnn_result result = get_result(decoder, 0, rank);
            for (size_t i = 0; i < result.count; i++) {
                assert_true(p[result.tokens[i]] > 0);
            }
        }
        lrnn_decoder_destroy(decoder);
    }
}

static void the_score_of_a_sample_is_that_of_its_tempered_values(void **state)
{
    (void)state;
    hash_scorer scorer = {.seed = 8, .spread = 2, .vocab_size = 30};
    lrnn_decoder_options options = sampling();
    options.temperature = 0.5;
    options.length_penalty = 0;
    lrnn_decoder *decoder = decoder_over(&scorer, &options);
    lrnn_request request = make_request(NULL, 0, 5);
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_result result = get_result(decoder, 0, 0);
    assert_true(fabs(result.score - 2 * result.log_probability) < 1e-6);
    lrnn_decoder_destroy(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_softmax),
        cmocka_unit_test(draws_under_different_seeds_follow_the_softmax),
        cmocka_unit_test(temperature_divides_the_logits),
        cmocka_unit_test(filters_and_their_combinations_leave_the_exact_distribution),
        cmocka_unit_test(uniform_draws_evenly_among_the_top_k),
        cmocka_unit_test(a_banned_token_is_never_drawn),
        cmocka_unit_test(a_very_low_temperature_is_greedy),
        cmocka_unit_test(sampled_beams_draw_without_replacement),
        cmocka_unit_test(sampled_beams_draw_over_all_rows_together),
        cmocka_unit_test(sampled_beams_take_only_what_the_filters_leave),
        cmocka_unit_test(the_score_of_a_sample_is_that_of_its_tempered_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
