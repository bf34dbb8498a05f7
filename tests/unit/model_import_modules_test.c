/* Nets that are spread over entries of a file, and over recurrent modules that are layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/import_files.h"
#include "support/pytorch_golden.h"
#include "support/same_tensors.h"

#define TOLERANCE 1e-5

#define GRU_OF(prefix, rows, inputs, hidden)                                                       \
    {prefix "weight_ih_l0", rows, inputs},                                                         \
    {                                                                                              \
        prefix "weight_hh_l0", rows, hidden                                                        \
    }

/* The file of PyTorch makes a model that computes as the net there. */
static void computes_as(const char *file, const char *net, const lrnn_import_options *options)
{
    char path[256];
    snprintf(path, sizeof path, GOLDEN_IMPORT_FOLDER "%s", file);
    lrnn_model *model = import(path, options);
    double difference = golden_difference_in(GOLDEN_IMPORT_FOLDER, model, net);
    if (!(difference < TOLERANCE)) {
        fail_msg("%s: differs by %g", path, difference);
    }
    lrnn_model_destroy(model);
}

static void refused(const char *file, const lrnn_import_options *options, lrnn_status status,
                    const char *why)
{
    char path[256];
    lrnn_model *model;
    snprintf(path, sizeof path, GOLDEN_IMPORT_FOLDER "%s", file);
    lrnn_status found = lrnn_model_import(&model, path, options);
    if (found != status || strstr(lrnn_last_error(), why) == NULL) {
        fail_msg("status %d, '%s' expected: %s", found, why, lrnn_last_error());
    }
}

/* ---- entries ---- */

static void a_state_dict_below_an_entry_is_found(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    computes_as("nested.pt", "entries", NULL);
    options.entry = "model.net";
    computes_as("nested.pt", "entries", &options);
    computes_as("nested_two.pt", "entries", &options);
    options.entry = "ensemble.1";
    computes_as("list.pt", "entries", &options);
    refused("nested_two.pt", NULL, LRNN_ERR_FORMAT,
            "'model.net', 'average.net' have tensors; option 'entry' says which");
    options.entry = "model.nut";
    refused("nested.pt", &options, LRNN_ERR_NOT_FOUND,
            "no entry 'model.nut'; with tensors there is 'model.net'");
    options.entry = "model.epoch";
    refused("nested.pt", &options, LRNN_ERR_NOT_FOUND, "'model.epoch' is no dictionary");
}

static void a_net_may_be_in_several_entries(void **unused)
{
    (void)unused;
    const char *const both[] = {"model", "generator"}, *const none[] = {"model", NULL};
    lrnn_import_options options = import_options();
    options.entries = both;
    options.entry_count = 2;
    computes_as("split.pt", "entries", &options);
    options.head = "generator.0";
    computes_as("split.pt", "entries", &options);
    options.head = NULL;
    options.entry = "model";
    refused("split.pt", &options, LRNN_ERR_INVALID, "entry and entries are both given");
    options.entry = NULL;
    options.entries = none;
    refused("split.pt", &options, LRNN_ERR_INVALID, "entries: name 1 is NULL");
    options.entries = NULL;
    refused("split.pt", &options, LRNN_ERR_INVALID, "entries");
    refused("split.pt", NULL, LRNN_ERR_FORMAT, "'model', 'generator' have tensors");
}

/* ---- layers ---- */

static void modules_whose_names_differ_in_a_number_are_layers(void **unused)
{
    (void)unused;
    computes_as("list_gru.safetensors", "list_gru", NULL);
    computes_as("numbered_lstm.safetensors", "numbered_lstm", NULL);
    computes_as("cells_lstm.safetensors", "cells_lstm", NULL);
    computes_as("cells_gru.safetensors", "cells_gru", NULL);
    computes_as("cells_rnn.safetensors", "cells_rnn", NULL);
    computes_as("mixed_depth.safetensors", "mixed_depth", NULL);
    lrnn_model *model = import(GOLDEN_IMPORT_FOLDER "cells_gru.safetensors", NULL);
    assert_int_equal(architecture(model).layers, 11);
    lrnn_model_destroy(model);
    const plan deep_above[] = {GRU_OF("rnn1.", 12, 3, 4),
                               GRU_OF("rnn2.", 12, 4, 4),
                               {"rnn2.weight_ih_l1", 12, 4},
                               {"rnn2.weight_hh_l1", 12, 4}};
    const plan tens[] = {GRU_OF("rnn9.", 12, 3, 4), GRU_OF("rnn10.", 12, 4, 4),
                         GRU_OF("rnn11.", 12, 4, 4)};
    model = IMPORT(tens, NULL);
    assert_int_equal(architecture(model).layers, 3);
    lrnn_model_destroy(model);
    model = IMPORT(deep_above, NULL);
    assert_int_equal(architecture(model).layers, 3);
    lrnn_model_destroy(model);
    model = import(GOLDEN_IMPORT_FOLDER "mixed_depth.safetensors", NULL);
    assert_int_equal(architecture(model).layers, 3);
    lrnn_model_destroy(model);
}

static void an_order_that_names_do_not_say_is_given(void **unused)
{
    (void)unused;
    const char *const order[] = {"lower", "deep"}, *const wrong[] = {"deep", "lower"};
    const char *const twice[] = {"deep", "deep"}, *const absent[] = {"deep", "deeper"};
    lrnn_import_options options = import_options();
    refused("unordered.safetensors", NULL, LRNN_ERR_FORMAT,
            "both 'deep' and 'lower' could be the recurrent module; option 'recurrent' says which, "
            "or option 'recurrent_modules' the order");
    options.recurrent_modules = order;
    options.recurrent_module_count = 2;
    computes_as("unordered.safetensors", "unordered", &options);
    options.recurrent_modules = wrong;
    lrnn_model *model = import(GOLDEN_IMPORT_FOLDER "unordered.safetensors", &options);
    assert_true(golden_difference_in(GOLDEN_IMPORT_FOLDER, model, "unordered") > 1e-3);
    lrnn_model_destroy(model);
    options.recurrent_modules = twice;
    refused("unordered.safetensors", &options, LRNN_ERR_INVALID, "'deep' is named twice");
    options.recurrent_modules = absent;
    refused("unordered.safetensors", &options, LRNN_ERR_NOT_FOUND, "'deeper.weight_ih_l0'");
    options.recurrent = "deep";
    refused("unordered.safetensors", &options, LRNN_ERR_INVALID,
            "recurrent and recurrent_modules are both given");
}

static void the_given_architecture_counts_the_layers_of_all_modules(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    lrnn_model *model = import(GOLDEN_IMPORT_FOLDER "list_gru.safetensors", NULL);
    lrnn_model_options given = architecture(model);
    lrnn_model_destroy(model);
    options.model = &given;
    computes_as("list_gru.safetensors", "list_gru", &options);
    given.layers = 4;
    refused("list_gru.safetensors", &options, LRNN_ERR_FORMAT,
            "'rnns.2.weight_ih_l1' [12,4] is missing");
    given.layers = 2;
    refused("list_gru.safetensors", &options, LRNN_ERR_FORMAT, "'rnns.2.bias_hh_l0' [12]");
}

static void layers_that_do_not_chain_are_refused_with_their_shapes(void **unused)
{
    (void)unused;
    const plan inputs[] = {GRU_OF("rnn1.", 12, 3, 4), GRU_OF("rnn2.", 12, 3, 4)};
    const plan gates[] = {GRU_OF("rnn1.", 12, 3, 4), GRU_OF("rnn2.", 20, 4, 5)};
    const plan wider[] = {GRU_OF("rnn1.", 12, 3, 4), GRU_OF("rnn2.", 15, 4, 5),
                          GRU_OF("rnn3.", 12, 4, 4)};
    const plan cells[] = {GRU_OF("rnn1.", 12, 3, 4), GRU_OF("rnn2.", 16, 4, 4)};
    const plan biases[] = {GRU("rnn1."), GRU_OF("rnn2.", 12, 4, 4)};
    const plan both[] = {GRU_OF("rnn1.", 12, 3, 4),
                         GRU_OF("rnn2.", 12, 4, 4),
                         {"rnn2.weight_ih_l0_reverse", 12, 4},
                         {"rnn2.weight_hh_l0_reverse", 12, 4}};
    const plan projected[] = {
        GRU_OF("rnn1.", 16, 3, 2), {"rnn1.weight_hr_l0", 2, 4}, GRU_OF("rnn2.", 16, 2, 4)};
    FAILS(LRNN_ERR_FORMAT, projected, NULL, "are not layers of one model", "[16,2] and [16,4]");
    FAILS(LRNN_ERR_FORMAT, inputs, NULL, "'rnn1' and 'rnn2' are not layers",
          "expected shape [12,4], found [12,3]", "option 'recurrent' says which");
    FAILS(LRNN_ERR_FORMAT, gates, NULL, "[12,4] and [20,5]");
    FAILS(LRNN_ERR_FORMAT, wider, NULL, "'rnn2' and 'rnn3' are not layers",
          "expected shape [12,5], found [12,4]");
    FAILS(LRNN_ERR_FORMAT, cells, NULL, "[12,4] and [16,4]");
    FAILS(LRNN_ERR_FORMAT, biases, NULL, "only one has biases");
    FAILS(LRNN_ERR_FORMAT, both, NULL, "only one is bidirectional");
}

static void layers_may_be_of_different_sizes(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out.safetensors");
    static const char *const nets[] = {"sizes_lstm", "sizes_gru", "sizes_cells", "sizes_projected",
                                       "sizes_list"};
    static const size_t sizes[][3] = {{8, 4}, {5, 2, 4}, {5, 2}, {6, 6, 4}, {6, 4, 3}};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char file[256];
        snprintf(file, sizeof file, GOLDEN_IMPORT_FOLDER "%s.safetensors", nets[i]);
        lrnn_model *model = import(file, NULL);
        assert_true(golden_difference_in(GOLDEN_IMPORT_FOLDER, model, nets[i]) < TOLERANCE);
        for (size_t layer = 0; layer < 4; layer++) {
            assert_int_equal(lrnn_model_hidden_size(model, layer), layer < 3 ? sizes[i][layer] : 0);
        }
        lrnn_model_options wish = architecture(model);
        assert_int_equal(lrnn_model_export(model, path, NULL), LRNN_OK);
        same_tensors(file, path);
        lrnn_model_destroy(model);
        lrnn_import_options options = import_options();
        options.model = &wish;
        lrnn_model_destroy(import(path, &options));
        wish.hidden_sizes[0]++;
        options.model = &wish;
        assert_int_equal(lrnn_model_import(&model, path, &options), LRNN_ERR_FORMAT);
        assert_non_null(strstr(lrnn_last_error(), "expected shape"));
    }
    scratch_destroy(&folder);
}

/* As fastai saves the net of Merity et al. in small: the last layer is of the embedding's size. */
static void so_has_awd_lstm(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    options.tied_weights = 1;
    computes_as("awd_sizes.pt", "awd_sizes", &options);
    lrnn_model *model = import(GOLDEN_IMPORT_FOLDER "awd_sizes.pt", &options);
    lrnn_model_options o = architecture(model);
    const size_t sizes[] = {7, 7, 3};
    assert_memory_equal(o.hidden_sizes, sizes, sizeof sizes);
    assert_int_equal(o.hidden_size, 3);
    assert_int_equal(o.tied_weights, 1);
    lrnn_model_destroy(model);
}

/* What lies past the eighth layer is of one size. */
static void only_the_first_eight_layers_have_their_own(void **unused)
{
    (void)unused;
    plan stack[20];
    char names[20][32];
    for (size_t i = 0; i < 10; i++) {
        size_t in = i == 0 ? 3 : i + 1, size = i < 9 ? i + 2 : 10;
        snprintf(names[2 * i], sizeof names[0], "rnn%zu.weight_ih_l0", i);
        snprintf(names[2 * i + 1], sizeof names[0], "rnn%zu.weight_hh_l0", i);
        stack[2 * i] = (plan){names[2 * i], 3 * size, in};
        stack[2 * i + 1] = (plan){names[2 * i + 1], 3 * size, size};
    }
    lrnn_model *model = IMPORT(stack, NULL);
    assert_int_equal(lrnn_model_hidden_size(model, 7), 9);
    assert_int_equal(lrnn_model_hidden_size(model, 8), 10);
    assert_int_equal(lrnn_model_hidden_size(model, 9), 10);
    lrnn_model_destroy(model);
    stack[18].rows = stack[19].rows = 3 * (stack[19].columns = 11);
    FAILS(LRNN_ERR_FORMAT, stack, NULL, "'rnn8' and 'rnn9' are not layers of one model",
          "only the first 8 layers", "11");
}

static void names_that_differ_in_more_say_no_order(void **unused)
{
    (void)unused;
    const plan two[] = {GRU_OF("a1.b1.", 12, 4, 4), GRU_OF("a2.b2.", 12, 4, 4),
                        GRU_OF("a1.b2.", 12, 4, 4)};
    const plan same[] = {GRU_OF("rnn_1.", 12, 4, 4), GRU_OF("rnn1.", 12, 4, 4)};
    const plan word[] = {GRU_OF("rnn.", 12, 4, 4), GRU_OF("rnnx.", 12, 4, 4)};
    const plan zero[] = {GRU_OF("rnn1.", 12, 4, 4), GRU_OF("rnn01.", 12, 4, 4)};
    const plan large[] = {GRU_OF("rnn1.", 12, 4, 4), GRU_OF("rnn12345678901.", 12, 4, 4)};
    FAILS(LRNN_ERR_FORMAT, two, NULL, "could be the recurrent module");
    FAILS(LRNN_ERR_FORMAT, same, NULL, "could be the recurrent module");
    FAILS(LRNN_ERR_FORMAT, word, NULL, "could be the recurrent module");
    FAILS(LRNN_ERR_FORMAT, zero, NULL, "could be the recurrent module");
    FAILS(LRNN_ERR_FORMAT, large, NULL, "could be the recurrent module");
}

static void the_names_of_layers_are_given_back(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out.safetensors");
    lrnn_model *model = import(GOLDEN_IMPORT_FOLDER "cells_lstm.safetensors", NULL);
    assert_int_equal(lrnn_model_export(model, path, NULL), LRNN_OK);
    lrnn_model_destroy(model);
    model = import(path, NULL);
    assert_true(golden_difference_in(GOLDEN_IMPORT_FOLDER, model, "cells_lstm") < TOLERANCE);
    lrnn_model_destroy(model);
    safetensors *file;
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    assert_non_null(safetensors_find(file, "layers.0.cell.weight_ih"));
    assert_non_null(safetensors_find(file, "layers.2.cell.bias_hh"));
    safetensors_destroy(file);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_dict_below_an_entry_is_found),
        cmocka_unit_test(a_net_may_be_in_several_entries),
        cmocka_unit_test(modules_whose_names_differ_in_a_number_are_layers),
        cmocka_unit_test(an_order_that_names_do_not_say_is_given),
        cmocka_unit_test(the_given_architecture_counts_the_layers_of_all_modules),
        cmocka_unit_test(layers_that_do_not_chain_are_refused_with_their_shapes),
        cmocka_unit_test(layers_may_be_of_different_sizes),
        cmocka_unit_test(so_has_awd_lstm),
        cmocka_unit_test(only_the_first_eight_layers_have_their_own),
        cmocka_unit_test(names_that_differ_in_more_say_no_order),
        cmocka_unit_test(the_names_of_layers_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
