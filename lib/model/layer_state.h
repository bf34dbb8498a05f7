/* The state of a net's layers, h [L*D,B,R] and c [L*D,B,H] where each layer may have an R and an H
 * of its own: copying, clearing, giving it to a caller and taking it from one are the same thing
 * with other ends. */
#ifndef MODEL_LAYER_STATE_H
#define MODEL_LAYER_STATE_H

#include "network.h"

/* Each layer and direction has room for `stride` rows, one part after the other; row 0 is the one
 * numbered `first` there. NULL: it is not there. Of one layer and direction alone, h and c are
 * where its row 0 is, and the numbers are not read. */
typedef struct layer_state {
    real *h, *c;
    size_t stride, first;
} layer_state;

/* The same, to be read. */
typedef struct layer_state_view {
    const real *h, *c;
    size_t stride, first;
} layer_state_view;

static inline layer_state_view layer_state_read(layer_state state)
{
    return (layer_state_view){state.h, state.c, state.stride, state.first};
}

/* The state of all layers from a row of each on. */
static inline layer_state layer_state_from(layer_state state, size_t row)
{
    state.first += row;
    return state;
}

/* Of the state of all layers that of one layer and direction. */
layer_state layer_state_at(const network *net, layer_state state, size_t index);
layer_state_view layer_state_view_at(const network *net, layer_state_view state, size_t index);

/* Of the state of layer and direction `index` a row and what comes after it. */
layer_state layer_state_row(const network *net, size_t index, layer_state state, size_t row);

/* The first `rows` rows of layer and direction `index`, or of each of them. What `from` does not
 * have becomes zero in `to`; what `to` does not have is left out. */
void layer_state_copy_one(const network *net, size_t index, layer_state to, layer_state_view from,
                          size_t rows);
void layer_state_copy(const network *net, layer_state to, layer_state_view from, size_t rows);

/* A caller's h and c, given to be written or read: LRNN_ERR_INVALID when both are NULL, or when the
 * net has no c. */
lrnn_status layer_state_check(const network *net, const real *h, const real *c);

#endif
