/* The rows of a model's matrices on their way into packed bytes and back. A row of weights is a
 * column of what is packed: of a gate where kernel_gate_column says, else of the same number. */
#include "pack_bytes.h"

#include "kernels/kernels.h"

/* ---- in ---- */

void pack_take_bytes(packed_matrix *matrix, arena *from, size_t K, size_t columns, size_t panel)
{
    bool narrow = matrix->narrow_units > 0;
    byte_columns *of = arena_take(from, 1, sizeof *of);
    real *scales = arena_take(from, columns, sizeof *scales);
    matrix->data = arena_take(from, narrow ? K : bytes_depth(K), columns);
    matrix->bytes = of;
    if (of != NULL) {
        *of = (byte_columns){
            .width = columns,
            .panel = panel,
            .offset = narrow ? 0 : kernels()->bytes->offset,
            .scales = scales,
        };
    }
}

static size_t column_of(bool narrow, size_t gates, size_t units, size_t row)
{
    return narrow ? row : kernel_gate_column(kernels(), gates, row / units, row % units);
}

void pack_bytes(packed_matrix to, const real *weights, size_t row, size_t K, size_t gates,
                size_t units, int8_t *scratch)
{
    size_t skipped = row - K;
    bytes_clear(to, K);
    for (size_t i = 0; i < gates * units; i++) {
        size_t column = column_of(to.narrow_units > 0, gates, units, i);
        to.bytes->scales[column] = bytes_from_reals(scratch, weights - skipped + i * row, row);
        bytes_set(to, K, column, 0, K, scratch + skipped);
    }
}

void pack_byte_table(const lrnn_model *model, const network_layer *from, packed_layer *to,
                     int8_t *scratch)
{
    const network *net = &model->net;
    size_t G = net->gates, H = from->hidden_size, row = from->input_size;
    for (size_t i = 0; i < G * H; i++) {
        size_t column = column_of(to->table_row != to->width, G, H, i);
        to->byte_table_scales[column] =
            bytes_from_reals(scratch, model->parameters + from->weight_ih + i * row, row);
        for (size_t v = 0; v < net->options.vocab_size; v++) {
            to->byte_table[v * to->table_row + column] = scratch[v];
        }
    }
}

/* ---- out ---- */

static real read_column(int8_t *to, packed_matrix from, size_t K, size_t column, size_t first,
                        size_t count)
{
    bytes_get(to, from, K, column, first, count);
    return from.bytes->scales[column];
}

/* Of weight_ih: what the table has of it, and what the matrix has. */
static real read_input(int8_t *to, const lrnn_model *model, size_t index, size_t row, size_t first,
                       size_t count)
{
    const network *net = &model->net;
    const packed_layer *layer = &model->layers[index];
    size_t G = net->gates, H = net->layers[index].hidden_size;
    size_t before = net->layers[index].input_size - layer->input_rows;
    real scale = 1;
    for (; count > 0 && first < before; first++, count--) {
        size_t column = column_of(layer->table_row != layer->width, G, H, row);
        *to++ = layer->byte_table[first * layer->table_row + column];
        scale = layer->byte_table_scales[column];
    }
    if (count > 0) {
        size_t column = column_of(layer->input.narrow_units > 0, G, H, row);
        scale = read_column(to, layer->input, layer->input_rows, column, first - before, count);
    }
    return scale;
}

/* Of a matrix of a tail of an adaptive softmax; false: it is none. */
static bool read_tail(real *scale, int8_t *to, const lrnn_model *model, size_t offset, size_t row,
                      size_t first, size_t count)
{
    const network *net = &model->net;
    for (size_t i = 0; i < net->tail_count; i++) {
        const network_tail *tail = &net->tails[i];
        if (offset == tail->down || offset == tail->up) {
            bool down = offset == tail->down;
            *scale = read_column(to, down ? model->tails[i].down : model->tails[i].up,
                                 down ? net->head_size : tail->size, row, first, count);
            return true;
        }
    }
    return false;
}

/* Of a matrix of a layer. */
static real read_layer(int8_t *to, const lrnn_model *model, size_t offset, size_t row, size_t first,
                       size_t count)
{
    const network *net = &model->net;
    size_t i = 0;
    while (net->layers[i].weight_ih != offset && net->layers[i].weight_hh != offset &&
           net->layers[i].weight_hr != offset) {
        i++;
    }
    if (net->layers[i].weight_ih == offset) {
        return read_input(to, model, i, row, first, count);
    }
    const packed_layer *layer = &model->layers[i];
    size_t H = net->layers[i].hidden_size, R = net->layers[i].h_size;
    return net->layers[i].weight_hh == offset
               ? read_column(to, layer->hidden, R, column_of(false, net->gates, H, row), first,
                             count)
               : read_column(to, layer->projection, H, row, first, count);
}

real model_read_bytes(int8_t *to, const lrnn_model *model, const network_tensor *tensor, size_t row,
                      size_t first, size_t count)
{
    const network *net = &model->net;
    if (tensor->offset == net->head_weight) { /* of a tied network the embedding, too */
        return read_column(to, model->head, net->head_size, row, first, count);
    }
    if (tensor->offset == net->embedding) {
        const int8_t *rows = model->tensors[tensor - net->tensors];
        memcpy(to, rows + row * tensor->shape[1] + first, count);
        return model->embedding_scales[row];
    }
    if (tensor->offset == net->input_weight) {
        return read_column(to, model->input_layer, net->input_size, row, first, count);
    }
    if (tensor->offset == net->head_input_weight) {
        return read_column(to, model->head_layer, net->top_size, row, first, count);
    }
    real scale;
    return read_tail(&scale, to, model, tensor->offset, row, first, count)
               ? scale
               : read_layer(to, model, tensor->offset, row, first, count);
}

void model_read_scaled(real *to, const lrnn_model *model, const network_tensor *tensor, size_t row,
                       size_t first, size_t count)
{
    int8_t bytes[256];
    for (size_t piece; count > 0; count -= piece, first += piece) {
        piece = count < sizeof bytes ? count : sizeof bytes;
        real scale = model_read_bytes(bytes, model, tensor, row, first, piece);
        for (size_t i = 0; i < piece; i++) {
            *to++ = (real)bytes[i] * scale;
        }
    }
}
