/* The learning-rate schedule of lrnn train. It is advanced once a step; the options count in
 * epochs, so whatever they say is multiplied by the windows of an epoch. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "train.h"

size_t train_list(uint64_t *numbers, const char *list)
{
    uint64_t before = 0;
    for (size_t count = 0; isdigit((unsigned char)*list);) {
        char *end;
        errno = 0;
        unsigned long long number = strtoull(list, &end, 10);
        if (errno != 0 || number <= before) {
            return 0;
        }
        before = number;
        if (numbers != NULL) {
            numbers[count] = number;
        }
        count++;
        if (*end == '\0') {
            return count;
        }
        if (*end != ',') {
            return 0;
        }
        list = end + 1;
    }
    return 0;
}

/* Of step: an epoch unless another is given; of cosine: what is left of the run. */
static uint64_t period(const train_settings *settings, size_t windows, uint64_t before)
{
    uint64_t all = settings->epochs * windows;
    if (settings->schedule_period > 0) {
        return settings->schedule_period * windows;
    }
    if (settings->schedule != LRNN_SCHEDULE_COSINE) {
        return windows;
    }
    return all > before ? all - before : 1;
}

static void describe(lrnn_schedule_options *options, const train_settings *settings, size_t windows)
{
    options->kind = settings->schedule;
    options->learning_rate = settings->learning_rate;
    options->factor = settings->schedule_factor;
    options->minimum = settings->schedule_minimum;
    options->threshold = settings->schedule_threshold;
    options->patience = settings->schedule_patience;
    options->warmup = settings->warmup;
    options->delay = (settings->schedule_start - 1) * windows;
    options->period = period(settings, windows, options->delay + options->warmup);
    if (settings->schedule == LRNN_SCHEDULE_EXPONENTIAL) {
        options->factor = pow(settings->schedule_factor, 1.0 / (double)windows);
    }
}

/* In advances of the rule, which counts from the end of the warm-up; the list in epochs. */
static uint64_t *read_milestones(size_t *count, const train_settings *settings, size_t windows)
{
    const char *list = settings->schedule_milestones;
    uint64_t *milestones = malloc((strlen(list) / 2 + 1) * sizeof *milestones);
    *count = milestones != NULL ? train_list(milestones, list) : 0;
    for (size_t i = 0; i < *count; i++) {
        uint64_t steps = milestones[i] * windows;
        milestones[i] = steps > settings->warmup ? steps - settings->warmup : i;
    }
    return milestones;
}

lrnn_status train_make_schedule(training *run)
{
    const train_settings *settings = run->settings;
    size_t windows = lrnn_batches_count(run->batches);
    lrnn_schedule_options options;
    CHECK(lrnn_schedule_options_init(&options, sizeof options));
    describe(&options, settings, windows);
    if (settings->schedule != LRNN_SCHEDULE_MILESTONES) {
        return lrnn_schedule_create(&run->schedule, &options);
    }
    uint64_t *milestones = read_milestones(&options.milestone_count, settings, windows);
    options.milestones = milestones;
    lrnn_status status = lrnn_schedule_create(&run->schedule, &options);
    free(milestones);
    return status;
}
