/* After create, a step, a forward pass, a training step and an evaluation allocate nothing, and
 * leave the caller's floating-point mode alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "lrnn.h"
#include "support/malloc_trap.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { B = 6, T = 12, V = 30, F = 3, O = V, STREAM = B * T * 4 + 1 };

static int32_t tokens[STREAM], targets[B * T];
static float features[B * T * F], weights[B * T], values[B * T * O], outputs[B * T * O];
static const int32_t lengths[B] = {12, 1, 7, 12, 3, 5}, labels[B] = {1, 2, 3, 4, 5, 6};

static void fill(void)
{
    for (int i = 0; i < STREAM; i++) {
        tokens[i] = (i * 7 + i / 11) % V;
    }
    for (int i = 0; i < B * T; i++) {
        targets[i] = (i * 5) % V - 1;
        weights[i] = 1 / (float)(i + 3);
    }
    for (int i = 0; i < B * T * F; i++) {
        features[i] = (float)(i % 17) / 17 - 0.5f;
    }
    for (int i = 0; i < B * T * O; i++) {
        values[i] = (float)(i % 13) / 13;
    }
}

typedef struct things {
    lrnn_model *model;
    lrnn_state *state;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_batches *batches;
    lrnn_sequences window;
} things;

static void make_window(things *made, const lrnn_model_options *m, int32_t loss, bool uneven)
{
    lrnn_sequences_init(&made->window, sizeof made->window);
    made->window.batch = B;
    made->window.steps = T;
    made->window.tokens = m->vocab_size > 0 ? tokens : NULL;
    made->window.features = m->feature_size > 0 ? features : NULL;
    made->window.lengths = uneven ? lengths : NULL;
    made->window.target_values = values;
    made->window.targets = loss == LRNN_LOSS_CTC ? labels : targets;
    made->window.target_steps = loss == LRNN_LOSS_CTC ? 1 : 0;
}

static void make(things *made, const lrnn_model_options *m, size_t threads, int32_t optimizer,
                 int32_t loss, size_t recompute)
{
    assert_int_equal(lrnn_model_create(&made->model, m), LRNN_OK);
    lrnn_state_options s;
    lrnn_state_options_init(&s, sizeof s);
    s.batch = B;
    assert_int_equal(lrnn_state_create(&made->state, made->model, &s), LRNN_OK);
    lrnn_trainer_options t;
    lrnn_trainer_options_init(&t, sizeof t);
    t.batch = B;
    t.steps = T;
    t.threads = threads;
    t.clip_norm = 1;
    t.clip_value = 0.5;
    t.label_smoothing = loss == LRNN_LOSS_CROSS_ENTROPY ? 0.1 : 0;
    t.loss = loss;
    t.recompute_steps = recompute;
    assert_int_equal(lrnn_trainer_create(&made->trainer, made->model, &t), LRNN_OK);
    lrnn_optimizer_options o;
    lrnn_optimizer_options_init(&o, sizeof o);
    o.kind = optimizer;
    o.momentum = optimizer <= LRNN_OPTIMIZER_RMSPROP ? 0.9 : 0;
    assert_int_equal(
        lrnn_optimizer_create(&made->optimizer, lrnn_model_parameter_count(made->model), &o),
        LRNN_OK);
    lrnn_schedule_options c;
    lrnn_schedule_options_init(&c, sizeof c);
    c.kind = LRNN_SCHEDULE_COSINE;
    c.period = 7;
    c.learning_rate = 0.3;
    assert_int_equal(lrnn_schedule_create(&made->schedule, &c), LRNN_OK);
    lrnn_batches_options b;
    lrnn_batches_options_init(&b, sizeof b);
    b.batch = B;
    b.steps = T;
    assert_int_equal(lrnn_batches_create(&made->batches, tokens, STREAM, &b), LRNN_OK);
    make_window(made, m, loss, true);
}

static void unmake(things *made)
{
    lrnn_model_destroy(made->model);
    lrnn_state_destroy(made->state);
    lrnn_trainer_destroy(made->trainer);
    lrnn_optimizer_destroy(made->optimizer);
    lrnn_schedule_destroy(made->schedule);
    lrnn_batches_destroy(made->batches);
}

/* Everything a program does again and again; the first status that is not LRNN_OK. */
static lrnn_status work(things *with, bool single_steps)
{
    lrnn_status status = LRNN_OK;
    lrnn_sequences next;
    lrnn_sequences_init(&next, sizeof next);
    for (int i = 0; status == LRNN_OK && i < 3; i++) {
        if (single_steps) {
            status =
                lrnn_state_step(with->state, with->window.tokens, with->window.features, outputs);
        }
        if (status == LRNN_OK) {
            status = lrnn_state_forward(with->state, &with->window, outputs);
        }
        if (status == LRNN_OK) {
            status = lrnn_trainer_step(with->trainer, with->optimizer, &with->window, NULL);
        }
        if (status == LRNN_OK) {
            status = lrnn_trainer_evaluate(with->trainer, &with->window, NULL);
        }
        if (status == LRNN_OK) {
            status = lrnn_trainer_forward(with->trainer, &with->window, NULL);
        }
        if (status == LRNN_OK) {
            status = lrnn_trainer_copy_outputs(outputs, B * T * O, with->trainer);
        }
        if (status == LRNN_OK) {
            status = lrnn_trainer_backward(with->trainer, NULL);
        }
        if (status == LRNN_OK) {
            status = lrnn_trainers_clip_norm(&with->trainer, 1, 1, NULL);
        }
        if (status == LRNN_OK) {
            status = lrnn_trainer_update(with->trainer, with->optimizer);
        }
        if (status == LRNN_OK) {
            status = lrnn_schedule_advance(with->schedule);
        }
        if (status == LRNN_OK) {
            status = lrnn_batches_next(with->batches, &next);
        }
    }
    return status;
}

static void expect_no_malloc(const lrnn_model_options *m, size_t threads, int32_t optimizer,
                             int32_t loss, size_t recompute)
{
    things with = {0};
    make(&with, m, threads, optimizer, loss, recompute);
    bool single = !m->bidirectional && m->head == LRNN_HEAD_STEPS;
    malloc_trap_arm();
    lrnn_status status = work(&with, single);
    size_t caught = malloc_trap_disarm();
    assert_int_equal(status, LRNN_OK);
    assert_int_equal(caught, 0);
    unmake(&with);
}

static lrnn_model_options small(int32_t cell)
{
    lrnn_model_options m;
    lrnn_model_options_init(&m, sizeof m);
    m.vocab_size = V;
    m.embedding_size = 5;
    m.feature_size = F;
    m.hidden_size = 9;
    m.layers = 2;
    m.cell = cell;
    m.dropout = 0.2;
    m.output_size = O;
    return m;
}

static void no_cell_and_head_calls_malloc(void **state)
{
    (void)state;
    fill();
    for (int32_t cell = LRNN_CELL_RNN_TANH; cell <= LRNN_CELL_GRU; cell++) {
        for (int32_t head = LRNN_HEAD_STEPS; head <= LRNN_HEAD_FINAL; head++) {
            for (size_t threads = 1; threads <= 2; threads++) {
                lrnn_model_options m = small(cell);
                m.head = head;
                m.bidirectional = threads == 2;
                m.projection_size = cell == LRNN_CELL_LSTM && head == LRNN_HEAD_LAST ? 4 : 0;
                expect_no_malloc(&m, threads, LRNN_OPTIMIZER_ADAM, LRNN_LOSS_CROSS_ENTROPY, 0);
            }
        }
    }
}

static void no_optimizer_loss_or_recomputation_calls_malloc(void **state)
{
    (void)state;
    fill();
    for (int32_t optimizer = 0; optimizer <= LRNN_OPTIMIZER_ADAMW; optimizer++) {
        for (size_t threads = 1; threads <= 2; threads++) {
            lrnn_model_options m = small(LRNN_CELL_LSTM);
            expect_no_malloc(&m, threads, optimizer,
                             optimizer % 2 ? LRNN_LOSS_SQUARED_ERROR : LRNN_LOSS_CROSS_ENTROPY,
                             optimizer % 3 ? 5 : 0);
        }
    }
}

static void no_loss_calls_malloc(void **state)
{
    (void)state;
    fill();
    for (int32_t loss = LRNN_LOSS_CROSS_ENTROPY; loss <= LRNN_LOSS_CTC; loss++) {
        for (size_t threads = 1; threads <= 2; threads++) {
            lrnn_model_options m = small(LRNN_CELL_GRU);
            expect_no_malloc(&m, threads, LRNN_OPTIMIZER_ADAM, loss, threads == 2 ? 5 : 0);
        }
    }
}

/* Larger than any tile, slice or piece. With the reference kernels such products go to BLAS, and
 * OpenBLAS allocates. */
static void a_large_net_does_not_call_malloc_either(void **state)
{
    (void)state;
    if (strcmp(kernels()->name, "reference") == 0) {
        skip();
    }
    fill();
    lrnn_model_options m = small(LRNN_CELL_LSTM);
    m.embedding_size = 70;
    m.hidden_size = 131;
    expect_no_malloc(&m, 2, LRNN_OPTIMIZER_ADAM, LRNN_LOSS_CROSS_ENTROPY, 0);
}

static void the_trap_catches_malloc(void **state)
{
    (void)state;
    if (!MALLOC_TRAPPED) {
        skip();
    }
    malloc_trap_arm();
    void *volatile block = malloc(10);
    size_t caught = malloc_trap_disarm();
    free(block);
    assert_int_equal(caught, 1);
}

/* ---- the caller's floating-point mode ---- */

#if defined(__x86_64__)

/* Parameters, loss, weight and learning rate after some work in the mode. */
static size_t work_in_mode(float *parameters, size_t room, double *numbers, unsigned mode,
                           size_t threads)
{
    things with = {0};
    lrnn_model_options m = small(LRNN_CELL_GRU);
    unsigned before = _mm_getcsr();
    _mm_setcsr(mode);
    make(&with, &m, threads, LRNN_OPTIMIZER_ADAM, LRNN_LOSS_CROSS_ENTROPY, 0);
    with.window.weights = weights;
    lrnn_status status = work(&with, true);
    unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    assert_int_equal(status, LRNN_OK);
    assert_int_equal(after & ~0x3fu, mode & ~0x3fu);
    lrnn_train_result result;
    lrnn_train_result_init(&result, sizeof result);
    _mm_setcsr(mode);
    status = lrnn_trainer_evaluate(with.trainer, &with.window, &result);
    double rate = lrnn_schedule_learning_rate(with.schedule);
    _mm_setcsr(before);
    assert_int_equal(status, LRNN_OK);
    memcpy(numbers, (double[]){result.loss_sum, result.loss_weight, rate}, 3 * sizeof *numbers);
    lrnn_model *end;
    assert_int_equal(lrnn_trainer_snapshot(&end, with.trainer), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(parameters, room, end, NULL), LRNN_OK);
    size_t count = lrnn_model_parameter_count(end);
    lrnn_model_destroy(end);
    unmake(&with);
    return count;
}

/* Rounding upwards or to zero, flushing or not, exceptions unmasked: the mode is still that
 * afterwards, and the results are the same bits. */
static void any_mode_of_the_caller_is_kept_and_changes_no_bit(void **state)
{
    (void)state;
    enum { ROOM = 1 << 13 };
    static const unsigned modes[] = {0x5f80, 0x7f80, 0x9fc0, 0x1f80 & ~0x0280u, 0x3f80};
    static float expected[ROOM], found[ROOM];
    double expected_numbers[3], found_numbers[3];
    fill();
    size_t count = work_in_mode(expected, ROOM, expected_numbers, 0x1f80, 1);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        work_in_mode(found, ROOM, found_numbers, modes[i], 1 + i % 2);
        assert_memory_equal(found_numbers, expected_numbers, sizeof found_numbers);
        assert_memory_equal(found, expected, count * sizeof *found);
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trap_catches_malloc),
        cmocka_unit_test(no_cell_and_head_calls_malloc),
        cmocka_unit_test(no_optimizer_loss_or_recomputation_calls_malloc),
        cmocka_unit_test(no_loss_calls_malloc),
        cmocka_unit_test(a_large_net_does_not_call_malloc_either),
#if defined(__x86_64__)
        cmocka_unit_test(any_mode_of_the_caller_is_kept_and_changes_no_bit),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
