/* Activation regularization and averaged parameters: losses of 50 steps, terms, gradients and
 * averages are PyTorch's, from the same initial parameters; tests/golden/nets_pytorch.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/golden_numbers.h"

enum {
    STEPS = 50,
    VOCAB = 29,
    BATCH = 4,
    WINDOW = 8,
    STREAM = BATCH * WINDOW * STEPS,
    MOST = 20480
};

typedef struct run {
    lrnn_model *model;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_batches *batches;
    safetensors *file;
    size_t count;
} run;

static void make_batches(run *r)
{
    static int32_t tokens[STREAM];
    lrnn_batches_options o;
    int32_t at = 0;
    golden_whole(tokens, 70, STREAM, 6, 0);
    for (int i = 0; i < STREAM; i++) {
        at = (at + tokens[i]) % VOCAB;
        tokens[i] = at;
    }
    lrnn_batches_options_init(&o, sizeof o);
    o.batch = BATCH;
    o.steps = WINDOW;
    assert_int_equal(lrnn_batches_create(&r->batches, tokens, STREAM, &o), LRNN_OK);
}

static lrnn_model_options two_layers(void)
{
    lrnn_model_options model;
    lrnn_model_options_init(&model, sizeof model);
    model.vocab_size = VOCAB;
    model.embedding_size = 16;
    model.hidden_size = 16;
    model.layers = 2;
    return model;
}

/* The shape of Merity's net: the last layer is of the embedding's size. */
static lrnn_model_options sizes_of_their_own(void)
{
    lrnn_model_options model = two_layers();
    model.layers = 3;
    model.hidden_sizes[0] = 40;
    model.hidden_sizes[1] = 23;
    model.tied_weights = 1;
    return model;
}

static void begin(run *r, const lrnn_model_options *model, const lrnn_trainer_options *trainer,
                  const lrnn_optimizer_options *optimizer)
{
    static float values[MOST];
    assert_int_equal(lrnn_model_create(&r->model, model), LRNN_OK);
    assert_int_equal(lrnn_trainer_create(&r->trainer, r->model, trainer), LRNN_OK);
    r->count = lrnn_model_parameter_count(r->model);
    assert_true(r->count <= MOST);
    assert_int_equal(lrnn_optimizer_create(&r->optimizer, r->count, optimizer), LRNN_OK);
    golden_fill(values, 1, r->count);
    for (size_t i = 0; i < r->count; i++) {
        values[i] *= 0.5f;
    }
    assert_int_equal(lrnn_trainer_set_parameter(r->trainer, NULL, values, r->count), LRNN_OK);
    make_batches(r);
    r->file = golden_load("nets_awd.safetensors");
}

static void end(run *r)
{
    safetensors_destroy(r->file);
    lrnn_batches_destroy(r->batches);
    lrnn_optimizer_destroy(r->optimizer);
    lrnn_trainer_destroy(r->trainer);
    lrnn_model_destroy(r->model);
}

static lrnn_train_result step(run *r)
{
    lrnn_sequences s;
    lrnn_train_result result;
    lrnn_sequences_init(&s, sizeof s);
    lrnn_train_result_init(&result, sizeof result);
    assert_int_equal(lrnn_batches_next(r->batches, &s), LRNN_OK);
    assert_int_equal(lrnn_trainer_step(r->trainer, r->optimizer, &s, &result), LRNN_OK);
    return result;
}

/* Both of PyTorch's float and of its double, to four digits. */
static void expect_near(const run *r, const char *what, int step, double found)
{
    static const char *const suffixes[] = {"", ".double"};
    for (int i = 0; i < 2; i++) {
        char name[64];
        float expected[STEPS];
        snprintf(name, sizeof name, "%s%s", what, suffixes[i]);
        assert_int_equal(golden_read(expected, STEPS, r->file, name), STEPS);
        if (!(fabs(found - (double)expected[step]) < 1e-4)) {
            fail_msg("%s, step %d: %.6f, PyTorch's %.6f", name, step, found,
                     (double)expected[step]);
        }
    }
}

static lrnn_trainer_options trainer_options(void)
{
    lrnn_trainer_options o;
    lrnn_trainer_options_init(&o, sizeof o);
    o.batch = BATCH;
    o.steps = WINDOW;
    return o;
}

static void follow_regularized(const char *name, const lrnn_model_options *model, size_t threads,
                               size_t recompute)
{
    run r;
    char gradients_of[64], losses[64], terms[64];
    snprintf(gradients_of, sizeof gradients_of, "%s.gradients.double", name);
    snprintf(losses, sizeof losses, "%s.losses", name);
    snprintf(terms, sizeof terms, "%s.terms", name);
    lrnn_trainer_options trainer = trainer_options();
    lrnn_optimizer_options optimizer;
    lrnn_optimizer_options_init(&optimizer, sizeof optimizer);
    optimizer.learning_rate = 0.03;
    trainer.activation_l2 = 2;
    trainer.temporal_l2 = 3;
    trainer.threads = threads;
    trainer.recompute_steps = recompute;
    begin(&r, model, &trainer, &optimizer);
    for (int i = 0; i < STEPS; i++) {
        lrnn_train_result result = step(&r);
        float *gradients;
        lrnn_trainer_get_gradients(&gradients, NULL, r.trainer);
        if (i == 0) {
            assert_true(golden_difference_of(gradients, r.count, r.file, gradients_of) < 1e-5);
        }
        expect_near(&r, losses, i, result.loss_sum / result.loss_weight);
        expect_near(&r, terms, i, result.regularization);
    }
    end(&r);
}

static void regularized_runs_have_pytorchs_losses_and_terms(void **state)
{
    (void)state;
    lrnn_model_options model = two_layers();
    follow_regularized("regularized", &model, 1, 0);
    follow_regularized("regularized", &model, 3, 0);
    follow_regularized("regularized", &model, 2, 3);
}

static void so_have_layers_of_sizes_of_their_own(void **state)
{
    (void)state;
    lrnn_model_options model = sizes_of_their_own();
    follow_regularized("sizes", &model, 1, 0);
    follow_regularized("sizes", &model, 3, 0);
    follow_regularized("sizes", &model, 2, 3);
}

static void averaged_sgd_has_pytorchs_averages(void **state)
{
    (void)state;
    run r;
    static float found[MOST];
    lrnn_trainer_options trainer = trainer_options();
    lrnn_optimizer_options optimizer;
    lrnn_optimizer_options_init(&optimizer, sizeof optimizer);
    optimizer.kind = LRNN_OPTIMIZER_SGD;
    optimizer.learning_rate = 1;
    optimizer.weight_decay = 1e-3;
    lrnn_model_options model = two_layers();
    begin(&r, &model, &trainer, &optimizer);
    for (int i = 0; i < STEPS; i++) {
        if (i == 20) {
            assert_int_equal(lrnn_trainer_set_average(r.trainer, 1), LRNN_OK);
        }
        lrnn_train_result result = step(&r);
        expect_near(&r, "averaged.losses", i, result.loss_sum / result.loss_weight);
    }
    lrnn_model *average;
    assert_int_equal(lrnn_trainer_averaged(r.trainer), 30);
    assert_int_equal(lrnn_trainer_snapshot(&average, r.trainer), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(found, MOST, average, NULL), LRNN_OK);
    assert_true(golden_difference_of(found, r.count, r.file, "averaged.average.double") < 1e-4);
    lrnn_model_destroy(average);
    assert_int_equal(lrnn_trainer_set_average(r.trainer, 0), LRNN_OK);
    assert_int_equal(lrnn_trainer_snapshot(&average, r.trainer), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(found, MOST, average, NULL), LRNN_OK);
    assert_true(golden_difference_of(found, r.count, r.file, "averaged.parameters.double") < 1e-4);
    assert_false(golden_difference_of(found, r.count, r.file, "averaged.average.double") < 1e-2);
    lrnn_model_destroy(average);
    end(&r);
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regularized_runs_have_pytorchs_losses_and_terms),
        cmocka_unit_test(so_have_layers_of_sizes_of_their_own),
        cmocka_unit_test(averaged_sgd_has_pytorchs_averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return golden_under_all_kernels(run_all);
}
