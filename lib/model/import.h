/* From the tensors of a file to the parts of a model. The sources: import_index.c takes names
 * apart, import_fold.c finds weights that are stored as something else, import_stack.c the
 * recurrent layers, import_parts.c embedding and head, import_stages.c what stands around layers,
 * import_rest.c judges what is left, import_read.c reads the parameters, and import.c calls them in
 * turn. */
#ifndef MODEL_IMPORT_H
#define MODEL_IMPORT_H

#include <stdbool.h>

#include "base/real.h"
#include "format/tensor_file.h"
#include "lrnn/model.h"
#include "network.h"

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

/* How the file's tensors make a weight that is not in it as such. */
typedef enum fold_kind {
    FOLD_WEIGHT_NORM,   /* magnitude and direction */
    FOLD_SPECTRAL_NORM, /* weight, and its first left and right singular vectors */
    FOLD_MASK           /* weight and mask */
} fold_kind;

typedef struct import_fold {
    fold_kind kind;
    const tensor_view *weight; /* whose shape is the result's */
    const tensor_view *others[2];
} import_fold;

/* A tensor and its name taken apart: "encoder.rnn.weight_ih_l0" is module "encoder.rnn", leaf
 * "weight_ih_l0". */
typedef struct import_tensor {
    const tensor_view *view; /* folded: only name, shape and count mean something */
    const import_fold *fold; /* NULL: the numbers are those of the view */
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
    bool matrix;                 /* it has a "weight" of rank 2 or more */
    const import_tensor *weight; /* "weight" of rank 2, in a module that is not recurrent */
    const import_tensor *bias;   /* "bias" */
} import_module;

/* A module that is layers first ... first + count - 1 of the model. */
typedef struct import_layers {
    const import_module *module;
    size_t first, count;
} import_layers;

/* A tensor of the file before any is folded. */
typedef struct import_raw {
    const tensor_view *view;
    bool gone; /* left out, or part of a fold */
} import_raw;

/* The tensors of a file by module and then leaf. */
typedef struct import_index {
    const tensor_file *file;
    import_raw *raws; /* by name */
    size_t raw_count;
    import_tensor *tensors;
    size_t tensor_count;
    import_module *modules;
    size_t module_count;
    import_layers *layers; /* room for all modules */
    import_layers *norms;  /* the same */
    tensor_view *views;    /* of what is folded, or has another name than in the file */
    import_fold *folds;
    char *names;
    size_t view_count, fold_count, names_used;
} import_index;

/* Without the tensors of these names: LRNN_ERR_NOT_FOUND if one is not there. */
lrnn_status import_index_create(import_index *index, const tensor_file *file,
                                const char *const *without, size_t without_count,
                                const lrnn_allocator *allocator);
void import_index_release(import_index *index, const lrnn_allocator *allocator);

/* The tensor of a module, or NULL. */
import_tensor *import_find(const import_index *index, const import_module *module,
                           const char *leaf);

/* Takes a name apart. */
import_tensor import_take_apart(const tensor_view *view);

/* The file's tensor of this name as long as it is not gone, or NULL. */
import_raw *import_find_raw(const import_index *index, const char *name);

/* ---- weights that are stored as something else ---- */

/* Folds what is known, over index->raws; what is not known stays as it is. */
void import_fold_all(import_index *index);

/* The end of a message about a tensor that is not there: the first one of a reparametrization that
 * is not known, or nothing. */
enum { IMPORT_HINT_ROOM = 240 };
const char *import_hint(char text[IMPORT_HINT_ROOM], const import_index *index);

/* Whether the parts have shapes that go together. LRNN_ERR_FORMAT. */
lrnn_status import_check_fold(const import_index *index, const import_tensor *tensor);

/* Computes the weight as PyTorch does in eval mode. */
lrnn_status import_read_fold(real *values, const import_fold *fold,
                             const lrnn_allocator *allocator);

/* Whether both are one tensor of the file, or made of the same ones. */
bool import_is_same(const import_tensor *a, const import_tensor *b);

/* ---- parts ---- */

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

/* The part of a model that each module is; NULL, 0: there is none. */
typedef struct import_parts {
    const import_module *embedding, *head;
    const import_module *input_layer, *head_layer;
    const import_layers *layers; /* in order */
    size_t layers_count;
    const import_layers *norms; /* one a layer of the model, in order */
    size_t norm_count;
    import_adaptive adaptive; /* whose head is `head` */
    const char *initial[2];   /* names of the tensors that h and c begin with */
    size_t model_layers;      /* of the layers that are found */
    bool bidirectional;
} import_parts;

/* What to look for. Sizes are LRNN_AUTO where they are not known. */
typedef struct import_wish {
    const char *embedding, *head;         /* names; NULL: find out */
    const char *const *recurrent;         /* names in order */
    size_t recurrent_count;               /* 0: find out */
    bool no_recurrent;                    /* the model has no recurrent layers */
    bool no_embedding, no_head;           /* nothing may be one */
    bool whole_head;                      /* the head is no adaptive softmax */
    const char *input_layer, *head_layer; /* NULL: there is none */
    const char *initial[2];               /* of h and c */
    const char *const *norms;             /* names in order */
    size_t norm_count;                    /* 0: find them, if there are any */
    bool layer_norm;
    size_t feature_size;
    size_t input_size, top_size; /* for a model without recurrent layers */
    bool partial;
} import_wish;

/* Tells which module is what. LRNN_ERR_FORMAT: there is none, or several could be it; the message
 * names them. LRNN_ERR_NOT_FOUND: a name that was given. */
lrnn_status import_find_parts(import_parts *parts, const import_index *index,
                              const import_wish *wish);

/* The recurrent layers alone. */
lrnn_status import_find_layers(import_parts *parts, const import_index *index,
                               const import_wish *wish);

/* import_stages.c: linear layers, normalizations, and the names of what streams begin with, once
 * the layers are found. */
lrnn_status import_find_stages(import_parts *parts, const import_index *index,
                               const import_wish *wish);

/* A part of a tensor that holds what streams of several layers begin with. */
typedef struct import_piece {
    import_tensor *tensor; /* NULL: there is none */
    size_t row, rows;      /* of the tensor's rows */
} import_piece;

/* Where a parameter "state.h_l0" is in the file. */
import_piece import_find_state(const import_index *index, const import_parts *parts,
                               const char *name);
bool import_is_state(const char *name);

/* LRNN_ERR_FORMAT: it has not so many values a row, or another rank. */
lrnn_status import_check_state(const import_index *index, const import_piece *piece, size_t width,
                               size_t rank);

/* Sorts modules by the number in which their names differ; false: they differ in something else. */
bool import_sort_by_name(const import_index *index, import_layers *list, size_t count);

/* A module that is named and has a matrix. LRNN_ERR_NOT_FOUND. */
lrnn_status import_find_matrix(const import_module **found, const import_index *index,
                               const char *name);

/* What names and shapes of the layers say. */
typedef struct import_sizes {
    size_t input_size;                           /* what layer 0 reads */
    size_t hidden_size;                          /* H, of the last layer */
    size_t hidden_sizes[LRNN_MOST_HIDDEN_SIZES]; /* of the first layers, as far as there are */
    size_t projection_size;                      /* 0: none */
    size_t top_size;                             /* what a head reads */
    size_t gates;                                /* G */
    size_t layers;
    bool bidirectional, bias;
} import_sizes;

/* LRNN_ERR_FORMAT: the shapes are no cell's, or the layers do not fit each other. */
lrnn_status import_measure(import_sizes *sizes, const import_index *index,
                           const import_parts *parts);

/* What the model reads at a step: what layer 0 does, or the layer before it. */
static inline size_t import_input_size(const import_parts *parts, const import_sizes *sizes)
{
    return parts->input_layer != NULL ? parts->input_layer->weight->view->shape[1]
                                      : sizes->input_size;
}

/* The file's tensor for a parameter of the model, NULL: none. */
import_tensor *import_find_parameter(const import_index *index, const import_parts *parts,
                                     const char *name);

/* The module that it should be in, and what it would be called there. */
const import_module *import_home(const import_index *index, const import_parts *parts,
                                 const char *name, char leaf[NETWORK_NAME_ROOM]);

/* A module of this name, or NULL. */
const import_module *import_find_module(const import_index *index, const char *name);

/* Both could be what; an option says which. */
lrnn_status import_two_could_be(const import_index *index, const char *what, const char *option,
                                const import_module *a, const import_module *b);

/* ---- one import ---- */

typedef struct importing {
    lrnn_import_options options;
    lrnn_model_options model; /* given, then with the vocabularies that count; or worked out */
    lrnn_allocator allocator;
    tensor_file *file;
    import_index index;
    import_parts parts;
    const char *path;
} importing;

/* Every parameter has a tensor of its shape, and every tensor is a parameter or may be left out;
 * before anything of the size that they claim is allocated. */
lrnn_status import_check_tensors(importing *in, const network *net);

/* What no parameter has used: an error, unless it may be left out. */
lrnn_status import_check_rest(const importing *in, const network *net);

/* Reads the parameters, and keeps what their tensors were called. */
lrnn_status import_read_parameters(const importing *in, lrnn_model *model);

/* Tells the caller what was left out. */
void import_report_rest(const importing *in);

/* ---- messages ---- */

/* "[3,4]" for messages. */
enum { IMPORT_SHAPE_ROOM = 192 };
const char *import_shape(char text[IMPORT_SHAPE_ROOM], size_t rank, const size_t *shape);

/* Printed with "%.*s", the name of a module; the empty one as (no prefix). */
#define IMPORT_MODULE(index, module)                                                               \
    import_module_length(index, module), import_module_name(index, module)
const char *import_module_name(const import_index *index, const import_module *module);
int import_module_length(const import_index *index, const import_module *module);

/* "tensor 'name': expected shape ..., found ...", with what was expected as text. */
lrnn_status import_wrong_shape(const import_index *index, const tensor_view *found,
                               const char *expected);

#endif
