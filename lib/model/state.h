/* A running instance of a model. */
#ifndef MODEL_STATE_H
#define MODEL_STATE_H

#include "kernels/kernels.h"
#include "model.h"

struct lrnn_state {
    lrnn_allocator allocator;
    lrnn_model *model;
    size_t capacity; /* streams there is room for */
    size_t steps;    /* steps computed in one go */
    size_t live;
    bool last_first; /* how the next step goes through the weights; see cell_step */
    void *storage;
    /* h [L*D][capacity][R], c [L*D][capacity][H], each part of its layer's size; a layer's live
     * streams come first. The spare ones serve reorder. */
    real *h, *c, *spare_h, *spare_c;
    real *x; /* [steps*capacity, input], row t * B + b; see state_gathers */
    /* Of the widest layer: */
    real *pre;  /* [steps*capacity, W], what a step starts from; see packed_layer */
    real *made; /* projection: [capacity, H], the cells' output before it */
    real *y[2]; /* [steps*capacity, D*R], a layer's input and output by turns */
    real *last; /* [capacity, top], what a once-a-sequence head reads */
    /* Of what stands around the layers, where it does, [steps*capacity]: the input layer's and the
     * head layer's outputs, and what a layer has normalized. */
    real *entry, *exit, *normed;
    /* Adaptive softmax: of head_capacity rows [head_capacity, tails] and what a tail reads. */
    size_t head_capacity;
    real *clusters, *reduced;
    void *scratch; /* of a model of bytes: see cell_step */
    /* What is the same at every step, settled when the state is made. [L*D]: of a layer, all but
     * its rows and where they lie, which a single step writes there. */
    const kernel_table *kernels;
    cell_step *plan;
    bool plain;         /* nothing stands around the layers: see stages.h */
    bool runs;          /* all layers' steps of one stream are each a call of `run`, and plain */
    bool head_runs;     /* the top layer's `run` gives the outputs, of one stream */
    lrnn_sequences one; /* a step of all live streams */
};

/* h of stream 0 in one layer and direction, and c. */
static inline real *state_h(const lrnn_state *state, size_t layer_direction)
{
    return state->h + state->capacity * state->model->net.layers[layer_direction].h_before;
}

static inline real *state_c(const lrnn_state *state, size_t layer_direction)
{
    return state->c == NULL
               ? NULL
               : state->c + state->capacity * state->model->net.layers[layer_direction].c_before;
}

/* Whether what the first layer reads has to be put together; else it is the caller's features, or
 * nothing where a table has all of it. */
static inline bool state_gathers(const lrnn_model *model)
{
    const network *net = &model->net;
    return net->options.layers == 0 || network_reads_rows(net) ||
           (net->token_size > 0 && !model_has_table(model));
}

/* Steps of a layer and direction. step: a copy of its plan, with rows, steps, start, x, h, c and
 * h_next and their strides; x NULL: there is no input to add. h_next [rows,R] is no place of h. */
void state_layer_steps(lrnn_state *state, size_t index, cell_step *step);

/* Whether the steps of one row through it are one call of a kernel. */
bool state_layer_runs(const lrnn_state *state, size_t index);

/* step.c: fills the plan. */
void state_plan(lrnn_state *state);

/* lrnn_state_forward without the output activation. */
lrnn_status state_forward(lrnn_state *state, const lrnn_sequences *sequences, real *outputs);

/* One step of all live streams without the head: *top is what that reads, rows top_row apart, until
 * the next step. Errors as those of lrnn_state_step. */
lrnn_status state_step(const real **top, size_t *top_row, lrnn_state *state, const int32_t *tokens,
                       const real *features);

/* head.c: outputs [rows,O] = what the head makes of y [rows,top]. */
void state_head(lrnn_state *state, size_t rows, const real *y, size_t y_row, real *outputs,
                size_t outputs_row);

/* Whether outputs can be had in parts; an adaptive softmax needs all of them. */
static inline bool state_head_has_parts(const lrnn_model *model)
{
    return !network_is_adaptive(&model->net);
}

/* `count` of the outputs, from `first` on, which is a multiple of a panel: outputs [rows,count]. */
void state_head_part(const lrnn_model *model, size_t first, size_t count, size_t rows,
                     const real *y, size_t y_row, real *outputs, size_t outputs_row);

/* h and spare_h change places. */
void state_swap_h(lrnn_state *state);

#endif
