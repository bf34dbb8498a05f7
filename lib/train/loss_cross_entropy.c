/* Softmax cross-entropy over V classes with label smoothing e and class weights w
 * (torch.nn.CrossEntropyLoss), z the logits, y the target, p = softmax(z):
 *   loss  = -(1-e) w_y log p_y - e/V sum_v w_v log p_v
 *   dz_v  = ((1-e) w_y + e/V sum_u w_u) p_v - (1-e) w_y [v = y] - e/V w_v
 * log p is z - max z - log sum exp(z - max z), the sum in double.
 *
 * Each slice is turned into exp(z - m), m its maximum, while it is in cache; m and the sum of the
 * slice are kept, so that one factor a slice makes probabilities of it afterwards. An item counts
 * with w_y in the loss weight. */
#include <math.h>

#include "base/check.h"
#include "base/error.h"
#include "loss.h"

static double class_weight(const loss_item *item, size_t v)
{
    const real *weights = item->options->class_weights;
    return weights == NULL ? 1 : (double)weights[v];
}

static double class_weight_sum(const loss_item *item)
{
    if (item->options->class_weights == NULL) {
        return (double)item->outputs;
    }
    double sum = 0;
    for (size_t v = 0; v < item->outputs; v++) {
        sum += (double)item->options->class_weights[v];
    }
    return sum;
}

static lrnn_status check_options(const lrnn_trainer_options *o, size_t outputs)
{
    CHECK(check_share("label_smoothing", o->label_smoothing, true));
    return loss_check_weights("class_weights", o->class_weights, outputs);
}

static lrnn_status check(const loss_item *item)
{
    int32_t target = loss_target(item);
    if (target >= 0 && (size_t)target >= item->outputs) {
        return error_set(LRNN_ERR_INVALID, "targets[%zu]: expected below %zu, found %d",
                         item->index, item->outputs, (int)target);
    }
    return LRNN_OK;
}

static double share(const loss_item *item)
{
    int32_t target = loss_target(item);
    return target < 0 ? -1 : class_weight(item, (size_t)target);
}

/* The target's place in the slice, or NULL: it is in another. */
static real *target_value(const loss_item *item, const loss_slice *slice)
{
    size_t target = (size_t)loss_target(item);
    return target - slice->first < slice->count ? slice->values + (target - slice->first) : NULL;
}

static void observe(const loss_item *item, const loss_slice *slice)
{
    const real *target = target_value(item, slice), *weights = item->options->class_weights;
    if (target != NULL) {
        item->kept[SOFTMAX_TARGET] = (double)*target;
    }
    if (item->options->label_smoothing > 0) {
        double sum = 0;
        for (size_t v = 0; v < slice->count; v++) {
            double z = (double)slice->values[v];
            sum += weights == NULL ? z : (double)weights[slice->first + v] * z;
        }
        item->other[slice->index] = sum;
    }
    kernels()->exp_below_max(slice->values, slice->count, &item->factor[slice->index],
                             &item->sum[slice->index]);
}

static double judge(const loss_item *item, loss_tally *tally)
{
    real *factor = item->factor, greatest = factor[0];
    double smoothing = item->options->label_smoothing, total = 0, logits = 0;
    for (size_t i = 1; i < item->slices; i++) {
        greatest = factor[i] > greatest ? factor[i] : greatest;
    }
    for (size_t i = 0; i < item->slices; i++) {
        factor[i] -= greatest;
    }
    kernels()->exp(factor, factor, item->slices);
    for (size_t i = 0; i < item->slices; i++) {
        total += item->sum[i] * (double)factor[i];
        logits += smoothing > 0 ? item->other[i] : 0;
    }
    item->kept[SOFTMAX_TOTAL] = total;
    item->kept[SOFTMAX_GREATEST] = (double)greatest;
    *tally = (loss_tally){1, item->kept[SOFTMAX_TARGET] >= (double)greatest};
    double log_sum = (double)greatest + log(total);
    double found = (1 - smoothing) * (log_sum - item->kept[SOFTMAX_TARGET]);
    if (item->options->class_weights != NULL) {
        found *= class_weight(item, (size_t)loss_target(item));
        return smoothing == 0 ? found
                              : found + smoothing * (class_weight_sum(item) * log_sum - logits) /
                                            (double)item->outputs;
    }
    return smoothing == 0 ? found : found + smoothing * (log_sum - logits / (double)item->outputs);
}

static void prepare(const loss_item *item, double amount)
{
    if (item->options->class_weights != NULL) {
        double e = item->options->label_smoothing, V = (double)item->outputs;
        amount *= (1 - e) * class_weight(item, (size_t)loss_target(item)) +
                  (e > 0 ? e / V * class_weight_sum(item) : 0);
    }
    for (size_t i = 0; i < item->slices; i++) {
        item->factor[i] = (real)((double)item->factor[i] * (amount / item->kept[SOFTMAX_TOTAL]));
    }
}

static void gradient(const loss_item *item, const loss_slice *slice, double amount)
{
    const real *weights = item->options->class_weights;
    double smoothing = item->options->label_smoothing, V = (double)item->outputs;
    real *target = target_value(item, slice);
    for (size_t v = 0; smoothing > 0 && v < slice->count; v++) {
        double weight = weights == NULL ? 1 : (double)weights[slice->first + v];
        slice->values[v] -= (real)(amount * smoothing / V * weight);
    }
    if (target != NULL) {
        *target -= (real)(amount * (1 - smoothing) * class_weight(item, (size_t)loss_target(item)));
    }
}

static const row_loss row = {observe, judge, prepare, gradient};

const loss_kind loss_cross_entropy = {
    .kind = LRNN_LOSS_CROSS_ENTROPY,
    .name = "cross-entropy",
    .outputs = LOSS_CLASSES,
    .reads = {.label_smoothing = true, .class_weights = true},
    .check_options = check_options,
    .check = check,
    .share = share,
    .row = &row,
};
