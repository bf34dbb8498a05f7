/* A model: a network and its parameters, plus what inference multiplies with. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "names.h"
#include "network.h"

/* One layer and direction, packed for the steps of kernels(): the columns are those of cell_step,
 * W of them (network.gates for each unit, and some to fill tiles and panels). */
typedef struct packed_layer {
    size_t width; /* W */
    /* [I,W]; of layer 0 only the rows that `table` does not cover, if there are any. */
    packed_matrix input;
    size_t input_rows;
    packed_matrix hidden;     /* [R,W] */
    packed_matrix projection; /* W_hr^T [H,R]; without a projection there is none */
    real *bias;               /* [W]: b_ih + b_hh; of GRU's n, b_ih alone */
    real *hidden_bias;        /* GRU, [W]: b_hh of n */
    /* Layer 0, [V,W]: bias plus the token's part of the input product. NULL: not kept. */
    real *table;
    size_t table_row; /* W; of a narrow model only the columns of units, see narrow_spread */
    /* The same of one-hot tokens and matrices of bytes, without the bias: [V,W], and the scales of
     * the columns. NULL: not kept. */
    int8_t *byte_table;
    real *byte_table_scales;
    const real *norm_weight, *norm_bias; /* [I] */
    const real *state_h, *state_c;       /* [R], [H], where streams begin; NULL: at zero */
} packed_layer;

/* Of a tail of an adaptive softmax. */
typedef struct packed_tail {
    packed_matrix down; /* [top,size] */
    packed_matrix up;   /* [size,count] */
} packed_tail;

struct lrnn_model {
    atomic_size_t owners;
    lrnn_allocator allocator;
    network net;
    lrnn_vocab *input_vocab, *output_vocab;
    model_names names;
    /* The flat array; or NULL, and each tensor by itself, as in values.h. */
    real *parameters;
    void *kept, **tensors;
    real *embedding_scales;          /* of an embedding kept as bytes, [V] */
    const network_tensor *embedding; /* NULL: none */
    const real *head_bias;           /* [head_rows]; NULL: none */
    void *packed;
    size_t width;         /* the largest W of the layers */
    bool narrow;          /* matrices of few columns are not padded to panels; see narrow.h */
    packed_layer *layers; /* [L*D] */
    packed_matrix head;   /* [head_size,head_rows] */
    /* [input,entry] and [top,head_size], where there are such layers, and their biases. */
    packed_matrix input_layer, head_layer;
    const real *input_bias, *head_input_bias;
    packed_tail tails[LRNN_MOST_CUTOFFS];
};

static inline bool layer_has_table(const packed_layer *layer)
{
    return layer->table != NULL || layer->byte_table != NULL;
}

/* Is the token's part of the input in a table? */
static inline bool model_has_table(const lrnn_model *model)
{
    return model->net.options.layers > 0 && layer_has_table(&model->layers[0]);
}

/* Copies a token's row of the table, with the bias, to [W]. */
void model_copy_table_row(real *to, const lrnn_model *model, const packed_layer *layer,
                          size_t token);

/* A model of a network that is already laid out, its parameters zero and not yet packed. Takes over
 * `net`, also when it fails. */
lrnn_status model_create_bare(lrnn_model **model, network *net, const lrnn_vocab *input_vocab,
                              const lrnn_vocab *output_vocab, const lrnn_allocator *allocator);

/* Checks that all parameters are finite, packs them and puts them as the model keeps them; the last
 * thing before it is given out. */
lrnn_status model_finish(lrnn_model *model);

/* Copies the given parameters, or NULL: those of `like`, into a new model with the architecture,
 * vocabularies and remembered names of `like`. weight_type: LRNN_WEIGHT_*. */
lrnn_status model_create_like(lrnn_model **model, const lrnn_model *like, int32_t weight_type,
                              const real *parameters);

/* Packs model->parameters; allocates model->packed. */
lrnn_status model_pack(lrnn_model *model);

/* All finite? Names the parameter where not. */
lrnn_status network_check_finite(const network *net, const real *parameters);

#endif
