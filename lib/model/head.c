/* The head of a model in inference: one matrix whose outputs are logits, or an adaptive softmax,
 * whose outputs are log-probabilities. A row's outputs do not depend on the other rows. */
#include "adaptive.h"
#include "kernels/kernels.h"
#include "state.h"

void state_head_part(const lrnn_model *model, size_t first, size_t count, size_t rows,
                     const real *y, size_t y_row, real *outputs, size_t outputs_row)
{
    size_t top = model->net.head_size;
    kernel_multiply(rows, count, top, y, y_row,
                    matrix_columns(model->head, top, first, matrix_bytes(model->head.kind)),
                    model->head_bias + first, 0, outputs, outputs_row);
}

/* The head's matrix is multiplied into the outputs, where it leaves the shortlist's values; those
 * of the tails, past it, are put aside before the tails' own take their places. There is room: a
 * tail has at least one output. */
static void adaptive_rows(lrnn_state *state, size_t rows, const real *y, size_t y_row,
                          real *outputs, size_t outputs_row)
{
    const lrnn_model *model = state->model;
    const network *net = &model->net;
    size_t shortlist = network_shortlist(net), tails = net->tail_count;
    kernel_multiply(rows, net->head_rows, net->head_size, y, y_row, model->head, model->head_bias,
                    0, outputs, outputs_row);
    for (size_t row = 0; row < rows; row++) {
        memcpy(state->clusters + row * tails, outputs + row * outputs_row + shortlist,
               tails * sizeof(real));
    }
    for (size_t i = 0; i < tails; i++) {
        const network_tail *tail = &net->tails[i];
        kernel_multiply(rows, tail->size, net->head_size, y, y_row, model->tails[i].down, NULL, 0,
                        state->reduced, tail->size);
        kernel_multiply(rows, tail->count, tail->size, state->reduced, tail->size,
                        model->tails[i].up, NULL, 0, outputs + tail->first, outputs_row);
    }
    for (size_t row = 0; row < rows; row++) {
        adaptive_normalize(net, state->clusters + row * tails, outputs + row * outputs_row);
    }
}

void state_head(lrnn_state *state, size_t rows, const real *y, size_t y_row, real *outputs,
                size_t outputs_row)
{
    const lrnn_model *model = state->model;
    if (!network_is_adaptive(&model->net)) {
        state_head_part(model, 0, model->net.output_size, rows, y, y_row, outputs, outputs_row);
        return;
    }
    for (size_t first = 0, count; first < rows; first += count) {
        count = rows - first < state->head_capacity ? rows - first : state->head_capacity;
        adaptive_rows(state, count, y + first * y_row, y_row, outputs + first * outputs_row,
                      outputs_row);
    }
}
