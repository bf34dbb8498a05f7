/* Parameters as inference multiplies with them: right-hand matrices packed once, biases summed, and
 * for small vocabularies the first layer's input product worked out for every token. All of it by
 * the same kernel as a step would use, so the bits are the same either way. */
#include <string.h>

#include "base/fpmode.h"
#include "kernels/kernels.h"
#include "model.h"

/* Largest token table that is made unasked, in reals: it stays in a second-level cache. */
#define TABLE_LIMIT ((size_t)1 << 18)

static bool wants_table(const network *net)
{
    size_t columns = net->gates * net->options.hidden_size;
    size_t entries;
    return network_is_recurrent(net) && net->options.vocab_size > 0 &&
           (network_one_hot(net) ||
            (size_multiply(&entries, net->options.vocab_size, columns) && entries <= TABLE_LIMIT));
}

static packed_matrix take_matrix(arena *from, const lrnn_model *model, size_t K, size_t columns)
{
    size_t size = kernel_packed_size(kernels(), K, columns);
    int32_t kind = model->net.options.weight_type;
    return (packed_matrix){kind, arena_take(from, size, matrix_bytes(kind))};
}

/* Where everything lies; see arena. */
static void lay_out(lrnn_model *model, arena *from)
{
    const network *net = &model->net;
    size_t columns = kernel_gates_width(kernels(), net->gates, net->options.hidden_size);
    size_t count = net->options.layers * net->directions;
    model->width = columns;
    model->layers = arena_take(from, count, sizeof *model->layers);
    for (size_t i = 0; i < count; i++) {
        packed_layer layer = {.input_rows = net->layers[i].input_size};
        if (i < net->directions && wants_table(net)) {
            layer.input_rows = net->options.feature_size;
            layer.table = arena_take(from, net->options.vocab_size * columns, sizeof(real));
        }
        if (layer.input_rows > 0) {
            layer.input = take_matrix(from, model, layer.input_rows, columns);
        }
        layer.hidden = take_matrix(from, model, net->h_size, columns);
        if (network_is_projected(net)) {
            layer.projection = take_matrix(from, model, net->options.hidden_size, net->h_size);
        }
        layer.bias = arena_take(from, columns, sizeof(real));
        if (net->cell->apart) {
            layer.hidden_bias = arena_take(from, columns, sizeof(real));
        }
        if (model->layers != NULL) {
            model->layers[i] = layer;
        }
    }
    if (net->head_weight != NETWORK_NONE) {
        model->head = take_matrix(from, model, net->top_size, net->output_size);
    }
}

static void fill_bias(const lrnn_model *model, const network_layer *from, packed_layer *to)
{
    size_t G = model->net.gates, H = model->net.options.hidden_size;
    if (from->bias_ih == NETWORK_NONE) {
        return;
    }
    const real *ih = model->parameters + from->bias_ih;
    const real *hh = model->parameters + from->bias_hh;
    for (size_t g = 0; g < G; g++) {
        bool apart = model->net.cell->apart && g == G - 1;
        for (size_t u = 0; u < H; u++) {
            size_t column = kernel_gate_column(kernels(), G, g, u);
            to->bias[column] = apart ? ih[g * H + u] : ih[g * H + u] + hh[g * H + u];
            if (apart) {
                to->hidden_bias[column] = hh[g * H + u];
            }
        }
    }
}

/* table[v] = bias + W_ih[:, token columns] times the token's vector, in the order of a step. */
static void fill_table(const lrnn_model *model, const network_layer *from, packed_layer *to,
                       real *packed)
{
    const network *net = &model->net;
    const kernel_table *table = kernels();
    size_t G = net->gates, H = net->options.hidden_size, E = net->token_size;
    size_t width = model->width, V = net->options.vocab_size;
    const real *weight = model->parameters + from->weight_ih;
    if (!network_one_hot(net)) {
        kernel_pack_gates(table, packed, weight, from->input_size, E, G, H);
        table->multiply_packed_from(V, width, E, model->parameters + net->embedding, E, 1, packed,
                                    to->bias, 0, to->table, width);
        return;
    }
    for (size_t v = 0; v < V; v++) {
        real *row = to->table + v * width;
        memcpy(row, to->bias, width * sizeof(real));
        for (size_t i = 0; i < G * H; i++) {
            row[kernel_gate_column(table, G, i / H, i % H)] += weight[i * from->input_size + v];
        }
    }
}

/* The gates of a layer, from weights [G*H,K]. */
static void fill_gates(const lrnn_model *model, packed_matrix to, const real *weights, size_t row,
                       size_t K, real *scratch)
{
    size_t G = model->net.gates, H = model->net.options.hidden_size;
    const matrix_kind *kind = matrix_kind_find(to.kind);
    kernel_pack_gates(kernels(), kind->pack != NULL ? scratch : to.data, weights, row, K, G, H);
    if (kind->pack != NULL) {
        kind->pack(to.data, scratch, K * model->width, kernels()->panel);
    }
}

/* The transposed weights [N,K]. */
static void fill_matrix(packed_matrix to, const real *weights, size_t K, size_t N, real *scratch)
{
    const matrix_kind *kind = matrix_kind_find(to.kind);
    size_t panel = kernels()->panel;
    if (kind->pack == NULL) {
        kernel_pack(kernels(), to.data, weights, 1, K, K, N);
        return;
    }
    for (size_t n = 0; n < N; n += panel) {
        kernel_pack(kernels(), scratch, weights + n * K, 1, K, K, N - n < panel ? N - n : panel);
        kind->pack(matrix_columns(to, K, n, kind->bytes).data, scratch, K * panel, panel);
    }
}

static void fill(lrnn_model *model, real *scratch)
{
    const network *net = &model->net;
    size_t H = net->options.hidden_size, R = net->h_size;
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        const network_layer *from = &net->layers[i];
        packed_layer *to = &model->layers[i];
        fill_bias(model, from, to);
        if (to->table != NULL) {
            fill_table(model, from, to, scratch);
        }
        if (to->input_rows > 0) {
            const real *weight =
                model->parameters + from->weight_ih + (from->input_size - to->input_rows);
            fill_gates(model, to->input, weight, from->input_size, to->input_rows, scratch);
        }
        fill_gates(model, to->hidden, model->parameters + from->weight_hh, R, R, scratch);
        if (network_is_projected(net)) {
            fill_matrix(to->projection, model->parameters + from->weight_hr, H, R, scratch);
        }
    }
    if (net->head_weight != NETWORK_NONE) {
        fill_matrix(model->head, model->parameters + net->head_weight, net->top_size,
                    net->output_size, scratch);
    }
}

/* Reals of scratch that filling takes. */
static size_t scratch_size(const lrnn_model *model)
{
    const network *net = &model->net;
    bool packs = matrix_kind_find(net->options.weight_type)->pack != NULL;
    size_t rows = 0, most = 0;
    if (wants_table(net) && !network_one_hot(net)) {
        rows = net->token_size;
    }
    for (size_t i = 0; packs && i < net->options.layers * net->directions; i++) {
        size_t input = model->layers[i].input_rows;
        rows = input > rows ? input : rows;
        rows = net->h_size > rows ? net->h_size : rows;
        most = net->options.hidden_size;
    }
    most = net->top_size > most ? net->top_size : most;
    size_t panel = packs ? most * kernels()->panel : 0;
    return rows * model->width > panel ? rows * model->width : panel;
}

lrnn_status model_pack(lrnn_model *model)
{
    arena pieces = {0};
    lay_out(model, &pieces);
    lrnn_status status = arena_allocate(&pieces, &model->allocator, "model: packed parameters");
    if (status != LRNN_OK) {
        return status;
    }
    model->packed = pieces.base;
    lay_out(model, &pieces);
    real *scratch = memory_allocate(&model->allocator, scratch_size(model), sizeof(real),
                                    "model: scratch for packing");
    if (scratch == NULL) {
        return LRNN_ERR_MEMORY;
    }
    fpmode mode = fpmode_enter();
    fill(model, scratch);
    fpmode_leave(mode);
    memory_release(&model->allocator, scratch);
    return LRNN_OK;
}
