/* What an imported model's tensors were called in their file, so that export gives the names back.
 * The names are one block of text, each with its NUL, in the order of the network's tensors; a
 * model file keeps them as a JSON array in its metadata. */
#include "names.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"

#define KEY_NAMES "lrnn.names"
#define KEY_TIED  "lrnn.tied"
#define KEY_STATE "lrnn.state_rank"

lrnn_status model_names_allocate(model_names *names, size_t count, size_t length,
                                 const lrnn_allocator *allocator)
{
    size_t bytes;
    size_add(&bytes, count, length);
    *names = (model_names){.length = bytes};
    names->text = memory_allocate(allocator, bytes, 1, "model: names in its file");
    return names->text != NULL ? LRNN_OK : LRNN_ERR_MEMORY;
}

lrnn_status model_names_copy(model_names *names, const model_names *from,
                             const lrnn_allocator *allocator)
{
    if (from->text == NULL) {
        *names = (model_names){0};
        return LRNN_OK;
    }
    CHECK(model_names_allocate(names, 0, from->length, allocator));
    memcpy(names->text, from->text, from->length);
    names->tied = from->tied;
    names->state_rank = from->state_rank;
    return LRNN_OK;
}

void model_names_release(model_names *names, const lrnn_allocator *allocator)
{
    memory_release(allocator, names->text);
    *names = (model_names){0};
}

/* The array as text; `to` NULL only counts. */
static size_t put_array(char *to, const model_names *names)
{
    size_t used = 0;
    for (const char *name = names->text; name < names->text + names->length;
         name = model_names_next(name)) {
        if (to != NULL) {
            to[used] = used == 0 ? '[' : ',';
        }
        used++;
        used += json_quote(to != NULL ? to + used : NULL, name, strlen(name));
    }
    if (to != NULL) {
        to[used] = ']';
    }
    return used + 1;
}

lrnn_status model_names_write(safetensors_writer *writer, const model_names *names,
                              const lrnn_allocator *allocator)
{
    if (names->text == NULL) {
        return LRNN_OK;
    }
    size_t length = put_array(NULL, names);
    char *text = memory_allocate(allocator, length, 1, "names of tensors");
    if (text == NULL) {
        return LRNN_ERR_MEMORY;
    }
    put_array(text, names);
    lrnn_status status = safetensors_writer_metadata(writer, KEY_NAMES, text, length);
    memory_release(allocator, text);
    CHECK(status);
    if (names->state_rank > 0) {
        char digit = (char)('0' + names->state_rank);
        CHECK(safetensors_writer_metadata(writer, KEY_STATE, &digit, 1));
    }
    return names->tied ? safetensors_writer_metadata(writer, KEY_TIED, "1", 1) : LRNN_OK;
}

/* Whether this tensor may have been absent from the file. */
static bool may_be_absent(const network *net, size_t index)
{
    return index < net->tensor_count && network_may_lack(net, &net->tensors[index]);
}

/* The document has to be an array of model_names_count strings without NUL bytes. */
static lrnn_status read_array(model_names *names, const network *net, const json_document *json,
                              const lrnn_allocator *allocator)
{
    size_t room = 0, used = 0, index = 0;
    CHECK(json_expect(json, JSON_ROOT, JSON_ARRAY, KEY_NAMES));
    if (json_size(json, JSON_ROOT) != model_names_count(net)) {
        return error_set(LRNN_ERR_FORMAT, "%s: " KEY_NAMES ": expected %zu names, found %zu",
                         json->what, model_names_count(net), json_size(json, JSON_ROOT));
    }
    for (json_value v = json_first(json, JSON_ROOT); v != JSON_NONE;
         v = json_next(json, JSON_ROOT, v)) {
        CHECK(json_expect(json, v, JSON_STRING, KEY_NAMES));
        room += json_string_room(json, v);
    }
    CHECK(model_names_allocate(names, 0, room, allocator));
    for (json_value v = json_first(json, JSON_ROOT); v != JSON_NONE;
         v = json_next(json, JSON_ROOT, v)) {
        size_t length = json_string(names->text + used, json, v);
        if (strlen(names->text + used) != length || (length == 0 && !may_be_absent(net, index))) {
            model_names_release(names, allocator);
            return error_set(LRNN_ERR_FORMAT, "%s: " KEY_NAMES ": name %zu is empty or has a NUL",
                             json->what, index);
        }
        index++;
        used += length + 1;
    }
    names->length = used;
    return LRNN_OK;
}

lrnn_status model_names_read(model_names *names, const network *net, const safetensors *file,
                             const lrnn_allocator *allocator)
{
    size_t length;
    const char *text = safetensors_metadata(file, KEY_NAMES, &length);
    *names = (model_names){0};
    if (text == NULL) {
        return LRNN_OK;
    }
    json_document json;
    CHECK(json_parse(&json, allocator, text, length, safetensors_name(file)));
    lrnn_status status = read_array(names, net, &json, allocator);
    json_release(&json);
    CHECK(status);
    const char *tied = safetensors_metadata(file, KEY_TIED, NULL);
    const char *rank = safetensors_metadata(file, KEY_STATE, NULL);
    bool one_to_three = rank != NULL && *rank >= '1' && *rank <= '3' && rank[1] == '\0';
    names->state_rank = one_to_three ? (size_t)(*rank - '0') : 0;
    const network_tensor *embedding = network_find(net, "embedding.weight");
    const network_tensor *head = network_find(net, "head.weight");
    names->tied = tied != NULL && strcmp(tied, "1") == 0 && embedding != NULL && head != NULL &&
                  embedding->count == head->count;
    return LRNN_OK;
}
