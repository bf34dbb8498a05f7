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

static lrnn_status check_state(const importing *in, const network_tensor *expected)
{
    import_piece piece = import_find_state(&in->index, &in->parts, expected->name);
    const import_tensor *first = find_tensor(in, "state.h_l0");
    char h[NETWORK_NAME_ROOM];
    CHECK(import_check_state(&in->index, &piece, expected->count, first->view->rank));
    snprintf(h, sizeof h, "%s", expected->name);
    h[sizeof "state." - 1] = 'h';
    if (strcmp(h, expected->name) != 0 && find_tensor(in, h) == piece.tensor) {
        return error_set(LRNN_ERR_INVALID, "%s: initial_h and initial_c are both tensor '%.100s'",
                         in->path, piece.tensor->view->name);
    }
    return LRNN_OK;
}

static lrnn_status missing_state(const importing *in, const network_tensor *expected)
{
    bool c = strncmp(expected->name, "state.c", 7) == 0;
    const char *name = in->parts.initial[c];
    if (name == NULL) {
        return error_set(LRNN_ERR_INVALID, "%s: initial_%c: required, as is the other", in->path,
                         c ? 'c' : 'h');
    }
    return error_set(LRNN_ERR_NOT_FOUND,
                     "%s: initial_%c: there is no tensor '%.100s', nor '%.100s.0' and others that "
                     "the layers share",
                     in->path, c ? 'c' : 'h', name, name);
}

static lrnn_status missing(const importing *in, const network_tensor *expected)
{
    char shape[IMPORT_SHAPE_ROOM], leaf[NETWORK_NAME_ROOM];
    const import_module *home = import_home(&in->index, &in->parts, expected->name, leaf);
    import_shape(shape, expected->rank, expected->shape);
    if (import_is_state(expected->name)) {
        return missing_state(in, expected);
    }
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

/* A bias without which a linear layer may be; it is zero then. */
static bool may_be_absent(const importing *in, const network *net, const network_tensor *expected)
{
    const import_module *owner = expected->offset == net->head_bias    ? in->parts.head
                                 : expected->offset == net->input_bias ? in->parts.input_layer
                                                                       : in->parts.head_layer;
    return network_may_lack(net, expected) && owner != NULL;
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
            CHECK(import_is_state(expected->name) ? check_state(in, expected)
                                                  : check_shape(in, expected, found->view));
            CHECK(import_check_fold(&in->index, found));
        } else if (!may_be_absent(in, net, expected)) {
            return missing(in, expected);
        }
    }
    if (network_is_tied(net)) {
        CHECK(check_tied_head(in));
    }
    return import_check_rest(in, net);
}

/* `count` values from `first` on; of what is folded all. */
static lrnn_status read_part(const importing *in, real *values, const import_tensor *tensor,
                             size_t first, size_t count)
{
    const tensor_view *view = tensor->view;
    lrnn_status status = tensor->fold != NULL
                             ? import_read_fold(values, tensor->fold, &in->allocator)
                             : tensor_read(values, view, first, count);
    if (status == LRNN_ERR_FORMAT) {
        return error_set(status, "%s: %s", in->path, lrnn_last_error());
    }
    CHECK(status);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return error_set(LRNN_ERR_NUMERIC,
                             "%s: tensor '%.100s': value %zu is not a finite float", in->path,
                             view->name, first + i);
        }
    }
    return LRNN_OK;
}

static lrnn_status read_tensor(const importing *in, real *values, const import_tensor *tensor)
{
    return read_part(in, values, tensor, 0, tensor->view->count);
}

static lrnn_status read_state(const importing *in, real *values, const network_tensor *to)
{
    import_piece piece = import_find_state(&in->index, &in->parts, to->name);
    return read_part(in, values, piece.tensor, piece.row * to->count, to->count);
}

static lrnn_status read_all(const importing *in, lrnn_model *model)
{
    const network *net = &model->net;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *to = &net->tensors[i];
        const import_tensor *found = find_tensor(in, to->name);
        if (found != NULL) {
            real *values = model->parameters + to->offset;
            CHECK(import_is_state(to->name) ? read_state(in, values, to)
                                            : read_tensor(in, values, found));
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
    const import_tensor *initial =
        net->options.learned_state ? find_tensor(in, "state.h_l0") : NULL;
    model->names.state_rank = initial != NULL ? initial->view->rank : 0;
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
