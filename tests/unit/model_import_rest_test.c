/* What is left of a file once the parameters of the model have their tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/import_files.h"

#define MODEL                                                                                      \
    GRU("rnn."), {"emb.weight", 9, 3}, {"fc.weight", 7, 4},                                        \
    {                                                                                              \
        "fc.bias", 7, 0                                                                            \
    }

static char left_out[256];

static void note(void *user, const char *name)
{
    snprintf(left_out + strlen(left_out), sizeof left_out - strlen(left_out), "%s%s ",
             (const char *)user, name);
}

/* With partial, these tensors beside the model would be needed: the message names the last. */
static void is_needed(const char *name, size_t rows, size_t columns)
{
    const plan plans[] = {MODEL, {name, rows, columns}};
    lrnn_import_options options = import_options();
    char shown[80];
    snprintf(shown, sizeof shown, "'%s' [%zu", name, rows);
    FAILS(LRNN_ERR_FORMAT, plans, NULL, shown, "is no part of the model",
          "option 'without' leaves a tensor out");
    options.partial = 1;
    FAILS(LRNN_ERR_FORMAT, plans, &options, shown, "what is taken would need",
          "option 'without' names each");
    options.without = &name;
    options.without_count = 1;
    options.left_out = note;
    options.left_out_user = "-";
    left_out[0] = '\0';
    lrnn_model_destroy(IMPORT(plans, &options));
    snprintf(shown, sizeof shown, "-%s ", name);
    assert_string_equal(left_out, shown);
    options.partial = 0;
    lrnn_model_destroy(IMPORT(plans, &options));
}

static void learned_states_are_not_left_out_by_themselves(void **unused)
{
    (void)unused;
    is_needed("h0", 1, 4);
    is_needed("start.h", 4, 0);
    is_needed("rnn.h0", 2, 2);
    is_needed("h", 4, 1);
}

static void a_state_of_all_layers_is_needed(void **unused)
{
    (void)unused;
    const plan plans[] = {GRU("rnn."),
                          {"rnn.weight_ih_l1", 12, 4},
                          {"rnn.weight_hh_l1", 12, 4},
                          {"rnn.bias_ih_l1", 12, 0},
                          {"rnn.bias_hh_l1", 12, 0},
                          {"start", 8, 0}};
    lrnn_import_options options = import_options();
    options.partial = 1;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "would need tensor 'start' [8]");
    const plan projected[] = {{"rnn.weight_ih_l0", 16, 3},
                              {"rnn.weight_hh_l0", 16, 2},
                              {"rnn.weight_hr_l0", 2, 4},
                              {"rnn.weight_ih_l1", 16, 2},
                              {"rnn.weight_hh_l1", 16, 2},
                              {"rnn.weight_hr_l1", 2, 4},
                              {"cells", 8, 0}};
    FAILS(LRNN_ERR_FORMAT, projected, &options, "would need tensor 'cells' [8]");
}

static void normalizations_are_not_left_out_by_themselves(void **unused)
{
    (void)unused;
    is_needed("norm.weight", 4, 0);
    is_needed("input_norm.bias", 3, 0);
    is_needed("gates.weight", 12, 0);
    is_needed("out.scale", 7, 0);
    is_needed("crf.transitions", 7, 7);
}

static void what_lies_in_a_module_that_is_taken_is_needed(void **unused)
{
    (void)unused;
    is_needed("rnn.weight_ch_l0", 5, 5);
    is_needed("rnn.inner.scale", 5, 0);
    is_needed("rnn.weight_ih_l01", 12, 5);
    is_needed("emb.scale", 1, 0);
    is_needed("fc.more.scale", 1, 0);
}

static void all_of_a_normalization_is_named(void **unused)
{
    (void)unused;
    const plan plans[] = {MODEL, {"norm.weight", 4, 0}, {"norm.bias", 4, 0}};
    const char *const names[] = {"norm.bias", "norm.weight"};
    lrnn_import_options options = import_options();
    options.partial = 1;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "tensors 'norm.bias' [4], 'norm.weight' [4] (a");
    options.without = names;
    options.without_count = 1;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "tensor 'norm.weight' [4] (a");
    options.without_count = 2;
    lrnn_model_destroy(IMPORT(plans, &options));
}

static void other_modules_are_left_out_and_told(void **unused)
{
    (void)unused;
    const plan plans[] = {MODEL,
                          {"other.weight", 4, 5},
                          {"other.bias", 4, 0},
                          {"conv.weight", 4, 5},
                          {"conv.bias", 4, 0},
                          {"wide.weight", 50, 0},
                          {"step", 1, 0}};
    lrnn_import_options options = import_options();
    options.head = "fc";
    options.left_out = note;
    options.left_out_user = "";
    left_out[0] = '\0';
    FAILS(LRNN_ERR_FORMAT, plans, &options,
          "'conv.bias' [4], 'conv.weight' [4,5], 'other.bias' [4]", "are no part of the model");
    assert_string_equal(left_out, "");
    options.partial = 1;
    lrnn_model_destroy(IMPORT(plans, &options));
    assert_string_equal(left_out,
                        "step conv.bias conv.weight other.bias other.weight wide.weight ");
    left_out[0] = '\0';
    options.model = NULL;
    options.cell = LRNN_CELL_LSTM;
    FAILS(LRNN_ERR_INVALID, plans, &options, "cell");
    assert_string_equal(left_out, "");
}

static void layers_that_the_given_architecture_has_not_are_needed(void **unused)
{
    (void)unused;
    const plan plans[] = {GRU("rnn."), {"rnn.weight_ih_l1", 12, 4}, {"rnn.weight_hh_l1", 12, 4}};
    lrnn_import_options options = import_options();
    lrnn_model_options model;
    assert_int_equal(lrnn_model_options_init(&model, sizeof model), LRNN_OK);
    model.cell = LRNN_CELL_GRU;
    model.feature_size = 3;
    model.hidden_size = 4;
    model.head = LRNN_HEAD_NONE;
    options.model = &model;
    options.partial = 1;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "'rnn.weight_hh_l1' [12,4], 'rnn.weight_ih_l1' [12,4]");
}

static void many_are_counted(void **unused)
{
    (void)unused;
    static char names[30][24];
    plan plans[34] = {GRU("rnn.")};
    for (size_t i = 0; i < 30; i++) {
        snprintf(names[i], sizeof names[i], "block%zu.scale", i);
        plans[4 + i] = (plan){names[i], 50, 0};
    }
    FAILS(LRNN_ERR_FORMAT, plans, NULL, "'block0.scale' [50], 'block1.scale'", "and 19",
          " more are no part");
}

static void names_to_leave_out_are_checked(void **unused)
{
    (void)unused;
    const plan plans[] = {MODEL};
    const char *const names[] = {"emb.scale", NULL}, *const needed[] = {"rnn.bias_hh_l0"},
                      *const twice[] = {"fc.bias", "fc.bias"};
    lrnn_import_options options = import_options();
    options.without = names;
    options.without_count = 1;
    FAILS(LRNN_ERR_NOT_FOUND, plans, &options, "without: there is no tensor 'emb.scale'");
    options.without_count = 2;
    FAILS(LRNN_ERR_INVALID, plans, &options, "without: name 1 is NULL");
    options.without = twice;
    FAILS(LRNN_ERR_NOT_FOUND, plans, &options, "without: there is no tensor 'fc.bias'");
    options.without = needed;
    options.without_count = 1;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "'rnn.bias_hh_l0' [12] is missing");
    options.without = NULL;
    FAILS(LRNN_ERR_INVALID, plans, &options, "without");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learned_states_are_not_left_out_by_themselves),
        cmocka_unit_test(a_state_of_all_layers_is_needed),
        cmocka_unit_test(normalizations_are_not_left_out_by_themselves),
        cmocka_unit_test(what_lies_in_a_module_that_is_taken_is_needed),
        cmocka_unit_test(all_of_a_normalization_is_named),
        cmocka_unit_test(other_modules_are_left_out_and_told),
        cmocka_unit_test(layers_that_the_given_architecture_has_not_are_needed),
        cmocka_unit_test(many_are_counted),
        cmocka_unit_test(names_to_leave_out_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
