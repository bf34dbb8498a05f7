/* An nn.AdaptiveLogSoftmaxWithLoss in a file: modules "head", "tail.0.0", "tail.0.1", "tail.1.0"
 * and so on under one name, all with a weight and no bias but that of "head". Cutoffs follow from
 * the rows of the matrices; of div_value the file says no more than what each tail's size makes of
 * it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "adaptive.h"
#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "import.h"

static const char mark[] = "tail.0.0";

/* The name of a module, without a NUL. */
typedef struct module_name {
    const char *text;
    size_t length;
} module_name;

static module_name name_of(const import_index *index, const import_module *module)
{
    const import_tensor *tensor = &index->tensors[module->first];
    return (module_name){tensor->view->name, tensor->module_length};
}

/* Is it "tail.0.0", or ends with ".tail.0.0"? */
static bool has_mark(module_name name)
{
    size_t length = sizeof mark - 1;
    return name.length >= length && memcmp(name.text + name.length - length, mark, length) == 0 &&
           (name.length == length || name.text[name.length - length - 1] == '.');
}

/* The module that is called `part` under the softmax; `part` ends with a NUL or a dot and a leaf.
 */
static const import_module *find_part(const import_index *index, const import_adaptive *of,
                                      const char *part, size_t part_length)
{
    size_t dot = of->length > 0 ? 1 : 0;
    for (size_t i = 0; i < index->module_count; i++) {
        module_name name = name_of(index, &index->modules[i]);
        if (name.length == of->length + dot + part_length &&
            memcmp(name.text, of->name, of->length) == 0 &&
            (dot == 0 || name.text[of->length] == '.') &&
            memcmp(name.text + of->length + dot, part, part_length) == 0) {
            return &index->modules[i];
        }
    }
    return NULL;
}

bool import_adaptive_owns(const import_index *index, const import_adaptive *of,
                          const import_module *module)
{
    module_name name = name_of(index, module);
    size_t begin = of->length + (of->length > 0 ? 1 : 0);
    const char *part = name.text + begin;
    return of->tails > 0 && name.length > begin && memcmp(name.text, of->name, of->length) == 0 &&
           (of->length == 0 || name.text[of->length] == '.') &&
           ((name.length - begin == 4 && memcmp(part, "head", 4) == 0) ||
            (name.length - begin > 5 && memcmp(part, "tail.", 5) == 0));
}

const import_module *import_adaptive_part(const import_index *index, const import_adaptive *of,
                                          const char *name)
{
    const char *part = strchr(name, '.') + 1, *leaf = strrchr(name, '.');
    return leaf > part ? find_part(index, of, part, (size_t)(leaf - part)) : NULL;
}

static size_t count_tails(const import_index *index, const import_adaptive *of)
{
    size_t count = 0;
    for (;; count++) {
        char part[48];
        int length = snprintf(part, sizeof part, "tail.%zu.0", count);
        if (find_part(index, of, part, (size_t)length) == NULL) {
            return count;
        }
    }
}

static lrnn_status two_softmaxes(const import_index *index, module_name a, module_name b)
{
    return error_set(LRNN_ERR_FORMAT,
                     "%s: both '%.*s' and '%.*s' are tails of an adaptive softmax; option 'head' "
                     "says which is the head",
                     tensor_file_name(index->file), a.length > 100 ? 100 : (int)a.length, a.text,
                     b.length > 100 ? 100 : (int)b.length, b.text);
}

lrnn_status import_adaptive_find(import_adaptive *found, const import_index *index,
                                 const char *wanted)
{
    module_name first = {NULL, 0};
    *found = (import_adaptive){0};
    for (size_t i = 0; i < index->module_count; i++) {
        module_name name = name_of(index, &index->modules[i]);
        if (!has_mark(name)) {
            continue;
        }
        size_t length = name.length - (sizeof mark - 1);
        length -= length > 0 ? 1 : 0;
        if (wanted != NULL &&
            (strlen(wanted) != length || memcmp(wanted, name.text, length) != 0)) {
            continue;
        }
        if (first.text != NULL) {
            return two_softmaxes(index, first, name);
        }
        first = name;
        *found = (import_adaptive){.name = name.text, .length = length, .tails = 1};
    }
    if (found->tails > 0) {
        found->tails = count_tails(index, found);
        found->head = find_part(index, found, "head", 4);
    }
    if (found->tails > 0 && (found->head == NULL || found->head->weight == NULL)) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: '%.*s' is a tail of an adaptive softmax, but there is no matrix "
                         "'%.*s%shead.weight'",
                         tensor_file_name(index->file),
                         first.length > 100 ? 100 : (int)first.length, first.text,
                         found->length > 100 ? 100 : (int)found->length, found->name,
                         found->length > 0 ? "." : "");
    }
    return LRNN_OK;
}

/* ---- sizes ---- */

/* The matrix of tail i; layer 0 or 1. */
static lrnn_status tail_shape(const size_t **shape, const import_index *index,
                              const import_adaptive *of, size_t i, size_t layer)
{
    char part[48];
    int length = snprintf(part, sizeof part, "tail.%zu.%zu", i, layer);
    const import_module *module = find_part(index, of, part, (size_t)length);
    if (module == NULL || module->weight == NULL) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: an adaptive softmax of %zu tails, but there is no matrix "
                         "'%.*s%s%s.weight'",
                         tensor_file_name(index->file), of->tails,
                         of->length > 100 ? 100 : (int)of->length, of->name,
                         of->length > 0 ? "." : "", part);
    }
    *shape = module->weight->view->shape;
    return LRNN_OK;
}

static bool fits(double div_value, size_t top, const size_t *sizes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (adaptive_tail_size(top, div_value, i) != sizes[i]) {
            return false;
        }
    }
    return true;
}

/* A div_value that gives these sizes: PyTorch's default, a small whole number or half, or one in
 * the middle of what is possible; 0: there is none. */
static double tell_div_value(size_t top, const size_t *sizes, size_t count)
{
    double least = 1, most = HUGE_VAL;
    if (fits(4, top, sizes, count)) {
        return 4;
    }
    for (int twice = 2; twice <= 128; twice++) {
        if (fits(twice / 2.0, top, sizes, count)) {
            return twice / 2.0;
        }
    }
    for (size_t i = 0; i < count; i++) {
        double root = 1.0 / ((double)i + 1);
        least = fmax(least, pow((double)top / ((double)sizes[i] + 1), root));
        most = sizes[i] > 0 ? fmin(most, pow((double)top / (double)sizes[i], root)) : most;
    }
    return isfinite(most) && fits((least + most) / 2, top, sizes, count) ? (least + most) / 2 : 0;
}

lrnn_status import_adaptive_measure(lrnn_model_options *o, const import_index *index,
                                    const import_adaptive *of)
{
    const size_t *head = of->head->weight->view->shape, *shape;
    size_t sizes[LRNN_MOST_CUTOFFS], end;
    if (of->tails > LRNN_MOST_CUTOFFS) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: an adaptive softmax of %zu cutoffs; this library has at most %d",
                         tensor_file_name(index->file), of->tails, LRNN_MOST_CUTOFFS);
    }
    if (head[0] <= of->tails) {
        return error_set(
            LRNN_ERR_FORMAT,
            "%s: tensor '%.100s' [%zu,%zu]: expected more rows than the %zu of the tails",
            tensor_file_name(index->file), of->head->weight->view->name, head[0], head[1],
            of->tails);
    }
    end = head[0] - of->tails;
    for (size_t i = 0; i < of->tails; i++) {
        o->cutoffs[i] = end;
        CHECK(tail_shape(&shape, index, of, i, 0));
        sizes[i] = shape[0];
        CHECK(tail_shape(&shape, index, of, i, 1));
        if (!size_add(&end, end, shape[0])) {
            return error_set(LRNN_ERR_FORMAT, "%s: an adaptive softmax of too many outputs",
                             tensor_file_name(index->file));
        }
    }
    o->output_size = end;
    o->adaptive_bias = of->head->bias != NULL;
    o->div_value = tell_div_value(head[1], sizes, of->tails);
    if (o->div_value == 0) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: an adaptive softmax reads %zu values, and no div_value gives its "
                         "tails, the first of which reads %zu",
                         tensor_file_name(index->file), head[1], sizes[0]);
    }
    return LRNN_OK;
}
