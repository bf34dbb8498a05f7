/* Weights that are stored as something else: norms, masks, weight drop. */
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

static void computes_as(const char *file, const char *net)
{
    char path[256];
    snprintf(path, sizeof path, GOLDEN_IMPORT_FOLDER "%s", file);
    lrnn_model *model = import(path, NULL);
    double difference = golden_difference_in(GOLDEN_IMPORT_FOLDER, model, net);
    if (!(difference < TOLERANCE)) {
        fail_msg("%s: differs by %g", path, difference);
    }
    lrnn_model_destroy(model);
}

static void norms_and_masks_are_folded_as_in_eval_mode(void **unused)
{
    (void)unused;
    static const char *const nets[] = {
        "weight_norm",   "weight_norm_parametrized",   "weight_norm_layers",
        "spectral_norm", "spectral_norm_parametrized", "pruned"};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.safetensors", nets[i]);
        computes_as(file, nets[i]);
    }
}

/* AWD-LSTM's own form, and fastai's, whose module has a weight of training beside the raw one and
 * whose embedding has two names. */
static void raw_weights_of_weight_drop_count(void **unused)
{
    (void)unused;
    computes_as("awd.safetensors", "awd");
    computes_as("awd_fastai.pt", "awd");
}

static void a_weight_is_exported_under_its_plain_name(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out.safetensors");
    lrnn_model *model = import(GOLDEN_IMPORT_FOLDER "spectral_norm_parametrized.safetensors", NULL);
    assert_int_equal(lrnn_model_export(model, path, NULL), LRNN_OK);
    lrnn_model_destroy(model);
    safetensors *file;
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    assert_non_null(safetensors_find(file, "cells.1.weight_hh"));
    assert_non_null(safetensors_find(file, "fc.weight"));
    assert_int_equal(safetensors_count(file), 11);
    safetensors_destroy(file);
    scratch_destroy(&folder);
}

static void what_is_not_known_is_named(void **unused)
{
    (void)unused;
    lrnn_model *model;
    const plan first[] = {{"rnn.parametrizations.weight_ih_l0.original", 12, 3},
                          {"rnn.weight_hh_l0", 12, 4}};
    const plan twice[] = {{"rnn.weight_ih_l0", 12, 3},
                          {"rnn.parametrizations.weight_hh_l0.original0", 12, 1},
                          {"rnn.parametrizations.weight_hh_l0.original1", 12, 4},
                          {"rnn.parametrizations.weight_hh_l0.1._u", 12, 0}};
    const plan old[] = {{"rnn.weight_ih_l0", 12, 3},
                        {"rnn.weight_hh_l0", 12, 4},
                        {"fc.weight_orig", 5, 4},
                        {"fc.weight_u", 5, 0}};
    assert_int_equal(lrnn_model_import(&model, GOLDEN_IMPORT_FOLDER "orthogonal.safetensors", NULL),
                     LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "'rnn' has no tensor 'weight_hh_l0'"));
    assert_non_null(strstr(lrnn_last_error(), "how 'rnn.parametrizations.weight_hh_l0.0.base' "
                                              "makes a weight is not known"));
    FAILS(LRNN_ERR_FORMAT, first, NULL, "no recurrent layer",
          "how 'rnn.parametrizations.weight_ih_l0.original' makes a weight is not known");
    FAILS(LRNN_ERR_FORMAT, twice, NULL, "'rnn' has no tensor 'weight_hh_l0'",
          "how 'rnn.parametrizations.weight_hh_l0.1._u'");
    FAILS(LRNN_ERR_FORMAT, old, NULL, "'fc.weight_orig' [5,4]", "'fc.weight_u' [5]", "no part");
}

static void parts_that_do_not_fit_are_refused_with_both_shapes(void **unused)
{
    (void)unused;
    const plan norm[] = {
        {"rnn.weight_ih_l0", 12, 3}, {"rnn.weight_hh_l0_g", 11, 1}, {"rnn.weight_hh_l0_v", 12, 4}};
    const plan vectors[] = {{"rnn.weight_ih_l0", 12, 3},
                            {"rnn.weight_hh_l0_orig", 12, 4},
                            {"rnn.weight_hh_l0_u", 12, 0},
                            {"rnn.weight_hh_l0_v", 3, 0}};
    const plan mask[] = {{"rnn.weight_ih_l0", 12, 3},
                         {"rnn.weight_hh_l0_orig", 12, 4},
                         {"rnn.weight_hh_l0_mask", 12, 1}};
    FAILS(LRNN_ERR_FORMAT, norm, NULL, "'rnn.weight_hh_l0_g' [11,1]", "'rnn.weight_hh_l0_v' [12,4]",
          "it makes 'rnn.weight_hh_l0'");
    FAILS(LRNN_ERR_FORMAT, vectors, NULL, "'rnn.weight_hh_l0_u' [12]",
          "'rnn.weight_hh_l0_orig' [12,4]");
    FAILS(LRNN_ERR_FORMAT, mask, NULL, "'rnn.weight_hh_l0_mask' [12,1]");
}

/* A direction of length 0 has no norm: PyTorch gives NaN. */
static void a_weight_without_norm_is_refused(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "x.safetensors");
    const float one[] = {1}, zero[] = {0};
    const size_t square[] = {1, 1};
    safetensors_writer *writer;
    lrnn_model *model;
    assert_int_equal(safetensors_writer_create(&writer, NULL), LRNN_OK);
    assert_int_equal(safetensors_writer_tensor(writer, "weight_ih_l0", TENSOR_F32, 2, square, one),
                     LRNN_OK);
    assert_int_equal(
        safetensors_writer_tensor(writer, "weight_hh_l0_g", TENSOR_F32, 2, square, one), LRNN_OK);
    assert_int_equal(
        safetensors_writer_tensor(writer, "weight_hh_l0_v", TENSOR_F32, 2, square, zero), LRNN_OK);
    assert_int_equal(safetensors_writer_save(writer, path), LRNN_OK);
    safetensors_writer_destroy(writer);
    assert_int_equal(lrnn_model_import(&model, path, NULL), LRNN_ERR_NUMERIC);
    assert_non_null(strstr(lrnn_last_error(), "'weight_hh_l0': value 0 is not a finite float"));
    scratch_destroy(&folder);
}

static void no_memory_leaves_nothing_behind(void **unused)
{
    (void)unused;
    lrnn_import_options options = import_options();
    fault_allocator fault;
    for (size_t n = 1;; n++) {
        lrnn_model *model;
        fault_allocator_start(&fault, n);
        options.allocator = &fault.allocator;
        lrnn_status status =
            lrnn_model_import(&model, GOLDEN_IMPORT_FOLDER "weight_norm.safetensors", &options);
        lrnn_model_destroy(model);
        assert_int_equal(fault_allocator_live(&fault), 0);
        if (!fault_allocator_failed(&fault)) {
            assert_int_equal(status, LRNN_OK);
            assert_true(n > 15);
            return;
        }
        assert_int_equal(status, LRNN_ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_and_masks_are_folded_as_in_eval_mode),
        cmocka_unit_test(raw_weights_of_weight_drop_count),
        cmocka_unit_test(a_weight_is_exported_under_its_plain_name),
        cmocka_unit_test(what_is_not_known_is_named),
        cmocka_unit_test(parts_that_do_not_fit_are_refused_with_both_shapes),
        cmocka_unit_test(a_weight_without_norm_is_refused),
        cmocka_unit_test(no_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
