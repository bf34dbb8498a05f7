/* The search over frames: against all alignments written out, against a plain prefix beam search
 * over strings, in pieces, and with bad input. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "lrnn.h"
#include "support/expect.h"
#include "support/malloc_trap.h"

enum { MOST_T = 64, MOST_V = 40, MOST_SETS = 4096, MOST_WIDTH = 32 };

static float frames[MOST_T * MOST_V];

static void draw_frames(size_t T, size_t V, uint64_t seed, double scale)
{
    for (size_t i = 0; i < T * V; i++) {
        frames[i] = (float)(scale * random_normal(seed, 1, i));
    }
}

static lrnn_ctc *make(size_t V, size_t width, size_t n_best, int32_t blank)
{
    lrnn_ctc_options o;
    lrnn_ctc *ctc;
    EXPECT_OK(lrnn_ctc_options_init(&o, sizeof o));
    o.output_size = V;
    o.beam_width = width;
    o.n_best = n_best;
    o.blank = blank;
    o.max_length = MOST_T;
    EXPECT_OK(lrnn_ctc_create(&ctc, &o));
    return ctc;
}

static lrnn_ctc_result result_of(lrnn_ctc *ctc, size_t rank)
{
    lrnn_ctc_result r;
    EXPECT_OK(lrnn_ctc_result_init(&r, sizeof r));
    EXPECT_OK(lrnn_ctc_get_result(&r, ctc, rank));
    return r;
}

static double log_softmax(size_t V, size_t t, size_t v)
{
    double sum = 0;
    for (size_t u = 0; u < V; u++) {
        sum += exp((double)frames[t * V + u]);
    }
    return (double)frames[t * V + v] - log(sum);
}

static double log_add(double a, double b)
{
    return a == -(double)INFINITY   ? b
           : b == -(double)INFINITY ? a
                                    : (a > b ? a : b) + log1p(exp(-fabs(a - b)));
}

/* ---- sets of label sequences with a probability each ---- */

typedef struct labels {
    char text[MOST_T + 1]; /* 'a' + label */
    double blank, label;
} labels;

static labels sets[2][MOST_SETS];
static size_t counts[2];

static labels *find(int set, const char *text)
{
    for (size_t i = 0; i < counts[set]; i++) {
        if (strcmp(sets[set][i].text, text) == 0) {
            return &sets[set][i];
        }
    }
    assert_true(counts[set] < MOST_SETS);
    labels *made = &sets[set][counts[set]++];
    snprintf(made->text, sizeof made->text, "%s", text);
    made->blank = made->label = -(double)INFINITY;
    return made;
}

static double total(const labels *of)
{
    return log_add(of->blank, of->label);
}

static int by_total(const void *a, const void *b)
{
    double x = total(a), y = total(b);
    return (x < y) - (x > y);
}

static void expect_labels(const lrnn_ctc_result *r, const labels *expected)
{
    char text[MOST_T + 1] = "";
    for (size_t i = 0; i < r->count; i++) {
        text[i] = (char)('a' + r->tokens[i]);
        text[i + 1] = '\0';
    }
    assert_string_equal(text, expected->text);
    assert_true(fabs(r->log_probability - total(expected)) < 1e-4);
}

/* Every alignment, by counting in base V; what it collapses to is kept in set 0. */
static void enumerate(size_t T, size_t V, size_t blank)
{
    size_t path[8] = {0}, all = 1;
    counts[0] = 0;
    for (size_t t = 0; t < T; t++) {
        all *= V;
    }
    for (size_t n = 0; n < all; n++) {
        char text[MOST_T + 1] = "";
        double p = 0;
        size_t rest = n, length = 0;
        for (size_t t = 0; t < T; t++, rest /= V) {
            path[t] = rest % V;
            p += log_softmax(V, t, path[t]);
            if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) {
                text[length++] = (char)('a' + path[t]);
                text[length] = '\0';
            }
        }
        labels *of = find(0, text);
        of->label = log_add(of->label, p);
    }
    qsort(sets[0], counts[0], sizeof *sets[0], by_total);
}

static void a_wide_beam_finds_the_sums_over_all_alignments(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        size_t T = 1 + seed % 6, V = 2 + seed % 3, blank = seed % V;
        draw_frames(T, V, seed, 1.5);
        enumerate(T, V, blank);
        lrnn_ctc *ctc = make(V, 2000, 8, (int32_t)blank);
        EXPECT_OK(lrnn_ctc_feed(ctc, frames, T, V));
        for (size_t rank = 0; rank < 8 && rank < counts[0]; rank++) {
            lrnn_ctc_result r = result_of(ctc, rank);
            expect_labels(&r, &sets[0][rank]);
        }
        lrnn_ctc_destroy(ctc);
    }
}

/* ---- a plain prefix beam search ---- */

static bool appendable(size_t V, size_t t, size_t v, size_t most, double threshold)
{
    size_t above = 0;
    double best = -(double)INFINITY;
    for (size_t u = 1; u < V; u++) {
        above += frames[t * V + u] > frames[t * V + v];
    }
    for (size_t u = 0; u < V; u++) {
        best = fmax(best, (double)frames[t * V + u]);
    }
    return (most == 0 || above < most) &&
           (threshold == 0 || (double)frames[t * V + v] >= best - threshold);
}

/* The blank is 0. The result is in set 0, best first. */
static void plain_search(size_t T, size_t V, size_t width, size_t most, double threshold)
{
    counts[0] = 0;
    find(0, "")->blank = 0;
    for (size_t t = 0; t < T; t++) {
        counts[1] = 0;
        for (size_t i = 0; i < counts[0]; i++) {
            const labels of = sets[0][i];
            size_t length = strlen(of.text);
            int last = length > 0 ? of.text[length - 1] - 'a' : -1;
            labels *same = find(1, of.text);
            same->blank = log_add(same->blank, total(&of) + log_softmax(V, t, 0));
            if (last >= 0) {
                same->label = log_add(same->label, of.label + log_softmax(V, t, (size_t)last));
            }
            for (size_t v = 1; v < V; v++) {
                char text[MOST_T + 2];
                if (!appendable(V, t, v, most, threshold)) {
                    continue;
                }
                snprintf(text, sizeof text, "%s%c", of.text, (char)('a' + v));
                labels *to = find(1, text);
                double gained = log_softmax(V, t, v) + ((int)v == last ? of.blank : total(&of));
                to->label = log_add(to->label, gained);
            }
        }
        qsort(sets[1], counts[1], sizeof *sets[1], by_total);
        counts[0] = counts[1] < width ? counts[1] : width;
        memcpy(sets[0], sets[1], counts[0] * sizeof *sets[0]);
    }
}

static void a_narrow_beam_is_a_plain_prefix_beam_search(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        size_t T = 5 + seed % 40, V = 3 + seed % 20, width = 1 + seed % 12;
        size_t most = seed % 3 == 0 ? 1 + seed % 5 : 0;
        double threshold = seed % 4 == 0 ? 2.5 : 0;
        draw_frames(T, V, seed, 1 + (double)(seed % 5));
        plain_search(T, V, width, most, threshold);
        lrnn_ctc_options o;
        lrnn_ctc *ctc;
        EXPECT_OK(lrnn_ctc_options_init(&o, sizeof o));
        o.output_size = V;
        o.beam_width = width;
        o.n_best = width;
        o.token_count = most < V ? most : V;
        o.token_threshold = threshold;
        EXPECT_OK(lrnn_ctc_create(&ctc, &o));
        EXPECT_OK(lrnn_ctc_feed(ctc, frames, T, V));
        lrnn_ctc_result r = result_of(ctc, 0);
        expect_labels(&r, &sets[0][0]);
        lrnn_ctc_destroy(ctc);
    }
}

static void greedy_collapses_the_best_path(void **state)
{
    (void)state;
    static const float rows[7][3] = {{0, 2, 1}, {0, 3, 1}, {5, 0, 0}, {0, 1, 0},
                                     {0, 0, 4}, {0, 0, 2}, {1, 0, 0}};
    static const int32_t tokens[3] = {1, 1, 2}, places[3] = {1, 3, 4};
    lrnn_ctc_options o;
    lrnn_ctc *ctc;
    EXPECT_OK(lrnn_ctc_options_init(&o, sizeof o));
    o.output_size = 3;
    o.method = LRNN_CTC_GREEDY;
    EXPECT_OK(lrnn_ctc_create(&ctc, &o));
    EXPECT_OK(lrnn_ctc_feed(ctc, &rows[0][0], 7, 3));
    lrnn_ctc_result r = result_of(ctc, 0);
    assert_int_equal(r.count, 3);
    assert_memory_equal(r.tokens, tokens, sizeof tokens);
    assert_memory_equal(r.frames, places, sizeof places);
    memcpy(frames, rows, sizeof rows);
    double sum = 0;
    static const size_t best[7] = {1, 1, 0, 1, 2, 2, 0};
    for (size_t t = 0; t < 7; t++) {
        sum += log_softmax(3, t, best[t]);
    }
    assert_true(fabs(r.log_probability - sum) < 1e-5);
    assert_true(fabs((double)r.confidences[0] - exp(log_softmax(3, 1, 1))) < 1e-5);
    lrnn_ctc_destroy(ctc);
}

/* ---- pieces, results, memory ---- */

static void frames_in_pieces_give_the_same_and_settled_labels_stay(void **state)
{
    (void)state;
    size_t settled_at_all = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        size_t T = 60, V = 6, settled = 0;
        int32_t before[MOST_T];
        draw_frames(T, V, seed, 3);
        lrnn_ctc *whole = make(V, 8, 1, 0), *pieces = make(V, 8, 1, 0);
        EXPECT_OK(lrnn_ctc_feed(whole, frames, T, V));
        for (size_t t = 0, step; t < T; t += step) {
            step = 1 + (t * 7 + seed) % 5;
            step = step < T - t ? step : T - t;
            EXPECT_OK(lrnn_ctc_feed(pieces, frames + t * V, step, V));
            lrnn_ctc_result r = result_of(pieces, 0);
            size_t now = lrnn_ctc_settled(pieces);
            assert_in_range(now, settled, r.count);
            assert_memory_equal(r.tokens, before, settled * sizeof *before);
            settled = now;
            memcpy(before, r.tokens, settled * sizeof *before);
        }
        settled_at_all += settled;
        lrnn_ctc_result a = result_of(whole, 0), b = result_of(pieces, 0);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.tokens, b.tokens, a.count * sizeof *a.tokens);
        assert_memory_equal(a.frames, b.frames, a.count * sizeof *a.frames);
        assert_true(a.log_probability == b.log_probability);
        lrnn_ctc_destroy(whole);
        lrnn_ctc_destroy(pieces);
    }
    assert_true(settled_at_all > 100);
}

static void frames_of_labels_rise(void **state)
{
    (void)state;
    draw_frames(60, 5, 3, 6);
    lrnn_ctc *ctc = make(5, 16, 16, 0);
    EXPECT_OK(lrnn_ctc_feed(ctc, frames, 60, 5));
    lrnn_ctc_result r = result_of(ctc, 0);
    for (size_t i = 0; i < r.count; i++) {
        assert_in_range(r.frames[i], i > 0 ? r.frames[i - 1] + 1 : 0, 59);
        assert_true(r.confidences[i] > 0 && r.confidences[i] <= 1);
        double p = exp(log_softmax(5, (size_t)r.frames[i], (size_t)r.tokens[i]));
        assert_true(fabs(p - (double)r.confidences[i]) < 1e-5);
    }
    lrnn_ctc_destroy(ctc);
}

static void no_sequence_is_longer_than_max_length(void **state)
{
    (void)state;
    lrnn_ctc_options o;
    lrnn_ctc *ctc;
    EXPECT_OK(lrnn_ctc_options_init(&o, sizeof o));
    o.output_size = 4;
    o.max_length = 3;
    o.n_best = o.beam_width = 5;
    for (o.method = LRNN_CTC_GREEDY; o.method <= LRNN_CTC_BEAM; o.method++) {
        o.n_best = o.method == LRNN_CTC_GREEDY ? 1 : 5;
        draw_frames(60, 4, 5, 8);
        EXPECT_OK(lrnn_ctc_create(&ctc, &o));
        EXPECT_OK(lrnn_ctc_feed(ctc, frames, 60, 4));
        for (size_t rank = 0; rank < o.n_best; rank++) {
            lrnn_ctc_result r = result_of(ctc, rank);
            assert_in_range(r.count, 0, 3);
        }
        lrnn_ctc_destroy(ctc);
    }
}

static void nothing_allocates_after_create(void **state)
{
    (void)state;
    draw_frames(60, 8, 9, 2);
    lrnn_ctc *ctc = make(8, 16, 4, 0);
    lrnn_ctc_result r;
    EXPECT_OK(lrnn_ctc_result_init(&r, sizeof r));
    malloc_trap_arm();
    lrnn_status fed = lrnn_ctc_feed(ctc, frames, 60, 8);
    lrnn_status got = lrnn_ctc_get_result(&r, ctc, 1);
    lrnn_status reset = lrnn_ctc_reset(ctc);
    size_t caught = malloc_trap_disarm();
    assert_int_equal(caught, 0);
    assert_int_equal(fed, LRNN_OK);
    assert_int_equal(got, LRNN_OK);
    assert_int_equal(reset, LRNN_OK);
    lrnn_ctc_destroy(ctc);
}

/* ---- bad input ---- */

static void bad_frames_are_named_and_change_nothing(void **state)
{
    (void)state;
    size_t V = 5, T = 20;
    draw_frames(T, V, 4, 3);
    lrnn_ctc *ctc = make(V, 8, 1, 0), *good = make(V, 8, 1, 0);
    float bad[2 * 5];
    memcpy(bad, frames, sizeof bad);
    EXPECT_OK(lrnn_ctc_feed(ctc, frames, 10, V));
    bad[V + 3] = (float)NAN;
    EXPECT_FAILURE(lrnn_ctc_feed(ctc, bad, 2, V), LRNN_ERR_NUMERIC, "frame 11", "output 3", "NaN");
    bad[V + 3] = (float)INFINITY;
    EXPECT_FAILURE(lrnn_ctc_feed(ctc, bad, 2, V), LRNN_ERR_NUMERIC, "frame 11", "output 3");
    for (size_t v = 0; v < V; v++) {
        bad[v] = -(float)INFINITY;
    }
    EXPECT_FAILURE(lrnn_ctc_feed(ctc, bad, 1, V), LRNN_ERR_NUMERIC, "frame 10", "impossible");
    EXPECT_FAILURE(lrnn_ctc_feed(ctc, NULL, 1, V), LRNN_ERR_INVALID, "frames");
    EXPECT_FAILURE(lrnn_ctc_feed(ctc, frames, 1, V - 1), LRNN_ERR_INVALID, "width", "expected 5",
                   "found 4");
    EXPECT_OK(lrnn_ctc_feed(ctc, NULL, 0, V));
    EXPECT_OK(lrnn_ctc_feed(ctc, frames + 10 * V, 10, V));
    EXPECT_OK(lrnn_ctc_feed(good, frames, 20, V));
    lrnn_ctc_result a = result_of(ctc, 0), b = result_of(good, 0);
    assert_true(a.log_probability == b.log_probability);
    lrnn_ctc_destroy(ctc);
    lrnn_ctc_destroy(good);
}

static void impossible_outputs_are_never_labels(void **state)
{
    (void)state;
    draw_frames(30, 4, 8, 2);
    for (size_t t = 0; t < 30; t++) {
        frames[t * 4 + 2] = -(float)INFINITY;
    }
    lrnn_ctc *ctc = make(4, 30, 30, 0);
    EXPECT_OK(lrnn_ctc_feed(ctc, frames, 30, 4));
    for (size_t rank = 0; rank < 30; rank++) {
        lrnn_ctc_result r = result_of(ctc, rank);
        for (size_t i = 0; i < r.count; i++) {
            assert_int_not_equal(r.tokens[i], 2);
        }
    }
    lrnn_ctc_destroy(ctc);
}

#define REFUSE(field, value, ...)                                                                  \
    do {                                                                                           \
        lrnn_ctc_options changed = options;                                                        \
        lrnn_ctc *refused = nowhere();                                                             \
        changed.field = value;                                                                     \
        EXPECT_FAILURE(lrnn_ctc_create(&refused, &changed), LRNN_ERR_INVALID, #field,              \
                       __VA_ARGS__);                                                               \
        assert_null(refused);                                                                      \
    } while (0)

static void options_out_of_range_are_named(void **state)
{
    (void)state;
    lrnn_ctc_options options;
    lrnn_ctc_result r;
    EXPECT_SIZE_RULES(lrnn_ctc_options);
    EXPECT_SIZE_RULES(lrnn_ctc_result);
    EXPECT_OK(lrnn_ctc_options_init(&options, sizeof options));
    options.output_size = 5;
    REFUSE(output_size, 1, "found 1");
    REFUSE(beam_width, 0, "found 0");
    REFUSE(n_best, 0, "found 0");
    REFUSE(n_best, 17, "found 17");
    REFUSE(max_length, 0, "found 0");
    REFUSE(token_count, 6, "found 6");
    REFUSE(token_threshold, -1, "found -1");
    REFUSE(method, 2, "found 2");
    REFUSE(input, 2, "found 2");
    REFUSE(blank, 5, "0..4", "found 5");
    REFUSE(blank, -1, "found -1");
    REFUSE(reserved, 1, "found 1");
    lrnn_ctc *ctc = make(5, 4, 2, 0);
    EXPECT_OK(lrnn_ctc_result_init(&r, sizeof r));
    EXPECT_FAILURE(lrnn_ctc_get_result(&r, ctc, 2), LRNN_ERR_INVALID, "rank", "found 2");
    EXPECT_FAILURE(lrnn_ctc_get_result(&r, ctc, 1), LRNN_ERR_NOT_FOUND, "1 results");
    assert_int_equal(lrnn_ctc_settled(NULL), 0);
    lrnn_ctc_destroy(ctc);
    lrnn_ctc_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_beam_finds_the_sums_over_all_alignments),
        cmocka_unit_test(a_narrow_beam_is_a_plain_prefix_beam_search),
        cmocka_unit_test(greedy_collapses_the_best_path),
        cmocka_unit_test(frames_in_pieces_give_the_same_and_settled_labels_stay),
        cmocka_unit_test(frames_of_labels_rise),
        cmocka_unit_test(no_sequence_is_longer_than_max_length),
        cmocka_unit_test(nothing_allocates_after_create),
        cmocka_unit_test(bad_frames_are_named_and_change_nothing),
        cmocka_unit_test(impossible_outputs_are_never_labels),
        cmocka_unit_test(options_out_of_range_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
