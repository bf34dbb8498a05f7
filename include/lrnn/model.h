/* liblrnn, topic "model": architecture and parameters (lrnn_model), and a running instance of them
 * (lrnn_state). */
#ifndef LRNN_MODEL_H
#define LRNN_MODEL_H

#include "base.h" /* lrnn_status, lrnn_allocator */
#include "text.h" /* lrnn_vocab */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sequences: what goes in ----------------------------------------------------------------- */

/* A batch of B sequences of up to T steps: read-only, borrowed for the duration of a call. The same
 * struct serves inference and training; inference ignores targets and weights.
 *
 * Where the head answers once a sequence (LRNN_HEAD_LAST, LRNN_HEAD_FINAL), the arrays marked *
 * have no T dimension. */
typedef struct lrnn_sequences {
    size_t size;  /* set by lrnn_sequences_init */
    size_t batch; /* B, at least 1 */
    size_t steps; /* T, at least 1 */
    /* [B,T] ids 0..vocab_size-1; needed if and only if the model's vocab_size is not 0. */
    const int32_t *tokens;
    /* [B,T,F]; needed if and only if the model's feature_size F is not 0. */
    const float *features;
    /* [B] steps of each sequence, 1..T; NULL (default): all T. What lies past them is not read. */
    const int32_t *lengths;
    /* [B,T]* class ids 0..output_size-1 for cross-entropy; below zero: this item is ignored. */
    const int32_t *targets;
    /* [B,T,O]* numbers that the outputs should be, for the losses that compare each output with
     * one; for binary cross-entropy 0..1, below 0: this value is ignored. */
    const float *target_values;
    /* [B,T]* weight of each item in the loss, finite and at least 0; NULL (default): all 1. With
     * LRNN_LOSS_CTC [B]: an item is a row. */
    const float *weights;
    /* [B,T,O]* weight of each value of target_values, finite and at least 0, for losses that read
     * them; NULL (default): all 1. A value of weight 0 is not read and may be NaN. Since 0.2. */
    const float *value_weights;
    /* LRNN_LOSS_CTC: targets is [B,S] then, the labels of each row in order, S this field; a label
     * is 0..output_size-1 and not the blank. 0 (default): no row has a label. Since 0.2. */
    size_t target_steps;
    /* [B] labels of each row, 0..S; NULL (default): all S. What lies past them is not read.
     * Since 0.2. */
    const int32_t *target_lengths;
} lrnn_sequences;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_sequences).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_sequences_init(lrnn_sequences *sequences, size_t struct_size);

/* ---- model ----------------------------------------------------------------------------------- */

/* Architecture and parameters. Immutable: any number of threads may share one. */
typedef struct lrnn_model lrnn_model;

/* The recurrent cell; the equations are PyTorch's (torch.nn.RNN, LSTM, GRU), with x the input of
 * the layer at a step, h and c its state, * element-wise:
 *   RNN   h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu
 *   LSTM  i,f,g,o = W_ih x + b_ih + W_hh h + b_hh, in this order in the 4H rows
 *         c' = sigmoid(f)*c + sigmoid(i)*tanh(g)    h' = sigmoid(o)*tanh(c')
 *         with a projection h' = W_hr (sigmoid(o)*tanh(c'))
 *   GRU   r,z = sigmoid(W_ih x + b_ih + W_hh h + b_hh) (rows r, z, n)
 *         n = tanh(W_in x + b_in + r*(W_hn h + b_hn))    h' = (1-z)*n + z*h
 * In shapes H is hidden_size, R the size of h: H, or with a projection that of the projection;
 * D is 2 for a bidirectional model, else 1. */
enum { LRNN_CELL_RNN_TANH = 0, LRNN_CELL_RNN_RELU = 1, LRNN_CELL_LSTM = 2, LRNN_CELL_GRU = 3 };

/* Where the linear layer after the recurrent ones is applied. */
enum {
    LRNN_HEAD_NONE = 0,  /* nowhere: the output is the top layer's h at every step, [B,T,D*R] */
    LRNN_HEAD_STEPS = 1, /* at every step, output [B,T,O] */
    LRNN_HEAD_LAST = 2,  /* at the last step of each sequence's own length, output [B,O] */
    /* On the top layer's final states, output [B,O]. The same as LAST unless bidirectional: then
     * the backward half is its state after the first step of the sequence, having read it all. */
    LRNN_HEAD_FINAL = 3
};

/* How a model keeps its matrices: embedding, weight_ih, weight_hh, weight_hr and the head's weight.
 * Biases, states and all arithmetic are float32 whatever this is. */
enum {
    LRNN_WEIGHT_FLOAT32 = 0,
    /* The upper half of a float32: its range, 8 bits of precision; the nearest such number is
     * taken, of two the even one. Half the memory and half the file, and since a step reads all
     * weights, up to twice as fast. The results are those of a float32 model with the same numbers,
     * bit for bit. */
    LRNN_WEIGHT_BFLOAT16 = 1
};

/* A size that the library works out from the others. */
#define LRNN_AUTO ((size_t)-1)

typedef struct lrnn_model_options {
    size_t size;                     /* set by lrnn_model_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    /* Vocabularies the model carries in memory and in its file; NULL (default): none. The model
     * shares them: the caller may destroy their handles. The sizes must agree with vocab_size and
     * output_size. */
    const lrnn_vocab *input_vocab;
    const lrnn_vocab *output_vocab;
    /* Number of different input tokens; 0: no token input. LRNN_AUTO (default): the size of
     * input_vocab, or 0 without one. */
    size_t vocab_size;
    /* Size of the vector that stands for a token; 0: one-hot, that is vocab_size. Not read without
     * token input. Default 64. */
    size_t embedding_size;
    /* Size F of the real vector that is read at each step, after the embedding if there are tokens
     * too. Default 0: none. */
    size_t feature_size;
    size_t hidden_size; /* H; default 128, at least 1 unless layers is 0 */
    size_t layers;      /* L; default 1; 0: the head reads the input itself (no recurrence) */
    /* Outputs O of the head. LRNN_AUTO (default): the size of output_vocab, or vocab_size without
     * one. Not read with LRNN_HEAD_NONE. */
    size_t output_size;
    int32_t cell;          /* LRNN_CELL_*; default LRNN_CELL_LSTM */
    int32_t head;          /* LRNN_HEAD_*; default LRNN_HEAD_STEPS */
    int32_t bidirectional; /* 1: a second net reads each layer's input in reverse; default 0 */
    int32_t bias;          /* 0: the recurrent layers have no bias vectors; default 1 */
    /* In training, the probability with which each output of every layer but the last is set to
     * zero (the others are divided by 1 - dropout). 0 <= dropout < 1; default 0. */
    double dropout;
    /* Seed of the initial parameters. They are drawn from PyTorch's distributions: recurrent layers
     * uniform in +-1/sqrt(H); head uniform in +-1/sqrt(its inputs); embedding normal(0,1).
     * Default 1. */
    uint64_t seed;
    /* LSTM: size P of h when it is a projection of the cell's output, below hidden_size (which is
     * that of c then); what lies above, the head and h of a state are P wide too. torch.nn.LSTM's
     * proj_size; Sak, Senior & Beaufays 2014. Default 0: none. */
    size_t projection_size;
    /* A token whose vector stays as it is made or given: it gets no gradient, and a model that
     * draws its parameters makes it zero (torch.nn.Embedding's padding_idx). Needs an embedding.
     * Default -1: none. */
    int32_t padding_token;
    /* LRNN_WEIGHT_*; default LRNN_WEIGHT_FLOAT32. A trainer works on float32 numbers whatever its
     * model keeps, and its snapshots are of the model's type again. */
    int32_t weight_type;
} lrnn_model_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_model_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_model_options_init(lrnn_model_options *options, size_t struct_size);

/* Makes a model with freshly drawn parameters.
 * LRNN_ERR_INVALID: a field out of range or two that do not fit; the message names them.
 * LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_create(lrnn_model **model, const lrnn_model_options *options);

/* One parameter tensor given by the caller. */
typedef struct lrnn_tensor {
    size_t size;         /* set by lrnn_tensor_init */
    const char *name;    /* for example "rnn.weight_ih_l0" */
    const float *values; /* row-major */
    size_t rank;         /* 1 or 2 */
    size_t shape[2];
} lrnn_tensor;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_tensor). Since 0.1. */
LRNN_API lrnn_status lrnn_tensor_init(lrnn_tensor *tensor, size_t struct_size);

/* Makes a model whose parameters are all given: `count` tensors, in any order, each parameter once.
 * The values are copied. options->seed is not used.
 * LRNN_ERR_INVALID: as lrnn_model_create; or a tensor is missing, given twice, of the wrong shape
 * (the message has both shapes) or NULL. LRNN_ERR_NOT_FOUND: the model has no parameter of that
 * name. LRNN_ERR_NUMERIC: a value is NaN, infinite or too large for the weight_type.
 * LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_create_from_tensors(lrnn_model **model,
                                                    const lrnn_model_options *options,
                                                    const lrnn_tensor *tensors, size_t count);

/* Makes a model of the same architecture, parameters and vocabularies that keeps its matrices as
 * weight_type says (LRNN_WEIGHT_*): to bfloat16 numbers are rounded, to float32 they stay what they
 * are. One that keeps them so already is shared. The new model has the allocator of the old one.
 * LRNN_ERR_INVALID: NULL argument, or no such type. LRNN_ERR_NUMERIC: a number is too large for
 * bfloat16; the message names the parameter. LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_convert(lrnn_model **converted, const lrnn_model *model,
                                        int32_t weight_type);

/* Gives up the caller's hold. States and trainers made from the model keep what they need, so a
 * model may be destroyed while they live. Takes NULL. Since 0.1. */
LRNN_API void lrnn_model_destroy(lrnn_model *model);

/* One more hold on the same model, to be given up with lrnn_model_destroy like the first: a thread
 * that swaps models takes it under the lock that guards its handle, and works on it without.
 * Returns model; NULL for NULL. Since 0.1. */
LRNN_API lrnn_model *lrnn_model_share(const lrnn_model *model);

/* Writes the options of the model into *options, sizes resolved (no LRNN_AUTO), allocator NULL; the
 * vocabularies are lent until the model goes. options->size must have been set by
 * lrnn_model_options_init. LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_model_get_options(lrnn_model_options *options, const lrnn_model *model);

/* Lends the vocabulary until the model goes; NULL if it has none. Since 0.1. */
LRNN_API const lrnn_vocab *lrnn_model_input_vocab(const lrnn_model *model);
LRNN_API const lrnn_vocab *lrnn_model_output_vocab(const lrnn_model *model);

/* Number of values the model gives per step or per sequence: O, or D*R without a head. Since 0.1.
 */
LRNN_API size_t lrnn_model_output_size(const lrnn_model *model);

/* What a parameter is. Names and shapes are those of a PyTorch module with members `embedding`
 * (nn.Embedding), `rnn` (nn.RNN, nn.LSTM, nn.GRU) and `head` (nn.Linear). All parameters lie one
 * after the other in a flat array, in this order: embedding.weight, then for each layer (and
 * direction, suffix _reverse) rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0,
 * rnn.weight_hr_l0 with a projection, then head.weight, head.bias. The trainer's gradients have the
 * same layout. */
typedef struct lrnn_parameter {
    size_t size;      /* set by lrnn_parameter_init */
    const char *name; /* lent until the model goes */
    size_t rank;      /* 1 or 2 */
    size_t shape[2];
    size_t offset; /* of its first value in the flat array */
    size_t count;  /* of its values */
} lrnn_parameter;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_parameter). Since 0.1. */
LRNN_API lrnn_status lrnn_parameter_init(lrnn_parameter *parameter, size_t struct_size);

/* Number of parameter tensors, and of all their values together. Since 0.1. */
LRNN_API size_t lrnn_model_tensor_count(const lrnn_model *model);
LRNN_API size_t lrnn_model_parameter_count(const lrnn_model *model);

/* Describes tensor `index`, 0..lrnn_model_tensor_count-1, in the order of the flat array.
 * LRNN_ERR_INVALID: index out of range, NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_model_get_parameter(lrnn_parameter *parameter, const lrnn_model *model,
                                              size_t index);

/* The same by name. LRNN_ERR_NOT_FOUND; LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_model_find_parameter(lrnn_parameter *parameter, const lrnn_model *model,
                                               const char *name);

/* Copies the values of one parameter, or with name NULL all of them in the order of the flat array.
 * values: room for `capacity` values.
 * LRNN_ERR_NOT_FOUND; LRNN_ERR_TOO_SMALL: the message has the number needed; LRNN_ERR_INVALID: NULL
 * argument. Since 0.1. */
LRNN_API lrnn_status lrnn_model_copy_parameter(float *values, size_t capacity,
                                               const lrnn_model *model, const char *name);

/* ---- files ----------------------------------------------------------------------------------- */

/* Writes the model as a safetensors file: tensors by the names above, architecture and vocabularies
 * in its metadata. The file appears whole or not at all: it is written beside `path`, synced and
 * renamed over it. LRNN_ERR_IO: path and reason; LRNN_ERR_MEMORY; LRNN_ERR_INVALID. Since 0.1. */
LRNN_API lrnn_status lrnn_model_save(const lrnn_model *model, const char *path);

/* Reads a model from what lrnn_model_save or lrnn_checkpoint_save wrote.
 * allocator: NULL means malloc and free.
 * LRNN_ERR_IO: the file cannot be read. LRNN_ERR_FORMAT: it is not a safetensors file, or its
 * metadata or tensors do not describe a model; the message names the file and the key or tensor.
 * LRNN_ERR_UNSUPPORTED: written by a later version of the format. LRNN_ERR_NUMERIC: a parameter is
 * NaN or infinite. LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_load(lrnn_model **model, const char *path,
                                     const lrnn_allocator *allocator);

/* The same from memory, for models that are linked into a program; the bytes are not needed any
 * more when it returns. Since 0.1. */
LRNN_API lrnn_status lrnn_model_load_memory(lrnn_model **model, const void *bytes, size_t length,
                                            const lrnn_allocator *allocator);

/* ---- files of PyTorch ------------------------------------------------------------------------ */

/* How lrnn_model_import reads a file. */
typedef struct lrnn_import_options {
    size_t size;                     /* set by lrnn_import_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    /* The architecture, which the file must then have; its allocator and seed are not read, and
     * feature_size, cell, head_kind, one_hot and padding_token must keep their defaults. NULL
     * (default): it is worked out from names and shapes. */
    const lrnn_model_options *model;
    /* Vocabularies for the model to carry; NULL (default): those of `model`, or none. The sizes
     * must be those of the file. A file without embedding and an input_vocab: one-hot input. */
    const lrnn_vocab *input_vocab;
    const lrnn_vocab *output_vocab;
    /* Names of the modules in the file, where several could be meant: what stands before ".weight"
     * or ".weight_ih_l0"; "" for no prefix. NULL (default): found by shape. */
    const char *embedding;
    const char *recurrent;
    const char *head;
    /* Which entry of the dictionary that torch.save wrote is the state_dict. NULL (default): the
     * dictionary itself, or if it holds no tensor its only entry that is a dictionary of them. */
    const char *entry;
    /* Size F of the real vector that is read after the embedding. Default 0. Without embedding all
     * of the input is real, unless one_hot. */
    size_t feature_size;
    /* LRNN_CELL_*, which the file must then have; -1 (default): what the shapes say, tanh for a
     * plain RNN, whose function they do not tell. */
    int32_t cell;
    /* LRNN_HEAD_*; -1 (default): LRNN_HEAD_STEPS if the file has a head, otherwise NONE. */
    int32_t head_kind;
    int32_t one_hot; /* 1: without embedding, the input is tokens, one-hot; default 0 */
    int32_t partial; /* 1: tensors that belong to no module of the model are left; default 0 */
    int32_t padding_token; /* the model's; the file does not tell. Default -1: none */
    int32_t reserved;      /* 0 */
} lrnn_import_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_import_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_import_options_init(lrnn_import_options *options, size_t struct_size);

/* Makes a model from a state_dict of PyTorch that was saved with safetensors.torch.save_file (or
 * save_model), or with torch.save (the format since PyTorch 1.6), alone or as an entry of a
 * dictionary; nothing in such a file is executed. Modules may have any name: the recurrent one is
 * known by its weight_ih_l0 (also weight_ih of nn.RNNCell, LSTMCell and GRUCell), its cell by rows
 * and columns; the embedding is a weight [V,E] without bias where E is what layer 0 reads, or E +
 * feature_size; the head is a weight [O,D*R], with bias or without, which gives a bias of zero.
 * Where a weight without bias could be either, the one with "emb" in its name is the embedding.
 * Everything is read strictly: each tensor is used, or an error names it. Tensors of float16,
 * bfloat16 and float64 are converted. The model remembers what its tensors were called: see
 * lrnn_model_export. options: NULL means the defaults. LRNN_ERR_IO: the file cannot be read.
 * LRNN_ERR_FORMAT: it is damaged, or its tensors are no model; the message names file and tensor
 * and has both shapes, or says which modules could be meant. LRNN_ERR_INVALID: an option out of
 * range, or one that does not fit the file. LRNN_ERR_NOT_FOUND: there is no module or entry of the
 * name that an option gives. LRNN_ERR_UNSUPPORTED: it has Python objects other than tensors, text
 * and numbers, or is of an older format; or it is a model file of this library already, for
 * lrnn_model_load. LRNN_ERR_NUMERIC: a value is NaN, infinite or too large for float.
 * LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_import(lrnn_model **model, const char *path,
                                       const lrnn_import_options *options);

/* How lrnn_model_export writes a file. */
typedef struct lrnn_export_options {
    size_t size; /* set by lrnn_export_options_init */
    /* Names of the modules in the file, "" for no prefix. NULL (default): as in the file that the
     * model was imported from, otherwise "embedding", "rnn" and "head". */
    const char *embedding;
    const char *recurrent;
    const char *head;
} lrnn_export_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_export_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_export_options_init(lrnn_export_options *options, size_t struct_size);

/* Writes the parameters alone as a safetensors file, for safetensors.torch.load_file and
 * load_state_dict(strict=True). A model that was imported, and what was trained, saved and loaded
 * from it, gives its tensors the names they had. A head that had no bias there has none in the file
 * unless it is no longer zero. The file appears whole or not at all, as with lrnn_model_save.
 * options: NULL means the defaults.
 * LRNN_ERR_UNSUPPORTED: embedding and head were one tensor when the model was imported, and are no
 * longer equal; naming the head in options writes them anyway. LRNN_ERR_INVALID: two tensors would
 * have the same name, a name is not UTF-8, NULL argument. LRNN_ERR_IO, LRNN_ERR_MEMORY.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_model_export(const lrnn_model *model, const char *path,
                                       const lrnn_export_options *options);

/* ---- state: a running instance --------------------------------------------------------------- */

/* h and c of every layer for a number of streams, and the scratch that a step needs. One thread at
 * a time. After create nothing here allocates, locks, does I/O or calls BLAS. The result of a
 * stream does not depend on which others run beside it, and feeding T steps at once gives the same
 * bits as feeding them one by one. */
typedef struct lrnn_state lrnn_state;

typedef struct lrnn_state_options {
    size_t size;                     /* set by lrnn_state_options_init */
    const lrnn_allocator *allocator; /* NULL (default): the model's */
    size_t batch;                    /* most streams at once, B; default 1, at least 1 */
    /* Most steps that lrnn_state_forward computes in one go; longer inputs are cut. More is faster
     * up to about 64 and takes more scratch. A bidirectional model must see a sequence whole, so
     * there it bounds T. Default 32, at least 1. */
    size_t steps;
} lrnn_state_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_state_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_state_options_init(lrnn_state_options *options, size_t struct_size);

/* Makes a state with options->batch live streams, h and c zero. options: NULL means the defaults.
 * The state keeps the model alive. LRNN_ERR_INVALID: a field out of range; LRNN_ERR_MEMORY.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_state_create(lrnn_state **state, const lrnn_model *model,
                                       const lrnn_state_options *options);

/* Takes NULL. Since 0.1. */
LRNN_API void lrnn_state_destroy(lrnn_state *state);

/* Number of streams that are live now: options.batch after create and reset, then what
 * lrnn_state_reorder made it. Since 0.1. */
LRNN_API size_t lrnn_state_batch(const lrnn_state *state);

/* All streams live again, h and c zero. LRNN_ERR_INVALID: NULL. Since 0.1. */
LRNN_API lrnn_status lrnn_state_reset(lrnn_state *state);

/* h and c of one stream zero. LRNN_ERR_INVALID: no such live stream. Since 0.1. */
LRNN_API lrnn_status lrnn_state_reset_stream(lrnn_state *state, size_t stream);

/* Makes `to` equal to `from`: live streams, h and c. Both must be of models of the same
 * architecture. LRNN_ERR_INVALID: they are not, or `to` has too few streams. Since 0.1. */
LRNN_API lrnn_status lrnn_state_copy(lrnn_state *to, const lrnn_state *from);

/* Replaces the live streams: new stream i continues old stream parents[i]. An index may repeat (a
 * beam that forks) or be left out (one that dies); `count` may be less or more than before, up to
 * options.batch. A parent of -1 starts a stream at zero. LRNN_ERR_INVALID: count is 0 or too large,
 * a parent is not a live stream. Since 0.1. */
LRNN_API lrnn_status lrnn_state_reorder(lrnn_state *state, const int32_t *parents, size_t count);

/* Copies h and c out of the state and into it; PyTorch's h_n and c_n: h [L*D,B,R], c
 * [L*D,B,H], layer by layer, forward direction first, B the live streams. c NULL with RNN and GRU
 * cells, which have none; for LSTM either may be NULL to leave it out. LRNN_ERR_INVALID: both NULL,
 * c given without an LSTM. Since 0.1. */
LRNN_API lrnn_status lrnn_state_export(float *h, float *c, const lrnn_state *state);
LRNN_API lrnn_status lrnn_state_import(lrnn_state *state, const float *h, const float *c);

/* Feeds T steps to every live stream and goes on from there; B must be the number of live streams.
 * outputs: [B,T,O] for LRNN_HEAD_STEPS (without a head [B,T,D*R]), steps past a sequence's length
 * zero; [B,O] for LRNN_HEAD_LAST and LRNN_HEAD_FINAL; NULL if not wanted.
 * A bidirectional model starts its reverse layers from the state's too, as PyTorch does with h_0.
 * LRNN_ERR_INVALID: a token out of range (the message gives row, step and value), sizes that do not
 * fit. LRNN_ERR_UNSUPPORTED: bidirectional and T > options.steps. Nothing has changed then.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_state_forward(lrnn_state *state, const lrnn_sequences *sequences,
                                        float *outputs);

/* One step for every live stream: lrnn_state_forward with T = 1, and the shortest way there.
 * tokens: [B]; features: [B,F]; NULL for what the model does not read. outputs: [B,O], or [B,D*R]
 * without a head, or NULL.
 * LRNN_ERR_INVALID as above. LRNN_ERR_UNSUPPORTED: the model is bidirectional. Since 0.1. */
LRNN_API lrnn_status lrnn_state_step(lrnn_state *state, const int32_t *tokens,
                                     const float *features, float *outputs);

#ifdef __cplusplus
}
#endif

#endif
