/* Output activations: which losses, heads and searches go with them, that decoders and trainers see
 * what lies before them, and that files keep them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/scratch.h"
#include "lrnn.h"

enum { V = 9, B = 2, T = 4 };

static const int32_t tokens[B * T] = {1, 2, 3, 4, 8, 7, 6, 5};

static lrnn_model_options options_of(int32_t activation)
{
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = 5;
    o.hidden_size = 6;
    o.output_activation = activation;
    return o;
}

static lrnn_model *create(int32_t activation)
{
    lrnn_model *model;
    lrnn_model_options o = options_of(activation);
    EXPECT_OK(lrnn_model_create(&model, &o));
    return model;
}

static void forward(float *outputs, const lrnn_model *model)
{
    static const int32_t lengths[B] = {T, 2};
    lrnn_state *state;
    lrnn_state_options o;
    lrnn_sequences s;
    EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    o.batch = s.batch = B;
    s.steps = T;
    s.tokens = tokens;
    s.lengths = lengths;
    EXPECT_OK(lrnn_state_create(&state, model, &o));
    EXPECT_OK(lrnn_state_forward(state, &s, outputs));
    lrnn_state_destroy(state);
}

/* Steps past a sequence's end are zero, whatever the activation makes of zero. */
static void outputs_are_what_the_activation_makes_of_logits(void **unused)
{
    (void)unused;
    float logits[B * T * V], found[B * T * V];
    lrnn_model *plain = create(LRNN_ACTIVATION_NONE);
    forward(logits, plain);
    for (int32_t kind = LRNN_ACTIVATION_SIGMOID; kind <= LRNN_ACTIVATION_LOG_SOFTMAX; kind++) {
        lrnn_model *model = create(kind);
        forward(found, model);
        for (size_t row = 0; row < B * T; row++) {
            double sum = 0;
            for (size_t v = 0; v < V; v++) {
                sum += exp((double)logits[row * V + v]);
            }
            for (size_t v = 0; v < V; v++) {
                double z = (double)logits[row * V + v];
                double expected[] = {z, 1 / (1 + exp(-z)), tanh(z), exp(z) / sum, z - log(sum)};
                bool ended = row / T == 1 && row % T >= 2;
                assert_true(fabs((double)found[row * V + v] - (ended ? 0 : expected[kind])) < 1e-6);
            }
        }
        lrnn_model_destroy(model);
    }
    lrnn_model_destroy(plain);
}

static void files_keep_the_activation(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "model");
    float a[B * T * V], b[B * T * V];
    lrnn_model *model = create(LRNN_ACTIVATION_SOFTMAX), *loaded;
    lrnn_model_options o;
    EXPECT_OK(lrnn_model_save(model, path));
    EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_model_get_options(&o, loaded));
    assert_int_equal(o.output_activation, LRNN_ACTIVATION_SOFTMAX);
    forward(a, model);
    forward(b, loaded);
    assert_memory_equal(a, b, sizeof a);
    lrnn_model_destroy(model);
    lrnn_model_destroy(loaded);
    scratch_destroy(&folder);
}

static void a_loss_that_does_not_fit_is_refused_by_name(void **unused)
{
    (void)unused;
    static const bool fits[][5] = {
        [LRNN_LOSS_NONE] = {1, 1, 1, 1, 1},
        [LRNN_LOSS_CROSS_ENTROPY] = {1, 0, 0, 1, 1},
        [LRNN_LOSS_SQUARED_ERROR] = {1, 1, 1, 0, 0},
        [LRNN_LOSS_ABSOLUTE_ERROR] = {1, 1, 1, 0, 0},
        [LRNN_LOSS_HUBER] = {1, 1, 1, 0, 0},
        [LRNN_LOSS_SMOOTH_L1] = {1, 1, 1, 0, 0},
        [LRNN_LOSS_BINARY_CROSS_ENTROPY] = {1, 1, 0, 0, 0},
        [LRNN_LOSS_CTC] = {1, 0, 0, 1, 1},
    };
    for (int32_t kind = LRNN_ACTIVATION_NONE; kind <= LRNN_ACTIVATION_LOG_SOFTMAX; kind++) {
        lrnn_model *model = create(kind);
        for (int32_t loss = LRNN_LOSS_NONE; loss <= LRNN_LOSS_CTC; loss++) {
            lrnn_trainer_options o;
            lrnn_trainer *trainer;
            EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
            o.loss = loss;
            if (fits[loss][kind]) {
                EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
                lrnn_trainer_destroy(trainer);
            } else {
                EXPECT_FAILURE(lrnn_trainer_create(&trainer, model, &o), LRNN_ERR_INVALID, "loss",
                               "output_activation");
            }
        }
        lrnn_model_destroy(model);
    }
}

static void models_that_have_no_place_for_one_are_refused(void **unused)
{
    (void)unused;
    lrnn_model *model;
    lrnn_model_options o = options_of(LRNN_ACTIVATION_TANH);
    o.head = LRNN_HEAD_NONE;
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "output_activation", "head");
    o = options_of(LRNN_ACTIVATION_LOG_SOFTMAX + 1);
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "output_activation");
    o = options_of(-1);
    EXPECT_FAILURE(lrnn_model_create(&model, &o), LRNN_ERR_INVALID, "output_activation");
}

static double score(const lrnn_model *model)
{
    lrnn_decoder *decoder;
    lrnn_request request;
    double total;
    EXPECT_OK(lrnn_decoder_create(&decoder, model, NULL));
    EXPECT_OK(lrnn_request_init(&request, sizeof request));
    request.tokens = tokens;
    request.count = B * T;
    EXPECT_OK(lrnn_decoder_score(&total, NULL, decoder, &request, 1));
    lrnn_decoder_destroy(decoder);
    return total;
}

static void decoders_see_the_logits(void **unused)
{
    (void)unused;
    lrnn_model *plain = create(LRNN_ACTIVATION_NONE), *same = create(LRNN_ACTIVATION_SOFTMAX);
    lrnn_model *tanh_model = create(LRNN_ACTIVATION_TANH);
    lrnn_decoder *decoder;
    assert_true(score(plain) == score(same));
    EXPECT_FAILURE(lrnn_decoder_create(&decoder, tanh_model, NULL), LRNN_ERR_UNSUPPORTED,
                   "output_activation");
    lrnn_model_destroy(plain);
    lrnn_model_destroy(same);
    lrnn_model_destroy(tanh_model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_what_the_activation_makes_of_logits),
        cmocka_unit_test(files_keep_the_activation),
        cmocka_unit_test(a_loss_that_does_not_fit_is_refused_by_name),
        cmocka_unit_test(models_that_have_no_place_for_one_are_refused),
        cmocka_unit_test(decoders_see_the_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
