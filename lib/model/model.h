/* A model: a network and its parameters, plus what inference multiplies with. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdatomic.h>

#include "base/memory.h"
#include "names.h"
#include "network.h"

/* One layer and direction, packed for kernels()->multiply_packed. */
typedef struct packed_layer {
    /* [I,G*H]; of layer 0 only the columns that `table` does not cover. NULL: there are none. */
    real *input;
    size_t input_rows;
    real *hidden;     /* [R,G*H] */
    real *projection; /* W_hr^T [H,R]; NULL without a projection */
    /* What a step's input part starts from, [G*H]: b_ih + b_hh, for GRU b_ih alone. */
    real *bias;
    /* GRU: b_hh, [3H], what its hidden part starts from. */
    real *hidden_bias;
    /* Layer 0, [V,G*H]: bias plus the token's part of the input product. NULL: not kept. */
    real *table;
} packed_layer;

struct lrnn_model {
    atomic_size_t owners;
    lrnn_allocator allocator;
    network net;
    lrnn_vocab *input_vocab, *output_vocab;
    model_names names;
    real *parameters;
    void *packed;
    packed_layer *layers; /* [L*D] */
    real *head;           /* packed [top,O]; NULL without a head */
};

/* A model of a network that is already laid out, its parameters zero and not yet packed. Takes over
 * `net`, also when it fails. */
lrnn_status model_create_bare(lrnn_model **model, network *net, const lrnn_vocab *input_vocab,
                              const lrnn_vocab *output_vocab, const lrnn_allocator *allocator);

/* Checks that all parameters are finite and packs them; the last thing before a model is given out.
 */
lrnn_status model_finish(lrnn_model *model);

/* Copies the given parameters into a new model with the architecture, vocabularies and remembered
 * names of `like`. */
lrnn_status model_create_like(lrnn_model **model, const lrnn_model *like, const real *parameters);

/* Packs model->parameters; allocates model->packed. */
lrnn_status model_pack(lrnn_model *model);

/* All finite? Names the parameter where not. */
lrnn_status network_check_finite(const network *net, const real *parameters);

#endif
