/* See trainer_section.h. Rows of the carried state are those of the last window; `carried` of them
 * are where the next one starts, all or none. */
#include "trainer_section.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "model/file.h"

lrnn_status trainer_save(const section_writer *to, const lrnn_trainer *trainer)
{
    size_t rows = trainer->carry.rows;
    CHECK(network_check_finite(trainer->net, trainer->parameters));
    CHECK(section_put_count(to, "windows", trainer->windows));
    if (trainer->averages) {
        CHECK(section_put_count(to, "averages", 1));
        CHECK(section_put_count(to, "averaged", trainer->averaged));
        CHECK(section_put_reals(to, "average", trainer->average,
                                trainer->averaged > 0 ? trainer->net->parameter_count : 0));
    }
    CHECK(section_put_count(to, "seed", trainer->options.seed));
    CHECK(section_put_count(to, "carried", trainer->carry.batch));
    CHECK(section_put_count(to, "rows", rows));
    CHECK(section_put_reals(to, "h", trainer->carry.h, carried_h_count(trainer, rows)));
    return section_put_reals(to, "c", trainer->carry.c,
                             trainer->carry.c == NULL ? 0 : carried_c_count(trainer, rows));
}

/* An array is there for every average, also for one that has only been asked for. */
static lrnn_status read_average(trainer_saved *saved, const section_reader *from,
                                const lrnn_trainer *trainer)
{
    size_t count = trainer->net->parameter_count;
    CHECK(section_get_count(&saved->averages, from, "averages", 0));
    CHECK(section_get_count(&saved->averaged, from, "averaged", 0));
    if (saved->averages > 1 || (saved->averages == 0 && saved->averaged > 0)) {
        return section_damaged(from, "averages", "expected 0 or 1, and 1 with an average");
    }
    if (saved->averaged > 0) {
        return section_get_reals(&saved->average, from, "average", count, &trainer->allocator);
    }
    if (saved->averages) {
        saved->average =
            memory_allocate(&trainer->allocator, count, sizeof(real), "checkpoint: average");
    }
    return saved->averages && saved->average == NULL ? LRNN_ERR_MEMORY : LRNN_OK;
}

lrnn_status trainer_read(trainer_saved *saved, const section_reader *from,
                         const lrnn_trainer *trainer)
{
    const lrnn_allocator *allocator = &trainer->allocator;
    CHECK(section_get_count(&saved->windows, from, "windows", 0));
    CHECK(section_get_count(&saved->seed, from, "seed", trainer->options.seed));
    CHECK(section_get_count(&saved->carried, from, "carried", 0));
    CHECK(section_get_count(&saved->rows, from, "rows", 0));
    if (saved->rows > trainer->options.batch) {
        return section_mismatch(from, "batch is smaller");
    }
    if (saved->carried != 0 && saved->carried != saved->rows) {
        return section_damaged(from, "carried", "the rows of the carried state are others");
    }
    size_t rows = (size_t)saved->rows;
    saved->parameters = memory_allocate(allocator, trainer->net->parameter_count, sizeof(real),
                                        "checkpoint: parameters");
    if (saved->parameters == NULL) {
        return LRNN_ERR_MEMORY;
    }
    CHECK(read_average(saved, from, trainer));
    CHECK(parameters_from_file(saved->parameters, trainer->net, from->file));
    CHECK(section_get_reals(&saved->h, from, "h", carried_h_count(trainer, rows), allocator));
    return section_get_reals(&saved->c, from, "c",
                             trainer->carry.c == NULL ? 0 : carried_c_count(trainer, rows),
                             allocator);
}

static void copy_reals(real *to, const real *from, size_t count)
{
    if (to != NULL && from != NULL && count > 0) {
        memcpy(to, from, count * sizeof(real));
    }
}

/* The array that is not needed any more goes with `saved`. */
static void restore_average(lrnn_trainer *trainer, trainer_saved *saved)
{
    trainer->averages = saved->averages != 0;
    trainer->averaged = saved->averaged;
    if (saved->average != NULL) {
        real *old = trainer->average;
        trainer->average = saved->average;
        saved->average = old;
    }
}

void trainer_restore(lrnn_trainer *trainer, trainer_saved *saved)
{
    size_t rows = (size_t)saved->rows;
    copy_reals(trainer->parameters, saved->parameters, trainer->net->parameter_count);
    copy_reals(trainer->carry.h, saved->h, carried_h_count(trainer, rows));
    copy_reals(trainer->carry.c, saved->c, carried_c_count(trainer, rows));
    trainer->carry.batch = (size_t)saved->carried;
    trainer->carry.rows = rows;
    trainer->windows = saved->windows;
    restore_average(trainer, saved);
    trainer->options.seed = saved->seed;
    trainer->ready = trainer->answered = false;
}

void trainer_saved_release(trainer_saved *saved, const lrnn_trainer *trainer)
{
    memory_release(&trainer->allocator, saved->parameters);
    memory_release(&trainer->allocator, saved->average);
    memory_release(&trainer->allocator, saved->h);
    memory_release(&trainer->allocator, saved->c);
}
