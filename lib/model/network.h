/* The shape of a network: resolved options, and where each parameter lies in the flat array that
 * models, trainers and gradients share. */
#ifndef MODEL_NETWORK_H
#define MODEL_NETWORK_H

#include <stdbool.h>

#include "base/real.h"
#include "kernels/cells.h"
#include "lrnn/model.h"

#define NETWORK_NONE ((size_t)-1) /* offset of a parameter that this network does not have */

#define NETWORK_NAME_ROOM 48

typedef struct network_tensor {
    char name[NETWORK_NAME_ROOM];
    size_t rank;
    size_t shape[2];
    size_t offset;
    size_t count;
} network_tensor;

/* Offsets of one layer's parameters in one direction. G gates: weight_ih [G*H,I], weight_hh
 * [G*H,R], biases [G*H], weight_hr [R,H]. */
typedef struct network_layer {
    size_t input_size;
    size_t hidden_size;        /* H, which layers may have of their own */
    size_t h_size;             /* R, of h: the projection's, or H */
    size_t h_before, c_before; /* values of h and c that the layers before it have */
    size_t weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;
    size_t norm_weight, norm_bias; /* [I], those of both directions */
    size_t state_h, state_c;       /* [R], [H], where streams begin */
    bool residual;                 /* what it reads is added to its h */
} network_layer;

/* A tail of an adaptive softmax: `count` outputs from `first` on, which read `size` values. down
 * [size,top], up [count,size]. */
typedef struct network_tail {
    size_t first, count, size;
    size_t down, up;
} network_tail;

typedef struct network {
    lrnn_model_options options; /* resolved; allocator and vocabularies NULL */
    const cell_kind *cell;
    size_t gates;       /* G of the cell */
    size_t directions;  /* D */
    size_t h_values;    /* of h of all layers and directions, a row: the sum of their R */
    size_t c_values;    /* the same of c, the sum of their H */
    size_t widest;      /* of the layers' outputs, D*R; 0 without layers */
    size_t token_size;  /* columns of a token in the input: embedding, or one-hot V; 0 none */
    size_t input_size;  /* token_size + F */
    size_t entry_size;  /* what layer 0 reads: that of the input layer, or input_size */
    size_t top_size;    /* of the top layer's outputs: D*R, or entry_size with 0 layers */
    size_t head_size;   /* what the head reads: that of the head layer, or top_size */
    size_t output_size; /* O, or top_size without a head */
    size_t input_weight, input_bias, head_input_weight, head_input_bias;
    size_t embedding, head_weight, head_bias; /* tied: the first two are one */
    size_t head_rows; /* of the head's matrix: O; adaptive: the shortlist and a row for each tail */
    network_tail tails[LRNN_MOST_CUTOFFS]; /* [tail_count]; 0: one matrix has all outputs */
    size_t tail_count;
    network_layer *layers; /* [L*D], direction fastest */
    network_tensor *tensors;
    size_t tensor_count;
    size_t parameter_count;
    void *storage;
} network;

/* Checks and resolves the options, then lays the parameters out. */
lrnn_status network_create(network *net, const lrnn_model_options *options,
                           const lrnn_allocator *allocator);
void network_release(network *net, const lrnn_allocator *allocator);

/* NULL when there is none of that name. */
const network_tensor *network_find(const network *net, const char *name);

/* initialize.c: draws every parameter as the options say, from their seed. */
void network_initialize(const network *net, real *parameters);

bool network_same_architecture(const network *a, const network *b);

/* A layer's numbers in its first direction; those that are sizes hold for both. */
static inline const network_layer *network_layer_of(const network *net, size_t layer)
{
    return &net->layers[layer * net->directions];
}

static inline const network_layer *network_top_layer(const network *net)
{
    return network_layer_of(net, net->options.layers - 1);
}

/* Values that a layer gives at a step. */
static inline size_t network_layer_width(const network *net, size_t layer)
{
    return net->directions * network_layer_of(net, layer)->h_size;
}

/* The largest H; 0 without layers. */
static inline size_t network_most_hidden(const network *net)
{
    size_t most = 0;
    for (size_t i = 0; i < net->options.layers; i++) {
        size_t size = network_layer_of(net, i)->hidden_size;
        most = size > most ? size : most;
    }
    return most;
}

static inline bool network_is_recurrent(const network *net)
{
    return net->options.layers > 0;
}

static inline bool network_has_cell_state(const network *net)
{
    return net->cell->has_c && net->options.layers > 0;
}

static inline bool network_is_projected(const network *net)
{
    return net->options.projection_size > 0;
}

static inline bool network_is_tied(const network *net)
{
    return net->options.tied_weights != 0;
}

/* Is the head an adaptive softmax? Its outputs are log-probabilities then. */
static inline bool network_is_adaptive(const network *net)
{
    return net->tail_count > 0;
}

/* Is the head kept as few.h says, in training as in inference? */
static inline bool network_has_few_outputs(const network *net)
{
    return net->head_weight != NETWORK_NONE && !network_is_adaptive(net) &&
           net->head_rows <= FEW_COLUMNS;
}

/* Outputs that come from the head's matrix itself. */
static inline size_t network_shortlist(const network *net)
{
    return net->head_rows - net->tail_count;
}

/* Are the values before the output activation logits of a softmax, or is there none? */
static inline bool network_gives_logits(const network *net)
{
    return net->options.output_activation != LRNN_ACTIVATION_SIGMOID &&
           net->options.output_activation != LRNN_ACTIVATION_TANH;
}

/* Is it a bias that a linear layer of PyTorch may be without? */
static inline bool network_may_lack(const network *net, const network_tensor *tensor)
{
    return tensor->offset == net->head_bias || tensor->offset == net->input_bias ||
           tensor->offset == net->head_input_bias;
}

/* Must what the first layer reads lie in rows of its own? */
static inline bool network_reads_rows(const network *net)
{
    const lrnn_model_options *o = &net->options;
    return o->input_layer_size > 0 || o->layer_norm || (o->residual && net->layers[0].residual);
}

static inline bool network_one_hot(const network *net)
{
    return net->options.vocab_size > 0 && net->options.embedding_size == 0;
}

/* True where the head answers once a step rather than once a sequence. */
static inline bool network_answers_every_step(const network *net)
{
    return net->options.head == LRNN_HEAD_STEPS || net->options.head == LRNN_HEAD_NONE;
}

/* Reads a caller's struct of any size that a release had, without looking at what it holds. */
lrnn_status sequences_read(lrnn_sequences *copy, const lrnn_sequences *given);

/* Reads a caller's lrnn_sequences into *copy and checks sizes and pointers. */
lrnn_status network_read_sequences(lrnn_sequences *copy, const network *net,
                                   const lrnn_sequences *given);

/* Checks lengths and tokens, once the sizes are what the caller of this expects: arrays are read as
 * far as they say. */
lrnn_status network_check_sequences(const network *net, const lrnn_sequences *s);

/* Steps of row b. */
static inline size_t sequence_length(const lrnn_sequences *sequences, size_t b)
{
    return sequences->lengths == NULL ? sequences->steps : (size_t)sequences->lengths[b];
}

#endif
