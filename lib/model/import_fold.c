/* Weights that are stored as something else, found by the names of their parts and computed as
 * PyTorch computes them in eval mode:
 *   weight_norm    weight_g, weight_v; parametrizations.weight.original0, .original1
 *                    w = g v / |v|, the norm over those axes of v along which g has one element
 *                    (Salimans & Kingma 2016, equation 2)
 *   spectral_norm  weight_orig, weight_u, weight_v; parametrizations.weight.original, .0._u, .0._v
 *                    w = W / (u W v), u and v as they are stored (Miyato et al. 2018)
 *   pruning        weight_orig, weight_mask:  w = W * mask
 *   weight drop    weight_hh_l0_raw is weight_hh_l0 (Merity et al. 2018, AWD-LSTM); with fastai it
 *                    is one module above
 * A weight of the same name beside them is what they made last, in training maybe: it does not
 * count. What is folded here has the name that PyTorch gives the weight once its reparametrisation
 * is removed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "import.h"

#define PARAMETRIZATIONS "parametrizations."

enum { NAME_ROOM = 512 }; /* longer names are not folded */

/* ---- finding ---- */

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), n = strlen(end);
    return length > n && strcmp(name + length - n, end) == 0;
}

/* The tensor whose name is the first `length` bytes of `name`, then `end`. */
static import_raw *sibling(const import_index *index, const char *name, size_t length,
                           const char *end)
{
    char other[NAME_ROOM];
    int n = snprintf(other, sizeof other, "%.*s%s", (int)length, name, end);
    return n > 0 && (size_t)n < sizeof other ? import_find_raw(index, other) : NULL;
}

/* A view with the numbers of another and its own name, `text` of `length` bytes. What has that name
 * in the file is gone. */
static tensor_view *add_view(import_index *index, const tensor_view *like, const char *text,
                             size_t length)
{
    tensor_view *view = &index->views[index->view_count++];
    char *name = index->names + index->names_used;
    memcpy(name, text, length);
    name[length] = '\0';
    index->names_used += length + 1;
    *view = *like;
    view->name = name;
    import_raw *stale = import_find_raw(index, name);
    if (stale != NULL) {
        stale->gone = true;
    }
    return view;
}

static void add_tensor(import_index *index, const tensor_view *view, const import_fold *fold)
{
    import_tensor *tensor = &index->tensors[index->tensor_count++];
    *tensor = import_take_apart(view);
    tensor->fold = fold;
}

static void fold(import_index *index, fold_kind kind, const char *name, size_t length,
                 import_raw *weight, import_raw *first, import_raw *second)
{
    import_fold *made = &index->folds[index->fold_count++];
    *made = (import_fold){kind, weight->view, {first->view, second != NULL ? second->view : NULL}};
    weight->gone = first->gone = true;
    if (second != NULL) {
        second->gone = true;
    }
    add_tensor(index, add_view(index, weight->view, name, length), made);
}

/* weight_g, weight_v. */
static void fold_weight_norm(import_index *index, import_raw *g)
{
    size_t length = strlen(g->view->name) - strlen("_g");
    import_raw *v = sibling(index, g->view->name, length, "_v");
    if (v != NULL) {
        fold(index, FOLD_WEIGHT_NORM, g->view->name, length, v, g, NULL);
    }
}

/* weight_orig with weight_u and weight_v, or with weight_mask. */
static void fold_original(import_index *index, import_raw *original)
{
    const char *name = original->view->name;
    size_t length = strlen(name) - strlen("_orig");
    import_raw *u = sibling(index, name, length, "_u"), *v = sibling(index, name, length, "_v");
    import_raw *mask = sibling(index, name, length, "_mask");
    if (u != NULL && v != NULL && mask == NULL) {
        fold(index, FOLD_SPECTRAL_NORM, name, length, original, u, v);
    } else if (u == NULL && mask != NULL) {
        fold(index, FOLD_MASK, name, length, original, mask, NULL);
    }
}

/* Whether these many tensors are all whose names begin with the first `length` bytes of this one's:
 * in order of name they are neighbours. */
static bool has_only(const import_index *index, const import_raw *raw, size_t length, size_t count)
{
    size_t first = (size_t)(raw - index->raws), end = first;
    while (first > 0 && strncmp(index->raws[first - 1].view->name, raw->view->name, length) == 0) {
        first--;
    }
    while (end < index->raw_count && end - first <= count &&
           strncmp(index->raws[end].view->name, raw->view->name, length) == 0) {
        end++;
    }
    return end - first == count;
}

/* module.parametrizations.weight.original0: that of module.weight. */
static void fold_parametrization(import_index *index, import_raw *original)
{
    char name[NAME_ROOM];
    const char *whole = original->view->name, *leaf = strrchr(whole, '.') + 1;
    const char *at = strstr(whole, PARAMETRIZATIONS);
    size_t folder = (size_t)(leaf - whole);
    if (folder >= sizeof name || (at != whole && at[-1] != '.') ||
        at + strlen(PARAMETRIZATIONS) >= leaf) {
        return;
    }
    int n = snprintf(name, sizeof name, "%.*s%.*s", (int)(at - whole), whole,
                     (int)(leaf - 1 - at) - (int)strlen(PARAMETRIZATIONS),
                     at + strlen(PARAMETRIZATIONS));
    if (strcmp(leaf, "original0") == 0) {
        import_raw *v = sibling(index, whole, folder, "original1");
        if (v != NULL && has_only(index, original, folder, 2)) {
            fold(index, FOLD_WEIGHT_NORM, name, (size_t)n, v, original, NULL);
        }
        return;
    }
    import_raw *u = sibling(index, whole, folder, "0._u"),
               *v = sibling(index, whole, folder, "0._v");
    if (u != NULL && v != NULL && has_only(index, original, folder, 3)) {
        fold(index, FOLD_SPECTRAL_NORM, name, (size_t)n, original, u, v);
    }
}

/* Whether module.module of the name's module has the layer that the leaf is of: its other weight is
 * there. */
static bool is_module_below(const import_index *index, const import_tensor *meant)
{
    char other[NAME_ROOM + sizeof "module."];
    const char *name = meant->view->name;
    size_t before = (size_t)(meant->leaf - name), kind = strlen("weight_hh");
    snprintf(other, sizeof other, "%.*smodule.weight_%s%s", (int)before, name,
             meant->kind == IMPORT_WEIGHT_HH ? "ih" : "hh", meant->leaf + kind);
    return import_find_raw(index, other) != NULL ||
           sibling(index, other, strlen(other), "_raw") != NULL;
}

/* weight_hh_l0_raw: of the module itself or, where that has no such layer, of its "module". */
static void rename_raw(import_index *index, import_raw *raw)
{
    char plain[NAME_ROOM], below[NAME_ROOM + sizeof "module."];
    const char *name = raw->view->name;
    size_t length = strlen(name) - strlen("_raw");
    if (length >= sizeof plain) {
        return;
    }
    memcpy(plain, name, length);
    plain[length] = '\0';
    tensor_view view = {.name = plain};
    import_tensor meant = import_take_apart(&view);
    if (meant.kind != IMPORT_WEIGHT_HH && meant.kind != IMPORT_WEIGHT_IH) {
        return;
    }
    snprintf(below, sizeof below, "%.*smodule.%s", (int)(meant.leaf - plain), plain, meant.leaf);
    const char *text = is_module_below(index, &meant) ? below : plain;
    raw->gone = true;
    add_tensor(index, add_view(index, raw->view, text, strlen(text)), NULL);
}

void import_fold_all(import_index *index)
{
    for (size_t i = 0; i < index->raw_count; i++) {
        import_raw *raw = &index->raws[i];
        const char *name = raw->view->name;
        if (raw->gone) {
            continue;
        }
        if (ends_with(name, "_g")) {
            fold_weight_norm(index, raw);
        } else if (ends_with(name, "_orig")) {
            fold_original(index, raw);
        } else if (strstr(name, PARAMETRIZATIONS) != NULL &&
                   (ends_with(name, ".original") || ends_with(name, ".original0"))) {
            fold_parametrization(index, raw);
        } else if (ends_with(name, "_raw")) {
            rename_raw(index, raw);
        }
    }
}

/* Whether the name is one of those that reparametrizations give, as far as is known here. */
static bool looks_reparametrized(const char *name)
{
    static const char *const ends[] = {"_orig", "_bar", "_raw", "_g"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (ends_with(name, ends[i]) && strstr(name, "weight") != NULL) {
            return true;
        }
    }
    return strstr(name, PARAMETRIZATIONS) != NULL;
}

const char *import_hint(char text[IMPORT_HINT_ROOM], const import_index *index)
{
    text[0] = '\0';
    for (size_t i = 0; i < index->raw_count && text[0] == '\0'; i++) {
        const import_raw *raw = &index->raws[i];
        if (!raw->gone && looks_reparametrized(raw->view->name)) {
            snprintf(text, IMPORT_HINT_ROOM,
                     "; how '%.100s' makes a weight is not known: remove the reparametrization "
                     "before saving",
                     raw->view->name);
        }
    }
    return text;
}

/* ---- computing ---- */

/* Of rank 1 as [n,1]; only the first two sizes count. */
static void sizes_of(size_t sizes[2], const tensor_view *view)
{
    sizes[0] = view->rank > 0 ? view->shape[0] : 1;
    sizes[1] = view->rank > 1 ? view->shape[1] : 1;
}

/* u and v are as long as rows and columns, or the other way round. */
static bool are_singular_vectors(bool *crossed, const import_fold *fold)
{
    size_t w[2], u = fold->others[0]->count, v = fold->others[1]->count;
    sizes_of(w, fold->weight);
    *crossed = u != w[0];
    return *crossed ? u == w[1] && v == w[0] : v == w[1];
}

static bool fits(const import_fold *fold)
{
    size_t w[2], other[2];
    bool crossed;
    sizes_of(w, fold->weight);
    sizes_of(other, fold->others[0]);
    if (fold->kind == FOLD_SPECTRAL_NORM) {
        return are_singular_vectors(&crossed, fold);
    }
    bool norm = fold->kind == FOLD_WEIGHT_NORM;
    return fold->others[0]->count == other[0] * other[1] &&
           (other[0] == w[0] || (norm && other[0] == 1)) &&
           (other[1] == w[1] || (norm && other[1] == 1));
}

lrnn_status import_check_fold(const import_index *index, const import_tensor *tensor)
{
    const import_fold *fold = tensor->fold;
    if (fold == NULL || fits(fold)) {
        return LRNN_OK;
    }
    char weight[IMPORT_SHAPE_ROOM], other[IMPORT_SHAPE_ROOM];
    return error_set(
        LRNN_ERR_FORMAT,
        "%s: tensor '%.100s' %s does not fit '%.100s' %s, of which it makes '%.100s'",
        tensor_file_name(index->file), fold->others[0]->name,
        import_shape(other, fold->others[0]->rank, fold->others[0]->shape), fold->weight->name,
        import_shape(weight, fold->weight->rank, fold->weight->shape), tensor->view->name);
}

/* values [r,c], g with one element along each axis over which the norm is taken. */
static void scale_by_norms(real *values, const size_t w[2], const real *g, const size_t sizes[2],
                           double *norms)
{
    size_t step = sizes[0] > 1 ? sizes[1] : 0, across = sizes[1] > 1 ? 1 : 0;
    memset(norms, 0, sizes[0] * sizes[1] * sizeof *norms);
    for (size_t i = 0; i < w[0] * w[1]; i++) {
        norms[i / w[1] * step + i % w[1] * across] += (double)values[i] * (double)values[i];
    }
    for (size_t i = 0; i < w[0] * w[1]; i++) {
        size_t k = i / w[1] * step + i % w[1] * across;
        values[i] = (real)((double)values[i] * ((double)g[k] / sqrt(norms[k])));
    }
}

static void divide_by_largest(real *values, const size_t w[2], const real *left, const real *right)
{
    double sigma = 0;
    for (size_t i = 0; i < w[0] * w[1]; i++) {
        sigma += (double)left[i / w[1]] * (double)values[i] * (double)right[i % w[1]];
    }
    for (size_t i = 0; i < w[0] * w[1]; i++) {
        values[i] = (real)((double)values[i] / sigma);
    }
}

static lrnn_status compute(real *values, const import_fold *fold, real *first, real *second,
                           double *norms)
{
    size_t w[2], sizes[2];
    bool crossed;
    const tensor_view *a = fold->others[0], *b = fold->others[1];
    CHECK(tensor_read(values, fold->weight, 0, fold->weight->count));
    CHECK(tensor_read(first, a, 0, a->count));
    if (b != NULL) {
        CHECK(tensor_read(second, b, 0, b->count));
    }
    sizes_of(w, fold->weight);
    sizes_of(sizes, a);
    switch (fold->kind) {
    case FOLD_WEIGHT_NORM: scale_by_norms(values, w, first, sizes, norms); break;
    case FOLD_SPECTRAL_NORM:
        are_singular_vectors(&crossed, fold);
        divide_by_largest(values, w, crossed ? second : first, crossed ? first : second);
        break;
    case FOLD_MASK:
        for (size_t i = 0; i < fold->weight->count; i++) {
            values[i] *= first[i];
        }
        break;
    }
    return LRNN_OK;
}

lrnn_status import_read_fold(real *values, const import_fold *fold, const lrnn_allocator *allocator)
{
    size_t a = fold->others[0]->count, b = fold->others[1] != NULL ? fold->others[1]->count : 0;
    real *first = memory_allocate(allocator, a, sizeof *first, "import: norm");
    real *second = memory_allocate(allocator, b, sizeof *second, "import: norm");
    double *norms = memory_allocate(allocator, a, sizeof *norms, "import: norm");
    lrnn_status status = first != NULL && second != NULL && norms != NULL
                             ? compute(values, fold, first, second, norms)
                             : LRNN_ERR_MEMORY;
    memory_release(allocator, first);
    memory_release(allocator, second);
    memory_release(allocator, norms);
    return status;
}

bool import_is_same(const import_tensor *a, const import_tensor *b)
{
    if (a->fold == NULL || b->fold == NULL) {
        return a->fold == b->fold && tensor_is_same(a->view, b->view);
    }
    return a->fold->kind == b->fold->kind && tensor_is_same(a->fold->weight, b->fold->weight) &&
           tensor_is_same(a->fold->others[0], b->fold->others[0]);
}
