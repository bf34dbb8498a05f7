/* liblrnn, topic "model": a network's architecture and parameters (lrnn_model), and a running
 * instance of it (lrnn_state). */
#ifndef LRNN_MODEL_H
#define LRNN_MODEL_H

#include "base.h" /* lrnn_status, lrnn_allocator */
#include "text.h" /* lrnn_vocab */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sequences: what goes in ----------------------------------------------------------------- */

/* A batch of B sequences of up to T steps: read-only, used only during the call. The same struct
 * serves inference and training; inference ignores targets and weights.
 *
 * Of two shapes the one without T holds where the head gives one output per sequence
 * (LRNN_HEAD_LAST, LRNN_HEAD_FINAL). */
typedef struct lrnn_sequences {
    size_t size;  /* set by lrnn_sequences_init */
    size_t batch; /* B, at least 1 */
    size_t steps; /* T, at least 1 */
    /* [B,T] ids 0..vocab_size-1; required if and only if the model's vocab_size is not 0. */
    const int32_t *tokens;
    /* [B,T,F]; required if and only if the model's feature_size F is not 0. */
    const float *features;
    /* [B] steps of each sequence, 1..T; NULL (default): all T. Later steps are not read. */
    const int32_t *lengths;
    /* [B,T] or [B] class ids 0..output_size-1 for cross-entropy; an item with a negative target is
     * ignored. */
    const int32_t *targets;
    /* [B,T,O] or [B,O] target values of the outputs, for the losses that compare each output with
     * one; for binary cross-entropy 0..1, and a negative value is ignored. */
    const float *target_values;
    /* [B,T] or [B] weight of each item in the loss, finite and at least 0; NULL (default): all 1.
     * With LRNN_LOSS_CTC [B]: an item is a row. */
    const float *weights;
    /* [B,T,O] or [B,O] weight of each of the target_values, finite and at least 0, for the losses
     * that use them; NULL (default): all 1. A target value of weight 0 is not read and may be NaN.
     * Since 0.2. */
    const float *value_weights;
    /* For LRNN_LOSS_CTC: targets is [B,S], the labels of each row in order, and this is S; a label
     * is 0..output_size-1 and not the blank. 0 (default): no row has a label. Since 0.2. */
    size_t target_steps;
    /* [B] number of labels of each row, 0..S; NULL (default): all S. Later ones are not read. Since
     * 0.2. */
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
 * In shapes H is the layer's hidden size, R the size of its h: H, or with a projection that of the
 * projection; D is 2 for a bidirectional model, else 1. The h of all layers is [L*D,B,R]: one
 * [B,R] after another, layer by layer, forward direction first; c is the same with H. That is one
 * array also where layers are of different sizes (hidden_sizes): then each part is of its layer's
 * size, [B,R_0], [B,R_1] and so on. */
enum { LRNN_CELL_RNN_TANH = 0, LRNN_CELL_RNN_RELU = 1, LRNN_CELL_LSTM = 2, LRNN_CELL_GRU = 3 };

/* Where the linear layer after the recurrent layers is applied. */
enum {
    LRNN_HEAD_NONE = 0,  /* nowhere: the output is the top layer's h at every step, [B,T,D*R] */
    LRNN_HEAD_STEPS = 1, /* at every step, output [B,T,O] */
    LRNN_HEAD_LAST = 2,  /* at the last step of each sequence's own length, output [B,O] */
    /* To the top layer's final states, output [B,O]. The same as LAST unless bidirectional: then
     * the half of the reverse direction is its state at the first step, after it has read the whole
     * sequence. */
    LRNN_HEAD_FINAL = 3
};

/* How a model stores its matrices: embedding, weight_ih, weight_hh, weight_hr and the head's
 * weight. Biases and states are always float32, and all arithmetic but the products of
 * LRNN_WEIGHT_INT8. */
enum {
    LRNN_WEIGHT_FLOAT32 = 0,
    /* The upper half of a float32: its range, with 8 bits of precision, rounded to nearest even.
     * Half the memory and half the file and, because a step reads all weights, up to twice the
     * speed. The results are those of a float32 model with the same numbers, bit for bit. */
    LRNN_WEIGHT_BFLOAT16 = 1,
    /* Whole numbers of -127..127 times a scale that each row has, of a matrix that multiplies the
     * row of an output or a gate, of an embedding that of a token: w = q * s with s = max|w| / 127
     * over the row, of which 17 bits are kept, and q = w / s rounded to nearest even. An eighth of
     * the memory and a quarter of the file. What such a matrix multiplies is rounded as well, at
     * every step: a row of at most 2,048 values a (of a longer one each so many) becomes
     * b = a / t, t = max|a| / 127. The products are summed as integers, without error, and
     * t * s times their sum is added to the rest; a row in which a value is not finite gives NaN.
     * Since 0.2. */
    LRNN_WEIGHT_INT8 = 2
};

/* What is done to values element by element, or to all values of an item together. Since 0.2. */
enum {
    LRNN_ACTIVATION_NONE = 0,
    LRNN_ACTIVATION_SIGMOID = 1,
    LRNN_ACTIVATION_TANH = 2,
    LRNN_ACTIVATION_SOFTMAX = 3,     /* probabilities, which sum to 1 */
    LRNN_ACTIVATION_LOG_SOFTMAX = 4, /* and their logarithms */
    LRNN_ACTIVATION_RELU = 5         /* of layers, not of outputs */
};

/* A size that the library derives from the others. */
#define LRNN_AUTO ((size_t)-1)

/* Most cutoffs of an adaptive softmax. Since 0.2. */
#define LRNN_MOST_CUTOFFS 8

/* Layers that can have a size of their own. Since 0.2. */
#define LRNN_MOST_HIDDEN_SIZES 8

typedef struct lrnn_model_options {
    size_t size;                     /* set by lrnn_model_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    /* Vocabularies that the model carries in memory and in its file; NULL (default): none. The
     * model shares them, so the caller may destroy their handles. Their sizes must agree with
     * vocab_size and output_size. */
    const lrnn_vocab *input_vocab;
    const lrnn_vocab *output_vocab;
    /* Number of input tokens; 0: the input has no tokens. LRNN_AUTO (default): the size of
     * input_vocab, or 0 without one. */
    size_t vocab_size;
    /* Size of the vector that represents a token; 0: one-hot vectors of size vocab_size. Not used
     * without token input. Default 64. */
    size_t embedding_size;
    /* Size F of the real vector read at each step; if there are tokens too, it is appended to the
     * embedding. Default 0: none. */
    size_t feature_size;
    /* H, of every layer that has no size of its own in hidden_sizes; default 128, at least 1 unless
     * layers is 0. */
    size_t hidden_size;
    size_t layers; /* L; default 1; 0: no recurrence, the head reads the input itself */
    /* Outputs O of the head. LRNN_AUTO (default): the size of output_vocab, or vocab_size without
     * one. Not used with LRNN_HEAD_NONE. */
    size_t output_size;
    int32_t cell;          /* LRNN_CELL_*; default LRNN_CELL_LSTM */
    int32_t head;          /* LRNN_HEAD_*; default LRNN_HEAD_STEPS */
    int32_t bidirectional; /* 1: each layer also reads its input in reverse; default 0 */
    int32_t bias;          /* 0: the recurrent layers have no bias vectors; default 1 */
    /* In training, the probability with which each output of every layer but the last is set to
     * zero; the others are divided by 1 - dropout. 0 <= dropout < 1; default 0. */
    double dropout;
    /* Seed of the initial parameters. They are drawn from PyTorch's distributions: recurrent layers
     * uniform in +-1/sqrt(H); head uniform in +-1/sqrt(its inputs); embedding normal(0,1); unless
     * initial_range, orthogonal or forget_bias, below, say otherwise. Default 1. */
    uint64_t seed;
    /* LSTM: size P of h when it is a projection of the cell's output; less than the hidden size,
     * which remains the size of c. The next layer, the head and the h of a state see P values.
     * torch.nn.LSTM's proj_size; Sak, Senior & Beaufays 2014. Default 0: none. */
    size_t projection_size;
    /* A token whose vector is not trained: it gets no gradient, and is zero in a model with random
     * parameters (torch.nn.Embedding's padding_idx). Requires an embedding. Default -1: none. */
    int32_t padding_token;
    /* LRNN_WEIGHT_*; default LRNN_WEIGHT_FLOAT32. A trainer always works on float32 numbers; its
     * snapshots have the model's type. */
    int32_t weight_type;
    /* All initial parameters uniform in +-initial_range, embedding and biases too; finite, at least
     * 0. Default 0: PyTorch's distributions, see seed. Since 0.2. */
    double initial_range;
    /* LSTM with bias: initial bias of the forget gates, above 0 so that they start open
     * (Jozefowicz, Zaremba & Sutskever 2015): that of b_ih, with 0 in b_hh. Finite. Default 0:
     * drawn like the others. Since 0.2. */
    double forget_bias;
    /* 1: the initial weight_hh of each gate, [H,R], is an orthogonal matrix, drawn as
     * torch.nn.init.orthogonal_ does; with a projection its columns are orthonormal. Requires
     * layers. Default 0. Since 0.2. */
    int32_t orthogonal;
    /* 1: the head's matrix is the embedding's (Press & Wolf 2017): one parameter, embedding.weight,
     * whose gradient is the sum of both uses; there is no head.weight. output_size must be
     * vocab_size, and what the head reads embedding_size: the last layer's hidden size, with an
     * LSTM projection_size if that is not 0, twice that if bidirectional. A padding_token gets
     * gradients from the head. With PyTorch's distributions it is drawn as an embedding; a small
     * initial_range is better. Default 0. Since 0.2. */
    int32_t tied_weights;
    /* In training, like dropout and with a probability of their own, 0 <= p < 1, default 0. Of
     * every value that layer 0 reads, features and one-hot vectors too: */
    double input_dropout; /* since 0.2 */
    /* of every value that the head reads; requires layers and LRNN_HEAD_STEPS or _LAST: */
    double output_dropout; /* since 0.2 */
    /* and of the vector of every token, all of it wherever the token occurs in a window; requires
     * an embedding (Gal & Ghahramani 2016). */
    double embedding_dropout; /* since 0.2 */
    /* 1: dropout, input_dropout and output_dropout drop the same places at all steps of a window,
     * each row others ("variational" or "locked" dropout). Default 0: each step others. Since
     * 0.2. */
    int32_t locked_dropout;
    int32_t reserved; /* 0 */
    /* Of every recurrent weight, weight_hh, for a whole window (weight drop; Merity, Keskar &
     * Socher 2018). Requires layers. Since 0.2. */
    double weight_dropout;
    /* Adaptive softmax (Grave et al. 2017; torch.nn.AdaptiveLogSoftmaxWithLoss): a head for many
     * outputs whose first ids are the frequent ones. Ascending ids, each above 0 and below
     * output_size; the first 0 ends them. Outputs 0..cutoffs[0]-1, the shortlist, and one value for
     * each tail come from head.head.weight, [cutoffs[0] + tails, top]; tail i is outputs
     * cutoffs[i] up to the next cutoff, or output_size, and reads the top layer through
     * head.tail.i.0.weight, [N_i, top], and head.tail.i.1.weight, [its outputs, N_i], with
     * N_i = floor(top / div_value^(i+1)), at least 1. The model's outputs are then
     * log-probabilities: of the shortlist's softmax, and of a tail that of its value plus that of
     * the tail's own softmax. Requires a head, not with tied_weights; a trainer then has
     * LRNN_LOSS_CROSS_ENTROPY without label_smoothing, or LRNN_LOSS_NONE. Default all 0: the head
     * is one matrix, and its outputs are logits. Since 0.2. */
    size_t cutoffs[LRNN_MOST_CUTOFFS];
    /* With cutoffs: at least 1, finite; 0 (default): 4. Since 0.2. */
    double div_value;
    /* With cutoffs, 1: the shortlist and the tails' values have a bias, head.head.bias, as with
     * PyTorch's head_bias. Default 0. Since 0.2. */
    int32_t adaptive_bias;
    /* LRNN_ACTIVATION_* that lrnn_state_forward and lrnn_state_step apply to the head's outputs.
     * Trainers (outputs, their gradients) and decoders work on the values before it. A trainer's
     * loss takes it into account and must fit: softmax and log-softmax go with cross-entropy and
     * CTC, sigmoid with binary cross-entropy, which all are computed from the values before it;
     * sigmoid and tanh with the losses that compare outputs with target values. Requires a head,
     * not with cutoffs. Default LRNN_ACTIVATION_NONE. Since 0.2. */
    int32_t output_activation;
    /* 1: what each layer reads is normalized first (Ba, Kiros & Hinton 2016; torch.nn.LayerNorm):
     * (x - mean) / sqrt(variance + layer_norm_epsilon) * norm.l.weight + norm.l.bias, over the
     * values of a step. Requires layers. Default 0. Since 0.2. */
    int32_t layer_norm;
    /* 1: what a layer reads (before layer_norm) is added to its h where both are of one size: in
     * every layer but layer 0 always, so hidden_sizes may not make them differ. States hold the h
     * without it, and so does what LRNN_HEAD_FINAL reads. Requires layers of which one has it.
     * Default 0. Since 0.2. */
    int32_t residual;
    /* Finite, at least 0; 0 (default): 1e-5. Only with layer_norm. Since 0.2. */
    double layer_norm_epsilon;
    /* A linear layer before layer 0, input.weight [N,I] and input.bias [N], and its activation:
     * LRNN_ACTIVATION_NONE (default), _SIGMOID, _TANH or _RELU; input_dropout acts on what it
     * reads. N 0 (default): none. Since 0.2. */
    size_t input_layer_size;
    /* The same before the head, head_input.weight [N,top] and head_input.bias; output_dropout acts
     * on what it reads, and the head reads N values. Since 0.2. */
    size_t head_layer_size;
    int32_t input_layer_activation; /* since 0.2 */
    int32_t head_layer_activation;  /* since 0.2 */
    /* 1: streams and windows that would start from zero start from parameters, state.h_l0 [R] and
     * with an LSTM state.c_l0 [H] and so on for each layer (and direction, suffix _reverse); a
     * state that is imported or carried gives them no gradient. Initially 0 unless initial_range is
     * given. Requires layers. Default 0. Since 0.2. */
    int32_t learned_state;
    int32_t reserved_2; /* 0 */
    /* The hidden size of each of the first eight layers, where it is not hidden_size; 0 (default):
     * hidden_size, of which all layers after the eighth are. Of an LSTM with a projection they are
     * the sizes of c, each above projection_size, which remains the size of h in every layer. A
     * layer reads what the one before it gives, whatever the size; only `residual`, which adds the
     * two, requires h of one size. In PyTorch such a model is a list of modules of one layer. The
     * options of a model that is made have either all 0 here or, where sizes differ, the size of
     * every layer, and in hidden_size that of the last one. Since 0.2. */
    size_t hidden_sizes[LRNN_MOST_HIDDEN_SIZES];
} lrnn_model_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_model_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_model_options_init(lrnn_model_options *options, size_t struct_size);

/* Makes a model with random parameters.
 * LRNN_ERR_INVALID: a field out of range or two that do not fit; the message names them.
 * LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_create(lrnn_model **model, const lrnn_model_options *options);

/* A parameter tensor supplied by the caller. */
typedef struct lrnn_tensor {
    size_t size;         /* set by lrnn_tensor_init */
    const char *name;    /* for example "rnn.weight_ih_l0" */
    const float *values; /* row-major */
    size_t rank;         /* 1 or 2 */
    size_t shape[2];
} lrnn_tensor;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_tensor). Since 0.1. */
LRNN_API lrnn_status lrnn_tensor_init(lrnn_tensor *tensor, size_t struct_size);

/* Makes a model from given parameters: `count` tensors in any order, each parameter once. The
 * values are copied. options->seed is not used.
 * LRNN_ERR_INVALID: as lrnn_model_create; or a tensor is missing, given twice, of the wrong shape
 * (the message has both shapes) or NULL. LRNN_ERR_NOT_FOUND: the model has no parameter of that
 * name. LRNN_ERR_NUMERIC: a value is NaN, infinite or too large for the weight_type.
 * LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_create_from_tensors(lrnn_model **model,
                                                    const lrnn_model_options *options,
                                                    const lrnn_tensor *tensors, size_t count);

/* Makes a model of the same architecture, parameters and vocabularies that stores its matrices as
 * weight_type (LRNN_WEIGHT_*): numbers are rounded to bfloat16 or int8; to float32 they are exact.
 * A model that is of this type already is shared, not copied. The new model has the allocator of
 * the old one. LRNN_ERR_INVALID: NULL argument, or no such type. LRNN_ERR_NUMERIC: a number is too
 * large for bfloat16; the message names the parameter. LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_convert(lrnn_model **converted, const lrnn_model *model,
                                        int32_t weight_type);

/* Releases the caller's reference. States and trainers made from the model keep what they need, so
 * a model may be destroyed before them. Accepts NULL. Since 0.1. */
LRNN_API void lrnn_model_destroy(lrnn_model *model);

/* Adds a reference to the same model, to be released with lrnn_model_destroy like the first. A
 * thread that uses a model which others replace takes a reference under the lock that guards the
 * handle, then works on it without the lock. Returns model; NULL for NULL. Since 0.1. */
LRNN_API lrnn_model *lrnn_model_share(const lrnn_model *model);

/* Writes the options of the model into *options, with sizes resolved (no LRNN_AUTO) and allocator
 * NULL; the vocabularies are valid until the model is destroyed. options->size must have been set
 * by lrnn_model_options_init. LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_model_get_options(lrnn_model_options *options, const lrnn_model *model);

/* The vocabulary, valid until the model is destroyed; NULL if it has none. Since 0.1. */
LRNN_API const lrnn_vocab *lrnn_model_input_vocab(const lrnn_model *model);
LRNN_API const lrnn_vocab *lrnn_model_output_vocab(const lrnn_model *model);

/* Number of values that the model outputs per step or per sequence: O, or D*R without a head. Since
 * 0.1. */
LRNN_API size_t lrnn_model_output_size(const lrnn_model *model);

/* The hidden size H of layer `layer`, counted from 0: of its c, and unless the model has a
 * projection of its h. 0: NULL, or there is no such layer. Since 0.2. */
LRNN_API size_t lrnn_model_hidden_size(const lrnn_model *model, size_t layer);

/* Describes a parameter. Names and shapes are those of a PyTorch module with members `embedding`
 * (nn.Embedding), `rnn` (nn.RNN, nn.LSTM or nn.GRU) and `head` (nn.Linear). All parameters form one
 * flat array, in this order: embedding.weight, input.weight and input.bias of an input layer, then
 * for each layer norm.0.weight and norm.0.bias with layer_norm and (for each direction, suffix
 * _reverse)
 * rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0, rnn.weight_hr_l0 with a
 * projection, then state.h_l0, state.c_l0, .. of a learned state, head_input.weight and
 * head_input.bias of a head layer, head.weight (unless tied_weights), head.bias; with cutoffs
 * head.head.weight, head.head.bias with adaptive_bias, head.tail.0.0.weight, head.tail.0.1.weight
 * and so on, where `head` is an nn.AdaptiveLogSoftmaxWithLoss. The trainer's gradients have the
 * same layout. */
typedef struct lrnn_parameter {
    size_t size;      /* set by lrnn_parameter_init */
    const char *name; /* valid until the model is destroyed */
    size_t rank;      /* 1 or 2 */
    size_t shape[2];
    size_t offset; /* of its first value in the flat array */
    size_t count;  /* of its values */
} lrnn_parameter;

/* Sets every field to 0 and NULL. struct_size: sizeof(lrnn_parameter). Since 0.1. */
LRNN_API lrnn_status lrnn_parameter_init(lrnn_parameter *parameter, size_t struct_size);

/* Number of parameter tensors, and total number of their values. Since 0.1. */
LRNN_API size_t lrnn_model_tensor_count(const lrnn_model *model);
LRNN_API size_t lrnn_model_parameter_count(const lrnn_model *model);

/* Describes tensor `index`, 0..lrnn_model_tensor_count-1, in the order of the flat array.
 * LRNN_ERR_INVALID: index out of range, NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_model_get_parameter(lrnn_parameter *parameter, const lrnn_model *model,
                                              size_t index);

/* The same by name. LRNN_ERR_NOT_FOUND; LRNN_ERR_INVALID: NULL argument. Since 0.1. */
LRNN_API lrnn_status lrnn_model_find_parameter(lrnn_parameter *parameter, const lrnn_model *model,
                                               const char *name);

/* Copies the values of one parameter or, if name is NULL, of all of them in the order of the flat
 * array. values: room for `capacity` values.
 * LRNN_ERR_NOT_FOUND; LRNN_ERR_TOO_SMALL: the message has the number needed; LRNN_ERR_INVALID: NULL
 * argument. Since 0.1. */
LRNN_API lrnn_status lrnn_model_copy_parameter(float *values, size_t capacity,
                                               const lrnn_model *model, const char *name);

/* ---- files ----------------------------------------------------------------------------------- */

/* Writes the model as a safetensors file: tensors by the names above, architecture and vocabularies
 * in its metadata. The file appears complete or not at all: it is written beside `path`, synced,
 * and renamed to it. LRNN_ERR_IO: path and reason; LRNN_ERR_MEMORY; LRNN_ERR_INVALID. Since 0.1. */
LRNN_API lrnn_status lrnn_model_save(const lrnn_model *model, const char *path);

/* Reads a model from a file written by lrnn_model_save or lrnn_checkpoint_save.
 * allocator: NULL means malloc and free.
 * LRNN_ERR_IO: the file cannot be read. LRNN_ERR_FORMAT: it is not a safetensors file, or its
 * metadata or tensors do not describe a model; the message names the file and the key or tensor.
 * LRNN_ERR_UNSUPPORTED: written by a later version of the format. LRNN_ERR_NUMERIC: a parameter is
 * NaN or infinite. LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_load(lrnn_model **model, const char *path,
                                     const lrnn_allocator *allocator);

/* The same from memory, for models that are linked into a program; the bytes are not needed after
 * it returns. Since 0.1. */
LRNN_API lrnn_status lrnn_model_load_memory(lrnn_model **model, const void *bytes, size_t length,
                                            const lrnn_allocator *allocator);

/* ---- state: a running instance --------------------------------------------------------------- */

/* The h and c of every layer for a number of streams, and the scratch memory of a step. Used by one
 * thread at a time. After create nothing here allocates, locks, does I/O or calls BLAS. The result
 * of a stream does not depend on the other streams, and feeding T steps at once gives the same bits
 * as feeding them one by one. */
typedef struct lrnn_state lrnn_state;

typedef struct lrnn_state_options {
    size_t size;                     /* set by lrnn_state_options_init */
    const lrnn_allocator *allocator; /* NULL (default): the model's */
    size_t batch;                    /* maximum number of streams B; default 1, at least 1 */
    /* Steps that lrnn_state_forward computes at a time; longer inputs are processed in pieces. More
     * is faster, up to about 64, and takes more memory. A bidirectional model has to see the whole
     * sequence, so there it is the limit of T. Default 32, at least 1. */
    size_t steps;
} lrnn_state_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_state_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_state_options_init(lrnn_state_options *options, size_t struct_size);

/* Makes a state with options->batch streams, h and c zero. options: NULL means the defaults.
 * The state keeps the model alive. LRNN_ERR_INVALID: a field out of range; LRNN_ERR_MEMORY.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_state_create(lrnn_state **state, const lrnn_model *model,
                                       const lrnn_state_options *options);

/* Accepts NULL. Since 0.1. */
LRNN_API void lrnn_state_destroy(lrnn_state *state);

/* Current number of streams: options.batch after create and reset, then as lrnn_state_reorder set
 * it. Since 0.1. */
LRNN_API size_t lrnn_state_batch(const lrnn_state *state);

/* Back to options.batch streams, with h and c zero. LRNN_ERR_INVALID: NULL. Since 0.1. */
LRNN_API lrnn_status lrnn_state_reset(lrnn_state *state);

/* Sets h and c of one stream to zero. LRNN_ERR_INVALID: there is no such stream. Since 0.1. */
LRNN_API lrnn_status lrnn_state_reset_stream(lrnn_state *state, size_t stream);

/* Is the state of a stream finite? A NaN or infinity among the features of one step stays in a
 * recurrent state for ever: a program that cannot stop asks after a step, or now and then, and
 * resets that stream alone. Reads the stream's h and c once; allocates nothing.
 * LRNN_ERR_NUMERIC: it is not; LRNN_ERR_INVALID: NULL, or there is no such stream. Since 0.2. */
LRNN_API lrnn_status lrnn_state_check_stream(const lrnn_state *state, size_t stream);

/* Copies the streams of `from` to `to`: their number, h and c. Both must belong to models of the
 * same architecture. LRNN_ERR_INVALID: they do not, or `to` has room for too few streams. Since
 * 0.1. */
LRNN_API lrnn_status lrnn_state_copy(lrnn_state *to, const lrnn_state *from);

/* Replaces the streams: new stream i continues old stream parents[i]. An index may repeat (a
 * hypothesis that forks) or be absent (one that is dropped); `count` may be less or more than
 * before, up to options.batch. A parent of -1 starts a stream at zero. LRNN_ERR_INVALID: count is 0
 * or too large, or there is no such parent. Since 0.1. */
LRNN_API lrnn_status lrnn_state_reorder(lrnn_state *state, const int32_t *parents, size_t count);

/* Copies h and c out of the state and into it, as PyTorch's h_n and c_n: h [L*D,B,R], c [L*D,B,H],
 * layer by layer, forward direction first, B the number of streams; with hidden_sizes each layer's
 * part has its own size. c is NULL for RNN and GRU cells, which have none; for LSTM either may be
 * NULL, which skips it. LRNN_ERR_INVALID: both are NULL, or c is given without an LSTM.
 * Since 0.1. */
LRNN_API lrnn_status lrnn_state_export(float *h, float *c, const lrnn_state *state);
LRNN_API lrnn_status lrnn_state_import(lrnn_state *state, const float *h, const float *c);

/* Feeds T steps to every stream, continuing from its state; B must be the number of streams.
 * outputs: [B,T,O] for LRNN_HEAD_STEPS (without a head [B,T,D*R]), zero past a sequence's length;
 * [B,O] for LRNN_HEAD_LAST and LRNN_HEAD_FINAL; NULL if not wanted.
 * A bidirectional model starts its reverse layers from the state as well, as PyTorch does with h_0.
 * LRNN_ERR_INVALID: a token out of range (the message gives row, step and value), sizes that do not
 * fit. LRNN_ERR_UNSUPPORTED: bidirectional and T > options.steps. After an error nothing has
 * changed. Since 0.1. */
LRNN_API lrnn_status lrnn_state_forward(lrnn_state *state, const lrnn_sequences *sequences,
                                        float *outputs);

/* One step for every stream: the same as lrnn_state_forward with T = 1, with the least overhead.
 * tokens: [B]; features: [B,F]; NULL for an input that the model does not have. outputs: [B,O], or
 * [B,D*R] without a head, or NULL.
 * LRNN_ERR_INVALID as above. LRNN_ERR_UNSUPPORTED: the model is bidirectional. Since 0.1. */
LRNN_API lrnn_status lrnn_state_step(lrnn_state *state, const int32_t *tokens,
                                     const float *features, float *outputs);

/* ---- files of PyTorch ------------------------------------------------------------------------ */

/* Options of lrnn_model_import. */
typedef struct lrnn_import_options {
    size_t size;                     /* set by lrnn_import_options_init */
    const lrnn_allocator *allocator; /* NULL (default): malloc and free */
    /* The architecture that the file is required to have; its allocator and seed are not used, and
     * feature_size, cell, head_kind, one_hot and padding_token must keep their defaults. NULL
     * (default): it is derived from names and shapes. */
    const lrnn_model_options *model;
    /* Vocabularies for the model to carry; NULL (default): those of `model`, or none. Their sizes
     * must be those of the file. With an input_vocab, a file without embedding has one-hot
     * input. */
    const lrnn_vocab *input_vocab;
    const lrnn_vocab *output_vocab;
    /* Names of the modules in the file, required where several would fit: what comes before
     * ".weight" or ".weight_ih_l0"; "" for no prefix. NULL (default): found by shape. */
    const char *embedding;
    const char *recurrent;
    const char *head;
    /* Which entry of the dictionary that torch.save wrote is the state_dict: the keys that lead to
     * it with dots between them ("model.net"; an element of a list by its number). NULL (default):
     * the dictionary itself or, if it has no tensor, the only dictionary of tensors that the fewest
     * keys lead to. */
    const char *entry;
    /* Size F of the real vector that is appended to the embedding. Default 0. Without an embedding
     * all of the input is real, unless one_hot is 1. */
    size_t feature_size;
    /* LRNN_CELL_* that the file is required to have; -1 (default): what the shapes say. For a plain
     * RNN, whose activation they do not show, that is tanh. */
    int32_t cell;
    /* LRNN_HEAD_*; -1 (default): LRNN_HEAD_STEPS if the file has a head, otherwise NONE. */
    int32_t head_kind;
    int32_t one_hot; /* 1: without an embedding, the input is one-hot tokens; default 0 */
    /* 1: tensors of other modules are left out, see left_out. What the modules that are taken would
     * need is not: what lies in or under one of them; and, of what is no matrix with its bias, what
     * is as wide as a vector that passes through the model, such as a normalization or a learned
     * initial state. `without` names those that are to be left out all the same. Default 0. */
    int32_t partial;
    int32_t padding_token; /* of the model; not recorded in such a file. Default -1: none */
    /* 1: a model with tied_weights, from a file in which embedding and head are one tensor or equal
     * ones; must keep its default with `model`. Default 0: two matrices. Since 0.2. */
    int32_t tied_weights;
    /* Instead of `entry`: the entries that the net is in, where it is in several, such as
     * {"model": ..., "generator": ...}. The names of tensors and modules then begin with that of
     * their entry: "generator.weight". Default NULL and 0. Since 0.2. */
    const char *const *entries;
    size_t entry_count;
    /* Instead of `recurrent`: the names of the recurrent modules, in the order of the layers that
     * they become. Default NULL and 0: found, where their names say the order. Since 0.2. */
    const char *const *recurrent_modules;
    size_t recurrent_module_count;
    /* Names of tensors to leave out, whatever they are. Default NULL and 0. Since 0.2. */
    const char *const *without;
    size_t without_count;
    /* Called for each tensor that was left out, once the model is made. Default NULL. Since 0.2. */
    void (*left_out)(void *left_out_user, const char *name);
    void *left_out_user; /* its first argument; default NULL. Since 0.2. */
    /* What stands around the recurrent layers. The file says neither what is done with such tensors
     * nor that they are there to be used, so the caller does; what is not asked for is an error.
     * With `model`, which says which of them there are, these fields are only names, and
     * layer_norm_epsilon, the activations, layer_norm and residual must keep their defaults. */
    double layer_norm_epsilon; /* of nn.LayerNorm; 0 (default): 1e-5. Since 0.2. */
    /* The names of the linear layers before layer 0 and before the head, such as "fc_in" and
     * "head.0". NULL (default): there is none, or with a `model` that has one "input" and
     * "head_input". Since 0.2. */
    const char *input_layer;
    const char *head_layer;
    /* The names of the tensors that h and c of every stream begin with: of [L*D,1,R] or [L*D,R], or
     * with one layer and direction [R], and H in place of R for c. Where there is no such tensor,
     * those of a list, "h0.0", "h0.1" and so on, which share the layers evenly. NULL (default):
     * there is none, or with a `model` that has learned_state "h0" and "c0". Since 0.2. */
    const char *initial_h;
    const char *initial_c;
    /* The names of the normalizations, one for each layer in their order; layer_norm is then taken
     * as 1. Default NULL and 0: found. Since 0.2. */
    const char *const *norm_modules;
    size_t norm_module_count;
    /* LRNN_ACTIVATION_* after the two linear layers: NONE (default), SIGMOID, TANH or RELU. Since
     * 0.2. */
    int32_t input_layer_activation;
    int32_t head_layer_activation;
    /* 1: there is an nn.LayerNorm before each layer, of what that layer reads. They are the modules
     * with a weight and a bias of rank 1, in the order of the number in which their names differ.
     * Default 0. Since 0.2. */
    int32_t layer_norm;
    int32_t residual; /* 1: the model's residual; no tensor shows it. Default 0. Since 0.2. */
} lrnn_import_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_import_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_import_options_init(lrnn_import_options *options, size_t struct_size);

/* Makes a model from a PyTorch state_dict that was saved with safetensors.torch.save_file (or
 * save_model) or with torch.save (the format since PyTorch 1.6), alone or as an entry of a
 * dictionary; nothing in such a file is executed.
 * Modules may have any name. The recurrent module is recognised by its weight_ih_l0 (or weight_ih
 * of nn.RNNCell, LSTMCell and GRUCell), its cell by rows and columns; several whose names differ in
 * one number are layers in that order, if each reads what the one before gives, of one hidden size
 * or of several. The embedding is a weight [V,E] without bias, where layer 0 reads E or E +
 * feature_size values; the head is a weight [O,D*R], with or without bias (without, the model's
 * bias is zero). Where a weight without bias could be either, the one with "emb" in its name is the
 * embedding.
 * Weights under weight_norm, spectral_norm (hooks or parametrizations), pruning and the weight drop
 * of AWD-LSTM are computed as in eval mode, and keep the plain name ("weight_hh_l0") for export.
 * Every tensor is used, or an error names it. Tensors of float16, bfloat16 and float64 are
 * converted. The model remembers the names of its tensors for lrnn_model_export.
 * options: NULL means the defaults.
 * LRNN_ERR_IO: the file cannot be read. LRNN_ERR_FORMAT: it is damaged, or its tensors do not form
 * a model; the message names file and tensor and gives both shapes, or the modules that fit.
 * LRNN_ERR_INVALID: an option is out of range or does not fit the file. LRNN_ERR_NOT_FOUND: there
 * is no module, entry or tensor of the name in an option. LRNN_ERR_UNSUPPORTED: it is a whole
 * Python module or of an older format, which the message names; or it is a model file of this
 * library, for lrnn_model_load. LRNN_ERR_NUMERIC: a value is NaN, infinite or too large for float.
 * LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_import(lrnn_model **model, const char *path,
                                       const lrnn_import_options *options);

/* Options of lrnn_model_export. */
typedef struct lrnn_export_options {
    size_t size; /* set by lrnn_export_options_init */
    /* Names of the modules in the file, "" for no prefix. NULL (default): as in the file that the
     * model was imported from, otherwise "embedding", "rnn" and "head". */
    const char *embedding;
    const char *recurrent;
    const char *head;
    /* The same for the linear layers, "input" and "head_input"; the list of normalizations, "norm";
     * and the tensors that streams begin with, "h0" [L*D,1,R] and "c0" [L*D,1,H], or where hidden
     * sizes differ a list of one for each layer, "h0.0" [D,1,R] and so on. Since 0.2. */
    const char *input_layer;
    const char *head_layer;
    const char *norm;
    const char *initial_h;
    const char *initial_c;
} lrnn_export_options;

/* Fills in the defaults. struct_size: sizeof(lrnn_export_options).
 * LRNN_ERR_INVALID as for lrnn_allocator_init. Since 0.1. */
LRNN_API lrnn_status lrnn_export_options_init(lrnn_export_options *options, size_t struct_size);

/* Writes only the parameters, as a safetensors file for safetensors.torch.load_file and
 * load_state_dict(strict=True). The tensors of a model that was imported keep the names they had,
 * also after training, saving and loading. Otherwise, with layer_norm or residual, or layers of
 * different hidden sizes, each layer is a module of a list, "rnn.0.weight_ih_l0", as it has to be
 * in PyTorch; without, all are of one. A head that had no bias there gets none in the file unless
 * it is no longer zero. The file appears complete or not at all, as with lrnn_model_save. options:
 * NULL means the defaults. LRNN_ERR_UNSUPPORTED: embedding and head were one tensor when the model
 * was imported and are no longer equal; naming the head in the options writes both.
 * LRNN_ERR_INVALID: two tensors would have the same name, a name is not UTF-8, NULL argument.
 * LRNN_ERR_IO, LRNN_ERR_MEMORY. Since 0.1. */
LRNN_API lrnn_status lrnn_model_export(const lrnn_model *model, const char *path,
                                       const lrnn_export_options *options);

#ifdef __cplusplus
}
#endif

#endif
