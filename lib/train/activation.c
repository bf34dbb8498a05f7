/* Activations of the last window, by name. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "trainer.h"

enum { OF_HIDDEN = -1, OF_CELL = -2, OF_NOTHING = -3 };

/* Place of the activation among the gates, or one of the above. */
static int find(const char *name, const cell_kind *cell)
{
    if (strcmp(name, "hidden") == 0) {
        return OF_HIDDEN;
    }
    if (cell->has_c && strcmp(name, "cell") == 0) {
        return OF_CELL;
    }
    for (int gate = 0; gate < (int)cell->gates; gate++) {
        if (cell->activations[gate] != NULL && strcmp(name, cell->activations[gate]) == 0) {
            return gate;
        }
    }
    return OF_NOTHING;
}

/* Where the activation of row b at step t lies. */
static const real *row_of(const lrnn_trainer *trainer, int what, size_t index, size_t t, size_t b)
{
    const network *net = trainer->net;
    const layer_space *space = &trainer->spaces[index];
    size_t B = trainer->sequences.batch;
    size_t H = net->layers[index].hidden_size, R = net->layers[index].h_size;
    if (what >= 0) {
        return space->gates + ((t * B + b) * net->gates + (size_t)what) * H;
    }
    size_t place = index % net->directions == 1 ? t : t + 1;
    return what == OF_CELL ? space->c + (place * B + b) * H : space->h + (place * B + b) * R;
}

/* Of this segment. */
static void copy_rows(real *values, const lrnn_trainer *trainer, int what, size_t index,
                      size_t size)
{
    for (size_t b = 0; b < trainer->sequences.batch; b++) {
        for (size_t t = 0; t < trainer->segment.steps && segment_active(&trainer->segment, b, t);
             t++) {
            memcpy(values + segment_item(&trainer->segment, b, t) * size,
                   row_of(trainer, what, index, t, b), size * sizeof(real));
        }
    }
}

lrnn_status lrnn_trainer_copy_activation(real *values, size_t capacity, lrnn_trainer *trainer,
                                         const char *name, size_t layer, size_t direction)
{
    if (values == NULL || trainer == NULL || name == NULL) {
        return error_null(values == NULL ? "values" : trainer == NULL ? "trainer" : "name");
    }
    const network *net = trainer->net;
    const lrnn_sequences *s = &trainer->sequences;
    if (!trainer->answered) {
        return error_set(LRNN_ERR_STATE, "no forward or evaluation whose activations are there");
    }
    if (layer >= net->options.layers || direction >= net->directions) {
        return error_set(LRNN_ERR_INVALID, "layer %zu, direction %zu: the model has %zu and %zu",
                         layer, direction, net->options.layers, net->directions);
    }
    int what = find(name, net->cell);
    if (what == OF_NOTHING) {
        return error_set(LRNN_ERR_NOT_FOUND, "name: this cell has no activation '%s'", name);
    }
    const network_layer *of = network_layer_of(net, layer);
    size_t size = what == OF_HIDDEN ? of->h_size : of->hidden_size;
    size_t count = s->batch * s->steps * size;
    if (capacity < count) {
        return error_set(LRNN_ERR_TOO_SMALL, "values: %zu values, room for %zu", count, capacity);
    }
    memset(values, 0, count * sizeof(real));
    fpmode mode = fpmode_enter();
    for (size_t i = 0; i < segments_count(trainer); i++) {
        segments_enter(trainer, i);
        copy_rows(values, trainer, what, layer * net->directions + direction, size);
    }
    fpmode_leave(mode);
    return LRNN_OK;
}
