/* Headers written by hand: what the format allows, and every way to break it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/safetensors.h"
#include "support/safetensors_bytes.h"

/* The bytes stay until the next file. */
static lrnn_status parse(safetensors **file, const char *header, size_t data_length)
{
    static unsigned char *bytes;
    size_t length;
    free(bytes);
    bytes = safetensors_bytes(&length, header, strlen(header), data_length);
    lrnn_status status = safetensors_parse(file, NULL, "made.safetensors", bytes, length);
    assert_true((status == LRNN_OK) == (*file != NULL));
    return status;
}

static void assert_taken(const char *header, size_t data_length)
{
    safetensors *file;
    if (parse(&file, header, data_length) != LRNN_OK) {
        fail_msg("refused: %s: %s", header, lrnn_last_error());
    }
    safetensors_destroy(file);
}

/* Refused, with words of the message that say why. */
static void assert_refused(const char *header, size_t data_length, const char *why)
{
    safetensors *file;
    if (parse(&file, header, data_length) != LRNN_ERR_FORMAT) {
        fail_msg("taken: %s", header);
    }
    if (strstr(lrnn_last_error(), why) == NULL ||
        strncmp(lrnn_last_error(), "made.safetensors: ", 18) != 0) {
        fail_msg("%s: expected \"%s\", found \"%s\"", header, why, lrnn_last_error());
    }
}

static void what_the_format_allows_is_taken(void **state)
{
    (void)state;
    assert_taken("{}", 0);
    assert_taken("{}      ", 0);
    assert_taken("{\"__metadata__\":{}}", 0);
    assert_taken("{\"__metadata__\":{\"a\":\"b\"}}", 0);
    assert_taken("{\"t\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4);
    assert_taken("{\"t\":{\"data_offsets\" : [0, 4], \"shape\":[1 ,1], \"dtype\":\"F32\"}}   ", 4);
    assert_taken("{\"\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3);
    assert_taken("{\"t\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,3],\"data_offsets\":[0,3]}}",
                 3);
    assert_taken("{\"t\":{\"dtype\":\"U8\",\"shape\":[0,9999999999999],\"data_offsets\":[0,0]}}",
                 0);
    assert_taken("{\"\\u0074\":{\"d\\u0074ype\":\"\\u00558\",\"shape\":[],"
                 "\"data_offsets\":[0,1]}}",
                 1);
}

static void a_header_length_that_lies_is_refused(void **state)
{
    (void)state;
    static const uint64_t lies[] = {
        0, 1, 3, 7, 100000000, 100000001, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        unsigned char bytes[12] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' ', ' '};
        safetensors *file;
        for (size_t k = 0; k < 8; k++) {
            bytes[k] = (unsigned char)(lies[i] >> (8 * k));
        }
        assert_int_equal(safetensors_parse(&file, NULL, "made", bytes, sizeof bytes),
                         LRNN_ERR_FORMAT);
        assert_null(file);
    }
}

static void what_is_not_a_header_is_refused(void **state)
{
    (void)state;
    assert_refused("", 0, "brace");
    assert_refused(" {}", 0, "brace");
    assert_refused("[]", 0, "brace");
    assert_refused("\"{}\"", 0, "brace");
    assert_refused("\xef\xbb\xbf{}", 0, "brace");
    assert_refused("{", 0, "byte 1");
    assert_refused("{}}", 0, "after the value");
    assert_refused("{} x", 0, "after the value");
    assert_refused("{}{}", 0, "after the value");
    assert_refused("{\"t\":}", 0, "expected a value");
    assert_refused("{\"t\xff\":1}", 0, "UTF-8");
    assert_refused("{\"t\":[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}", 0, "deep");
}

static void a_malformed_tensor_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"1", "expected an object"},
        {"null", "expected an object"},
        {"[]", "expected an object"},
        {"{}", "expected an object"},
        {"{\"dtype\":\"U8\",\"shape\":[4]}", "expected an object"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"x\":1}", "expected an object"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"offsets\":[0,4]}", "expected an object"},
        {"{\"dtype\":\"U8\",\"dtype\":\"U8\",\"data_offsets\":[0,4]}", "expected an object"},
        {"{\"dtype\":\"u8\",\"shape\":[4],\"data_offsets\":[0,4]}", "dtype"},
        {"{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}", "dtype"},
        {"{\"dtype\":\"U8\\u0000\",\"shape\":[4],\"data_offsets\":[0,4]}", "dtype"},
        {"{\"dtype\":\"\",\"shape\":[4],\"data_offsets\":[0,4]}", "dtype"},
        {"{\"dtype\":8,\"shape\":[4],\"data_offsets\":[0,4]}", "dtype"},
        {"{\"dtype\":[\"U8\"],\"shape\":[4],\"data_offsets\":[0,4]}", "dtype"},
        {"{\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]}", "shape"},
        {"{\"dtype\":\"U8\",\"shape\":\"4\",\"data_offsets\":[0,4]}", "shape"},
        {"{\"dtype\":\"U8\",\"shape\":{\"4\":4},\"data_offsets\":[0,4]}", "shape"},
        {"{\"dtype\":\"U8\",\"shape\":[-4],\"data_offsets\":[0,4]}", "dimension"},
        {"{\"dtype\":\"U8\",\"shape\":[4.0],\"data_offsets\":[0,4]}", "dimension"},
        {"{\"dtype\":\"U8\",\"shape\":[4e0],\"data_offsets\":[0,4]}", "dimension"},
        {"{\"dtype\":\"U8\",\"shape\":[\"4\"],\"data_offsets\":[0,4]}", "dimension"},
        {"{\"dtype\":\"U8\",\"shape\":[[4]],\"data_offsets\":[0,4]}", "dimension"},
        {"{\"dtype\":\"U8\",\"shape\":[null],\"data_offsets\":[0,4]}", "dimension"},
        {"{\"dtype\":\"U8\",\"shape\":[18446744073709551620],\"data_offsets\":[0,4]}", "dimension"},
        {"{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,4],\"data_offsets\":[0,4]}", "8 dimensions"},
        {"{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,4]}",
         "multiplies"},
        {"{\"dtype\":\"U8\",\"shape\":[18446744073709551615,2,0],\"data_offsets\":[0,0]}",
         "multiplies"},
        {"{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}", "its bytes"},
        {"{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,4]}", "its bytes"},
        {"{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,4]}", "its bytes"},
        {"{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,4]}", "its bytes"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":4}", "offsets"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4]}", "offsets"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,4]}", "offsets"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":{\"0\":0,\"4\":4}}", "offsets"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[\"0\",\"4\"]}", "offsets"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-0,4]}", "offsets"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,[4]]}", "offsets"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,0]}", "ends before"},
        {"{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[1,5]}", "begins at byte 1"},
        {"{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}", "the file has 4"},
        {"{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}", "the file has 4"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char header[512];
        snprintf(header, sizeof header, "{\"t\":%s}", bad[i][0]);
        assert_refused(header, 4, bad[i][1]);
    }
}

#define U8(name, length, begin, end)                                                               \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #length "],\"data_offsets\":[" #begin "," #end "]}"

static void tensors_lie_side_by_side_in_any_order(void **state)
{
    (void)state;
    safetensors *file;
    const char *header = "{" U8("z", 2, 4, 6) "," U8("a", 4, 0, 4) "," U8("n", 0, 4, 4) "," U8(
        "last", 0, 6, 6) "," U8("first", 0, 0, 0) "}";
    static const char *const order[] = {"first", "a", "n", "z", "last"};
    static const size_t first_bytes[] = {0, 0, 4, 4, 6};
    assert_int_equal(parse(&file, header, 6), LRNN_OK);
    assert_int_equal(safetensors_count(file), 5);
    for (size_t i = 0; i < 5; i++) {
        const tensor_view *view = safetensors_tensor(file, i);
        assert_string_equal(view->name, order[i]);
        assert_ptr_equal(safetensors_find(file, order[i]), view);
        assert_int_equal(view->data - safetensors_tensor(file, 0)->data, first_bytes[i]);
        if (view->count > 0) {
            assert_int_equal(view->data[0], first_bytes[i]);
        }
    }
    assert_null(safetensors_find(file, "b"));
    assert_null(safetensors_find(file, ""));
    assert_null(safetensors_find(file, "zz"));
    safetensors_destroy(file);
}

static void holes_and_overlaps_are_refused(void **state)
{
    (void)state;
    assert_refused("{" U8("a", 2, 0, 2) "," U8("b", 2, 3, 5) "}", 5, "begins at byte 3, not at 2");
    assert_refused("{" U8("a", 2, 0, 2) "," U8("b", 2, 1, 3) "}", 3, "begins at byte 1, not at 2");
    assert_refused("{" U8("a", 2, 0, 2) "," U8("b", 2, 0, 2) "}", 4, "begins at byte 0, not at 2");
    assert_refused("{" U8("a", 4, 0, 4) "," U8("b", 0, 2, 2) "}", 4, "begins at byte 2, not at 4");
    assert_refused("{" U8("a", 2, 0, 2) "," U8("b", 0, 3, 3) "}", 3, "begins at byte 3, not at 2");
    assert_refused("{}", 1, "have 0 bytes, the file has 1");
}

static void a_name_may_be_there_only_once(void **state)
{
    (void)state;
    assert_refused("{" U8("a", 1, 0, 1) "," U8("a", 1, 1, 2) "}", 2, "\"a\" is there twice");
    assert_refused("{" U8("a", 1, 0, 1) "," U8("\\u0061", 1, 1, 2) "}", 2, "\"a\" is there twice");
    assert_refused("{" U8("a", 0, 0, 0) "," U8("b", 1, 0, 1) "," U8("a", 0, 1, 1) "}", 1, "twice");
    assert_refused("{\"__metadata__\":{\"k\":\"\",\"\\u006b\":\"\"}}", 0, "\"k\" is there twice");
    assert_refused("{\"__metadata__\":{},\"__metad\\u0061ta__\":{}}", 0, "__metadata__");
}

static void malformed_metadata_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"__metadata__\":1}", 0, "not an object");
    assert_refused("{\"__metadata__\":null}", 0, "not an object");
    assert_refused("{\"__metadata__\":[\"a\",\"b\"]}", 0, "not an object");
    assert_refused("{\"__metadata__\":{\"a\":1}}", 0, "\"a\" is not a string");
    assert_refused("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "\"a\" is not a string");
    assert_refused("{\"__metadata__\":{\"a\":\"\\ud800\"}}", 0, "escape");
    assert_refused("{\"__metadata__\":{\"a\":\"\xed\xa0\x80\"}}", 0, "UTF-8");
}

static void nul_is_allowed_in_values_but_not_in_names(void **state)
{
    (void)state;
    safetensors *file;
    size_t length;
    assert_int_equal(parse(&file, "{\"__metadata__\":{\"a\":\"x\\u0000y\"}}", 0), LRNN_OK);
    assert_memory_equal(safetensors_metadata(file, "a", &length), "x\0y", 4);
    assert_int_equal(length, 3);
    assert_null(safetensors_metadata(file, "b", &length));
    assert_int_equal(length, 0);
    safetensors_destroy(file);
    assert_refused("{\"__metadata__\":{\"a\\u0000\":\"x\"}}", 0, "NUL");
    assert_refused("{" U8("a\\u0000", 0, 0, 0) "}", 0, "NUL");
    assert_refused("{" U8("\\u0000", 0, 0, 0) "}", 0, "NUL");
}

static void names_are_unescaped(void **state)
{
    (void)state;
    safetensors *file;
    assert_int_equal(parse(&file, "{" U8("\\ud83d\\ude00\\n\\/\\u00e9", 1, 0, 1) "}", 1), LRNN_OK);
    assert_non_null(safetensors_find(file, "\xf0\x9f\x98\x80\n/\xc3\xa9"));
    safetensors_destroy(file);
}

static void many_tensors_are_read_in_reasonable_time(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    char *header = malloc(COUNT * 100);
    size_t used = 1;
    assert_non_null(header);
    header[0] = '{';
    for (int i = 0; i < COUNT; i++) {
        used += (size_t)sprintf(
            header + used, "\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]},", i,
            COUNT - 1 - i, COUNT - i);
    }
    header[used - 1] = '}';
    header[used] = '\0';
    safetensors *file;
    assert_int_equal(parse(&file, header, COUNT), LRNN_OK);
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        assert_ptr_equal(safetensors_find(file, name),
                         safetensors_tensor(file, (size_t)(COUNT - 1 - i)));
    }
    safetensors_destroy(file);
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_format_allows_is_taken),
        cmocka_unit_test(a_header_length_that_lies_is_refused),
        cmocka_unit_test(what_is_not_a_header_is_refused),
        cmocka_unit_test(a_malformed_tensor_is_refused),
        cmocka_unit_test(tensors_lie_side_by_side_in_any_order),
        cmocka_unit_test(holes_and_overlaps_are_refused),
        cmocka_unit_test(a_name_may_be_there_only_once),
        cmocka_unit_test(malformed_metadata_is_refused),
        cmocka_unit_test(nul_is_allowed_in_values_but_not_in_names),
        cmocka_unit_test(names_are_unescaped),
        cmocka_unit_test(many_tensors_are_read_in_reasonable_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
