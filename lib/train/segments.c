/* The passes over a window, segment by segment. Commonly there is one segment. A trainer that
 * recomputes keeps only the state before each, and runs a segment forward again when its
 * activations are needed: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. */
#include <string.h>

#include "normalize.h"
#include "regularize.h"
#include "trainer.h"

size_t segments_count(const lrnn_trainer *trainer)
{
    return (trainer->sequences.steps + trainer->segment_steps - 1) / trainer->segment_steps;
}

void segments_lay_out(lrnn_trainer *trainer, arena *from)
{
    if (trainer->segment_steps >= trainer->options.steps) {
        return;
    }
    size_t count = (trainer->options.steps + trainer->segment_steps - 1) / trainer->segment_steps;
    trainer->borders = arena_take(from, count, sizeof *trainer->borders);
    for (size_t i = 0; i < count; i++) {
        carried border = {0};
        carried_lay_out(trainer, &border, from);
        if (trainer->borders != NULL) {
            trainer->borders[i] = border;
        }
    }
}

static void locate(lrnn_trainer *trainer, size_t index)
{
    size_t first = index * trainer->segment_steps, left = trainer->sequences.steps - first;
    trainer->segment_index = index;
    trainer->segment = (segment){
        .sequences = &trainer->sequences,
        .first = first,
        .steps = left < trainer->segment_steps ? left : trainer->segment_steps,
    };
}

void segments_forward(lrnn_trainer *trainer, const carried *initial, pass_mode mode, head_job *job)
{
    size_t count = segments_count(trainer);
    bool every_step = network_answers_every_step(trainer->net);
    trainer->mode = mode;
    trainer->stages.fresh = initial->batch == 0;
    trainer->window = trainer->windows;
    if (trainer->borders != NULL) {
        trainer->borders[0].batch = initial->batch;
        layer_state_copy(trainer->net, carried_layers(&trainer->borders[0]), carried_read(initial),
                         initial->batch);
    }
    for (size_t i = 0; i < count; i++) {
        locate(trainer, i);
        run_forward(trainer, i == 0 ? initial : &trainer->borders[i],
                    i + 1 < count ? &trainer->borders[i + 1] : &trainer->pending);
        regularize_observe(trainer);
        head_collect(trainer);
        if (job != NULL && every_step) {
            head_run(trainer, job);
        }
    }
    if (job != NULL && !every_step) {
        head_run(trainer, job);
    }
}

void segments_enter(lrnn_trainer *trainer, size_t index)
{
    if (index != trainer->segment_index) {
        locate(trainer, index);
        run_forward(trainer, &trainer->borders[index], NULL);
    }
}

void segments_backward(lrnn_trainer *trainer, head_job *job, real *feature_gradient)
{
    bool every_step = network_answers_every_step(trainer->net);
    if (!every_step) {
        head_run(trainer, job);
    }
    for (size_t i = segments_count(trainer); i-- > 0;) {
        segments_enter(trainer, i);
        if (every_step) {
            head_run(trainer, job);
        } else {
            head_spread(trainer);
        }
        run_backward(trainer, feature_gradient);
    }
    stage_start_gradient(trainer);
}

void segments_copy_outputs(lrnn_trainer *trainer, real *outputs)
{
    head_job job = {.copy = outputs};
    if (!network_answers_every_step(trainer->net)) {
        head_run(trainer, &job);
        return;
    }
    for (size_t i = 0; i < segments_count(trainer); i++) {
        segments_enter(trainer, i);
        head_run(trainer, &job);
    }
}
