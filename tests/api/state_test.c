/* A running instance of a model: streams, their states in and out, steps and whole sequences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "lrnn.h"

enum { V = 7, F = 2, H = 19, L = 2, B = 3, T = 40, WIDEST = 19 };

static int32_t tokens[B * T];
static float features[B * T * F];

static int fill(void **state)
{
    (void)state;
    for (int i = 0; i < B * T; i++) {
        tokens[i] = (i * 5 + i / 7) % V;
    }
    for (int i = 0; i < B * T * F; i++) {
        features[i] = (float)sin(i * 1.3);
    }
    return 0;
}

static lrnn_model_options both_inputs(int32_t cell)
{
    lrnn_model_options options;
    EXPECT_OK(lrnn_model_options_init(&options, sizeof options));
    options.vocab_size = V;
    options.embedding_size = 6;
    options.feature_size = F;
    options.hidden_size = H;
    options.layers = L;
    options.cell = cell;
    return options;
}

static lrnn_model *create(const lrnn_model_options *options)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, options));
    return model;
}

static lrnn_state *start(const lrnn_model *model, size_t batch, size_t steps)
{
    lrnn_state_options options;
    lrnn_state *made;
    EXPECT_OK(lrnn_state_options_init(&options, sizeof options));
    options.batch = batch;
    options.steps = steps;
    EXPECT_OK(lrnn_state_create(&made, model, &options));
    return made;
}

/* A state of B streams of a model of its own. */
static lrnn_state *start_cell(int32_t cell)
{
    lrnn_model_options options = both_inputs(cell);
    lrnn_model *model = create(&options);
    lrnn_state *made = start(model, B, 8);
    lrnn_model_destroy(model);
    return made;
}

static lrnn_sequences window(size_t batch, size_t steps)
{
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = batch;
    s.steps = steps;
    s.tokens = tokens;
    s.features = features;
    return s;
}

/* All that can be seen of a state; R is H here. */
typedef struct seen {
    size_t live;
    float h[L * 2 * B * H], c[L * 2 * B * H];
} seen;

static seen *look(const lrnn_state *state, int32_t cell)
{
    seen *made = calloc(1, sizeof *made);
    assert_non_null(made);
    made->live = lrnn_state_batch(state);
    EXPECT_OK(lrnn_state_export(made->h, cell == LRNN_CELL_LSTM ? made->c : NULL, state));
    return made;
}

static void expect_seen(const lrnn_state *state, int32_t cell, seen *before)
{
    seen *now = look(state, cell);
    assert_memory_equal(now, before, sizeof *now);
    free(now);
    free(before);
}

/* ---- making ---- */

static void options_have_their_defaults_and_limits(void **state)
{
    (void)state;
    EXPECT_SIZE_RULES(lrnn_state_options);
    lrnn_state_options options, expected = {.size = sizeof options, .batch = 1, .steps = 32};
    EXPECT_OK(lrnn_state_options_init(&options, sizeof options));
    assert_memory_equal(&options, &expected, sizeof options);
    lrnn_model_options of = both_inputs(LRNN_CELL_GRU);
    lrnn_model *model = create(&of);
    lrnn_state *made = (lrnn_state *)(uintptr_t)model;
    EXPECT_FAILURE(lrnn_state_create(&made, NULL, &options), LRNN_ERR_INVALID, "model is NULL");
    assert_null(made);
    EXPECT_FAILURE(lrnn_state_create(NULL, model, &options), LRNN_ERR_INVALID, "state is NULL");
    EXPECT_SIZE_CHECKED(&options, lrnn_state_options, lrnn_state_create(&made, model, &options));
    options.batch = 0;
    EXPECT_FAILURE(lrnn_state_create(&made, model, &options), LRNN_ERR_INVALID, "batch",
                   "expected 1..", "found 0");
    options.batch = (size_t)INT32_MAX + 1;
    EXPECT_FAILURE(lrnn_state_create(&made, model, &options), LRNN_ERR_INVALID, "batch",
                   "2147483648");
    options.batch = INT32_MAX;
    options.steps = INT32_MAX;
    EXPECT_FAILURE(lrnn_state_create(&made, model, &options), LRNN_ERR_MEMORY, "state");
    options.steps = 0;
    EXPECT_FAILURE(lrnn_state_create(&made, model, &options), LRNN_ERR_INVALID, "steps",
                   "expected 1..", "found 0");
    assert_null(made);
    EXPECT_OK(lrnn_state_create(&made, model, NULL));
    lrnn_model_destroy(model);
    assert_int_equal(lrnn_state_batch(made), 1);
    lrnn_state_destroy(made);
    lrnn_state_destroy(NULL);
    assert_int_equal(lrnn_state_batch(NULL), 0);
}

static void a_missing_state_is_named(void **state)
{
    (void)state;
    lrnn_state *one = start_cell(LRNN_CELL_LSTM);
    lrnn_sequences s = window(B, 1);
    const int32_t parents[] = {0};
    float h[L * B * H];
    EXPECT_FAILURE(lrnn_state_reset(NULL), LRNN_ERR_INVALID, "state is NULL");
    EXPECT_FAILURE(lrnn_state_reset_stream(NULL, 0), LRNN_ERR_INVALID, "state is NULL");
    EXPECT_FAILURE(lrnn_state_copy(NULL, one), LRNN_ERR_INVALID, "to is NULL");
    EXPECT_FAILURE(lrnn_state_copy(one, NULL), LRNN_ERR_INVALID, "from is NULL");
    EXPECT_FAILURE(lrnn_state_reorder(NULL, parents, 1), LRNN_ERR_INVALID, "state is NULL");
    EXPECT_FAILURE(lrnn_state_reorder(one, NULL, 1), LRNN_ERR_INVALID, "parents is NULL");
    EXPECT_FAILURE(lrnn_state_export(h, NULL, NULL), LRNN_ERR_INVALID, "state is NULL");
    EXPECT_FAILURE(lrnn_state_import(NULL, h, NULL), LRNN_ERR_INVALID, "state is NULL");
    EXPECT_FAILURE(lrnn_state_forward(NULL, &s, h), LRNN_ERR_INVALID, "state is NULL");
    EXPECT_FAILURE(lrnn_state_forward(one, NULL, h), LRNN_ERR_INVALID, "lrnn_sequences is NULL");
    EXPECT_FAILURE(lrnn_state_step(NULL, tokens, features, h), LRNN_ERR_INVALID, "state is NULL");
    lrnn_state_destroy(one);
}

/* ---- reset, copy, reorder ---- */

static void every_value(float *x, size_t count, float add)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)i / 64 + add;
    }
}

/* Stream b, unit k of layer l. */
static size_t place(size_t streams, size_t l, size_t b, size_t k)
{
    return (l * streams + b) * H + k;
}

static void a_fresh_or_reset_state_is_zero(void **state)
{
    (void)state;
    lrnn_state *one = start_cell(LRNN_CELL_LSTM);
    static const seen zero = {.live = B};
    seen *now = look(one, LRNN_CELL_LSTM);
    assert_memory_equal(now, &zero, sizeof zero);
    lrnn_sequences s = window(B, 5);
    EXPECT_OK(lrnn_state_forward(one, &s, NULL));
    EXPECT_OK(lrnn_state_reorder(one, (const int32_t[]){2}, 1));
    free(now);
    now = look(one, LRNN_CELL_LSTM);
    assert_true(now->h[0] != 0 && now->c[0] != 0 && now->live == 1);
    EXPECT_OK(lrnn_state_reset(one));
    free(now);
    now = look(one, LRNN_CELL_LSTM);
    assert_memory_equal(now, &zero, sizeof zero);
    free(now);
    lrnn_state_destroy(one);
}

static void one_stream_is_reset_and_the_others_stay(void **state)
{
    (void)state;
    lrnn_state *one = start_cell(LRNN_CELL_LSTM);
    float h[L * B * H], c[L * B * H];
    every_value(h, L * B * H, 1);
    every_value(c, L * B * H, 100);
    EXPECT_OK(lrnn_state_import(one, h, c));
    EXPECT_FAILURE(lrnn_state_reset_stream(one, B), LRNN_ERR_INVALID, "stream", "expected 0..2",
                   "found 3");
    seen *now = look(one, LRNN_CELL_LSTM);
    assert_memory_equal(now->h, h, sizeof h);
    assert_memory_equal(now->c, c, sizeof c);
    free(now);
    EXPECT_OK(lrnn_state_reset_stream(one, 1));
    for (size_t l = 0; l < L; l++) {
        memset(h + place(B, l, 1, 0), 0, H * sizeof *h);
        memset(c + place(B, l, 1, 0), 0, H * sizeof *c);
    }
    now = look(one, LRNN_CELL_LSTM);
    assert_memory_equal(now->h, h, sizeof h);
    assert_memory_equal(now->c, c, sizeof c);
    free(now);
    EXPECT_OK(lrnn_state_reorder(one, (const int32_t[]){0, 2}, 2));
    EXPECT_FAILURE(lrnn_state_reset_stream(one, 2), LRNN_ERR_INVALID, "expected 0..1", "found 2");
    lrnn_state_destroy(one);
}

static void a_stream_that_is_not_finite_is_found_and_reset_alone(void **state)
{
    (void)state;
    static const int32_t cells[] = {LRNN_CELL_LSTM, LRNN_CELL_GRU};
    for (size_t k = 0; k < 2; k++) {
        for (size_t at = 0; at < L * H; at++) {
            for (int part = 0; part < (cells[k] == LRNN_CELL_LSTM ? 2 : 1); part++) {
                lrnn_state *one = start_cell(cells[k]);
                float h[L * B * H], c[L * B * H];
                every_value(h, L * B * H, 1);
                every_value(c, L * B * H, 100);
                (part == 0 ? h : c)[place(B, at / H, 1, at % H)] =
                    at % 2 == 0 ? (float)NAN : -(float)INFINITY;
                EXPECT_OK(lrnn_state_import(one, h, cells[k] == LRNN_CELL_LSTM ? c : NULL));
                EXPECT_OK(lrnn_state_check_stream(one, 0));
                EXPECT_FAILURE(lrnn_state_check_stream(one, 1), LRNN_ERR_NUMERIC, "stream 1");
                EXPECT_OK(lrnn_state_check_stream(one, 2));
                EXPECT_OK(lrnn_state_reset_stream(one, 1));
                EXPECT_OK(lrnn_state_check_stream(one, 1));
                lrnn_state_destroy(one);
            }
        }
    }
    lrnn_state *one = start_cell(LRNN_CELL_GRU);
    EXPECT_FAILURE(lrnn_state_check_stream(one, B), LRNN_ERR_INVALID, "found 3");
    EXPECT_FAILURE(lrnn_state_check_stream(NULL, 0), LRNN_ERR_INVALID, "state is NULL");
    lrnn_state_destroy(one);
}

static void a_copy_goes_on_like_the_original(void **state)
{
    (void)state;
    lrnn_model_options options = both_inputs(LRNN_CELL_LSTM);
    lrnn_model *model = create(&options);
    lrnn_state *from = start(model, B, 8), *to = start(model, B + 1, 3);
    lrnn_sequences s = window(B, 6);
    EXPECT_OK(lrnn_state_forward(from, &s, NULL));
    EXPECT_OK(lrnn_state_reorder(from, (const int32_t[]){2, 0}, 2));
    EXPECT_OK(lrnn_state_copy(to, from));
    EXPECT_OK(lrnn_state_copy(to, to));
    expect_seen(to, LRNN_CELL_LSTM, look(from, LRNN_CELL_LSTM));
    float x[2 * V], y[2 * V];
    EXPECT_OK(lrnn_state_step(from, tokens, features, x));
    EXPECT_OK(lrnn_state_step(to, tokens, features, y));
    assert_memory_equal(x, y, sizeof x);
    lrnn_state_destroy(from);
    lrnn_state_destroy(to);
    lrnn_model_destroy(model);
}

static void a_copy_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    lrnn_model_options options = both_inputs(LRNN_CELL_LSTM);
    lrnn_model *model = create(&options);
    options.seed = 2; /* another model of the same architecture will do */
    lrnn_model *like = create(&options);
    options.hidden_size = H + 1;
    lrnn_model *wider = create(&options);
    lrnn_state *from = start(model, B, 8), *small = start(like, B - 1, 8);
    lrnn_state *other = start(wider, B, 8);
    lrnn_sequences s = window(B - 1, 2);
    EXPECT_OK(lrnn_state_forward(small, &s, NULL));
    seen *before = look(small, LRNN_CELL_LSTM);
    EXPECT_FAILURE(lrnn_state_copy(small, from), LRNN_ERR_INVALID, "3 live streams", "of 2");
    EXPECT_FAILURE(lrnn_state_copy(small, other), LRNN_ERR_INVALID, "architecture");
    expect_seen(small, LRNN_CELL_LSTM, before);
    EXPECT_OK(lrnn_state_copy(from, small));
    expect_seen(from, LRNN_CELL_LSTM, look(small, LRNN_CELL_LSTM));
    lrnn_state_destroy(from);
    lrnn_state_destroy(small);
    lrnn_state_destroy(other);
    lrnn_model_destroy(model);
    lrnn_model_destroy(like);
    lrnn_model_destroy(wider);
}

static void streams_fork_die_and_begin(void **state)
{
    (void)state;
    lrnn_state *one = start_cell(LRNN_CELL_LSTM);
    float h[L * B * H], c[L * B * H], new_h[L * B * H], new_c[L * B * H];
    every_value(h, L * B * H, 1);
    every_value(c, L * B * H, 100);
    EXPECT_OK(lrnn_state_import(one, h, c));
    EXPECT_OK(lrnn_state_reorder(one, (const int32_t[]){2, 0}, 2));
    assert_int_equal(lrnn_state_batch(one), 2);
    EXPECT_OK(lrnn_state_export(new_h, new_c, one));
    for (size_t l = 0; l < L; l++) {
        for (size_t k = 0; k < H; k++) {
            assert_true(new_h[place(2, l, 0, k)] == h[place(B, l, 2, k)]);
            assert_true(new_h[place(2, l, 1, k)] == h[place(B, l, 0, k)]);
            assert_true(new_c[place(2, l, 0, k)] == c[place(B, l, 2, k)]);
            assert_true(new_c[place(2, l, 1, k)] == c[place(B, l, 0, k)]);
        }
    }
    EXPECT_OK(lrnn_state_reorder(one, (const int32_t[]){1, -1, 1}, 3));
    assert_int_equal(lrnn_state_batch(one), 3);
    EXPECT_OK(lrnn_state_export(new_h, new_c, one));
    for (size_t l = 0; l < L; l++) {
        for (size_t k = 0; k < H; k++) {
            assert_true(new_h[place(B, l, 0, k)] == h[place(B, l, 0, k)]);
            assert_true(new_h[place(B, l, 1, k)] == 0 && new_c[place(B, l, 1, k)] == 0);
            assert_true(new_c[place(B, l, 2, k)] == c[place(B, l, 0, k)]);
        }
    }
    lrnn_state_destroy(one);
}

static void parents_that_are_not_there_are_refused(void **state)
{
    (void)state;
    lrnn_state *one = start_cell(LRNN_CELL_LSTM);
    lrnn_sequences s = window(B, 5);
    EXPECT_OK(lrnn_state_forward(one, &s, NULL));
    EXPECT_OK(lrnn_state_reorder(one, (const int32_t[]){2, 1}, 2));
    seen *before = look(one, LRNN_CELL_LSTM);
    EXPECT_FAILURE(lrnn_state_reorder(one, (const int32_t[]){0, 2}, 2), LRNN_ERR_INVALID,
                   "parents[1]", "expected -1..1", "found 2");
    EXPECT_FAILURE(lrnn_state_reorder(one, (const int32_t[]){-2, 0}, 2), LRNN_ERR_INVALID,
                   "parents[0]", "found -2");
    EXPECT_FAILURE(lrnn_state_reorder(one, (const int32_t[]){0}, 0), LRNN_ERR_INVALID, "count",
                   "found 0");
    EXPECT_FAILURE(lrnn_state_reorder(one, (const int32_t[]){0, 0, 0, 0}, 4), LRNN_ERR_INVALID,
                   "count", "found 4");
    expect_seen(one, LRNN_CELL_LSTM, before);
    lrnn_state_destroy(one);
}

/* ---- export and import ---- */

static void what_is_imported_comes_out_again(void **state)
{
    (void)state;
    lrnn_state *one = start_cell(LRNN_CELL_LSTM);
    float h[L * B * H], c[L * B * H], other[L * B * H];
    every_value(h, L * B * H, 1);
    every_value(c, L * B * H, 100);
    EXPECT_OK(lrnn_state_import(one, h, NULL)); /* c stays */
    EXPECT_OK(lrnn_state_import(one, NULL, c)); /* h stays */
    EXPECT_OK(lrnn_state_export(other, NULL, one));
    assert_memory_equal(other, h, sizeof h);
    EXPECT_OK(lrnn_state_export(NULL, other, one));
    assert_memory_equal(other, c, sizeof c);
    lrnn_state_destroy(one);
}

static void only_an_lstm_has_a_c(void **state)
{
    (void)state;
    float h[L * B * H], c[L * B * H], kept[L * B * H];
    every_value(c, L * B * H, 1);
    memcpy(kept, c, sizeof c);
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        lrnn_state *one = start_cell(cell);
        lrnn_sequences s = window(B, 3);
        EXPECT_OK(lrnn_state_forward(one, &s, NULL));
        seen *before = look(one, cell);
        EXPECT_FAILURE(lrnn_state_export(NULL, NULL, one), LRNN_ERR_INVALID, "h and c", "NULL");
        EXPECT_FAILURE(lrnn_state_import(one, NULL, NULL), LRNN_ERR_INVALID, "h and c", "NULL");
        if (cell != LRNN_CELL_LSTM) {
            EXPECT_FAILURE(lrnn_state_export(h, c, one), LRNN_ERR_INVALID, "c: given", "LSTM");
            EXPECT_FAILURE(lrnn_state_import(one, h, c), LRNN_ERR_INVALID, "c: given", "LSTM");
            assert_memory_equal(c, kept, sizeof c);
        }
        expect_seen(one, cell, before);
        lrnn_state_destroy(one);
    }
}

/* ---- feeding ---- */

/* Row b alone, `steps` single steps: the outputs must be those at `expected`, of `width` each. */
static void expect_steps(lrnn_state *one, size_t b, size_t steps, const float *expected,
                         size_t width)
{
    float single[WIDEST];
    EXPECT_OK(lrnn_state_reset(one));
    for (size_t t = 0; t < steps; t++) {
        size_t item = b * T + t;
        EXPECT_OK(lrnn_state_step(one, &tokens[item], &features[item * F], single));
        assert_memory_equal(single, &expected[item * width], width * sizeof *single);
    }
}

static void compare_with_steps(const lrnn_model_options *options, bool uneven)
{
    static const int32_t lengths[B] = {17, T, 1};
    static const float zero[T * WIDEST];
    lrnn_model *model = create(options);
    lrnn_state *all = start(model, B, 16), *one = start(model, 1, 1);
    lrnn_sequences s = window(B, T);
    s.lengths = uneven ? lengths : NULL;
    size_t width = lrnn_model_output_size(model);
    float outputs[B * T * WIDEST], h[L * B * H], h_one[L * H];
    assert_true(width <= WIDEST);
    EXPECT_OK(lrnn_state_forward(all, &s, outputs));
    EXPECT_OK(lrnn_state_export(h, NULL, all));
    for (size_t b = 0; b < B; b++) {
        size_t steps = uneven ? (size_t)lengths[b] : T;
        expect_steps(one, b, steps, outputs, width);
        assert_memory_equal(outputs + (b * T + steps) * width, zero,
                            (T - steps) * width * sizeof *outputs);
        EXPECT_OK(lrnn_state_export(h_one, NULL, one));
        for (size_t l = 0; l < L; l++) {
            assert_memory_equal(h + place(B, l, b, 0), h_one + l * H, H * sizeof *h);
        }
    }
    lrnn_state_destroy(all);
    lrnn_state_destroy(one);
    lrnn_model_destroy(model);
}

static void steps_at_once_and_rows_together_give_the_bits_of_single_ones(void **state)
{
    (void)state;
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int uneven = 0; uneven <= 1; uneven++) {
            lrnn_model_options options = both_inputs(cell);
            options.embedding_size = uneven ? 0 : 6; /* one-hot too */
            compare_with_steps(&options, uneven);
            options.head = LRNN_HEAD_NONE;
            compare_with_steps(&options, uneven);
        }
    }
}

static void a_head_once_a_sequence_answers_at_its_own_last_step(void **state)
{
    (void)state;
    static const int32_t lengths[B] = {17, T, 1};
    for (int32_t head = LRNN_HEAD_LAST; head <= LRNN_HEAD_FINAL; head++) {
        lrnn_model_options options = both_inputs(LRNN_CELL_GRU);
        lrnn_model *steps_model = create(&options);
        options.head = head;
        lrnn_model *model = create(&options); /* the same seed: the same parameters */
        lrnn_state *each = start(steps_model, B, 16), *last = start(model, B, 16);
        lrnn_sequences s = window(B, T);
        s.lengths = lengths;
        float all[B * T * V], outputs[B * V];
        EXPECT_OK(lrnn_state_forward(each, &s, all));
        EXPECT_OK(lrnn_state_forward(last, &s, outputs));
        for (size_t b = 0; b < B; b++) {
            size_t item = b * T + (size_t)lengths[b] - 1;
            assert_memory_equal(outputs + b * V, all + item * V, V * sizeof *all);
        }
        lrnn_state_destroy(each);
        lrnn_state_destroy(last);
        lrnn_model_destroy(model);
        lrnn_model_destroy(steps_model);
    }
}

static void a_bidirectional_rows_result_is_its_own(void **state)
{
    (void)state;
    static const int32_t lengths[B] = {17, T, 1};
    lrnn_model_options options = both_inputs(LRNN_CELL_LSTM);
    options.bidirectional = 1;
    lrnn_model *model = create(&options);
    lrnn_state *all = start(model, B, T), *one = start(model, 1, T);
    lrnn_sequences s = window(B, T);
    s.lengths = lengths;
    float outputs[B * T * V], alone[T * V];
    EXPECT_OK(lrnn_state_forward(all, &s, outputs));
    for (size_t b = 0; b < B; b++) {
        lrnn_sequences row = window(1, (size_t)lengths[b]);
        row.tokens = tokens + b * T;
        row.features = features + b * T * F;
        EXPECT_OK(lrnn_state_reset(one));
        EXPECT_OK(lrnn_state_forward(one, &row, alone));
        assert_memory_equal(alone, outputs + b * T * V, row.steps * V * sizeof *alone);
    }
    seen *before = look(one, LRNN_CELL_LSTM);
    s = window(1, T + 1);
    EXPECT_FAILURE(lrnn_state_forward(one, &s, NULL), LRNN_ERR_UNSUPPORTED, "steps", "41 steps",
                   "state of 40");
    EXPECT_FAILURE(lrnn_state_step(one, tokens, features, NULL), LRNN_ERR_UNSUPPORTED,
                   "bidirectional");
    expect_seen(one, LRNN_CELL_LSTM, before);
    lrnn_state_destroy(all);
    lrnn_state_destroy(one);
    lrnn_model_destroy(model);
}

/* ---- what may not be fed ---- */

static void refuse(lrnn_state *one, const lrnn_sequences *s, const char *const *words, int line)
{
    float outputs[B * 4 * V], untouched[B * 4 * V];
    memset(outputs, 0x5a, sizeof outputs);
    memcpy(untouched, outputs, sizeof outputs);
    seen *before = look(one, LRNN_CELL_LSTM);
    lrnn_allocator_init(NULL, 0);
    expect_failure_at(lrnn_state_forward(one, s, outputs), LRNN_ERR_INVALID, words,
                      "lrnn_state_forward", __FILE__, line);
    assert_memory_equal(outputs, untouched, sizeof outputs);
    expect_seen(one, LRNN_CELL_LSTM, before);
}

#define REFUSE(change, ...)                                                                        \
    do {                                                                                           \
        lrnn_sequences s = window(B, 4);                                                           \
        change;                                                                                    \
        refuse(one, &s, (const char *const[]){__VA_ARGS__, NULL}, __LINE__);                       \
    } while (0)

static void sequences_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    lrnn_state *one = start_cell(LRNN_CELL_LSTM);
    lrnn_sequences first = window(B, 3);
    EXPECT_OK(lrnn_state_forward(one, &first, NULL));
    static const int32_t no_length[] = {4, 0, 4}, long_length[] = {4, 4, 5};
    int32_t wrong[B * 4] = {0};
    wrong[2 * 4 + 1] = V;
    REFUSE(s.batch = 0, "found 0");
    REFUSE(s.steps = 0, "found 0");
    REFUSE(s.batch = B - 1, "batch", "the 3 live", "found 2");
    REFUSE(s.tokens = NULL, "tokens: not given", "vocab_size");
    REFUSE(s.features = NULL, "features: not given", "feature_size");
    REFUSE(s.lengths = no_length, "lengths[1]", "expected 1..4", "found 0");
    REFUSE(s.lengths = long_length, "lengths[2]", "expected 1..4", "found 5");
    REFUSE(s.tokens = wrong, "tokens", "row 2", "step 1", "expected 0..6", "found 7");
    wrong[2 * 4 + 1] = -1;
    REFUSE(s.tokens = wrong, "row 2", "step 1", "found -1");
    EXPECT_FAILURE(lrnn_state_step(one, NULL, features, NULL), LRNN_ERR_INVALID, "tokens");
    EXPECT_FAILURE(lrnn_state_step(one, tokens, NULL, NULL), LRNN_ERR_INVALID, "features");
    EXPECT_FAILURE(lrnn_state_step(one, wrong + 7, features, NULL), LRNN_ERR_INVALID, "row 2",
                   "found -1");
    lrnn_sequences s = window(B, 4);
    EXPECT_SIZE_CHECKED(&s, lrnn_sequences, lrnn_state_forward(one, &s, NULL));
    static const int32_t short_length[] = {4, 4, 1};
    s.tokens = wrong; /* the -1 is past the end of its row */
    s.lengths = short_length;
    EXPECT_OK(lrnn_state_forward(one, &s, NULL));
    lrnn_state_destroy(one);
}

static void what_the_model_does_not_read_is_refused(void **state)
{
    (void)state;
    lrnn_model_options options = both_inputs(LRNN_CELL_LSTM);
    options.vocab_size = 0;
    options.output_size = V;
    lrnn_model *model = create(&options);
    lrnn_state *one = start(model, B, 4);
    REFUSE((void)s, "tokens: given", "vocab_size is 0");
    lrnn_state_destroy(one);
    lrnn_model_destroy(model);
    options = both_inputs(LRNN_CELL_LSTM);
    options.feature_size = 0;
    model = create(&options);
    one = start(model, B, 4);
    REFUSE((void)s, "features: given", "feature_size is 0");
    lrnn_state_destroy(one);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_have_their_defaults_and_limits),
        cmocka_unit_test(a_missing_state_is_named),
        cmocka_unit_test(a_fresh_or_reset_state_is_zero),
        cmocka_unit_test(one_stream_is_reset_and_the_others_stay),
        cmocka_unit_test(a_stream_that_is_not_finite_is_found_and_reset_alone),
        cmocka_unit_test(a_copy_goes_on_like_the_original),
        cmocka_unit_test(a_copy_that_does_not_fit_is_refused),
        cmocka_unit_test(streams_fork_die_and_begin),
        cmocka_unit_test(parents_that_are_not_there_are_refused),
        cmocka_unit_test(what_is_imported_comes_out_again),
        cmocka_unit_test(only_an_lstm_has_a_c),
        cmocka_unit_test(steps_at_once_and_rows_together_give_the_bits_of_single_ones),
        cmocka_unit_test(a_head_once_a_sequence_answers_at_its_own_last_step),
        cmocka_unit_test(a_bidirectional_rows_result_is_its_own),
        cmocka_unit_test(sequences_that_do_not_fit_change_nothing),
        cmocka_unit_test(what_the_model_does_not_read_is_refused),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
