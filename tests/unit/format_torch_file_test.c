/* The reader of what torch.save writes. Whole files of PyTorch are read by the import's tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "format/torch_file.h"
#include "support/safetensors_bytes.h"
#include "support/torch_bytes.h"

#define GOLDEN_FOLDER SOURCE_ROOT "/tests/golden/pytorch/"

/* The reading of a pickle beside two storages; *bytes is for the caller to free, after the file.
 */
static lrnn_status parse(torch_file **file, unsigned char **bytes, const char *pickle,
                         size_t pickle_length, const char *entry)
{
    size_t length;
    *bytes = torch_bytes(&length, pickle, pickle_length);
    return torch_file_parse(file, NULL, "test", *bytes, length, &entry, entry != NULL);
}

static void refused(lrnn_status expected, const char *pickle, size_t length, const char *entry,
                    const char *why)
{
    torch_file *file = (torch_file *)&expected;
    unsigned char *bytes;
    lrnn_status status = parse(&file, &bytes, pickle, length, entry);
    free(bytes);
    if (status != expected || strstr(lrnn_last_error(), why) == NULL) {
        fail_msg("status %d, '%s' expected: %s", status, why, lrnn_last_error());
    }
    assert_null(file);
}

#define REFUSED(status, literal, why) refused(status, literal, sizeof(literal) - 1, NULL, why)

/* {"a": tensor} */
#define ONE_TENSOR(tensor) "\x80\x02}" PICKLE_TEXT_1("a") tensor "s."
#define FLOATS             PICKLE_STORAGE("Float", "0", "\6")

/* That a tensor of storage 0 has these elements. */
static void has(const char *pickle, size_t length, const float *expected, size_t count)
{
    torch_file *file;
    unsigned char *bytes;
    real value;
    if (parse(&file, &bytes, pickle, length, NULL) != LRNN_OK) {
        fail_msg("%s", lrnn_last_error());
    }
    assert_int_equal(torch_file_count(file), 1);
    const tensor_view *view = torch_file_tensor(file, 0);
    assert_string_equal(view->name, "a");
    assert_int_equal(view->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(tensor_read(&value, view, i, 1), LRNN_OK);
        assert_true(value == (real)expected[i]);
    }
    torch_file_destroy(file);
    free(bytes);
}

#define HAS(literal, ...)                                                                          \
    has(literal, sizeof(literal) - 1, (const float[]){__VA_ARGS__},                                \
        sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

static void strides_and_offsets_are_followed(void **unused)
{
    (void)unused;
    HAS(ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\0", PICKLE_PAIR("\2", "\3"), PICKLE_PAIR("\3", "\1"))),
        0, 1, 2, 3, 4, 5);
    HAS(ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\0", PICKLE_PAIR("\3", "\2"), PICKLE_PAIR("\1", "\3"))),
        0, 3, 1, 4, 2, 5);
    HAS(ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\2", PICKLE_PAIR("\2", "\2"), PICKLE_PAIR("\2", "\1"))),
        2, 3, 4, 5);
    HAS(ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\1", "K\3\x85", "K\2\x85")), 1, 3, 5);
    HAS(ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\4", PICKLE_PAIR("\1", "\2"), PICKLE_PAIR("\x09", "\1"))),
        4, 5);
    HAS(ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\5", ")", ")")), 5);
    HAS(ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\1", PICKLE_PAIR("\2", "\2"), PICKLE_PAIR("\0", "\1"))),
        1, 2, 1, 2);
}

static void elements_outside_a_storage_are_refused(void **unused)
{
    (void)unused;
    REFUSED(
        LRNN_ERR_FORMAT,
        ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\1", PICKLE_PAIR("\2", "\3"), PICKLE_PAIR("\3", "\1"))),
        "tensor 'a': it does not lie in its storage");
    REFUSED(LRNN_ERR_FORMAT, ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\6", ")", ")")), "does not lie");
    REFUSED(LRNN_ERR_FORMAT, ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\7", "K\0\x85", "K\1\x85")),
            "does not lie");
    REFUSED(LRNN_ERR_FORMAT,
            ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\0", "K\2\x85",
                                     "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x3f\x85")),
            "does not lie");
    REFUSED(
        LRNN_ERR_FORMAT,
        ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\0", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x3fK\5\x86",
                                 PICKLE_PAIR("\0", "\0"))),
        "does not lie");
    REFUSED(LRNN_ERR_FORMAT, ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\0", "M\xff\xff\x85", "K\0\x85")),
            "much larger");
    REFUSED(LRNN_ERR_FORMAT,
            ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\0", "J\xff\xff\xff\xff\x85", "K\1\x85")),
            "its shape is none");
    REFUSED(LRNN_ERR_FORMAT, ONE_TENSOR(PICKLE_TENSOR(FLOATS, "\0", "K\1\x85", ")")),
            "its shape is none");
}

static void storages_must_be_there_whole(void **unused)
{
    (void)unused;
#define OF(storage) ONE_TENSOR(PICKLE_TENSOR(storage, "\0", "K\2\x85", "K\1\x85"))
    REFUSED(LRNN_ERR_FORMAT, OF(PICKLE_STORAGE("Float", "2", "\6")), "not in the file");
    REFUSED(LRNN_ERR_FORMAT, OF(PICKLE_STORAGE("Float", "0", "\5")), "another size");
    REFUSED(LRNN_ERR_FORMAT, OF(PICKLE_STORAGE("Double", "0", "\6")), "another size");
    REFUSED(LRNN_ERR_UNSUPPORTED, OF(PICKLE_STORAGE("ComplexFloat", "0", "\3")),
            "torch.ComplexFloatStorage");
    REFUSED(LRNN_ERR_FORMAT, OF("N"), "its storage is none");
    REFUSED(LRNN_ERR_FORMAT, OF("K\1Q"), "its storage is none");
}

static void integers_keep_their_type(void **unused)
{
    (void)unused;
    torch_file *file;
    unsigned char *bytes;
    static const char pickle[] = OF(PICKLE_STORAGE("Long", "1", "\2"));
    assert_int_equal(parse(&file, &bytes, pickle, sizeof pickle - 1, NULL), LRNN_OK);
    assert_int_equal(torch_file_tensor(file, 0)->dtype, TENSOR_I64);
    assert_int_equal(torch_file_tensor(file, 0)->data[8], 2);
    torch_file_destroy(file);
    free(bytes);
}

#define TENSOR PICKLE_TENSOR(FLOATS, "\0", "K\2\x85", "K\1\x85")
#define A      PICKLE_TEXT_1("a")
#define B      PICKLE_TEXT_1("b")

static void the_state_dict_is_the_only_dict_with_tensors(void **unused)
{
    (void)unused;
    torch_file *file;
    unsigned char *bytes;
    static const char beside[] = "\x80\x02}(" A "K\1" B "}" B TENSOR "su.";
    static const char best[] = "\x80\x02}(" A TENSOR B "}" B TENSOR "su.";
    static const char two[] = "\x80\x02}(" A "}" A TENSOR "s" B "}" B TENSOR "su.";
    static const char mixed[] = "\x80\x02}(" A TENSOR B "Nu.";
    assert_int_equal(parse(&file, &bytes, beside, sizeof beside - 1, NULL), LRNN_OK);
    assert_string_equal(torch_file_tensor(file, 0)->name, "b");
    torch_file_destroy(file);
    free(bytes);
    assert_int_equal(parse(&file, &bytes, best, sizeof best - 1, NULL), LRNN_OK);
    assert_int_equal(torch_file_count(file), 1);
    assert_string_equal(torch_file_tensor(file, 0)->name, "b");
    torch_file_destroy(file);
    free(bytes);
    REFUSED(LRNN_ERR_FORMAT, two, "'a', 'b' have tensors");
    assert_int_equal(parse(&file, &bytes, two, sizeof two - 1, "b"), LRNN_OK);
    torch_file_destroy(file);
    free(bytes);
    refused(LRNN_ERR_NOT_FOUND, two, sizeof two - 1, "c",
            "no entry 'c'; with tensors there is 'a', 'b'");
    refused(LRNN_ERR_NOT_FOUND, mixed, sizeof mixed - 1, "a", "'a' is no dictionary");
    REFUSED(LRNN_ERR_FORMAT, mixed, "'b' of the state_dict is no tensor");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02" TENSOR ".", "expected a dictionary");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02}.", "no tensor in it");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02}K\1" TENSOR "s.", "is no text");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02}(" A TENSOR A TENSOR "u.", "'a' is there twice");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02}q\0" A "h\0s.", "no tensor in it");
}

/* What is taken has these names. */
static void has_names(const char *pickle, size_t length, const char *const *entries, size_t count,
                      const char *expected)
{
    torch_file *file;
    size_t file_length, used = 0;
    char names[256] = "";
    unsigned char *bytes = torch_bytes(&file_length, pickle, length);
    if (torch_file_parse(&file, NULL, "test", bytes, file_length, entries, count) != LRNN_OK) {
        fail_msg("%s", lrnn_last_error());
    }
    for (size_t i = 0; i < torch_file_count(file); i++) {
        used += (size_t)snprintf(names + used, sizeof names - used, "%s ",
                                 torch_file_tensor(file, i)->name);
    }
    assert_string_equal(names, expected);
    torch_file_destroy(file);
    free(bytes);
}

#define HAS_NAMES(pickle, names, ...)                                                              \
    has_names(pickle, sizeof(pickle) - 1, (const char *const[]){__VA_ARGS__},                      \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), names)

static void an_entry_may_lie_deeper(void **unused)
{
    (void)unused;
    static const char deep[] = "\x80\x02}" A "}" A "}" A TENSOR "sss.";
    static const char deeper[] =
        "\x80\x02}(" A "}" B "}" B TENSOR "ss" B "}" A "}" B "}" B TENSOR "sssu.";
    static const char dots[] =
        "\x80\x02}(" A "}" B "}" B TENSOR "ss" PICKLE_TEXT_3("a.b") "}" A TENSOR "su.";
    static const char list[] = "\x80\x02}" A "](N}" B TENSOR "ses.";
    static const char numbers[] = "\x80\x02}" A "}K\0}" A TENSOR "sss.";
    has_names(deep, sizeof deep - 1, NULL, 0, "a ");
    has_names(deeper, sizeof deeper - 1, NULL, 0, "b ");
    HAS_NAMES(deeper, "b ", "b.a.b");
    HAS_NAMES(deeper, "b ", "a.b");
    HAS_NAMES(dots, "a ", "a.b");
    HAS_NAMES(list, "b ", "a.1");
    refused(LRNN_ERR_NOT_FOUND, list, sizeof list - 1, "a.2", "no entry 'a.2'");
    refused(LRNN_ERR_NOT_FOUND, list, sizeof list - 1, "a.0", "'a.0' is no dictionary");
    refused(LRNN_ERR_NOT_FOUND, deeper, sizeof deeper - 1, "b.a.c", "there is 'a.b'");
    refused(LRNN_ERR_FORMAT, numbers, sizeof numbers - 1, NULL, "no tensor in it");
}

static void several_entries_are_taken_with_their_names(void **unused)
{
    (void)unused;
    static const char two[] = "\x80\x02}(" A "}" A TENSOR "s" B "}(" A TENSOR B TENSOR "uu.";
    HAS_NAMES(two, "a.a b.a b.b ", "b", "a");
    HAS_NAMES(two, "a b ", "b");
    const char *const twice[] = {"a", "a"};
    torch_file *file;
    size_t length;
    unsigned char *bytes = torch_bytes(&length, two, sizeof two - 1);
    assert_int_equal(torch_file_parse(&file, NULL, "test", bytes, length, twice, 2),
                     LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "'a.a' is there twice"));
    free(bytes);
}

/* 40,000 entries that are one dictionary of 40,000 integers: the walk must end. */
static void the_same_dictionary_again_and_again_is_refused(void **unused)
{
    (void)unused;
    enum { TIMES = 40000, ROOM = 9 * TIMES + 64 };
    char *pickle = malloc(ROOM), *to = pickle;
    assert_non_null(pickle);
    memcpy(to, "\x80\x02}(" A "}q\0(", 14);
    to += 14;
    for (int i = 0; i < TIMES; i++) {
        memcpy(to, "NN", 2);
        to += 2;
    }
    *to++ = 'u';
    memcpy(to, A "q\1h\0", 10);
    to += 10;
    for (int i = 0; i < TIMES; i++) {
        memcpy(to, "h\1h\0", 4);
        to += 4;
    }
    memcpy(to, "u.", 2);
    refused(LRNN_ERR_FORMAT, pickle, (size_t)(to + 2 - pickle), NULL, "again and again");
    free(pickle);
}

static void other_files_say_what_they_are(void **unused)
{
    (void)unused;
    torch_file *file;
    assert_int_equal(torch_file_load(&file, NULL, GOLDEN_FOLDER "legacy.pt", NULL, 0),
                     LRNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(lrnn_last_error(), "before PyTorch 1.6"));
    assert_int_equal(torch_file_load(&file, NULL, GOLDEN_FOLDER "module.pt", NULL, 0),
                     LRNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(lrnn_last_error(), "torch.nn.modules.rnn.GRU"));
    assert_non_null(strstr(lrnn_last_error(), "state_dict()"));
    assert_int_equal(torch_file_load(&file, NULL, GOLDEN_FOLDER "nothing.pt", NULL, 0),
                     LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "no tensor"));
    assert_int_equal(torch_file_load(&file, NULL, "/nowhere/x.pt", NULL, 0), LRNN_ERR_IO);
    assert_null(file);
    zip_builder zip = {0};
    zip_add(&zip, "data.pkl", "\x80\x02}.", 4, 0);
    zip_add(&zip, "x/y/data.pkl", "\x80\x02}.", 4, 0);
    unsigned char *bytes = zip_finish(&zip, false);
    assert_int_equal(torch_file_parse(&file, NULL, "zip", bytes, zip.length, NULL, 0),
                     LRNN_ERR_FORMAT);
    assert_non_null(strstr(lrnn_last_error(), "no data.pkl"));
    free(bytes);
    zip = (zip_builder){0};
    zip_add(&zip, "x/data.pkl", "\x80\x02}.", 4, 0);
    zip_add(&zip, "x/byteorder", "big", 3, 0);
    bytes = zip_finish(&zip, false);
    assert_int_equal(torch_file_parse(&file, NULL, "zip", bytes, zip.length, NULL, 0),
                     LRNN_ERR_UNSUPPORTED);
    assert_non_null(strstr(lrnn_last_error(), "little-endian"));
    free(bytes);
}

/* ---- damage ---- */

static void a_part_of_a_file_is_refused(void **unused)
{
    (void)unused;
    size_t length;
    unsigned char *bytes = file_bytes(&length, GOLDEN_FOLDER "views.pt");
    for (size_t cut = 0; cut < length; cut++) {
        torch_file *file;
        unsigned char *part = malloc(cut + (cut == 0));
        assert_non_null(part);
        memcpy(part, bytes, cut);
        assert_int_equal(torch_file_parse(&file, NULL, "part", part, cut, NULL, 0),
                         LRNN_ERR_FORMAT);
        assert_null(file);
        free(part);
    }
    free(bytes);
}

/* Whether both have the same tensors, to the bit. */
static bool same_tensors(const torch_file *a, const torch_file *b)
{
    bool same = torch_file_count(a) == torch_file_count(b);
    for (size_t i = 0; same && i < torch_file_count(a); i++) {
        const tensor_view *x = torch_file_tensor(a, i), *y = torch_file_tensor(b, i);
        same = strcmp(x->name, y->name) == 0 && x->dtype == y->dtype && x->rank == y->rank &&
               memcmp(x->shape, y->shape, x->rank * sizeof x->shape[0]) == 0 &&
               memcmp(x->data, y->data, x->count * tensor_dtype_size(x->dtype)) == 0;
    }
    return same;
}

static void a_flipped_bit_is_noticed_or_does_not_matter(void **unused)
{
    (void)unused;
    size_t length, harmless = 0;
    torch_file *whole, *file;
    unsigned char *bytes = file_bytes(&length, GOLDEN_FOLDER "views.pt");
    unsigned char *changed = file_bytes(&length, GOLDEN_FOLDER "views.pt");
    assert_int_equal(torch_file_parse(&whole, NULL, "whole", bytes, length, NULL, 0), LRNN_OK);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        changed[bit / 8] ^= (unsigned char)(1u << bit % 8);
        lrnn_status status = torch_file_parse(&file, NULL, "flipped", changed, length, NULL, 0);
        if (status == LRNN_OK) {
            harmless++;
            assert_true(same_tensors(whole, file));
        }
        torch_file_destroy(file);
        changed[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(harmless < 8 * length * 3 / 4); /* padding, dates, entries that are not read */
    torch_file_destroy(whole);
    free(bytes);
    free(changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strides_and_offsets_are_followed),
        cmocka_unit_test(elements_outside_a_storage_are_refused),
        cmocka_unit_test(storages_must_be_there_whole),
        cmocka_unit_test(integers_keep_their_type),
        cmocka_unit_test(the_state_dict_is_the_only_dict_with_tensors),
        cmocka_unit_test(an_entry_may_lie_deeper),
        cmocka_unit_test(several_entries_are_taken_with_their_names),
        cmocka_unit_test(the_same_dictionary_again_and_again_is_refused),
        cmocka_unit_test(other_files_say_what_they_are),
        cmocka_unit_test(a_part_of_a_file_is_refused),
        cmocka_unit_test(a_flipped_bit_is_noticed_or_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
