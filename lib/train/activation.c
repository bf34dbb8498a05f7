/* Activations of the last window, by name. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fpmode.h"
#include "trainer.h"

typedef struct activation {
    const char *name;
    int32_t cell; /* which has it; ANY_CELL: all of them */
    int32_t gate; /* place among the gates, or one of the two below */
} activation;

enum { ANY_CELL = -1, OF_HIDDEN = -1, OF_CELL = -2 };

static const activation activations[] = {
    {"hidden", ANY_CELL, OF_HIDDEN},    {"input_gate", LRNN_CELL_LSTM, 0},
    {"forget_gate", LRNN_CELL_LSTM, 1}, {"candidate", LRNN_CELL_LSTM, 2},
    {"output_gate", LRNN_CELL_LSTM, 3}, {"cell", LRNN_CELL_LSTM, OF_CELL},
    {"reset_gate", LRNN_CELL_GRU, 0},   {"update_gate", LRNN_CELL_GRU, 1},
    {"candidate", LRNN_CELL_GRU, 2},
};

static const activation *find(const char *name, int32_t cell)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        const activation *a = &activations[i];
        if ((a->cell == ANY_CELL || a->cell == cell) && strcmp(a->name, name) == 0) {
            return a;
        }
    }
    return NULL;
}

/* Where the activation of row b at step t lies. */
static const real *row_of(const lrnn_trainer *trainer, const activation *what, size_t index,
                          size_t t, size_t b)
{
    const network *net = trainer->net;
    const layer_run *run = &trainer->runs[index];
    size_t B = trainer->sequences.batch, H = net->options.hidden_size, R = net->h_size;
    if (what->gate >= 0) {
        return run->gates + ((t * B + b) * net->gates + (size_t)what->gate) * H;
    }
    size_t slot = index % net->directions == 1 ? t : t + 1;
    return what->gate == OF_CELL ? run->c + (slot * B + b) * H : run->h + (slot * B + b) * R;
}

/* Of this segment. */
static void copy_rows(real *values, const lrnn_trainer *trainer, const activation *what,
                      size_t index, size_t width)
{
    for (size_t b = 0; b < trainer->sequences.batch; b++) {
        for (size_t t = 0; t < trainer->segment.steps && row_active(trainer, b, t); t++) {
            memcpy(values + row_item(trainer, b, t) * width, row_of(trainer, what, index, t, b),
                   width * sizeof(real));
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
    const activation *what = find(name, net->options.cell);
    if (what == NULL) {
        return error_set(LRNN_ERR_NOT_FOUND, "name: this cell has no activation '%s'", name);
    }
    size_t width = what->gate == OF_HIDDEN ? net->h_size : net->options.hidden_size;
    size_t count = s->batch * s->steps * width;
    if (capacity < count) {
        return error_set(LRNN_ERR_TOO_SMALL, "values: %zu values, room for %zu", count, capacity);
    }
    memset(values, 0, count * sizeof(real));
    fpmode mode = fpmode_enter();
    for (size_t i = 0; i < segment_count(trainer); i++) {
        segment_enter(trainer, i);
        copy_rows(values, trainer, what, layer * net->directions + direction, width);
    }
    fpmode_leave(mode);
    return LRNN_OK;
}
