/* The best model so far lies in a checkpoint beside the one that is being trained: its tensors have
 * the names of that one after "checkpoint.best.", as it keeps them. Architecture, vocabularies and
 * names are those of the checkpoint itself. */
#include "checkpoint_best.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "model/file.h"
#include "model/values.h"

#define BEST_PREFIX CHECKPOINT_PREFIX "best."

enum { NAME_ROOM = 160 };

/* ---- saving ---- */

static bool same_tensor(const network_tensor *a, const network_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->rank == b->rank && a->count == b->count &&
           a->shape[0] == b->shape[0];
}

static lrnn_status check_same(const network *ours, const network *best)
{
    bool same = ours->tensor_count == best->tensor_count;
    for (size_t i = 0; same && i < ours->tensor_count; i++) {
        same = same_tensor(&ours->tensors[i], &best->tensors[i]);
    }
    return same ? LRNN_OK
                : error_set(LRNN_ERR_INVALID,
                            "best: its architecture is not that of the trainer's model");
}

/* As the model keeps it, or of a matrix of bytes the numbers. */
static lrnn_status put_tensor(safetensors_writer *writer, const char *name, const lrnn_model *best,
                              const network_tensor *tensor)
{
    if (!model_is_scaled(best, tensor)) {
        return safetensors_writer_tensor(writer, name, model_tensor_dtype(best, tensor),
                                         tensor->rank, tensor->shape, model_tensor(best, tensor));
    }
    real *values = safetensors_writer_room(writer, tensor->count, sizeof *values);
    if (values == NULL) {
        return LRNN_ERR_MEMORY;
    }
    model_read_tensor(values, best, tensor);
    return safetensors_writer_tensor(writer, name, TENSOR_REAL, tensor->rank, tensor->shape,
                                     values);
}

lrnn_status checkpoint_describe_best(safetensors_writer *writer, const lrnn_trainer *trainer,
                                     const lrnn_model *best)
{
    if (best == NULL) {
        return LRNN_OK;
    }
    CHECK(check_same(trainer->net, &best->net));
    for (size_t i = 0; i < best->net.tensor_count; i++) {
        const network_tensor *tensor = &best->net.tensors[i];
        char name[NAME_ROOM];
        snprintf(name, sizeof name, "%s%s", BEST_PREFIX, tensor->name);
        CHECK(put_tensor(writer, name, best, tensor));
    }
    return LRNN_OK;
}

/* ---- loading ---- */

static lrnn_status read_tensor(real *values, const network_tensor *tensor, const safetensors *file)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s%s", BEST_PREFIX, tensor->name);
    const tensor_view *view = safetensors_find(file, name);
    if (view == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: tensor %s is missing", safetensors_name(file), name);
    }
    if (view->rank != tensor->rank || view->count != tensor->count ||
        view->shape[0] != tensor->shape[0]) {
        return error_set(LRNN_ERR_FORMAT, "%s: tensor %s: expected the shape of %s",
                         safetensors_name(file), name, tensor->name);
    }
    return tensor_read(values, view, 0, tensor->count);
}

static lrnn_status read_best(lrnn_model **best, const lrnn_model *like, real *parameters,
                             const safetensors *file)
{
    const network *net = &like->net;
    for (size_t i = 0; i < net->tensor_count; i++) {
        CHECK(read_tensor(parameters + net->tensors[i].offset, &net->tensors[i], file));
    }
    lrnn_status status = model_create_like(best, like, net->options.weight_type, parameters);
    return status == LRNN_ERR_NUMERIC
               ? error_set(status, "%s: best: %s", safetensors_name(file), lrnn_last_error())
               : status;
}

static lrnn_status load_best(lrnn_model **best, const safetensors *file,
                             const lrnn_allocator *allocator)
{
    lrnn_model *like;
    CHECK(model_from_file(&like, file, allocator));
    real *parameters = memory_allocate(allocator, like->net.parameter_count, sizeof *parameters,
                                       "checkpoint: best");
    lrnn_status status =
        parameters != NULL ? read_best(best, like, parameters, file) : LRNN_ERR_MEMORY;
    memory_release(allocator, parameters);
    lrnn_model_destroy(like);
    return status;
}

static bool holds_best(const safetensors *file)
{
    for (size_t i = 0; i < safetensors_count(file); i++) {
        if (strncmp(safetensors_tensor(file, i)->name, BEST_PREFIX, strlen(BEST_PREFIX)) == 0) {
            return true;
        }
    }
    return false;
}

lrnn_status checkpoint_load_best(lrnn_model **best, const safetensors *file,
                                 const lrnn_allocator *allocator)
{
    *best = NULL;
    return holds_best(file)
               ? load_best(best, file, allocator)
               : error_set(LRNN_ERR_NOT_FOUND, "%s: holds no best model", safetensors_name(file));
}

lrnn_status lrnn_checkpoint_load_best(lrnn_model **best, const char *path,
                                      const lrnn_allocator *allocator)
{
    lrnn_allocator own;
    safetensors *file;
    if (best == NULL || path == NULL) {
        return error_null(best == NULL ? "best" : "path");
    }
    *best = NULL;
    CHECK(allocator_read(&own, allocator));
    CHECK(safetensors_open(&file, &own, path));
    lrnn_status status = checkpoint_load_best(best, file, &own);
    safetensors_destroy(file);
    return status;
}
