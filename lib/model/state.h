/* A running instance of a model. */
#ifndef MODEL_STATE_H
#define MODEL_STATE_H

#include "model.h"

struct lrnn_state {
    lrnn_allocator allocator;
    lrnn_model *model;
    size_t capacity; /* streams there is room for */
    size_t steps;    /* steps computed in one go */
    size_t live;
    void *storage;
    /* h [L*D][capacity][R], c [L*D][capacity][H]; a layer's live streams come first. The spare ones
     * serve reorder. */
    real *h, *c, *spare_h, *spare_c;
    real *x;      /* [steps*capacity, input], row t * B + b */
    real *pre;    /* [steps*capacity, G*H] */
    real *hidden; /* GRU: [capacity, 3H] */
    real *made;   /* projection: [capacity, H], the cells' output before it */
    real *y[2];   /* [steps*capacity, D*R], a layer's input and output by turns */
    real *last;   /* [capacity, top], what a once-a-sequence head reads */
};

/* h of stream 0 in one layer and direction, and c. */
static inline real *state_h(const lrnn_state *state, size_t layer_direction)
{
    return state->h + layer_direction * state->capacity * state->model->net.h_size;
}

static inline real *state_c(const lrnn_state *state, size_t layer_direction)
{
    return state->c == NULL ? NULL
                            : state->c + layer_direction * state->capacity *
                                             state->model->net.options.hidden_size;
}

/* Feeds checked sequences. */
void state_forward(lrnn_state *state, const lrnn_sequences *sequences, real *outputs);

#endif
