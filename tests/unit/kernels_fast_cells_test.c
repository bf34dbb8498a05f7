/* Cells of every table: forward against the equations in double, backward against central
 * differences of those equations. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/kernel_values.h"

#define ROWS    3
#define PADDING 5

static const size_t sizes[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 100};

#define FOR_SIZES(H)                                                                               \
    for (size_t size_index = 0; size_index < sizeof sizes / sizeof *sizes; size_index++)           \
        for (size_t H = sizes[size_index]; H != 0; H = 0)

static void assert_close(const kernel_table *table, const char *what, size_t H, double found,
                         double expected)
{
    if (!(fabs(found - expected) <= 1e-6 * (1 + fabs(expected)))) {
        fail_msg("%s, %s, H %zu: %.9g instead of %.9g", table->name, what, H, found, expected);
    }
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* One unit of a cell: inputs to outputs. */
#define INPUTS 7
typedef void unit_function(const double in[INPUTS], double out[2]);

static void tanh_unit(const double in[INPUTS], double out[2])
{
    out[0] = tanh(in[0]);
    out[1] = 0;
}

static void relu_unit(const double in[INPUTS], double out[2])
{
    out[0] = in[0] > 0 ? in[0] : 0;
    out[1] = 0;
}

/* in: i, f, g, o, c; out: h', c' */
static void lstm_unit(const double in[INPUTS], double out[2])
{
    out[1] = sigmoid(in[1]) * in[4] + sigmoid(in[0]) * tanh(in[2]);
    out[0] = sigmoid(in[3]) * tanh(out[1]);
}

/* in: x_r, x_z, x_n, s_r, s_z, s_n, h; out: h' */
static void gru_unit(const double in[INPUTS], double out[2])
{
    double r = sigmoid(in[0] + in[3]), z = sigmoid(in[1] + in[4]);
    double n = tanh(in[2] + r * in[5]);
    out[0] = (1 - z) * n + z * in[6];
    out[1] = 0;
}

/* The derivative of weights[0] * out[0] + weights[1] * out[1] for in[which]. */
static double slope(unit_function *unit, const double in[INPUTS], size_t which,
                    const double weights[2])
{
    const double step = 1e-5;
    double sum[2];
    for (int side = 0; side < 2; side++) {
        double moved[INPUTS], out[2];
        memcpy(moved, in, sizeof moved);
        moved[which] += side == 0 ? -step : step;
        unit(moved, out);
        sum[side] = weights[0] * out[0] + weights[1] * out[1];
    }
    return (sum[1] - sum[0]) / (2 * step);
}

/* ---- RNN ---- */

static void check_rnn(const kernel_table *table, size_t H, int32_t cell, unit_function *unit,
                      const char *name)
{
    size_t h_row = H + PADDING;
    real *before = values_create(ROWS * H, 3, 1), *a = values_copy(before, ROWS * H);
    real *h = values_create((ROWS - 1) * h_row + H, 1, 2), *old = values_copy(h, h_row);
    real *dh = values_create(ROWS * H, 1, 3);
    cell_pass pass = {
        .rows = ROWS, .H = H, .gates = a, .h_after = h, .h_after_row = h_row, .dh = dh};
    table->cells[cell].forward(&pass);
    for (size_t i = H; i < h_row; i++) {
        assert_true(h[i] == old[i]);
    }
    real *da = values_copy(a, ROWS * H);
    pass.gates = da;
    table->cells[cell].backward(&pass);
    for (size_t i = 0; i < ROWS * H; i++) {
        double in[INPUTS] = {(double)before[i]}, out[2], weights[2] = {(double)dh[i], 0};
        unit(in, out);
        assert_close(table, name, H, (double)a[i], out[0]);
        assert_true(h[i / H * h_row + i % H] == a[i]);
        assert_close(table, name, H, (double)da[i], slope(unit, in, 0, weights));
    }
    free(before);
    free(a);
    free(h);
    free(old);
    free(dh);
    free(da);
}

static void rnn_tanh_follows_its_equation_and_derivative(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        check_rnn(table, H, LRNN_CELL_RNN_TANH, tanh_unit, "tanh");
    }
}

static void rnn_relu_follows_its_equation_and_derivative(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        check_rnn(table, H, LRNN_CELL_RNN_RELU, relu_unit, "relu");
    }
}

static void relu_keeps_nan(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        real *a = values_create(H, 1, 1), *h = values_create(H, 1, 2);
        a[H - 1] = (real)NAN;
        const cell_pass pass = {.rows = 1, .H = H, .gates = a, .h_after = h, .h_after_row = H};
        table->cells[LRNN_CELL_RNN_RELU].forward(&pass);
        assert_true(isnan(a[H - 1]) && isnan(h[H - 1]));
        free(a);
        free(h);
    }
}

/* ---- LSTM ---- */

typedef struct lstm {
    size_t H, h_row;
    real *before, *gates, *c, *c_next, *tanh_c, *h, *dh, *dc;
} lstm;

static lstm lstm_create(size_t H)
{
    lstm cell = {.H = H, .h_row = H + PADDING};
    cell.before = values_create(ROWS * 4 * H, 3, 1);
    cell.gates = values_copy(cell.before, ROWS * 4 * H);
    cell.c = values_create(ROWS * H, 2, 2);
    cell.c_next = values_create(ROWS * H, 1, 3);
    cell.tanh_c = values_create(ROWS * H, 1, 4);
    cell.h = values_create((ROWS - 1) * cell.h_row + H, 1, 5);
    cell.dh = values_create(ROWS * H, 1, 6);
    cell.dc = values_create(ROWS * H, 1, 7);
    return cell;
}

static void lstm_destroy(lstm *cell)
{
    free(cell->before);
    free(cell->gates);
    free(cell->c);
    free(cell->c_next);
    free(cell->tanh_c);
    free(cell->h);
    free(cell->dh);
    free(cell->dc);
}

static void lstm_inputs(const lstm *cell, size_t row, size_t k, double in[INPUTS])
{
    memset(in, 0, INPUTS * sizeof *in);
    for (size_t gate = 0; gate < 4; gate++) {
        in[gate] = (double)cell->before[(row * 4 + gate) * cell->H + k];
    }
    in[4] = (double)cell->c[row * cell->H + k];
}

static void lstm_forward_follows_its_equations(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        lstm cell = lstm_create(H);
        lstm_forward(table, ROWS, H, cell.gates, cell.c, cell.c_next, cell.tanh_c, cell.h,
                     cell.h_row);
        for (size_t i = 0; i < ROWS * H; i++) {
            size_t row = i / H, k = i % H;
            const real *gates = cell.gates + row * 4 * H + k;
            double in[INPUTS], out[2];
            lstm_inputs(&cell, row, k, in);
            lstm_unit(in, out);
            assert_close(table, "i", H, (double)gates[0], sigmoid(in[0]));
            assert_close(table, "f", H, (double)gates[H], sigmoid(in[1]));
            assert_close(table, "g", H, (double)gates[2 * H], tanh(in[2]));
            assert_close(table, "o", H, (double)gates[3 * H], sigmoid(in[3]));
            assert_close(table, "c", H, (double)cell.c_next[i], out[1]);
            assert_close(table, "tanh c", H, (double)cell.tanh_c[i], tanh(out[1]));
            assert_close(table, "h", H, (double)cell.h[row * cell.h_row + k], out[0]);
        }
        lstm_destroy(&cell);
    }
}

static void lstm_forward_may_overwrite_c_and_skip_tanh_c(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        lstm one = lstm_create(H), two = lstm_create(H);
        lstm_forward(table, ROWS, H, one.gates, one.c, one.c_next, one.tanh_c, one.h, one.h_row);
        lstm_forward(table, ROWS, H, two.gates, two.c, two.c, NULL, two.h, two.h_row);
        assert_memory_equal(one.c_next, two.c, ROWS * H * sizeof(real));
        assert_memory_equal(one.h, two.h, ((ROWS - 1) * one.h_row + H) * sizeof(real));
        assert_memory_equal(one.gates, two.gates, ROWS * 4 * H * sizeof(real));
        lstm_destroy(&one);
        lstm_destroy(&two);
    }
}

static void lstm_backward_is_the_derivative(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        lstm cell = lstm_create(H);
        real *dc = values_copy(cell.dc, ROWS * H);
        lstm_forward(table, ROWS, H, cell.gates, cell.c, cell.c_next, cell.tanh_c, cell.h,
                     cell.h_row);
        lstm_backward(table, ROWS, H, cell.gates, cell.c, cell.tanh_c, cell.dh, dc);
        for (size_t i = 0; i < ROWS * H; i++) {
            size_t row = i / H, k = i % H;
            double in[INPUTS], weights[2] = {(double)cell.dh[i], (double)cell.dc[i]};
            lstm_inputs(&cell, row, k, in);
            for (size_t gate = 0; gate < 4; gate++) {
                assert_close(table, "gate gradient", H,
                             (double)cell.gates[(row * 4 + gate) * H + k],
                             slope(lstm_unit, in, gate, weights));
            }
            assert_close(table, "dc", H, (double)dc[i], slope(lstm_unit, in, 4, weights));
        }
        free(dc);
        lstm_destroy(&cell);
    }
}

/* ---- GRU ---- */

typedef struct gru {
    size_t H, h_row;
    real *x_before, *s_before, *x, *s, *previous, *h, *dh_before, *dh;
} gru;

static gru gru_create(size_t H)
{
    gru cell = {.H = H, .h_row = H + PADDING};
    cell.x_before = values_create(ROWS * 3 * H, 2, 1);
    cell.s_before = values_create(ROWS * 3 * H, 2, 2);
    cell.x = values_copy(cell.x_before, ROWS * 3 * H);
    cell.s = values_copy(cell.s_before, ROWS * 3 * H);
    cell.previous = values_create((ROWS - 1) * cell.h_row + H, 1, 3);
    cell.h = values_create((ROWS - 1) * cell.h_row + H, 1, 4);
    cell.dh_before = values_create(ROWS * H, 1, 5);
    cell.dh = values_copy(cell.dh_before, ROWS * H);
    return cell;
}

static void gru_destroy(gru *cell)
{
    free(cell->x_before);
    free(cell->s_before);
    free(cell->x);
    free(cell->s);
    free(cell->previous);
    free(cell->h);
    free(cell->dh_before);
    free(cell->dh);
}

static void gru_inputs(const gru *cell, size_t row, size_t k, double in[INPUTS])
{
    for (size_t gate = 0; gate < 3; gate++) {
        in[gate] = (double)cell->x_before[(row * 3 + gate) * cell->H + k];
        in[3 + gate] = (double)cell->s_before[(row * 3 + gate) * cell->H + k];
    }
    in[6] = (double)cell->previous[row * cell->h_row + k];
}

static void gru_forward_follows_its_equations(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        gru cell = gru_create(H);
        gru_forward(table, ROWS, H, cell.x, cell.s, cell.previous, cell.h_row, cell.h, cell.h_row);
        assert_memory_equal(cell.s, cell.s_before, ROWS * 3 * H * sizeof(real));
        for (size_t i = 0; i < ROWS * H; i++) {
            size_t row = i / H, k = i % H;
            const real *x = cell.x + row * 3 * H + k;
            double in[INPUTS], out[2];
            gru_inputs(&cell, row, k, in);
            gru_unit(in, out);
            double r = sigmoid(in[0] + in[3]);
            assert_close(table, "r", H, (double)x[0], r);
            assert_close(table, "z", H, (double)x[H], sigmoid(in[1] + in[4]));
            assert_close(table, "n", H, (double)x[2 * H], tanh(in[2] + r * in[5]));
            assert_close(table, "h", H, (double)cell.h[row * cell.h_row + k], out[0]);
        }
        gru_destroy(&cell);
    }
}

static void gru_forward_may_overwrite_h(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        gru one = gru_create(H), two = gru_create(H);
        gru_forward(table, ROWS, H, one.x, one.s, one.previous, one.h_row, one.h, one.h_row);
        gru_forward(table, ROWS, H, two.x, two.s, two.previous, two.h_row, two.previous, two.h_row);
        for (size_t row = 0; row < ROWS; row++) {
            assert_memory_equal(one.h + row * one.h_row, two.previous + row * two.h_row,
                                H * sizeof(real));
        }
        gru_destroy(&one);
        gru_destroy(&two);
    }
}

static void gru_backward_is_the_derivative(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        gru cell = gru_create(H);
        gru_forward(table, ROWS, H, cell.x, cell.s, cell.previous, cell.h_row, cell.h, cell.h_row);
        for (size_t i = 0; i < ROWS * H; i++) {
            size_t at = i / H * 3 * H + i % H;
            cell.s[at] = cell.s[at + H] = (real)NAN; /* only the n part is read */
        }
        gru_backward(table, ROWS, H, cell.x, cell.s, cell.previous, cell.h_row, cell.dh);
        for (size_t i = 0; i < ROWS * H; i++) {
            size_t row = i / H, k = i % H;
            double in[INPUTS], weights[2] = {(double)cell.dh_before[i], 0};
            gru_inputs(&cell, row, k, in);
            for (size_t gate = 0; gate < 3; gate++) {
                size_t at = (row * 3 + gate) * H + k;
                assert_close(table, "dx", H, (double)cell.x[at],
                             slope(gru_unit, in, gate, weights));
                assert_close(table, "ds", H, (double)cell.s[at],
                             slope(gru_unit, in, 3 + gate, weights));
            }
            assert_close(table, "dh", H, (double)cell.dh[i], slope(gru_unit, in, 6, weights));
        }
        gru_destroy(&cell);
    }
}

/* ---- the bits of a row ---- */

static void a_row_has_the_same_bits_wherever_it_stands(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_SIZES(H)
    {
        lstm all = lstm_create(H), alone = lstm_create(H);
        lstm_forward(table, ROWS, H, all.gates, all.c, all.c_next, all.tanh_c, all.h, all.h_row);
        size_t last = ROWS - 1;
        lstm_forward(table, 1, H, alone.gates + last * 4 * H, alone.c + last * H,
                     alone.c_next + last * H, alone.tanh_c + last * H, alone.h + last * alone.h_row,
                     alone.h_row);
        assert_memory_equal(all.h + last * all.h_row, alone.h + last * alone.h_row,
                            H * sizeof(real));
        assert_memory_equal(all.c_next + last * H, alone.c_next + last * H, H * sizeof(real));
        lstm_destroy(&all);
        lstm_destroy(&alone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rnn_tanh_follows_its_equation_and_derivative),
        cmocka_unit_test(rnn_relu_follows_its_equation_and_derivative),
        cmocka_unit_test(relu_keeps_nan),
        cmocka_unit_test(lstm_forward_follows_its_equations),
        cmocka_unit_test(lstm_forward_may_overwrite_c_and_skip_tanh_c),
        cmocka_unit_test(lstm_backward_is_the_derivative),
        cmocka_unit_test(gru_forward_follows_its_equations),
        cmocka_unit_test(gru_forward_may_overwrite_h),
        cmocka_unit_test(gru_backward_is_the_derivative),
        cmocka_unit_test(a_row_has_the_same_bits_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
