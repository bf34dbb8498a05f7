/* Parameters as inference multiplies with them: right-hand matrices packed once, biases summed, and
 * for small vocabularies the first layer's input product worked out for every token. All of it by
 * the same kernel as a step would use, so the bits are the same either way. */
#include <string.h>

#include "base/check.h"
#include "base/fpmode.h"
#include "kernels/kernels.h"
#include "model.h"
#include "pack_bytes.h"

/* Largest token table that is made unasked, in reals: it stays in a second-level cache. */
#define TABLE_LIMIT ((size_t)1 << 18)

/* Of bytes only where there is nothing to multiply: its reals would be larger than the model. */
static bool wants_table(const network *net)
{
    size_t entries;
    bool scaled = matrix_kind_find(net->options.weight_type)->scaled;
    return network_is_recurrent(net) && net->options.vocab_size > 0 && !network_reads_rows(net) &&
           (network_one_hot(net) || (!scaled &&
                                     size_multiply(&entries, net->options.vocab_size,
                                                   net->gates * net->layers[0].hidden_size) &&
                                     entries <= TABLE_LIMIT));
}

/* Room for a matrix of K rows. byte_panel: of bytes, columns of a panel. */
static void take_numbers(packed_matrix *matrix, arena *from, size_t K, size_t columns,
                         size_t byte_panel)
{
    const matrix_kind *kind = matrix_kind_find(matrix->kind);
    if (kind->scaled) {
        pack_take_bytes(matrix, from, K, columns, byte_panel);
    } else {
        matrix->data = arena_take(from, K, columns * kind->bytes);
    }
}

/* A matrix [K, gates * units], in panels of `width` columns in all, or narrow. */
static packed_matrix take_matrix(arena *from, const lrnn_model *model, size_t K, size_t gates,
                                 size_t units, size_t width, size_t byte_panel)
{
    packed_matrix matrix = {.kind = model->net.options.weight_type};
    if (model->narrow && narrow_pays(gates * units, width)) {
        matrix.narrow_gates = gates;
        matrix.narrow_units = units;
        width = gates * units;
    }
    take_numbers(&matrix, from, K, width, byte_panel);
    return matrix;
}

/* The transposed weights [N,K]. */
static packed_matrix take_transposed(arena *from, const lrnn_model *model, size_t K, size_t N)
{
    return take_matrix(from, model, K, 1, N, kernel_packed_size(kernels(), 1, N),
                       KERNEL_BYTE_VECTORS * kernels()->lanes);
}

/* Of bytes, sums are exact in any order and few columns need no other one. */
static packed_matrix take_head(arena *from, const lrnn_model *model)
{
    const network *net = &model->net;
    packed_matrix head = {.kind = net->options.weight_type, .few = net->head_rows};
    if (!network_has_few_outputs(net) || matrix_kind_find(head.kind)->scaled) {
        return take_transposed(from, model, net->head_size, net->head_rows);
    }
    head.data = arena_take(from, few_column(net->head_size), net->head_rows * sizeof(real));
    return head;
}

/* See packed_layer. */
static void take_table(packed_layer *layer, const lrnn_model *model, arena *from)
{
    const network *net = &model->net;
    size_t columns = net->gates * net->layers[0].hidden_size, V = net->options.vocab_size;
    layer->input_rows = net->options.feature_size;
    layer->table_row = model->narrow && narrow_pays(columns, layer->width) ? columns : layer->width;
    if (matrix_kind_find(net->options.weight_type)->scaled) {
        layer->byte_table = arena_take(from, V, layer->table_row);
        layer->byte_table_scales = arena_take(from, layer->table_row, sizeof(real));
    } else {
        layer->table = arena_take(from, V, layer->table_row * sizeof(real));
    }
}

static void take_layer(lrnn_model *model, arena *from, size_t index)
{
    const network *net = &model->net;
    const network_layer *of = &net->layers[index];
    size_t G = net->gates, H = of->hidden_size, width = kernel_gates_width(kernels(), G, H);
    size_t panel = kernel_byte_panel(kernels(), G);
    packed_layer layer = {.width = width, .input_rows = of->input_size, .table_row = width};
    model->width = width > model->width ? width : model->width;
    if (index < net->directions && wants_table(net)) {
        take_table(&layer, model, from);
    }
    if (layer.input_rows > 0) {
        layer.input = take_matrix(from, model, layer.input_rows, G, H, width, panel);
    }
    /* In panels always: it has no more rows than columns. */
    layer.hidden.kind = net->options.weight_type;
    take_numbers(&layer.hidden, from, of->h_size, width, panel);
    if (network_is_projected(net)) {
        layer.projection = take_transposed(from, model, H, of->h_size);
    }
    layer.bias = arena_take(from, width, sizeof(real));
    if (net->cell->apart) {
        layer.hidden_bias = arena_take(from, width, sizeof(real));
    }
    if (model->layers != NULL) {
        model->layers[index] = layer;
    }
}

/* Where everything lies; see arena. */
static void lay_out(lrnn_model *model, arena *from)
{
    const network *net = &model->net;
    size_t count = net->options.layers * net->directions;
    model->width = 0;
    model->layers = arena_take(from, count, sizeof *model->layers);
    for (size_t i = 0; i < count; i++) {
        take_layer(model, from, i);
    }
    if (net->input_weight != NETWORK_NONE) {
        model->input_layer = take_transposed(from, model, net->input_size, net->entry_size);
    }
    if (net->head_input_weight != NETWORK_NONE) {
        model->head_layer = take_transposed(from, model, net->top_size, net->head_size);
    }
    if (net->head_weight != NETWORK_NONE) {
        model->head = take_head(from, model);
    }
    for (size_t i = 0; i < net->tail_count; i++) {
        const network_tail *tail = &net->tails[i];
        model->tails[i].down = take_transposed(from, model, net->head_size, tail->size);
        model->tails[i].up = take_transposed(from, model, tail->size, tail->count);
    }
}

void model_copy_table_row(real *to, const lrnn_model *model, const packed_layer *layer,
                          size_t token)
{
    size_t width = layer->width, G = model->net.gates, H = model->net.layers[0].hidden_size;
    bool narrow = layer->table_row != width;
    if (layer->byte_table != NULL) {
        const int8_t *row = layer->byte_table + token * layer->table_row;
        if (!narrow) {
            bytes_add_row(to, layer->bias, row, layer->byte_table_scales, width);
            return;
        }
        memcpy(to, layer->bias, width * sizeof(real));
        for (size_t i = 0; i < G * H; i++) {
            to[kernel_gate_column(kernels(), G, i / H, i % H)] +=
                (real)row[i] * layer->byte_table_scales[i];
        }
    } else if (narrow) {
        narrow_spread(to, width, layer->table + token * layer->table_row, G, H);
    } else {
        memcpy(to, layer->table + token * width, width * sizeof(real));
    }
}

static void fill_bias(const lrnn_model *model, const network_layer *from, packed_layer *to)
{
    size_t G = model->net.gates, H = from->hidden_size;
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

/* Rows of W that are packed at a time where that takes scratch: a megabyte of them, but at most so
 * many. */
#define PIECE_REALS ((size_t)1 << 18)
#define PIECE_ROWS  ((size_t)256)

static size_t piece_rows(const lrnn_model *model)
{
    size_t panel = kernels()->panel, width = model->width > panel ? model->width : panel;
    size_t rows = PIECE_REALS / width;
    return rows == 0 ? 1 : rows > PIECE_ROWS ? PIECE_ROWS : rows;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* rows [count,W] = bias + W_ih[:, token columns] times the vectors of tokens from `first` on, in
 * the order of a step. */
static void embed_rows(const lrnn_model *model, const network_layer *from,
                       const packed_layer *layer, size_t first, size_t count, real *rows,
                       real *scratch)
{
    const network *net = &model->net;
    size_t E = net->token_size, width = layer->width;
    const real *weight = model->parameters + from->weight_ih;
    const real *vectors = model->parameters + net->embedding + first * E;
    for (size_t p = 0, depth; p < E; p += depth) {
        depth = least(E - p, piece_rows(model));
        kernel_pack_gates(kernels(), scratch, weight + p, from->input_size, depth, net->gates,
                          from->hidden_size);
        kernels()->multiply_packed_from(count, width, depth, vectors + p, E, 1, scratch,
                                        p == 0 ? layer->bias : rows, p == 0 ? 0 : width, rows,
                                        width);
    }
}

/* A row of a narrow table from one of [W]. */
static void gather_row(real *to, const real *row, size_t gates, size_t units)
{
    for (size_t g = 0; g < gates; g++) {
        for (size_t u = 0; u < units; u++) {
            to[g * units + u] = row[kernel_gate_column(kernels(), gates, g, u)];
        }
    }
}

static void fill_embedded_table(const lrnn_model *model, const network_layer *from,
                                packed_layer *to, real *scratch)
{
    size_t V = model->net.options.vocab_size, width = to->width;
    size_t most = piece_rows(model);
    real *rows = scratch + most * width;
    if (to->table_row == width) {
        embed_rows(model, from, to, 0, V, to->table, scratch);
        return;
    }
    for (size_t v = 0, count; v < V; v += count) {
        count = least(V - v, most);
        embed_rows(model, from, to, v, count, rows, scratch);
        for (size_t i = 0; i < count; i++) {
            gather_row(to->table + (v + i) * to->table_row, rows + i * width, model->net.gates,
                       from->hidden_size);
        }
    }
}

/* table[v] = bias + W_ih[:,v] */
static void fill_one_hot_table(const lrnn_model *model, const network_layer *from, packed_layer *to)
{
    const network *net = &model->net;
    size_t G = net->gates, H = from->hidden_size, row = to->table_row;
    const real *weight = model->parameters + from->weight_ih;
    bool narrow = row != to->width;
    for (size_t v = 0; v < net->options.vocab_size; v++) {
        real *place = to->table + v * row;
        if (!narrow) {
            memcpy(place, to->bias, row * sizeof(real));
        }
        for (size_t i = 0; i < G * H; i++) {
            size_t column = kernel_gate_column(kernels(), G, i / H, i % H);
            place[narrow ? i : column] = to->bias[column] + weight[i * from->input_size + v];
        }
    }
}

/* The gates of a layer of H, from weights [G*H,K], the last K of each row. */
static void fill_gates(const lrnn_model *model, size_t H, packed_matrix to, const real *weights,
                       size_t row, size_t K, real *scratch)
{
    size_t G = model->net.gates, panel = kernels()->panel;
    size_t width = kernel_gates_width(kernels(), G, H);
    const matrix_kind *kind = matrix_kind_find(to.kind);
    if (kind->scaled) {
        pack_bytes(to, weights, row, K, G, H, (int8_t *)scratch);
        return;
    }
    if (to.narrow_units > 0) {
        narrow_pack(to, weights, row, K);
        return;
    }
    if (kind->pack == NULL) {
        kernel_pack_gates(kernels(), to.data, weights, row, K, G, H);
        return;
    }
    for (size_t p = 0, rows; p < K; p += rows) {
        rows = least(K - p, piece_rows(model));
        kernel_pack_gates(kernels(), scratch, weights + p, row, rows, G, H);
        for (size_t n = 0; n < width; n += panel) {
            unsigned char *place = matrix_columns(to, K, n, kind->bytes).data;
            kind->pack(place + p * panel * kind->bytes, scratch + n * rows, rows * panel, panel);
        }
    }
}

/* The transposed weights [N,K]. */
static void fill_matrix(const lrnn_model *model, packed_matrix to, const real *weights, size_t K,
                        size_t N, real *scratch)
{
    const matrix_kind *kind = matrix_kind_find(to.kind);
    size_t panel = kernels()->panel;
    if (kind->scaled) {
        pack_bytes(to, weights, K, K, 1, N, (int8_t *)scratch);
        return;
    }
    if (to.few > 0) {
        few_pack(to.data, weights, K, N);
        return;
    }
    if (to.narrow_units > 0) {
        narrow_pack(to, weights, K, K);
        return;
    }
    if (kind->pack == NULL) {
        kernel_pack(kernels(), to.data, weights, 1, K, K, N);
        return;
    }
    for (size_t n = 0; n < N; n += panel) {
        unsigned char *place = matrix_columns(to, K, n, kind->bytes).data;
        for (size_t p = 0, rows; p < K; p += rows) {
            rows = least(K - p, piece_rows(model));
            kernel_pack(kernels(), scratch, weights + n * K + p, 1, K, rows, least(N - n, panel));
            kind->pack(place + p * panel * kind->bytes, scratch, rows * panel, panel);
        }
    }
}

static void fill_head(lrnn_model *model, real *scratch)
{
    const network *net = &model->net;
    if (net->input_weight != NETWORK_NONE) {
        fill_matrix(model, model->input_layer, model->parameters + net->input_weight,
                    net->input_size, net->entry_size, scratch);
    }
    if (net->head_input_weight != NETWORK_NONE) {
        fill_matrix(model, model->head_layer, model->parameters + net->head_input_weight,
                    net->top_size, net->head_size, scratch);
    }
    if (net->head_weight != NETWORK_NONE) {
        fill_matrix(model, model->head, model->parameters + net->head_weight, net->head_size,
                    net->head_rows, scratch);
    }
    for (size_t i = 0; i < net->tail_count; i++) {
        const network_tail *tail = &net->tails[i];
        fill_matrix(model, model->tails[i].down, model->parameters + tail->down, net->head_size,
                    tail->size, scratch);
        fill_matrix(model, model->tails[i].up, model->parameters + tail->up, tail->size,
                    tail->count, scratch);
    }
}

static void fill(lrnn_model *model, real *scratch)
{
    const network *net = &model->net;
    for (size_t i = 0; i < net->options.layers * net->directions; i++) {
        const network_layer *from = &net->layers[i];
        size_t H = from->hidden_size, R = from->h_size;
        packed_layer *to = &model->layers[i];
        fill_bias(model, from, to);
        if (to->byte_table != NULL) {
            pack_byte_table(model, from, to, (int8_t *)scratch);
        } else if (to->table != NULL && network_one_hot(net)) {
            fill_one_hot_table(model, from, to);
        } else if (to->table != NULL) {
            fill_embedded_table(model, from, to, scratch);
        }
        if (to->input_rows > 0) {
            const real *weight =
                model->parameters + from->weight_ih + (from->input_size - to->input_rows);
            fill_gates(model, H, to->input, weight, from->input_size, to->input_rows, scratch);
        }
        fill_gates(model, H, to->hidden, model->parameters + from->weight_hh, R, R, scratch);
        if (network_is_projected(net)) {
            fill_matrix(model, to->projection, model->parameters + from->weight_hr, H, R, scratch);
        }
    }
    fill_head(model, scratch);
}

/* Bytes of the parameters as the model keeps them. */
static size_t kept_bytes(const lrnn_model *model)
{
    const network *net = &model->net;
    size_t bytes = 0;
    for (size_t i = 0; i < net->tensor_count; i++) {
        bool matrix = net->tensors[i].rank == 2;
        bytes += net->tensors[i].count *
                 (matrix ? matrix_bytes(net->options.weight_type) : sizeof(real));
    }
    return bytes;
}

/* Padding that is not worth a second thought, in bytes. */
#define PADDING_ALLOWED ((size_t)4 << 20)

/* Counts what packing takes, narrow where panels would take far more than the parameters. */
static arena measure(lrnn_model *model)
{
    arena padded = {0}, narrow = {0};
    lay_out(model, &padded);
    model->narrow = padded.overflow || padded.used / 2 > kept_bytes(model) + PADDING_ALLOWED / 2;
    if (!model->narrow) {
        return padded;
    }
    lay_out(model, &narrow);
    return narrow;
}

/* Values of the longest row of a matrix. */
static size_t longest_row(const network *net)
{
    size_t longest = 0;
    for (size_t i = 0; i < net->tensor_count; i++) {
        longest = net->tensors[i].shape[1] > longest ? net->tensors[i].shape[1] : longest;
    }
    return longest;
}

/* Reals of scratch that filling takes: a piece of packed rows, and one of a narrow table's; of
 * bytes, a row of weights. */
static size_t scratch_size(const lrnn_model *model)
{
    const network *net = &model->net;
    const matrix_kind *kind = matrix_kind_find(net->options.weight_type);
    bool embeds = wants_table(net) && !network_one_hot(net), packs = kind->pack != NULL;
    size_t panel = kernels()->panel, width = model->width > panel ? model->width : panel;
    if (kind->scaled) {
        return longest_row(net) / sizeof(real) + 1;
    }
    return (packs || embeds ? 1 + (size_t)model->narrow : 0) * piece_rows(model) * width;
}

lrnn_status model_pack(lrnn_model *model)
{
    arena pieces = measure(model);
    CHECK(arena_allocate(&pieces, &model->allocator, "model: packed parameters"));
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
