/* Averaging the parameters over updates (Polyak & Juditsky 1992), for whatever optimizer makes
 * them: after update n since it began, average += (parameters - average) / n. With plain SGD that
 * is torch.optim.ASGD with lambd 0, where averaging begins with update t0 + 2. Each parameter has
 * its own sum, so pieces and threads change nothing. */
#include "average.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"

lrnn_status lrnn_trainer_set_average(lrnn_trainer *trainer, int32_t average)
{
    if (trainer == NULL) {
        return error_null("trainer");
    }
    CHECK(check_choice("average", average, 1));
    if (average && trainer->average == NULL) {
        trainer->average = memory_allocate(&trainer->allocator, trainer->net->parameter_count,
                                           sizeof(real), "trainer: average");
        if (trainer->average == NULL) {
            return LRNN_ERR_MEMORY;
        }
    }
    trainer->averages = average;
    trainer->averaged = 0;
    return LRNN_OK;
}

uint64_t lrnn_trainer_averaged(const lrnn_trainer *trainer)
{
    return trainer == NULL ? 0 : trainer->averaged;
}

void average_add(lrnn_trainer *trainer, size_t first, size_t count)
{
    const real *parameters = trainer->parameters + first;
    if (!trainer->averages) {
        return;
    }
    real *average = trainer->average + first;
    if (trainer->averaged == 0) {
        memcpy(average, parameters, count * sizeof(real));
        return;
    }
    real share = (real)(1 / ((double)trainer->averaged + 1));
    for (size_t i = 0; i < count; i++) {
        average[i] += (parameters[i] - average[i]) * share;
    }
}

void average_count(lrnn_trainer *trainer)
{
    trainer->averaged += trainer->averages ? 1 : 0;
}

const real *average_read(const lrnn_trainer *trainer)
{
    return trainer->averaged > 0 ? trainer->average : trainer->parameters;
}
