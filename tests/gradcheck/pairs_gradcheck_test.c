/* The gradients of every pair of options that trains, along a direction in which all parameters
 * move, against central differences in double precision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/pairs.h"

#define STEP      1e-6
#define TOLERANCE 1e-6

enum { MOST_PARAMETERS = 4000 };

/* The loss, its terms, and a weighted sum of the outputs. */
static double objective(lrnn_trainer *trainer, const lrnn_train_result *result, const setting *s,
                        size_t output_size)
{
    const double divisors[] = {result->loss_weight, 1, B};
    bool each_step = s->model.head == LRNN_HEAD_STEPS || s->model.head == LRNN_HEAD_NONE;
    size_t count = (each_step ? B * T : B) * output_size;
    double outputs[MOST], total = 0;
    if (s->trainer.loss != LRNN_LOSS_NONE) {
        total = result->loss_sum / divisors[s->trainer.reduction] + result->regularization;
    }
    must(lrnn_trainer_copy_outputs(outputs, MOST, trainer));
    for (size_t i = 0; i < count; i++) {
        total += slopes[i] * outputs[i];
    }
    return total;
}

/* A trainer with these parameters after a forward pass; a new one each time draws the same
 * dropout. */
static lrnn_trainer *forward_at(double *value, const lrnn_model *model, const setting *s,
                                const double *theta, size_t count)
{
    lrnn_trainer *trainer;
    lrnn_train_result result;
    lrnn_sequences w = window_of(s);
    assert_int_equal(lrnn_train_result_init(&result, sizeof result), LRNN_OK);
    must(lrnn_trainer_create(&trainer, model, &s->trainer));
    must(lrnn_trainer_set_parameter(trainer, NULL, theta, count));
    must(lrnn_trainer_reset_state(trainer));
    must(lrnn_trainer_zero_gradients(trainer));
    must(lrnn_trainer_forward(trainer, &w, &result));
    *value = objective(trainer, &result, s, lrnn_model_output_size(model));
    return trainer;
}

static double value_beside(const lrnn_model *model, const setting *s, const double *theta,
                           const double *direction, size_t count, double step)
{
    double moved[MOST_PARAMETERS], value;
    for (size_t i = 0; i < count; i++) {
        moved[i] = theta[i] + step * direction[i];
    }
    lrnn_trainer_destroy(forward_at(&value, model, s, moved, count));
    return value;
}

/* Whole numbers from -4 to 4, but 0 for the row of a padding token, which is not trained. */
static void choose_direction(double *direction, size_t count, const lrnn_model_options *o)
{
    size_t E = o->embedding_size, padding = (size_t)o->padding_token * E;
    for (size_t i = 0; i < count; i++) {
        bool fixed = o->padding_token >= 0 && i >= padding && i < padding + E;
        direction[i] = fixed ? 0 : (double)(i * 7 % 9) - 4;
    }
}

static void check(const lrnn_model *model, const setting *s)
{
    double theta[MOST_PARAMETERS], direction[MOST_PARAMETERS], *gradients, found = 0, value;
    size_t count = lrnn_model_parameter_count(model);
    lrnn_backward from;
    assert_true(count <= MOST_PARAMETERS);
    must(lrnn_model_copy_parameter(theta, MOST_PARAMETERS, model, NULL));
    choose_direction(direction, count, &s->model);
    lrnn_trainer *trainer = forward_at(&value, model, s, theta, count);
    assert_int_equal(lrnn_backward_init(&from, sizeof from), LRNN_OK);
    from.loss_scale = s->trainer.loss == LRNN_LOSS_NONE ? 0 : 1;
    from.outputs = slopes;
    must(lrnn_trainer_backward(trainer, &from));
    must(lrnn_trainer_get_gradients(&gradients, NULL, trainer));
    for (size_t i = 0; i < count; i++) {
        found += gradients[i] * direction[i];
    }
    lrnn_trainer_destroy(trainer);
    double expected = (value_beside(model, s, theta, direction, count, STEP) -
                       value_beside(model, s, theta, direction, count, -STEP)) /
                      (2 * STEP);
    if (!(fabs(expected - found) < TOLERANCE * (1 + fabs(expected)))) {
        print_error("central difference %.10g, gradient %.10g: ", expected, found);
        say_pair();
        failures++;
    }
}

static void every_pair_of_options_has_the_right_gradient(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = i; k < ROWS; k++) {
            at[0] = &rows[i];
            at[1] = &rows[k];
            setting s = setting_of(at[0], at[1]);
            lrnn_model *model;
            lrnn_trainer *trainer;
            if (is_refused(lrnn_model_create(&model, &s.model))) {
                continue;
            }
            if (!is_refused(lrnn_trainer_create(&trainer, model, &s.trainer))) {
                lrnn_trainer_destroy(trainer);
                check(model, &s);
            }
            lrnn_model_destroy(model);
        }
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_options_has_the_right_gradient),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
