/* Layers are copied one at a time, since the two ends may lie differently far apart. */
#include "layer_state.h"

#include <string.h>

#include "base/error.h"

/* Values of h, and of c, before row 0 of layer and direction `index`. */
static size_t h_before(const network *net, size_t index, size_t stride, size_t first)
{
    const network_layer *of = &net->layers[index];
    return of->h_before * stride + first * of->h_size;
}

static size_t c_before(const network *net, size_t index, size_t stride, size_t first)
{
    const network_layer *of = &net->layers[index];
    return of->c_before * stride + first * of->hidden_size;
}

layer_state_view layer_state_view_at(const network *net, layer_state_view state, size_t index)
{
    state.h = state.h == NULL ? NULL : state.h + h_before(net, index, state.stride, state.first);
    state.c = state.c == NULL ? NULL : state.c + c_before(net, index, state.stride, state.first);
    return state;
}

layer_state layer_state_at(const network *net, layer_state state, size_t index)
{
    state.h = state.h == NULL ? NULL : state.h + h_before(net, index, state.stride, state.first);
    state.c = state.c == NULL ? NULL : state.c + c_before(net, index, state.stride, state.first);
    return state;
}

layer_state layer_state_row(const network *net, size_t index, layer_state state, size_t row)
{
    const network_layer *of = &net->layers[index];
    state.h = state.h == NULL ? NULL : state.h + row * of->h_size;
    state.c = state.c == NULL ? NULL : state.c + row * of->hidden_size;
    return state;
}

static void copy_or_zero(real *to, const real *from, size_t count)
{
    if (to != NULL && from != NULL) {
        memcpy(to, from, count * sizeof(real));
    } else if (to != NULL) {
        memset(to, 0, count * sizeof(real));
    }
}

void layer_state_copy_one(const network *net, size_t index, layer_state to, layer_state_view from,
                          size_t rows)
{
    copy_or_zero(to.h, from.h, rows * net->layers[index].h_size);
    copy_or_zero(to.c, from.c, rows * net->layers[index].hidden_size);
}

void layer_state_copy(const network *net, layer_state to, layer_state_view from, size_t rows)
{
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        layer_state_copy_one(net, i, layer_state_at(net, to, i), layer_state_view_at(net, from, i),
                             rows);
    }
}

lrnn_status layer_state_check(const network *net, const real *h, const real *c)
{
    if (h == NULL && c == NULL) {
        return error_set(LRNN_ERR_INVALID, "h and c are both NULL");
    }
    if (c != NULL && !network_has_cell_state(net)) {
        return error_set(LRNN_ERR_INVALID, "c: given, but only LSTM layers have one");
    }
    return LRNN_OK;
}
