/* What inference makes of a model's outputs:
 *   sigmoid  1 / (1 + exp(-z))      softmax      exp(z_o) / sum of exp z
 *   tanh     tanh z                 log-softmax  z_o - log(sum of exp z)
 * relu is for layers only. Trainers and decoders work on the values before it. */
#include "activate.h"

#include <math.h>

#include "adaptive.h"
#include "base/error.h"
#include "kernels/kernels.h"

static const char *const names[] = {"none", "sigmoid", "tanh", "softmax", "log-softmax", "relu"};

const char *activation_name(int32_t activation)
{
    size_t count = sizeof names / sizeof *names;
    return activation >= 0 && (size_t)activation < count ? names[activation] : NULL;
}

static void softmax(real *y, size_t n)
{
    real maximum;
    double sum;
    kernels()->exp_below_max(y, n, &maximum, &sum);
    kernels()->scale(y, (real)(1 / sum), n);
}

static void relu(real *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = y[i] > 0 ? y[i] : y[i] == y[i] ? 0 : y[i]; /* NaN stays */
    }
}

static void log_softmax(real *y, size_t n)
{
    real maximum;
    double sum;
    kernels()->max_sum_exp(y, n, &maximum, &sum);
    double total = (double)maximum + log(sum);
    for (size_t i = 0; i < n; i++) {
        y[i] = (real)((double)y[i] - total);
    }
}

void activation_apply(int32_t activation, real *y, size_t n)
{
    switch (activation) {
    case LRNN_ACTIVATION_SIGMOID: kernels()->sigmoid(y, y, n); break;
    case LRNN_ACTIVATION_TANH: kernels()->tanh(y, y, n); break;
    case LRNN_ACTIVATION_RELU: relu(y, n); break;
    case LRNN_ACTIVATION_SOFTMAX: softmax(y, n); break;
    case LRNN_ACTIVATION_LOG_SOFTMAX: log_softmax(y, n); break;
    default: break;
    }
}

void activate_outputs(const network *net, const lrnn_sequences *s, real *outputs)
{
    size_t O = net->output_size, steps = network_answers_every_step(net) ? s->steps : 1;
    for (size_t b = 0; b < s->batch; b++) {
        size_t length = steps == 1 ? 1 : sequence_length(s, b);
        for (size_t t = 0; t < length; t++) {
            activation_apply(net->options.output_activation, outputs + (b * steps + t) * O, O);
        }
    }
}

lrnn_status activation_check_output(const lrnn_model_options *o)
{
    if (o->output_activation == LRNN_ACTIVATION_NONE) {
        return LRNN_OK;
    }
    if (o->output_activation == LRNN_ACTIVATION_RELU) {
        return error_set(LRNN_ERR_INVALID,
                         "output_activation: relu is for layers, not for outputs");
    }
    if (o->head == LRNN_HEAD_NONE) {
        return error_set(LRNN_ERR_INVALID, "output_activation: the model has no head");
    }
    if (adaptive_count(o) > 0) {
        return error_set(LRNN_ERR_INVALID, "output_activation: the outputs of an adaptive softmax "
                                           "(cutoffs) are log-probabilities already");
    }
    return LRNN_OK;
}
