/* The zip, the dictionary in it that is the state_dict, and its tensors by name. */
#include "torch_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "foreign.h"
#include "input_file.h"
#include "torch_reader.h"

/* Tensors may share storages, but not so that a small file makes a large model: all of them
 * together are at most so many times as large as the file. */
#define MOST_SHARING 16

struct torch_file {
    lrnn_allocator allocator;
    void *bytes;        /* of the file; NULL where they are borrowed */
    tensor_view *views; /* by name */
    size_t count;
    char *names;
    unsigned char *copies; /* of the tensors that were not dense */
};

/* ---- the zip ---- */

static bool ends_with(const zip_entry *entry, const char *end)
{
    size_t length = strlen(end);
    return entry->name_length >= length &&
           memcmp(entry->name + entry->name_length - length, end, length) == 0;
}

/* Sets the folder: that of data.pkl, which is in one of its own. */
static zip_entry *find_pickle(torch_reader *r)
{
    zip_entry *found = NULL;
    for (size_t i = 0; i < r->zip.count; i++) {
        zip_entry *entry = &r->zip.entries[i];
        size_t folder = entry->name_length - (ends_with(entry, "/data.pkl") ? 8 : 0);
        if (folder == entry->name_length || folder > TORCH_FOLDER_BYTES ||
            memchr(entry->name, '/', folder - 1) != NULL) {
            continue;
        }
        if (found != NULL) {
            return NULL;
        }
        found = entry;
        memcpy(r->path, entry->name, folder);
        r->folder_length = folder;
    }
    return found;
}

static lrnn_status check_byte_order(torch_reader *r)
{
    zip_entry *entry = torch_find_entry(r, "byteorder", "", 0);
    if (entry != NULL && (entry->length != 6 || memcmp(entry->data, "little", 6) != 0)) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: its numbers are not little-endian; save them there by "
                         "safetensors.torch.save_file, whose files are the same everywhere",
                         r->name);
    }
    return LRNN_OK;
}

static lrnn_status advise(const torch_reader *r, const char *why)
{
    const char *name = strncmp(why, r->name, strlen(r->name)) == 0 ? "" : r->name;
    return error_set(LRNN_ERR_UNSUPPORTED,
                     "%s%s%s; save the state_dict: torch.save(model.state_dict(), path)", name,
                     *name != '\0' ? ": " : "", why);
}

static lrnn_status read_pickle(torch_reader *r)
{
    zip_entry *entry = find_pickle(r);
    const char *foreign = foreign_zip(&r->zip);
    if (foreign != NULL) {
        return error_set(LRNN_ERR_UNSUPPORTED, "%s: %s", r->name, foreign);
    }
    if (entry == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: a zip file, but not of torch.save: no data.pkl",
                         r->name);
    }
    CHECK(zip_check(&r->zip, entry));
    CHECK(check_byte_order(r));
    lrnn_status status = pickle_parse(&r->pickle, &r->zip.allocator, r->name, entry->data,
                                      entry->length, torch_globals, torch_global_count);
    return status != LRNN_ERR_UNSUPPORTED ? status : advise(r, lrnn_last_error());
}

/* ---- the state_dict ---- */

static void read_pair(torch_pair *at, const pickle_document *p)
{
    if (at->cell != PICKLE_NOTHING) {
        at->key = p->cells[at->cell].value;
        at->value = p->cells[p->cells[at->cell].next].value;
    }
}

torch_pair torch_first_pair(const pickle_document *p, pickle_value dict)
{
    torch_pair at = {.cell = pickle_get(p, dict)->first};
    read_pair(&at, p);
    return at;
}

void torch_next_pair(torch_pair *at, const pickle_document *p)
{
    at->cell = p->cells[p->cells[at->cell].next].next;
    read_pair(at, p);
}

static lrnn_status find_entries(torch_reader *r, const char *const *names, size_t count)
{
    const pickle_document *p = &r->pickle;
    const pickle_node *root = pickle_get(p, p->root);
    if (root->type == PICKLE_OTHER) {
        char shown[PICKLE_SHOWN];
        return advise(r, pickle_show(shown, p, p->root));
    }
    if (root->type != PICKLE_DICT) {
        return error_set(LRNN_ERR_FORMAT, "%s: expected a dictionary of tensors, a state_dict",
                         r->name);
    }
    return torch_find_entries(r, names, count);
}

/* Sizes of what is taken out of the file. */
typedef struct totals {
    size_t count, names, copies, bytes;
} totals;

/* The key of a pair and the tensor that is its value. */
static lrnn_status read_pair_tensor(torch_tensor *tensor, const pickle_node **key, torch_reader *r,
                                    const torch_pair *at)
{
    const pickle_node *call = torch_tensor_call(r, at->value);
    *key = pickle_get(&r->pickle, at->key);
    if ((*key)->type != PICKLE_STRING || memchr((*key)->text, '\0', (*key)->length) != NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: a key of the state_dict is no text", r->name);
    }
    if (call == NULL) {
        char shown[PICKLE_SHOWN];
        return error_set(LRNN_ERR_FORMAT, "%s: '%.*s' of the state_dict is no tensor but %s",
                         r->name, torch_shown(*key), (*key)->text,
                         pickle_show(shown, &r->pickle, at->value));
    }
    return torch_read_tensor(tensor, r, *key, call);
}

/* What begins the names of an entry's tensors, where there are several. */
static size_t prefix_length(const torch_reader *r, const torch_entry *entry)
{
    return r->entry_count > 1 ? strlen(entry->name) + 1 : 0;
}

/* Checks every tensor of an entry and adds sizes up. */
static lrnn_status measure(totals *all, torch_reader *r, const torch_entry *entry, size_t limit)
{
    for (torch_pair at = torch_first_pair(&r->pickle, entry->dict); at.cell != PICKLE_NOTHING;
         torch_next_pair(&at, &r->pickle)) {
        torch_tensor tensor;
        const pickle_node *key;
        CHECK(read_pair_tensor(&tensor, &key, r, &at));
        size_t bytes;
        size_multiply(&bytes, tensor.view.count, tensor_dtype_size(tensor.view.dtype));
        if (bytes > limit - all->bytes) {
            return error_set(LRNN_ERR_FORMAT,
                             "%s: tensor '%.*s': the tensors are much larger than the file",
                             r->name, torch_shown(key), key->text);
        }
        all->bytes += bytes;
        all->copies += tensor.dense ? 0 : bytes;
        all->names += prefix_length(r, entry) + key->length + 1;
        all->count++;
    }
    return LRNN_OK;
}

/* Where the next of what is taken goes. */
typedef struct taking {
    tensor_view *view;
    char *name;
    unsigned char *copy;
} taking;

static void take_name(taking *to, const torch_reader *r, const torch_entry *entry,
                      const pickle_node *key)
{
    size_t prefix = prefix_length(r, entry);
    to->view->name = to->name;
    if (prefix > 0) {
        memcpy(to->name, entry->name, prefix - 1);
        to->name[prefix - 1] = '.';
    }
    memcpy(to->name + prefix, key->text, key->length);
    to->name[prefix + key->length] = '\0';
    to->name += prefix + key->length + 1;
}

/* The same once more, into memory that measure said is enough. */
static lrnn_status take(taking *to, torch_reader *r, const torch_entry *entry)
{
    for (torch_pair at = torch_first_pair(&r->pickle, entry->dict); at.cell != PICKLE_NOTHING;
         torch_next_pair(&at, &r->pickle)) {
        torch_tensor tensor;
        const pickle_node *key;
        CHECK(read_pair_tensor(&tensor, &key, r, &at));
        if (!tensor.dense) {
            torch_copy_dense(to->copy, &tensor);
            tensor.view.data = to->copy;
            to->copy += tensor.view.count * tensor_dtype_size(tensor.view.dtype);
        }
        *to->view = tensor.view;
        take_name(to, r, entry, key);
        to->view++;
    }
    return LRNN_OK;
}

static int compare_names(const void *left, const void *right)
{
    const tensor_view *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static lrnn_status sort(torch_file *file, const torch_reader *r)
{
    if (file->count > 0) {
        qsort(file->views, file->count, sizeof *file->views, compare_names);
    }
    for (size_t i = 1; i < file->count; i++) {
        if (compare_names(&file->views[i - 1], &file->views[i]) == 0) {
            return error_set(LRNN_ERR_FORMAT, "%s: tensor '%.100s' is there twice", r->name,
                             file->views[i].name);
        }
    }
    return LRNN_OK;
}

static lrnn_status take_tensors(torch_file *file, torch_reader *r, size_t file_length)
{
    totals all = {0};
    size_t limit;
    size_multiply(&limit, MOST_SHARING, file_length);
    for (size_t i = 0; i < r->entry_count; i++) {
        CHECK(measure(&all, r, &r->entries[i], limit));
    }
    const lrnn_allocator *allocator = &file->allocator;
    file->views = memory_allocate(allocator, all.count, sizeof *file->views, "list of tensors");
    file->names = memory_allocate(allocator, all.names, 1, "names of tensors");
    file->copies = memory_allocate(allocator, all.copies, 1, "tensors");
    if (file->views == NULL || file->names == NULL || file->copies == NULL) {
        return LRNN_ERR_MEMORY;
    }
    taking to = {file->views, file->names, file->copies};
    for (size_t i = 0; i < r->entry_count; i++) {
        CHECK(take(&to, r, &r->entries[i]));
    }
    file->count = all.count;
    return sort(file, r);
}

/* ---- all together ---- */

static lrnn_status read_zip(torch_file *file, torch_reader *r, size_t length,
                            const char *const *entries, size_t entry_count)
{
    CHECK(read_pickle(r));
    lrnn_status status = find_entries(r, entries, entry_count);
    if (status == LRNN_OK) {
        status = take_tensors(file, r, length);
    }
    memory_release(&r->zip.allocator, r->entries);
    pickle_release(&r->pickle);
    return status;
}

static lrnn_status read_file(torch_file *file, const char *name, const void *bytes, size_t length,
                             const char *const *entries, size_t entry_count)
{
    torch_reader r = {.name = name};
    if (foreign_is_old_torch(bytes, length)) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: in the format of torch.save before PyTorch 1.6; torch.load it there "
                         "and torch.save it again",
                         name);
    }
    CHECK(zip_open(&r.zip, &file->allocator, name, bytes, length));
    lrnn_status status = read_zip(file, &r, length, entries, entry_count);
    zip_close(&r.zip);
    return status;
}

static lrnn_status create(torch_file **file, const lrnn_allocator *allocator)
{
    lrnn_allocator memory;
    *file = NULL;
    CHECK(allocator_read(&memory, allocator));
    torch_file *made = memory_allocate(&memory, 1, sizeof *made, "file of torch.save");
    if (made == NULL) {
        return LRNN_ERR_MEMORY;
    }
    made->allocator = memory;
    *file = made;
    return LRNN_OK;
}

/* Gives the file up if it could not be read. */
static lrnn_status finish(torch_file **file, lrnn_status status)
{
    if (status != LRNN_OK) {
        torch_file_destroy(*file);
        *file = NULL;
    }
    return status;
}

lrnn_status torch_file_parse(torch_file **file, const lrnn_allocator *allocator, const char *name,
                             const void *bytes, size_t length, const char *const *entries,
                             size_t entry_count)
{
    CHECK(create(file, allocator));
    return finish(file, read_file(*file, name, bytes, length, entries, entry_count));
}

static lrnn_status load(torch_file *file, const char *path, const char *const *entries,
                        size_t entry_count)
{
    input_file input;
    CHECK(input_file_open(&input, path));
    file->bytes = memory_allocate(&file->allocator, input.length, 1, "file of torch.save");
    lrnn_status status = file->bytes == NULL
                             ? LRNN_ERR_MEMORY
                             : input_file_read(&input, file->bytes, input.length, 0);
    input_file_close(&input);
    CHECK(status);
    return read_file(file, path, file->bytes, input.length, entries, entry_count);
}

lrnn_status torch_file_load(torch_file **file, const lrnn_allocator *allocator, const char *path,
                            const char *const *entries, size_t entry_count)
{
    CHECK(create(file, allocator));
    return finish(file, load(*file, path, entries, entry_count));
}

void torch_file_destroy(torch_file *file)
{
    if (file != NULL) {
        lrnn_allocator allocator = file->allocator;
        memory_release(&allocator, file->bytes);
        memory_release(&allocator, file->views);
        memory_release(&allocator, file->names);
        memory_release(&allocator, file->copies);
        memory_release(&allocator, file);
    }
}

size_t torch_file_count(const torch_file *file)
{
    return file->count;
}

const tensor_view *torch_file_tensor(const torch_file *file, size_t index)
{
    return &file->views[index];
}
