/* Runs of steps of every table: the bits of single steps and of the product with the head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/kernel_values.h"

#define STEPS   5
#define PADDING 3

typedef struct layer {
    size_t G, H, inputs, width;
    real *w, *u, *head, *bias, *hidden_bias, *head_bias, *x, *h, *c;
    cell_step step;
} layer;

static real *pack(const kernel_table *table, size_t K, size_t N, size_t seed, packed_matrix *to)
{
    real *values = values_create(K * N, 1, seed);
    lrnn_allocator allocator;
    allocator_read(&allocator, NULL);
    real *packed =
        memory_allocate(&allocator, kernel_packed_size(table, K, N), sizeof(real), "packed");
    kernel_pack(table, packed, values, N, 1, K, N);
    free(values);
    *to = (packed_matrix){.data = packed};
    return packed;
}

static real *pack_head(size_t K)
{
    real *values = values_create(K * FEW_COLUMNS, 1, 9);
    lrnn_allocator allocator;
    allocator_read(&allocator, NULL);
    real *packed = memory_allocate(&allocator, few_column(K), FEW_COLUMNS * sizeof(real), "packed");
    few_pack(packed, values, K, FEW_COLUMNS);
    free(values);
    return packed;
}

static layer layer_create(const kernel_table *table, int32_t cell, size_t H, size_t inputs)
{
    layer l = {.G = cell_find(cell)->gates, .H = H, .inputs = inputs};
    l.width = kernel_gates_width(table, l.G, H);
    l.bias = values_create(STEPS * l.width, 1, 1);
    l.hidden_bias = values_create(l.width, 1, 2);
    l.head_bias = values_create(FEW_COLUMNS, 1, 3);
    l.x = values_create(STEPS * (inputs + 1), 1, 4);
    l.h = values_create(H, 1, 5);
    l.c = values_create(H, 1, 6);
    l.step = (cell_step){.rows = 1,
                         .H = H,
                         .R = H,
                         .steps = STEPS,
                         .start = l.bias,
                         .start_step = (ptrdiff_t)l.width,
                         .x = inputs > 0 ? l.x : NULL,
                         .inputs = inputs,
                         .x_step = (ptrdiff_t)inputs + 1,
                         .h = l.h,
                         .h_row = H,
                         .hidden_bias = l.hidden_bias,
                         .h_next_row = H,
                         .h_next_step = (ptrdiff_t)(H + PADDING)};
    l.w = pack(table, inputs, l.width, 7, &l.step.input);
    l.u = pack(table, H, l.width, 8, &l.step.hidden);
    l.head = pack_head(H);
    l.step.head = l.head;
    return l;
}

static void layer_destroy(layer *l)
{
    real *all[] = {l->bias, l->hidden_bias, l->head_bias, l->x, l->h, l->c};
    real *packed[] = {l->w, l->u, l->head};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        lrnn_allocator allocator;
        allocator_read(&allocator, NULL);
        memory_release(&allocator, packed[i]);
    }
}

/* h of all steps [STEPS,H+PADDING], then c, then the outputs. */
typedef struct results {
    real *h, *c, *outputs;
} results;

static results results_create(const layer *l)
{
    results to = {values_create(STEPS * (l->H + PADDING), 1, 10), values_copy(l->c, l->H),
                  values_create(STEPS * FEW_COLUMNS, 1, 11)};
    return to;
}

static void results_destroy(results *of)
{
    free(of->h);
    free(of->c);
    free(of->outputs);
}

static void run(const kernel_table *table, const layer *l, int32_t cell, bool last_first,
                size_t outputs, const results *to)
{
    cell_step all = l->step;
    all.c = cell_find(cell)->has_c ? to->c : NULL;
    all.h_next = to->h;
    all.last_first = last_first;
    all.head_bias = l->head_bias;
    all.head_size = outputs;
    all.outputs = outputs > 0 ? to->outputs : NULL;
    all.outputs_step = FEW_COLUMNS;
    assert_true(kernel_runs(table, &all));
    kernel_steps(table, cell, &all);
}

static void step_by_step(const kernel_table *table, const layer *l, int32_t cell, size_t outputs,
                         const results *to)
{
    cell_step one = l->step;
    one.c = cell_find(cell)->has_c ? to->c : NULL;
    one.h_next = to->h;
    for (size_t t = 0; t < STEPS; t++, cell_step_advance(&one)) {
        table->cells[cell].step(&one);
        if (outputs > 0) {
            table->multiply_few(1, outputs, l->H, one.h_next, l->H, l->head, l->head_bias, 0,
                                to->outputs + t * FEW_COLUMNS, FEW_COLUMNS);
        }
    }
}

static void compare(const kernel_table *table, int32_t cell, size_t H, size_t inputs,
                    size_t outputs)
{
    layer l = layer_create(table, cell, H, inputs);
    results expected = results_create(&l), found = results_create(&l);
    step_by_step(table, &l, cell, outputs, &expected);
    run(table, &l, cell, (H + inputs) % 2 == 1, outputs, &found);
    /* Past the units, and past the outputs, nothing is written. */
    if (memcmp(found.h, expected.h, STEPS * (H + PADDING) * sizeof(real)) != 0 ||
        memcmp(found.c, expected.c, H * sizeof(real)) != 0 ||
        memcmp(found.outputs, expected.outputs, STEPS * FEW_COLUMNS * sizeof(real)) != 0) {
        fail_msg("%s, cell %d, H %zu, %zu inputs, %zu outputs: other bits than single steps",
                 table->name, (int)cell, H, inputs, outputs);
    }
    results_destroy(&expected);
    results_destroy(&found);
    layer_destroy(&l);
}

static void a_run_has_the_bits_of_single_steps(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        for (int32_t cell = 0; cell <= cell_last(); cell++) {
            for (size_t H = 1; H <= table->run_units; H++) {
                compare(table, cell, H, H % 4, H / 4 % (FEW_COLUMNS + 1));
            }
        }
    }
}

static void a_table_runs_layers_of_up_to_its_units(void **state)
{
    (void)state;
    FOR_TABLES(table)
    {
        cell_step step = {.rows = 1, .H = table->run_units, .R = table->run_units};
        assert_true(table->run_units == 0 || kernel_runs(table, &step));
        step.rows = 2;
        assert_true(table->run_units == 0 || !kernel_runs(table, &step));
        step.rows = 1;
        step.H++;
        step.R++;
        assert_false(kernel_runs(table, &step));
        for (int32_t cell = 0; cell <= cell_last(); cell++) {
            assert_true((table->cells[cell].run != NULL) == (table->run_units > 0));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_the_bits_of_single_steps),
        cmocka_unit_test(a_table_runs_layers_of_up_to_its_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
