/* From the tensors of a file to the parts of a model. */
#ifndef MODEL_IMPORT_H
#define MODEL_IMPORT_H

#include <stdbool.h>

#include "format/tensor_file.h"
#include "lrnn/model.h"

/* What a tensor is by the last part of its name. */
typedef enum import_kind {
    IMPORT_WEIGHT, /* "weight" */
    IMPORT_BIAS,
    IMPORT_WEIGHT_IH, /* "weight_ih_l0", "weight_ih_l0_reverse"; "weight_ih" of a cell */
    IMPORT_WEIGHT_HH,
    IMPORT_BIAS_IH,
    IMPORT_BIAS_HH,
    IMPORT_WEIGHT_HR, /* projection */
    IMPORT_OTHER
} import_kind;

/* A tensor and its name taken apart: "encoder.rnn.weight_ih_l0" is module "encoder.rnn", leaf
 * "weight_ih_l0". */
typedef struct import_tensor {
    const tensor_view *view;
    const char *leaf;
    size_t module_length; /* bytes of the module's name; 0: none, or empty */
    import_kind kind;
    size_t layer;
    bool reverse;
    bool cell; /* no layer in the name: nn.RNNCell, LSTMCell, GRUCell */
    bool used;
} import_tensor;

/* A module: a run of tensors. */
typedef struct import_module {
    size_t first, count;
    bool recurrent;              /* it has a weight_ih */
    const import_tensor *weight; /* "weight" of rank 2, in a module that is not recurrent */
    const import_tensor *bias;   /* "bias" */
} import_module;

/* The tensors of a file by module and then leaf. */
typedef struct import_index {
    const tensor_file *file;
    import_tensor *tensors;
    size_t tensor_count;
    import_module *modules;
    size_t module_count;
} import_index;

/* LRNN_ERR_FORMAT: a name is there twice. */
lrnn_status import_index_create(import_index *index, const tensor_file *file,
                                const lrnn_allocator *allocator);
void import_index_release(import_index *index, const lrnn_allocator *allocator);

/* The tensor of a module, or NULL. */
import_tensor *import_find(const import_index *index, const import_module *module,
                           const char *leaf);

/* import_adaptive.c: an adaptive softmax, whose modules are under one name. */
typedef struct import_adaptive {
    const char *name; /* so many bytes; 0: none, or empty */
    size_t length;
    size_t tails;              /* 0: there is no adaptive softmax */
    const import_module *head; /* of the shortlist and the tails' values */
} import_adaptive;

/* wanted: its name; NULL: any. LRNN_ERR_FORMAT: there are two, or one that is not whole. */
lrnn_status import_adaptive_find(import_adaptive *found, const import_index *index,
                                 const char *wanted);

/* Is the module one of its? */
bool import_adaptive_owns(const import_index *index, const import_adaptive *of,
                          const import_module *module);

/* The module of our parameter "head.tail.0.1.weight", or NULL. */
const import_module *import_adaptive_part(const import_index *index, const import_adaptive *of,
                                          const char *name);

/* Sets cutoffs, div_value, adaptive_bias and output_size from the shapes. */
lrnn_status import_adaptive_measure(lrnn_model_options *options, const import_index *index,
                                    const import_adaptive *of);

/* The part of a model that each module is; NULL: there is none. */
typedef struct import_parts {
    const import_module *embedding, *recurrent, *head;
    import_adaptive adaptive; /* whose head is `head` */
} import_parts;

/* What to look for. Sizes are LRNN_AUTO where they are not known. */
typedef struct import_wish {
    const char *embedding, *recurrent, *head; /* names; NULL: find out */
    bool no_recurrent;                        /* the model has no recurrent layers */
    bool no_embedding, no_head;               /* nothing may be one */
    bool whole_head;                          /* the head is no adaptive softmax */
    size_t feature_size;
    size_t input_size, top_size; /* for a model without recurrent layers */
    bool partial;
} import_wish;

/* Tells which module is what. LRNN_ERR_FORMAT: there is none, or several could be it; the message
 * names them. LRNN_ERR_NOT_FOUND: a name that was given. */
lrnn_status import_find_parts(import_parts *parts, const import_index *index,
                              const import_wish *wish);

/* What the recurrent module's names and shapes say. */
typedef struct import_sizes {
    size_t input_size;      /* what layer 0 reads */
    size_t hidden_size;     /* H */
    size_t projection_size; /* 0: none */
    size_t top_size;        /* what a head reads */
    size_t gates;           /* G */
    size_t layers;
    bool bidirectional, bias;
} import_sizes;

lrnn_status import_measure(import_sizes *sizes, const import_index *index,
                           const import_module *recurrent);

/* "[3,4]" for messages. */
enum { IMPORT_SHAPE_ROOM = 192 };
const char *import_shape(char text[IMPORT_SHAPE_ROOM], size_t rank, const size_t *shape);

#endif
