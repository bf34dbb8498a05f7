/* Damaged model and checkpoint files: truncated at every length, each byte of the header changed,
 * sizes in the metadata that no machine has. An error or a valid model, never more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "life.h"
#include "support/fault_allocator.h"

typedef struct file {
    unsigned char *bytes;
    size_t length, header; /* of the JSON, behind its eight bytes of length */
} file;

/* The file of a model, or a checkpoint of its training. */
static file make_file(const life_kind *kind, bool checkpoint)
{
    static life l;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "file");
    assert_int_equal(life_begin(&l, kind, NULL), LRNN_OK);
    lrnn_checkpoint all = life_checkpoint(&l);
    assert_int_equal(checkpoint ? lrnn_checkpoint_save(&all, path, "note")
                                : lrnn_model_save(l.model, path),
                     LRNN_OK);
    file made;
    made.bytes = life_read(path, &made.length);
    made.header = made.bytes[0] + 256u * made.bytes[1];
    assert_true(made.header + 8 < made.length);
    life_end(&l);
    scratch_destroy(&folder);
    return made;
}

/* However a file lies, loading it takes no more than this. */
#define MEMORY_LIMIT ((size_t)1 << 20)

/* A model that came out of a changed file runs and can be written again. */
static void use_model(const lrnn_model *model)
{
    float outputs[64];
    int32_t token = 0;
    float features[LIFE_F] = {0};
    lrnn_state *state;
    lrnn_model_options o;
    lrnn_model_options_init(&o, sizeof o);
    assert_int_equal(lrnn_model_get_options(&o, model), LRNN_OK);
    assert_int_equal(lrnn_state_create(&state, model, NULL), LRNN_OK);
    lrnn_sequences one;
    lrnn_sequences_init(&one, sizeof one);
    one.batch = one.steps = 1;
    one.tokens = o.vocab_size > 0 ? &token : NULL;
    one.features = o.feature_size > 0 ? features : NULL;
    assert_true(lrnn_model_output_size(model) <= 64);
    assert_int_equal(lrnn_state_forward(state, &one, outputs), LRNN_OK);
    lrnn_state_destroy(state);
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "again");
    lrnn_model *again;
    assert_int_equal(lrnn_model_save(model, path), LRNN_OK);
    assert_int_equal(lrnn_model_load(&again, path, NULL), LRNN_OK);
    assert_int_equal(lrnn_model_parameter_count(again), lrnn_model_parameter_count(model));
    lrnn_model_destroy(again);
    scratch_destroy(&folder);
}

/* Loads with little memory. Returns the status. */
static lrnn_status try_to_load(const unsigned char *bytes, size_t length)
{
    fault_allocator fault;
    fault_allocator_start(&fault, 0);
    fault.limit = MEMORY_LIMIT;
    lrnn_model *model = (lrnn_model *)1;
    lrnn_status status = lrnn_model_load_memory(&model, bytes, length, &fault.allocator);
    if (status == LRNN_OK) {
        use_model(model);
        lrnn_model_destroy(model);
    } else {
        assert_null(model);
        assert_true(strlen(lrnn_last_error()) > 0);
    }
    assert_int_equal(fault_allocator_live(&fault), 0);
    return status;
}

static void a_model_file_cut_anywhere_is_an_error(void **state)
{
    (void)state;
    for (int k = 0; k < LIFE_KINDS; k++) {
        file f = make_file(&life_kinds[k], false);
        assert_int_equal(try_to_load(f.bytes, f.length), LRNN_OK);
        for (size_t length = 0; length < f.length; length++) {
            assert_int_equal(try_to_load(f.bytes, length), LRNN_ERR_FORMAT);
        }
        free(f.bytes);
    }
}

static void a_model_file_with_a_changed_header_is_an_error_or_a_model(void **state)
{
    (void)state;
    static const unsigned char masks[] = {1, 4, 0x20, 0x80, 0xff};
    static const unsigned char marks[] = {0, '"', '9', '}', ','};
    for (int k = 0; k < LIFE_KINDS; k++) {
        file f = make_file(&life_kinds[k], k == 1);
        size_t errors = 0, tried = 0;
        for (size_t at = 0; at < 8 + f.header; at++) {
            unsigned char kept = f.bytes[at];
            for (size_t i = 0; i < sizeof masks + sizeof marks; i++) {
                f.bytes[at] =
                    i < sizeof masks ? (unsigned char)(kept ^ masks[i]) : marks[i - sizeof masks];
                errors += try_to_load(f.bytes, f.length) != LRNN_OK;
                tried++;
            }
            f.bytes[at] = kept;
        }
        assert_true(errors > tried / 2 && errors < tried);
        free(f.bytes);
    }
}

static void a_file_on_disk_that_is_cut_names_its_path(void **state)
{
    (void)state;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "cut");
    file f = make_file(&life_kinds[0], false);
    for (size_t length = 0; length < f.length; length += 97) {
        lrnn_model *model;
        life_write(path, f.bytes, length);
        assert_int_equal(lrnn_model_load(&model, path, NULL), LRNN_ERR_FORMAT);
        assert_non_null(strstr(lrnn_last_error(), path));
    }
    free(f.bytes);
    scratch_destroy(&folder);
}

static void a_checkpoint_cut_anywhere_is_an_error_and_changes_nothing(void **state)
{
    (void)state;
    static life l;
    static float before[4096], after[4096];
    lrnn_model *model;
    scratch folder = scratch_create();
    const char *path = scratch_path(&folder, "cut");
    file f = make_file(&life_kinds[0], true);
    assert_int_equal(life_begin(&l, &life_kinds[0], NULL), LRNN_OK);
    assert_int_equal(life_next(&l, &life_kinds[0]), LRNN_OK);
    assert_int_equal(lrnn_trainer_step(l.trainer, l.optimizer, &l.window, NULL), LRNN_OK);
    lrnn_checkpoint all = life_checkpoint(&l);
    assert_int_equal(lrnn_trainer_snapshot(&model, l.trainer), LRNN_OK);
    size_t count = lrnn_model_parameter_count(model), position = lrnn_batches_position(l.batches);
    lrnn_model_copy_parameter(before, 4096, model, NULL);
    lrnn_model_destroy(model);
    char note[16];
    size_t note_length;
    for (size_t length = 0; length < f.length; length += length < 8 + f.header ? 3 : 29) {
        life_write(path, f.bytes, length);
        assert_int_equal(lrnn_checkpoint_load(&all, path), LRNN_ERR_FORMAT);
        assert_non_null(strstr(lrnn_last_error(), path));
        assert_int_equal(lrnn_checkpoint_read_note(note, sizeof note, &note_length, path),
                         LRNN_ERR_FORMAT);
    }
    for (size_t at = 0; at < 8 + f.header; at++) {
        f.bytes[at] ^= 2;
        life_write(path, f.bytes, f.length);
        (void)lrnn_checkpoint_read_note(note, sizeof note, &note_length, path);
        lrnn_status status = lrnn_checkpoint_load(&all, path);
        f.bytes[at] ^= 2;
        if (status == LRNN_OK) { /* a number or a note that is not checked, put it back */
            life_end(&l);
            assert_int_equal(life_begin(&l, &life_kinds[0], NULL), LRNN_OK);
            assert_int_equal(life_next(&l, &life_kinds[0]), LRNN_OK);
            assert_int_equal(lrnn_trainer_step(l.trainer, l.optimizer, &l.window, NULL), LRNN_OK);
            all = life_checkpoint(&l);
        }
    }
    assert_int_equal(lrnn_trainer_snapshot(&model, l.trainer), LRNN_OK);
    lrnn_model_copy_parameter(after, 4096, model, NULL);
    lrnn_model_destroy(model);
    assert_memory_equal(before, after, count * sizeof *before);
    assert_int_equal(lrnn_batches_position(l.batches), position);
    assert_int_equal(lrnn_optimizer_updates(l.optimizer), 2);
    free(f.bytes);
    life_end(&l);
    scratch_destroy(&folder);
}

/* ---- metadata that lies ---- */

/* Puts `value` in the place of the value of `key` in the header. */
static file with_value(const file *f, const char *key, const char *value)
{
    char quoted[64];
    int length = snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    unsigned char *at = f->bytes;
    while (memcmp(at, quoted, (size_t)length) != 0) {
        at++;
        assert_true(at < f->bytes + f->header);
    }
    unsigned char *begin = at + length, *end = memchr(begin, '"', 200);
    size_t before = (size_t)(begin - f->bytes), cut = (size_t)(end - begin);
    size_t added = strlen(value);
    file made = {malloc(f->length + added), f->length - cut + added, f->header - cut + added};
    memcpy(made.bytes, f->bytes, before);
    memcpy(made.bytes + before, value, added);
    memcpy(made.bytes + before + added, end, f->length - before - cut);
    made.bytes[0] = (unsigned char)(made.header % 256);
    made.bytes[1] = (unsigned char)(made.header / 256);
    return made;
}

static void sizes_that_lie_are_errors(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "lrnn.vocab_size", "lrnn.embedding_size", "lrnn.feature_size",    "lrnn.hidden_size",
        "lrnn.layers",     "lrnn.output_size",    "lrnn.bidirectional",   "lrnn.bias",
        "lrnn.cell",       "lrnn.head",           "lrnn.projection_size", "lrnn.format",
    };
    static const char *const values[] = {"",
                                         "-1",
                                         "-4",
                                         "1e3",
                                         "0x4",
                                         " 4",
                                         "4 ",
                                         "nan",
                                         "1000000000",
                                         "2147483647",
                                         "2147483648",
                                         "4294967297",
                                         "1152921504606846976",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "99999999999999999999999999"};
    file f = make_file(&life_kinds[0], false);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            file lie = with_value(&f, keys[k], values[v]);
            fault_allocator fault;
            fault_allocator_start(&fault, 0);
            fault.limit = MEMORY_LIMIT;
            lrnn_model *model = (lrnn_model *)1;
            lrnn_status status =
                lrnn_model_load_memory(&model, lie.bytes, lie.length, &fault.allocator);
            if (status != LRNN_ERR_FORMAT && status != LRNN_ERR_UNSUPPORTED) {
                fail_msg("%s \"%s\": status %d", keys[k], values[v], (int)status);
            }
            assert_null(model);
            assert_int_equal(fault_allocator_live(&fault), 0);
            free(lie.bytes);
        }
    }
    free(f.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_file_cut_anywhere_is_an_error),
        cmocka_unit_test(a_model_file_with_a_changed_header_is_an_error_or_a_model),
        cmocka_unit_test(a_file_on_disk_that_is_cut_names_its_path),
        cmocka_unit_test(a_checkpoint_cut_anywhere_is_an_error_and_changes_nothing),
        cmocka_unit_test(sizes_that_lie_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
