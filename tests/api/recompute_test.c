/* Training with recomputed activations against training that keeps them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"

enum { V = 11, H = 9, B = 3, T = 23, MOST = 4000 };

static int32_t tokens[B * T], targets[B * T];
static const int32_t lengths[B] = {23, 4, 17};

static void fill_window(lrnn_sequences *s, int32_t head, int uneven)
{
    for (int i = 0; i < B * T; i++) {
        tokens[i] = (i * 7 + i / 5) % V;
        targets[i] = (i * 5 + 3) % V;
    }
    lrnn_sequences_init(s, sizeof *s);
    s->batch = B;
    s->steps = T;
    s->tokens = tokens;
    s->targets = head == LRNN_HEAD_NONE ? NULL : targets;
    s->lengths = uneven ? lengths : NULL;
}

static lrnn_model *create_model(int32_t cell, int32_t head, double dropout)
{
    lrnn_model_options o;
    lrnn_model_options_init(&o, sizeof o);
    o.vocab_size = V;
    o.embedding_size = 5;
    o.hidden_size = H;
    o.layers = 2;
    o.cell = cell;
    o.head = head;
    o.dropout = dropout;
    lrnn_model *model;
    assert_int_equal(lrnn_model_create(&model, &o), LRNN_OK);
    return model;
}

static lrnn_trainer *create_trainer(const lrnn_model *model, size_t recompute, size_t threads)
{
    lrnn_trainer_options o;
    lrnn_trainer_options_init(&o, sizeof o);
    o.batch = B;
    o.steps = T;
    o.threads = threads;
    o.recompute_steps = recompute;
    lrnn_trainer *trainer;
    assert_int_equal(lrnn_trainer_create(&trainer, model, &o), LRNN_OK);
    return trainer;
}

typedef struct run {
    double losses[6];
    float parameters[MOST];
    size_t count;
} run;

static void train(run *made, const lrnn_model *model, size_t recompute, size_t threads,
                  int32_t head)
{
    lrnn_trainer *trainer = create_trainer(model, recompute, threads);
    lrnn_optimizer_options oo;
    lrnn_optimizer_options_init(&oo, sizeof oo);
    oo.kind = LRNN_OPTIMIZER_SGD;
    oo.learning_rate = 0.5;
    lrnn_optimizer *optimizer;
    made->count = lrnn_model_parameter_count(model);
    assert_true(made->count <= MOST);
    assert_int_equal(lrnn_optimizer_create(&optimizer, made->count, &oo), LRNN_OK);
    for (int i = 0; i < 6; i++) {
        lrnn_sequences s;
        lrnn_train_result result;
        fill_window(&s, head, i % 2);
        lrnn_train_result_init(&result, sizeof result);
        assert_int_equal(lrnn_trainer_step(trainer, optimizer, &s, &result), LRNN_OK);
        made->losses[i] = result.loss_sum / result.loss_weight;
    }
    lrnn_model *end;
    assert_int_equal(lrnn_trainer_snapshot(&end, trainer), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(made->parameters, MOST, end, NULL), LRNN_OK);
    lrnn_model_destroy(end);
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
}

static void training_goes_the_same_way_dropout_included(void **state)
{
    (void)state;
    static run kept, again;
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int32_t head = LRNN_HEAD_STEPS; head <= LRNN_HEAD_FINAL; head++) {
            lrnn_model *model = create_model(cell, head, 0.3);
            train(&kept, model, 0, 1, head);
            for (size_t recompute = 1; recompute <= 40; recompute += recompute < 7 ? 3 : 33) {
                train(&again, model, recompute, 1, head);
                for (int i = 0; i < 6; i++) {
                    assert_true(fabs(kept.losses[i] - again.losses[i]) < 1e-5);
                }
                for (size_t i = 0; i < kept.count; i++) {
                    assert_true(fabsf(kept.parameters[i] - again.parameters[i]) < 2e-5f);
                }
            }
            lrnn_model_destroy(model);
        }
    }
}

static void one_and_two_threads_give_the_same_bits(void **state)
{
    (void)state;
    static run one, two;
    lrnn_model *model = create_model(LRNN_CELL_LSTM, LRNN_HEAD_STEPS, 0.3);
    train(&one, model, 5, 1, LRNN_HEAD_STEPS);
    train(&two, model, 5, 2, LRNN_HEAD_STEPS);
    assert_memory_equal(one.losses, two.losses, sizeof one.losses);
    assert_memory_equal(one.parameters, two.parameters, one.count * sizeof(float));
    lrnn_model_destroy(model);
}

static void outputs_and_activations_of_all_segments_can_be_copied(void **state)
{
    (void)state;
    lrnn_model *model = create_model(LRNN_CELL_LSTM, LRNN_HEAD_STEPS, 0.3);
    lrnn_trainer *kept = create_trainer(model, 0, 1), *again = create_trainer(model, 5, 1);
    static float a[B * T * V], b[B * T * V];
    lrnn_train_result ra, rb;
    lrnn_train_result_init(&ra, sizeof ra);
    lrnn_train_result_init(&rb, sizeof rb);
    for (int pass = 0; pass < 4; pass++) {
        lrnn_sequences s;
        fill_window(&s, LRNN_HEAD_STEPS, pass % 2);
        lrnn_status (*look)(lrnn_trainer *, const lrnn_sequences *, lrnn_train_result *) =
            pass < 2 ? lrnn_trainer_evaluate : lrnn_trainer_forward;
        assert_int_equal(look(kept, &s, &ra), LRNN_OK);
        assert_int_equal(look(again, &s, &rb), LRNN_OK);
        assert_true(ra.loss_sum == rb.loss_sum && ra.loss_weight == rb.loss_weight);
        assert_int_equal(lrnn_trainer_copy_outputs(a, B * T * V, kept), LRNN_OK);
        assert_int_equal(lrnn_trainer_copy_outputs(b, B * T * V, again), LRNN_OK);
        assert_memory_equal(a, b, sizeof a);
        assert_int_equal(lrnn_trainer_copy_activation(a, B * T * H, kept, "cell", 1, 0), LRNN_OK);
        assert_int_equal(lrnn_trainer_copy_activation(b, B * T * H, again, "cell", 1, 0), LRNN_OK);
        assert_memory_equal(a, b, sizeof(float[B * T * H]));
    }
    lrnn_trainer_destroy(kept);
    lrnn_trainer_destroy(again);
    lrnn_model_destroy(model);
}

/* ---- memory ---- */

static size_t taken;

static void *count_bytes(void *user, size_t bytes)
{
    (void)user;
    taken += bytes;
    return malloc(bytes);
}

static void give_back(void *user, void *pointer)
{
    (void)user;
    free(pointer);
}

static size_t trainer_bytes(const lrnn_model *model, size_t steps, size_t recompute)
{
    lrnn_allocator allocator;
    lrnn_allocator_init(&allocator, sizeof allocator);
    allocator.allocate = count_bytes;
    allocator.release = give_back;
    lrnn_trainer_options o;
    lrnn_trainer_options_init(&o, sizeof o);
    o.allocator = &allocator;
    o.batch = 4;
    o.steps = steps;
    o.recompute_steps = recompute;
    lrnn_trainer *trainer;
    taken = 0;
    assert_int_equal(lrnn_trainer_create(&trainer, model, &o), LRNN_OK);
    lrnn_trainer_destroy(trainer);
    return taken;
}

/* What grows with T grows with its root: four times as many steps, twice the memory. */
static void memory_grows_with_the_root_of_the_steps(void **state)
{
    (void)state;
    lrnn_model *model = create_model(LRNN_CELL_LSTM, LRNN_HEAD_LAST, 0);
    size_t fixed = trainer_bytes(model, 1, 0);
    size_t whole = trainer_bytes(model, 4096, 0) - fixed;
    size_t less = trainer_bytes(model, 1024, 32) - fixed;
    size_t more = trainer_bytes(model, 4096, 64) - fixed;
    assert_true(more < whole / 40);
    assert_true((double)more < 2.1 * (double)less);
    lrnn_model_destroy(model);
}

static void a_bidirectional_model_is_refused(void **state)
{
    (void)state;
    lrnn_model_options o;
    lrnn_model_options_init(&o, sizeof o);
    o.vocab_size = V;
    o.bidirectional = 1;
    lrnn_model *model;
    assert_int_equal(lrnn_model_create(&model, &o), LRNN_OK);
    lrnn_trainer_options t;
    lrnn_trainer_options_init(&t, sizeof t);
    t.recompute_steps = 8;
    lrnn_trainer *trainer;
    assert_int_equal(lrnn_trainer_create(&trainer, model, &t), LRNN_ERR_INVALID);
    assert_null(trainer);
    assert_non_null(strstr(lrnn_last_error(), "recompute_steps"));
    lrnn_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_goes_the_same_way_dropout_included),
        cmocka_unit_test(one_and_two_threads_give_the_same_bits),
        cmocka_unit_test(outputs_and_activations_of_all_segments_can_be_copied),
        cmocka_unit_test(memory_grows_with_the_root_of_the_steps),
        cmocka_unit_test(a_bidirectional_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
