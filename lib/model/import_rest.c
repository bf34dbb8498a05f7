/* What no parameter has used. All of it is an error, unless the caller takes a part of a net: then
 * other modules may be left out, but nothing that the modules that are taken would need. What lies
 * in them or under them is needed; and so is, of what is no matrix with its bias, what is as wide
 * as a vector that passes through the model, since it can be added to that or multiply it: a
 * learned initial state, a normalization. Of these the caller names each. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "import.h"

enum { LIST_ROOM = 240 };

/* "'norm.bias' [4], 'norm.weight' [4] and 3 more" */
typedef struct tensor_list {
    char text[LIST_ROOM];
    size_t length, shown, count;
} tensor_list;

static void list_add(tensor_list *list, const import_tensor *tensor)
{
    char shape[IMPORT_SHAPE_ROOM];
    size_t left = sizeof list->text - list->length;
    int n =
        snprintf(list->text + list->length, left, "%s'%.100s' %s", list->count > 0 ? ", " : "",
                 tensor->view->name, import_shape(shape, tensor->view->rank, tensor->view->shape));
    if (n > 0 && (size_t)n < left && list->shown == list->count) {
        list->length += (size_t)n;
        list->shown++;
    } else {
        list->text[list->length] = '\0';
    }
    list->count++;
}

/* ---- what is needed ---- */

static bool has_width(const network *net, size_t width)
{
    const size_t widths[] = {net->token_size,  net->input_size, net->top_size,
                             net->output_size, net->h_values,   net->c_values};
    bool has = false;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        has = has || width == widths[i];
    }
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        const size_t R = net->layers[i].h_size, H = net->layers[i].hidden_size;
        has = has || width == R || width == H || width == net->directions * H ||
              width == net->gates * H;
    }
    return width > 0 && has;
}

/* Its last axis that has more than one element, which is the width of a vector. */
static size_t width_of(const tensor_view *view)
{
    size_t width = 1;
    for (size_t i = 0; i < view->rank; i++) {
        width = view->shape[i] != 1 ? view->shape[i] : width;
    }
    return view->rank > 0 ? width : 0;
}

/* Whether it lies in the module, or in one below it. */
static bool is_within(const import_index *index, const import_tensor *tensor,
                      const import_module *module)
{
    if (module == NULL) {
        return false;
    }
    const import_tensor *any = &index->tensors[module->first];
    size_t length = any->module_length;
    return tensor->module_length >= length &&
           (tensor->module_length == length || (length > 0 && tensor->view->name[length] == '.')) &&
           memcmp(tensor->view->name, any->view->name, length) == 0;
}

/* A tensor of the module `home`. */
static bool is_needed(const importing *in, const network *net, const import_module *home,
                      const import_tensor *tensor)
{
    const import_parts *parts = &in->parts;
    bool within = is_within(&in->index, tensor, parts->embedding) ||
                  is_within(&in->index, tensor, parts->head) ||
                  is_within(&in->index, tensor, parts->input_layer) ||
                  is_within(&in->index, tensor, parts->head_layer) ||
                  import_adaptive_owns(&in->index, &parts->adaptive, home);
    for (size_t i = 0; i < parts->layers_count; i++) {
        within = within || is_within(&in->index, tensor, parts->layers[i].module);
    }
    for (size_t i = 0; i < parts->norm_count; i++) {
        within = within || is_within(&in->index, tensor, parts->norms[i].module);
    }
    bool linear = home->matrix && (tensor->kind == IMPORT_BIAS ||
                                   (tensor->kind == IMPORT_WEIGHT && tensor->view->rank >= 2));
    return within || (!linear && !home->recurrent && has_width(net, width_of(tensor->view)));
}

/* ---- all of it ---- */

/* " and 3 more", or nothing. */
static const char *and_more(char text[40], const tensor_list *list)
{
    size_t more = list->count - list->shown;
    text[0] = '\0';
    if (more > 0) {
        snprintf(text, 40, " and %zu more", more);
    }
    return text;
}

/* all_needed: they are of the kind that partial does not leave out. */
static lrnn_status none_is_taken(const importing *in, const tensor_list *list, bool all_needed)
{
    char more[40], hint[IMPORT_HINT_ROOM];
    import_hint(hint, &in->index);
    const char *advice =
        all_needed ? "; option 'layer_norm' takes normalizations, option 'initial_h' what streams "
                     "begin with; option 'without' leaves a tensor out, though what is taken may "
                     "need it"
                   : "; option 'input_layer' or option 'head_layer' takes a linear layer, option "
                     "'partial' leaves out what other modules have";
    return error_set(LRNN_ERR_FORMAT, "%s: tensor%s %s%s %s no part of the model%s", in->path,
                     list->count > 1 ? "s" : "", list->text, and_more(more, list),
                     list->count > 1 ? "are" : "is", hint[0] != '\0' ? hint : advice);
}

static lrnn_status some_are_needed(const importing *in, const tensor_list *list)
{
    char more[40];
    return error_set(LRNN_ERR_FORMAT,
                     "%s: what is taken would need tensor%s %s%s (a learned state, a "
                     "normalization, part of a module that is taken?); option 'without' names each "
                     "that is to be left out all the same",
                     in->path, list->count > 1 ? "s" : "", list->text, and_more(more, list));
}

lrnn_status import_check_rest(const importing *in, const network *net)
{
    tensor_list rest = {.length = 0}, needed = {.length = 0};
    const import_index *index = &in->index;
    for (size_t m = 0; m < index->module_count; m++) {
        const import_module *module = &index->modules[m];
        for (size_t i = module->first; i < module->first + module->count; i++) {
            const import_tensor *tensor = &index->tensors[i];
            if (!tensor->used) {
                list_add(&rest, tensor);
                if (is_needed(in, net, module, tensor)) {
                    list_add(&needed, tensor);
                }
            }
        }
    }
    if (in->options.partial) {
        return needed.count > 0 ? some_are_needed(in, &needed) : LRNN_OK;
    }
    return rest.count > 0 ? none_is_taken(in, &rest, needed.count == rest.count) : LRNN_OK;
}

void import_report_rest(const importing *in)
{
    const lrnn_import_options *o = &in->options;
    if (o->left_out == NULL) {
        return;
    }
    for (size_t i = 0; i < o->without_count; i++) {
        o->left_out(o->left_out_user, o->without[i]);
    }
    for (size_t i = 0; i < in->index.tensor_count; i++) {
        if (!in->index.tensors[i].used) {
            o->left_out(o->left_out_user, in->index.tensors[i].view->name);
        }
    }
}
