/* What the parameters of a model were called in the file that it was imported from. */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#include <stdbool.h>

#include "format/safetensors.h"
#include "network.h"

typedef struct model_names {
    /* NUL-terminated, one for each tensor of the network and in its order, then of a tied network
     * that of the head's matrix; "": it was not in the file. NULL: there are no names to remember.
     */
    char *text;
    size_t length; /* bytes, NULs included */
    /* Axes of the tensor that h begins with, whose name all of state.h_l0 and so on have; that of c
     * is alike. 0: there is none. */
    size_t state_rank;
    bool tied; /* embedding.weight and head.weight were one tensor */
} model_names;

/* Empty names where `count` tensors have `length` bytes of names in all, for the caller to write
 * them, NUL-terminated, one after the other. */
lrnn_status model_names_allocate(model_names *names, size_t count, size_t length,
                                 const lrnn_allocator *allocator);
lrnn_status model_names_copy(model_names *names, const model_names *from,
                             const lrnn_allocator *allocator);
void model_names_release(model_names *names, const lrnn_allocator *allocator);

/* How many there are. */
static inline size_t model_names_count(const network *net)
{
    return net->tensor_count + (network_is_tied(net) ? 1 : 0);
}

/* The name behind this one. */
static inline const char *model_names_next(const char *name)
{
    return name + __builtin_strlen(name) + 1;
}

/* As metadata of a model file: lrnn.names, a JSON array, lrnn.state_rank and lrnn.tied. Nothing to
 * do where there are none. */
lrnn_status model_names_write(safetensors_writer *writer, const model_names *names,
                              const lrnn_allocator *allocator);
lrnn_status model_names_read(model_names *names, const network *net, const safetensors *file,
                             const lrnn_allocator *allocator);

#endif
