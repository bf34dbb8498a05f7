/* One reading of a file of torch.save's; shared by the sources that find the state_dict and that
 * read its tensors. */
#ifndef FORMAT_TORCH_READER_H
#define FORMAT_TORCH_READER_H

#include "pickle.h"
#include "safetensors.h"
#include "zip.h"

enum {
    TORCH_KEY_BYTES = 64,     /* most of a storage's name */
    TORCH_FOLDER_BYTES = 1024 /* most of the folder that all entries are in */
};

/* A dictionary whose tensors are taken. */
typedef struct torch_entry {
    const char *name; /* NULL: it was found, not named */
    pickle_value dict;
} torch_entry;

typedef struct torch_reader {
    const char *name; /* of the file, for messages */
    zip_file zip;
    /* The folder with its slash, and room after it for the name of an entry. */
    char path[TORCH_FOLDER_BYTES + TORCH_KEY_BYTES + 16];
    size_t folder_length;
    pickle_document pickle;
    torch_entry *entries; /* in which the state_dict is */
    size_t entry_count;
} torch_reader;

/* A walk over the pairs of a dict. */
typedef struct torch_pair {
    size_t cell; /* of the key; PICKLE_NOTHING: no more */
    pickle_value key, value;
} torch_pair;

torch_pair torch_first_pair(const pickle_document *document, pickle_value dict);
void torch_next_pair(torch_pair *at, const pickle_document *document);

/* Sets the entries by the rule of torch_file_load; the root is a dictionary. They are to be
 * released after a failure too. */
lrnn_status torch_find_entries(torch_reader *reader, const char *const *names, size_t count);

/* A tensor as the pickle describes it. */
typedef struct torch_tensor {
    tensor_view view; /* its data is the element at the offset; no name */
    size_t strides[SAFETENSORS_MAX_RANK];
    bool dense; /* the elements lie one after the other, in the order of the format */
} torch_tensor;

/* The globals that a state_dict may ask for. */
extern const pickle_global torch_globals[];
extern const size_t torch_global_count;

/* The entry of the zip that is called folder + text + key, NULL: none. */
zip_entry *torch_find_entry(torch_reader *reader, const char *text, const char *key,
                            size_t key_length);

/* The call that makes a tensor, after the one that makes it a parameter; NULL: the value is none.
 */
const pickle_node *torch_tensor_call(const torch_reader *reader, pickle_value value);

/* Reads what such a call says; its elements lie in the file. `key` names it in messages. */
lrnn_status torch_read_tensor(torch_tensor *tensor, torch_reader *reader, const pickle_node *key,
                              const pickle_node *call);

/* Copies the elements into order. */
void torch_copy_dense(unsigned char *to, const torch_tensor *tensor);

/* A key as the argument of "%.*s". */
static inline int torch_shown(const pickle_node *key)
{
    return key->length > 100 ? 100 : (int)key->length;
}

#endif
