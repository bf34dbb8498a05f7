/* A model, a checkpoint and a state_dict are safetensors files: eight bytes of length, and a header
 * of JSON in which "lrnn.kind" tells them apart. The quotes of a string within a string are
 * escaped, so that a search for the key with its quotes cannot be led astray by a vocabulary or a
 * note. Texts are known by their first bytes. */
#include "file_kind.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "system.h"

enum { BEGINNING = 4096, HEADER_MAXIMUM = 100 << 20 };

/* As many bytes as there are, up to `count`, with a NUL after them. NULL: no memory, or an error.
 */
static char *read_bytes(int descriptor, int64_t offset, size_t count, size_t *length)
{
    char *bytes = malloc(count + 1);
    *length = 0;
    while (bytes != NULL && *length < count) {
        ptrdiff_t got =
            system_read_at(descriptor, bytes + *length, count - *length, offset + (int64_t)*length);
        if (got < 0) {
            free(bytes);
            return NULL;
        }
        if (got == 0) {
            break;
        }
        *length += (size_t)got;
    }
    if (bytes != NULL) {
        bytes[*length] = '\0';
    }
    return bytes;
}

/* The header of a safetensors file, which the caller frees; NULL if it is none. */
static char *safetensors_header(int descriptor)
{
    size_t length;
    char *first = read_bytes(descriptor, 0, 8, &length);
    uint64_t size = 0;
    for (size_t i = length; first != NULL && i > 0; i--) {
        size = size << 8 | (unsigned char)first[i - 1];
    }
    free(first);
    if (length < 8 || size < 2 || size > HEADER_MAXIMUM) {
        return NULL;
    }
    char *header = read_bytes(descriptor, 8, (size_t)size, &length);
    if (header != NULL && (length < size || header[0] != '{')) {
        free(header);
        return NULL;
    }
    return header;
}

/* The value of "lrnn.kind" begins here; NULL if there is no such key. */
static const char *kind_value(const char *header)
{
    static const char key[] = "\"lrnn.kind\"";
    const char *at = strstr(header, key);
    if (at == NULL) {
        return NULL;
    }
    at += sizeof key - 1;
    at += strspn(at, " \n\t\r:");
    return at;
}

static bool is_lrnn_file(const char *header, const char *kind)
{
    const char *value = kind_value(header);
    size_t length = strlen(kind);
    return value != NULL && value[0] == '"' && strncmp(value + 1, kind, length) == 0 &&
           value[1 + length] == '"';
}

static bool is_model(const char *header)
{
    return is_lrnn_file(header, "model");
}

static bool is_checkpoint(const char *header)
{
    return is_lrnn_file(header, "checkpoint");
}

static bool is_token_file(const char *header)
{
    return is_lrnn_file(header, "tokens");
}

static size_t count_of(const char *header, const char *word)
{
    size_t count = 0;
    for (const char *at = header; (at = strstr(at, word)) != NULL; at++) {
        count++;
    }
    return count;
}

/* What lrnn export writes has no mark of its own: tensors of recurrent layers, or no more than an
 * embedding and a head. */
static bool is_state_dict(const char *header)
{
    size_t tensors = count_of(header, "\"data_offsets\"");
    return kind_value(header) == NULL && tensors > 0 &&
           (tensors <= 3 ||
            (strstr(header, "weight_ih") != NULL && strstr(header, "weight_hh") != NULL));
}

/* Or the beginning of a log, whose writer was killed. */
static bool is_log(const char *text, size_t length)
{
    size_t whole = strlen(log_header);
    return memcmp(text, log_header, length < whole ? length : whole) == 0;
}

/* The element may stand after a declaration, a document type and comments. */
static bool is_svg(const char *text, size_t length)
{
    (void)length;
    text += strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (;;) {
        text += strspn(text, " \t\r\n");
        if (strncmp(text, "<svg", 4) == 0) {
            return true;
        }
        bool comment = strncmp(text, "<!--", 4) == 0;
        if (!comment && strncmp(text, "<?", 2) != 0 && strncmp(text, "<!DOCTYPE svg", 13) != 0) {
            return false;
        }
        const char *end = strstr(text, comment ? "-->" : ">");
        if (end == NULL) {
            return false;
        }
        text = end + (comment ? 3 : 1);
    }
}

/* A page that inspect wrote: its style is on the second line. */
static bool is_page(const char *text, size_t length)
{
    (void)length;
    static const char first[] = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>";
    return strncmp(text, first, sizeof first - 1) == 0 &&
           strstr(text, "</title>\n<style>body{font:16px/1.7 monospace;") != NULL;
}

static const struct {
    file_kind kind;
    const char *name;
    bool (*header)(const char *header);
    bool (*text)(const char *beginning, size_t length);
} kinds[] = {
    {FILE_MODEL, "a model", is_model, NULL},
    {FILE_CHECKPOINT, "a checkpoint", is_checkpoint, NULL},
    {FILE_STATE_DICT, "a state_dict in a safetensors file", is_state_dict, NULL},
    {FILE_TOKENS, "a token file", is_token_file, NULL},
    {FILE_LOG, "a log of lrnn train", NULL, is_log},
    {FILE_SVG, "an SVG picture", NULL, is_svg},
    {FILE_HTML, "a page of lrnn inspect", NULL, is_page},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static size_t index_of(file_kind kind)
{
    size_t i = 0;
    while (i + 1 < KINDS && kinds[i].kind != kind) {
        i++;
    }
    return i;
}

const char *file_kind_name(file_kind kind)
{
    return kinds[index_of(kind)].name;
}

bool file_kind_holds(file_kind kind, int descriptor)
{
    system_about about;
    return (system_look_at(&about, descriptor) && about.bytes == 0) ||
           file_kind_is(kind, descriptor);
}

bool file_kind_is(file_kind kind, int descriptor)
{
    size_t i = index_of(kind);
    size_t length = 0;
    bool headed = kinds[i].header != NULL;
    char *text =
        headed ? safetensors_header(descriptor) : read_bytes(descriptor, 0, BEGINNING, &length);
    bool holds = text != NULL && (headed ? kinds[i].header(text) : kinds[i].text(text, length));
    free(text);
    return holds;
}
