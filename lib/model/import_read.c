/* The parameters of a model out of the tensors of a file: each is there in its shape, its numbers
 * are finite floats, and what it was called is kept. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "import.h"
#include "model.h"

static import_tensor *find_tensor(const importing *in, const char *name)
{
    return import_find_parameter(&in->index, &in->parts, name);
}

static lrnn_status check_shape(const importing *in, const network_tensor *expected,
                               const tensor_view *found)
{
    bool same = found->rank == expected->rank && found->shape[0] == expected->shape[0] &&
                (expected->rank == 1 || found->shape[1] == expected->shape[1]);
    char shape[IMPORT_SHAPE_ROOM];
    return same ? LRNN_OK
                : import_wrong_shape(&in->index, found,
                                     import_shape(shape, expected->rank, expected->shape));
}

static lrnn_status missing(const importing *in, const network_tensor *expected)
{
    char shape[IMPORT_SHAPE_ROOM], leaf[NETWORK_NAME_ROOM];
    const import_module *home = import_home(&in->index, &in->parts, expected->name, leaf);
    import_shape(shape, expected->rank, expected->shape);
    if (home == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: no tensor can be %s %s of the model", in->path,
                         expected->name, shape);
    }
    const import_tensor *any = &in->index.tensors[home->first];
    size_t length = strlen(leaf);
    if (any->cell && length > 3 && strcmp(leaf + length - 3, "_l0") == 0) {
        leaf[length - 3] = '\0';
    }
    char hint[IMPORT_HINT_ROOM];
    return error_set(LRNN_ERR_FORMAT, "%s: tensor '%.*s%s%s' %s is missing%s", in->path,
                     any->module_length > 100 ? 100 : (int)any->module_length, any->view->name,
                     any->module_length > 0 ? "." : "", leaf, shape, import_hint(hint, &in->index));
}

/* The file has the head's matrix too, of the embedding's shape. */
static lrnn_status check_tied_head(const importing *in)
{
    const import_tensor *embedding = find_tensor(in, "embedding.weight");
    import_tensor *head = find_tensor(in, "head.weight");
    const tensor_view *one = embedding->view;
    if (head == NULL) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tied_weights: no tensor is the head's matrix; that of the embedding "
                         "is '%.100s'",
                         in->path, one->name);
    }
    head->used = true;
    if (head->view->rank == 2 && head->view->shape[0] == one->shape[0] &&
        head->view->shape[1] == one->shape[1]) {
        return LRNN_OK;
    }
    char shape[IMPORT_SHAPE_ROOM], head_shape[IMPORT_SHAPE_ROOM];
    return error_set(LRNN_ERR_FORMAT,
                     "%s: tied_weights: embedding '%.100s' %s and head '%.100s' %s are not one "
                     "matrix",
                     in->path, one->name, import_shape(shape, one->rank, one->shape),
                     head->view->name,
                     import_shape(head_shape, head->view->rank, head->view->shape));
}

lrnn_status import_check_tensors(importing *in, const network *net)
{
    if (network_is_adaptive(net) && in->parts.adaptive.tails == 0) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: cutoffs: there is no adaptive softmax, a tensor of which ends with "
                         "tail.0.0.weight",
                         in->path);
    }
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *expected = &net->tensors[i];
        import_tensor *found = find_tensor(in, expected->name);
        if (found != NULL) {
            found->used = true;
            CHECK(check_shape(in, expected, found->view));
            CHECK(import_check_fold(&in->index, found));
        } else if (expected->offset != net->head_bias || in->parts.head == NULL) {
            return missing(in, expected);
        }
    }
    if (network_is_tied(net)) {
        CHECK(check_tied_head(in));
    }
    return import_check_rest(in, net);
}

static lrnn_status read_tensor(const importing *in, real *values, const import_tensor *tensor)
{
    const tensor_view *view = tensor->view;
    lrnn_status status = tensor->fold != NULL
                             ? import_read_fold(values, tensor->fold, &in->allocator)
                             : tensor_read(values, view, 0, view->count);
    if (status == LRNN_ERR_FORMAT) {
        return error_set(status, "%s: %s", in->path, lrnn_last_error());
    }
    CHECK(status);
    for (size_t i = 0; i < view->count; i++) {
        if (!isfinite(values[i])) {
            return error_set(LRNN_ERR_NUMERIC,
                             "%s: tensor '%.100s': value %zu is not a finite float", in->path,
                             view->name, i);
        }
    }
    return LRNN_OK;
}

static lrnn_status read_all(const importing *in, lrnn_model *model)
{
    const network *net = &model->net;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const import_tensor *found = find_tensor(in, net->tensors[i].name);
        if (found != NULL) {
            CHECK(read_tensor(in, model->parameters + net->tensors[i].offset, found));
        }
    }
    return LRNN_OK;
}

/* The head's matrix of a tied model has the numbers that were read as the embedding. */
static lrnn_status check_tied_values(const importing *in, const lrnn_model *model)
{
    const import_tensor *embedding = find_tensor(in, "embedding.weight");
    const import_tensor *head = find_tensor(in, "head.weight");
    if (import_is_same(embedding, head)) {
        return LRNN_OK;
    }
    size_t count = head->view->count;
    real *values = memory_allocate(&in->allocator, count, sizeof *values, "import: head");
    if (values == NULL) {
        return LRNN_ERR_MEMORY;
    }
    const real *ours = model->parameters + model->net.embedding;
    lrnn_status status = read_tensor(in, values, head);
    for (size_t i = 0; status == LRNN_OK && i < count; i++) {
        if (values[i] != ours[i]) {
            status = error_set(LRNN_ERR_FORMAT,
                               "%s: tied_weights: embedding '%.100s' and head '%.100s' differ at "
                               "value %zu",
                               in->path, embedding->view->name, head->view->name, i);
        }
    }
    memory_release(&in->allocator, values);
    return status;
}

/* Our name i of those to remember. */
static const char *name_of(const network *net, size_t i)
{
    return i < net->tensor_count ? net->tensors[i].name : "head.weight";
}

/* Remembers what the tensors were called. */
static lrnn_status keep_names(const importing *in, lrnn_model *model)
{
    const network *net = &model->net;
    size_t length = 0, count = model_names_count(net);
    for (size_t i = 0; i < count; i++) {
        const import_tensor *found = find_tensor(in, name_of(net, i));
        length += found != NULL ? strlen(found->view->name) : 0;
    }
    CHECK(model_names_allocate(&model->names, count, length, &model->allocator));
    char *to = model->names.text;
    for (size_t i = 0; i < count; i++) {
        const import_tensor *found = find_tensor(in, name_of(net, i));
        strcpy(to, found != NULL ? found->view->name : "");
        to += strlen(to) + 1;
    }
    const import_tensor *embedding = find_tensor(in, "embedding.weight");
    const import_tensor *head = find_tensor(in, "head.weight");
    model->names.tied = !network_is_tied(net) && embedding != NULL && head != NULL &&
                        import_is_same(embedding, head);
    return LRNN_OK;
}

lrnn_status import_read_parameters(const importing *in, lrnn_model *model)
{
    CHECK(read_all(in, model));
    if (network_is_tied(&model->net)) {
        CHECK(check_tied_values(in, model));
    }
    return keep_names(in, model);
}
