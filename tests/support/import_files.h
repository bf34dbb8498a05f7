/* Files of made-up tensors to import, and what is expected of them. For use behind <cmocka.h>. */
#ifndef SUPPORT_IMPORT_FILES_H
#define SUPPORT_IMPORT_FILES_H

#include <string.h>

#include "format/safetensors.h"
#include "lrnn.h"
#include "support/scratch.h"

static inline lrnn_import_options import_options(void)
{
    lrnn_import_options options;
    assert_int_equal(lrnn_import_options_init(&options, sizeof options), LRNN_OK);
    return options;
}

/* Imports a file that must be fine. */
static inline lrnn_model *import(const char *path, const lrnn_import_options *options)
{
    lrnn_model *model;
    if (lrnn_model_import(&model, path, options) != LRNN_OK) {
        fail_msg("%s", lrnn_last_error());
    }
    return model;
}

static inline lrnn_model_options architecture(const lrnn_model *model)
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
static inline const char *write_file(const scratch *folder, const plan *plans, size_t count)
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
static inline void fails(lrnn_status status, const plan *plans, size_t count,
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

static inline lrnn_model *import_plans(const plan *plans, size_t count,
                                       const lrnn_import_options *options)
{
    scratch folder = scratch_create();
    lrnn_model *model = import(write_file(&folder, plans, count), options);
    scratch_destroy(&folder);
    return model;
}

#define IMPORT(plans, options) import_plans(plans, sizeof(plans) / sizeof(plans)[0], options)

#endif
