/* The initial parameters of a model, drawn tensor by tensor. Number k of tensor i is a function of
 * the seed, i and k alone, so no option changes what another tensor is given.
 *
 * PyTorch's distributions unless the options say otherwise. torch.nn.RNNBase.reset_parameters:
 * uniform in +-1/sqrt(hidden_size); torch.nn.Linear.reset_parameters: weight and bias uniform in
 * +-1/sqrt(in_features); torch.nn.Embedding: N(0,1). */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "network.h"

static void draw_uniform(const network_tensor *tensor, real *values, uint64_t seed, uint64_t stream,
                         double bound)
{
    for (size_t k = 0; k < tensor->count; k++) {
        values[k] = (real)((2.0 * random_uniform(seed, stream, k) - 1.0) * bound);
    }
}

static void draw_normal(real *values, size_t count, uint64_t seed, uint64_t stream)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = (real)random_normal(seed, stream, k);
    }
}

/* Values that each output of a matrix of the head, or of its bias, reads; 0: it is not the head's.
 */
static size_t head_inputs(const network *net, const network_tensor *tensor)
{
    bool head = tensor->offset == net->head_weight || tensor->offset == net->head_bias;
    for (size_t i = 0; i < net->tail_count; i++) {
        head = head || tensor->offset == net->tails[i].down || tensor->offset == net->tails[i].up;
    }
    return !head ? 0 : tensor->rank == 2 ? tensor->shape[1] : net->head_size;
}

/* The same of the linear layers before the first layer and before the head. */
static size_t linear_inputs(const network *net, const network_tensor *tensor)
{
    size_t at = tensor->offset;
    return at == net->input_weight || at == net->input_bias             ? net->input_size
           : at == net->head_input_weight || at == net->head_input_bias ? net->top_size
                                                                        : 0;
}

static void fill(real *values, size_t count, real value)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = value;
    }
}

/* The layer and direction that has the matrix, bias or vector; NULL: none. */
static const network_layer *layer_of(const network *net, const network_tensor *tensor)
{
    size_t at = tensor->offset;
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        const network_layer *l = &net->layers[i];
        if (at == l->weight_ih || at == l->weight_hh || at == l->bias_ih || at == l->bias_hh ||
            at == l->weight_hr) {
            return l;
        }
    }
    return NULL;
}

static void draw(const network *net, const network_tensor *tensor, real *values, uint64_t stream)
{
    const lrnn_model_options *o = &net->options;
    if (strncmp(tensor->name, "norm.", 5) == 0) {
        fill(values, tensor->count, strstr(tensor->name, ".weight") != NULL ? 1 : 0);
    } else if (o->initial_range > 0) {
        draw_uniform(tensor, values, o->seed, stream, o->initial_range);
    } else if (tensor->offset == net->embedding) {
        draw_normal(values, tensor->count, o->seed, stream);
    } else if (strncmp(tensor->name, "state.", 6) == 0) {
        fill(values, tensor->count, 0);
    } else {
        size_t inputs = head_inputs(net, tensor);
        inputs = inputs > 0 ? inputs : linear_inputs(net, tensor);
        inputs = inputs > 0 ? inputs : layer_of(net, tensor)->hidden_size;
        draw_uniform(tensor, values, o->seed, stream, 1.0 / sqrt((double)inputs));
    }
}

/* ---- orthogonal matrices ---- */

/* Vectors of a matrix: its rows or its columns. */
typedef struct vectors {
    real *values;
    size_t count, length;
    size_t apart; /* from a vector to the next */
    size_t step;  /* from an element to the next */
} vectors;

/* In eight sums that are always the same, so that the bits do not depend on the processor. */
static double product(const vectors *v, size_t a, size_t b)
{
    const real *x = v->values + a * v->apart, *y = v->values + b * v->apart;
    double sums[8] = {0};
    for (size_t k = 0; k < v->length; k++) {
        sums[k % 8] += (double)x[k * v->step] * (double)y[k * v->step];
    }
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* x -= factor * y */
static void subtract(const vectors *v, size_t a, size_t b, double factor)
{
    real *x = v->values + a * v->apart;
    const real *y = v->values + b * v->apart;
    for (size_t k = 0; k < v->length; k++) {
        x[k * v->step] = (real)((double)x[k * v->step] - factor * (double)y[k * v->step]);
    }
}

static void scale(const vectors *v, size_t a, double factor)
{
    real *x = v->values + a * v->apart;
    for (size_t k = 0; k < v->length; k++) {
        x[k * v->step] = (real)((double)x[k * v->step] * factor);
    }
}

/* Gram and Schmidt's, each vector twice: once loses digits in proportion to the condition of the
 * matrix, twice is enough (Giraud et al. 2005). Of normal numbers it makes every orthogonal matrix
 * equally likely, as torch.nn.init.orthogonal_ does. */
static void orthogonalize(const vectors *v)
{
    for (size_t a = 0; a < v->count; a++) {
        for (int pass = 0; pass < 2; pass++) {
            for (size_t b = 0; b < a; b++) {
                subtract(v, a, b, product(v, a, b));
            }
            scale(v, a, 1.0 / sqrt(product(v, a, a)));
        }
    }
}

/* Each gate's [H,R] by itself: rows, or with a projection, of which there are fewer, columns. */
static void draw_orthogonal(const network *net, const network_tensor *tensor, real *values,
                            uint64_t stream)
{
    size_t R = tensor->shape[1], H = tensor->shape[0] / net->gates;
    draw_normal(values, tensor->count, net->options.seed, stream);
    for (size_t g = 0; g < net->gates; g++) {
        real *gate = values + g * H * R;
        orthogonalize(R < H ? &(vectors){gate, R, H, 1, R} : &(vectors){gate, H, R, R, 1});
    }
}

/* ---- what is set ---- */

/* The two biases are added: one has the value, the other nothing. */
static void set_forget_bias(const network *net, real *parameters)
{
    for (size_t l = 0; l < net->options.layers * net->directions; l++) {
        const network_layer *layer = &net->layers[l];
        size_t H = layer->hidden_size, first = cell_forget_gate(net->cell) * H;
        for (size_t k = first; k < first + H; k++) {
            parameters[layer->bias_ih + k] = (real)net->options.forget_bias;
            parameters[layer->bias_hh + k] = 0;
        }
    }
}

static bool is_recurrent_matrix(const network *net, const network_tensor *tensor)
{
    const network_layer *layer = layer_of(net, tensor);
    return layer != NULL && layer->weight_hh == tensor->offset;
}

void network_initialize(const network *net, real *parameters)
{
    const lrnn_model_options *o = &net->options;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        uint64_t stream = RANDOM_STREAM_PARAMETERS + i;
        if (o->orthogonal && is_recurrent_matrix(net, tensor)) {
            draw_orthogonal(net, tensor, parameters + tensor->offset, stream);
        } else {
            draw(net, tensor, parameters + tensor->offset, stream);
        }
    }
    if (o->padding_token >= 0) {
        memset(parameters + net->embedding + (size_t)o->padding_token * net->token_size, 0,
               net->token_size * sizeof(real));
    }
    if (o->forget_bias != 0) {
        set_forget_bias(net, parameters);
    }
}
