/* Batches from a list of examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/scratch.h"

/* Example i has lengths[i] steps; its tokens are 10 i + t, so that a window tells what it holds. */
enum { N = 7, S = 22, MOST = 6 };

static const int32_t lengths[N] = {3, 1, 6, 2, 4, 1, 5};
static int32_t tokens[S], step_targets[S];
static const int32_t targets[N] = {5, 6, 7, 8, 9, 10, 11};
static float features[S * 2], values[N * 3], masks[N * 3];
static const float weights[N] = {1, 2, 3, 4, 5, 6, 7};

static void fill(void)
{
    for (int i = 0, at = 0; i < N; i++) {
        for (int t = 0; t < lengths[i]; t++, at++) {
            tokens[at] = 10 * i + t;
            step_targets[at] = 100 + tokens[at];
            features[2 * at] = (float)tokens[at];
            features[2 * at + 1] = -(float)tokens[at];
        }
        for (int k = 0; k < 3; k++) {
            values[3 * i + k] = (float)(1000 * i + k);
            masks[3 * i + k] = (float)(i + k);
        }
    }
}

static lrnn_examples plain(void)
{
    lrnn_examples e;
    fill();
    assert_int_equal(lrnn_examples_init(&e, sizeof e), LRNN_OK);
    e.count = N;
    e.lengths = lengths;
    e.tokens = tokens;
    return e;
}

static lrnn_batches_options of(size_t batch)
{
    lrnn_batches_options o;
    assert_int_equal(lrnn_batches_options_init(&o, sizeof o), LRNN_OK);
    o.batch = batch;
    return o;
}

static lrnn_batches *create(const lrnn_examples *e, const lrnn_batches_options *o)
{
    lrnn_batches *batches;
    assert_int_equal(lrnn_batches_create_from_examples(&batches, e, o), LRNN_OK);
    return batches;
}

static lrnn_sequences next(lrnn_batches *batches)
{
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    assert_int_equal(lrnn_batches_next(batches, &s), LRNN_OK);
    return s;
}

static void expect_end(lrnn_batches *batches)
{
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    assert_int_equal(lrnn_batches_next(batches, &s), LRNN_END);
}

static void windows_hold_the_list_in_order_and_padded(void **state)
{
    (void)state;
    lrnn_examples e = plain();
    e.targets = step_targets;
    e.features = features;
    e.feature_size = 2;
    lrnn_batches_options o = of(3);
    lrnn_batches *batches = create(&e, &o);
    assert_int_equal(lrnn_batches_count(batches), 3);
    assert_int_equal(lrnn_batches_steps(batches), MOST);
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t first = 0; first < N; first += 3) {
            lrnn_sequences s = next(batches);
            size_t rows = first == 6 ? 1 : 3, steps = first == 0 ? 6 : first == 3 ? 4 : 5;
            assert_int_equal(s.batch, rows);
            assert_int_equal(s.steps, steps);
            assert_null(s.weights);
            assert_null(s.target_values);
            for (size_t b = 0; b < rows; b++) {
                int32_t i = first + (int32_t)b;
                assert_int_equal(s.lengths[b], lengths[i]);
                for (int32_t t = 0; t < (int32_t)steps; t++) {
                    size_t at = b * steps + (size_t)t;
                    bool there = t < lengths[i];
                    assert_int_equal(s.tokens[at], there ? 10 * i + t : 0);
                    assert_int_equal(s.targets[at], there ? 100 + 10 * i + t : -1);
                    assert_true(s.features[2 * at + 1] == (there ? -(float)(10 * i + t) : 0));
                }
            }
        }
        expect_end(batches);
    }
    lrnn_batches_destroy(batches);
}

static void one_target_an_example_goes_with_its_row(void **state)
{
    (void)state;
    lrnn_examples e = plain();
    e.tokens = NULL;
    e.features = features;
    e.feature_size = 2;
    e.per_example = 1;
    e.targets = targets;
    e.target_values = values;
    e.target_size = 3;
    e.weights = weights;
    e.value_weights = masks;
    lrnn_batches_options o = of(4);
    o.shuffle = 1;
    lrnn_batches *batches = create(&e, &o);
    bool seen[N] = {false};
    for (int window = 0; window < 2; window++) {
        lrnn_sequences s = next(batches);
        assert_null(s.tokens);
        for (size_t b = 0; b < s.batch; b++) {
            int i = (int)(s.features[2 * b * s.steps] / 10);
            assert_false(seen[i]);
            seen[i] = true;
            assert_int_equal(s.lengths[b], lengths[i]);
            assert_int_equal(s.targets[b], targets[i]);
            assert_true(s.weights[b] == weights[i]);
            assert_memory_equal(s.target_values + 3 * b, values + 3 * i, 3 * sizeof *values);
            assert_memory_equal(s.value_weights + 3 * b, masks + 3 * i, 3 * sizeof *masks);
        }
    }
    expect_end(batches);
    lrnn_batches_destroy(batches);
}

/* One value and its weight at each step; past an example's steps the weight is 0. */
static void weights_of_values_go_with_their_steps(void **state)
{
    (void)state;
    lrnn_examples e = plain();
    e.target_values = features;
    e.target_size = 1;
    e.value_weights = features + S;
    lrnn_batches_options o = of(2);
    lrnn_batches *batches = create(&e, &o);
    lrnn_sequences s = next(batches);
    assert_int_equal(s.steps, 3);
    assert_memory_equal(s.value_weights, e.value_weights, 4 * sizeof(float)); /* 3 steps and 1 */
    assert_true(s.value_weights[4] == 0 && s.value_weights[5] == 0);
    lrnn_batches_destroy(batches);
}

/* Writes the examples of a pass in the order in which they come; returns how many. */
static size_t read_pass(lrnn_batches *batches, int32_t *order)
{
    size_t count = 0;
    for (size_t w = 0; w < lrnn_batches_count(batches); w++) {
        lrnn_sequences s = next(batches);
        for (size_t b = 0; b < s.batch; b++) {
            order[count++] = s.tokens[b * s.steps] / 10;
        }
    }
    expect_end(batches);
    return count;
}

static void shuffling_takes_each_once_and_differs_by_pass_and_seed(void **state)
{
    (void)state;
    lrnn_examples e = plain();
    lrnn_batches_options o = of(2);
    o.shuffle = 1;
    int32_t orders[4][N];
    for (int i = 0; i < 4; i++) { /* passes 0, 1 and 2 of seed 1, pass 0 of seed 2 */
        o.seed = i < 3 ? 1 : 2;
        lrnn_batches *batches = create(&e, &o);
        for (int pass = 0; pass <= (i < 3 ? i : 0); pass++) {
            bool seen[N] = {false};
            assert_int_equal(read_pass(batches, orders[i]), N);
            for (int k = 0; k < N; k++) {
                assert_false(seen[orders[i][k]]);
                seen[orders[i][k]] = true;
            }
        }
        lrnn_batches_destroy(batches);
    }
    for (int i = 0; i < 4; i++) {
        for (int k = i + 1; k < 4; k++) {
            assert_memory_not_equal(orders[i], orders[k], sizeof orders[i]);
        }
    }
}

static void every_order_is_as_likely(void **state)
{
    (void)state;
    lrnn_examples e = plain();
    lrnn_batches_options o = of(1);
    e.count = 3;
    o.shuffle = 1;
    int counts[27] = {0};
    lrnn_batches *batches = create(&e, &o);
    for (int pass = 0; pass < 6000; pass++) {
        int32_t order[N];
        assert_int_equal(read_pass(batches, order), 3);
        counts[order[0] * 9 + order[1] * 3 + order[2]]++;
    }
    double chi = 0;
    int kinds = 0;
    for (int i = 0; i < 27; i++) {
        kinds += counts[i] > 0;
        chi += counts[i] > 0 ? (counts[i] - 1000.0) * (counts[i] - 1000.0) / 1000.0 : 0;
    }
    assert_int_equal(kinds, 6);
    assert_true(chi < 20.5); /* 5 degrees of freedom: p > 0.001 */
    lrnn_batches_destroy(batches);
}

static void buckets_put_similar_lengths_together(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static int32_t many_lengths[MANY], many_tokens[MANY * 30];
    size_t steps = 0;
    for (int i = 0; i < MANY; i++) {
        many_lengths[i] = 1 + i * 7 % 29;
        for (int32_t t = 0; t < many_lengths[i]; t++) {
            many_tokens[steps++] = i;
        }
    }
    lrnn_examples e = plain();
    e.count = MANY;
    e.lengths = many_lengths;
    e.tokens = many_tokens;
    size_t read[2] = {0, 0};
    for (int bucketed = 0; bucketed < 2; bucketed++) {
        lrnn_batches_options o = of(8);
        o.shuffle = 1;
        o.bucket = bucketed ? 10 : 0;
        lrnn_batches *batches = create(&e, &o);
        bool seen[MANY] = {false};
        int falls = 0;
        size_t before = 0;
        for (size_t w = 0; w < lrnn_batches_count(batches); w++) {
            lrnn_sequences s = next(batches);
            read[bucketed] += s.batch * s.steps;
            falls += s.steps < before;
            before = s.steps;
            for (size_t b = 0; b < s.batch; b++) {
                assert_false(seen[s.tokens[b * s.steps]]);
                seen[s.tokens[b * s.steps]] = true;
            }
        }
        assert_true(falls > 5); /* the windows do not come shortest first */
        expect_end(batches);
        lrnn_batches_destroy(batches);
    }
    assert_true(read[1] < read[0] * 3 / 4);
    assert_true(read[1] < steps * 5 / 4);
}

static void drop_last_leaves_out_what_fills_no_window(void **state)
{
    (void)state;
    lrnn_examples e = plain();
    lrnn_batches_options o = of(3);
    o.drop_last = 1;
    o.shuffle = 1;
    o.bucket = 2;
    lrnn_batches *batches = create(&e, &o);
    assert_int_equal(lrnn_batches_count(batches), 2);
    int32_t order[N];
    assert_int_equal(read_pass(batches, order), 6);
    lrnn_batches_destroy(batches);
}

static void seeking_finds_the_same_window(void **state)
{
    (void)state;
    lrnn_examples e = plain();
    lrnn_batches_options o = of(2);
    o.shuffle = 1;
    lrnn_batches *batches = create(&e, &o);
    int32_t order[N];
    read_pass(batches, order);
    lrnn_sequences first = next(batches);
    int32_t begin = first.tokens[0];
    next(batches);
    assert_int_equal(lrnn_batches_position(batches), 2);
    assert_int_equal(lrnn_batches_seek(batches, 0), LRNN_OK);
    assert_int_equal(next(batches).tokens[0], begin);
    assert_int_equal(lrnn_batches_seek(batches, 5), LRNN_ERR_INVALID);
    lrnn_batches_destroy(batches);
}

static void a_checkpoint_finds_back_into_a_shuffled_pass(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    lrnn_model_options m;
    lrnn_model_options_init(&m, sizeof m);
    m.vocab_size = 100;
    lrnn_model *model;
    lrnn_trainer *trainer;
    assert_int_equal(lrnn_model_create(&model, &m), LRNN_OK);
    assert_int_equal(lrnn_trainer_create(&trainer, model, NULL), LRNN_OK);
    lrnn_examples e = plain();
    lrnn_batches_options o = of(2);
    o.shuffle = 1;
    o.bucket = 2;
    lrnn_batches *batches = create(&e, &o), *other;
    int32_t order[N], expected[N], found[N];
    read_pass(batches, order);
    read_pass(batches, order);
    next(batches);
    lrnn_checkpoint all;
    lrnn_checkpoint_init(&all, sizeof all);
    all.trainer = trainer;
    all.batches = batches;
    assert_int_equal(lrnn_checkpoint_save(&all, path, NULL), LRNN_OK);
    o.seed = 77; /* the saved one comes back */
    other = create(&e, &o);
    next(other);
    all.batches = other;
    assert_int_equal(lrnn_checkpoint_load(&all, path), LRNN_OK);
    assert_int_equal(lrnn_batches_position(other), 1);
    for (int i = 0; i < 3; i++) {
        lrnn_sequences a = next(batches), b = next(other);
        assert_int_equal(a.steps, b.steps);
        assert_memory_equal(a.tokens, b.tokens, a.batch * a.steps * sizeof *a.tokens);
    }
    expect_end(batches);
    expect_end(other);
    read_pass(batches, expected);
    read_pass(other, found);
    assert_memory_equal(expected, found, sizeof found);
    lrnn_batches_destroy(other);
    o.bucket = 0;
    other = all.batches = create(&e, &o);
    assert_int_equal(lrnn_checkpoint_load(&all, path), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "bucket"));
    lrnn_batches_destroy(other);
    lrnn_batches_destroy(batches);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

static void rows_say_which_examples_a_window_holds(void **state)
{
    (void)state;
    lrnn_examples e = plain();
    lrnn_batches_options o = of(3);
    o.shuffle = 1;
    lrnn_batches *batches = create(&e, &o), *others;
    const int32_t *rows = lengths;
    assert_int_equal(lrnn_batches_get_rows(&rows, batches), LRNN_ERR_STATE);
    assert_null(rows);
    o.seed = 5;
    others = create(&e, &o);
    for (int window = 0; window < 3; window++) {
        lrnn_sequences a = next(batches), b;
        lrnn_sequences_init(&b, sizeof b);
        assert_int_equal(lrnn_batches_get_rows(&rows, batches), LRNN_OK);
        for (size_t i = 0; i < a.batch; i++) {
            assert_int_equal(a.tokens[i * a.steps], 10 * rows[i]);
        }
        assert_int_equal(lrnn_batches_select(others, rows, a.batch, &b), LRNN_OK);
        assert_int_equal(b.batch, a.batch);
        assert_int_equal(b.steps, a.steps);
        assert_memory_equal(b.tokens, a.tokens, a.batch * a.steps * sizeof *a.tokens);
        assert_memory_equal(b.lengths, a.lengths, a.batch * sizeof *a.lengths);
        assert_int_equal(lrnn_batches_position(others), 0);
    }
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    const int32_t wrong[4] = {0, 7, 1, 2};
    assert_int_equal(lrnn_batches_select(others, wrong, 2, &s), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "rows[1]"));
    assert_int_equal(lrnn_batches_select(others, wrong + 1, 1, &s), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "rows[0]"));
    assert_int_equal(lrnn_batches_select(others, wrong, 4, &s), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_batches_select(others, wrong, 0, &s), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_batches_select(others, NULL, 1, &s), LRNN_ERR_INVALID);
    lrnn_batches_destroy(batches);
    lrnn_batches_destroy(others);
    lrnn_batches_options of_stream = of(1);
    of_stream.steps = 4;
    assert_int_equal(lrnn_batches_create(&batches, tokens, S, &of_stream), LRNN_OK);
    assert_int_equal(lrnn_batches_select(batches, wrong, 1, &s), LRNN_ERR_UNSUPPORTED);
    assert_int_equal(lrnn_batches_get_rows(&rows, batches), LRNN_ERR_STATE);
    lrnn_batches_destroy(batches);
}

static void expect_refused(const lrnn_examples *e, const lrnn_batches_options *o, const char *word)
{
    lrnn_batches *batches = (lrnn_batches *)1;
    assert_int_equal(lrnn_batches_create_from_examples(&batches, e, o), LRNN_ERR_INVALID);
    assert_null(batches);
    if (strstr(lrnn_last_error(), word) == NULL) {
        fail_msg("expected '%s' in: %s", word, lrnn_last_error());
    }
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    lrnn_batches_options o = of(3);
    lrnn_examples e = plain();
    e.count = 0;
    expect_refused(&e, &o, "count");
    e = plain();
    e.lengths = NULL;
    expect_refused(&e, &o, "lengths");
    e = plain();
    e.tokens = NULL;
    expect_refused(&e, &o, "tokens and features");
    e = plain();
    e.features = features;
    expect_refused(&e, &o, "feature_size");
    e = plain();
    e.target_values = values;
    expect_refused(&e, &o, "target_size");
    e = plain();
    e.value_weights = masks;
    expect_refused(&e, &o, "value_weights");
    e = plain();
    e.per_example = 2;
    expect_refused(&e, &o, "per_example");
    e = plain();
    e.reserved = 1;
    expect_refused(&e, &o, "reserved");
    int32_t bad[N];
    memcpy(bad, lengths, sizeof bad);
    bad[4] = 0;
    e = plain();
    e.lengths = bad;
    expect_refused(&e, &o, "lengths[4]");
    e = plain();
    o = of(8);
    o.drop_last = 1;
    expect_refused(&e, &o, "drop_last");
    o = of(0);
    expect_refused(&e, &o, "batch");
    o = of(2);
    o.shuffle = 2;
    expect_refused(&e, &o, "shuffle");
    lrnn_batches *batches;
    assert_int_equal(lrnn_batches_create_from_examples(NULL, &e, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_batches_create_from_examples(&batches, NULL, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_batches_steps(NULL), 0);
    o = of(1);
    o.steps = 2;
    o.shuffle = 1;
    assert_int_equal(lrnn_batches_create(&batches, tokens, S, &o), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "shuffle"));
    struct {
        lrnn_examples known;
        uint64_t new_field;
    } later = {plain(), 1}; /* of a header that this library does not know */
    later.known.size = sizeof later;
    assert_int_equal(lrnn_batches_create_from_examples(&batches, &later.known, NULL),
                     LRNN_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_hold_the_list_in_order_and_padded),
        cmocka_unit_test(one_target_an_example_goes_with_its_row),
        cmocka_unit_test(weights_of_values_go_with_their_steps),
        cmocka_unit_test(shuffling_takes_each_once_and_differs_by_pass_and_seed),
        cmocka_unit_test(every_order_is_as_likely),
        cmocka_unit_test(buckets_put_similar_lengths_together),
        cmocka_unit_test(drop_last_leaves_out_what_fills_no_window),
        cmocka_unit_test(seeking_finds_the_same_window),
        cmocka_unit_test(a_checkpoint_finds_back_into_a_shuffled_pass),
        cmocka_unit_test(rows_say_which_examples_a_window_holds),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
