/* What a step shares with other workers that train the same model, each on rows of its own. There
 * are three meetings, and every worker comes to each of them unless all left at the one before:
 *   1. may the step begin: did a window have an error, and how much do all windows weigh, and how
 *      many rows have they?
 *   2. may it end: was a loss not finite, and what do the losses add up to?
 *   3. the sum of the gradients.
 * Nothing of a trainer has changed until the last one is over, and what follows it is computed from
 * the same numbers everywhere: so all workers fail together or update alike. Without an exchange
 * nothing happens here. Callbacks run in the caller's floating-point mode. */
#include "exchange.h"

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"

static const lrnn_exchange default_exchange = {.size = sizeof(lrnn_exchange)};

lrnn_status lrnn_exchange_init(lrnn_exchange *exchange, size_t struct_size)
{
    return OPTIONS_INIT(exchange, struct_size, &default_exchange, lrnn_exchange);
}

lrnn_status exchange_read(lrnn_exchange *copy, const lrnn_exchange *given)
{
    CHECK(OPTIONS_READ(copy, given, &default_exchange, lrnn_exchange));
    if (copy->sum_doubles == NULL || copy->sum_floats == NULL) {
        return error_null(copy->sum_doubles == NULL ? "exchange: sum_doubles"
                                                    : "exchange: sum_floats");
    }
    return LRNN_OK;
}

static lrnn_status failed(void)
{
    return error_set(LRNN_ERR_CALLBACK, "exchange: the caller's function failed");
}

/* Sums values[2..] with what the others have. own: the status of this worker; if some worker's was
 * not LRNN_OK, so is the result on all. */
static lrnn_status meet(const lrnn_trainer *trainer, lrnn_status own, double *values, size_t count)
{
    values[0] = own == LRNN_ERR_NUMERIC;
    values[1] = own != LRNN_OK && own != LRNN_ERR_NUMERIC;
    int32_t answer = trainer->exchange.sum_doubles(trainer->exchange.user, values, count);
    if (own != LRNN_OK) {
        return own;
    }
    if (answer != 0) {
        return failed();
    }
    if (values[1] > 0) {
        return error_set(LRNN_ERR_CALLBACK, "exchange: the window of another worker has an error");
    }
    if (values[0] > 0) {
        return error_set(LRNN_ERR_NUMERIC, "exchange: the loss of another worker is not finite");
    }
    return LRNN_OK;
}

lrnn_status exchange_begin(lrnn_trainer *trainer, lrnn_status own, double *weight, double *rows)
{
    regularizer *regular = &trainer->regular;
    if (trainer->exchange.sum_doubles == NULL) {
        return own;
    }
    bool good = own == LRNN_OK;
    double values[6] = {
        0, 0, good ? *weight : 0, *rows, good ? regular->values : 0, good ? regular->pairs : 0};
    lrnn_status status = meet(trainer, own, values, 6);
    *weight = values[2];
    *rows = values[3];
    regular->values = values[4];
    regular->pairs = values[5];
    return status;
}

lrnn_status exchange_losses(lrnn_trainer *trainer, lrnn_status own, lrnn_train_result *all)
{
    if (trainer->exchange.sum_doubles == NULL) {
        return own;
    }
    bool good = own == LRNN_OK;
    regularizer *regular = &trainer->regular;
    double values[7] = {0,
                        0,
                        good ? all->loss_sum : 0,
                        (double)all->items,
                        (double)all->right,
                        good ? regular->square_sum : 0,
                        good ? regular->change_sum : 0};
    lrnn_status status = meet(trainer, own, values, 7);
    all->loss_sum = values[2];
    all->items = (uint64_t)values[3];
    all->right = (uint64_t)values[4];
    regular->square_sum = values[5];
    regular->change_sum = values[6];
    return status;
}

lrnn_status exchange_gradients(lrnn_trainer *trainer)
{
    if (trainer->exchange.sum_floats == NULL) {
        return LRNN_OK;
    }
    int32_t answer = trainer->exchange.sum_floats(trainer->exchange.user, trainer->gradients,
                                                  trainer->net->parameter_count);
    return answer == 0 ? LRNN_OK : failed();
}
