/* Windows cut into shards: the same sums as without, the same bits whoever runs them, and those of
 * gradients that were made shard by shard and added by hand. Workers are threads here, which add
 * what they have in the tree of the shards. */
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

enum { B = 9, T = 6, V = 7, F = 2, STEPS = 3, MOST = 8192, WORKERS_MOST = 8, LABELS = 2 };

static int32_t tokens[B * T], targets[B * T], lengths[B], labels[B * LABELS], label_lengths[B];
static float features[B * T * F], values[B * T * V], weights[B * T], value_weights[B * T * V];

/* ---- what is trained ---- */

typedef struct setting {
    const char *name;
    int32_t cell, head, loss, bidirectional;
    int tied, dropout, lengths, features, reduction;
    size_t layers, recompute, rows; /* rows 0: B */
    double regular;
} setting;

static const setting settings[] = {
    {.name = "lstm", .cell = LRNN_CELL_LSTM, .loss = 1, .head = 1, .layers = 2},
    {.name = "dropout", .cell = LRNN_CELL_LSTM, .loss = 1, .head = 1, .layers = 2, .dropout = 1},
    {.name = "locked", .cell = LRNN_CELL_GRU, .loss = 1, .head = 1, .layers = 2, .dropout = 2},
    {.name = "gru, lengths, rows",
     .cell = LRNN_CELL_GRU,
     .loss = 1,
     .head = 1,
     .layers = 1,
     .lengths = 1,
     .reduction = LRNN_REDUCTION_ROWS},
    {.name = "rnn, both directions, values",
     .cell = LRNN_CELL_RNN_TANH,
     .loss = LRNN_LOSS_SQUARED_ERROR,
     .head = 1,
     .bidirectional = 1,
     .layers = 2,
     .features = 1},
    {.name = "last, features",
     .cell = LRNN_CELL_LSTM,
     .loss = 1,
     .head = LRNN_HEAD_LAST,
     .layers = 1,
     .lengths = 1,
     .features = 1,
     .reduction = LRNN_REDUCTION_SUM},
    {.name = "ctc", .cell = LRNN_CELL_LSTM, .loss = LRNN_LOSS_CTC, .head = 1, .layers = 1},
    {.name = "recomputed, tied",
     .cell = LRNN_CELL_GRU,
     .loss = 1,
     .head = 1,
     .tied = 1,
     .layers = 1,
     .recompute = 4,
     .dropout = 1},
    {.name = "fewer rows than shards",
     .cell = LRNN_CELL_LSTM,
     .loss = 1,
     .head = 1,
     .layers = 1,
     .rows = 3},
    {.name = "regularized",
     .cell = LRNN_CELL_LSTM,
     .loss = 1,
     .head = 1,
     .layers = 2,
     .lengths = 1,
     .regular = 0.5},
    {.name = "no layers", .cell = LRNN_CELL_LSTM, .loss = 1, .head = 1, .layers = 0},
};

enum { SETTINGS = sizeof settings / sizeof settings[0] };

static lrnn_model *make_model(const setting *s)
{
    lrnn_model_options o;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = 6;
    o.hidden_size = 6;
    o.feature_size = s->features ? F : 0;
    o.cell = s->cell;
    o.head = s->head;
    o.layers = s->layers;
    o.bidirectional = s->bidirectional;
    o.tied_weights = s->tied;
    o.output_size = V;
    if (s->dropout) {
        o.dropout = s->layers > 1 ? 0.3 : 0;
        o.input_dropout = 0.2;
        o.output_dropout = 0.2;
        o.embedding_dropout = 0.1;
        o.weight_dropout = 0.2;
        o.locked_dropout = s->dropout > 1;
    }
    EXPECT_OK(lrnn_model_create(&model, &o));
    assert_true(lrnn_model_parameter_count(model) <= MOST);
    return model;
}

static lrnn_trainer_options trainer_options(const setting *s)
{
    lrnn_trainer_options o;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = B;
    o.steps = T;
    o.loss = s->loss;
    o.reduction = s->reduction;
    o.clip_norm = 0.1;
    o.recompute_steps = s->recompute;
    o.activation_l2 = s->regular;
    o.temporal_l2 = s->regular / 2;
    o.target_steps = s->loss == LRNN_LOSS_CTC ? LABELS : 0;
    return o;
}

static lrnn_sequences window_of(const setting *s)
{
    lrnn_sequences w;
    EXPECT_OK(lrnn_sequences_init(&w, sizeof w));
    w.batch = s->rows == 0 ? B : s->rows;
    w.steps = T;
    w.tokens = tokens;
    w.features = s->features ? features : NULL;
    w.lengths = s->lengths ? lengths : NULL;
    if (s->loss == LRNN_LOSS_CTC) {
        w.targets = labels;
        w.target_steps = LABELS;
        w.target_lengths = label_lengths;
    } else if (s->loss == LRNN_LOSS_SQUARED_ERROR) {
        w.target_values = values;
        w.value_weights = value_weights;
    } else {
        w.targets = targets;
    }
    w.weights = weights;
    return w;
}

/* ---- workers ---- */

typedef struct meeting {
    pthread_barrier_t barrier;
    size_t workers;
    void *values[WORKERS_MOST];
} meeting;

typedef struct outcome {
    lrnn_status status;
    char error[200];
    lrnn_train_result trained, evaluated;
    float parameters[MOST], h[64 * B], c[64 * B];
    size_t state_rows;
} outcome;

typedef struct worker {
    meeting *at;
    size_t index;
    const setting *setting;
    const lrnn_model *model;
    size_t shards, threads;
    outcome out;
} worker;

/* Floats are added as floats, in the mode that the trainer adds in. */
static void add_branches(meeting *m, void *to, size_t count, int floats)
{
    for (size_t i = 0; i < count; i++) {
        double d[WORKERS_MOST];
        float f[WORKERS_MOST];
        for (size_t w = 0; w < m->workers; w++) {
            f[w] = floats ? ((float *)m->values[w])[i] : 0;
            d[w] = floats ? 0 : ((double *)m->values[w])[i];
        }
        for (size_t step = 1; step < m->workers; step *= 2) {
            for (size_t w = 0; w + step < m->workers; w += 2 * step) {
                f[w] += f[w + step];
                d[w] += d[w + step];
            }
        }
        if (floats) {
            ((float *)to)[i] = f[0];
        } else {
            ((double *)to)[i] = d[0];
        }
    }
}

static int32_t sum(worker *own, void *given, size_t count, int floats)
{
    static char totals[WORKERS_MOST][MOST * sizeof(float)];
    own->at->values[own->index] = given;
    pthread_barrier_wait(&own->at->barrier);
    add_branches(own->at, totals[own->index], count, floats);
    pthread_barrier_wait(&own->at->barrier);
    memcpy(given, totals[own->index], count * (floats ? sizeof(float) : sizeof(double)));
    return 0;
}

static int32_t sum_doubles(void *user, double *given, size_t count)
{
    return sum(user, given, count, 0);
}

static int32_t sum_floats(void *user, float *given, size_t count)
{
    return sum(user, given, count, 1);
}

static void copy_parameters(float *to, const lrnn_trainer *trainer)
{
    lrnn_model *now;
    EXPECT_OK(lrnn_trainer_snapshot(&now, trainer));
    EXPECT_OK(lrnn_model_copy_parameter(to, MOST, now, NULL));
    lrnn_model_destroy(now);
}

static lrnn_status train(worker *w, lrnn_trainer *trainer)
{
    lrnn_optimizer *adam;
    lrnn_sequences s = window_of(w->setting);
    outcome *out = &w->out;
    lrnn_status status = LRNN_OK;
    EXPECT_OK(lrnn_optimizer_create(&adam, lrnn_model_parameter_count(w->model), NULL));
    EXPECT_OK(lrnn_train_result_init(&out->trained, sizeof out->trained));
    EXPECT_OK(lrnn_train_result_init(&out->evaluated, sizeof out->evaluated));
    for (int i = 0; i < STEPS && status == LRNN_OK; i++) {
        status = lrnn_trainer_step(trainer, adam, &s, &out->trained);
    }
    for (int i = 0; i < 2 && status == LRNN_OK; i++) {
        status = lrnn_trainer_evaluate(trainer, &s, &out->evaluated);
    }
    lrnn_optimizer_destroy(adam);
    return status;
}

static void *work(void *argument)
{
    worker *w = argument;
    lrnn_exchange exchange;
    lrnn_trainer_options o = trainer_options(w->setting);
    lrnn_trainer *trainer;
    EXPECT_OK(lrnn_exchange_init(&exchange, sizeof exchange));
    exchange.user = w;
    exchange.sum_doubles = sum_doubles;
    exchange.sum_floats = sum_floats;
    o.threads = w->threads;
    o.shards = w->shards;
    if (w->at->workers > 1) {
        o.exchange = &exchange;
        o.own_shards = w->shards / w->at->workers;
        o.first_shard = w->index * o.own_shards;
    }
    EXPECT_OK(lrnn_trainer_create(&trainer, w->model, &o));
    w->out.status = train(w, trainer);
    snprintf(w->out.error, sizeof w->out.error, "%s", lrnn_last_error());
    copy_parameters(w->out.parameters, trainer);
    w->out.state_rows = lrnn_trainer_state_rows(trainer);
    if (w->setting->layers > 0) {
        EXPECT_OK(lrnn_trainer_export_state(
            w->out.h, w->setting->cell == LRNN_CELL_LSTM ? w->out.c : NULL, trainer));
    }
    lrnn_trainer_destroy(trainer);
    return NULL;
}

/* The outcome of worker 0, and all others' are the same. */
static outcome *run(const setting *s, size_t shards, size_t workers, size_t threads)
{
    static worker all[WORKERS_MOST];
    pthread_t running[WORKERS_MOST];
    lrnn_model *model = make_model(s);
    meeting m = {.workers = workers};
    memset(all, 0, sizeof all);
    assert_int_equal(pthread_barrier_init(&m.barrier, NULL, (unsigned)workers), 0);
    for (size_t i = 0; i < workers; i++) {
        all[i] = (worker){&m, i, s, model, shards, threads, {0}};
        assert_int_equal(pthread_create(&running[i], NULL, work, &all[i]), 0);
    }
    for (size_t i = 0; i < workers; i++) {
        pthread_join(running[i], NULL);
    }
    for (size_t i = 1; i < workers; i++) {
        assert_memory_equal(all[i].out.parameters, all[0].out.parameters, sizeof(float) * MOST);
    }
    pthread_barrier_destroy(&m.barrier);
    lrnn_model_destroy(model);
    outcome *copy = malloc(sizeof *copy);
    assert_non_null(copy);
    *copy = all[0].out;
    return copy;
}

/* ---- tests ---- */

static void expect_same(const lrnn_train_result *a, const lrnn_train_result *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

static void any_number_of_workers_gives_the_bits_of_one(void **state)
{
    (void)state;
    static const size_t cases[][3] = {{8, 2, 1}, {8, 4, 2}, {8, 8, 1}, {8, 1, 3},
                                      {6, 3, 1}, {6, 6, 2}, {3, 3, 1}, {5, 5, 1}};
    for (size_t i = 0; i < SETTINGS; i++) {
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            outcome *one = run(&settings[i], cases[k][0], 1, 1);
            outcome *many = run(&settings[i], cases[k][0], cases[k][1], cases[k][2]);
            assert_int_equal(one->status, LRNN_OK);
            assert_int_equal(many->status, LRNN_OK);
            assert_memory_equal(one->parameters, many->parameters, sizeof one->parameters);
            expect_same(&one->trained, &many->trained);
            expect_same(&one->evaluated, &many->evaluated);
            assert_int_equal(one->state_rows, many->state_rows);
            free(one);
            free(many);
        }
    }
}

static void expect_near(const lrnn_train_result *a, const lrnn_train_result *b, const char *name)
{
    if (fabs(a->loss_sum - b->loss_sum) > 1e-5 * fabs(b->loss_sum) ||
        fabs(a->gradient_norm - b->gradient_norm) > 1e-5 * b->gradient_norm) {
        fail_msg("%s: loss %.9g for %.9g, norm %.9g for %.9g", name, a->loss_sum, b->loss_sum,
                 a->gradient_norm, b->gradient_norm);
    }
    assert_true(fabs(a->loss_weight - b->loss_weight) < 1e-9);
    assert_true(fabs(a->regularization - b->regularization) < 1e-6);
    assert_int_equal(a->items, b->items);
    assert_int_equal(a->right, b->right);
}

static void shards_add_up_to_the_window(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETTINGS; i++) {
        if (settings[i].dropout) {
            continue; /* drawn for each shard */
        }
        outcome *whole = run(&settings[i], 1, 1, 1);
        for (size_t shards = 2; shards <= B; shards++) {
            outcome *cut = run(&settings[i], shards, 1, 2);
            expect_near(&cut->trained, &whole->trained, settings[i].name);
            expect_near(&cut->evaluated, &whole->evaluated, settings[i].name);
            for (size_t k = 0; k < MOST; k++) {
                assert_true(fabsf(cut->parameters[k] - whole->parameters[k]) < 2e-4f);
            }
            for (size_t k = 0; k < 64 * B; k++) {
                assert_true(fabsf(cut->h[k] - whole->h[k]) < 1e-3f);
                assert_true(fabsf(cut->c[k] - whole->c[k]) < 1e-3f);
            }
            free(cut);
        }
        free(whole);
    }
}

/* The gradients of one shard, from a trainer of its own. */
static void gradients_of_rows(float *to, const lrnn_model *model, const setting *s, size_t first,
                              size_t rows)
{
    lrnn_trainer_options o = trainer_options(s);
    lrnn_trainer *trainer;
    lrnn_sequences w = window_of(s);
    float *gradients;
    size_t count;
    w.batch = rows;
    w.tokens += first * T;
    w.targets += first * T;
    w.weights += first * T;
    o.reduction = LRNN_REDUCTION_SUM;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_trainer_forward(trainer, &w, NULL));
    EXPECT_OK(lrnn_trainer_backward(trainer, NULL));
    EXPECT_OK(lrnn_trainer_get_gradients(&gradients, &count, trainer));
    memcpy(to, gradients, count * sizeof *to);
    lrnn_trainer_destroy(trainer);
}

static void the_tree_is_that_of_neighbours(void **state)
{
    (void)state;
    enum { SHARDS = 7 };
    setting s = settings[0];
    lrnn_model *model = make_model(&s);
    size_t count = lrnn_model_parameter_count(model);
    static float parts[SHARDS][MOST];
    for (size_t i = 0; i < SHARDS; i++) {
        size_t first = i * B / SHARDS;
        gradients_of_rows(parts[i], model, &s, first, (i + 1) * B / SHARDS - first);
    }
    lrnn_trainer_options o = trainer_options(&s);
    lrnn_trainer *trainer;
    lrnn_optimizer *adam;
    lrnn_sequences w = window_of(&s);
    float *found;
    o.shards = SHARDS;
    o.clip_norm = 0;
    o.reduction = LRNN_REDUCTION_SUM;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_optimizer_create(&adam, count, NULL));
    EXPECT_OK(lrnn_trainer_step(trainer, adam, &w, NULL));
    EXPECT_OK(lrnn_trainer_get_gradients(&found, NULL, trainer));
    for (size_t k = 0; k < count; k++) {
        float left = (parts[0][k] + parts[1][k]) + (parts[2][k] + parts[3][k]);
        float right = (parts[4][k] + parts[5][k]) + parts[6][k];
        assert_true(found[k] == left + right);
    }
    lrnn_optimizer_destroy(adam);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

static void shards_draw_different_dropout(void **state)
{
    (void)state;
    setting s = settings[1];
    outcome *two = run(&s, 2, 1, 1), *three = run(&s, 3, 1, 1);
    assert_memory_not_equal(two->parameters, three->parameters, sizeof two->parameters);
    free(two);
    free(three);
}

static void an_error_in_one_shard_changes_nothing(void **state)
{
    (void)state;
    setting s = settings[0];
    int32_t right = targets[B * T - 1];
    lrnn_model *model = make_model(&s);
    static float initial[MOST];
    EXPECT_OK(lrnn_model_copy_parameter(initial, MOST, model, NULL));
    targets[B * T - 1] = V;
    outcome *all = run(&s, 4, 4, 1);
    targets[B * T - 1] = right;
    assert_int_equal(all->status, LRNN_ERR_INVALID);
    assert_memory_equal(all->parameters, initial, sizeof initial);
    free(all);
    lrnn_model_destroy(model);
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    lrnn_model *model = make_model(&settings[0]);
    lrnn_trainer *trainer = nowhere();
    lrnn_trainer_options o = trainer_options(&settings[0]);
    o.shards = B + 1;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "shards", "0..9");
    assert_null(trainer);
    o.shards = 4;
    o.first_shard = 4;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "first_shard",
                   "0..3");
    o.first_shard = 2;
    o.own_shards = 3;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "own_shards",
                   "0..2");
    o.own_shards = 2;
    EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "exchange",
                   "other workers");
    lrnn_model_destroy(model);
    assert_int_equal(lrnn_trainer_state_rows(NULL), 0);
}

static void outputs_are_not_there_after_an_evaluation_in_shards(void **state)
{
    (void)state;
    lrnn_model *model = make_model(&settings[0]);
    lrnn_trainer_options o = trainer_options(&settings[0]);
    lrnn_trainer *trainer;
    lrnn_sequences w = window_of(&settings[0]);
    static float outputs[B * T * V];
    o.shards = 3;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_trainer_evaluate(trainer, &w, NULL));
    assert_int_equal(lrnn_trainer_copy_outputs(outputs, B * T * V, trainer), LRNN_ERR_STATE);
    EXPECT_OK(lrnn_trainer_forward(trainer, &w, NULL)); /* the parts take a window whole */
    EXPECT_OK(lrnn_trainer_copy_outputs(outputs, B * T * V, trainer));
    EXPECT_OK(lrnn_trainer_backward(trainer, NULL));
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
}

static void fill(void)
{
    for (size_t i = 0; i < B * T; i++) {
        tokens[i] = (int32_t)((i * 5 + i / 4) % V);
        targets[i] = i % 6 == 2 ? -1 : (int32_t)(i * 3 % V);
        weights[i] = 0.5f + (float)(i % 3) / 4;
    }
    for (size_t i = 0; i < B * T * F; i++) {
        features[i] = (float)sin((double)i * 1.7);
    }
    for (size_t i = 0; i < B * T * V; i++) {
        values[i] = (float)cos((double)i * 0.9);
        value_weights[i] = (float)(i % 4) / 4;
    }
    for (size_t b = 0; b < B; b++) {
        lengths[b] = (int32_t)(T - b % 3);
        label_lengths[b] = (int32_t)(b % 3);
        labels[b * LABELS] = (int32_t)(1 + b % 5);
        labels[b * LABELS + 1] = (int32_t)(2 + b % 4);
    }
}

int main(void)
{
    fill();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_workers_gives_the_bits_of_one),
        cmocka_unit_test(shards_add_up_to_the_window),
        cmocka_unit_test(the_tree_is_that_of_neighbours),
        cmocka_unit_test(shards_draw_different_dropout),
        cmocka_unit_test(an_error_in_one_shard_changes_nothing),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(outputs_are_not_there_after_an_evaluation_in_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
