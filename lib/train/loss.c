/* The table of losses, and the options that each reads. An option that the chosen loss would ignore
 * is an error: it mostly means that another loss was meant. */
#include "loss.h"

#include <math.h>

#include "base/check.h"
#include "base/error.h"

static const loss_kind *const losses[] = {
    &loss_cross_entropy, &loss_squared_error, &loss_absolute_error,       &loss_huber,
    &loss_smooth_l1,     &loss_ctc,           &loss_binary_cross_entropy,
};

const loss_kind *loss_find(int32_t kind)
{
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        if (losses[i]->kind == kind) {
            return losses[i];
        }
    }
    return NULL;
}

static lrnn_status check_read(const char *field, bool given, bool read, const char *loss_name)
{
    if (given && !read) {
        return error_set(LRNN_ERR_INVALID, "%s: the loss is %s, which does not read it", field,
                         loss_name);
    }
    return LRNN_OK;
}

static lrnn_status check_weights(const char *field, const real *weights, size_t count)
{
    for (size_t i = 0; weights != NULL && i < count; i++) {
        if (!(weights[i] >= 0 && isfinite(weights[i]))) {
            return error_set(LRNN_ERR_INVALID,
                             "%s[%zu]: expected a finite number of at least 0, found %g", field, i,
                             (double)weights[i]);
        }
    }
    return LRNN_OK;
}

lrnn_status loss_check_options(const lrnn_trainer_options *o, size_t outputs)
{
    static const loss_kind none = {.name = "LRNN_LOSS_NONE"};
    const loss_kind *of = o->loss == LRNN_LOSS_NONE ? &none : loss_find(o->loss);
    if (of == NULL) {
        return error_set(LRNN_ERR_INVALID, "loss: expected 0..%d, found %d", LRNN_LOSS_CTC,
                         (int)o->loss);
    }
    CHECK(check_share("label_smoothing", o->label_smoothing, true));
    CHECK(check_not_negative("loss_transition", o->loss_transition));
    CHECK(check_read("label_smoothing", o->label_smoothing != 0, of->smooths, of->name));
    CHECK(check_read("class_weights", o->class_weights != NULL, of->weighs_classes, of->name));
    CHECK(check_read("positive_weights", o->positive_weights != NULL, of->weighs_positives,
                     of->name));
    CHECK(check_read("loss_transition", o->loss_transition != 0, of->has_transition, of->name));
    CHECK(check_read("blank", o->blank != 0, of->has_blank, of->name));
    CHECK(check_read("zero_infinity", o->zero_infinity != 0, of->has_blank, of->name));
    CHECK(check_read("target_steps", o->target_steps != 0, of->has_blank, of->name));
    CHECK(check_choice("zero_infinity", o->zero_infinity, 1));
    CHECK(check_size("target_steps", o->target_steps, 0, INT32_MAX));
    CHECK(check_weights("class_weights", o->class_weights, outputs));
    CHECK(check_weights("positive_weights", o->positive_weights, outputs));
    if (of->has_blank && (o->blank < 0 || (size_t)o->blank >= outputs)) {
        return error_set(LRNN_ERR_INVALID, "blank: expected 0..%zu, found %d", outputs - 1,
                         (int)o->blank);
    }
    return LRNN_OK;
}
