/* Learning rates as a function of the number of advances; only PLATEAU remembers more, what was
 * reported to it. A schedule knows no optimizer: the caller hands the rate on. */
#include "schedule.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "base/options.h"

static const lrnn_schedule_options default_options = {
    .size = sizeof(lrnn_schedule_options),
    .learning_rate = 0.001,
    .factor = 0.1,
    .threshold = 1e-4,
    .period = 1,
    .patience = 10,
    .kind = LRNN_SCHEDULE_CONSTANT,
};

lrnn_status lrnn_schedule_options_init(lrnn_schedule_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_schedule_options);
}

static lrnn_status check_milestones(const lrnn_schedule_options *o)
{
    bool needed = o->kind == LRNN_SCHEDULE_MILESTONES;
    if (needed != (o->milestones != NULL) || needed != (o->milestone_count > 0)) {
        return error_set(LRNN_ERR_INVALID, "milestones: %s",
                         needed ? "expected at least one"
                                : "only a schedule of milestones has any");
    }
    for (size_t i = 1; i < o->milestone_count; i++) {
        if (o->milestones[i] <= o->milestones[i - 1]) {
            return error_set(LRNN_ERR_INVALID,
                             "milestones[%zu]: expected more than the one before, %llu, found %llu",
                             i, (unsigned long long)o->milestones[i - 1],
                             (unsigned long long)o->milestones[i]);
        }
    }
    return LRNN_OK;
}

static lrnn_status check_options(const lrnn_schedule_options *o)
{
    CHECK(check_choice("kind", o->kind, LRNN_SCHEDULE_MILESTONES));
    CHECK(check_not_negative("learning_rate", o->learning_rate));
    CHECK(check_positive("factor", o->factor));
    CHECK(check_not_negative("minimum", o->minimum));
    CHECK(check_below_one("threshold", o->threshold));
    if (o->period == 0) {
        return error_set(LRNN_ERR_INVALID, "period: expected at least 1, found 0");
    }
    if (o->delay > 0 && o->kind == LRNN_SCHEDULE_CONSTANT) {
        return error_set(LRNN_ERR_INVALID, "delay: a constant rate has nothing to delay");
    }
    CHECK(check_milestones(o));
    return check_reserved(o->reserved);
}

lrnn_status lrnn_schedule_create(lrnn_schedule **schedule, const lrnn_schedule_options *options)
{
    if (schedule == NULL) {
        return error_null("schedule");
    }
    *schedule = NULL;
    lrnn_schedule_options o = default_options;
    lrnn_allocator allocator;
    if (options != NULL) {
        CHECK(OPTIONS_READ(&o, options, &default_options, lrnn_schedule_options));
    }
    CHECK(check_options(&o));
    CHECK(allocator_read(&allocator, o.allocator));
    size_t bytes;
    size_multiply(&bytes, o.milestone_count, sizeof *o.milestones);
    size_add(&bytes, bytes, sizeof(lrnn_schedule));
    lrnn_schedule *made = memory_allocate(&allocator, bytes, 1, "schedule");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = allocator;
    made->options = o;
    made->options.milestones = made->milestones;
    if (o.milestone_count > 0) {
        memcpy(made->milestones, o.milestones, o.milestone_count * sizeof *o.milestones);
    }
    made->best = (double)INFINITY;
    made->rate = o.learning_rate;
    *schedule = made;
    return LRNN_OK;
}

void lrnn_schedule_destroy(lrnn_schedule *schedule)
{
    if (schedule != NULL) {
        lrnn_allocator allocator = schedule->allocator;
        memory_release(&allocator, schedule);
    }
}

static size_t milestones_passed(const lrnn_schedule_options *o, uint64_t n)
{
    size_t passed = 0;
    while (passed < o->milestone_count && o->milestones[passed] <= n) {
        passed++;
    }
    return passed;
}

/* The rule's own rate after n advances. */
static double rule_rate(const lrnn_schedule *schedule, uint64_t n)
{
    const lrnn_schedule_options *o = &schedule->options;
    switch (o->kind) {
    case LRNN_SCHEDULE_STEP: return o->learning_rate * pow(o->factor, (double)(n / o->period));
    case LRNN_SCHEDULE_EXPONENTIAL: return o->learning_rate * pow(o->factor, (double)n);
    case LRNN_SCHEDULE_COSINE: {
        double part = n < o->period ? (double)n / (double)o->period : 1;
        return o->minimum +
               (o->learning_rate - o->minimum) * (1 + cos(3.14159265358979323846 * part)) / 2;
    }
    case LRNN_SCHEDULE_PLATEAU: return schedule->rate;
    case LRNN_SCHEDULE_MILESTONES:
        return o->learning_rate * pow(o->factor, (double)milestones_passed(o, n));
    default: return o->learning_rate;
    }
}

/* Not inline, as the next one: see fpmode.h. */
__attribute__((noinline)) static double due_rate(const lrnn_schedule *schedule)
{
    uint64_t warmup = schedule->options.warmup, n = schedule->advances;
    if (n < warmup) {
        return rule_rate(schedule, 0) * ((double)n + 1) / ((double)warmup + 1);
    }
    uint64_t counted = n - warmup, delay = schedule->options.delay;
    return rule_rate(schedule, counted > delay ? counted - delay : 0);
}

double lrnn_schedule_learning_rate(const lrnn_schedule *schedule)
{
    if (schedule == NULL) {
        return (double)NAN;
    }
    fpmode mode = fpmode_enter();
    double rate = due_rate(schedule);
    fpmode_leave(mode);
    return rate;
}

lrnn_status lrnn_schedule_advance(lrnn_schedule *schedule)
{
    if (schedule == NULL) {
        return error_null("schedule");
    }
    schedule->advances++;
    return LRNN_OK;
}

/* torch.optim.lr_scheduler.ReduceLROnPlateau, mode min, threshold_mode rel, cooldown 0; like there,
 * a change of less than 1e-8 is not made. */
__attribute__((noinline)) static void take_report(lrnn_schedule *schedule, double metric)
{
    const lrnn_schedule_options *o = &schedule->options;
    if (metric < schedule->best * (1 - o->threshold)) {
        schedule->best = metric;
        schedule->bad_reports = 0;
    } else {
        schedule->bad_reports++;
    }
    if (schedule->bad_reports > o->patience) {
        double lower = schedule->rate * o->factor;
        lower = lower > o->minimum ? lower : o->minimum;
        if (schedule->rate - lower > 1e-8) {
            schedule->rate = lower;
        }
        schedule->bad_reports = 0;
    }
}

lrnn_status lrnn_schedule_report(lrnn_schedule *schedule, double metric)
{
    if (schedule == NULL) {
        return error_null("schedule");
    }
    if (isnan(metric)) {
        return error_set(LRNN_ERR_NUMERIC, "metric is NaN");
    }
    uint64_t delay = schedule->options.delay;
    bool heard = delay == 0 || schedule->advances > delay;
    if (schedule->options.kind == LRNN_SCHEDULE_PLATEAU && heard) {
        fpmode mode = fpmode_enter();
        take_report(schedule, metric);
        fpmode_leave(mode);
    }
    return LRNN_OK;
}

/* ---- checkpoints ---- */

lrnn_status schedule_save(const section_writer *to, const lrnn_schedule *schedule)
{
    CHECK(section_put_count(to, "kind", (uint64_t)schedule->options.kind));
    CHECK(section_put_count(to, "advances", schedule->advances));
    CHECK(section_put_count(to, "bad_reports", schedule->bad_reports));
    CHECK(section_put_number(to, "learning_rate", schedule->rate));
    return section_put_number(to, "best", schedule->best);
}

lrnn_status schedule_read(schedule_saved *saved, const section_reader *from,
                          const lrnn_schedule *schedule)
{
    uint64_t kind;
    CHECK(section_get_count(&kind, from, "kind", (uint64_t)schedule->options.kind));
    if (kind != (uint64_t)schedule->options.kind) {
        return section_mismatch(from, "another kind");
    }
    CHECK(section_get_count(&saved->advances, from, "advances", 0));
    CHECK(section_get_count(&saved->bad_reports, from, "bad_reports", 0));
    CHECK(section_get_number(&saved->rate, from, "learning_rate", schedule->rate));
    if (saved->rate < 0) {
        return section_damaged(from, "learning_rate", "expected at least 0");
    }
    return section_get_number(&saved->best, from, "best", (double)INFINITY);
}

void schedule_restore(lrnn_schedule *schedule, const schedule_saved *saved)
{
    schedule->advances = saved->advances;
    schedule->bad_reports = saved->bad_reports;
    schedule->rate = saved->rate;
    schedule->best = saved->best;
}
