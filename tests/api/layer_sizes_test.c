/* Layers of different hidden sizes: what the options mean, which do not fit together, how states
 * lie in memory, and that steps, rows, threads, files, checkpoints, weight types and decoders treat
 * such a model as any other. PyTorch's numbers are in train_golden_nets_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/scratch.h"
#include "lrnn.h"

enum { V = 9, B = 3, T = 5, L = 3, SUM = 70 + 33 + 48, MOST = 65536 };

static const size_t sizes[L] = {70, 33, 48};
static const int32_t tokens[B * T] = {1, 2, 3, 4, 8, 7, 6, 5, 0, 1, 2, 2, 2, 3, 3};
static const int32_t targets[B * T] = {2, 3, 4, 8, 7, 6, 5, 0, 1, 2, 2, 2, 3, 3, 1};

static lrnn_model_options with_sizes(int32_t cell)
{
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = 5;
    o.layers = L;
    o.cell = cell;
    memcpy(o.hidden_sizes, sizes, sizeof sizes);
    return o;
}

static lrnn_model *create(const lrnn_model_options *o)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_model_create(&model, o));
    return model;
}

static lrnn_state *start(const lrnn_model *model, size_t batch, size_t steps)
{
    lrnn_state *state;
    lrnn_state_options o;
    EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
    o.batch = batch;
    o.steps = steps;
    EXPECT_OK(lrnn_state_create(&state, model, &o));
    return state;
}

static lrnn_sequences window(void)
{
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = B;
    s.steps = T;
    s.tokens = tokens;
    return s;
}

/* ---- options ---- */

static void expect_sizes(size_t layers, const size_t *given, size_t hidden, const size_t *expected)
{
    lrnn_model_options o = with_sizes(LRNN_CELL_GRU), found;
    size_t all[LRNN_MOST_HIDDEN_SIZES] = {0};
    EXPECT_OK(lrnn_model_options_init(&found, sizeof found));
    memset(o.hidden_sizes, 0, sizeof o.hidden_sizes);
    memcpy(o.hidden_sizes, given, (layers < 8 ? layers : 8) * sizeof *given);
    o.layers = layers;
    o.hidden_size = 4;
    lrnn_model *model = create(&o);
    EXPECT_OK(lrnn_model_get_options(&found, model));
    if (expected != NULL) {
        memcpy(all, expected, (layers < 8 ? layers : 8) * sizeof *all);
    }
    assert_int_equal(found.hidden_size, hidden);
    assert_memory_equal(found.hidden_sizes, all, sizeof all);
    assert_int_equal(lrnn_model_hidden_size(model, layers - 1), hidden);
    assert_int_equal(lrnn_model_hidden_size(model, layers), 0);
    lrnn_model_destroy(model);
}

static void one_thing_is_said_in_one_way(void **unused)
{
    (void)unused;
    expect_sizes(2, (const size_t[]){0, 0}, 4, NULL);
    expect_sizes(2, (const size_t[]){7, 7}, 7, NULL);
    expect_sizes(2, (const size_t[]){4, 0}, 4, NULL);
    expect_sizes(2, (const size_t[]){0, 6}, 6, (const size_t[]){4, 6});
    expect_sizes(2, (const size_t[]){6, 0}, 4, (const size_t[]){6, 4});
    expect_sizes(9, (const size_t[]){1, 2, 3, 1, 2, 3, 1, 2}, 4,
                 (const size_t[]){1, 2, 3, 1, 2, 3, 1, 2});
    expect_sizes(9, (const size_t[]){5, 5, 5, 5, 5, 5, 5, 5}, 4,
                 (const size_t[]){5, 5, 5, 5, 5, 5, 5, 5});
    expect_sizes(10, (const size_t[]){0, 0, 0, 0, 0, 0, 0, 5}, 4,
                 (const size_t[]){4, 4, 4, 4, 4, 4, 4, 5});
    assert_int_equal(lrnn_model_hidden_size(NULL, 0), 0);
}

static void what_does_not_fit_is_refused_by_name(void **unused)
{
    (void)unused;
    lrnn_model *model;
    lrnn_model_options o = with_sizes(LRNN_CELL_LSTM);
    o.layers = 2;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "hidden_sizes", "48",
                   "layers is 2");
    o.layers = 0;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "hidden_sizes", "layers is 0");
    o = with_sizes(LRNN_CELL_LSTM);
    o.hidden_sizes[1] = SIZE_MAX / 2;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "hidden_sizes", "size 1");
    o = with_sizes(LRNN_CELL_LSTM);
    o.residual = 1;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "residual", "hidden_sizes");
    o.projection_size = 33;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "projection_size", "1..32",
                   "every layer");
    o.projection_size = 20;
    lrnn_model_destroy(create(&o));
    o = with_sizes(LRNN_CELL_LSTM);
    o.tied_weights = 1;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "tied_weights", "48",
                   "last layer");
    o.embedding_size = 48;
    lrnn_model_destroy(create(&o));
}

/* ---- states ---- */

/* h and c of the layers lie one after the other, each [B,its size]: what a trainer shows of the
 * last step by layer and row is found there. */
static void states_lie_layer_by_layer(void **unused)
{
    (void)unused;
    lrnn_model_options o = with_sizes(LRNN_CELL_LSTM);
    lrnn_model *model = create(&o);
    lrnn_state *state = start(model, B, 2);
    lrnn_trainer *trainer;
    lrnn_trainer_options of_trainer;
    lrnn_sequences s = window();
    static float h[B * SUM], c[B * SUM], ours[B * SUM], seen[B * T * 70];
    EXPECT_OK(lrnn_trainer_options_init(&of_trainer, sizeof of_trainer));
    of_trainer.batch = B;
    of_trainer.steps = T;
    of_trainer.loss = LRNN_LOSS_NONE;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &of_trainer));
    EXPECT_OK(lrnn_trainer_forward(trainer, &s, NULL));
    EXPECT_OK(lrnn_trainer_export_state(h, c, trainer));
    EXPECT_OK(lrnn_state_forward(state, &s, NULL));
    EXPECT_OK(lrnn_state_export(ours, NULL, state));
    const float *of_h = h, *of_c = c;
    for (size_t layer = 0; layer < L; layer++) {
        for (int cell = 0; cell < 2; cell++) {
            EXPECT_OK(lrnn_trainer_copy_activation(seen, B * T * sizes[layer], trainer,
                                                   cell ? "cell" : "hidden", layer, 0));
            for (size_t b = 0; b < B; b++) {
                assert_memory_equal(seen + (b * T + T - 1) * sizes[layer],
                                    (cell ? of_c : of_h) + b * sizes[layer],
                                    sizes[layer] * sizeof *seen);
            }
        }
        of_h += B * sizes[layer];
        of_c += B * sizes[layer];
    }
    for (size_t i = 0; i < B * SUM; i++) {
        assert_float_equal(h[i], ours[i], 1e-5);
    }
    lrnn_trainer_destroy(trainer);
    lrnn_state_destroy(state);
    lrnn_model_destroy(model);
}

/* Row b of layers that lie one after the other, `rows` rows each. */
static void expect_row(const float *found, size_t found_rows, size_t found_row,
                       const float *expected, size_t rows, size_t row)
{
    for (size_t layer = 0; layer < L; layer++) {
        const float *a = found + found_row * sizes[layer];
        if (expected != NULL) {
            assert_memory_equal(a, expected + row * sizes[layer], sizes[layer] * sizeof *a);
            expected += rows * sizes[layer];
        }
        for (size_t i = 0; expected == NULL && i < sizes[layer]; i++) {
            assert_true(a[i] == 0);
        }
        found += found_rows * sizes[layer];
    }
}

static void streams_are_moved_whole(void **unused)
{
    (void)unused;
    lrnn_model_options o = with_sizes(LRNN_CELL_LSTM);
    lrnn_model *model = create(&o);
    lrnn_state *state = start(model, 4, 2), *copy = start(model, 6, 2);
    static float h[B * SUM], c[B * SUM], now[4 * SUM];
    static const int32_t parents[4] = {2, -1, 0, 2};
    lrnn_sequences s = window();
    for (size_t i = 0; i < B * SUM; i++) {
        h[i] = (float)i + 1;
        c[i] = -(float)i - 1;
    }
    EXPECT_OK(lrnn_state_reorder(state, (const int32_t[]){0, 1, 2}, B));
    EXPECT_OK(lrnn_state_import(state, h, c));
    EXPECT_OK(lrnn_state_copy(copy, state));
    EXPECT_OK(lrnn_state_export(now, NULL, copy));
    assert_memory_equal(now, h, sizeof h);
    EXPECT_OK(lrnn_state_reorder(copy, parents, 4));
    EXPECT_OK(lrnn_state_reset_stream(copy, 3));
    EXPECT_OK(lrnn_state_export(NULL, now, copy));
    expect_row(now, 4, 0, c, B, 2);
    expect_row(now, 4, 1, NULL, 0, 0);
    expect_row(now, 4, 2, c, B, 0);
    expect_row(now, 4, 3, NULL, 0, 0);
    h[B * 70 + B * 33 + 48] = (float)strtod("nan", NULL); /* of row 1 in the last layer */
    EXPECT_OK(lrnn_state_import(state, h, NULL));
    EXPECT_OK(lrnn_state_check_stream(state, 0));
    EXPECT_OK(lrnn_state_check_stream(state, 2));
    EXPECT_FAILURE(lrnn_state_check_stream(state, 1), LRNN_ERR_NUMERIC, "stream 1");
    EXPECT_OK(lrnn_state_reset_stream(state, 1));
    EXPECT_OK(lrnn_state_forward(state, &s, NULL));
    lrnn_state_destroy(state);
    lrnn_state_destroy(copy);
    lrnn_model_destroy(model);
}

/* ---- inference ---- */

/* Whole sequences together, and each by itself step by step. */
static void compare_with_steps(const lrnn_model *model)
{
    static float whole[B * T * V], one[V];
    lrnn_sequences s = window();
    lrnn_state *state = start(model, B, 2);
    EXPECT_OK(lrnn_state_forward(state, &s, whole));
    lrnn_state_destroy(state);
    for (size_t b = 0; b < B; b++) {
        state = start(model, 1, 1);
        for (size_t t = 0; t < T; t++) {
            EXPECT_OK(lrnn_state_step(state, tokens + b * T + t, NULL, one));
            assert_memory_equal(one, whole + (b * T + t) * V, sizeof one);
        }
        lrnn_state_destroy(state);
    }
}

static void steps_and_rows_have_the_bits_of_a_forward_pass(void **unused)
{
    (void)unused;
    static const size_t others[][L] = {{70, 33, 48}, {3, 130, 1}, {16, 8, 24}, {64, 32, 5}};
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            for (int32_t type = LRNN_WEIGHT_FLOAT32; type <= LRNN_WEIGHT_INT8; type++) {
                lrnn_model_options o = with_sizes(cell);
                memcpy(o.hidden_sizes, others[i], sizeof others[i]);
                o.weight_type = type;
                o.layer_norm = i == 1;
                o.embedding_size = i == 2 ? 0 : 5;
                lrnn_model *model = create(&o);
                compare_with_steps(model);
                lrnn_model_destroy(model);
            }
        }
    }
}

static void a_decoder_goes_on_from_a_state(void **unused)
{
    (void)unused;
    lrnn_model_options o = with_sizes(LRNN_CELL_LSTM);
    o.initial_range = 0.4;
    lrnn_model *model = create(&o);
    static float h[2][SUM], c[2][SUM];
    int32_t greedy[2][6], prompts[2] = {1, 4};
    lrnn_request requests[2];
    for (size_t r = 0; r < 2; r++) {
        lrnn_state *own = start(model, 1, 1);
        int32_t token = prompts[r];
        for (size_t i = 0; i < SUM; i++) {
            h[r][i] = (float)((i * 7 + r * 3) % 11) / 11 - 0.5f;
            c[r][i] = (float)((i * 5 + r) % 13) / 6 - 1;
        }
        EXPECT_OK(lrnn_state_import(own, h[r], c[r]));
        for (size_t t = 0; t < 6; t++) {
            float logits[V];
            EXPECT_OK(lrnn_state_step(own, &token, NULL, logits));
            token = 0;
            for (int32_t v = 1; v < V; v++) {
                token = logits[v] > logits[token] ? v : token;
            }
            greedy[r][t] = token;
        }
        lrnn_state_destroy(own);
        EXPECT_OK(lrnn_request_init(&requests[r], sizeof requests[r]));
        requests[r].tokens = &prompts[r];
        requests[r].count = 1;
        requests[r].h = h[r];
        requests[r].c = c[r];
    }
    lrnn_decoder *decoder;
    lrnn_decoder_options d;
    EXPECT_OK(lrnn_decoder_options_init(&d, sizeof d));
    d.method = LRNN_METHOD_GREEDY;
    d.batch = d.requests = 2;
    d.max_length = 6;
    EXPECT_OK(lrnn_decoder_create(&decoder, model, &d));
    EXPECT_OK(lrnn_decoder_run(decoder, requests, 2));
    for (size_t r = 0; r < 2; r++) {
        lrnn_result result;
        EXPECT_OK(lrnn_result_init(&result, sizeof result));
        EXPECT_OK(lrnn_decoder_get_result(&result, decoder, r, 0));
        assert_memory_equal(result.tokens, greedy[r], sizeof greedy[r]);
    }
    lrnn_decoder_destroy(decoder);
    lrnn_model_destroy(model);
}

/* ---- training ---- */

typedef struct run {
    lrnn_checkpoint all;
    lrnn_sequences window;
} run;

static run begin(const lrnn_model *model, size_t threads, size_t recompute, size_t shards)
{
    run r;
    lrnn_trainer_options o;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_checkpoint_init(&r.all, sizeof r.all));
    o.batch = B;
    o.steps = T;
    o.threads = threads;
    o.recompute_steps = recompute;
    o.shards = shards;
    o.temporal_l2 = 1;
    r.window = window();
    r.window.targets = targets;
    EXPECT_OK(lrnn_trainer_create(&r.all.trainer, model, &o));
    EXPECT_OK(lrnn_optimizer_create(&r.all.optimizer, lrnn_model_parameter_count(model), NULL));
    return r;
}

static void advance(run *r, int steps)
{
    for (int i = 0; i < steps; i++) {
        EXPECT_OK(lrnn_trainer_step(r->all.trainer, r->all.optimizer, &r->window, NULL));
    }
}

/* Parameters, then h and c. */
static void end(float *values, run *r)
{
    lrnn_model *model;
    EXPECT_OK(lrnn_trainer_snapshot(&model, r->all.trainer));
    size_t count = lrnn_model_parameter_count(model);
    assert_true(count + 2 * B * SUM <= MOST);
    EXPECT_OK(lrnn_model_copy_parameter(values, MOST, model, NULL));
    EXPECT_OK(lrnn_trainer_export_state(values + count, values + count + B * SUM, r->all.trainer));
    lrnn_model_destroy(model);
    lrnn_optimizer_destroy(r->all.optimizer);
    lrnn_trainer_destroy(r->all.trainer);
}

static lrnn_model_options dropped(void)
{
    lrnn_model_options o = with_sizes(LRNN_CELL_LSTM);
    o.dropout = o.output_dropout = 0.3;
    o.locked_dropout = 1;
    o.weight_dropout = 0.4;
    o.embedding_size = 48;
    o.tied_weights = 1;
    o.initial_range = 0.2;
    return o;
}

static void threads_segments_and_checkpoints_change_no_bit(void **unused)
{
    (void)unused;
    static float expected[MOST], found[MOST];
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    lrnn_model_options o = dropped();
    lrnn_model *model = create(&o);
    size_t bytes = (lrnn_model_parameter_count(model) + 2 * B * SUM) * sizeof *found;
    for (size_t shards = 1; shards <= 3; shards += 2) {
        size_t recompute = shards > 1 ? 2 : 0;
        run whole = begin(model, 1, recompute, shards);
        advance(&whole, 6);
        end(expected, &whole);
        for (size_t threads = 1; threads <= 3; threads++) {
            run half = begin(model, threads, recompute, shards);
            run rest = begin(model, 4 - threads, recompute, shards);
            advance(&half, 3);
            EXPECT_OK(lrnn_checkpoint_save(&half.all, path, NULL));
            end(found, &half);
            EXPECT_OK(lrnn_checkpoint_load(&rest.all, path));
            advance(&rest, 3);
            end(found, &rest);
            assert_memory_equal(found, expected, bytes);
        }
    }
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

static void a_checkpoint_of_other_sizes_is_refused_by_name(void **unused)
{
    (void)unused;
    static float values[MOST];
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "checkpoint");
    lrnn_model_options o = dropped();
    lrnn_model *model = create(&o);
    run saved = begin(model, 1, 2, 1);
    EXPECT_OK(lrnn_checkpoint_save(&saved.all, path, NULL));
    end(values, &saved);
    lrnn_model_destroy(model);
    o.hidden_sizes[1] = 34;
    model = create(&o);
    run other = begin(model, 1, 0, 1);
    EXPECT_FAILURE(lrnn_checkpoint_load(&other.all, path), LRNN_ERR_INVALID, "hidden_sizes",
                   "'70,34,48'", "'70,33,48'");
    lrnn_optimizer_destroy(other.all.optimizer);
    lrnn_trainer_destroy(other.all.trainer);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* ---- files ---- */

static void files_keep_the_sizes(void **unused)
{
    (void)unused;
    static float a[MOST], b[MOST];
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    for (int32_t type = LRNN_WEIGHT_FLOAT32; type <= LRNN_WEIGHT_INT8; type++) {
        lrnn_model_options o = with_sizes(LRNN_CELL_GRU);
        lrnn_model *model = create(&o), *narrow, *again;
        EXPECT_OK(lrnn_model_convert(&narrow, model, type));
        EXPECT_OK(lrnn_model_save(narrow, path));
        EXPECT_OK(lrnn_model_load(&again, path, NULL));
        assert_int_equal(lrnn_model_hidden_size(again, 1), 33);
        size_t count = lrnn_model_parameter_count(model);
        EXPECT_OK(lrnn_model_copy_parameter(a, MOST, narrow, NULL));
        EXPECT_OK(lrnn_model_copy_parameter(b, MOST, again, NULL));
        assert_memory_equal(a, b, count * sizeof *a);
        lrnn_model_destroy(model);
        lrnn_model_destroy(narrow);
        lrnn_model_destroy(again);
    }
    scratch_destroy(&folder);
}

/* Whether the file has this text among its metadata. */
static int file_has(const char *path, const char *text)
{
    static char bytes[8192];
    FILE *stream = fopen(path, "rb");
    size_t length = fread(bytes, 1, sizeof bytes - 1, stream);
    fclose(stream);
    for (size_t i = 0; i < length; i++) {
        if (strncmp(bytes + i, text, strlen(text)) == 0) {
            return 1;
        }
    }
    return 0;
}

/* 0.1 reads format 1 and would not know the key. */
static void an_older_library_refuses_the_file_by_its_format(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    lrnn_model_options o = with_sizes(LRNN_CELL_GRU);
    lrnn_model *model = create(&o);
    EXPECT_OK(lrnn_model_save(model, path));
    assert_true(file_has(path, "\"lrnn.format\":\"2\""));
    assert_true(file_has(path, "\"lrnn.hidden_sizes\":\"70,33,48\""));
    lrnn_model_destroy(model);
    o.hidden_sizes[0] = o.hidden_sizes[1] = o.hidden_sizes[2];
    model = create(&o);
    EXPECT_OK(lrnn_model_save(model, path));
    assert_true(file_has(path, "\"lrnn.format\":\"1\""));
    assert_false(file_has(path, "lrnn.hidden_sizes"));
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thing_is_said_in_one_way),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(states_lie_layer_by_layer),
        cmocka_unit_test(streams_are_moved_whole),
        cmocka_unit_test(steps_and_rows_have_the_bits_of_a_forward_pass),
        cmocka_unit_test(a_decoder_goes_on_from_a_state),
        cmocka_unit_test(threads_segments_and_checkpoints_change_no_bit),
        cmocka_unit_test(a_checkpoint_of_other_sizes_is_refused_by_name),
        cmocka_unit_test(files_keep_the_sizes),
        cmocka_unit_test(an_older_library_refuses_the_file_by_its_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
