/* Which module of a file is which part of the model, and what is said when that does not work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/import_files.h"

/* ---- which module is what ---- */

static void modules_without_bias_are_told_by_their_columns(void **unused)
{
    (void)unused;
    const plan plans[] = {GRU("rnn."), {"a.weight", 9, 4}, {"b.weight", 8, 3}};
    lrnn_model *model = IMPORT(plans, NULL);
    lrnn_model_options o = architecture(model);
    assert_int_equal(o.vocab_size, 8);
    assert_int_equal(o.output_size, 9);
    lrnn_model_destroy(model);
}

static void a_name_decides_where_columns_do_not(void **unused)
{
    (void)unused;
    const plan alike[] = {{"rnn.weight_ih_l0", 12, 4},
                          {"rnn.weight_hh_l0", 12, 4},
                          {"x.y.weight", 8, 4},
                          {"z.weight", 9, 4}};
    const plan named[] = {{"rnn.weight_ih_l0", 12, 4},
                          {"rnn.weight_hh_l0", 12, 4},
                          {"a.weight", 9, 4},
                          {"x.wordEmbedding.weight", 8, 4}};
    const plan alone[] = {
        {"rnn.weight_ih_l0", 12, 4}, {"rnn.weight_hh_l0", 12, 4}, {"x.weight", 8, 4}};
    FAILS(LRNN_ERR_FORMAT, alike, NULL, "'x.y'", "'z'",
          "could be the embedding; option 'embedding' says which");
    FAILS(LRNN_ERR_FORMAT, alone, NULL, "'x' could be the embedding or the head",
          "option 'embedding' or option 'head' says which");
    lrnn_model *model = IMPORT(named, NULL);
    assert_int_equal(architecture(model).vocab_size, 8);
    lrnn_model_destroy(model);
    lrnn_import_options options = import_options();
    options.embedding = "z";
    model = IMPORT(alike, &options);
    assert_int_equal(architecture(model).vocab_size, 9);
    lrnn_model_destroy(model);
    options.embedding = NULL;
    options.head = "x";
    model = IMPORT(alone, &options);
    assert_int_equal(architecture(model).feature_size, 4);
    lrnn_model_destroy(model);
    options.head = NULL;
    options.head_kind = LRNN_HEAD_NONE;
    model = IMPORT(alone, &options);
    assert_int_equal(architecture(model).vocab_size, 8);
    lrnn_model_destroy(model);
}

static void several_recurrent_modules_need_a_name(void **unused)
{
    (void)unused;
    const plan plans[] = {GRU("encoder.rnn."),          GRU("decoder.rnn."),
                          {"encoder.emb.weight", 7, 3}, {"decoder.emb.weight", 9, 3},
                          {"fc.weight", 9, 4},          {"fc.bias", 9, 0}};
    lrnn_import_options options = import_options();
    FAILS(LRNN_ERR_FORMAT, plans, NULL, "'decoder.rnn'", "'encoder.rnn'",
          "recurrent module; option 'recurrent' says which");
    options.recurrent = "encoder.rnn";
    FAILS(LRNN_ERR_FORMAT, plans, &options, "'decoder.emb'", "'encoder.emb'", "embedding");
    options.embedding = "encoder.emb";
    options.head_kind = LRNN_HEAD_NONE;
    options.partial = 1;
    lrnn_model *model = IMPORT(plans, &options);
    assert_int_equal(architecture(model).vocab_size, 7);
    assert_int_equal(architecture(model).head, LRNN_HEAD_NONE);
    lrnn_model_destroy(model);
    options.recurrent = "rnn";
    FAILS(LRNN_ERR_NOT_FOUND, plans, &options, "'rnn.weight_ih_l0'");
    options.recurrent = "encoder.rnn";
    options.embedding = "fc.bias";
    FAILS(LRNN_ERR_NOT_FOUND, plans, &options, "'fc.bias.weight'");
}

/* ---- what is wrong with a file ---- */

static void of_two_heads_one_is_named(void **unused)
{
    (void)unused;
    const plan plans[] = {
        GRU("rnn."), {"a.weight", 9, 4}, {"a.bias", 9, 0}, {"b.weight", 7, 4}, {"b.bias", 7, 0}};
    lrnn_import_options options = import_options();
    options.partial = 1;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "both 'a' and 'b' could be the head",
          "option 'head' says which");
    options.head = "b";
    lrnn_model *model = IMPORT(plans, &options);
    assert_int_equal(architecture(model).output_size, 7);
    lrnn_model_destroy(model);
}

static void tensors_that_are_missing_or_too_many_are_named(void **unused)
{
    (void)unused;
    const plan missing[] = {
        {"a.rnn.weight_ih_l0", 12, 3}, {"a.rnn.weight_hh_l0", 12, 4}, {"a.rnn.bias_ih_l0", 12, 0}};
    const plan gap[] = {GRU(""), {"weight_ih_l2", 12, 4}};
    const plan extra[] = {GRU("rnn."), {"rnn.step", 1, 0}};
    const plan layer[] = {GRU("rnn."), {"rnn.weight_ih_l01", 12, 4}};
    const plan none[] = {{"fc.weight", 2, 3}};
    FAILS(LRNN_ERR_FORMAT, missing, NULL, "'a.rnn.bias_hh_l0' [12] is missing");
    FAILS(LRNN_ERR_FORMAT, gap, NULL, "'weight_ih_l1' [12,4] is missing");
    FAILS(LRNN_ERR_FORMAT, extra, NULL, "'rnn.step' [1] is no part of the model");
    FAILS(LRNN_ERR_FORMAT, layer, NULL, "'rnn.weight_ih_l01' [12,4] is no part");
    FAILS(LRNN_ERR_FORMAT, none, NULL, "no recurrent layer");
}

static void wrong_shapes_are_given_with_the_right_ones(void **unused)
{
    (void)unused;
    const plan gates[] = {{"rnn.weight_ih_l0", 12, 3}, {"rnn.weight_hh_l0", 12, 6}};
    const plan rows[] = {{"rnn.weight_ih_l0", 9, 3}, {"rnn.weight_hh_l0", 12, 4}};
    const plan bias[] = {GRU("rnn."), {"fc.weight", 9, 4}, {"fc.bias", 8, 0}};
    const plan head[] = {GRU("rnn."), {"fc.weight", 9, 5}, {"fc.bias", 9, 0}};
    const plan embedding[] = {GRU("rnn."), {"e.weight", 9, 5}};
    const plan rank[] = {{"rnn.weight_ih_l0", 12, 3}, {"rnn.weight_hh_l0", 12, 0}};
    FAILS(LRNN_ERR_FORMAT, gates, NULL, "'rnn.weight_hh_l0': expected shape",
          "[6,6] (RNN), [18,6] (GRU) or [24,6] (LSTM)", "found [12,6]");
    FAILS(LRNN_ERR_FORMAT, rows, NULL, "'rnn.weight_ih_l0'", "expected shape [12,3]", "[9,3]");
    FAILS(LRNN_ERR_FORMAT, bias, NULL, "'fc.bias'", "expected shape [9]", "found [8]");
    FAILS(LRNN_ERR_FORMAT, head, NULL, "'fc.weight'", "expected shape [9,4]", "found [9,5]");
    FAILS(LRNN_ERR_FORMAT, embedding, NULL, "'e.weight': expected shape",
          "[V,3] of an embedding or [O,4] of a head", "found [9,5]");
    FAILS(LRNN_ERR_FORMAT, rank, NULL, "'rnn.weight_hh_l0'", "expected shape [rows,columns]",
          "found [12]");
}

static void the_given_architecture_is_checked(void **unused)
{
    (void)unused;
    const plan plans[] = {GRU("rnn."), {"fc.weight", 9, 4}, {"fc.bias", 9, 0}};
    lrnn_import_options options = import_options();
    lrnn_model_options model;
    assert_int_equal(lrnn_model_options_init(&model, sizeof model), LRNN_OK);
    model.cell = LRNN_CELL_GRU;
    model.feature_size = 3;
    model.hidden_size = 4;
    model.output_size = 9;
    model.head = LRNN_HEAD_FINAL;
    options.model = &model;
    lrnn_model *made = IMPORT(plans, &options);
    assert_int_equal(architecture(made).head, LRNN_HEAD_FINAL);
    lrnn_model_destroy(made);
    model.feature_size = 0;
    model.vocab_size = 3;
    model.embedding_size = 0;
    made = IMPORT(plans, &options);
    assert_int_equal(architecture(made).vocab_size, 3);
    lrnn_model_destroy(made);
    model.cell = LRNN_CELL_LSTM;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "'rnn.weight_ih_l0'", "[16,3]", "[12,3]");
    model.cell = LRNN_CELL_GRU;
    model.layers = 2;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "'rnn.weight_ih_l1' [12,4] is missing");
    model.layers = 1;
    model.bias = 0;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "'rnn.bias_hh_l0' [12]", "no part");
    model.bias = 1;
    model.embedding_size = 2;
    FAILS(LRNN_ERR_FORMAT, plans, &options, "embedding.weight [3,2]");
    options.cell = LRNN_CELL_GRU;
    FAILS(LRNN_ERR_INVALID, plans, &options, "cell and model are both given");
}

static void options_that_do_not_fit_are_invalid(void **unused)
{
    (void)unused;
    const plan plans[] = {GRU("rnn.")};
    lrnn_import_options options = import_options();
    lrnn_model *model;
    options.cell = LRNN_CELL_LSTM;
    FAILS(LRNN_ERR_INVALID, plans, &options, "cell: expected LSTM, the file has GRU",
          "expected shape [16,4], found [12,4]");
    options = import_options();
    options.head_kind = LRNN_HEAD_LAST;
    FAILS(LRNN_ERR_INVALID, plans, &options, "head_kind");
    options.head_kind = 9;
    FAILS(LRNN_ERR_INVALID, plans, &options, "head_kind: expected 0..3, found 9");
    options = import_options();
    options.feature_size = 2;
    FAILS(LRNN_ERR_INVALID, plans, &options, "feature_size");
    options.feature_size = 5;
    FAILS(LRNN_ERR_INVALID, plans, &options, "feature_size: expected at most the 3 values",
          "found 5");
    options = import_options();
    options.one_hot = 1;
    options.feature_size = 1;
    model = IMPORT(plans, &options);
    assert_int_equal(architecture(model).vocab_size, 2);
    assert_int_equal(architecture(model).feature_size, 1);
    lrnn_model_destroy(model);
    assert_int_equal(lrnn_model_import(&model, NULL, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_model_import(NULL, "x", NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_model_import(&model, "/nowhere/x", NULL), LRNN_ERR_IO);
    assert_int_equal(lrnn_import_options_init(&options, 1), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_export_options_init(NULL, sizeof(lrnn_export_options)), LRNN_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_without_bias_are_told_by_their_columns),
        cmocka_unit_test(a_name_decides_where_columns_do_not),
        cmocka_unit_test(several_recurrent_modules_need_a_name),
        cmocka_unit_test(of_two_heads_one_is_named),
        cmocka_unit_test(tensors_that_are_missing_or_too_many_are_named),
        cmocka_unit_test(wrong_shapes_are_given_with_the_right_ones),
        cmocka_unit_test(the_given_architecture_is_checked),
        cmocka_unit_test(options_that_do_not_fit_are_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
