/* state_dicts for PyTorch, written, and the names that make them so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/fault_allocator.h"
#include "support/pytorch_golden.h"
#include "support/same_tensors.h"
#include "support/scratch.h"
#include "support/tensor_bytes.h"

#define TOLERANCE 1e-5

/* Imports a file that must be fine. */
static lrnn_model *import(const char *path)
{
    lrnn_model *model;
    if (lrnn_model_import(&model, path, NULL) != LRNN_OK) {
        fail_msg("%s", lrnn_last_error());
    }
    return model;
}

static void names_survive_saving_loading_training_and_come_back(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *saved = scratch_path(&folder, "saved"), *exported = scratch_path(&folder, "out");
    static const char *const nets[] = {"rnn_tanh",       "lstm",          "gru_f16",
                                       "lstm_bf16",      "lstm_cell",     "lstm_alone",
                                       "lstm_projected", "lstm_adaptive", "gru_adaptive"};
    lrnn_trainer_options options;
    assert_int_equal(lrnn_trainer_options_init(&options, sizeof options), LRNN_OK);
    options.loss = LRNN_LOSS_NONE;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char path[256];
        lrnn_trainer *trainer;
        snprintf(path, sizeof path, GOLDEN_FOLDER "%s.safetensors", nets[i]);
        lrnn_model *model = import(path);
        assert_int_equal(lrnn_model_save(model, saved), LRNN_OK);
        lrnn_model_destroy(model);
        assert_int_equal(lrnn_model_load(&model, saved, NULL), LRNN_OK);
        assert_int_equal(lrnn_trainer_create(&trainer, model, &options), LRNN_OK);
        lrnn_model_destroy(model);
        assert_int_equal(lrnn_trainer_snapshot(&model, trainer), LRNN_OK);
        assert_int_equal(lrnn_model_export(model, exported, NULL), LRNN_OK);
        same_tensors(path, exported);
        assert_true(golden_difference(model, nets[i]) < TOLERANCE);
        lrnn_trainer_destroy(trainer);
        lrnn_model_destroy(model);
    }
    scratch_destroy(&folder);
}

static void an_export_has_the_names_that_are_asked_for(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out");
    lrnn_export_options options;
    safetensors *file;
    lrnn_model *model = import(GOLDEN_FOLDER "lstm_bf16.safetensors");
    assert_int_equal(lrnn_export_options_init(&options, sizeof options), LRNN_OK);
    options.recurrent = "";
    options.head = "out.proj";
    assert_int_equal(lrnn_model_export(model, path, &options), LRNN_OK);
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    assert_non_null(safetensors_find(file, "weight_ih_l0"));
    assert_non_null(safetensors_find(file, "out.proj.weight"));
    assert_non_null(safetensors_find(file, "out.proj.bias"));
    assert_non_null(safetensors_find(file, "embedding.weight"));
    assert_int_equal(safetensors_count(file), 7);
    safetensors_destroy(file);
    options.embedding = "out.proj";
    assert_int_equal(lrnn_model_export(model, path, &options), LRNN_ERR_INVALID);
    assert_non_null(strstr(lrnn_last_error(), "out.proj.weight"));
    assert_int_equal(lrnn_model_export(NULL, path, NULL), LRNN_ERR_INVALID);
    assert_int_equal(lrnn_model_export(model, "/nowhere/x", NULL), LRNN_ERR_IO);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

static void a_model_of_ours_exports_our_names(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out"), *saved = scratch_path(&folder, "saved");
    lrnn_model_options options;
    lrnn_model *model, *again;
    assert_int_equal(lrnn_model_options_init(&options, sizeof options), LRNN_OK);
    options.vocab_size = 5;
    options.hidden_size = 4;
    assert_int_equal(lrnn_model_create(&model, &options), LRNN_OK);
    assert_int_equal(lrnn_model_export(model, path, NULL), LRNN_OK);
    again = import(path);
    float a[4096], b[4096];
    size_t count = lrnn_model_parameter_count(model);
    assert_int_equal(lrnn_model_parameter_count(again), count);
    assert_int_equal(lrnn_model_copy_parameter(a, 4096, model, NULL), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(b, 4096, again, NULL), LRNN_OK);
    assert_memory_equal(a, b, count * sizeof *a);
    lrnn_model_destroy(again);
    assert_int_equal(lrnn_model_save(model, saved), LRNN_OK);
    assert_int_equal(lrnn_model_import(&again, saved, NULL), LRNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(lrnn_last_error(), "lrnn_model_load"));
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* The model with one parameter changed. */
static lrnn_model *with_changed(const lrnn_model *model, const char *name)
{
    lrnn_trainer *trainer;
    lrnn_parameter parameter;
    lrnn_model *changed;
    float values[64];
    assert_int_equal(lrnn_parameter_init(&parameter, sizeof parameter), LRNN_OK);
    assert_int_equal(lrnn_model_find_parameter(&parameter, model, name), LRNN_OK);
    assert_int_equal(lrnn_model_copy_parameter(values, 64, model, name), LRNN_OK);
    values[0] += 1;
    assert_int_equal(lrnn_trainer_create(&trainer, model, NULL), LRNN_OK);
    assert_int_equal(lrnn_trainer_set_parameter(trainer, name, values, parameter.count), LRNN_OK);
    assert_int_equal(lrnn_trainer_snapshot(&changed, trainer), LRNN_OK);
    lrnn_trainer_destroy(trainer);
    return changed;
}

static void a_bias_that_was_absent_is_written_once_it_is_something(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out");
    lrnn_model *model = import(GOLDEN_FOLDER "lstm_bf16.safetensors");
    lrnn_model *changed = with_changed(model, "head.bias");
    safetensors *file;
    assert_int_equal(lrnn_model_export(changed, path, NULL), LRNN_OK);
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    assert_non_null(safetensors_find(file, "dense.bias"));
    safetensors_destroy(file);
    lrnn_model_destroy(model);
    lrnn_model_destroy(changed);
    scratch_destroy(&folder);
}

static void what_was_tied_and_is_no_longer_equal_is_refused(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out"), *saved = scratch_path(&folder, "saved");
    lrnn_export_options options;
    lrnn_model *model = import(GOLDEN_FOLDER "gru_tied.safetensors");
    safetensors *file;
    assert_int_equal(lrnn_model_export(model, path, NULL), LRNN_OK);
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    assert_non_null(safetensors_find(file, "encoder.weight"));
    assert_non_null(safetensors_find(file, "decoder.weight"));
    safetensors_destroy(file);
    lrnn_model *changed = with_changed(model, "head.weight");
    lrnn_model_destroy(model);
    assert_int_equal(lrnn_model_save(changed, saved), LRNN_OK);
    lrnn_model_destroy(changed);
    assert_int_equal(lrnn_model_load(&changed, saved, NULL), LRNN_OK);
    assert_int_equal(lrnn_model_export(changed, path, NULL), LRNN_ERR_UNSUPPORTED);
    assert_int_equal(lrnn_export_options_init(&options, sizeof options), LRNN_OK);
    options.head = "decoder";
    assert_int_equal(lrnn_model_export(changed, path, &options), LRNN_OK);
    lrnn_model_destroy(changed);
    scratch_destroy(&folder);
}

static safetensors *exported(const lrnn_model *model, const char *path,
                             const lrnn_export_options *options)
{
    safetensors *file;
    assert_int_equal(lrnn_model_export(model, path, options), LRNN_OK);
    assert_int_equal(safetensors_open(&file, NULL, path), LRNN_OK);
    return file;
}

static void what_stays_tied_is_written_twice_and_comes_back_as_one(void **unused)
{
    (void)unused;
    static const char *const files[] = {GOLDEN_FOLDER "gru_tied.safetensors",
                                        GOLDEN_FOLDER "gru_tied.pt"};
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out"), *saved = scratch_path(&folder, "saved");
    lrnn_import_options options;
    lrnn_export_options names;
    assert_int_equal(lrnn_import_options_init(&options, sizeof options), LRNN_OK);
    assert_int_equal(lrnn_export_options_init(&names, sizeof names), LRNN_OK);
    options.tied_weights = 1;
    names.head = "out";
    for (size_t i = 0; i < 2; i++) {
        lrnn_model *model, *loaded;
        assert_int_equal(lrnn_model_import(&model, files[i], &options), LRNN_OK);
        assert_true(golden_difference(model, "gru_tied") < 1e-5);
        assert_int_equal(lrnn_model_tensor_count(model), 6); /* no head.weight */
        assert_int_equal(lrnn_model_save(model, saved), LRNN_OK);
        lrnn_model_destroy(model);
        assert_int_equal(lrnn_model_load(&loaded, saved, NULL), LRNN_OK);
        assert_true(golden_difference(loaded, "gru_tied") < 1e-5);
        lrnn_model *changed = with_changed(loaded, "embedding.weight");
        safetensors *file = exported(changed, path, NULL);
        const tensor_view *one = safetensors_find(file, "encoder.weight");
        const tensor_view *two = safetensors_find(file, "decoder.weight");
        assert_non_null(one);
        assert_non_null(two);
        float a[28], b[28];
        assert_int_equal(tensor_read(a, one, 0, 28), LRNN_OK);
        assert_int_equal(tensor_read(b, two, 0, 28), LRNN_OK);
        assert_memory_equal(a, b, sizeof a);
        safetensors_destroy(file);
        file = exported(changed, path, &names);
        assert_non_null(safetensors_find(file, "out.weight"));
        assert_non_null(safetensors_find(file, "out.bias"));
        assert_null(safetensors_find(file, "decoder.weight"));
        safetensors_destroy(file);
        lrnn_model_destroy(changed);
        lrnn_model_destroy(loaded);
    }
    scratch_destroy(&folder);
}

static void what_is_not_one_matrix_is_not_tied(void **unused)
{
    (void)unused;
    lrnn_import_options options;
    lrnn_model *model;
    assert_int_equal(lrnn_import_options_init(&options, sizeof options), LRNN_OK);
    options.tied_weights = 1;
    assert_int_equal(lrnn_model_import(&model, GOLDEN_FOLDER "lstm.safetensors", &options),
                     LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "tied_weights: "));
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out");
    lrnn_model *tied = import(GOLDEN_FOLDER "gru_tied.safetensors");
    lrnn_model *changed = with_changed(tied, "head.weight");
    lrnn_export_options names;
    assert_int_equal(lrnn_export_options_init(&names, sizeof names), LRNN_OK);
    names.head = "decoder";
    assert_int_equal(lrnn_model_export(changed, path, &names), LRNN_OK);
    assert_int_equal(lrnn_model_import(&model, path, &options), LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "'encoder.weight' and head 'decoder.weight' differ"));
    assert_null(model);
    lrnn_model_destroy(tied);
    lrnn_model_destroy(changed);
    scratch_destroy(&folder);
}

/* ---- names in the metadata are hostile too ---- */

static void names_of_a_model_file_are_checked(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *saved = scratch_path(&folder, "saved"), *changed = scratch_path(&folder, "changed");
    static const char *const values[] = {"",
                                         "{}",
                                         "[]",
                                         "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",7]",
                                         "[\"\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]",
                                         "[\"a\",\"b\",\"c\",\"d\",\"e\",\"\\u0000\",\"g\"]"};
    lrnn_model *model = import(GOLDEN_FOLDER "rnn_tanh.safetensors");
    assert_int_equal(lrnn_model_save(model, saved), LRNN_OK);
    lrnn_model_destroy(model);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        static const char *const keys[] = {
            "lrnn.format",        "lrnn.kind",        "lrnn.cell",   "lrnn.head",
            "lrnn.vocab_size",    "lrnn.dropout",     "lrnn.seed",   "lrnn.embedding_size",
            "lrnn.feature_size",  "lrnn.hidden_size", "lrnn.layers", "lrnn.output_size",
            "lrnn.bidirectional", "lrnn.bias"};
        safetensors *file;
        safetensors_writer *writer;
        assert_int_equal(safetensors_open(&file, NULL, saved), LRNN_OK);
        assert_int_equal(safetensors_writer_create(&writer, NULL), LRNN_OK);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            const char *value = safetensors_metadata(file, keys[k], NULL);
            assert_int_equal(safetensors_writer_metadata(writer, keys[k], value, strlen(value)),
                             LRNN_OK);
        }
        assert_int_equal(
            safetensors_writer_metadata(writer, "lrnn.names", values[i], strlen(values[i])),
            LRNN_OK);
        for (size_t k = 0; k < safetensors_count(file); k++) {
            const tensor_view *view = safetensors_tensor(file, k);
            assert_int_equal(safetensors_writer_tensor(writer, view->name, view->dtype, view->rank,
                                                       view->shape, bytes_of(view)),
                             LRNN_OK);
        }
        assert_int_equal(safetensors_writer_save(writer, changed), LRNN_OK);
        safetensors_writer_destroy(writer);
        safetensors_destroy(file);
        assert_int_equal(lrnn_model_load(&model, changed, NULL), LRNN_ERR_FORMAT);
    }
    scratch_destroy(&folder);
}

static void no_memory_while_names_are_carried_changes_nothing(void **unused)
{
    (void)unused;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "out"), *saved = scratch_path(&folder, "saved");
    fault_allocator fault;
    lrnn_import_options options;
    lrnn_model *model, *again;
    bool more = true;
    fault_allocator_start(&fault, 0);
    assert_int_equal(lrnn_import_options_init(&options, sizeof options), LRNN_OK);
    options.allocator = &fault.allocator;
    assert_int_equal(lrnn_model_import(&model, GOLDEN_FOLDER "gru_tied.pt", &options), LRNN_OK);
    size_t live = fault_allocator_live(&fault);
    for (size_t n = 1; more; n++) {
        fault_allocator_fail_next(&fault, n);
        lrnn_status status = lrnn_model_export(model, path, NULL);
        status = status == LRNN_OK ? lrnn_model_save(model, saved) : status;
        again = NULL;
        status = status == LRNN_OK ? lrnn_model_load(&again, saved, &fault.allocator) : status;
        more = fault_allocator_failed(&fault);
        assert_int_equal(status, more ? LRNN_ERR_MEMORY : LRNN_OK);
        lrnn_model_destroy(again);
        assert_int_equal(fault_allocator_live(&fault), live);
    }
    fault_allocator_fail_next(&fault, 0);
    lrnn_model_destroy(model);
    assert_int_equal(fault_allocator_live(&fault), 0);
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_survive_saving_loading_training_and_come_back),
        cmocka_unit_test(an_export_has_the_names_that_are_asked_for),
        cmocka_unit_test(a_model_of_ours_exports_our_names),
        cmocka_unit_test(a_bias_that_was_absent_is_written_once_it_is_something),
        cmocka_unit_test(what_was_tied_and_is_no_longer_equal_is_refused),
        cmocka_unit_test(what_stays_tied_is_written_twice_and_comes_back_as_one),
        cmocka_unit_test(what_is_not_one_matrix_is_not_tied),
        cmocka_unit_test(names_of_a_model_file_are_checked),
        cmocka_unit_test(no_memory_while_names_are_carried_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
