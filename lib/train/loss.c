/* The table of losses, and the options that each reads. An option that the chosen loss would ignore
 * is an error: it mostly means that another loss was meant. */
#include "loss.h"

#include <math.h>

#include "base/check.h"
#include "base/error.h"
#include "model/activate.h"

#define LOSS_ADDRESS(name) &loss_##name,
static const loss_kind *const losses[] = {LOSS_LIST(LOSS_ADDRESS)};

#define LOSS_COUNT (sizeof losses / sizeof *losses)

const loss_kind *loss_find(int32_t kind)
{
    for (size_t i = 0; i < LOSS_COUNT; i++) {
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

lrnn_status loss_check_weights(const char *field, const real *weights, size_t outputs)
{
    for (size_t i = 0; weights != NULL && i < outputs; i++) {
        if (!(weights[i] >= 0 && isfinite(weights[i]))) {
            return error_set(LRNN_ERR_INVALID,
                             "%s[%zu]: expected a finite number of at least 0, found %g", field, i,
                             (double)weights[i]);
        }
    }
    return LRNN_OK;
}

lrnn_status loss_check_activation(const loss_kind *of, int32_t activation)
{
    static const unsigned fit[] = {
        [LOSS_PLAIN] = 0,
        [LOSS_CLASSES] = 1u << LRNN_ACTIVATION_SOFTMAX | 1u << LRNN_ACTIVATION_LOG_SOFTMAX,
        [LOSS_CHANCES] = 1u << LRNN_ACTIVATION_SIGMOID,
        [LOSS_VALUES] = 1u << LRNN_ACTIVATION_SIGMOID | 1u << LRNN_ACTIVATION_TANH,
    };
    if (of == NULL || activation == LRNN_ACTIVATION_NONE || (fit[of->outputs] >> activation & 1)) {
        return LRNN_OK;
    }
    return error_set(LRNN_ERR_INVALID,
                     "loss: %s does not go with the model's output_activation, "
                     "%s",
                     of->name, activation_name(activation));
}

static lrnn_status unknown(int32_t kind)
{
    int32_t last = LRNN_LOSS_NONE;
    for (size_t i = 0; i < LOSS_COUNT; i++) {
        last = losses[i]->kind > last ? losses[i]->kind : last;
    }
    return error_set(LRNN_ERR_INVALID, "loss: expected 0..%d, found %d", (int)last, (int)kind);
}

#define LOSS_CHECK_READ(field) CHECK(check_read(#field, o->field != 0, of->reads.field, of->name));

lrnn_status loss_check_options(const lrnn_trainer_options *o, size_t outputs)
{
    static const loss_kind none = {.name = "LRNN_LOSS_NONE"};
    const loss_kind *of = o->loss == LRNN_LOSS_NONE ? &none : loss_find(o->loss);
    if (of == NULL) {
        return unknown(o->loss);
    }
    LOSS_OPTIONS(LOSS_CHECK_READ)
    return of->check_options == NULL ? LRNN_OK : of->check_options(o, outputs);
}
