/* Every option of a model and of a trainer with every other one: what a pair makes works whole, or
 * is refused by a name of the pair. What works takes steps with the bits of a window, trains with
 * the same bits for any number of threads, and goes on with the same bits after saving. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"
#include "support/pairs.h"
#include "support/scratch.h"

enum { STEPS = 3 };

static void same(const float *a, const float *b, size_t count, const char *what)
{
    if (memcmp(a, b, count * sizeof *a) != 0) {
        print_error("%s: ", what);
        say_pair();
        fail();
    }
}

/* ---- inference ---- */

static lrnn_state *state_of(const lrnn_model *model)
{
    lrnn_state_options o;
    lrnn_state *state;
    EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
    o.batch = B;
    must(lrnn_state_create(&state, model, &o));
    return state;
}

static bool every_step(const setting *s)
{
    return s->model.head == LRNN_HEAD_STEPS || s->model.head == LRNN_HEAD_NONE;
}

static void forward(float *outputs, const lrnn_model *model, const setting *s)
{
    lrnn_sequences w = window_of(s);
    lrnn_state *state = state_of(model);
    w.lengths = NULL;
    must(lrnn_state_forward(state, &w, outputs));
    lrnn_state_destroy(state);
}

static void steps_are_those_of_a_window(const lrnn_model *model, const setting *s)
{
    float whole[MOST], one[MOST];
    size_t O = lrnn_model_output_size(model);
    lrnn_state *state = state_of(model);
    forward(whole, model, s);
    for (size_t t = 0; t < T; t++) {
        int32_t now[B];
        float beside[B * F];
        for (size_t b = 0; b < B; b++) {
            now[b] = tokens[b * T + t];
            memcpy(beside + b * F, features + (b * T + t) * F, F * sizeof *beside);
        }
        lrnn_status status = lrnn_state_step(state, s->model.vocab_size > 0 ? now : NULL,
                                             s->model.feature_size > 0 ? beside : NULL, one);
        if (s->model.bidirectional && s->model.layers > 0) {
            assert_int_equal(status, LRNN_ERR_UNSUPPORTED);
            break;
        }
        must(status);
        for (size_t b = 0; b < B; b++) {
            if (every_step(s) || t == T - 1) {
                same(one + b * O, whole + (every_step(s) ? b * T + t : b) * O, O, "a step");
            }
        }
    }
    lrnn_state_destroy(state);
}

static void a_file_keeps_all(const lrnn_model *model, const setting *s, const char *path)
{
    float a[MOST] = {0}, b[MOST] = {0};
    lrnn_model *loaded;
    must(lrnn_model_save(model, path));
    must(lrnn_model_load(&loaded, path, NULL));
    forward(a, model, s);
    forward(b, loaded, s);
    same(a, b, MOST, "a loaded model");
    lrnn_model_destroy(loaded);
}

/* ---- training ---- */

static lrnn_checkpoint run_of(const lrnn_model *model, const setting *s, size_t threads)
{
    lrnn_checkpoint run;
    lrnn_optimizer_options o;
    setting with = *s;
    with.trainer.threads = threads;
    EXPECT_OK(lrnn_checkpoint_init(&run, sizeof run));
    EXPECT_OK(lrnn_optimizer_options_init(&o, sizeof o));
    must(lrnn_trainer_create(&run.trainer, model, &with.trainer));
    must(lrnn_optimizer_create(&run.optimizer, lrnn_model_parameter_count(model), &o));
    if (s->average) {
        must(lrnn_trainer_set_average(run.trainer, 1));
    }
    return run;
}

static void destroy(lrnn_checkpoint *run)
{
    lrnn_trainer_destroy(run->trainer);
    lrnn_optimizer_destroy(run->optimizer);
}

/* Without a loss, the gradient comes from outside. */
static void step(lrnn_checkpoint *run, const setting *s)
{
    lrnn_sequences w = window_of(s);
    lrnn_backward from;
    if (s->trainer.loss != LRNN_LOSS_NONE) {
        must(lrnn_trainer_step(run->trainer, run->optimizer, &w, NULL));
        return;
    }
    EXPECT_OK(lrnn_backward_init(&from, sizeof from));
    from.outputs = slopes;
    from.loss_scale = 0;
    lrnn_trainer_zero_gradients(run->trainer);
    must(lrnn_trainer_forward(run->trainer, &w, NULL));
    must(lrnn_trainer_backward(run->trainer, &from));
    must(lrnn_trainer_update(run->trainer, run->optimizer));
}

static float *parameters_after(lrnn_checkpoint *run, size_t *count)
{
    lrnn_model *model;
    must(lrnn_trainer_snapshot(&model, run->trainer));
    float *found = parameters_of(model, count);
    lrnn_model_destroy(model);
    return found;
}

static void same_parameters(lrnn_checkpoint *a, lrnn_checkpoint *b, const char *what)
{
    size_t count;
    float *x = parameters_after(a, &count), *y = parameters_after(b, &count);
    same(x, y, count, what);
    free(x);
    free(y);
}

static void training_is_the_same_on_any_way(const lrnn_model *model, const setting *s,
                                            const char *path)
{
    lrnn_checkpoint one = run_of(model, s, 1), two = run_of(model, s, 2);
    lrnn_checkpoint resumed = run_of(model, s, 1);
    for (int i = 0; i < STEPS; i++) {
        step(&one, s);
        step(i < STEPS - 1 ? &two : &resumed, s);
        if (i == STEPS - 2) {
            must(lrnn_checkpoint_save(&two, path, NULL));
            must(lrnn_checkpoint_load(&resumed, path));
        }
    }
    same_parameters(&one, &resumed, "a run of two threads that was resumed");
    destroy(&one);
    destroy(&two);
    destroy(&resumed);
}

/* ---- all pairs ---- */

/* Returns whether it was made. */
static bool try_pair(const scratch *folder)
{
    setting s = setting_of(at[0], at[1]);
    lrnn_model *model;
    lrnn_trainer *trainer;
    if (is_refused(lrnn_model_create(&model, &s.model))) {
        return false;
    }
    steps_are_those_of_a_window(model, &s);
    a_file_keeps_all(model, &s, scratch_path(folder, "model"));
    bool trains = !is_refused(lrnn_trainer_create(&trainer, model, &s.trainer));
    if (trains) {
        lrnn_trainer_destroy(trainer);
        training_is_the_same_on_any_way(model, &s, scratch_path(folder, "checkpoint"));
    }
    lrnn_model_destroy(model);
    return trains;
}

static void every_pair_of_options_works_or_is_refused_by_name(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    size_t made = 0, refused = 0;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = i; k < ROWS; k++) {
            at[0] = &rows[i];
            at[1] = &rows[k];
            bool works = try_pair(&folder);
            made += works;
            refused += !works;
            if (!works && getenv("PAIRS_VERBOSE") != NULL) {
                say_pair();
            }
        }
    }
    assert_int_equal(failures, 0);
    assert_true(refused * 4 < made);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_of_options_works_or_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
