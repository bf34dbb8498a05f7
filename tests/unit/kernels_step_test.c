/* Steps of a layer, of every table: against the equations in double; and the bits of an output,
 * which depend on its own row alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/kernel_values.h"

typedef enum step_cell { RNN_TANH, RNN_RELU, LSTM, GRU, CELLS } step_cell; /* as LRNN_CELL_* */

static const char *const cell_names[CELLS] = {"tanh", "relu", "LSTM", "GRU"};
static const size_t cell_gates[CELLS] = {1, 1, 4, 3};

static void run(const kernel_table *table, step_cell kind, const cell_step *step)
{
    table->cells[kind].step(step);
}

#define PADDING 3

/* A layer and what goes through it. The step's arrays are exactly as long as they are read. */
typedef struct layer {
    step_cell kind;
    size_t G, width, c_size, h_next_size;
    real *w, *u, *bias, *hidden_bias; /* [G*H,inputs], [G*H,R], [G*H], [H] */
    real *input, *hidden, *start, *from_hidden, *x, *h, *c, *h_next;
    cell_step step;
} layer;

static layer layer_create(const kernel_table *table, step_cell kind, size_t rows, size_t H,
                          size_t R, size_t inputs)
{
    layer l = {.kind = kind, .G = cell_gates[kind]};
    l.width = kernel_gates_width(table, l.G, H);
    l.c_size = rows * H;
    l.h_next_size = (rows - 1) * (H + PADDING) + H;
    l.w = values_create(l.G * H * inputs, 0.5, 1);
    l.u = values_create(l.G * H * R, 0.5, 2);
    l.bias = values_create(l.G * H, 1, 3);
    l.hidden_bias = values_create(H, 1, 4);
    l.input = values_create(kernel_packed_size(table, inputs, l.width), 1, 5);
    l.hidden = values_create(kernel_packed_size(table, R, l.width), 1, 6);
    l.start = values_create(l.width, 1, 7);
    l.from_hidden = values_create(l.width, 1, 8);
    l.x = values_create((rows - 1) * (inputs + PADDING) + inputs, 1, 9);
    l.h = values_create((rows - 1) * (R + PADDING) + R, 1, 10);
    l.c = values_create(l.c_size, 2, 11);
    l.h_next = values_create(l.h_next_size, 1, 12);
    kernel_pack_gates(table, l.input, l.w, inputs, inputs, l.G, H);
    kernel_pack_gates(table, l.hidden, l.u, R, R, l.G, H);
    for (size_t i = 0; i < l.G * H; i++) {
        size_t column = kernel_gate_column(table, l.G, i / H, i % H);
        assert_true(column < l.width);
        l.start[column] = l.bias[i];
        if (i / H == 2) {
            l.from_hidden[column] = l.hidden_bias[i % H];
        }
    }
    l.step = (cell_step){
        .rows = rows,
        .H = H,
        .start = l.start,
        .x = l.x,
        .input = {.kind = LRNN_WEIGHT_FLOAT32, .data = l.input},
        .inputs = inputs,
        .x_row = inputs + PADDING,
        .h = l.h,
        .h_row = R + PADDING,
        .hidden = {.kind = LRNN_WEIGHT_FLOAT32, .data = l.hidden},
        .R = R,
        .hidden_bias = kind == GRU ? l.from_hidden : NULL,
        .c = kind == LSTM ? l.c : NULL,
        .h_next = l.h_next,
        .h_next_row = H + PADDING,
    };
    return l;
}

static void layer_destroy(layer *l)
{
    real *arrays[] = {l->w,     l->u,           l->bias, l->hidden_bias, l->input, l->hidden,
                      l->start, l->from_hidden, l->x,    l->h,           l->c,     l->h_next};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        free(arrays[i]);
    }
}

/* ---- the equations ---- */

static double row_product(const real *weights, const real *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)weights[i] * (double)values[i];
    }
    return sum;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* h' and, for LSTM, c' of one unit. */
static void expect_unit(const layer *l, size_t row, size_t k, double *h, double *c)
{
    const cell_step *s = &l->step;
    double x[4], u[4];
    for (size_t g = 0; g < l->G; g++) {
        size_t at = g * s->H + k;
        x[g] = (double)l->bias[at] +
               row_product(l->w + at * s->inputs, l->x + row * s->x_row, s->inputs);
        u[g] = row_product(l->u + at * s->R, l->h + row * s->h_row, s->R);
    }
    if (l->kind == RNN_TANH) {
        *h = tanh(x[0] + u[0]);
    } else if (l->kind == RNN_RELU) {
        *h = fmax(x[0] + u[0], 0);
    } else if (l->kind == LSTM) {
        *c = sigmoid(x[1] + u[1]) * (double)l->c[row * s->H + k] +
             sigmoid(x[0] + u[0]) * tanh(x[2] + u[2]);
        *h = sigmoid(x[3] + u[3]) * tanh(*c);
    } else {
        double r = sigmoid(x[0] + u[0]), z = sigmoid(x[1] + u[1]);
        double n = tanh(x[2] + r * (u[2] + (double)l->hidden_bias[k]));
        *h = (1 - z) * n + z * (double)l->h[row * s->h_row + k];
    }
}

static void check_equations(const kernel_table *table, step_cell kind, size_t rows, size_t H,
                            size_t R, size_t inputs)
{
    layer l = layer_create(table, kind, rows, H, R, inputs);
    real *before = values_copy(l.h_next, l.h_next_size), *old_c = values_copy(l.c, l.c_size);
    real *c = values_copy(l.c, l.c_size);
    l.step.c = kind == LSTM ? c : NULL;
    run(table, kind, &l.step);
    for (size_t i = 0; i < l.h_next_size; i++) {
        size_t row = i / (H + PADDING), k = i % (H + PADDING);
        if (k >= H) {
            assert_true(l.h_next[i] == before[i]);
            continue;
        }
        double h = 0, c_next = (double)old_c[row * H + k];
        expect_unit(&l, row, k, &h, &c_next);
        if (!(fabs((double)l.h_next[i] - h) <= 2e-5 * (1 + fabs(h))) ||
            !(fabs((double)c[row * H + k] - c_next) <= 2e-5)) {
            fail_msg("%s, %s, rows %zu H %zu R %zu inputs %zu: row %zu unit %zu", table->name,
                     cell_names[kind], rows, H, R, inputs, row, k);
        }
    }
    free(before);
    free(old_c);
    free(c);
    layer_destroy(&l);
}

/* Of less than a tile to several blocks and a part of one. */
static const size_t sizes[] = {1, 3, 4, 8, 15, 16, 17, 32, 33, 48, 63, 64, 70, 100, 128, 129, 200};

static void steps_follow_their_equations(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (step_cell kind = 0; kind < CELLS; kind++) {
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                size_t rows = 1 + i % 3 * 5, inputs = i % 4 == 0 ? 0 : 1 + i * 7 % 20;
                check_equations(table, kind, 1, sizes[i], sizes[i], inputs);
                check_equations(table, kind, rows, sizes[i], sizes[i], inputs);
            }
        }
    }
}

static void an_lstm_may_have_h_of_another_size(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (size_t rows = 1; rows <= 8; rows++) {
            check_equations(table, LSTM, rows, 50, 7, 9);
            check_equations(table, LSTM, rows, 64, 20, 0);
        }
    }
}

/* ---- the same bits ---- */

typedef struct outcome {
    real *h, *c;
} outcome;

static outcome outcome_of(const kernel_table *table, const layer *l, const cell_step *step)
{
    outcome made = {values_copy(l->h_next, l->h_next_size), values_copy(l->c, l->c_size)};
    cell_step own = *step;
    own.h_next = made.h;
    own.c = step->c == NULL ? NULL : made.c;
    run(table, l->kind, &own);
    return made;
}

static void outcome_equal(const layer *l, outcome found, outcome expected)
{
    assert_memory_equal(found.h, expected.h, l->h_next_size * sizeof(real));
    assert_memory_equal(found.c, expected.c, l->c_size * sizeof(real));
    free(found.h);
    free(found.c);
}

#define FOR_LAYERS(table, l)                                                                       \
    for (size_t case_index = 0; case_index < CELLS * 3 * 14; case_index++)                         \
        for (layer l = layer_create(table, case_index % CELLS, 1 + case_index / (CELLS * 3),       \
                                    (size_t[]){64, 37, 200}[case_index / CELLS % 3],               \
                                    (size_t[]){64, 37, 200}[case_index / CELLS % 3], 21);          \
             l.G > 0; layer_destroy(&l), l.G = 0)

static void last_first_through_the_weights_gives_the_same_bits(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_LAYERS(table, l)
    {
        outcome expected = outcome_of(table, &l, &l.step);
        cell_step step = l.step;
        step.last_first = true;
        outcome_equal(&l, outcome_of(table, &l, &step), expected);
        free(expected.h);
        free(expected.c);
    }
}

static void an_input_product_made_before_gives_the_same_bits(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_LAYERS(table, l)
    {
        outcome expected = outcome_of(table, &l, &l.step);
        real *start = values_create(l.step.rows * l.width, 1, 13);
        cell_step step = l.step;
        table->multiply_packed_from(step.rows, l.width, step.inputs, l.x, step.x_row, 1, l.input,
                                    l.start, 0, start, l.width);
        step.start = start;
        step.start_row = l.width;
        step.inputs = 0;
        step.x = step.input.data = NULL;
        outcome_equal(&l, outcome_of(table, &l, &step), expected);
        free(start);
        free(expected.h);
        free(expected.c);
    }
}

/* Several rows in tiles, one row as it comes; whole blocks and parts of one. */
static void bfloat16_gives_the_bits_of_the_same_numbers_as_reals(void **state)
{
    (void)state;
    static const size_t rows[] = {1, 2, 5, 6, 7, 24, 25, 50};
    FOR_TABLES(table)
    {
        for (size_t i = 0; i < CELLS * 8 * (sizeof sizes / sizeof *sizes); i++) {
            size_t H = sizes[i / (CELLS * 8)], R = i % 5 == 4 ? H / 2 + 1 : H;
            layer l = layer_create(table, i % CELLS, rows[i / CELLS % 8], H,
                                   i % CELLS == LSTM ? R : H, i % 3 == 0 ? 0 : 21);
            bfloat16_pair *input =
                pairs_create(table, l.input, kernel_packed_size(table, l.step.inputs, l.width));
            bfloat16_pair *hidden =
                pairs_create(table, l.hidden, kernel_packed_size(table, l.step.R, l.width));
            outcome expected = outcome_of(table, &l, &l.step);
            cell_step step = l.step;
            step.input = (packed_matrix){.kind = LRNN_WEIGHT_BFLOAT16, .data = input};
            step.hidden = (packed_matrix){.kind = LRNN_WEIGHT_BFLOAT16, .data = hidden};
            outcome_equal(&l, outcome_of(table, &l, &step), expected);
            free(input);
            free(hidden);
            free(expected.h);
            free(expected.c);
            layer_destroy(&l);
        }
    }
}

static void a_row_has_the_same_bits_alone_and_among_others(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_LAYERS(table, l)
    {
        outcome all = outcome_of(table, &l, &l.step);
        outcome alone = {values_copy(l.h_next, l.h_next_size), values_copy(l.c, l.c_size)};
        for (size_t row = 0; row < l.step.rows; row++) {
            cell_step step = l.step;
            step.rows = 1;
            step.x += row * step.x_row;
            step.h += row * step.h_row;
            step.h_next = alone.h + row * step.h_next_row;
            step.c = step.c == NULL ? NULL : alone.c + row * step.H;
            run(table, l.kind, &step);
        }
        outcome_equal(&l, alone, all);
        free(all.h);
        free(all.c);
    }
}

static void nan_stays_in_its_row(void **state)
{
    (void)state;
    FOR_TABLES(table) FOR_LAYERS(table, l)
    {
        size_t row = l.step.rows / 2;
        l.h[row * l.step.h_row + 5] = (real)NAN;
        run(table, l.kind, &l.step);
        for (size_t i = 0; i < l.h_next_size; i++) {
            size_t k = i % l.step.h_next_row;
            bool poisoned = i / l.step.h_next_row == row && k < l.step.H;
            assert_true(poisoned == (isnan(l.h_next[i]) != 0));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_follow_their_equations),
        cmocka_unit_test(an_lstm_may_have_h_of_another_size),
        cmocka_unit_test(last_first_through_the_weights_gives_the_same_bits),
        cmocka_unit_test(an_input_product_made_before_gives_the_same_bits),
        cmocka_unit_test(bfloat16_gives_the_bits_of_the_same_numbers_as_reals),
        cmocka_unit_test(a_row_has_the_same_bits_alone_and_among_others),
        cmocka_unit_test(nan_stays_in_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
