/* state_dicts of PyTorch, read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"
#include "support/import_files.h"
#include "support/pytorch_golden.h"

#define TOLERANCE 1e-5

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

static const char *const suffixes[] = {".safetensors", ".pt"};

static void each_suffix(const char *net, const lrnn_import_options *options)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        computes_as_pytorch(net, suffixes[i], options);
    }
}

static void outputs_are_those_of_pytorch(void **unused)
{
    (void)unused;
    static const char *const nets[] = {"rnn_tanh",  "lstm",          "gru_f16",
                                       "lstm_bf16", "lstm_cell",     "lstm_alone",
                                       "gru_tied",  "lstm_adaptive", "gru_adaptive"};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        each_suffix(nets[i], NULL);
    }
}

static void other_files_of_torch_save_are_read(void **unused)
{
    (void)unused;
    static const char *const nets[] = {"checkpoint", "views", "parameters", "no_crc"};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        computes_as_pytorch(nets[i], ".pt", NULL);
    }
}

static void an_entry_of_a_file_is_chosen_by_name(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    lrnn_model *model;
    assert_int_equal(lrnn_model_import(&model, GOLDEN_FOLDER "two.pt", NULL), LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "'generator', 'critic'"));
    options.entry = "critic";
    lrnn_model_destroy(import(GOLDEN_FOLDER "two.pt", &options));
    assert_int_equal(lrnn_model_import(&model, GOLDEN_FOLDER "checkpoint.pt", &options),
                     LRNN_ERR_NOT_FOUND);
    options.entry = "epoch";
    assert_int_equal(lrnn_model_import(&model, GOLDEN_FOLDER "checkpoint.pt", &options),
                     LRNN_ERR_NOT_FOUND);
    assert_int_equal(lrnn_model_import(&model, GOLDEN_FOLDER "lstm.safetensors", &options),
                     LRNN_ERR_INVALID);
}

/* Numpy scalars, namespaces, paths, counters, large integers, whole modules: skipped. */
static void objects_beside_the_state_dict_are_skipped(void **unused)
{
    (void)unused;
    lrnn_model *plain = import(GOLDEN_FOLDER "checkpoint.pt", NULL);
    lrnn_model *beside = import(GOLDEN_FOLDER "objects.pt", NULL), *model;
    size_t count = lrnn_model_parameter_count(plain);
    float *a = malloc(count * sizeof *a), *b = malloc(count * sizeof *b);
    assert_int_equal(lrnn_model_parameter_count(beside), count);
    assert_int_equal(lrnn_model_copy_parameter(a, count, plain, NULL), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(b, count, beside, NULL), LRNN_OK);
    assert_memory_equal(a, b, count * sizeof *a);
    lrnn_model_destroy(plain);
    lrnn_model_destroy(beside);
    free(a);
    free(b);
    assert_int_equal(lrnn_model_import(&model, GOLDEN_FOLDER "object_within.pt", NULL),
                     LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "'note' of the state_dict is no tensor but the "
                                              "Python object numpy"));
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
    FAILS(LRNN_ERR_FORMAT, wrong, NULL, "'weight_hh_l0': expected shape [16,2]", "found [12,2]");
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
        assert_non_null(
            strstr(lrnn_last_error(), i == 0 ? "': value 1 is not a finite float" : "I32"));
    }
    scratch_destroy(&folder);
}

static void no_memory_leaves_nothing_behind(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    static const char *const files[] = {"gru_tied.safetensors", "views.pt"};
    fault_allocator fault;
    for (size_t i = 0; i < 2; i++) {
        size_t n;
        char path[256];
        snprintf(path, sizeof path, GOLDEN_FOLDER "%s", files[i]);
        for (n = 1;; n++) {
            lrnn_model *model;
            fault_allocator_start(&fault, n);
            options.allocator = &fault.allocator;
            lrnn_status status = lrnn_model_import(&model, path, &options);
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_those_of_pytorch),
        cmocka_unit_test(other_files_of_torch_save_are_read),
        cmocka_unit_test(an_entry_of_a_file_is_chosen_by_name),
        cmocka_unit_test(objects_beside_the_state_dict_are_skipped),
        cmocka_unit_test(relu_is_said_by_an_option),
        cmocka_unit_test(features_beside_tokens_are_said_by_an_option),
        cmocka_unit_test(the_architecture_is_worked_out),
        cmocka_unit_test(projections_are_told_by_their_tensors),
        cmocka_unit_test(a_padding_token_is_said_by_an_option),
        cmocka_unit_test(vocabularies_come_along),
        cmocka_unit_test(numbers_must_be_finite_floats),
        cmocka_unit_test(no_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
