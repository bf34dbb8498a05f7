/* What training takes, before it is taken: a model keeps its parameters twice, as they are and
 * packed; a trainer has its own, their gradients and the values of a window in one block; an
 * optimizer has two moments. */
#include <stdio.h>

#include "memory.h"
#include "train.h"

enum { PROBED = 1 << 20 };

/* Times the bytes of the parameters. */
enum { MODEL = 2, MOMENTS = 2, BEST = 2, TRAINER_AT_LEAST = 2 };

void train_check_model_memory(const training *run, const lrnn_model_options *options)
{
    const train_settings *settings = run->settings;
    memory_probe probe;
    memory_probe_init(&probe, PROBED);
    lrnn_model_options tried = *options;
    tried.allocator = &probe.allocator;
    lrnn_model *model = NULL;
    if (lrnn_model_create(&model, &tried) == LRNN_OK) {
        lrnn_model_destroy(model);
    }
    char what[160];
    size_t largest = 0;
    for (size_t i = 0; i < settings->hidden.count; i++) {
        largest = settings->hidden.items[i] > largest ? settings->hidden.items[i] : largest;
    }
    snprintf(what, sizeof what, "--hidden %zu, --layers %zu, --embedding %zu and %zu tokens",
             largest, settings->layers, settings->embedding, lrnn_vocab_size(options->input_vocab));
    memory_refuse(run->line, (double)probe.declined * (MODEL + MOMENTS + TRAINER_AT_LEAST), what);
}

void train_check_memory(const training *run, const lrnn_trainer_options *options)
{
    const train_settings *settings = run->settings;
    memory_probe probe;
    memory_probe_init(&probe, PROBED);
    lrnn_trainer_options tried = *options;
    tried.allocator = &probe.allocator;
    lrnn_trainer *trainer = NULL;
    if (lrnn_trainer_create(&trainer, run->model, &tried) == LRNN_OK) {
        lrnn_trainer_destroy(trainer);
    }
    size_t parameters = lrnn_model_parameter_count(run->model);
    size_t times = MODEL + MOMENTS + (settings->valid != NULL ? BEST : 0);
    double bytes = (double)probe.declined + (double)parameters * sizeof(float) * (double)times;
    char what[160];
    snprintf(what, sizeof what, "--batch %zu, --steps %zu and a model of %zu parameters",
             settings->batch, settings->steps, parameters);
    memory_accept(run->line, bytes, what);
}
