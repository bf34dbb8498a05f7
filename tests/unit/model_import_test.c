/* state_dicts of PyTorch, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"
#include "support/pytorch_golden.h"
#include "support/scratch.h"

#define TOLERANCE 1e-5

static lrnn_import_options import_options(void)
{
    lrnn_import_options options;
    assert_int_equal(lrnn_import_options_init(&options, sizeof options), LRNN_OK);
    return options;
}

/* Imports a file that must be fine. */
static lrnn_model *import(const char *path, const lrnn_import_options *options)
{
    lrnn_model *model;
    if (lrnn_model_import(&model, path, options) != LRNN_OK) {
        fail_msg("%s", lrnn_last_error());
    }
    return model;
}

static lrnn_model_options architecture(const lrnn_model *model)
{
    lrnn_model_options options;
    assert_int_equal(lrnn_model_options_init(&options, sizeof options), LRNN_OK);
    assert_int_equal(lrnn_model_get_options(&options, model), LRNN_OK);
    return options;
}

/* ---- files that the test writes ---- */

typedef struct plan {
    const char *name;
    size_t rows, columns; /* columns 0: rank 1 */
} plan;

/* Writes tensors of small numbers. */
static const char *write_file(const scratch *folder, const plan *plans, size_t count)
{
    static float values[4096];
    safetensors_writer *writer;
    const char *path = scratch_path(folder, "in.safetensors");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        values[i] = (float)(i % 17) / 16 - 0.5f;
    }
    assert_int_equal(safetensors_writer_create(&writer, NULL), LRNN_OK);
    for (size_t i = 0; i < count; i++) {
        size_t shape[] = {plans[i].rows, plans[i].columns};
        assert_int_equal(safetensors_writer_tensor(writer, plans[i].name, TENSOR_F32,
                                                   plans[i].columns > 0 ? 2 : 1, shape,
                                                   values + 64 * i),
                         LRNN_OK);
    }
    assert_int_equal(safetensors_writer_save(writer, path), LRNN_OK);
    safetensors_writer_destroy(writer);
    return path;
}

#define GRU(prefix)                                                                                \
    {prefix "weight_ih_l0", 12, 3}, {prefix "weight_hh_l0", 12, 4}, {prefix "bias_ih_l0", 12, 0},  \
    {                                                                                              \
        prefix "bias_hh_l0", 12, 0                                                                 \
    }

/* The import of these tensors fails so, with a message that has all these words. */
static void fails(lrnn_status status, const plan *plans, size_t count,
                  const lrnn_import_options *options, const char *const words[3])
{
    scratch folder = scratch_create();
    lrnn_model *model = (lrnn_model *)&folder;
    const char *path = write_file(&folder, plans, count);
    lrnn_status found = lrnn_model_import(&model, path, options);
    scratch_destroy(&folder);
    if (found != status) {
        fail_msg("status %d: %s", found, found != LRNN_OK ? lrnn_last_error() : "");
    }
    assert_null(model);
    for (size_t i = 0; i < 3; i++) {
        if (words[i] != NULL && strstr(lrnn_last_error(), words[i]) == NULL) {
            fail_msg("'%s' is not in: %s", words[i], lrnn_last_error());
        }
    }
}

#define FAILS(status, plans, options, ...)                                                         \
    fails(status, plans, sizeof(plans) / sizeof(plans)[0], options,                                \
          (const char *const[3]){__VA_ARGS__})

static lrnn_model *import_plans(const plan *plans, size_t count, const lrnn_import_options *options)
{
    scratch folder = scratch_create();
    lrnn_model *model = import(write_file(&folder, plans, count), options);
    scratch_destroy(&folder);
    return model;
}

#define IMPORT(plans, options) import_plans(plans, sizeof(plans) / sizeof(plans)[0], options)

/* ---- nets of PyTorch ---- */

static void computes_as_pytorch(const char *net, const char *suffix,
                                const lrnn_import_options *options)
{
    char path[256];
    snprintf(path, sizeof path, GOLDEN_FOLDER "%s%s", net, suffix);
    lrnn_model *model = import(path, options);
    double difference = golden_difference(model, net);
    if (!(difference < TOLERANCE)) {
        fail_msg("%s: differs by %g", path, difference);
    }
    lrnn_model_destroy(model);
}

static const char *const suffixes[] = {".safetensors"};

static void each_suffix(const char *net, const lrnn_import_options *options)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        computes_as_pytorch(net, suffixes[i], options);
    }
}

static void outputs_are_those_of_pytorch(void **unused)
{
    (void)unused;
    static const char *const nets[] = {"rnn_tanh",  "lstm",       "gru_f16", "lstm_bf16",
                                       "lstm_cell", "lstm_alone", "gru_tied"};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        each_suffix(nets[i], NULL);
    }
}

static void relu_is_said_by_an_option(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    options.cell = LRNN_CELL_RNN_RELU;
    each_suffix("rnn_relu", &options);
}

static void features_beside_tokens_are_said_by_an_option(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    options.feature_size = 2;
    each_suffix("rnn_f64", &options);
}

static void the_architecture_is_worked_out(void **unused)
{
    (void)unused;
    lrnn_model *model = import(GOLDEN_FOLDER "lstm.safetensors", NULL);
    lrnn_model_options o = architecture(model);
    assert_int_equal(o.vocab_size, 7);
    assert_int_equal(o.embedding_size, 3);
    assert_int_equal(o.feature_size, 0);
    assert_int_equal(o.hidden_size, 4);
    assert_int_equal(o.layers, 2);
    assert_int_equal(o.output_size, 5);
    assert_int_equal(o.cell, LRNN_CELL_LSTM);
    assert_int_equal(o.head, LRNN_HEAD_STEPS);
    assert_int_equal(o.bidirectional, 1);
    assert_int_equal(o.bias, 1);
    lrnn_model_destroy(model);
    model = import(GOLDEN_FOLDER "gru_f16.safetensors", NULL);
    o = architecture(model);
    assert_int_equal(o.cell, LRNN_CELL_GRU);
    assert_int_equal(o.bias, 0);
    lrnn_model_destroy(model);
    model = import(GOLDEN_FOLDER "lstm_alone.safetensors", NULL);
    o = architecture(model);
    assert_int_equal(o.vocab_size, 0);
    assert_int_equal(o.feature_size, 3);
    assert_int_equal(o.head, LRNN_HEAD_NONE);
    lrnn_model_destroy(model);
}

static void projections_are_told_by_their_tensors(void **unused)
{
    (void)unused;
    const plan wrong[] = {{"weight_ih_l0", 12, 3}, {"weight_hh_l0", 12, 2}, {"weight_hr_l0", 2, 4}};
    lrnn_model *model = import(GOLDEN_FOLDER "lstm_projected.safetensors", NULL);
    assert_int_equal(architecture(model).projection_size, 2);
    assert_int_equal(architecture(model).hidden_size, 4);
    lrnn_model_destroy(model);
    each_suffix("lstm_projected", NULL);
    FAILS(LRNN_ERR_FORMAT, wrong, NULL, "'weight_hh_l0' [12,2]", "4 times (LSTM)", "of 4");
}

static void a_padding_token_is_said_by_an_option(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    lrnn_model *model;
    options.padding_token = 6;
    each_suffix("rnn_tanh", &options);
    model = import(GOLDEN_FOLDER "rnn_tanh.safetensors", &options);
    assert_int_equal(architecture(model).padding_token, 6);
    lrnn_model_destroy(model);
}

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
    FAILS(LRNN_ERR_FORMAT, alike, NULL, "'x.y'", "'z'", "could be the embedding");
    FAILS(LRNN_ERR_FORMAT, alone, NULL, "'x' could be the embedding or the head");
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
    FAILS(LRNN_ERR_FORMAT, plans, NULL, "'decoder.rnn'", "'encoder.rnn'", "recurrent module");
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

static void other_parts_are_left_only_when_asked(void **unused)
{
    (void)unused;
    const plan plans[] = {GRU("rnn."),           {"fc.weight", 9, 4}, {"fc.bias", 9, 0},
                          {"norm.weight", 4, 0}, {"norm.bias", 4, 0}, {"other.weight", 9, 5},
                          {"other.bias", 9, 0}};
    lrnn_import_options options = import_options();
    FAILS(LRNN_ERR_FORMAT, plans, NULL, "'fc'", "'other'", "could be the head");
    options.head = "fc";
    FAILS(LRNN_ERR_FORMAT, plans, &options, "'norm.bias' [4] is no part of the model");
    options.head = NULL;
    options.partial = 1;
    lrnn_model *model = IMPORT(plans, &options);
    assert_int_equal(architecture(model).output_size, 9);
    lrnn_model_destroy(model);
}

/* ---- what is wrong with a file ---- */

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
    FAILS(LRNN_ERR_FORMAT, gates, NULL, "'rnn.weight_hh_l0'", "4 times", "[12,6]");
    FAILS(LRNN_ERR_FORMAT, rows, NULL, "'rnn.weight_ih_l0'", "expected shape [12,3]", "[9,3]");
    FAILS(LRNN_ERR_FORMAT, bias, NULL, "'fc.bias'", "expected shape [9]", "found [8]");
    FAILS(LRNN_ERR_FORMAT, head, NULL, "'fc.weight'", "expected shape [9,4]", "found [9,5]");
    FAILS(LRNN_ERR_FORMAT, embedding, NULL, "'e.weight' [9,5]", "3 columns", "4 of a head");
    FAILS(LRNN_ERR_FORMAT, rank, NULL, "'rnn.weight_hh_l0'", "expected a matrix", "[12]");
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
    FAILS(LRNN_ERR_FORMAT, plans, &options, "'rnn.bias_hh_l0' [12] is no part");
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
    FAILS(LRNN_ERR_INVALID, plans, &options, "cell: expected LSTM, the file has GRU");
    options = import_options();
    options.head_kind = LRNN_HEAD_LAST;
    FAILS(LRNN_ERR_INVALID, plans, &options, "head_kind");
    options.head_kind = 9;
    FAILS(LRNN_ERR_INVALID, plans, &options, "head_kind: expected 0..3, found 9");
    options = import_options();
    options.feature_size = 2;
    FAILS(LRNN_ERR_INVALID, plans, &options, "feature_size");
    options.feature_size = 5;
    FAILS(LRNN_ERR_INVALID, plans, &options, "feature_size is 5");
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

static void vocabularies_come_along(void **unused)
{
    (void)unused;
    static const char *const labels[] = {"a", "b", "c"};
    const plan plans[] = {GRU("rnn."), {"fc.weight", 3, 4}, {"fc.bias", 3, 0}};
    lrnn_import_options options = import_options();
    lrnn_vocab *vocab, *pair;
    assert_int_equal(lrnn_vocab_create_from_labels(&vocab, labels, 3, NULL), LRNN_OK);
    assert_int_equal(lrnn_vocab_create_from_labels(&pair, labels, 2, NULL), LRNN_OK);
    options.input_vocab = options.output_vocab = vocab;
    lrnn_model *model = IMPORT(plans, &options);
    assert_int_equal(architecture(model).vocab_size, 3);
    assert_ptr_equal(lrnn_model_output_vocab(model), vocab);
    lrnn_model_destroy(model);
    options.output_vocab = pair;
    FAILS(LRNN_ERR_INVALID, plans, &options, "output_size is 3, but output_vocab has 2");
    lrnn_vocab_destroy(vocab);
    lrnn_vocab_destroy(pair);
}

static void numbers_must_be_finite_floats(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "x.safetensors");
    double ih[] = {1, 1e300}, hh[] = {1};
    int32_t whole[] = {1, 2};
    size_t wide[] = {1, 2}, square[] = {1, 1};
    lrnn_model *model;
    for (int i = 0; i < 2; i++) {
        safetensors_writer *writer;
        assert_int_equal(safetensors_writer_create(&writer, NULL), LRNN_OK);
        assert_int_equal(safetensors_writer_tensor(writer, "weight_ih_l0",
                                                   i == 0 ? TENSOR_F64 : TENSOR_I32, 2, wide,
                                                   i == 0 ? (void *)ih : (void *)whole),
                         LRNN_OK);
        assert_int_equal(
            safetensors_writer_tensor(writer, "weight_hh_l0", TENSOR_F64, 2, square, hh), LRNN_OK);
        assert_int_equal(safetensors_writer_save(writer, path), LRNN_OK);
        safetensors_writer_destroy(writer);
        assert_int_equal(lrnn_model_import(&model, path, NULL),
                         i == 0 ? LRNN_ERR_NUMERIC : LRNN_ERR_FORMAT);
        assert_non_null(strstr(lrnn_last_error(), "weight_ih_l0"));
        assert_non_null(strstr(lrnn_last_error(), i == 0 ? "value 1" : "I32"));
    }
    scratch_destroy(&folder);
}

static void no_memory_leaves_nothing_behind(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    fault_allocator fault;
    size_t n;
    for (n = 1;; n++) {
        lrnn_model *model;
        fault_allocator_start(&fault, n);
        options.allocator = &fault.allocator;
        lrnn_status status =
            lrnn_model_import(&model, GOLDEN_FOLDER "gru_tied.safetensors", &options);
        lrnn_model_destroy(model);
        assert_int_equal(fault_allocator_live(&fault), 0);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            break;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_those_of_pytorch),
        cmocka_unit_test(relu_is_said_by_an_option),
        cmocka_unit_test(features_beside_tokens_are_said_by_an_option),
        cmocka_unit_test(the_architecture_is_worked_out),
        cmocka_unit_test(projections_are_told_by_their_tensors),
        cmocka_unit_test(a_padding_token_is_said_by_an_option),
        cmocka_unit_test(modules_without_bias_are_told_by_their_columns),
        cmocka_unit_test(a_name_decides_where_columns_do_not),
        cmocka_unit_test(several_recurrent_modules_need_a_name),
        cmocka_unit_test(other_parts_are_left_only_when_asked),
        cmocka_unit_test(tensors_that_are_missing_or_too_many_are_named),
        cmocka_unit_test(wrong_shapes_are_given_with_the_right_ones),
        cmocka_unit_test(the_given_architecture_is_checked),
        cmocka_unit_test(options_that_do_not_fit_are_invalid),
        cmocka_unit_test(vocabularies_come_along),
        cmocka_unit_test(numbers_must_be_finite_floats),
        cmocka_unit_test(no_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
