/* LSTM layers whose h is a projection of the cell's output, and the padding token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/scratch.h"
#include "lrnn.h"

enum { V = 7, H = 6, P = 4, L = 2, B = 2, T = 5 };

static const int32_t tokens[B * T] = {0, 3, 2, 6, 1, 5, 5, 0, 2, 4};
static const int32_t targets[B * T] = {3, 2, 6, 1, 5, 5, 0, 2, 4, 0};

static lrnn_model_options projected(void)
{
    lrnn_model_options options;
    assert_int_equal(lrnn_model_options_init(&options, sizeof options), LRNN_OK);
    options.vocab_size = V;
    options.embedding_size = 3;
    options.hidden_size = H;
    options.layers = L;
    options.projection_size = P;
    return options;
}

static lrnn_model *create(const lrnn_model_options *options)
{
    lrnn_model *model;
    assert_int_equal(lrnn_model_create(&model, options), LRNN_OK);
    return model;
}

static void expect_shape(const lrnn_model *model, const char *name, size_t rows, size_t columns)
{
    lrnn_parameter parameter;
    assert_int_equal(lrnn_parameter_init(&parameter, sizeof parameter), LRNN_OK);
    assert_int_equal(lrnn_model_find_parameter(&parameter, model, name), LRNN_OK);
    assert_int_equal(parameter.rank, 2);
    assert_int_equal(parameter.shape[0], rows);
    assert_int_equal(parameter.shape[1], columns);
}

static void the_tensors_have_the_shapes_of_proj_size(void **state)
{
    (void)state;
    lrnn_model_options options = projected();
    options.bidirectional = 1;
    lrnn_model *model = create(&options);
    expect_shape(model, "rnn.weight_ih_l0", 4 * H, 3);
    expect_shape(model, "rnn.weight_hh_l0", 4 * H, P);
    expect_shape(model, "rnn.weight_hr_l0", P, H);
    expect_shape(model, "rnn.weight_hr_l0_reverse", P, H);
    expect_shape(model, "rnn.weight_ih_l1", 4 * H, 2 * P);
    expect_shape(model, "head.weight", V, 2 * P);
    lrnn_model_destroy(model);
}

static void steps_give_the_bits_of_a_forward(void **state)
{
    (void)state;
    lrnn_model_options options = projected();
    lrnn_model *model = create(&options);
    lrnn_state_options so;
    lrnn_state_options_init(&so, sizeof so);
    so.batch = B;
    so.steps = 3;
    lrnn_state *whole, *single;
    assert_int_equal(lrnn_state_create(&whole, model, &so), LRNN_OK);
    assert_int_equal(lrnn_state_create(&single, model, &so), LRNN_OK);
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    s.batch = B;
    s.steps = T;
    s.tokens = tokens;
    float all[B][T][V], one[B][V];
    assert_int_equal(lrnn_state_forward(whole, &s, &all[0][0][0]), LRNN_OK);
    for (int t = 0; t < T; t++) {
        int32_t column[B] = {tokens[t], tokens[T + t]};
        assert_int_equal(lrnn_state_step(single, column, NULL, &one[0][0]), LRNN_OK);
        for (int b = 0; b < B; b++) {
            assert_memory_equal(one[b], all[b][t], sizeof one[b]);
        }
    }
    float h[L * B * P], c[L * B * H], h2[L * B * P], c2[L * B * H];
    assert_int_equal(lrnn_state_export(h, c, whole), LRNN_OK);
    assert_int_equal(lrnn_state_export(h2, c2, single), LRNN_OK);
    assert_memory_equal(h, h2, sizeof h);
    assert_memory_equal(c, c2, sizeof c);
    int32_t crossed[B] = {1, 0}, column[B] = {1, 2}, swapped[B] = {2, 1};
    float two[B][V];
    assert_int_equal(lrnn_state_reorder(single, crossed, B), LRNN_OK);
    assert_int_equal(lrnn_state_step(whole, column, NULL, &one[0][0]), LRNN_OK);
    assert_int_equal(lrnn_state_step(single, swapped, NULL, &two[0][0]), LRNN_OK);
    assert_memory_equal(one[0], two[1], sizeof one[0]);
    assert_memory_equal(one[1], two[0], sizeof one[1]);
    lrnn_state_destroy(whole);
    lrnn_state_destroy(single);
    lrnn_model_destroy(model);
}

static lrnn_trainer *train(const lrnn_model *model, int steps, lrnn_optimizer **optimizer)
{
    lrnn_trainer_options to;
    lrnn_trainer_options_init(&to, sizeof to);
    to.batch = B;
    to.steps = T;
    to.threads = 2;
    lrnn_trainer *trainer;
    assert_int_equal(lrnn_trainer_create(&trainer, model, &to), LRNN_OK);
    lrnn_optimizer_options oo;
    lrnn_optimizer_options_init(&oo, sizeof oo);
    oo.learning_rate = 0.01;
    assert_int_equal(lrnn_optimizer_create(optimizer, lrnn_model_parameter_count(model), &oo),
                     LRNN_OK);
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    s.batch = B;
    s.steps = T;
    s.tokens = tokens;
    s.targets = targets;
    lrnn_train_result first, last;
    lrnn_train_result_init(&first, sizeof first);
    lrnn_train_result_init(&last, sizeof last);
    for (int i = 0; i < steps; i++) {
        assert_int_equal(lrnn_trainer_step(trainer, *optimizer, &s, i == 0 ? &first : &last),
                         LRNN_OK);
    }
    assert_true(steps < 2 || last.loss_sum < first.loss_sum);
    return trainer;
}

static void training_checkpoint_and_file_keep_every_bit(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model"), *again = scratch_path(&folder, "checkpoint");
    lrnn_model_options options = projected();
    options.padding_token = 3;
    lrnn_model *model = create(&options), *trained, *loaded;
    lrnn_optimizer *optimizer, *fresh;
    lrnn_trainer *trainer = train(model, 20, &optimizer), *other = train(model, 0, &fresh);
    assert_int_equal(lrnn_trainer_snapshot(&trained, trainer), LRNN_OK);
    assert_int_equal(lrnn_model_save(trained, path), LRNN_OK);
    assert_int_equal(lrnn_model_load(&loaded, path, NULL), LRNN_OK);
    size_t count = lrnn_model_parameter_count(trained);
    float *a = malloc(count * sizeof *a), *b = malloc(count * sizeof *b);
    assert_int_equal(lrnn_model_copy_parameter(a, count, trained, NULL), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(b, count, loaded, NULL), LRNN_OK);
    assert_memory_equal(a, b, count * sizeof *a);
    lrnn_model_options found;
    lrnn_model_options_init(&found, sizeof found);
    assert_int_equal(lrnn_model_get_options(&found, loaded), LRNN_OK);
    assert_int_equal(found.projection_size, P);
    assert_int_equal(found.padding_token, 3);
    lrnn_checkpoint checkpoint;
    lrnn_checkpoint_init(&checkpoint, sizeof checkpoint);
    checkpoint.trainer = trainer;
    checkpoint.optimizer = optimizer;
    assert_int_equal(lrnn_checkpoint_save(&checkpoint, again, NULL), LRNN_OK);
    checkpoint.trainer = other;
    checkpoint.optimizer = fresh;
    assert_int_equal(lrnn_checkpoint_load(&checkpoint, again), LRNN_OK);
    float h[L * B * P], c[L * B * H], h2[L * B * P], c2[L * B * H];
    assert_int_equal(lrnn_trainer_export_state(h, c, trainer), LRNN_OK);
    assert_int_equal(lrnn_trainer_export_state(h2, c2, other), LRNN_OK);
    assert_memory_equal(h, h2, sizeof h);
    assert_memory_equal(c, c2, sizeof c);
    free(a);
    free(b);
    lrnn_trainer_destroy(trainer);
    lrnn_trainer_destroy(other);
    lrnn_optimizer_destroy(optimizer);
    lrnn_optimizer_destroy(fresh);
    lrnn_model_destroy(model);
    lrnn_model_destroy(trained);
    lrnn_model_destroy(loaded);
    scratch_destroy(&folder);
}

static void the_padding_tokens_vector_stays_zero(void **state)
{
    (void)state;
    lrnn_model_options options = projected();
    options.projection_size = 0;
    options.padding_token = 5;
    lrnn_model *model = create(&options), *trained;
    lrnn_optimizer *optimizer;
    lrnn_trainer *trainer = train(model, 5, &optimizer);
    assert_int_equal(lrnn_trainer_snapshot(&trained, trainer), LRNN_OK);
    float before[V * 3], after[V * 3], zero[3] = {0};
    lrnn_model_copy_parameter(before, V * 3, model, "embedding.weight");
    lrnn_model_copy_parameter(after, V * 3, trained, "embedding.weight");
    assert_memory_equal(before + 15, zero, sizeof zero);
    assert_memory_equal(after + 15, zero, sizeof zero);
    assert_memory_not_equal(before, after, sizeof zero);
    lrnn_trainer_destroy(trainer);
    lrnn_optimizer_destroy(optimizer);
    lrnn_model_destroy(model);
    lrnn_model_destroy(trained);
}

static void expect_refused(const lrnn_model_options *options, const char *word)
{
    lrnn_model *model = (lrnn_model *)1;
    assert_int_equal(lrnn_model_create(&model, options), LRNN_ERR_INVALID);
    assert_null(model);
    assert_non_null(strstr(lrnn_last_error(), word));
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    lrnn_model_options options = projected();
    options.projection_size = H;
    expect_refused(&options, "projection_size");
    options = projected();
    options.cell = LRNN_CELL_GRU;
    expect_refused(&options, "projection_size");
    options = projected();
    options.hidden_size = 1;
    options.projection_size = 1;
    expect_refused(&options, "projection_size");
    options = projected();
    options.layers = 0;
    expect_refused(&options, "projection_size");
    options = projected();
    options.padding_token = V;
    expect_refused(&options, "padding_token");
    options = projected();
    options.padding_token = -2;
    expect_refused(&options, "padding_token");
    options = projected();
    options.padding_token = 0;
    options.embedding_size = 0;
    expect_refused(&options, "padding_token");
}

static void beam_search_follows_a_projected_model(void **state)
{
    (void)state;
    lrnn_model_options options = projected();
    lrnn_model *model = create(&options);
    float h[L * P] = {0.5f, -0.25f}, c[L * H] = {1, -1, 0.5f};
    lrnn_state *own;
    assert_int_equal(lrnn_state_create(&own, model, NULL), LRNN_OK);
    assert_int_equal(lrnn_state_import(own, h, c), LRNN_OK);
    int32_t token = 1, greedy[4];
    for (int t = 0; t < 4; t++) {
        float logits[V];
        assert_int_equal(lrnn_state_step(own, &token, NULL, logits), LRNN_OK);
        token = 0;
        for (int32_t v = 1; v < V; v++) {
            token = logits[v] > logits[token] ? v : token;
        }
        greedy[t] = token;
    }
    lrnn_decoder_options d;
    lrnn_decoder_options_init(&d, sizeof d);
    d.method = LRNN_METHOD_GREEDY;
    d.max_length = 4;
    lrnn_decoder *decoder;
    assert_int_equal(lrnn_decoder_create(&decoder, model, &d), LRNN_OK);
    int32_t prompt = 1;
    lrnn_request request;
    lrnn_request_init(&request, sizeof request);
    request.tokens = &prompt;
    request.count = 1;
    request.h = h;
    request.c = c;
    assert_int_equal(lrnn_decoder_run(decoder, &request, 1), LRNN_OK);
    lrnn_result result;
    lrnn_result_init(&result, sizeof result);
    assert_int_equal(lrnn_decoder_get_result(&result, decoder, 0, 0), LRNN_OK);
    assert_int_equal(result.count, 4);
    assert_memory_equal(result.tokens, greedy, sizeof greedy);
    lrnn_decoder_destroy(decoder);
    lrnn_state_destroy(own);
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tensors_have_the_shapes_of_proj_size),
        cmocka_unit_test(steps_give_the_bits_of_a_forward),
        cmocka_unit_test(training_checkpoint_and_file_keep_every_bit),
        cmocka_unit_test(the_padding_tokens_vector_stays_zero),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(beam_search_follows_a_projected_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
