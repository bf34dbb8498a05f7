/* Losses against PyTorch's: values, gradients and curves of 50 updates;
 * tests/golden/losses_pytorch.py. A model of no layers whose head is the identity turns features
 * into outputs, so the gradient of the features is that of the outputs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/golden_numbers.h"

enum { B = 3, T = 5, O = 6, I = 4, H = 8, CASES = 500, UPDATES = 50, MOST = 1 << 16 };

static safetensors *golden;
static float expected[MOST], found[MOST], outputs[MOST];

static lrnn_model *identity(size_t size)
{
    lrnn_model_options o;
    lrnn_model *model;
    float weight[O * O + 64] = {0}, bias[O + 8] = {0};
    assert_int_equal(lrnn_model_options_init(&o, sizeof o), LRNN_OK);
    o.layers = 0;
    o.feature_size = o.output_size = size;
    lrnn_tensor tensors[2] = {
        {sizeof *tensors, "head.weight", weight, 2, {size, size}},
        {sizeof *tensors, "head.bias", bias, 1, {size, 0}},
    };
    for (size_t i = 0; i < size; i++) {
        weight[i * size + i] = 1;
    }
    assert_int_equal(lrnn_model_create_from_tensors(&model, &o, tensors, 2), LRNN_OK);
    return model;
}

/* Loss (reduced) of the window and its gradient, through the parts of a step. */
static lrnn_status evaluate(double *loss, const lrnn_model *model, const lrnn_trainer_options *o,
                            const lrnn_sequences *window, float *gradient)
{
    lrnn_trainer *trainer;
    lrnn_train_result result;
    lrnn_backward back;
    assert_int_equal(lrnn_trainer_create(&trainer, model, o), LRNN_OK);
    assert_int_equal(lrnn_train_result_init(&result, sizeof result), LRNN_OK);
    assert_int_equal(lrnn_backward_init(&back, sizeof back), LRNN_OK);
    back.features = gradient;
    lrnn_status status = lrnn_trainer_forward(trainer, window, &result);
    if (status == LRNN_OK) {
        status = lrnn_trainer_backward(trainer, &back);
    }
    *loss = result.loss_sum / (o->reduction == LRNN_REDUCTION_MEAN ? result.loss_weight : 1);
    lrnn_trainer_destroy(trainer);
    return status;
}

/* ---- CTC ---- */

static int32_t lengths[8], target_lengths[8], labels[8 * 1024];

static void read_case(int32_t of[8], size_t i)
{
    const tensor_view *cases = safetensors_find(golden, "ctc.cases");
    assert_non_null(cases);
    for (size_t k = 0; k < 8; k++) {
        of[k] = (int32_t)golden_integer(cases, i * 8 + k);
    }
}

static void make_case(lrnn_sequences *s, const int32_t of[8], unsigned i)
{
    size_t steps = (size_t)of[0], V = (size_t)of[1], N = (size_t)of[2], S = (size_t)of[3];
    golden_fill(outputs, 20000 + i, N * steps * V);
    for (size_t k = 0; k < N * steps * V; k++) {
        outputs[k] *= (float)of[4];
    }
    golden_whole(lengths, 30000 + i, N, of[0], 1);
    golden_whole(target_lengths, 40000 + i, N, of[3] + 1, 0);
    if (i == CASES - 1) {
        lengths[0] = of[0];
        target_lengths[0] = of[3];
    }
    golden_whole(labels, 50000 + i, N * S, of[1] - 1, 0);
    for (size_t k = 0; k < N * S; k++) {
        labels[k] += labels[k] >= of[5];
    }
    assert_int_equal(lrnn_sequences_init(s, sizeof *s), LRNN_OK);
    s->batch = N;
    s->steps = steps;
    s->features = outputs;
    s->lengths = lengths;
    s->targets = labels;
    s->target_steps = S;
    s->target_lengths = target_lengths;
}

static double worst_of(size_t count)
{
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)found[i] - (double)expected[i]);
        worst = difference <= worst ? worst : difference;
    }
    return worst;
}

/* Case i, whose gradient is expected + at. */
static int compare_case(size_t i, float loss, const float *gradient, const int32_t of[8])
{
    lrnn_sequences s;
    lrnn_trainer_options o;
    lrnn_model *model = identity((size_t)of[1]);
    size_t count = (size_t)of[0] * (size_t)of[1] * (size_t)of[2];
    double value;
    make_case(&s, of, (unsigned)i);
    assert_int_equal(lrnn_trainer_options_init(&o, sizeof o), LRNN_OK);
    o.batch = s.batch;
    o.steps = s.steps;
    o.target_steps = s.target_steps;
    o.loss = LRNN_LOSS_CTC;
    o.blank = of[5];
    o.reduction = of[6] ? LRNN_REDUCTION_SUM : LRNN_REDUCTION_MEAN;
    o.zero_infinity = of[7];
    lrnn_status status = evaluate(&value, model, &o, &s, found);
    lrnn_model_destroy(model);
    if (isinf(loss)) {
        return status != LRNN_ERR_NUMERIC || strstr(lrnn_last_error(), "row ") == NULL;
    }
    double worst = 0;
    for (size_t k = 0; k < count; k++) {
        worst = fmax(worst, fabs((double)found[k] - (double)gradient[k]));
    }
    if (status != LRNN_OK || fabs(value - (double)loss) > 1e-5 * (1 + fabs((double)loss)) ||
        !(worst <= 1e-5)) {
        fprintf(stderr,
                "case %zu (T %d V %d N %d S %d scale %d): loss %.9g and %.9g, gradient %g\n", i,
                of[0], of[1], of[2], of[3], of[4], value, (double)loss, worst);
        return 1;
    }
    return 0;
}

static int run_ctc(void)
{
    static float losses[CASES], gradients[MOST];
    int failed = 0;
    size_t at = 0;
    golden_read(losses, CASES, golden, "ctc.loss");
    size_t all = golden_read(gradients, MOST, golden, "ctc.gradient");
    for (size_t i = 0; i < CASES; i++) {
        int32_t of[8];
        read_case(of, i);
        failed += compare_case(i, losses[i], gradients + at, of);
        at += (size_t)of[0] * (size_t)of[1] * (size_t)of[2];
    }
    return failed + (at != all);
}

static void ctc_is_pytorchs(void **state)
{
    (void)state;
    assert_int_equal(golden_under_all_kernels(run_ctc), 0);
}

/* ---- losses of items ---- */

static float values[B * T * O], chances[B * T * O], mask[B * T * O], classes[O], positives[O];
static int32_t targets[B * T];

/* The data of item_losses() in the script. */
static void make_items(void)
{
    int32_t some[B * T * O];
    golden_whole(targets, 2, B * T, O + 2, -2);
    golden_fill(values, 3, B * T * O);
    golden_fill(chances, 4, B * T * O);
    golden_fill(mask, 5, B * T * O);
    golden_whole(some, 6, B * T * O, 4, 0);
    golden_fill(classes, 7, O);
    golden_fill(positives, 8, O);
    for (size_t i = 0; i < B * T * O; i++) {
        values[i] *= 4;
        chances[i] += 0.5f;
        mask[i] = some[i] > 0 ? mask[i] + 0.5f : 0;
    }
    for (size_t i = 0; i < O; i++) {
        classes[i] += 0.5f;
        positives[i] += 1;
    }
}

typedef struct item_loss {
    const char *name;
    int32_t loss;
    double smoothing, transition;
    int classes, positives, masked;
} item_loss;

static const item_loss item_losses[] = {
    {.name = "class weights", .loss = LRNN_LOSS_CROSS_ENTROPY, .classes = 1},
    {"class weights, smoothing", LRNN_LOSS_CROSS_ENTROPY, 0.1, 0, 1, 0, 0},
    {.name = "squared, masked", .loss = LRNN_LOSS_SQUARED_ERROR, .masked = 1},
    {.name = "absolute", .loss = LRNN_LOSS_ABSOLUTE_ERROR},
    {.name = "absolute, masked", .loss = LRNN_LOSS_ABSOLUTE_ERROR, .masked = 1},
    {.name = "Huber 1", .loss = LRNN_LOSS_HUBER},
    {.name = "Huber 0.5", .loss = LRNN_LOSS_HUBER, .transition = 0.5},
    {.name = "smooth L1", .loss = LRNN_LOSS_SMOOTH_L1, .transition = 0.25},
    {.name = "binary", .loss = LRNN_LOSS_BINARY_CROSS_ENTROPY},
    {.name = "binary, positive weights", .loss = LRNN_LOSS_BINARY_CROSS_ENTROPY, .positives = 1},
    {.name = "binary, masked", .loss = LRNN_LOSS_BINARY_CROSS_ENTROPY, .masked = 1},
};

static void set_item_loss(lrnn_trainer_options *o, lrnn_sequences *s, const item_loss *of)
{
    assert_int_equal(lrnn_trainer_options_init(o, sizeof *o), LRNN_OK);
    assert_int_equal(lrnn_sequences_init(s, sizeof *s), LRNN_OK);
    o->batch = s->batch = B;
    o->steps = s->steps = T;
    o->carry_state = 0;
    o->loss = of->loss;
    o->label_smoothing = of->smoothing;
    o->loss_transition = of->transition;
    o->class_weights = of->classes ? classes : NULL;
    o->positive_weights = of->positives ? positives : NULL;
    s->targets = of->loss == LRNN_LOSS_CROSS_ENTROPY ? targets : NULL;
    s->target_values = of->loss == LRNN_LOSS_BINARY_CROSS_ENTROPY ? chances : values;
    s->value_weights = of->masked ? mask : NULL;
}

static int compare_item(size_t i)
{
    char name[64];
    lrnn_trainer_options o;
    lrnn_sequences s;
    double loss;
    lrnn_model *model = identity(O);
    set_item_loss(&o, &s, &item_losses[i]);
    golden_fill(outputs, 1, B * T * O);
    for (size_t k = 0; k < B * T * O; k++) {
        outputs[k] *= 6;
    }
    s.features = outputs;
    lrnn_status status = evaluate(&loss, model, &o, &s, found);
    lrnn_model_destroy(model);
    snprintf(name, sizeof name, "item.%zu.gradient", i);
    golden_read(expected, MOST, golden, name);
    double worst = worst_of(B * T * O);
    snprintf(name, sizeof name, "item.%zu.loss", i);
    golden_read(expected, 1, golden, name);
    if (status != LRNN_OK || fabs(loss - (double)expected[0]) > 1e-5 || !(worst < 1e-6)) {
        fprintf(stderr, "%s: loss %.9g and %.9g, gradient %g off\n", item_losses[i].name, loss,
                (double)expected[0], worst);
        return 1;
    }
    return 0;
}

static int run_items(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof item_losses / sizeof *item_losses; i++) {
        failed += compare_item(i);
    }
    return failed;
}

static void losses_of_items_are_pytorchs(void **state)
{
    (void)state;
    assert_int_equal(golden_under_all_kernels(run_items), 0);
}

/* ---- curves ---- */

static lrnn_model *make_net(void)
{
    static float parameters[1024];
    lrnn_model_options o;
    lrnn_model *model, *filled;
    lrnn_trainer *trainer;
    assert_int_equal(lrnn_model_options_init(&o, sizeof o), LRNN_OK);
    o.feature_size = I;
    o.hidden_size = H;
    o.output_size = O;
    assert_int_equal(lrnn_model_create(&model, &o), LRNN_OK);
    size_t count = lrnn_model_parameter_count(model);
    golden_fill(parameters, 1, count);
    assert_int_equal(lrnn_trainer_create(&trainer, model, NULL), LRNN_OK);
    assert_int_equal(lrnn_trainer_set_parameter(trainer, NULL, parameters, count), LRNN_OK);
    assert_int_equal(lrnn_trainer_snapshot(&filled, trainer), LRNN_OK);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return filled;
}

/* 50 updates by Adam; how far the losses are from PyTorch's. */
static double curve(const lrnn_trainer_options *o, lrnn_sequences *s, const char *name)
{
    lrnn_model *model = make_net();
    lrnn_trainer *trainer;
    lrnn_optimizer *adam;
    lrnn_optimizer_options rule;
    lrnn_train_result result;
    golden_fill(outputs, 9, B * T * I);
    s->features = outputs;
    assert_int_equal(lrnn_optimizer_options_init(&rule, sizeof rule), LRNN_OK);
    rule.learning_rate = 0.01;
    assert_int_equal(lrnn_train_result_init(&result, sizeof result), LRNN_OK);
    assert_int_equal(lrnn_trainer_create(&trainer, model, o), LRNN_OK);
    assert_int_equal(lrnn_optimizer_create(&adam, lrnn_model_parameter_count(model), &rule),
                     LRNN_OK);
    for (size_t i = 0; i < UPDATES; i++) {
        assert_int_equal(lrnn_trainer_step(trainer, adam, s, &result), LRNN_OK);
        found[i] = (float)(result.loss_sum / result.loss_weight);
    }
    golden_read(expected, UPDATES, golden, name);
    lrnn_optimizer_destroy(adam);
    lrnn_trainer_destroy(trainer);
    lrnn_model_destroy(model);
    return worst_of(UPDATES);
}

static void fifty_updates_follow_pytorchs(void **state)
{
    (void)state;
    lrnn_trainer_options o;
    lrnn_sequences s;
    char name[64];
    for (size_t i = 0; i < sizeof item_losses / sizeof *item_losses; i++) {
        set_item_loss(&o, &s, &item_losses[i]);
        snprintf(name, sizeof name, "item.%zu.curve", i);
        double worst = curve(&o, &s, name);
        if (!(worst < 1e-4)) {
            fail_msg("%s: %g off", item_losses[i].name, worst);
        }
    }
}

static void fifty_updates_of_ctc_follow_pytorchs(void **state)
{
    (void)state;
    static const int32_t some_labels[B * 2] = {1, 2, 3, 0, 0, 0}, counts[B] = {2, 1, 0};
    static const int32_t steps[B] = {5, 3, 4};
    lrnn_trainer_options o;
    lrnn_sequences s;
    set_item_loss(&o, &s, &item_losses[3]);
    o.loss = LRNN_LOSS_CTC;
    s.target_values = NULL;
    s.lengths = steps;
    s.targets = some_labels;
    s.target_steps = 2;
    s.target_lengths = counts;
    assert_true(curve(&o, &s, "ctc.curve") < 1e-4);
}

static int load(void **state)
{
    (void)state;
    golden = golden_load("losses.safetensors");
    make_items();
    return 0;
}

static int unload(void **state)
{
    (void)state;
    safetensors_destroy(golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ctc_is_pytorchs),
        cmocka_unit_test(losses_of_items_are_pytorchs),
        cmocka_unit_test(fifty_updates_follow_pytorchs),
        cmocka_unit_test(fifty_updates_of_ctc_follow_pytorchs),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
