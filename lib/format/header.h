/* A safetensors file, for the sources that read headers and files. */
#ifndef FORMAT_HEADER_H
#define FORMAT_HEADER_H

#include "safetensors.h"

#define SAFETENSORS_MAX_HEADER ((size_t)100000000) /* bytes; the reference's limit */
#define SAFETENSORS_PREFIX     8                   /* bytes that give the header's length */
#define SAFETENSORS_METADATA   "__metadata__"

typedef struct tensor_entry {
    tensor_view view;
    size_t begin, end; /* bytes of the data */
} tensor_entry;

typedef struct metadata_entry {
    const char *key;
    const char *value;
    size_t length;
} metadata_entry;

/* One arena: the tensors in the order of their bytes, pointers to them in the order of their names,
 * the metadata in the order of its keys. */
struct safetensors {
    lrnn_allocator allocator;
    char *name;
    input_file input; /* closed when the tensors are in memory */
    tensor_entry *tensors;
    const tensor_entry **by_name;
    size_t count;
    metadata_entry *metadata;
    size_t metadata_count;
};

/* Reads the header of a file whose tensors have data_length bytes in all. Everything is checked;
 * the views point at no data yet. safetensors_destroy frees it. */
lrnn_status safetensors_read_header(safetensors **file, const lrnn_allocator *allocator,
                                    const char *name, const char *text, size_t length,
                                    size_t data_length);

#endif
