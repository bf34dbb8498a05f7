/* Matrices of bytes: how numbers become bytes, and products and steps with them, whose sums are
 * exact and whose bits are those of plain loops on every instruction set. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/fpmode.h"
#include "base/memory.h"
#include "support/fence.h"
#include "support/kernel_values.h"

/* ---- weights ---- */

/* By doubles and their bits, not by the library's functions. */
static double expected_scale(const real *x, size_t count)
{
    double top = 0;
    int exponent;
    for (size_t i = 0; i < count; i++) {
        top = fmax(top, fabs((double)x[i]));
    }
    volatile float scale = (float)top / 127.0f; /* rounded, whatever the processor keeps */
    double fraction = frexp((double)scale, &exponent);
    return ldexp(floor(ldexp(fraction, 17)), exponent - 17);
}

static void a_row_of_weights_is_the_nearest_bytes_times_its_scale(void **state)
{
    (void)state;
    for (size_t count = 1; count < 300; count += 7) {
        real *x = values_create(count, ldexp(1, (int)count % 40 - 20), count);
        int8_t *bytes = malloc(count);
        assert_non_null(bytes);
        double scale = (double)bytes_from_reals(bytes, x, count);
        int most = 0;
        assert_true(scale == expected_scale(x, count));
        for (size_t i = 0; i < count; i++) {
            assert_true((double)bytes[i] == nearbyint((double)x[i] / scale));
            most = abs(bytes[i]) > most ? abs(bytes[i]) : most;
        }
        assert_int_equal(most, 127);
        free(bytes);
        free(x);
    }
}

static void ties_go_to_the_even_byte(void **state)
{
    (void)state;
    const real x[] = {127, 0.5f, 1.5f, -0.5f, -1.5f, 2.5f, -126.5f, -127};
    static const int8_t expected[] = {127, 0, 2, 0, -2, 2, -126, -127};
    int8_t bytes[8];
    assert_true(bytes_from_reals(bytes, x, 8) == 1);
    assert_memory_equal(bytes, expected, sizeof bytes);
}

static void rounded_numbers_are_products_and_stay_as_they_are(void **state)
{
    (void)state;
    for (size_t count = 1; count < 200; count += 3) {
        real *x = values_create(count, 3, count);
        int8_t first[200], second[200];
        real scale = bytes_from_reals(first, x, count);
        bytes_round(x, count);
        for (size_t i = 0; i < count; i++) {
            assert_true((double)x[i] == (double)first[i] * (double)scale);
        }
        assert_true(bytes_from_reals(second, x, count) == scale);
        assert_memory_equal(first, second, count);
        free(x);
    }
}

static void rows_of_zeros_and_of_next_to_nothing_are_zeros(void **state)
{
    (void)state;
    real x[] = {0, -0x1p-101f, 0x1p-140f, -0.0f};
    int8_t bytes[4] = {1, 1, 1, 1};
    assert_true(bytes_from_reals(bytes, x, 4) == 1);
    assert_memory_equal(bytes, ((int8_t[4]){0}), 4);
    bytes_round(x, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(x[i] == 0);
    }
}

/* ---- packing ---- */

typedef struct matrix {
    size_t K, N;
    int8_t *q; /* [N,K] */
    byte_columns *columns;
    packed_matrix packed;
} matrix;

static int8_t byte_at(uint64_t seed, size_t i)
{
    return (int8_t)(int)(random_uniform(seed, 0, i) * 255 - 127);
}

/* extreme: every byte is 127 or -127. */
static matrix matrix_create(const kernel_table *table, size_t K, size_t N, size_t panel,
                            bool extreme)
{
    matrix m = {.K = K, .N = N, .q = malloc(K * N + 1), .columns = malloc(sizeof *m.columns)};
    size_t width = (N + table->lanes - 1) / table->lanes * table->lanes;
    real *scales = malloc(width * sizeof *scales);
    void *data = malloc(width * bytes_depth(K) + 1);
    if (m.q == NULL || m.columns == NULL || scales == NULL || data == NULL) {
        abort();
    }
    *m.columns = (byte_columns){
        .width = width, .panel = panel, .offset = table->bytes->offset, .scales = scales};
    m.packed = (packed_matrix){.kind = LRNN_WEIGHT_INT8, .data = data, .bytes = m.columns};
    bytes_clear(m.packed, K);
    for (size_t i = 0; i < K * N; i++) {
        m.q[i] = extreme ? (i / K % 2 == 0 ? 127 : -127) : byte_at(K + N, i);
    }
    for (size_t n = 0; n < N; n++) {
        m.columns->scales[n] = (real)(0.001 + 0.01 * random_uniform(N, 1, n));
        bytes_set(m.packed, K, n, 0, K, m.q + n * K);
    }
    return m;
}

static void matrix_destroy(matrix *m)
{
    free(m->q);
    free(m->columns->scales);
    free(m->columns);
    free(m->packed.data);
}

static const size_t depths[] = {1, 2, 3, 4, 5, 8, 15, 17, 64, 100, 2047, 2048, 2049, 2053, 4300};

static void what_was_packed_is_read_back(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
            size_t K = depths[i], N = 1 + i * 13;
            matrix m = matrix_create(table, K, N, 4 * table->lanes, false);
            int8_t *found = malloc(K);
            assert_non_null(found);
            for (size_t n = 0; n < N; n++) {
                size_t first = n % K;
                bytes_get(found, m.packed, K, n, 0, K);
                assert_memory_equal(found, m.q + n * K, K);
                bytes_get(found, m.packed, K, n, first, K - first);
                assert_memory_equal(found, m.q + n * K + first, K - first);
            }
            free(found);
            matrix_destroy(&m);
        }
    }
}

static void what_is_cleared_is_zero_to_the_end(void **state)
{
    (void)state;
    enum { WIDTH = 6, DEPTH = 5, ROOM = WIDTH * 8 + 1 };
    for (int narrow = 0; narrow < 2; narrow++) {
        real scales[WIDTH] = {7, 7, 7, 7, 7, 7};
        unsigned char data[ROOM];
        byte_columns columns = {
            .width = WIDTH, .panel = 4, .offset = narrow ? 0 : 128, .scales = scales};
        packed_matrix packed = {.kind = LRNN_WEIGHT_INT8,
                                .data = data,
                                .bytes = &columns,
                                .narrow_gates = narrow ? 3 : 0,
                                .narrow_units = narrow ? 2 : 0};
        size_t length = narrow ? WIDTH * DEPTH : WIDTH * bytes_depth(DEPTH);
        memset(data, 0x55, sizeof data);
        bytes_clear(packed, DEPTH);
        for (size_t i = 0; i < ROOM; i++) {
            assert_int_equal(data[i], i < length ? columns.offset : 0x55);
        }
        for (size_t i = 0; i < WIDTH; i++) {
            assert_true(scales[i] == 1);
        }
    }
}

/* As the instructions want them that multiply unsigned bytes, whatever this machine has. */
static void bytes_are_kept_above_their_offset(void **state)
{
    (void)state;
    static const int8_t values[4] = {-127, -1, 0, 127};
    unsigned char data[4];
    real scale;
    int8_t found[4];
    byte_columns columns = {.width = 1, .panel = 1, .offset = 128, .scales = &scale};
    packed_matrix packed = {.kind = LRNN_WEIGHT_INT8, .data = data, .bytes = &columns};
    bytes_clear(packed, 4);
    bytes_set(packed, 4, 0, 0, 4, values);
    assert_memory_equal(data, ((unsigned char[4]){1, 127, 128, 255}), 4);
    bytes_get(found, packed, 4, 0, 0, 4);
    assert_memory_equal(found, values, 4);
}

/* ---- activations ---- */

static void a_row_becomes_the_same_bytes_everywhere(void **state)
{
    (void)state;
    fpmode mode = fpmode_enter();
    FOR_TABLES(table)
    {
        for (size_t count = 0; count <= BYTES_SLICE; count = count < 70 ? count + 1 : 2 * count) {
            real *x = values_create(count, ldexp(1, (int)count % 30 - 20), count);
            size_t room = (count + 15) / 16 * 16;
            int8_t *found = malloc(room + 1), *expected = malloc(room + 1);
            assert_true(found != NULL && expected != NULL);
            byte_note a = table->bytes->quantize(found, x, count);
            byte_note b = bytes_quantize_plain(expected, x, count);
            assert_true(a.scale == b.scale);
            assert_memory_equal(found, expected, room);
            if (table->bytes->offset != 0) {
                assert_int_equal(a.sum, b.sum);
            }
            free(found);
            free(expected);
            free(x);
        }
    }
    fpmode_leave(mode);
}

static void a_row_with_nan_or_infinity_has_a_scale_of_nan(void **state)
{
    (void)state;
    static const double bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < 4 * 37; i++) {
            real x[37];
            int8_t bytes[48];
            for (size_t k = 0; k < 37; k++) {
                x[k] = k == i / 4 ? (real)bad[i % 4] : (real)k;
            }
            memset(bytes, 1, sizeof bytes);
            assert_true(isnan(table->bytes->quantize(bytes, x, 37).scale));
            assert_memory_equal(bytes, ((int8_t[48]){0}), 48);
        }
    }
}

/* ---- products ---- */

static void check_product(const kernel_table *table, size_t M, size_t K, size_t N, bool extreme,
                          bool starts)
{
    matrix m = matrix_create(table, K, N, 4 * table->lanes, extreme);
    size_t a_row = K + 3, c_row = N + 5;
    real *a = values_create(M * a_row, 2, 3), *from = values_create(M * c_row, 1, 4);
    real *found = values_create(M * c_row, 1, 5), *expected = values_copy(found, M * c_row);
    for (size_t i = 0; extreme && i < M * a_row; i++) {
        a[i] = i % a_row % 5 == 4 && i / a_row % 2 == 1 ? -2 : 2;
    }
    fpmode mode = fpmode_enter();
    table->bytes->multiply(M, N, K, a, a_row, m.packed, starts ? from : NULL, c_row, found, c_row);
    for (size_t i = 0; i < M; i++) {
        for (size_t n = 0; n < N; n++) {
            real sum = starts ? from[i * c_row + n] : 0;
            for (size_t k = 0; k < K; k += BYTES_SLICE) {
                int8_t bytes[BYTES_SLICE];
                size_t depth = K - k < BYTES_SLICE ? K - k : BYTES_SLICE;
                byte_note note = bytes_quantize_plain(bytes, a + i * a_row + k, depth);
                int64_t exact = 0;
                for (size_t p = 0; p < depth; p++) {
                    exact += (int64_t)bytes[p] * m.q[n * K + k + p];
                }
                assert_true(exact == (int32_t)exact);
                sum = bytes_add(sum, (int32_t)exact, note.scale, m.columns->scales[n]);
            }
            expected[i * c_row + n] = sum;
        }
    }
    fpmode_leave(mode);
    for (size_t i = 0; i < M * c_row; i++) {
        if (memcmp(found + i, expected + i, sizeof *found) != 0) {
            fail_msg("%s, M %zu K %zu N %zu: row %zu column %zu: %g, expected %g", table->name, M,
                     K, N, i / c_row, i % c_row, (double)found[i], (double)expected[i]);
        }
    }
    free(a);
    free(from);
    free(found);
    free(expected);
    matrix_destroy(&m);
}

static void products_have_the_bits_of_exact_sums(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 3, 16, 17, 31, 64, 65, 100, 128, 200, 257};
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < 15 * 11; i++) {
            check_product(table, 1, depths[i % 15], widths[i / 15], false, i % 2 == 0);
            check_product(table, 2 + i % 29, depths[i % 15], widths[i / 15], false, i % 3 == 0);
        }
    }
}

/* Where pairs of products of 16 bits would saturate, if they could. */
static void nothing_saturates(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t M = 1; M < 9; M++) {
            check_product(table, M, 2048, 130, true, true);
            check_product(table, M, 9, 40, true, true);
        }
    }
}

static void a_row_that_is_not_finite_gives_nan_and_no_other_row_does(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        matrix m = matrix_create(table, 40, 70, 4 * table->lanes, false);
        real *a = values_create(7 * 40, 1, 6), c[7 * 70];
        a[3 * 40 + 11] = (real)INFINITY;
        table->bytes->multiply(7, 70, 40, a, 40, m.packed, NULL, 0, c, 70);
        for (size_t i = 0; i < 7 * 70; i++) {
            assert_true((isnan(c[i]) != 0) == (i / 70 == 3));
        }
        free(a);
        matrix_destroy(&m);
    }
}

/* Row a [K] times the bytes q [K] of a column, slice by slice, added to `start`. */
static real exact_sum(real start, const real *a, const int8_t *q, size_t K, real scale)
{
    int8_t bytes[BYTES_SLICE];
    for (size_t k = 0; k < K; k += BYTES_SLICE) {
        size_t depth = K - k < BYTES_SLICE ? K - k : BYTES_SLICE;
        byte_note note = bytes_quantize_plain(bytes, a + k, depth);
        int32_t sum = 0;
        for (size_t i = 0; i < depth; i++) {
            sum += bytes[i] * q[k + i];
        }
        start = bytes_add(start, sum, note.scale, scale);
    }
    return start;
}

static void check_narrow(size_t M, size_t K, size_t gates, size_t units, const real *from)
{
    size_t columns = gates * units, N = kernel_gates_width(kernels(), gates, units);
    real scales[16], *a = values_create(M * (K + 3), 2, K), *found = values_create(M * N, 1, 5);
    int8_t *q = malloc(columns * K);
    unsigned char *data = malloc(columns * K);
    assert_true(q != NULL && data != NULL && columns <= 16);
    byte_columns of = {.width = columns, .panel = columns, .scales = scales};
    packed_matrix packed = {.kind = LRNN_WEIGHT_INT8,
                            .data = data,
                            .bytes = &of,
                            .narrow_gates = gates,
                            .narrow_units = units};
    bytes_clear(packed, K);
    for (size_t i = 0; i < columns; i++) {
        for (size_t k = 0; k < K; k++) {
            q[i * K + k] = byte_at(K, i * K + k);
        }
        scales[i] = (real)(i + 1) / 1000;
        bytes_set(packed, K, i, 0, K, q + i * K);
    }
    real *expected = from != NULL ? values_copy(from, M * N) : calloc(M * N, sizeof *expected);
    assert_non_null(expected);
    for (size_t i = 0; i < M * columns; i++) {
        size_t m = i / columns, n = i % columns;
        real *at = expected + m * N + kernel_gate_column(kernels(), gates, n / units, n % units);
        *at = exact_sum(*at, a + m * (K + 3), q + n * K, K, scales[n]);
    }
    fpmode mode = fpmode_enter();
    bytes_multiply_narrow(M, N, K, a, K + 3, packed, from, N, found, N);
    fpmode_leave(mode);
    assert_memory_equal(found, expected, M * N * sizeof *found);
    free(a);
    free(q);
    free(data);
    free(found);
    free(expected);
}

static void narrow_products_have_the_bits_of_exact_sums(void **state)
{
    (void)state;
    static const size_t narrow_depths[] = {1, 5, 2048, 2049, 4300};
    real *from = values_create(3 * 4 * 64, 1, 4);
    for (size_t i = 0; i < 5 * 4 * 2; i++) {
        size_t K = narrow_depths[i / 8], gates = 1 + i % 4, units = 1 + i / 4 % 2;
        check_narrow(1, K, gates, units, NULL);
        check_narrow(3, K, gates, units, from);
    }
    free(from);
}

/* ---- steps ---- */

enum { INPUTS = 21 };

typedef struct layer {
    int32_t cell;
    const cell_kind *kind;
    size_t rows, H, R, width;
    matrix input, hidden;
    real *start, *hidden_bias, *x, *h, *c, *h_next;
    lrnn_allocator allocator;
    void *scratch;
    cell_step step;
} layer;

/* Gates [G*H,K] in the columns of a step. */
static matrix gates_create(const kernel_table *table, const cell_kind *kind, size_t H, size_t K)
{
    size_t G = kind->gates, width = kernel_gates_width(table, G, H);
    matrix m = matrix_create(table, K, width, kernel_byte_panel(table, G), false);
    bytes_clear(m.packed, K);
    for (size_t i = 0; i < G * H; i++) {
        size_t column = kernel_gate_column(table, G, i / H, i % H);
        for (size_t k = 0; k < K; k++) {
            m.q[i * K + k] = byte_at(H, i * K + k);
        }
        m.columns->scales[column] = (real)(0.0005 + 0.0005 * random_uniform(H, 1, i));
        bytes_set(m.packed, K, column, 0, K, m.q + i * K);
    }
    return m;
}

static layer layer_create(const kernel_table *table, int32_t cell, size_t rows, size_t H, size_t R,
                          size_t inputs)
{
    layer l = {.cell = cell, .kind = cell_find(cell), .rows = rows, .H = H, .R = R};
    l.width = kernel_gates_width(table, l.kind->gates, H);
    l.input = gates_create(table, l.kind, H, inputs);
    l.hidden = gates_create(table, l.kind, H, R);
    l.start = values_create(l.width, 0.5, 1);
    l.hidden_bias = values_create(l.width, 0.5, 2);
    l.x = values_create(rows * inputs, 1, 3);
    l.h = values_create(rows * R, 1, 4);
    l.c = values_create(rows * H, 1, 5);
    l.h_next = values_create(rows * H, 1, 6);
    assert_int_equal(allocator_read(&l.allocator, NULL), LRNN_OK);
    l.scratch = memory_allocate(&l.allocator, bytes_scratch(inputs, R), 1, "scratch");
    assert_non_null(l.scratch);
    l.step = (cell_step){.rows = rows,
                         .H = H,
                         .start = l.start,
                         .x = l.x,
                         .inputs = inputs,
                         .x_row = inputs,
                         .input = l.input.packed,
                         .h = l.h,
                         .R = R,
                         .h_row = R,
                         .hidden = l.hidden.packed,
                         .hidden_bias = l.kind->apart ? l.hidden_bias : NULL,
                         .c = l.kind->has_c ? l.c : NULL,
                         .h_next = l.h_next,
                         .h_next_row = H,
                         .scratch = l.scratch};
    return l;
}

static void layer_destroy(layer *l)
{
    real *arrays[] = {l->start, l->hidden_bias, l->x, l->h, l->c, l->h_next};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        free(arrays[i]);
    }
    memory_release(&l->allocator, l->scratch);
    matrix_destroy(&l->input);
    matrix_destroy(&l->hidden);
}

static double product_of(const matrix *m, size_t row, const real *a, size_t column)
{
    double sum = 0;
    for (size_t k = 0; k < m->K; k += BYTES_SLICE) {
        int8_t bytes[BYTES_SLICE];
        size_t depth = m->K - k < BYTES_SLICE ? m->K - k : BYTES_SLICE;
        byte_note note = bytes_quantize_plain(bytes, a + k, depth);
        for (size_t i = 0; i < depth; i++) {
            sum += (double)note.scale * bytes[i] * m->q[row * m->K + k + i] *
                   (double)m->columns->scales[column];
        }
    }
    return sum;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* h' of a unit, from what its row of bytes gives. */
static double expected_h(const kernel_table *table, const layer *l, size_t row, size_t u)
{
    double x[4], h[4];
    size_t G = l->kind->gates;
    for (size_t g = 0; g < G; g++) {
        size_t column = kernel_gate_column(table, G, g, u), at = g * l->H + u;
        x[g] = (double)l->start[column];
        x[g] +=
            l->step.inputs > 0 ? product_of(&l->input, at, l->x + row * l->step.inputs, column) : 0;
        h[g] = product_of(&l->hidden, at, l->h + row * l->R, column);
        h[g] += l->kind->apart && g == G - 1 ? (double)l->hidden_bias[column] : 0;
    }
    if (l->cell == LRNN_CELL_LSTM) {
        double c = sigmoid(x[1] + h[1]) * (double)l->c[row * l->H + u] +
                   sigmoid(x[0] + h[0]) * tanh(x[2] + h[2]);
        return sigmoid(x[3] + h[3]) * tanh(c);
    }
    if (l->cell == LRNN_CELL_GRU) {
        double r = sigmoid(x[0] + h[0]), z = sigmoid(x[1] + h[1]);
        return (1 - z) * tanh(x[2] + r * h[2]) + z * (double)l->h[row * l->R + u];
    }
    return l->cell == LRNN_CELL_RNN_TANH ? tanh(x[0] + h[0]) : fmax(x[0] + h[0], 0);
}

static void run(const kernel_table *table, const layer *l, const cell_step *step)
{
    fpmode mode = fpmode_enter();
    kernel_steps(table, l->cell, step);
    fpmode_leave(mode);
}

#define CELLS 4

static void steps_follow_their_equations(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 3, 8, 15, 16, 17, 33, 64, 70, 128, 129, 200};
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < CELLS * 12 * 2; i++) {
            size_t H = sizes[i / CELLS % 12], rows = i / CELLS < 12 ? 1 : 2 + i % 29;
            layer l =
                layer_create(table, (int32_t)(i % CELLS), rows, H, H, i % 3 == 0 ? 0 : INPUTS);
            double *expected = malloc(rows * H * sizeof *expected);
            assert_non_null(expected);
            for (size_t at = 0; at < rows * H; at++) {
                expected[at] = expected_h(table, &l, at / H, at % H);
            }
            run(table, &l, &l.step);
            for (size_t at = 0; at < rows * H; at++) {
                if (!(fabs((double)l.h_next[at] - expected[at]) <=
                      1e-5 * (1 + fabs(expected[at])))) {
                    fail_msg("%s, cell %d, rows %zu H %zu: row %zu unit %zu: %g, expected %g",
                             table->name, (int)l.cell, rows, H, at / H, at % H,
                             (double)l.h_next[at], expected[at]);
                }
            }
            free(expected);
            layer_destroy(&l);
        }
    }
}

static void long_rows_are_cut(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        layer l = layer_create(table, LRNN_CELL_LSTM, 2, 20, 2060, 4100);
        double expected[2 * 20];
        for (size_t at = 0; at < 2 * 20; at++) {
            expected[at] = expected_h(table, &l, at / 20, at % 20);
        }
        run(table, &l, &l.step);
        for (size_t at = 0; at < 2 * 20; at++) {
            assert_true(fabs((double)l.h_next[at] - expected[at]) <= 1e-4);
        }
        layer_destroy(&l);
    }
}

/* Into memory that ends where it ends. */
static void *fence(void *data, size_t bytes)
{
    void *at = fenced(bytes);
    memcpy(at, data, bytes);
    return at;
}

static void a_block_that_is_not_whole_goes_no_further(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < CELLS * 3; i++) {
            size_t H = 1 + i * 9;
            layer l = layer_create(table, (int32_t)(i % CELLS), 1, H, H, INPUTS);
            byte_columns input = *l.input.columns, hidden = *l.hidden.columns;
            cell_step step = l.step;
            step.input.bytes = &input;
            step.hidden.bytes = &hidden;
            step.input.data = fence(l.input.packed.data, l.width * bytes_depth(INPUTS));
            step.hidden.data = fence(l.hidden.packed.data, l.width * bytes_depth(H));
            input.scales = fence(input.scales, l.width * sizeof(real));
            hidden.scales = fence(hidden.scales, l.width * sizeof(real));
            step.start = fence(l.start, l.width * sizeof(real));
            step.scratch = fenced(bytes_scratch(INPUTS, H));
            run(table, &l, &step);
            layer_destroy(&l);
        }
    }
}

/* h' of every row by itself, with the input's product made before or not. */
static void run_alone(const kernel_table *table, const layer *l, bool before, real *h_next, real *c)
{
    real *start = values_create(l->width, 1, 9);
    for (size_t row = 0; row < l->rows; row++) {
        cell_step step = l->step;
        step.rows = 1;
        step.last_first = row % 2 == 1;
        step.h += row * step.h_row;
        step.x += row * step.x_row;
        step.h_next = h_next + row * step.h_next_row;
        step.c = step.c == NULL ? NULL : c + row * step.H;
        if (before) {
            table->bytes->multiply(1, l->width, step.inputs, step.x, step.x_row, step.input,
                                   step.start, 0, start, l->width);
            step.start = start;
            step.inputs = 0;
        }
        run(table, l, &step);
    }
    free(start);
}

static void a_row_has_the_same_bits_alone_and_among_others_and_in_two_parts(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < CELLS * 30; i++) {
            size_t H = i % 7 == 0 ? 64 : 37 + i;
            layer l = layer_create(table, (int32_t)(i % CELLS), 1 + i, H, H, INPUTS);
            real *h = values_copy(l.h_next, l.rows * H), *c = values_copy(l.c, l.rows * H);
            run_alone(table, &l, i % 2 == 0, h, c);
            run(table, &l, &l.step);
            assert_memory_equal(h, l.h_next, l.rows * H * sizeof *h);
            assert_memory_equal(c, l.c, l.rows * H * sizeof *c);
            free(h);
            free(c);
            layer_destroy(&l);
        }
    }
}

static void nan_stays_in_its_row(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (int32_t cell = 0; cell < CELLS; cell++) {
            layer l = layer_create(table, cell, 5, 40, 40, INPUTS);
            l.h[2 * 40 + 7] = (real)NAN;
            run(table, &l, &l.step);
            for (size_t i = 0; i < 5 * 40; i++) {
                assert_true((i / 40 == 2) == (isnan(l.h_next[i]) != 0));
            }
            layer_destroy(&l);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_of_weights_is_the_nearest_bytes_times_its_scale),
        cmocka_unit_test(ties_go_to_the_even_byte),
        cmocka_unit_test(rounded_numbers_are_products_and_stay_as_they_are),
        cmocka_unit_test(rows_of_zeros_and_of_next_to_nothing_are_zeros),
        cmocka_unit_test(what_was_packed_is_read_back),
        cmocka_unit_test(what_is_cleared_is_zero_to_the_end),
        cmocka_unit_test(bytes_are_kept_above_their_offset),
        cmocka_unit_test(a_row_becomes_the_same_bytes_everywhere),
        cmocka_unit_test(a_row_with_nan_or_infinity_has_a_scale_of_nan),
        cmocka_unit_test(products_have_the_bits_of_exact_sums),
        cmocka_unit_test(nothing_saturates),
        cmocka_unit_test(a_row_that_is_not_finite_gives_nan_and_no_other_row_does),
        cmocka_unit_test(narrow_products_have_the_bits_of_exact_sums),
        cmocka_unit_test(steps_follow_their_equations),
        cmocka_unit_test(a_block_that_is_not_whole_goes_no_further),
        cmocka_unit_test(long_rows_are_cut),
        cmocka_unit_test(a_row_has_the_same_bits_alone_and_among_others_and_in_two_parts),
        cmocka_unit_test(nan_stays_in_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
