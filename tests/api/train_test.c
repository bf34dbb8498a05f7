/* Training through the public header: it learns, and threads do not change what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"

enum { TOKENS = 400, V = 7, B = 4, T = 5 };

typedef struct run {
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_batches *batches;
} run;

static void start(run *r, size_t threads)
{
    int32_t tokens[TOKENS];
    for (int i = 0; i < TOKENS; i++) {
        tokens[i] = (i * i + i / 3) % V;
    }
    memset(r, 0, sizeof *r);
    lrnn_model_options m;
    lrnn_model_options_init(&m, sizeof m);
    m.vocab_size = V;
    m.embedding_size = 6;
    m.hidden_size = 9;
    m.layers = 2;
    m.dropout = 0.2;
    assert_int_equal(lrnn_model_create(&r->model, &m), LRNN_OK);
    lrnn_trainer_options t;
    lrnn_trainer_options_init(&t, sizeof t);
    t.batch = B;
    t.steps = T;
    t.threads = threads;
    t.clip_norm = 1;
    assert_int_equal(lrnn_trainer_create(&r->trainer, r->model, &t), LRNN_OK);
    lrnn_optimizer_options o;
    lrnn_optimizer_options_init(&o, sizeof o);
    o.learning_rate = 0.02;
    assert_int_equal(lrnn_optimizer_create(&r->optimizer, lrnn_model_parameter_count(r->model), &o),
                     LRNN_OK);
    lrnn_schedule_options s;
    lrnn_schedule_options_init(&s, sizeof s);
    s.kind = LRNN_SCHEDULE_EXPONENTIAL;
    s.factor = 0.99;
    s.learning_rate = 0.02;
    assert_int_equal(lrnn_schedule_create(&r->schedule, &s), LRNN_OK);
    lrnn_batches_options b;
    lrnn_batches_options_init(&b, sizeof b);
    b.batch = B;
    b.steps = T;
    assert_int_equal(lrnn_batches_create(&r->batches, tokens, TOKENS, &b), LRNN_OK);
}

static double advance(run *r, int steps)
{
    lrnn_sequences window;
    lrnn_train_result result;
    lrnn_sequences_init(&window, sizeof window);
    lrnn_train_result_init(&result, sizeof result);
    for (int i = 0; i < steps; i++) {
        if (lrnn_batches_next(r->batches, &window) == LRNN_END) {
            lrnn_trainer_reset_state(r->trainer);
            assert_int_equal(lrnn_batches_next(r->batches, &window), LRNN_OK);
        }
        lrnn_optimizer_set_learning_rate(r->optimizer, lrnn_schedule_learning_rate(r->schedule));
        assert_int_equal(lrnn_trainer_step(r->trainer, r->optimizer, &window, &result), LRNN_OK);
        lrnn_schedule_advance(r->schedule);
    }
    return result.loss_sum / result.loss_weight;
}

static void finish(run *r)
{
    lrnn_batches_destroy(r->batches);
    lrnn_schedule_destroy(r->schedule);
    lrnn_optimizer_destroy(r->optimizer);
    lrnn_trainer_destroy(r->trainer);
    lrnn_model_destroy(r->model);
}

static void assert_same_parameters(const run *a, const run *b)
{
    lrnn_model *x, *y;
    assert_int_equal(lrnn_trainer_snapshot(&x, a->trainer), LRNN_OK);
    assert_int_equal(lrnn_trainer_snapshot(&y, b->trainer), LRNN_OK);
    size_t count = lrnn_model_parameter_count(x);
    float *p = malloc(count * sizeof *p), *q = malloc(count * sizeof *q);
    lrnn_model_copy_parameter(p, count, x, NULL);
    lrnn_model_copy_parameter(q, count, y, NULL);
    assert_memory_equal(p, q, count * sizeof *p);
    free(p);
    free(q);
    lrnn_model_destroy(x);
    lrnn_model_destroy(y);
}

static void training_lowers_the_loss(void **state)
{
    (void)state;
    run r;
    start(&r, 1);
    double first = advance(&r, 1), last = advance(&r, 300);
    assert_true(first > 1.5);
    assert_true(last < 0.7 * first);
    finish(&r);
}

static void two_threads_give_the_same_bits_as_one(void **state)
{
    (void)state;
    run one, two;
    start(&one, 1);
    start(&two, 2);
    advance(&one, 40);
    advance(&two, 40);
    assert_same_parameters(&one, &two);
    finish(&one);
    finish(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_lowers_the_loss),
        cmocka_unit_test(two_threads_give_the_same_bits_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
