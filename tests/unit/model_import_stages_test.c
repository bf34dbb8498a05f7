/* Nets with linear layers, normalizations, connections and learned states around their recurrent
 * layers: from files of PyTorch and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/import_files.h"
#include "support/pytorch_golden.h"
#include "support/same_tensors.h"

#define TOLERANCE    1e-5
#define FILE_OF(net) GOLDEN_IMPORT_FOLDER net ".safetensors"

static lrnn_import_options of_norms(void)
{
    lrnn_import_options options = import_options();
    options.layer_norm = 1;
    return options;
}

static lrnn_import_options of_around(void)
{
    lrnn_import_options options = of_norms();
    options.layer_norm_epsilon = 1e-3;
    options.residual = 1;
    options.input_layer = "fc_in";
    options.input_layer_activation = LRNN_ACTIVATION_TANH;
    options.head_layer = "out.0";
    options.head_layer_activation = LRNN_ACTIVATION_RELU;
    options.initial_h = "h0";
    options.initial_c = "c0";
    return options;
}

static lrnn_import_options of_states(void)
{
    lrnn_import_options options = import_options();
    options.initial_h = "h0";
    return options;
}

static double difference(const char *path, const char *net, const lrnn_import_options *options)
{
    lrnn_model *model = import(path, options);
    double found = golden_difference_in(GOLDEN_IMPORT_FOLDER, model, net);
    lrnn_model_destroy(model);
    return found;
}

static void computes_as(const char *path, const char *net, const lrnn_import_options *options)
{
    double found = difference(path, net, options);
    if (!(found < TOLERANCE)) {
        fail_msg("%s: differs by %g", path, found);
    }
}

static void refused(const char *path, const lrnn_import_options *options, lrnn_status status,
                    const char *why)
{
    lrnn_model *model;
    lrnn_status found = lrnn_model_import(&model, path, options);
    if (found != status || strstr(lrnn_last_error(), why) == NULL) {
        fail_msg("status %d, '%s' expected: %s", found, why, lrnn_last_error());
    }
    assert_null(model);
}

static void what_the_options_say_computes_as_in_pytorch(void **unused)
{
    (void)unused;
    lrnn_import_options options = of_norms();
    computes_as(FILE_OF("norms"), "norms", &options);
    options = of_states();
    computes_as(FILE_OF("states"), "states", &options);
    options = of_around();
    computes_as(FILE_OF("around"), "around", &options);
    computes_as(GOLDEN_IMPORT_FOLDER "around.pt", "around", &options);
}

static void each_thing_that_they_say_counts(void **unused)
{
    (void)unused;
    for (int what = 0; what < 5; what++) {
        lrnn_import_options options = of_around();
        options.layer_norm_epsilon = what == 0 ? 0 : options.layer_norm_epsilon;
        options.residual = what != 1;
        options.input_layer_activation = what == 2 ? 0 : options.input_layer_activation;
        options.head_layer_activation = what == 3 ? 0 : options.head_layer_activation;
        options.initial_h = what == 4 ? "c0" : "h0";
        options.initial_c = what == 4 ? "h0" : "c0";
        double found = difference(FILE_OF("around"), "around", &options);
        if (!(found > 10 * TOLERANCE)) {
            fail_msg("%d makes a difference of %g only", what, found);
        }
    }
}

static void normalizations_may_be_named_in_their_order(void **unused)
{
    (void)unused;
    const char *const order[] = {"ln_0", "ln_1", "ln_2", "ln_3"};
    const char *const other[] = {"ln_0", "ln_2", "ln_1"}, *const twice[] = {"ln_0", "ln_0", "ln_1"};
    const char *const matrix[] = {"ln_0", "fc_in", "ln_1"};
    lrnn_import_options options = of_around();
    options.layer_norm = 0;
    options.norm_modules = order;
    options.norm_module_count = 3;
    computes_as(FILE_OF("around"), "around", &options);
    options.norm_modules = other;
    assert_true(difference(FILE_OF("around"), "around", &options) > 10 * TOLERANCE);
    options.norm_modules = twice;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "'ln_0' is named twice");
    options.norm_modules = matrix;
    refused(FILE_OF("around"), &options, LRNN_ERR_NOT_FOUND, "'fc_in.weight' of rank 1");
    options.norm_modules = order;
    options.norm_module_count = 2;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "2 normalizations for 3 layers");
    options.norm_module_count = 4;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "4 normalizations for 3 layers");
    options.norm_modules = NULL;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "norm_modules");
}

/* ---- with the architecture given ---- */

static void a_given_architecture_is_required_of_the_file(void **unused)
{
    (void)unused;
    lrnn_import_options options = of_around();
    lrnn_model *model = import(FILE_OF("around"), &options);
    lrnn_model_options given = architecture(model);
    lrnn_model_destroy(model);
    assert_int_equal(given.input_layer_size, 4);
    assert_int_equal(given.head_layer_size, 6);
    assert_int_equal(given.learned_state, 1);
    options.model = &given;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "layer_norm and model");
    options.layer_norm = options.residual = 0;
    options.layer_norm_epsilon = 0;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "input_layer_activation and model");
    options.input_layer_activation = 0;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "head_layer_activation and model");
    options.head_layer_activation = 0;
    computes_as(FILE_OF("around"), "around", &options);
    options.input_layer = NULL;
    refused(FILE_OF("around"), &options, LRNN_ERR_NOT_FOUND, "'input.weight'");
    options.input_layer = "fc_in";
    given.learned_state = 0;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "initial_h: given");
}

/* ---- what does not fit ---- */

static void what_is_not_asked_for_is_refused_by_name(void **unused)
{
    (void)unused;
    refused(FILE_OF("norms"), NULL, LRNN_ERR_FORMAT, "'norms.0.bias' [3]");
    refused(FILE_OF("norms"), NULL, LRNN_ERR_FORMAT, "option 'without'");
    refused(FILE_OF("states"), NULL, LRNN_ERR_FORMAT, "option 'initial_h'");
    lrnn_import_options options = of_around();
    options.input_layer = NULL;
    refused(FILE_OF("around"), &options, LRNN_ERR_FORMAT, "'fc_in' and 'out.2' could be the head");
    options = of_around();
    options.head_layer = NULL;
    options.head_layer_activation = 0;
    refused(FILE_OF("around"), &options, LRNN_ERR_FORMAT, "'out.0' and 'out.2' could be the head");
    options.head = "out.2";
    refused(FILE_OF("around"), &options, LRNN_ERR_FORMAT,
            "'out.2.weight': expected shape [5,4], found [5,6]");
    options = of_around();
    options.head_layer = "fc_in";
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "'fc_in' is named twice");
    options.head_layer = "fc";
    refused(FILE_OF("around"), &options, LRNN_ERR_NOT_FOUND, "'fc.weight' of rank 2");
    options = of_around();
    options.input_layer_activation = LRNN_ACTIVATION_SOFTMAX;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "input_layer_activation");
    options = of_states();
    options.input_layer_activation = LRNN_ACTIVATION_TANH;
    refused(FILE_OF("states"), &options, LRNN_ERR_INVALID, "input_layer_activation");
}

static void initial_states_have_one_row_for_each_layer(void **unused)
{
    (void)unused;
    const plan two[] = {GRU(""), {"h0", 2, 4}}, wide[] = {GRU(""), {"h0", 1, 5}};
    const plan one[] = {GRU(""), {"h0", 4, 0}}, list[] = {GRU(""), {"h.0", 1, 4}, {"h.1", 1, 4}};
    lrnn_import_options options = of_states();
    FAILS(LRNN_ERR_FORMAT, two, &options, "'h0': expected shape [1,4], found [2,4]");
    FAILS(LRNN_ERR_FORMAT, wide, &options, "'h0': expected shape [1,4], found [1,5]");
    lrnn_model_destroy(IMPORT(one, &options));
    options.initial_h = "h";
    FAILS(LRNN_ERR_FORMAT, list, &options, "'h.1' [1,4] is no part");
    options.initial_h = "hh";
    FAILS(LRNN_ERR_NOT_FOUND, list, &options, "initial_h", "'hh'", "'hh.0'");
    options.initial_h = "bias_ih_l0";
    FAILS(LRNN_ERR_FORMAT, one, &options, "'bias_ih_l0': expected shape [4], found [12]");
    options.initial_h = "h0";
    options.initial_c = "c0";
    FAILS(LRNN_ERR_INVALID, one, &options, "initial_c", "GRU");
    options = of_around();
    options.initial_c = NULL;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "initial_c: required");
    options.initial_c = "h0";
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "are both tensor 'h0'");
    options.initial_h = NULL;
    refused(FILE_OF("around"), &options, LRNN_ERR_INVALID, "initial_c: given without initial_h");
}

static void normalizations_have_a_bias_and_the_size_of_what_is_read(void **unused)
{
    (void)unused;
    const plan rms[] = {GRU(""), {"ln.weight", 3, 0}};
    const plan wide[] = {GRU(""), {"ln.weight", 4, 0}, {"ln.bias", 4, 0}};
    const plan batch[] = {
        GRU(""), {"bn.weight", 3, 0}, {"bn.bias", 3, 0}, {"bn.running_mean", 3, 0}};
    const plan two[] = {
        GRU(""), {"a.weight", 3, 0}, {"a.bias", 3, 0}, {"b.weight", 3, 0}, {"b.bias", 3, 0}};
    lrnn_import_options options = of_norms();
    FAILS(LRNN_ERR_FORMAT, rms, &options, "'ln.bias' [3] is missing");
    FAILS(LRNN_ERR_FORMAT, wide, &options, "'ln.weight': expected shape [3], found [4]");
    FAILS(LRNN_ERR_FORMAT, batch, &options, "'bn.running_mean'");
    FAILS(LRNN_ERR_FORMAT, two, &options, "'a' and 'b'", "norm_modules");
    FAILS(LRNN_ERR_FORMAT, rms, NULL, "'ln.weight' [3]");
}

static void linear_layers_fit_what_is_beside_them(void **unused)
{
    (void)unused;
    const plan narrow[] = {GRU(""), {"in.weight", 2, 5}, {"in.bias", 2, 0}};
    const plan bare[] = {GRU(""), {"in.weight", 3, 5}, {"top.weight", 6, 4}, {"head.weight", 2, 6}};
    const plan apart[] = {GRU(""), {"top.weight", 6, 4}, {"head.weight", 2, 4}};
    lrnn_import_options options = import_options();
    options.input_layer = "in";
    FAILS(LRNN_ERR_FORMAT, narrow, &options, "'in.weight': expected shape [3,5], found [2,5]");
    options.head_layer = "top";
    lrnn_model *model = IMPORT(bare, &options);
    assert_int_equal(architecture(model).feature_size, 5);
    assert_int_equal(architecture(model).head_layer_size, 6);
    lrnn_model_destroy(model);
    options.input_layer = NULL;
    options.head = "head";
    FAILS(LRNN_ERR_FORMAT, apart, &options, "'head.weight': expected shape [2,6], found [2,4]");
    options.head = NULL;
    options.head_kind = LRNN_HEAD_NONE;
    FAILS(LRNN_ERR_INVALID, apart, &options, "head_layer: given, but the model has no head");
}

/* ---- and back ---- */

static void names_and_shapes_survive_saving_and_come_back(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *saved = scratch_path(&folder, "saved"), *exported = scratch_path(&folder, "out");
    const char *const nets[] = {FILE_OF("norms"), FILE_OF("around"), FILE_OF("states")};
    const lrnn_import_options options[] = {of_norms(), of_around(), of_states()};
    for (size_t i = 0; i < 3; i++) {
        lrnn_model *model = import(nets[i], &options[i]);
        assert_int_equal(lrnn_model_save(model, saved), LRNN_OK);
        lrnn_model_destroy(model);
        assert_int_equal(lrnn_model_load(&model, saved, NULL), LRNN_OK);
        assert_int_equal(lrnn_model_export(model, exported, NULL), LRNN_OK);
        same_tensors(nets[i], exported);
        lrnn_model_destroy(model);
    }
    scratch_destroy(&folder);
}

static void has_shape(const safetensors *file, const char *name, size_t rank, size_t a, size_t b,
                      size_t c)
{
    const tensor_view *found = safetensors_find(file, name);
    const size_t shape[] = {a, b, c};
    if (found == NULL || found->rank != rank ||
        memcmp(found->shape, shape, rank * sizeof *shape) != 0) {
        fail_msg("%s is not there in its shape", name);
    }
}

static lrnn_model_options of_ours(void)
{
    lrnn_model_options o;
    assert_int_equal(lrnn_model_options_init(&o, sizeof o), LRNN_OK);
    o.vocab_size = 7;
    o.embedding_size = 3;
    o.hidden_size = 4;
    o.layers = 2;
    o.bidirectional = 1;
    o.layer_norm = 1;
    o.learned_state = 1;
    o.input_layer_size = 5;
    o.head_layer_size = 6;
    o.output_size = 2;
    o.initial_range = 0.5;
    return o;
}

static void a_model_of_ours_has_the_names_of_the_documented_class(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out"), *again = scratch_path(&folder, "again");
    safetensors *file;
    lrnn_model *model;
    lrnn_model_options o = of_ours();
    assert_int_equal(lrnn_model_create(&model, &o), LRNN_OK);
    assert_int_equal(lrnn_model_export(model, path, NULL), LRNN_OK);
    lrnn_model_destroy(model);
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    assert_int_equal(safetensors_count(file), 1 + 2 + 2 * (2 + 8) + 2 + 2 + 2);
    has_shape(file, "input.weight", 2, 5, 3, 0);
    has_shape(file, "norm.1.bias", 1, 8, 0, 0);
    has_shape(file, "rnn.1.weight_ih_l0_reverse", 2, 16, 8, 0);
    has_shape(file, "h0", 3, 4, 1, 4);
    has_shape(file, "c0", 3, 4, 1, 4);
    has_shape(file, "head_input.weight", 2, 6, 8, 0);
    safetensors_destroy(file);
    lrnn_import_options options = import_options();
    options.model = &o;
    model = import(path, &options);
    assert_int_equal(lrnn_model_export(model, again, NULL), LRNN_OK);
    same_tensors(path, again);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* A tensor has rows of one size, so the layers' beginnings are a list. */
static void initial_states_of_different_sizes_are_a_list(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out"), *again = scratch_path(&folder, "again");
    safetensors *file;
    lrnn_model *model;
    lrnn_export_options names;
    lrnn_model_options o = of_ours();
    o.hidden_sizes[0] = 7;
    assert_int_equal(lrnn_model_create(&model, &o), LRNN_OK);
    assert_int_equal(lrnn_model_export(model, path, NULL), LRNN_OK);
    assert_int_equal(lrnn_export_options_init(&names, sizeof names), LRNN_OK);
    names.initial_h = "start";
    assert_int_equal(lrnn_model_export(model, again, &names), LRNN_OK);
    lrnn_model_destroy(model);
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    has_shape(file, "h0.0", 3, 2, 1, 7);
    has_shape(file, "h0.1", 3, 2, 1, 4);
    has_shape(file, "c0.0", 3, 2, 1, 7);
    has_shape(file, "rnn.1.weight_ih_l0_reverse", 2, 16, 14, 0);
    has_shape(file, "norm.1.bias", 1, 14, 0, 0);
    safetensors_destroy(file);
    assert_int_equal(safetensors_open(&file, NULL, again), LRNN_OK);
    has_shape(file, "start.1", 3, 2, 1, 4);
    safetensors_destroy(file);
    lrnn_import_options options = import_options();
    options.model = &o;
    model = import(path, &options);
    assert_int_equal(lrnn_model_export(model, again, NULL), LRNN_OK);
    same_tensors(path, again);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

static void an_export_has_the_names_that_are_asked_for(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out"), *back = scratch_path(&folder, "back");
    lrnn_import_options options = of_around();
    lrnn_export_options names;
    safetensors *file;
    lrnn_model *model = import(FILE_OF("around"), &options);
    assert_int_equal(lrnn_export_options_init(&names, sizeof names), LRNN_OK);
    names.recurrent = "layers";
    names.norm = "lns";
    names.input_layer = "enter";
    names.head_layer = "leave";
    names.initial_h = "start.h";
    names.initial_c = "start.c";
    assert_int_equal(lrnn_model_export(model, path, &names), LRNN_OK);
    lrnn_model_destroy(model);
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    has_shape(file, "layers.2.weight_hh_l0", 2, 16, 4, 0);
    has_shape(file, "lns.2.weight", 1, 4, 0, 0);
    has_shape(file, "enter.bias", 1, 4, 0, 0);
    has_shape(file, "leave.weight", 2, 6, 4, 0);
    has_shape(file, "start.c", 3, 3, 1, 4);
    safetensors_destroy(file);
    options.input_layer = "enter";
    options.head_layer = "leave";
    options.initial_h = "start.h";
    options.initial_c = "start.c";
    computes_as(path, "around", &options);
    names.initial_c = "start.h";
    model = import(path, &options);
    assert_int_equal(lrnn_model_export(model, back, &names), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "start.h"));
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_options_say_computes_as_in_pytorch),
        cmocka_unit_test(each_thing_that_they_say_counts),
        cmocka_unit_test(normalizations_may_be_named_in_their_order),
        cmocka_unit_test(a_given_architecture_is_required_of_the_file),
        cmocka_unit_test(what_is_not_asked_for_is_refused_by_name),
        cmocka_unit_test(initial_states_have_one_row_for_each_layer),
        cmocka_unit_test(normalizations_have_a_bias_and_the_size_of_what_is_read),
        cmocka_unit_test(linear_layers_fit_what_is_beside_them),
        cmocka_unit_test(names_and_shapes_survive_saving_and_come_back),
        cmocka_unit_test(a_model_of_ours_has_the_names_of_the_documented_class),
        cmocka_unit_test(initial_states_of_different_sizes_are_a_list),
        cmocka_unit_test(an_export_has_the_names_that_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
