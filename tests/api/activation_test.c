/* Activations by name: what is copied obeys the equations of the cell. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"

enum { B = 3, T = 6, F = 2, H = 5, L = 2, VALUES = B * T * H };

static const int32_t lengths[B] = {6, 2, 4};
static float features[B * T * F];

static lrnn_trainer *look(int32_t cell, int32_t bidirectional)
{
    lrnn_model_options m;
    lrnn_model_options_init(&m, sizeof m);
    m.feature_size = F;
    m.hidden_size = H;
    m.layers = L;
    m.cell = cell;
    m.head = LRNN_HEAD_NONE;
    m.bidirectional = bidirectional;
    m.dropout = 0.5; /* must not act in an evaluation */
    lrnn_model *model;
    assert_int_equal(lrnn_model_create(&model, &m), LRNN_OK);
    lrnn_trainer_options t;
    lrnn_trainer_options_init(&t, sizeof t);
    t.batch = B;
    t.steps = T;
    t.loss = LRNN_LOSS_NONE;
    lrnn_trainer *trainer;
    assert_int_equal(lrnn_trainer_create(&trainer, model, &t), LRNN_OK);
    lrnn_model_destroy(model);
    for (int i = 0; i < B * T * F; i++) {
        features[i] = (float)sin(i);
    }
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    s.batch = B;
    s.steps = T;
    s.features = features;
    s.lengths = lengths;
    assert_int_equal(lrnn_trainer_evaluate(trainer, &s, NULL), LRNN_OK);
    return trainer;
}

static void copy(float *values, lrnn_trainer *trainer, const char *name, size_t layer,
                 size_t direction)
{
    assert_int_equal(lrnn_trainer_copy_activation(values, VALUES, trainer, name, layer, direction),
                     LRNN_OK);
}

static void lstm_activations_obey_the_equations(void **state)
{
    (void)state;
    for (int32_t direction = 0; direction <= 1; direction++) {
        lrnn_trainer *trainer = look(LRNN_CELL_LSTM, direction);
        for (size_t layer = 0; layer < L; layer++) {
            float i[VALUES], f[VALUES], g[VALUES], o[VALUES], c[VALUES], h[VALUES];
            copy(i, trainer, "input_gate", layer, (size_t)direction);
            copy(f, trainer, "forget_gate", layer, (size_t)direction);
            copy(g, trainer, "candidate", layer, (size_t)direction);
            copy(o, trainer, "output_gate", layer, (size_t)direction);
            copy(c, trainer, "cell", layer, (size_t)direction);
            copy(h, trainer, "hidden", layer, (size_t)direction);
            for (int b = 0; b < B; b++) {
                for (int t = 0; t < lengths[b]; t++) {
                    int before = direction == 0 ? t - 1 : t + 1;
                    for (int k = 0; k < H; k++) {
                        int at = (b * T + t) * H + k;
                        double old = before < 0 || before >= lengths[b]
                                         ? 0
                                         : (double)c[(b * T + before) * H + k];
                        assert_true(i[at] > 0 && i[at] < 1 && f[at] > 0 && f[at] < 1);
                        assert_true(fabs((double)f[at] * old + (double)i[at] * (double)g[at] -
                                         (double)c[at]) < 1e-6);
                        assert_true(fabs((double)o[at] * tanh((double)c[at]) - (double)h[at]) <
                                    1e-6);
                    }
                }
            }
        }
        lrnn_trainer_destroy(trainer);
    }
}

static void gru_activations_obey_the_equations(void **state)
{
    (void)state;
    lrnn_trainer *trainer = look(LRNN_CELL_GRU, 0);
    float z[VALUES], n[VALUES], h[VALUES];
    copy(z, trainer, "update_gate", 1, 0);
    copy(n, trainer, "candidate", 1, 0);
    copy(h, trainer, "hidden", 1, 0);
    for (int at = 0; at < VALUES; at++) {
        int t = at / H % T;
        double old = t == 0 ? 0 : (double)h[at - H];
        double expected = (1 - (double)z[at]) * (double)n[at] + (double)z[at] * old;
        if (t < lengths[at / (T * H)]) {
            assert_true(fabs(expected - (double)h[at]) < 1e-6);
        } else {
            assert_true(h[at] == 0);
        }
    }
    lrnn_trainer_destroy(trainer);
}

static void the_top_layers_hidden_is_the_output_of_a_model_without_a_head(void **state)
{
    (void)state;
    lrnn_trainer *trainer = look(LRNN_CELL_RNN_TANH, 0);
    float h[VALUES], outputs[VALUES];
    copy(h, trainer, "hidden", L - 1, 0);
    assert_int_equal(lrnn_trainer_copy_outputs(outputs, VALUES, trainer), LRNN_OK);
    assert_memory_equal(h, outputs, sizeof h);
    lrnn_trainer_destroy(trainer);
}

static void what_is_not_there_is_refused_by_name(void **state)
{
    (void)state;
    lrnn_trainer *trainer = look(LRNN_CELL_GRU, 0);
    float values[VALUES];
    assert_int_equal(lrnn_trainer_copy_activation(values, VALUES, trainer, "forget_gate", 0, 0),
                     LRNN_ERR_NOT_FOUND);
    assert_non_null(strstr(lrnn_last_error(), "forget_gate"));
    assert_int_equal(lrnn_trainer_copy_activation(values, VALUES, trainer, "hidden", L, 0),
                     LRNN_ERR_INVALID);
    assert_int_equal(lrnn_trainer_copy_activation(values, VALUES, trainer, "hidden", 0, 1),
                     LRNN_ERR_INVALID);
    assert_int_equal(lrnn_trainer_copy_activation(values, VALUES - 1, trainer, "hidden", 0, 0),
                     LRNN_ERR_TOO_SMALL);
    assert_int_equal(lrnn_trainer_copy_activation(NULL, VALUES, trainer, "hidden", 0, 0),
                     LRNN_ERR_INVALID);
    assert_int_equal(lrnn_trainer_copy_activation(values, VALUES, NULL, "hidden", 0, 0),
                     LRNN_ERR_INVALID);
    assert_int_equal(lrnn_trainer_copy_activation(values, VALUES, trainer, NULL, 0, 0),
                     LRNN_ERR_INVALID);
    lrnn_sequences s;
    lrnn_sequences_init(&s, sizeof s);
    s.batch = B;
    s.steps = T;
    s.features = features;
    assert_int_equal(lrnn_trainer_forward(trainer, &s, NULL), LRNN_OK);
    lrnn_backward backward;
    lrnn_backward_init(&backward, sizeof backward);
    backward.loss_scale = 0;
    assert_int_equal(lrnn_trainer_backward(trainer, &backward), LRNN_OK);
    assert_int_equal(lrnn_trainer_copy_activation(values, VALUES, trainer, "hidden", 0, 0),
                     LRNN_ERR_STATE);
    lrnn_trainer_destroy(trainer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lstm_activations_obey_the_equations),
        cmocka_unit_test(gru_activations_obey_the_equations),
        cmocka_unit_test(the_top_layers_hidden_is_the_output_of_a_model_without_a_head),
        cmocka_unit_test(what_is_not_there_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
