/* Two workers, each a thread with a trainer of its own, that sum through an exchange: like one
 * trainer with the rows of both, and failing together. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"

enum { WORKERS = 2, B = 4, T = 5, V = 7, STEPS = 6, MOST = 4096 };

static int32_t tokens[B * T], targets[B * T];
static float weights[B * T];

/* ---- an exchange between threads: sums are taken in the order of the workers ---- */

typedef struct meeting {
    pthread_barrier_t barrier;
    void *values[WORKERS];
    int fails; /* what the functions return */
} meeting;

typedef struct seat {
    meeting *at;
    int worker;
} seat;

static int32_t sum(void *user, void *values, size_t count, int floats)
{
    const seat *own = user;
    meeting *m = own->at;
    static double totals[WORKERS][MOST];
    assert_true(count <= MOST);
    m->values[own->worker] = values;
    pthread_barrier_wait(&m->barrier);
    for (size_t i = 0; i < count; i++) {
        totals[own->worker][i] = 0;
        for (int w = 0; w < WORKERS; w++) {
            totals[own->worker][i] +=
                floats ? (double)((float *)m->values[w])[i] : ((double *)m->values[w])[i];
        }
    }
    pthread_barrier_wait(&m->barrier);
    for (size_t i = 0; i < count; i++) {
        if (floats) {
            ((float *)values)[i] = (float)totals[own->worker][i];
        } else {
            ((double *)values)[i] = totals[own->worker][i];
        }
    }
    return m->fails;
}

static int32_t sum_doubles(void *user, double *values, size_t count)
{
    return sum(user, values, count, 0);
}

static int32_t sum_floats(void *user, float *values, size_t count)
{
    return sum(user, values, count, 1);
}

/* ---- workers ---- */

typedef struct worker {
    seat seat;
    const lrnn_model *model;
    int32_t own_targets[B / WORKERS * T];
    float own_weights[B / WORKERS * T];
    int infinite; /* one parameter makes its loss overflow */
    lrnn_status status;
    char error[256];
    lrnn_train_result result;
    float parameters[MOST];
} worker;

static lrnn_model *make_model(void)
{
    lrnn_model_options o;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = 4;
    o.hidden_size = 6;
    EXPECT_OK(lrnn_model_create(&model, &o));
    assert_true(lrnn_model_parameter_count(model) <= MOST);
    return model;
}

static lrnn_trainer *make_trainer(const lrnn_model *model, size_t rows,
                                  const lrnn_exchange *exchange)
{
    lrnn_trainer_options o;
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = rows;
    o.steps = T;
    o.clip_norm = 0.1;
    o.activation_l2 = 2;
    o.temporal_l2 = 3;
    o.exchange = exchange;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    return trainer;
}

static lrnn_optimizer *make_adam(const lrnn_model *model)
{
    lrnn_optimizer_options o;
    lrnn_optimizer *adam;
    EXPECT_OK(lrnn_optimizer_options_init(&o, sizeof o));
    o.learning_rate = 0.01;
    EXPECT_OK(lrnn_optimizer_create(&adam, lrnn_model_parameter_count(model), &o));
    return adam;
}

static void copy_parameters(float *to, const lrnn_trainer *trainer)
{
    lrnn_model *now;
    EXPECT_OK(lrnn_trainer_snapshot(&now, trainer));
    EXPECT_OK(lrnn_model_copy_parameter(to, MOST, now, NULL));
    lrnn_model_destroy(now);
}

static lrnn_sequences window_of(size_t rows, const int32_t *x, const int32_t *y, const float *w)
{
    lrnn_sequences s;
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = rows;
    s.steps = T;
    s.tokens = x;
    s.targets = y;
    s.weights = w;
    return s;
}

static void *work(void *argument)
{
    worker *w = argument;
    size_t rows = B / WORKERS, first = (size_t)w->seat.worker * rows * T;
    lrnn_exchange exchange;
    EXPECT_OK(lrnn_exchange_init(&exchange, sizeof exchange));
    exchange.user = &w->seat;
    exchange.sum_doubles = sum_doubles;
    exchange.sum_floats = sum_floats;
    lrnn_trainer *trainer = make_trainer(w->model, rows, &exchange);
    lrnn_optimizer *adam = make_adam(w->model);
    lrnn_sequences s = window_of(rows, tokens + first, w->own_targets, w->own_weights);
    EXPECT_OK(lrnn_train_result_init(&w->result, sizeof w->result));
    if (w->infinite) {
        float large[V * 6], open[4 * 6]; /* h is near 1, and the head overflows */
        for (size_t i = 0; i < V * 6; i++) {
            large[i] = 3e38f;
        }
        for (size_t i = 0; i < 4 * 6; i++) {
            open[i] = 20;
        }
        EXPECT_OK(lrnn_trainer_set_parameter(trainer, "rnn.bias_ih_l0", open, 4 * 6));
        EXPECT_OK(lrnn_trainer_set_parameter(trainer, "head.weight", large, V * 6));
    }
    for (int i = 0; i < STEPS && w->status == LRNN_OK; i++) {
        w->status = lrnn_trainer_step(trainer, adam, &s, &w->result);
    }
    snprintf(w->error, sizeof w->error, "%s", lrnn_last_error());
    copy_parameters(w->parameters, trainer);
    lrnn_optimizer_destroy(adam);
    lrnn_trainer_destroy(trainer);
    return NULL;
}

static void run_workers(worker *workers, int fails)
{
    pthread_t threads[WORKERS];
    meeting m = {.fails = fails};
    assert_int_equal(pthread_barrier_init(&m.barrier, NULL, WORKERS), 0);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].seat = (seat){&m, i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&m.barrier);
}

static worker *make_workers(const lrnn_model *model)
{
    worker *workers = calloc(WORKERS, sizeof *workers);
    assert_non_null(workers);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].model = model;
        memcpy(workers[i].own_targets, targets + i * B / WORKERS * T,
               sizeof workers[i].own_targets);
        memcpy(workers[i].own_weights, weights + i * B / WORKERS * T,
               sizeof workers[i].own_weights);
    }
    return workers;
}

/* ---- tests ---- */

static void workers_are_one_trainer_with_the_rows_of_all(void **state)
{
    (void)state;
    lrnn_model *model = make_model();
    worker *workers = make_workers(model);
    run_workers(workers, 0);
    lrnn_trainer *alone = make_trainer(model, B, NULL);
    lrnn_optimizer *adam = make_adam(model);
    lrnn_sequences s = window_of(B, tokens, targets, weights);
    lrnn_train_result result;
    static float expected[MOST];
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    for (int i = 0; i < STEPS; i++) {
        EXPECT_OK(lrnn_trainer_step(alone, adam, &s, &result));
    }
    copy_parameters(expected, alone);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(workers[i].status, LRNN_OK);
        assert_true(fabs(workers[i].result.loss_sum - result.loss_sum) < 1e-5);
        assert_true(fabs(workers[i].result.loss_weight - result.loss_weight) < 1e-9);
        assert_true(fabs(workers[i].result.gradient_norm - result.gradient_norm) < 1e-5);
        assert_int_equal(workers[i].result.items, result.items);
        assert_int_equal(workers[i].result.right, result.right);
        assert_true(result.regularization > 1e-4);
        assert_true(fabs(workers[i].result.regularization - result.regularization) < 1e-6);
        for (size_t k = 0; k < lrnn_model_parameter_count(model); k++) {
            assert_true(fabsf(workers[i].parameters[k] - expected[k]) < 1e-5f);
        }
    }
    assert_memory_equal(workers[0].parameters, workers[1].parameters,
                        lrnn_model_parameter_count(model) * sizeof(float));
    lrnn_optimizer_destroy(adam);
    lrnn_trainer_destroy(alone);
    lrnn_model_destroy(model);
    free(workers);
}

static void expect_together(worker *workers, const lrnn_model *model, lrnn_status first,
                            lrnn_status second, const char *told)
{
    static float initial[MOST];
    size_t bytes = lrnn_model_parameter_count(model) * sizeof(float);
    EXPECT_OK(lrnn_model_copy_parameter(initial, MOST, model, NULL));
    assert_int_equal(workers[0].status, first);
    assert_int_equal(workers[1].status, second);
    assert_non_null(strstr(workers[0].error, told));
    assert_memory_equal(workers[0].parameters, initial, bytes);
    if (!workers[1].infinite) {
        assert_memory_equal(workers[1].parameters, initial, bytes);
    }
}

static void an_error_on_one_worker_is_one_on_all(void **state)
{
    (void)state;
    lrnn_model *model = make_model();
    worker *workers = make_workers(model);
    workers[1].own_targets[3] = V;
    run_workers(workers, 0);
    expect_together(workers, model, LRNN_ERR_CALLBACK, LRNN_ERR_INVALID, "another worker");
    free(workers);
    lrnn_model_destroy(model);
}

static void a_loss_that_is_not_finite_is_one_on_all(void **state)
{
    (void)state;
    lrnn_model *model = make_model();
    worker *workers = make_workers(model);
    workers[1].infinite = 1;
    run_workers(workers, 0);
    expect_together(workers, model, LRNN_ERR_NUMERIC, LRNN_ERR_NUMERIC, "another worker");
    free(workers);
    lrnn_model_destroy(model);
}

static void a_worker_whose_items_weigh_nothing_takes_part(void **state)
{
    (void)state;
    lrnn_model *model = make_model();
    worker *workers = make_workers(model);
    memset(workers[1].own_weights, 0, sizeof workers[1].own_weights);
    run_workers(workers, 0);
    assert_int_equal(workers[0].status, LRNN_OK);
    assert_int_equal(workers[1].status, LRNN_OK);
    assert_memory_equal(workers[0].parameters, workers[1].parameters,
                        lrnn_model_parameter_count(model) * sizeof(float));
    free(workers);
    lrnn_model_destroy(model);
}

static void an_exchange_that_fails_changes_nothing(void **state)
{
    (void)state;
    lrnn_model *model = make_model();
    worker *workers = make_workers(model);
    run_workers(workers, 1);
    expect_together(workers, model, LRNN_ERR_CALLBACK, LRNN_ERR_CALLBACK, "exchange");
    free(workers);
    lrnn_model_destroy(model);
}

static void both_functions_are_required(void **state)
{
    (void)state;
    lrnn_model *model = make_model();
    lrnn_exchange exchange;
    lrnn_trainer_options o;
    lrnn_trainer *trainer = nowhere();
    EXPECT_OK(lrnn_exchange_init(&exchange, sizeof exchange));
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    exchange.sum_doubles = sum_doubles;
    o.exchange = &exchange;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "sum_floats",
                   "NULL");
    assert_null(trainer);
    lrnn_model_destroy(model);
}

int main(void)
{
    for (size_t i = 0; i < B * T; i++) {
        tokens[i] = (int32_t)(i * 5 % V);
        targets[i] = i % 6 == 2 ? -1 : (int32_t)(i * 3 % V);
        weights[i] = 0.5f + (float)(i % 3);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_are_one_trainer_with_the_rows_of_all),
        cmocka_unit_test(an_error_on_one_worker_is_one_on_all),
        cmocka_unit_test(a_loss_that_is_not_finite_is_one_on_all),
        cmocka_unit_test(a_worker_whose_items_weigh_nothing_takes_part),
        cmocka_unit_test(an_exchange_that_fails_changes_nothing),
        cmocka_unit_test(both_functions_are_required),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
