/* Files that are not what can be imported say what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/scratch.h"
#include "support/torch_bytes.h"

static void expect_reason(const char *why)
{
    if (strstr(lrnn_last_error(), why) == NULL) {
        fail_msg("'%s' is not in: %s", why, lrnn_last_error());
    }
}

static const char *write_file(const scratch *files, const void *bytes, size_t length)
{
    const char *path = scratch_path(files, "x");
    scratch_write(path, bytes, length);
    return path;
}

static void refused(const void *bytes, size_t length, const char *why)
{
    scratch files = scratch_create();
    lrnn_model *model;
    const char *path = write_file(&files, bytes, length);
    assert_int_not_equal(lrnn_model_import(&model, path, NULL), LRNN_OK);
    expect_reason(why);
    assert_null(model);
    scratch_destroy(&files);
}

#define REFUSED(literal, why) refused(literal, sizeof(literal) - 1, why)

static void files_are_known_by_their_beginning(void **state)
{
    (void)state;
    REFUSED("", "empty");
    REFUSED("version https://git-lfs.github.com/spec/v1\noid", "git lfs pull");
    REFUSED("\n  <!DOCTYPE html><html>", "web page");
    REFUSED("<HTML><body>404", "web page");
    REFUSED("<?xml version=\"1.0\"?>", "web page");
    REFUSED("\x89HDF\r\n\x1a\n\0\0\0\0", "HDF5");
    REFUSED("GGUF\3\0\0\0\0", "GGUF");
    REFUSED("\x93NUMPY\1\0v\0", "numpy array");
    REFUSED("\x1f\x8b\x08\0\0\0\0", "gzip");
    REFUSED("BZh91AY&SY", "bzip2");
    REFUSED("\xfd"
            "7zXZ\0",
            "xz");
    REFUSED("\x28\xb5\x2f\xfd\0\0\0", "zstd");
    REFUSED("\x08\x0a\x12\x07pytorch\x1a", "ONNX");
    REFUSED("\x08\x0a\x3a\x30\x0a", "ONNX");
    REFUSED("\x80\x04\x95\x10\0\0\0\0", "a pickle without");
    REFUSED("\x80\2\x8a\x0al\xfc\x9c", "before PyTorch 1.6");
}

/* A length whose first byte is that of a pickle, or of gzip. */
static void safetensors_are_safetensors_whatever_their_length(void **state)
{
    (void)state;
    REFUSED("\x80\2\0\0\0\0\0\0{}", "a header of 640 bytes");
    REFUSED("\x1f\x8b\0\0\0\0\0\0{}", "a header of 35615 bytes");
}

/* Whatever reads files of ours says the same. */
static void no_model(const void *bytes, size_t length, const char *why)
{
    scratch files = scratch_create();
    lrnn_model *model;
    const char *path = write_file(&files, bytes, length);
    assert_int_equal(lrnn_model_load(&model, path, NULL), LRNN_ERR_FORMAT);
    expect_reason(why);
    assert_int_equal(lrnn_model_load_memory(&model, bytes, length, NULL), LRNN_ERR_FORMAT);
    expect_reason(why);
    assert_int_equal(lrnn_checkpoint_check(path, NULL), LRNN_ERR_FORMAT);
    expect_reason(why);
    scratch_destroy(&files);
}

#define NO_MODEL(literal, why) no_model(literal, sizeof(literal) - 1, why)

static void what_is_loaded_as_a_model_is_named_too(void **state)
{
    (void)state;
    NO_MODEL("", "empty");
    NO_MODEL("abc", "3 bytes are no safetensors file");
    NO_MODEL("GGUF", "GGUF");
    NO_MODEL("version https://git-lfs.github.com/spec/v1\noid", "git lfs pull");
    NO_MODEL("<!DOCTYPE html><html>", "web page");
    NO_MODEL("PK\3\4\0\0\0\0\0\0\0\0", "a file of torch.save: 'lrnn import'");
    NO_MODEL("\x80\2\x8a\x0al\xfc\x9c\x46\xf9", "a file of torch.save: 'lrnn import'");
    NO_MODEL("just some lines of a text", "not a safetensors file");
    NO_MODEL("\x80\2\0\0\0\0\0\0{}", "cut off: a header of 640 bytes in a file of 10");
}

static void zip_with(const char *first, const char *second, const char *why)
{
    zip_builder zip = {0};
    zip_add(&zip, "x/data.pkl", "\x80\x02}.", 4, 0);
    zip_add(&zip, first, "a", 1, 0);
    zip_add(&zip, second, "b", 1, 0);
    unsigned char *bytes = zip_finish(&zip, false);
    refused(bytes, zip.length, why);
    free(bytes);
}

static void zip_files_are_known_by_what_is_in_them(void **state)
{
    (void)state;
    zip_with("x/code/net.py", "x/constants.pkl", "TorchScript");
    zip_with("x/archive_format", "x/version", ".pt2");
    zip_with("x/models/model.json", "x/serialized_exported_program.json", ".pt2");
    zip_with("config.json", "model.weights.h5", "Keras");
    zip_with("a.npy", "b.npy", "numpy .npz");
    zip_with("a", "b", "no tensor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_known_by_their_beginning),
        cmocka_unit_test(safetensors_are_safetensors_whatever_their_length),
        cmocka_unit_test(what_is_loaded_as_a_model_is_named_too),
        cmocka_unit_test(zip_files_are_known_by_what_is_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
