/* Layer normalization of a row (Ba, Kiros & Hinton 2016; torch.nn.LayerNorm), and the options of
 * what stands around recurrent layers. Sums are taken in eight parts that are always the same, so
 * that the bits depend neither on the processor nor on the other rows. */
#include "normalize.h"

#include <math.h>

#include "base/check.h"
#include "base/error.h"
#include "layer_sizes.h"

#define DEFAULT_EPSILON 1e-5

/* ---- rows ---- */

static double join(const double parts[8])
{
    return ((parts[0] + parts[1]) + (parts[2] + parts[3])) +
           ((parts[4] + parts[5]) + (parts[6] + parts[7]));
}

void normalize_row(real *y, const real *x, size_t n, const real *weight, const real *bias,
                   double epsilon, real *mean, real *scale)
{
    double sums[8] = {0}, squares[8] = {0};
    for (size_t k = 0; k < n; k++) {
        sums[k % 8] += (double)x[k];
    }
    double middle = join(sums) / (double)n;
    for (size_t k = 0; k < n; k++) {
        double d = (double)x[k] - middle;
        squares[k % 8] += d * d;
    }
    *mean = (real)middle;
    *scale = (real)(1 / sqrt(join(squares) / (double)n + epsilon));
    for (size_t k = 0; k < n; k++) {
        y[k] = (x[k] - *mean) * *scale * weight[k] + bias[k];
    }
}

/* ---- options ---- */

static size_t input_size(const lrnn_model_options *o)
{
    size_t token_size = o->embedding_size > 0 ? o->embedding_size : o->vocab_size;
    return (o->vocab_size > 0 ? token_size : 0) + o->feature_size;
}

size_t stages_entry_size(const lrnn_model_options *o)
{
    return o->input_layer_size > 0 ? o->input_layer_size : input_size(o);
}

size_t stages_top_size(const lrnn_model_options *o)
{
    return o->layers == 0 ? stages_entry_size(o) : layer_width(o, o->layers - 1);
}

size_t stages_head_size(const lrnn_model_options *o)
{
    return o->head_layer_size > 0 ? o->head_layer_size : stages_top_size(o);
}

bool stages_residual(const lrnn_model_options *o, size_t layer)
{
    return o->residual && (layer > 0 || stages_entry_size(o) == stages_top_size(o));
}

bool stages_hidden(const lrnn_model_options *o)
{
    return o->output_activation != LRNN_ACTIVATION_NONE || o->residual || layer_sizes_differ(o);
}

void stages_resolve(lrnn_model_options *o)
{
    if (o->layer_norm && o->layer_norm_epsilon == 0) {
        o->layer_norm_epsilon = DEFAULT_EPSILON;
    }
}

static lrnn_status check_linear(const char *field, size_t size, int32_t activation)
{
    if (activation != LRNN_ACTIVATION_NONE && size == 0) {
        return error_set(LRNN_ERR_INVALID, "%s_activation: there is no such layer, its size is 0",
                         field);
    }
    if (activation == LRNN_ACTIVATION_SOFTMAX || activation == LRNN_ACTIVATION_LOG_SOFTMAX) {
        return error_set(LRNN_ERR_INVALID, "%s_activation: softmax and log-softmax are for outputs",
                         field);
    }
    return LRNN_OK;
}

static lrnn_status check_linears(const lrnn_model_options *o)
{
    CHECK(check_linear("input_layer", o->input_layer_size, o->input_layer_activation));
    CHECK(check_linear("head_layer", o->head_layer_size, o->head_layer_activation));
    return o->head_layer_size == 0 || o->head != LRNN_HEAD_NONE
               ? LRNN_OK
               : error_set(LRNN_ERR_INVALID, "head_layer_size: the model has no head");
}

lrnn_status stages_check(const lrnn_model_options *o)
{
    const char *field = o->layer_norm      ? "layer_norm"
                        : o->residual      ? "residual"
                        : o->learned_state ? "learned_state"
                                           : NULL;
    CHECK(check_reserved(o->reserved_2));
    CHECK(check_linears(o));
    CHECK(check_not_negative("layer_norm_epsilon", o->layer_norm_epsilon));
    if (field != NULL && o->layers == 0) {
        return error_set(LRNN_ERR_INVALID, "%s: needs recurrent layers, but layers is 0", field);
    }
    if (o->layer_norm_epsilon > 0 && !o->layer_norm) {
        return error_set(LRNN_ERR_INVALID, "layer_norm_epsilon: only with layer_norm");
    }
    if (o->residual && layer_h_sizes_differ(o)) {
        return error_set(LRNN_ERR_INVALID,
                         "residual: adds what a layer reads to what it gives, but hidden_sizes "
                         "makes layers of different sizes");
    }
    if (o->residual && o->layers == 1 && !stages_residual(o, 0)) {
        return error_set(
            LRNN_ERR_INVALID,
            "residual: the only layer reads %zu values and gives %zu; input_layer_size "
            "can make them equal",
            stages_entry_size(o), stages_top_size(o));
    }
    return LRNN_OK;
}
