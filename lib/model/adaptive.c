/* Adaptive softmax (Grave, Joulin, Cisse, Grangier & Jegou 2017, "Efficient softmax approximation
 * for GPUs"), as torch.nn.AdaptiveLogSoftmaxWithLoss computes it. With z the values of the head's
 * matrix, s of the shortlist and one for each tail, and u_i the values of tail i,
 *   log p(v) = log_softmax(z)_v                                          v in the shortlist
 *   log p(v) = log_softmax(z)_(s+i) + log_softmax(u_i)_(v - first_i)     v in tail i */
#include "adaptive.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/number.h"
#include "kernels/kernels.h"

#define DEFAULT_DIV_VALUE 4.0

/* ---- options ---- */

size_t adaptive_count(const lrnn_model_options *o)
{
    size_t count = 0;
    while (count < LRNN_MOST_CUTOFFS && o->cutoffs[count] > 0) {
        count++;
    }
    return count;
}

/* Python's float floor division, which decides in PyTorch. */
static double floor_division(double a, double b)
{
    double quotient = (a - fmod(a, b)) / b, whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

size_t adaptive_tail_size(size_t top, double div_value, size_t index)
{
    double divisor = pow(div_value == 0 ? DEFAULT_DIV_VALUE : div_value, (double)index + 1);
    return isfinite(divisor) ? (size_t)floor_division((double)top, divisor) : 0;
}

static lrnn_status check_list(const lrnn_model_options *o)
{
    size_t count = adaptive_count(o);
    for (size_t i = 0; i < LRNN_MOST_CUTOFFS; i++) {
        if (i >= count && o->cutoffs[i] != 0) {
            return error_set(LRNN_ERR_INVALID, "cutoffs: there is an id %zu, but a 0 before it", i);
        }
        if (i < count &&
            (o->cutoffs[i] >= o->output_size || (i > 0 && o->cutoffs[i] <= o->cutoffs[i - 1]))) {
            return error_set(LRNN_ERR_INVALID,
                             "cutoffs: expected ascending ids below output_size, %zu, found %zu as "
                             "id %zu",
                             o->output_size, o->cutoffs[i], i);
        }
    }
    return LRNN_OK;
}

static lrnn_status check_unused(const lrnn_model_options *o)
{
    const char *field = o->div_value != 0       ? "div_value"
                        : o->adaptive_bias != 0 ? "adaptive_bias"
                                                : NULL;
    return field == NULL
               ? LRNN_OK
               : error_set(LRNN_ERR_INVALID, "%s: only with cutoffs, but there are none", field);
}

lrnn_status adaptive_check(const lrnn_model_options *o, size_t top)
{
    if (o->head == LRNN_HEAD_NONE && adaptive_count(o) > 0) {
        return error_set(LRNN_ERR_INVALID, "cutoffs: the model has no head");
    }
    CHECK(check_list(o));
    if (adaptive_count(o) == 0) {
        return check_unused(o);
    }
    if (o->tied_weights) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "tied_weights: an adaptive softmax (cutoffs) has no matrix of the "
                         "embedding's shape");
    }
    if (o->div_value != 0 && !(o->div_value >= 1 && isfinite(o->div_value))) {
        return error_set(LRNN_ERR_INVALID,
                         "div_value: expected 0 or a finite number of at least 1, found %g",
                         o->div_value);
    }
    for (size_t i = 0; i < adaptive_count(o); i++) {
        if (adaptive_tail_size(top, o->div_value, i) == 0) {
            return error_set(LRNN_ERR_INVALID,
                             "div_value: the head reads %zu values, of which nothing is left for "
                             "tail %zu; use a smaller one or fewer cutoffs",
                             top, i);
        }
    }
    return LRNN_OK;
}

void adaptive_resolve(lrnn_model_options *o)
{
    if (adaptive_count(o) > 0 && o->div_value == 0) {
        o->div_value = DEFAULT_DIV_VALUE;
    }
}

/* ---- log-probabilities ---- */

/* log(sum of exp x) */
static double log_sum(const real *x, size_t count)
{
    real maximum;
    double sum;
    kernels()->max_sum_exp(x, count, &maximum, &sum);
    return (double)maximum + log(sum);
}

/* log(exp a + exp b) */
static double log_add(double a, double b)
{
    double greater = a > b ? a : b, less = a > b ? b : a;
    return greater + log1p(exp(less - greater));
}

static void add_to_all(real *x, size_t count, double value)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = (real)((double)x[i] + value);
    }
}

void adaptive_normalize(const network *net, const real *clusters, real *outputs)
{
    size_t shortlist = network_shortlist(net);
    double all = log_add(log_sum(outputs, shortlist), log_sum(clusters, net->tail_count));
    add_to_all(outputs, shortlist, -all);
    for (size_t i = 0; i < net->tail_count; i++) {
        const network_tail *tail = &net->tails[i];
        real *values = outputs + tail->first;
        add_to_all(values, tail->count, (double)clusters[i] - all - log_sum(values, tail->count));
    }
}
