/* Dropout of a window: masks of 0 or 1/(1-p), drawn in training and left alone in evaluation.
 *
 * An element is a function of (seed, window, what is dropped, its place in the window) alone, so no
 * thread and no cut into segments changes it, and a segment that is run again draws what it drew.
 * In a window that is cut into shards the place is one in the shard, and each shard draws from a
 * stream of its own. Locked masks (Gal & Ghahramani 2016) have their place in the row alone, the
 * same at every step; of an embedding whole rows go, one draw for each token, and recurrent weights
 * are the same: for a whole window, in all its shards. */
#include <string.h>

#include "base/random.h"
#include "trainer.h"

/* Behind the layers, of which there are at most 1024. */
enum { INPUT = 2048, EMBEDDING = 2049, WEIGHTS = 4096, SHARD = 8192 };

/* mask[k] = 0 or 1/(1-p), for elements first..first+count-1 of what is dropped. */
static void draw(const lrnn_trainer *trainer, real *mask, double p, size_t what, size_t first,
                 size_t count)
{
    real kept = (real)(1.0 / (1.0 - p));
    uint32_t words[4];
    for (size_t k = 0; k < count; k++) {
        if (k == 0 || (first + k) % 4 == 0) {
            random_block(words, trainer->options.seed, RANDOM_STREAM_DROPOUT + what,
                         (trainer->window << 32) + (first + k) / 4);
        }
        mask[k] = random_word_to_unit(words[(first + k) % 4]) < p ? 0 : kept;
    }
}

/* Of the rows of this segment, `width` elements each. */
static void draw_rows(const lrnn_trainer *trainer, real *mask, double p, size_t what, size_t width)
{
    size_t step = trainer->sequences.batch * width, steps = trainer->segment.steps;
    what += trainer->shards.current * SHARD;
    if (!trainer->net->options.locked_dropout) {
        draw(trainer, mask, p, what, trainer->segment.first * step, steps * step);
        return;
    }
    draw(trainer, mask, p, what, 0, step);
    for (size_t t = 1; t < steps; t++) {
        memcpy(mask + t * step, mask, step * sizeof(real));
    }
}

static void apply(real *values, const real *mask, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        values[k] *= mask[k];
    }
}

static void fill_ones(real *mask, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        mask[k] = 1;
    }
}

/* The vectors of the tokens that are dropped from this window. */
static void drop_tokens(const lrnn_trainer *trainer, real *mask)
{
    const network *net = trainer->net;
    const lrnn_sequences *s = &trainer->sequences;
    for (size_t t = 0; t < trainer->segment.steps; t++) {
        for (size_t b = 0; b < s->batch; b++) {
            if (!segment_active(&trainer->segment, b, t)) {
                continue; /* its token is not read */
            }
            size_t token = (size_t)s->tokens[segment_item(&trainer->segment, b, t)];
            real factor, *row = mask + (t * s->batch + b) * net->input_size;
            draw(trainer, &factor, net->options.embedding_dropout, EMBEDDING, token, 1);
            for (size_t k = 0; k < net->token_size; k++) {
                row[k] *= factor;
            }
        }
    }
}

void dropout_input(lrnn_trainer *trainer)
{
    const network *net = trainer->net;
    size_t count = trainer->segment.steps * trainer->sequences.batch * net->input_size;
    real *mask = trainer->input_mask;
    if (mask == NULL || trainer->mode != PASS_TRAIN) {
        return;
    }
    if (net->options.input_dropout > 0) {
        draw_rows(trainer, mask, net->options.input_dropout, INPUT, net->input_size);
    } else {
        fill_ones(mask, count);
    }
    if (net->options.embedding_dropout > 0) {
        drop_tokens(trainer, mask);
    }
    apply(trainer->x, mask, count);
}

void dropout_input_gradient(const lrnn_trainer *trainer, real *gradient)
{
    if (trainer->input_mask != NULL) {
        apply(gradient, trainer->input_mask,
              trainer->segment.steps * trainer->sequences.batch * trainer->net->input_size);
    }
}

void dropout_layer(lrnn_trainer *trainer, size_t layer)
{
    const lrnn_model_options *o = &trainer->net->options;
    real *mask = trainer->masks[layer];
    size_t width = network_layer_width(trainer->net, layer);
    if (mask == NULL || trainer->mode != PASS_TRAIN) {
        return;
    }
    draw_rows(trainer, mask, layer + 1 < o->layers ? o->dropout : o->output_dropout, layer, width);
    apply(trainer->outputs[layer], mask, trainer->segment.steps * trainer->sequences.batch * width);
}

void dropout_layer_gradient(const lrnn_trainer *trainer, size_t layer, real *gradient)
{
    if (trainer->masks[layer] != NULL) {
        apply(gradient, trainer->masks[layer],
              trainer->segment.steps * trainer->sequences.batch *
                  network_layer_width(trainer->net, layer));
    }
}

/* ---- recurrent weights: Merity, Keskar & Socher 2018 ---- */

static size_t weight_count(const lrnn_trainer *trainer, size_t index)
{
    const network *net = trainer->net;
    return net->gates * net->layers[index].hidden_size * net->layers[index].h_size;
}

const real *dropout_weights(lrnn_trainer *trainer, size_t index, const real *weight)
{
    layer_space *space = &trainer->spaces[index];
    size_t count = weight_count(trainer, index);
    draw(trainer, space->weight_mask, trainer->net->options.weight_dropout, WEIGHTS + index, 0,
         count);
    memcpy(space->weight, weight, count * sizeof(real));
    apply(space->weight, space->weight_mask, count);
    return space->weight;
}

void dropout_weights_gradient(lrnn_trainer *trainer, size_t index)
{
    layer_space *space = &trainer->spaces[index];
    size_t count = weight_count(trainer, index);
    apply(space->weight, space->weight_mask, count);
    kernels()->add(trainer->gradients + trainer->net->layers[index].weight_hh, space->weight,
                   count);
}
