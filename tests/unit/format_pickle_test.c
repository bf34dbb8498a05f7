/* The reader of pickles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "format/pickle.h"

static lrnn_allocator allocator;
static const pickle_global globals[] = {{"torch", "FloatStorage"}, {"torch._utils", "rebuild"}};

static int set_up(void **unused)
{
    (void)unused;
    return allocator_read(&allocator, NULL) == LRNN_OK ? 0 : 1;
}

/* Reads a copy that is exactly as long as the pickle, *bytes, for the caller to free. */
static lrnn_status parse(pickle_document *document, unsigned char **bytes, const char *pickle,
                         size_t length)
{
    *bytes = malloc(length + (length == 0));
    assert_non_null(*bytes);
    memcpy(*bytes, pickle, length);
    return pickle_parse(document, &allocator, "test", *bytes, length, globals, 2);
}

#define PARSE(document, bytes, literal) parse(document, bytes, literal, sizeof(literal) - 1)

static void refused(lrnn_status expected, const char *pickle, size_t length, const char *why)
{
    pickle_document document;
    unsigned char *bytes;
    lrnn_status status = parse(&document, &bytes, pickle, length);
    free(bytes);
    if (status != expected || strstr(lrnn_last_error(), why) == NULL) {
        fail_msg("status %d, '%s' expected: %s", status, why, lrnn_last_error());
    }
    assert_null(document.nodes);
}

#define REFUSED(status, literal, why) refused(status, literal, sizeof(literal) - 1, why)

/* Element `index` of a container. */
static const pickle_node *element(const pickle_document *document, pickle_value container,
                                  size_t index, pickle_value *value)
{
    size_t cell = pickle_get(document, container)->first;
    while (index-- > 0) {
        cell = document->cells[cell].next;
    }
    *value = document->cells[cell].value;
    return pickle_get(document, *value);
}

static void plain_values_are_read(void **unused)
{
    (void)unused;
    pickle_document d;
    unsigned char *bytes;
    pickle_value v;
    static const char pickle[] = "\x80\x02](NK\xffM\xfe\xffJ\xfe\xff\xff\xff\x8a\0\x8a\1\x80\x8a\6"
                                 "\0\0\0\0\0\1\x88\x89G\x3f\xf0\0\0\0\0\0\0X\3\0\0\0a\xc3\xa9"
                                 "e.";
    static const int64_t integers[] = {255, 65534, -2, 0, -128, INT64_C(1) << 40};
    assert_int_equal(PARSE(&d, &bytes, pickle), LRNN_OK);
    assert_int_equal(pickle_get(&d, d.root)->type, PICKLE_LIST);
    assert_int_equal(pickle_get(&d, d.root)->length, 11);
    assert_int_equal(element(&d, d.root, 0, &v)->type, PICKLE_NONE);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(element(&d, d.root, 1 + i, &v)->type, PICKLE_INT);
        assert_true(pickle_get(&d, v)->integer == integers[i]);
    }
    assert_int_equal(element(&d, d.root, 7, &v)->integer, 1);
    assert_int_equal(element(&d, d.root, 8, &v)->integer, 0);
    assert_int_equal(element(&d, d.root, 9, &v)->type, PICKLE_FLOAT);
    assert_int_equal(element(&d, d.root, 10, &v)->length, 3);
    assert_memory_equal(pickle_get(&d, v)->text, "a\xc3\xa9", 3);
    pickle_release(&d);
    free(bytes);
}

static void containers_and_what_was_kept_are_read(void **unused)
{
    (void)unused;
    pickle_document d;
    unsigned char *bytes;
    pickle_value v, parts[3];
    static const char pickle[] = "\x80\x02}q\0(K\1K\2K\3\x87q\1K\2h\1uK\3(K\4K\5K\6tr\7\0\0\0sK\4"
                                 "]K\5aj\7\0\0\0as.";
    assert_int_equal(PARSE(&d, &bytes, pickle), LRNN_ERR_FORMAT); /* 3 values between the marks */
    free(bytes);
    static const char good[] = "\x80\x02}q\0(K\1K\2K\3\x86q\1K\2h\1uK\3(K\4K\5K\6tr\7\0\0\0sK\4"
                               "]K\5aj\7\0\0\0as.";
    assert_int_equal(PARSE(&d, &bytes, good), LRNN_OK);
    assert_int_equal(pickle_get(&d, d.root)->type, PICKLE_DICT);
    assert_int_equal(pickle_get(&d, d.root)->length, 8);
    element(&d, d.root, 1, &v);
    assert_int_equal(pickle_tuple(parts, 2, &d, v), LRNN_OK);
    assert_int_equal(pickle_get(&d, parts[1])->integer, 3);
    assert_int_equal(pickle_tuple(parts, 3, &d, v), LRNN_ERR_FORMAT);
    pickle_value same = v;
    element(&d, d.root, 3, &v);
    assert_int_equal(v, same);
    pickle_value three;
    element(&d, d.root, 5, &three);
    assert_int_equal(pickle_tuple(parts, 3, &d, three), LRNN_OK);
    assert_int_equal(element(&d, d.root, 7, &v)->type, PICKLE_LIST);
    element(&d, v, 1, &v);
    assert_int_equal(v, three);
    pickle_release(&d);
    free(bytes);
}

static void calls_are_not_executed_but_kept(void **unused)
{
    (void)unused;
    pickle_document d;
    unsigned char *bytes;
    static const char pickle[] = "\x80\x02"
                                 "ctorch._utils\nrebuild\n(X\1\0\0\0iQtR.";
    assert_int_equal(PARSE(&d, &bytes, pickle), LRNN_OK);
    const pickle_node *call = pickle_get(&d, d.root);
    pickle_value argument;
    assert_int_equal(call->type, PICKLE_CALL);
    assert_int_equal(pickle_get(&d, call->callee)->integer, 1);
    assert_int_equal(pickle_tuple(&argument, 1, &d, call->arguments), LRNN_OK);
    assert_int_equal(pickle_get(&d, argument)->type, PICKLE_PERSISTENT);
    assert_int_equal(pickle_get(&d, pickle_get(&d, argument)->callee)->type, PICKLE_STRING);
    pickle_release(&d);
    free(bytes);
}

static void an_ordered_dict_is_a_dict_whose_attributes_are_left(void **unused)
{
    (void)unused;
    pickle_document d;
    unsigned char *bytes;
    static const char pickle[] = "\x80\x02"
                                 "ccollections\nOrderedDict\n)RK\1K\2s}X\1\0\0\0aK\1sb.";
    assert_int_equal(PARSE(&d, &bytes, pickle), LRNN_OK);
    assert_int_equal(pickle_get(&d, d.root)->type, PICKLE_DICT);
    assert_int_equal(pickle_get(&d, d.root)->length, 2);
    pickle_release(&d);
    free(bytes);
    REFUSED(LRNN_ERR_FORMAT,
            "\x80\x02"
            "ccollections\nOrderedDict\nK\1\x85R.",
            "with arguments");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02]}b.", "BUILD at byte 4");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02}Nb.", "BUILD at byte 4");
}

static void expect_shown(const char *pickle, size_t length, const char *expected)
{
    pickle_document d;
    char shown[PICKLE_SHOWN];
    unsigned char *bytes;
    assert_int_equal(parse(&d, &bytes, pickle, length), LRNN_OK);
    assert_int_equal(pickle_get(&d, d.root)->type, PICKLE_OTHER);
    assert_string_equal(pickle_show(shown, &d, d.root), expected);
    pickle_release(&d);
    free(bytes);
}

#define SHOWN(pickle, expected) expect_shown(pickle, sizeof pickle - 1, expected)

static void other_objects_are_named_and_nothing_else(void **unused)
{
    (void)unused;
    SHOWN("\x80\x02"
          "cos\nsystem\n(X\2\0\0\0lstR.",
          "the Python object os.system");
    SHOWN("\x80\x02"
          "ctorch\nFloatStorag\n.",
          "the Python object torch.FloatStorag");
    SHOWN("\x80\x02"
          "cargparse\nNamespace\n)\x81}X\1\0\0\0aK\1sb.",
          "the Python object argparse.Namespace");
    SHOWN("\x80\x02"
          "ccollections\ndefaultdict\nc__builtin__\nlist\n\x85RK\1K\2s(K\3K\4u.",
          "the Python object collections.defaultdict");
    SHOWN("\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\1.", "an object that this library does not know");
    SHOWN("\x80\x02N0ca\nb\n(NN1.", "the Python object a.b");
}

static void anything_else_is_refused_by_name(void **unused)
{
    (void)unused;
    REFUSED(LRNN_ERR_UNSUPPORTED, "\x80\x02(ios\nsystem\n.", "INST (0x69) at byte 3");
    REFUSED(LRNN_ERR_UNSUPPORTED, "\x80\x02\x93.", "STACK_GLOBAL");
    REFUSED(LRNN_ERR_UNSUPPORTED, "\x80\x02\xff.", "unknown (0xff)");
    REFUSED(LRNN_ERR_UNSUPPORTED, "\x80\x04N.", "protocol 4");
}

static void what_is_malformed_is_refused_where_it_is(void **unused)
{
    (void)unused;
    REFUSED(LRNN_ERR_FORMAT, "", "no pickle");
    REFUSED(LRNN_ERR_FORMAT, "N.", "no pickle");
    REFUSED(LRNN_ERR_FORMAT, "\x80", "PROTO at byte 0");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02N\x80\x02.", "PROTO at byte 3");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02", "without STOP");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02.", "STOP at byte 2");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02NN.", "STOP");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02(.", "STOP");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02N.N", "bytes after");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02J\0\0\0", "BININT at byte 2: cut off");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02\x8a\x09\0\0\0", "LONG1 at byte 2: cut off");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02)\x81.", "NEWOBJ at byte 3: too few values");
    REFUSED(LRNN_ERR_FORMAT,
            "\x80\x02"
            "0.",
            "POP at byte 2");
    REFUSED(LRNN_ERR_FORMAT,
            "\x80\x02"
            "1.",
            "POP_MARK at byte 2: no mark");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02\x8a\3\0\0", "LONG1 at byte 2: cut off");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02G\0\0", "BINFLOAT");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02X\2\0\0\0a", "BINUNICODE at byte 2: cut off");
    REFUSED(LRNN_ERR_FORMAT,
            "\x80\x02X\xff\xff\xff\xff"
            "a.",
            "cut off");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02X\1\0\0\0\xff.", "not UTF-8");
    REFUSED(LRNN_ERR_FORMAT,
            "\x80\x02"
            "ctorch\nFloatStorage",
            "GLOBAL at byte 2");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02h\0.", "BINGET");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02Nq\1h\0.", "BINGET at byte 5");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02q\0.", "BINPUT");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02Nr\xff\xff\xff\x7f.", "larger than the pickle");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02t.", "no mark");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02N\x86.", "TUPLE2 at byte 3");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02(\x85.", "TUPLE1");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02}NNa.", "expected a list");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02]NNs.", "expected a dict");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02Ns.", "SETITEM");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02(Ne.", "expected a list");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02N)R.", "expected a global");
    REFUSED(LRNN_ERR_FORMAT,
            "\x80\x02"
            "ctorch\nFloatStorage\nNR.",
            "and a tuple");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02R.", "nothing to call");
    REFUSED(LRNN_ERR_FORMAT, "\x80\x02Q.", "no id");
}

static void a_value_may_contain_itself(void **unused)
{
    (void)unused;
    pickle_document d;
    unsigned char *bytes;
    pickle_value v;
    assert_int_equal(PARSE(&d, &bytes, "\x80\x02}q\0K\1h\0s."), LRNN_OK);
    element(&d, d.root, 1, &v);
    assert_int_equal(v, d.root);
    pickle_release(&d);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_values_are_read),
        cmocka_unit_test(containers_and_what_was_kept_are_read),
        cmocka_unit_test(calls_are_not_executed_but_kept),
        cmocka_unit_test(an_ordered_dict_is_a_dict_whose_attributes_are_left),
        cmocka_unit_test(other_objects_are_named_and_nothing_else),
        cmocka_unit_test(anything_else_is_refused_by_name),
        cmocka_unit_test(what_is_malformed_is_refused_where_it_is),
        cmocka_unit_test(a_value_may_contain_itself),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
