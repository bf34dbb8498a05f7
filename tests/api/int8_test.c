/* Models whose matrices are bytes with a scale for each row: the numbers they keep, their files,
 * what they compute, what becomes of them in training, and the memory they take. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/fault_allocator.h"
#include "support/malloc_trap.h"
#include "support/safetensors_bytes.h"
#include "support/scratch.h"
#include "support/weight_types.h"

/* ---- numbers ---- */

/* The scale of a row by its definition: 17 bits of max|w| / 127. */
static double scale_of(const float *row, size_t count)
{
    float top = 0;
    int exponent;
    for (size_t i = 0; i < count; i++) {
        top = fabsf(row[i]) > top ? fabsf(row[i]) : top;
    }
    double fraction = frexp((double)(top / 127), &exponent);
    return top == 0 ? 1 : ldexp(floor(ldexp(fraction, 17)), exponent - 17);
}

static void expect_rounded(const float *before, const float *after, const lrnn_parameter *p)
{
    size_t columns = p->rank == 2 ? p->shape[1] : p->count;
    for (size_t row = 0; row < p->count; row += columns) {
        double scale = scale_of(before + row, columns);
        for (size_t i = row; i < row + columns; i++) {
            double expected =
                p->rank == 2 ? nearbyint((double)before[i] / scale) * scale : (double)before[i];
            if ((double)after[i] != expected) {
                fail_msg("%s, value %zu: %.9g, expected %.9g", p->name, i, (double)after[i],
                         expected);
            }
        }
    }
}

/* What a model keeps is what the other's numbers become, read at once and one by one. */
static void expect_all_rounded(const lrnn_model *model, const lrnn_model *small)
{
    float *before = values_of(model), *after = values_of(small);
    for (size_t i = 0; i < lrnn_model_tensor_count(small); i++) {
        lrnn_parameter p;
        EXPECT_OK(lrnn_parameter_init(&p, sizeof p));
        EXPECT_OK(lrnn_model_get_parameter(&p, small, i));
        float *alone = malloc(p.count * sizeof *alone);
        assert_non_null(alone);
        EXPECT_OK(lrnn_model_copy_parameter(alone, p.count, small, p.name));
        assert_memory_equal(alone, after + p.offset, p.count * sizeof *alone);
        expect_rounded(before + p.offset, after + p.offset, &p);
        free(alone);
    }
    free(before);
    free(after);
}

static void rows_of_matrices_become_bytes_times_a_scale_and_vectors_stay(void **state)
{
    (void)state;
    FOR_KINDS(k)
    {
        lrnn_model *model = create(k, LRNN_WEIGHT_FLOAT32);
        lrnn_model *small = convert(model, LRNN_WEIGHT_INT8);
        assert_int_equal(type_of(small), LRNN_WEIGHT_INT8);
        expect_all_rounded(model, small);
        lrnn_model_destroy(model);
        lrnn_model_destroy(small);
    }
}

/* Rows longer than are read in one piece, and tails of several panels that read another number of
 * values. */
static void long_rows_and_wide_tails_keep_their_numbers(void **state)
{
    (void)state;
    lrnn_model_options o;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = o.hidden_size = 300;
    o.cell = LRNN_CELL_GRU;
    o.cutoffs[0] = 20;
    o.div_value = 2;
    EXPECT_OK(lrnn_model_create(&model, &o));
    lrnn_model *small = convert(model, LRNN_WEIGHT_INT8);
    expect_all_rounded(model, small);
    lrnn_model_destroy(model);
    lrnn_model_destroy(small);
}

static void to_float32_and_back_is_the_same_model(void **state)
{
    (void)state;
    FOR_KINDS(k)
    {
        lrnn_model *small = create(k, LRNN_WEIGHT_INT8);
        lrnn_model *plain = convert(small, LRNN_WEIGHT_FLOAT32);
        lrnn_model *again = convert(plain, LRNN_WEIGHT_INT8),
                   *same = convert(small, LRNN_WEIGHT_INT8);
        assert_ptr_equal(same, small);
        expect_same_values(small, plain);
        expect_same_values(small, again);
        lrnn_model_destroy(small);
        lrnn_model_destroy(plain);
        lrnn_model_destroy(again);
        lrnn_model_destroy(same);
    }
}

/* ---- what it computes ---- */

static lrnn_state *start(const lrnn_model *model, size_t batch, size_t steps)
{
    lrnn_state_options o;
    lrnn_state *made;
    EXPECT_OK(lrnn_state_options_init(&o, sizeof o));
    o.batch = batch;
    o.steps = steps;
    EXPECT_OK(lrnn_state_create(&made, model, &o));
    return made;
}

static bool every_step(const kind *k)
{
    return k->head == LRNN_HEAD_STEPS || k->head == LRNN_HEAD_NONE;
}

/* [batch,T,O] or [batch,O]; free() takes it. */
static float *forward(const lrnn_model *model, const kind *k, size_t batch, size_t steps)
{
    lrnn_sequences s;
    size_t O = lrnn_model_output_size(model);
    float *outputs = malloc(batch * T * O * sizeof *outputs);
    lrnn_state *running = start(model, batch, k->bidirectional ? T : steps);
    assert_non_null(outputs);
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    s.batch = batch;
    s.steps = T;
    s.tokens = k->vocab > 0 ? tokens : NULL;
    s.features = k->features > 0 ? features : NULL;
    EXPECT_OK(lrnn_state_forward(running, &s, outputs));
    lrnn_state_destroy(running);
    return outputs;
}

/* The same by single steps of single streams. */
static void expect_steps(const lrnn_model *model, const kind *k, size_t b, const float *all)
{
    size_t O = lrnn_model_output_size(model);
    float *outputs = malloc(O * sizeof *outputs);
    lrnn_state *running = start(model, 1, 1);
    assert_non_null(outputs);
    for (size_t t = 0; t < T; t++) {
        EXPECT_OK(lrnn_state_step(running, k->vocab > 0 ? tokens + b * T + t : NULL,
                                  k->features > 0 ? features + (b * T + t) * F : NULL, outputs));
        if (every_step(k)) {
            assert_memory_equal(outputs, all + (b * T + t) * O, O * sizeof *outputs);
        }
    }
    if (!every_step(k)) {
        assert_memory_equal(outputs, all + b * O, O * sizeof *outputs);
    }
    lrnn_state_destroy(running);
    free(outputs);
}

static void a_stream_has_the_same_bits_alone_in_a_batch_by_steps_and_at_once(void **state)
{
    (void)state;
    FOR_KINDS(k)
    {
        lrnn_model *small = create(k, LRNN_WEIGHT_INT8);
        size_t O = lrnn_model_output_size(small), each = every_step(k) ? T * O : O;
        float *all = forward(small, k, B, 3), *one = forward(small, k, 1, T);
        assert_memory_equal(all, one, each * sizeof *all);
        for (size_t b = 0; b < B && !k->bidirectional; b++) {
            expect_steps(small, k, b, all);
        }
        free(all);
        free(one);
        lrnn_model_destroy(small);
    }
}

/* Within what rounding of activations does to numbers of this size. */
static void outputs_are_near_those_of_the_same_numbers_as_float32(void **state)
{
    (void)state;
    FOR_KINDS(k)
    {
        lrnn_model *small = create(k, LRNN_WEIGHT_INT8);
        lrnn_model *plain = convert(small, LRNN_WEIGHT_FLOAT32);
        size_t rows = every_step(k) ? B * T : B, count = rows * lrnn_model_output_size(small);
        float *found = forward(small, k, B, T), *expected = forward(plain, k, B, T);
        double error = 0, size = 0;
        for (size_t i = 0; i < count; i++) {
            error += pow((double)found[i] - (double)expected[i], 2);
            size += pow((double)expected[i], 2);
        }
        if (!(sqrt(error / size) < 0.02) || error == 0) {
            fail_msg("%s: %g of the outputs", k->name, sqrt(error / size));
        }
        free(found);
        free(expected);
        lrnn_model_destroy(small);
        lrnn_model_destroy(plain);
    }
}

static void a_tied_matrix_is_one(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "tied.lrnn");
    lrnn_model_options o;
    lrnn_model *small, *loaded;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = o.hidden_size = 24;
    o.tied_weights = 1;
    o.weight_type = LRNN_WEIGHT_INT8;
    EXPECT_OK(lrnn_model_create(&small, &o));
    EXPECT_OK(lrnn_model_save(small, path));
    EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
    expect_same_values(small, loaded);
    float left[V], right[V];
    lrnn_state *a = start(small, 1, 1), *b = start(loaded, 1, 1);
    EXPECT_OK(lrnn_state_step(a, tokens, NULL, left));
    EXPECT_OK(lrnn_state_step(b, tokens, NULL, right));
    assert_memory_equal(left, right, sizeof left);
    lrnn_state_destroy(a);
    lrnn_state_destroy(b);
    lrnn_model_destroy(small);
    lrnn_model_destroy(loaded);
    scratch_destroy(&folder);
}

/* A million values into few units are kept without padding; the bits are those of panels. */
static void a_narrow_model_has_the_bits_of_a_wide_one(void **state)
{
    (void)state;
    enum { WIDE = 1 << 21 };
    for (int one_hot = 0; one_hot < 2; one_hot++) {
        lrnn_model_options o;
        lrnn_model *small, *again;
        EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
        o.feature_size = one_hot ? 2 : WIDE;
        o.vocab_size = one_hot ? WIDE : 0;
        o.embedding_size = 0;
        o.hidden_size = 1;
        o.cell = LRNN_CELL_GRU;
        o.head = LRNN_HEAD_NONE;
        o.weight_type = LRNN_WEIGHT_INT8;
        EXPECT_OK(lrnn_model_create(&small, &o));
        float *values = values_of(small), h[2], *x = calloc(WIDE, sizeof *x);
        assert_non_null(x);
        lrnn_model *plain = convert(small, LRNN_WEIGHT_FLOAT32);
        again = convert(plain, LRNN_WEIGHT_INT8);
        expect_same_values(small, again);
        for (size_t i = 0; i < 3000; i++) {
            x[i * 699] = (float)sin((double)i);
        }
        int32_t token = 77;
        for (int i = 0; i < 2; i++) {
            lrnn_state *running = start(i == 0 ? small : plain, 1, 1);
            EXPECT_OK(lrnn_state_step(running, one_hot ? &token : NULL, x, &h[i]));
            lrnn_state_destroy(running);
        }
        assert_true(fabsf(h[0] - h[1]) < 1e-3f);
        free(values);
        free(x);
        lrnn_model_destroy(small);
        lrnn_model_destroy(plain);
        lrnn_model_destroy(again);
    }
}

static void steps_allocate_nothing(void **state)
{
    (void)state;
    lrnn_model *small = create(&kinds[1], LRNN_WEIGHT_INT8);
    lrnn_state *running = start(small, 4, 1);
    float *outputs = malloc(4 * (2 * V + 1) * sizeof *outputs);
    assert_non_null(outputs);
    malloc_trap_arm();
    lrnn_status status = lrnn_state_step(running, tokens, NULL, outputs);
    size_t caught = malloc_trap_disarm();
    assert_int_equal(status, LRNN_OK);
    assert_int_equal(caught, 0);
    free(outputs);
    lrnn_state_destroy(running);
    lrnn_model_destroy(small);
}

/* ---- files ---- */

static void a_file_brings_the_type_and_every_bit_back(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "small.lrnn");
    FOR_KINDS(k)
    {
        lrnn_model *small = create(k, LRNN_WEIGHT_INT8), *loaded, *parsed;
        EXPECT_OK(lrnn_model_save(small, path));
        EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
        assert_int_equal(type_of(loaded), LRNN_WEIGHT_INT8);
        expect_same_values(small, loaded);
        size_t length, again_length;
        unsigned char *bytes = file_bytes(&length, path);
        EXPECT_OK(lrnn_model_load_memory(&parsed, bytes, length, NULL));
        expect_same_values(small, parsed);
        EXPECT_OK(lrnn_model_save(parsed, path));
        unsigned char *again = file_bytes(&again_length, path);
        assert_int_equal(length, again_length);
        assert_memory_equal(bytes, again, length);
        free(bytes);
        free(again);
        lrnn_model_destroy(small);
        lrnn_model_destroy(loaded);
        lrnn_model_destroy(parsed);
    }
    scratch_destroy(&folder);
}

static void the_file_has_a_byte_for_a_number(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "length.lrnn");
    lrnn_model_options o;
    lrnn_model *small;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = 3000;
    o.embedding_size = o.hidden_size = 96;
    o.weight_type = LRNN_WEIGHT_INT8;
    EXPECT_OK(lrnn_model_create(&small, &o));
    EXPECT_OK(lrnn_model_save(small, path));
    size_t length;
    free(file_bytes(&length, path));
    assert_in_range(length * 100 / lrnn_model_parameter_count(small), 100, 110);
    lrnn_model_destroy(small);
    scratch_destroy(&folder);
}

/* A change of a file: `from`, of which the first occurrence becomes `to`, as long. */
static void expect_refused(const char *path, const char *from, const char *to, size_t shift,
                           size_t size, lrnn_status status, const char *expected)
{
    size_t length;
    lrnn_model *made = (lrnn_model *)(uintptr_t)path;
    unsigned char *bytes = undigested_bytes(&length, path), *at = NULL;
    for (size_t i = 0; at == NULL && i + strlen(from) <= length; i++) {
        at = memcmp(bytes + i, from, strlen(from)) == 0 ? bytes + i : NULL;
    }
    assert_non_null(at);
    memcpy(at + shift, to, size);
    EXPECT_FAILURE(lrnn_model_load_memory(&made, bytes, length, NULL), status, expected);
    assert_null(made);
    free(bytes);
}

static void tensors_that_are_not_what_they_should_be_are_named(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "wrong.lrnn");
    lrnn_model *small = create(&kinds[0], LRNN_WEIGHT_INT8);
    EXPECT_OK(lrnn_model_save(small, path));
    expect_refused(path, "rnn.weight_hh_l0.scale\"", "rnn.weight_hh_l0.scalx\"", 0, 23,
                   LRNN_ERR_FORMAT, "rnn.weight_hh_l0.scale is missing");
    expect_refused(path, "rnn.weight_hh_l0.scale\":{\"dtype\":\"F32\",\"shape\":[256]", "I32", 34,
                   3, LRNN_ERR_FORMAT, "rnn.weight_hh_l0.scale: expected F32, found I32");
    expect_refused(
        path, "rnn.weight_hh_l0.scale\":{\"dtype\":\"F32\",\"shape\":[256]",
        "I16\",\"shape\":[512]", 34, 18, LRNN_ERR_FORMAT,
        "rnn.weight_hh_l0.scale: expected rank 1, shape [256], found rank 1, shape [512]");
    expect_refused(path, "lrnn.weight_type\"", "lrnn.weight_typx\"", 0, 17, LRNN_ERR_FORMAT,
                   "rnn.weight_ih_l0: expected floating-point numbers, found I8");
    expect_refused(path, "lrnn.weight_type\":\"int8\"", "int9", 19, 4, LRNN_ERR_FORMAT,
                   "lrnn.weight_type");
    lrnn_model_destroy(small);
    scratch_destroy(&folder);
}

/* Writes a file with the scales that a test wants. */
static void expect_scale_refused(const lrnn_model *small, const char *path, float bad)
{
    size_t length, at = 0;
    float scales[2 * V + 1], *values = values_of(small);
    lrnn_parameter p;
    lrnn_model *made;
    EXPECT_OK(lrnn_parameter_init(&p, sizeof p));
    EXPECT_OK(lrnn_model_find_parameter(&p, small, "head.weight"));
    for (size_t i = 0; i < p.shape[0]; i++) {
        scales[i] = (float)scale_of(values + p.offset + i * p.shape[1], p.shape[1]);
    }
    EXPECT_OK(lrnn_model_save(small, path));
    unsigned char *bytes = undigested_bytes(&length, path);
    while (at + sizeof scales <= length && memcmp(bytes + at, scales, sizeof scales) != 0) {
        at++;
    }
    assert_true(at + sizeof scales <= length);
    memcpy(bytes + at + 7 * sizeof bad, &bad, sizeof bad);
    EXPECT_FAILURE(lrnn_model_load_memory(&made, bytes, length, NULL), LRNN_ERR_NUMERIC,
                   "head.weight.scale", "value 7", "above zero");
    assert_null(made);
    free(bytes);
    free(values);
}

static void scales_that_are_none_are_named(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "scales.lrnn");
    lrnn_model *small = create(&kinds[1], LRNN_WEIGHT_INT8);
    expect_scale_refused(small, path, 0);
    expect_scale_refused(small, path, -1);
    expect_scale_refused(small, path, NAN);
    expect_scale_refused(small, path, INFINITY);
    lrnn_model_destroy(small);
    scratch_destroy(&folder);
}

static void pytorch_gets_the_numbers_as_float32(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "export.safetensors");
    FOR_KINDS(k)
    {
        if (k->layers == 0) {
            continue;
        }
        lrnn_model *small = create(k, LRNN_WEIGHT_INT8), *read;
        lrnn_import_options o;
        lrnn_model_options architecture = options_of(k, LRNN_WEIGHT_INT8);
        EXPECT_OK(lrnn_model_export(small, path, NULL));
        EXPECT_OK(lrnn_import_options_init(&o, sizeof o));
        o.model = &architecture;
        EXPECT_OK(lrnn_model_import(&read, path, &o));
        assert_int_equal(type_of(read), LRNN_WEIGHT_INT8);
        expect_same_values(small, read);
        lrnn_model_destroy(read);
        lrnn_model_destroy(small);
    }
    scratch_destroy(&folder);
}

static void expect_flips_seen(const lrnn_model *small, const char *path, size_t every)
{
    lrnn_model *made;
    EXPECT_OK(lrnn_model_save(small, path));
    size_t length;
    unsigned char *bytes = file_bytes(&length, path);
    for (size_t at = 8 + safetensors_header_length(bytes); at < length; at += every) {
        bytes[at] ^= 1;
        assert_int_equal(lrnn_model_load_memory(&made, bytes, length, NULL), LRNN_ERR_FORMAT);
        bytes[at] ^= 1;
    }
    EXPECT_OK(lrnn_model_load_memory(&made, bytes, length, NULL));
    lrnn_model_destroy(made);
    free(bytes);
}

/* Digests of bytes and scales are checked like any other, also where the scales are too many to be
 * read at once. */
static void a_flipped_bit_is_an_error(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "flipped.lrnn");
    lrnn_model *small = create(&kinds[0], LRNN_WEIGHT_INT8);
    expect_flips_seen(small, path, 97);
    lrnn_model_destroy(small);
    lrnn_model_options o = options_of(&kinds[0], LRNN_WEIGHT_INT8);
    o.hidden_size = 3;
    o.head = LRNN_HEAD_STEPS;
    o.output_size = 600;
    EXPECT_OK(lrnn_model_create(&small, &o));
    expect_flips_seen(small, path, 7);
    lrnn_model_destroy(small);
    scratch_destroy(&folder);
}

/* The file with one more number, a tensor of this name, after all others; free() takes it. */
static unsigned char *with_tensor(size_t *length, const char *path, const char *name)
{
    char entry[128];
    size_t old;
    unsigned char *bytes = undigested_bytes(&old, path);
    size_t header = safetensors_header_length(bytes), data = old - 8 - header;
    while (bytes[8 + header - 1] != '}') {
        header--;
    }
    int size = snprintf(entry, sizeof entry,
                        ",\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}}",
                        name, data, data + 4);
    unsigned char *made = calloc(1, 8 + header - 1 + (size_t)size + data + 4);
    assert_non_null(made);
    memcpy(made + 8, bytes + 8, header - 1);
    memcpy(made + 8 + header - 1, entry, (size_t)size);
    memcpy(made + 8 + header - 1 + size, bytes + old - data, data);
    little_endian_put(made, 8, header - 1 + (size_t)size);
    *length = 8 + header - 1 + (size_t)size + data + 4;
    free(bytes);
    return made;
}

static void a_scale_beside_a_matrix_of_reals_belongs_to_nothing(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "beside.lrnn"), *name = "rnn.weight_hh_l0.scale";
    lrnn_model *model = create(&kinds[0], LRNN_WEIGHT_FLOAT32), *made;
    EXPECT_OK(lrnn_model_save(model, path));
    size_t length;
    unsigned char *bytes = with_tensor(&length, path, name);
    EXPECT_FAILURE(lrnn_model_load_memory(&made, bytes, length, NULL), LRNN_ERR_FORMAT, name);
    free(bytes);
    lrnn_model_destroy(model);
    scratch_destroy(&folder);
}

/* An adaptive softmax has matrices of its own. */
static void an_adaptive_softmax_has_bytes_too(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "adaptive.lrnn");
    lrnn_model_options o;
    lrnn_model *small, *loaded;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = V;
    o.embedding_size = o.hidden_size = 32;
    o.weight_type = LRNN_WEIGHT_INT8;
    o.cutoffs[0] = 20;
    o.cutoffs[1] = 50;
    EXPECT_OK(lrnn_model_create(&small, &o));
    EXPECT_OK(lrnn_model_save(small, path));
    EXPECT_OK(lrnn_model_load(&loaded, path, NULL));
    expect_same_values(small, loaded);
    lrnn_model *plain = convert(small, LRNN_WEIGHT_FLOAT32);
    expect_same_values(small, plain);
    float left[V], right[V];
    lrnn_state *a = start(small, 1, 1), *b = start(plain, 1, 1);
    for (size_t t = 0; t < 5; t++) {
        EXPECT_OK(lrnn_state_step(a, tokens + t, NULL, left));
        EXPECT_OK(lrnn_state_step(b, tokens + t, NULL, right));
    }
    for (size_t i = 0; i < V; i++) {
        assert_true(fabsf(left[i] - right[i]) < 0.02f);
    }
    lrnn_state_destroy(a);
    lrnn_state_destroy(b);
    lrnn_model_destroy(small);
    lrnn_model_destroy(loaded);
    lrnn_model_destroy(plain);
    scratch_destroy(&folder);
}

/* ---- training ---- */

static lrnn_trainer *train(const lrnn_model *model, int steps)
{
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_trainer_options o;
    lrnn_sequences s;
    lrnn_train_result result;
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    o.batch = B;
    o.steps = T - 1;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), NULL));
    EXPECT_OK(lrnn_sequences_init(&s, sizeof s));
    EXPECT_OK(lrnn_train_result_init(&result, sizeof result));
    s.batch = B;
    s.steps = T - 1;
    s.tokens = tokens;
    s.targets = tokens + B;
    for (int i = 0; i < steps; i++) {
        EXPECT_OK(lrnn_trainer_step(trainer, optimizer, &s, &result));
    }
    lrnn_optimizer_destroy(optimizer);
    return trainer;
}

static void training_is_float32_and_snapshots_are_rounded(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "small.checkpoint");
    lrnn_model *small = create(&kinds[1], LRNN_WEIGHT_INT8), *rounded, *exact, *served;
    lrnn_model *plain = convert(small, LRNN_WEIGHT_FLOAT32);
    lrnn_trainer *left = train(small, 3), *right = train(plain, 3);
    EXPECT_OK(lrnn_trainer_snapshot(&rounded, left));
    EXPECT_OK(lrnn_trainer_snapshot(&exact, right));
    assert_int_equal(type_of(rounded), LRNN_WEIGHT_INT8);
    lrnn_model *expected = convert(exact, LRNN_WEIGHT_INT8);
    expect_same_values(rounded, expected);

    /* A checkpoint has float32, and as a model is rounded. */
    lrnn_checkpoint all;
    EXPECT_OK(lrnn_checkpoint_init(&all, sizeof all));
    all.trainer = left;
    all.best = rounded;
    EXPECT_OK(lrnn_checkpoint_save(&all, path, NULL));
    EXPECT_OK(lrnn_checkpoint_load_best(&served, path, NULL));
    expect_same_values(served, rounded);
    lrnn_model_destroy(served);
    EXPECT_OK(lrnn_model_load(&served, path, NULL));
    assert_int_equal(type_of(served), LRNN_WEIGHT_INT8);
    expect_same_values(served, rounded);
    lrnn_model_destroy(served);
    lrnn_model_destroy(expected);
    lrnn_model_destroy(rounded);
    lrnn_model_destroy(exact);
    lrnn_trainer_destroy(left);
    lrnn_trainer_destroy(right);
    lrnn_model_destroy(small);
    lrnn_model_destroy(plain);
    scratch_destroy(&folder);
}

/* ---- memory ---- */

static void a_model_takes_a_byte_for_a_number(void **state)
{
    (void)state;
    fault_allocator counting;
    lrnn_model_options o;
    lrnn_model *small;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    fault_allocator_start(&counting, 0);
    o.allocator = &counting.allocator;
    o.vocab_size = 3000;
    o.embedding_size = o.hidden_size = 128;
    o.weight_type = LRNN_WEIGHT_INT8;
    EXPECT_OK(lrnn_model_create(&small, &o));
    assert_in_range(atomic_load(&counting.bytes) * 100 / lrnn_model_parameter_count(small), 100,
                    110);
    lrnn_model_destroy(small);
    assert_int_equal(fault_allocator_live(&counting), 0);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "fails.lrnn");
    FOR_KINDS(k)
    {
        fault_allocator fault;
        lrnn_model_options o = options_of(k, LRNN_WEIGHT_FLOAT32);
        lrnn_model *model, *made;
        fault_allocator_start(&fault, 0);
        o.allocator = &fault.allocator;
        EXPECT_OK(lrnn_model_create(&model, &o));
        size_t live = fault_allocator_live(&fault);
        for (size_t n = 1;; n++) {
            fault.fail_at = atomic_load(&fault.calls) + n;
            made = model;
            lrnn_status status = lrnn_model_convert(&made, model, LRNN_WEIGHT_INT8);
            if (status == LRNN_OK) {
                break;
            }
            assert_int_equal(status, LRNN_ERR_MEMORY);
            assert_null(made);
            assert_int_equal(fault_allocator_live(&fault), live);
        }
        live = fault_allocator_live(&fault);
        for (size_t n = 1;; n++) {
            fault.fail_at = atomic_load(&fault.calls) + n;
            lrnn_status status = lrnn_model_save(made, path);
            assert_int_equal(fault_allocator_live(&fault), live);
            if (status == LRNN_OK) {
                break;
            }
            assert_int_equal(status, LRNN_ERR_MEMORY);
        }
        lrnn_model_destroy(made);
        lrnn_model_destroy(model);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_matrices_become_bytes_times_a_scale_and_vectors_stay),
        cmocka_unit_test(long_rows_and_wide_tails_keep_their_numbers),
        cmocka_unit_test(to_float32_and_back_is_the_same_model),
        cmocka_unit_test(a_stream_has_the_same_bits_alone_in_a_batch_by_steps_and_at_once),
        cmocka_unit_test(outputs_are_near_those_of_the_same_numbers_as_float32),
        cmocka_unit_test(a_tied_matrix_is_one),
        cmocka_unit_test(a_narrow_model_has_the_bits_of_a_wide_one),
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(a_file_brings_the_type_and_every_bit_back),
        cmocka_unit_test(the_file_has_a_byte_for_a_number),
        cmocka_unit_test(tensors_that_are_not_what_they_should_be_are_named),
        cmocka_unit_test(scales_that_are_none_are_named),
        cmocka_unit_test(a_flipped_bit_is_an_error),
        cmocka_unit_test(a_scale_beside_a_matrix_of_reals_belongs_to_nothing),
        cmocka_unit_test(an_adaptive_softmax_has_bytes_too),
        cmocka_unit_test(pytorch_gets_the_numbers_as_float32),
        cmocka_unit_test(training_is_float32_and_snapshots_are_rounded),
        cmocka_unit_test(a_model_takes_a_byte_for_a_number),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
