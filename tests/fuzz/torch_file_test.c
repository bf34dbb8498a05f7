/* Random pickles in a file of torch.save's, and random zip files: what is taken is dense, lies in
 * the file or in memory of the reader's own, and has names that all differ. */
#include "fuzz.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "format/torch_file.h"
#include "support/torch_bytes.h"

static void check(const unsigned char *bytes, size_t length)
{
    torch_file *file;
    lrnn_status status = torch_file_parse(&file, NULL, "fuzz", bytes, length, NULL, 0);
    if (status != LRNN_OK) {
        FUZZ_CHECK(status == LRNN_ERR_FORMAT || status == LRNN_ERR_UNSUPPORTED);
        FUZZ_CHECK(file == NULL);
        return;
    }
    for (size_t i = 0; i < torch_file_count(file); i++) {
        const tensor_view *view = torch_file_tensor(file, i);
        size_t count = 1, size = tensor_dtype_size(view->dtype);
        unsigned sum = 0;
        FUZZ_CHECK(utf8_valid_prefix(view->name, strlen(view->name)) == strlen(view->name));
        FUZZ_CHECK(i == 0 || strcmp(torch_file_tensor(file, i - 1)->name, view->name) < 0);
        FUZZ_CHECK(view->rank <= SAFETENSORS_MAX_RANK);
        for (size_t k = 0; k < view->rank; k++) {
            FUZZ_CHECK(size_multiply(&count, count, view->shape[k]));
        }
        FUZZ_CHECK(count == view->count && count * size <= 16 * length);
        for (size_t k = 0; k < count * size; k++) {
            sum += view->data[k]; /* for the sanitizer to see */
        }
        FUZZ_CHECK(sum <= 255 * count * size);
    }
    torch_file_destroy(file);
}

/* Bytes that begin like a zip are a file, all others a pickle to be put into one. */
static void fuzz_one(const unsigned char *bytes, size_t length)
{
    if (length >= 2 && memcmp(bytes, "PK", 2) == 0) {
        check(bytes, length);
        return;
    }
    size_t file_length;
    unsigned char *file = torch_bytes(&file_length, bytes, length);
    check(file, file_length);
    free(file);
}

#ifndef LRNN_LIBFUZZER
#define FLOATS PICKLE_STORAGE("Float", "0", "\6")
#define LONGS  PICKLE_STORAGE("Long", "1", "\2")
#define TENSOR PICKLE_TENSOR(FLOATS, "\1", PICKLE_PAIR("\2", "\2"), PICKLE_PAIR("\2", "\1"))

#define NUMBERS PICKLE_TEXT_1("n") "](K\1M\1\1\x8a\2\0\1NG\0\0\0\0\0\0\0\0e"
#define DICT    PICKLE_TEXT_1("d") "}q\2" PICKLE_TEXT_1("t") PICKLE_PARAMETER(TENSOR) "s"

int main(int argc, char **argv)
{
    static char flat[] = "\x80\x02" PICKLE_ORDERED "q\0(" PICKLE_TEXT_1("a") TENSOR
        "q\1" PICKLE_TEXT_1("b") PICKLE_TENSOR(LONGS, "\0", "K\2\x85", "K\1\x85")
            PICKLE_TEXT_1("c") "h\1u}" PICKLE_TEXT_3("_md") PICKLE_ORDERED "sb.";
    static char nested[] = "\x80\x02}(" NUMBERS DICT "u.";
    static const char *const words[] = {"\x80\x02",
                                        "(",
                                        ")",
                                        "}",
                                        "]",
                                        "K\1",
                                        "K\2\x85",
                                        "\x86",
                                        "\x87",
                                        "t",
                                        "R",
                                        "Q",
                                        "s",
                                        "u",
                                        "b",
                                        "q\1",
                                        "h\1",
                                        "j\1",
                                        "tQ",
                                        "ctorch\nHalfStorage\n",
                                        "ctorch\nByteStorage\n",
                                        "ccollections\nOrderedDict\n)R",
                                        "M\xff\xff",
                                        "\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7f",
                                        TENSOR};
    size_t zip_length, checked_length;
    zip_builder zip = {0};
    zip_add(&zip, "net/data.pkl", flat, sizeof flat - 1, 0);
    zip_add(&zip, "net/data/0", words, 24, 0);
    zip_add(&zip, "net/data/1", words, 16, 0);
    unsigned char *wide = zip_finish(&zip, true);
    zip_length = zip.length;
    unsigned char *real_one =
        file_bytes(&checked_length, SOURCE_ROOT "/tests/golden/pytorch/no_crc.pt");
    const fuzz_input seeds[] = {{(unsigned char *)flat, sizeof flat - 1},
                                {wide, zip_length},
                                {(unsigned char *)nested, sizeof nested - 1},
                                {real_one, checked_length}};
    int result = fuzz_main(argc, argv, seeds, 4, words, sizeof words / sizeof words[0], NULL);
    free(wide);
    free(real_one);
    return result;
}
#endif
