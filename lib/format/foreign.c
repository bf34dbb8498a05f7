/* Formats that people mistake for a state_dict, known by how they begin, or by the files in them.
 */
#include "foreign.h"

#include <ctype.h>
#include <string.h>

#define STATE_DICT "torch.save(model.state_dict(), path)"

typedef struct signature {
    const char *bytes;
    size_t length;
    const char *what;
} signature;

#define SIGNATURE(bytes, what)                                                                     \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, what                                                             \
    }

static const signature signatures[] = {
    SIGNATURE("version https://git-lfs",
              "a pointer of git-lfs, not the file itself: run 'git lfs pull'"),
    SIGNATURE("\x89HDF\r\n\x1a\n", "an HDF5 file (Keras): save the weights from Python with "
                                   "safetensors"),
    SIGNATURE("GGUF", "a GGUF file: convert it to safetensors"),
    SIGNATURE("\x93NUMPY", "a numpy array: save the tensors with safetensors.numpy.save_file"),
    SIGNATURE("\x1f\x8b", "compressed with gzip: decompress it first"),
    SIGNATURE("BZh", "compressed with bzip2: decompress it first"),
    SIGNATURE("\xfd"
              "7zXZ",
              "compressed with xz: decompress it first"),
    SIGNATURE("\x28\xb5\x2f\xfd", "compressed with zstd: decompress it first"),
};

static bool begins_with(const unsigned char *bytes, size_t length, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if (i >= length || tolower(bytes[i]) != text[i]) {
            return false;
        }
    }
    return true;
}

/* The beginning has these bytes somewhere. */
static bool contains(const unsigned char *bytes, size_t length, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i + n <= length; i++) {
        if (memcmp(bytes + i, text, n) == 0) {
            return true;
        }
    }
    return false;
}

const char *foreign_beginning(const unsigned char *bytes, size_t length)
{
    if (length == 0) {
        return "the file is empty";
    }
    if (length > 8 && bytes[8] == '{' && memcmp(bytes + 4, "\0\0\0\0", 4) == 0) {
        return NULL; /* the length and the header of a safetensors file, whatever its first bytes */
    }
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        if (length >= s->length && memcmp(bytes, s->bytes, s->length) == 0) {
            return s->what;
        }
    }
    size_t start = 0;
    while (start < length && isspace(bytes[start])) {
        start++;
    }
    if (begins_with(bytes + start, length - start, "<!doctype") ||
        begins_with(bytes + start, length - start, "<html") ||
        begins_with(bytes + start, length - start, "<?xml")) {
        return "a web page, not a model: was the download refused?";
    }
    /* The first field of an ONNX model is its version; the producer's name or the graph follows. */
    if (bytes[0] == 0x08 && length > 4 && bytes[1] < 0x20 &&
        (bytes[2] == 0x3a || (bytes[2] == 0x12 && (contains(bytes, length, "pytorch") ||
                                                   contains(bytes, length, "onnx"))))) {
        return "an ONNX model: import the PyTorch net that it was made from, saved "
               "with " STATE_DICT;
    }
    if (bytes[0] == 0x80 && length > 1 && bytes[1] <= 5) {
        return "a pickle without torch.save's zip file: load it in Python and save it "
               "with " STATE_DICT;
    }
    return NULL;
}

/* At the beginning of a safetensors file they would mean a header of 67 MB, or of more than the
 * format allows. */
static const unsigned char zip_beginning[] = {'P', 'K', 3, 4};
static const unsigned char old_beginning[] = {0x80, 2, 0x8a, 10}; /* PROTO 2, LONG1: the magic */

bool foreign_is_old_torch(const unsigned char *bytes, size_t length)
{
    return length >= 4 && memcmp(bytes, old_beginning, 4) == 0;
}

bool foreign_is_torch(const unsigned char *bytes, size_t length)
{
    return (length >= 4 && memcmp(bytes, zip_beginning, 4) == 0) ||
           foreign_is_old_torch(bytes, length);
}

static bool has_entry(const zip_file *zip, const char *text, bool at_end)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < zip->count; i++) {
        const zip_entry *entry = &zip->entries[i];
        const unsigned char *name = (const unsigned char *)entry->name;
        if (entry->name_length >= n && (at_end ? memcmp(name + entry->name_length - n, text, n) == 0
                                               : contains(name, entry->name_length, text))) {
            return true;
        }
    }
    return false;
}

const char *foreign_zip(const zip_file *zip)
{
    if (has_entry(zip, "constants.pkl", true) && has_entry(zip, "/code/", false)) {
        return "a TorchScript file: torch.jit.load it in Python and save it with " STATE_DICT;
    }
    if (has_entry(zip, "archive_format", true) ||
        has_entry(zip, "serialized_exported_program", false)) {
        return "a .pt2 file of torch.export: save the net that it was made from with " STATE_DICT;
    }
    if (has_entry(zip, "model.weights.h5", true)) {
        return "a Keras file: save the weights from Python with safetensors";
    }
    if (has_entry(zip, ".npy", true)) {
        return "a numpy .npz file: save the tensors with safetensors.numpy.save_file";
    }
    return NULL;
}
