/* Optimizers on arrays of the caller's own, and learning-rate schedules, against values worked out
 * by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "lrnn.h"

static void expect_near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance * (1 + fabs(expected)))) {
        print_error("expected %.12g, found %.12g\n", expected, found);
        fail();
    }
}

/* ---- optimizer ---- */

static lrnn_optimizer_options rule(int32_t kind)
{
    lrnn_optimizer_options options;
    EXPECT_OK(lrnn_optimizer_options_init(&options, sizeof options));
    options.kind = kind;
    return options;
}

static void optimizer_options_have_their_defaults(void **state)
{
    (void)state;
    EXPECT_SIZE_RULES(lrnn_optimizer_options);
    lrnn_optimizer_options options = rule(LRNN_OPTIMIZER_ADAM), expected = {
                                                                    .size = sizeof options,
                                                                    .learning_rate = 0.001,
                                                                    .beta1 = 0.9,
                                                                    .beta2 = 0.999,
                                                                    .alpha = 0.99,
                                                                    .epsilon = 1e-8,
                                                                    .kind = LRNN_OPTIMIZER_ADAM,
                                                                };
    assert_memory_equal(&options, &expected, sizeof options);
    lrnn_optimizer *optimizer = nowhere();
    EXPECT_SIZE_CHECKED(&options, lrnn_optimizer_options,
                        lrnn_optimizer_create(&optimizer, 3, &options));
    assert_null(optimizer);
    EXPECT_OK(lrnn_optimizer_create(&optimizer, 3, NULL));
    assert_true(lrnn_optimizer_learning_rate(optimizer) == 0.001);
    lrnn_optimizer_destroy(optimizer);
    lrnn_optimizer_destroy(NULL);
}

#define REFUSE(field, value, ...)                                                                  \
    do {                                                                                           \
        lrnn_optimizer_options options = rule(LRNN_OPTIMIZER_SGD);                                 \
        options.field = value;                                                                     \
        lrnn_optimizer *optimizer = nowhere();                                                     \
        EXPECT_FAILURE(lrnn_optimizer_create(&optimizer, 3, &options), LRNN_ERR_INVALID, #field,   \
                       __VA_ARGS__);                                                               \
        assert_null(optimizer);                                                                    \
    } while (0)

static void optimizer_fields_out_of_range_are_named(void **state)
{
    (void)state;
    REFUSE(kind, 5, "expected 0..4", "found 5");
    REFUSE(kind, -1, "found -1");
    REFUSE(learning_rate, -0.5, "at least 0", "found -0.5");
    REFUSE(learning_rate, (double)INFINITY, "found inf");
    REFUSE(weight_decay, -0.5, "at least 0", "found -0.5");
    REFUSE(weight_decay, (double)NAN, "nan");
    REFUSE(momentum, -0.5, "at least 0", "found -0.5");
    REFUSE(momentum, (double)INFINITY, "found inf");
    REFUSE(dampening, (double)NAN, "nan");
    REFUSE(epsilon, -1e-8, "at least 0", "found -1e-08");
    REFUSE(beta1, 1, "0 <= beta1 < 1", "found 1");
    REFUSE(beta1, -0.5, "found -0.5");
    REFUSE(beta2, 1, "0 <= beta2 < 1", "found 1");
    REFUSE(beta2, (double)NAN, "nan");
    REFUSE(alpha, 1, "0 <= alpha < 1", "found 1");
    REFUSE(alpha, -0.5, "found -0.5");
    REFUSE(nesterov, 2, "expected 0..1", "found 2");
    REFUSE(nesterov, 1, "momentum above 0", "found 0");
    lrnn_optimizer_options options = rule(LRNN_OPTIMIZER_SGD);
    lrnn_optimizer *optimizer;
    options.nesterov = 1;
    options.momentum = 0.5;
    options.dampening = 0.25;
    EXPECT_FAILURE(lrnn_optimizer_create(&optimizer, 3, &options), LRNN_ERR_INVALID, "nesterov",
                   "dampening 0", "0.25");
    EXPECT_FAILURE(lrnn_optimizer_create(&optimizer, 0, NULL), LRNN_ERR_INVALID, "count",
                   "found 0");
    EXPECT_FAILURE(lrnn_optimizer_create(&optimizer, SIZE_MAX / 2, NULL), LRNN_ERR_MEMORY,
                   "optimizer");
    assert_null(optimizer);
    EXPECT_FAILURE(lrnn_optimizer_create(NULL, 3, NULL), LRNN_ERR_INVALID, "optimizer is NULL");
}

static void the_learning_rate_is_set_and_a_wrong_one_refused(void **state)
{
    (void)state;
    static const double wrong[] = {-1, (double)NAN, (double)INFINITY};
    lrnn_optimizer *optimizer;
    EXPECT_OK(lrnn_optimizer_create(&optimizer, 1, NULL));
    EXPECT_OK(lrnn_optimizer_set_learning_rate(optimizer, 0.5));
    for (size_t i = 0; i < 3; i++) {
        EXPECT_FAILURE(lrnn_optimizer_set_learning_rate(optimizer, wrong[i]), LRNN_ERR_INVALID,
                       "learning_rate", "at least 0");
    }
    assert_true(lrnn_optimizer_learning_rate(optimizer) == 0.5);
    EXPECT_OK(lrnn_optimizer_set_learning_rate(optimizer, 0));
    assert_true(lrnn_optimizer_learning_rate(optimizer) == 0);
    EXPECT_FAILURE(lrnn_optimizer_set_learning_rate(NULL, 1), LRNN_ERR_INVALID,
                   "optimizer is NULL");
    assert_true(isnan(lrnn_optimizer_learning_rate(NULL)));
    assert_int_equal(lrnn_optimizer_updates(NULL), 0);
    lrnn_optimizer_destroy(optimizer);
}

/* p = 1 after gradients 0.5 and -0.25, with lr 0.1. */
static void expect_updates(const lrnn_optimizer_options *options, double first, double second)
{
    lrnn_optimizer *optimizer;
    float p[2] = {1, 1}, g[2] = {0.5F, 0.5F};
    EXPECT_OK(lrnn_optimizer_create(&optimizer, 2, options));
    EXPECT_OK(lrnn_optimizer_update(optimizer, p, g));
    expect_near((double)p[0], first, 2e-7);
    g[0] = g[1] = -0.25F;
    EXPECT_OK(lrnn_optimizer_update(optimizer, p, g));
    expect_near((double)p[0], second, 2e-7);
    assert_true(p[1] == p[0]);
    assert_int_equal(lrnn_optimizer_updates(optimizer), 2);
    lrnn_optimizer_destroy(optimizer);
}

static void each_rule_does_what_its_equation_says(void **state)
{
    (void)state;
    lrnn_optimizer_options o = rule(LRNN_OPTIMIZER_SGD);
    o.learning_rate = 0.1;
    expect_updates(&o, 0.95, 0.975);
    o.weight_decay = 0.5; /* g = 0.5 + 0.5; then -0.25 + 0.45 */
    expect_updates(&o, 0.9, 0.88);
    o.weight_decay = 0;
    o.momentum = 0.5; /* m = 0.5; then 0.25 - 0.25 */
    expect_updates(&o, 0.95, 0.95);
    o.dampening = 0.2; /* m = 0.5; then 0.25 - 0.8 * 0.25 */
    expect_updates(&o, 0.95, 0.945);
    o.dampening = 0;
    o.nesterov = 1; /* 0.5 + 0.5 * 0.5; then -0.25 + 0.5 * 0 */
    expect_updates(&o, 0.925, 0.95);

    o = rule(LRNN_OPTIMIZER_RMSPROP);
    o.learning_rate = 0.1;
    o.alpha = 0.75;
    o.epsilon = 0.25; /* v = 1/16, u = 0.5 / 0.5; then v = 3/64 + 1/64 = 1/16, u = -0.25 / 0.5 */
    expect_updates(&o, 0.9, 0.95);
    o.momentum = 0.5; /* m = 1; then 0.5 - 0.5 */
    expect_updates(&o, 0.9, 0.9);

    o = rule(LRNN_OPTIMIZER_ADAGRAD);
    o.learning_rate = 0.1;
    o.epsilon = 0.5; /* v = 1/4, 0.5 / 1; then v = 5/16 */
    expect_updates(&o, 0.95, 0.95 + 0.025 / (sqrt(0.3125) + 0.5));

    o = rule(LRNN_OPTIMIZER_ADAM);
    o.learning_rate = 0.1;
    o.beta1 = 0.5;
    o.beta2 = 0.75;
    o.epsilon = 0.5; /* m = 1/4, v = 1/16: 0.5 / (0.5 + 0.5); then m = 0, v = 1/16 */
    expect_updates(&o, 0.95, 0.95);
    o.beta1 = 0; /* m = g; then -0.25 / (sqrt(1/16 / (7/16)) + 0.5) */
    expect_updates(&o, 0.95, 0.95 + 0.025 / (sqrt(1.0 / 7) + 0.5));
    o.kind = LRNN_OPTIMIZER_ADAMW;
    o.weight_decay = 0.5; /* p shrinks to 0.95 of itself first */
    expect_updates(&o, 0.9, 0.855 + 0.025 / (sqrt(1.0 / 7) + 0.5));
}

static void a_gradient_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (int32_t kind = LRNN_OPTIMIZER_SGD; kind <= LRNN_OPTIMIZER_ADAMW; kind++) {
        lrnn_optimizer_options options = rule(kind);
        options.momentum = 0.5;
        lrnn_optimizer *tried, *spared;
        EXPECT_OK(lrnn_optimizer_create(&tried, 3, &options));
        EXPECT_OK(lrnn_optimizer_create(&spared, 3, &options));
        float p[3] = {1, 2, 3}, q[3] = {1, 2, 3}, g[3] = {0.5F, -1, 2};
        EXPECT_OK(lrnn_optimizer_update(tried, p, g));
        EXPECT_OK(lrnn_optimizer_update(spared, q, g));
        for (size_t i = 0; i < 3; i++) {
            float bad[3] = {1, 1, wrong[i]}, first[3] = {wrong[i], 1, 1};
            EXPECT_FAILURE(lrnn_optimizer_update(tried, p, bad), LRNN_ERR_NUMERIC, "gradients[2]");
            EXPECT_FAILURE(lrnn_optimizer_update(tried, p, first), LRNN_ERR_NUMERIC,
                           "gradients[0]");
        }
        assert_memory_equal(p, q, sizeof p);
        assert_int_equal(lrnn_optimizer_updates(tried), 1);
        EXPECT_OK(lrnn_optimizer_update(tried, p, g)); /* the moments are the same too */
        EXPECT_OK(lrnn_optimizer_update(spared, q, g));
        assert_memory_equal(p, q, sizeof p);
        EXPECT_FAILURE(lrnn_optimizer_update(NULL, p, g), LRNN_ERR_INVALID, "optimizer is NULL");
        EXPECT_FAILURE(lrnn_optimizer_update(tried, NULL, g), LRNN_ERR_INVALID,
                       "parameters is NULL");
        EXPECT_FAILURE(lrnn_optimizer_update(tried, p, NULL), LRNN_ERR_INVALID,
                       "gradients is NULL");
        assert_int_equal(lrnn_optimizer_updates(tried), 2);
        lrnn_optimizer_destroy(tried);
        lrnn_optimizer_destroy(spared);
    }
}

/* ---- schedule ---- */

static lrnn_schedule_options plan(int32_t kind)
{
    lrnn_schedule_options options;
    EXPECT_OK(lrnn_schedule_options_init(&options, sizeof options));
    options.kind = kind;
    options.learning_rate = 0.8;
    options.factor = 0.5;
    return options;
}

static void schedule_options_have_their_defaults(void **state)
{
    (void)state;
    EXPECT_SIZE_RULES(lrnn_schedule_options);
    lrnn_schedule_options options, expected = {
                                       .size = sizeof options,
                                       .learning_rate = 0.001,
                                       .factor = 0.1,
                                       .threshold = 1e-4,
                                       .period = 1,
                                       .patience = 10,
                                       .kind = LRNN_SCHEDULE_CONSTANT,
                                   };
    EXPECT_OK(lrnn_schedule_options_init(&options, sizeof options));
    assert_memory_equal(&options, &expected, sizeof options);
    lrnn_schedule *schedule = nowhere();
    EXPECT_SIZE_CHECKED(&options, lrnn_schedule_options, lrnn_schedule_create(&schedule, &options));
    assert_null(schedule);
    EXPECT_OK(lrnn_schedule_create(&schedule, NULL));
    assert_true(lrnn_schedule_learning_rate(schedule) == 0.001);
    lrnn_schedule_destroy(schedule);
    lrnn_schedule_destroy(NULL);
    EXPECT_FAILURE(lrnn_schedule_create(NULL, NULL), LRNN_ERR_INVALID, "schedule is NULL");
    EXPECT_FAILURE(lrnn_schedule_advance(NULL), LRNN_ERR_INVALID, "schedule is NULL");
    EXPECT_FAILURE(lrnn_schedule_report(NULL, 1), LRNN_ERR_INVALID, "schedule is NULL");
    assert_true(isnan(lrnn_schedule_learning_rate(NULL)));
}

#define REFUSE_PLAN(field, value, ...)                                                             \
    do {                                                                                           \
        lrnn_schedule_options options = plan(LRNN_SCHEDULE_STEP);                                  \
        options.field = value;                                                                     \
        lrnn_schedule *schedule = nowhere();                                                       \
        EXPECT_FAILURE(lrnn_schedule_create(&schedule, &options), LRNN_ERR_INVALID, #field,        \
                       __VA_ARGS__);                                                               \
        assert_null(schedule);                                                                     \
    } while (0)

static void schedule_fields_out_of_range_are_named(void **state)
{
    (void)state;
    REFUSE_PLAN(kind, 6, "expected 0..5", "found 6");
    REFUSE_PLAN(kind, -1, "found -1");
    REFUSE_PLAN(learning_rate, -1, "at least 0", "found -1");
    REFUSE_PLAN(learning_rate, (double)NAN, "nan");
    REFUSE_PLAN(factor, 0, "above 0", "found 0");
    REFUSE_PLAN(factor, (double)INFINITY, "found inf");
    REFUSE_PLAN(minimum, -1, "at least 0", "found -1");
    REFUSE_PLAN(threshold, 1, "0 <= threshold < 1", "found 1");
    REFUSE_PLAN(threshold, -0.5, "found -0.5");
    REFUSE_PLAN(period, 0, "at least 1", "found 0");
    REFUSE_PLAN(reserved, 1, "expected 0", "found 1");
    static const uint64_t twice[] = {2, 5, 5};
    lrnn_schedule_options options = plan(LRNN_SCHEDULE_MILESTONES);
    lrnn_schedule *schedule = nowhere();
    EXPECT_FAILURE(lrnn_schedule_create(&schedule, &options), LRNN_ERR_INVALID,
                   "milestones: expected at least one");
    options.milestones = twice;
    options.milestone_count = 3;
    EXPECT_FAILURE(lrnn_schedule_create(&schedule, &options), LRNN_ERR_INVALID, "milestones[2]",
                   "more than the one before, 5, found 5");
    options = plan(LRNN_SCHEDULE_STEP);
    options.milestones = twice;
    EXPECT_FAILURE(lrnn_schedule_create(&schedule, &options), LRNN_ERR_INVALID,
                   "milestones: only a schedule of milestones has any");
    options = plan(LRNN_SCHEDULE_CONSTANT);
    options.delay = 1;
    EXPECT_FAILURE(lrnn_schedule_create(&schedule, &options), LRNN_ERR_INVALID, "delay: ");
    assert_null(schedule);
}

static void expect_rates(const lrnn_schedule_options *options, const double *rates, size_t count)
{
    lrnn_schedule *schedule;
    EXPECT_OK(lrnn_schedule_create(&schedule, options));
    for (size_t n = 0; n < count; n++) {
        expect_near(lrnn_schedule_learning_rate(schedule), rates[n], 1e-15);
        EXPECT_OK(lrnn_schedule_report(schedule, (double)n)); /* these rules take no notice */
        EXPECT_OK(lrnn_schedule_advance(schedule));
    }
    lrnn_schedule_destroy(schedule);
}

static void each_schedule_gives_its_rates(void **state)
{
    (void)state;
    static const double constant[] = {0.8, 0.8, 0.8};
    static const double step[] = {0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2};
    static const double exponential[] = {0.8, 0.4, 0.2, 0.1};
    static const double warm[] = {0.2, 0.4, 0.6, 0.8, 0.4, 0.2};
    /* 0.2 + 0.6 * (1 + cos(pi n / 4)) / 2 */
    double root = sqrt(0.5);
    double cosine[] = {0.8, 0.5 + 0.3 * root, 0.5, 0.5 - 0.3 * root, 0.2, 0.2, 0.2};
    lrnn_schedule_options options = plan(LRNN_SCHEDULE_CONSTANT);
    expect_rates(&options, constant, 3);
    options = plan(LRNN_SCHEDULE_STEP);
    options.period = 3;
    expect_rates(&options, step, 7);
    options = plan(LRNN_SCHEDULE_EXPONENTIAL);
    expect_rates(&options, exponential, 4);
    options.warmup = 3;
    expect_rates(&options, warm, 6);
    options = plan(LRNN_SCHEDULE_COSINE);
    options.period = 4;
    options.minimum = 0.2;
    expect_rates(&options, cosine, 7);
}

static void a_plateau_lowers_the_rate_when_patience_is_over(void **state)
{
    (void)state;
    static const struct {
        double metric, rate;
    } reports[] = {
        {10, 0.8}, {8, 0.8}, {7.5, 0.8}, /* 7.5 is not below 0.9 * 8: the first bad one */
        {8, 0.8},                        /* the second: as many as patience bears */
        {8, 0.4},                        /* the third */
        {7, 0.4},                        /* a new best: 7 < 0.9 * 8 */
        {7, 0.4},  {7, 0.4}, {7, 0.3},   /* not below minimum */
        {7, 0.3},  {7, 0.3}, {7, 0.3},   {7, 0.3}, {-1e9, 0.3}, {(double)INFINITY, 0.3},
    };
    lrnn_schedule_options options = plan(LRNN_SCHEDULE_PLATEAU);
    options.patience = 2;
    options.threshold = 0.1;
    options.minimum = 0.3;
    lrnn_schedule *schedule;
    EXPECT_OK(lrnn_schedule_create(&schedule, &options));
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
        EXPECT_FAILURE(lrnn_schedule_report(schedule, (double)NAN), LRNN_ERR_NUMERIC, "metric");
        EXPECT_OK(lrnn_schedule_report(schedule, reports[i].metric));
        EXPECT_OK(lrnn_schedule_advance(schedule));
        expect_near(lrnn_schedule_learning_rate(schedule), reports[i].rate, 1e-15);
    }
    lrnn_schedule_destroy(schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimizer_options_have_their_defaults),
        cmocka_unit_test(optimizer_fields_out_of_range_are_named),
        cmocka_unit_test(the_learning_rate_is_set_and_a_wrong_one_refused),
        cmocka_unit_test(each_rule_does_what_its_equation_says),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
        cmocka_unit_test(schedule_options_have_their_defaults),
        cmocka_unit_test(schedule_fields_out_of_range_are_named),
        cmocka_unit_test(each_schedule_gives_its_rates),
        cmocka_unit_test(a_plateau_lowers_the_rate_when_patience_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
