/* The state of a net's layers, h [L*D,B,R] and c [L*D,B,H]: copying, clearing, giving it to a
 * caller and taking it from one are the same thing with other ends. */
#ifndef MODEL_LAYER_STATE_H
#define MODEL_LAYER_STATE_H

#include "network.h"

/* Layer and direction i begins at row i * stride of h and of c. NULL: it is not there. */
typedef struct layer_state {
    real *h, *c;
    size_t stride;
} layer_state;

/* The same, to be read. */
typedef struct layer_state_view {
    const real *h, *c;
    size_t stride;
} layer_state_view;

static inline layer_state_view layer_state_read(layer_state state)
{
    return (layer_state_view){state.h, state.c, state.stride};
}

/* The part of it that begins at layer and direction `index`, or at a row of each. */
layer_state layer_state_at(const network *net, layer_state state, size_t index, size_t row);
layer_state_view layer_state_view_at(const network *net, layer_state_view state, size_t index,
                                     size_t row);

/* The first `rows` rows of one layer and direction, or of each of them. What `from` does not have
 * becomes zero in `to`; what `to` does not have is left out. */
void layer_state_copy_one(const network *net, layer_state to, layer_state_view from, size_t rows);
void layer_state_copy(const network *net, layer_state to, layer_state_view from, size_t rows);

/* A caller's h and c, given to be written or read: LRNN_ERR_INVALID when both are NULL, or when the
 * net has no c. */
lrnn_status layer_state_check(const network *net, const real *h, const real *c);

#endif
