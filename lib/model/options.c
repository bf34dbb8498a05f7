/* One row a field of lrnn_model_options drives checks, files and comparison; a field is added to
 * the header, to the defaults and to the list below. Pointers (allocator, vocabularies) are no
 * rows: files hold vocabularies by themselves. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "activate.h"
#include "adaptive.h"
#include "base/check.h"
#include "base/error.h"
#include "base/number.h"
#include "base/options.h"
#include "kernels/cells.h"
#include "kernels/matrix.h"
#include "layer_sizes.h"
#include "normalize.h"

static const lrnn_model_options default_options = {
    .size = sizeof(lrnn_model_options),
    .vocab_size = LRNN_AUTO,
    .embedding_size = 64,
    .hidden_size = 128,
    .layers = 1,
    .output_size = LRNN_AUTO,
    .cell = LRNN_CELL_LSTM,
    .head = LRNN_HEAD_STEPS,
    .bias = 1,
    .seed = 1,
    .padding_token = -1,
};

/* ---- the list ---- */

#define SIZE_LIMIT ((size_t)INT32_MAX)

typedef enum field_type { SIZE, FLAG, CHOICE, TOKEN, SEED, SHARE, NUMBER, LIST } field_type;

typedef struct field {
    const char *name;
    size_t offset;
    field_type type;
    bool architecture; /* decides about parameters or outputs */
    bool optional;     /* in a file only where it is not the default */
    size_t least, most;
    bool (*read)(const lrnn_model_options *o); /* is it read at all? NULL: always */
    const char *(*choice)(int32_t value);      /* CHOICE: its name; NULL past the last */
} field;

static const char *cell_name(int32_t value)
{
    const cell_kind *cell = cell_find(value);
    return cell == NULL ? NULL : cell->name;
}

static const char *head_name(int32_t value)
{
    static const char *const names[] = {"none", "steps", "last", "final"};
    return value >= 0 && value <= LRNN_HEAD_FINAL ? names[value] : NULL;
}

static const char *weight_type_name(int32_t value)
{
    const matrix_kind *kind = matrix_kind_find(value);
    return kind == NULL ? NULL : kind->name;
}

static bool reads_tokens(const lrnn_model_options *o)
{
    return o->vocab_size > 0;
}

static bool has_layers(const lrnn_model_options *o)
{
    return o->layers > 0;
}

static bool has_head(const lrnn_model_options *o)
{
    return o->head != LRNN_HEAD_NONE;
}

#define FIELD(name) #name, offsetof(lrnn_model_options, name)

static const field fields[] = {
    {FIELD(head), CHOICE, .architecture = true, .choice = head_name},
    {FIELD(vocab_size), SIZE, .architecture = true, .most = SIZE_LIMIT},
    {FIELD(embedding_size), SIZE, .architecture = true, .most = SIZE_LIMIT, .read = reads_tokens},
    {FIELD(feature_size), SIZE, .architecture = true, .most = SIZE_LIMIT},
    {FIELD(layers), SIZE, .architecture = true, .most = 1024},
    {FIELD(hidden_size), SIZE, true, false, 1, SIZE_LIMIT / CELL_MOST_GATES, has_layers, NULL},
    {FIELD(output_size), SIZE, true, false, 1, SIZE_LIMIT, has_head, NULL},
    {FIELD(cell), CHOICE, .architecture = true, .choice = cell_name},
    {FIELD(bidirectional), FLAG, .architecture = true},
    {FIELD(bias), FLAG, .architecture = true},
    {FIELD(dropout), SHARE, .architecture = false},
    {FIELD(seed), SEED, .architecture = false},
    {FIELD(projection_size), SIZE, true, true, 0, SIZE_LIMIT, NULL, NULL},
    {FIELD(padding_token), TOKEN, .optional = true},
    {FIELD(weight_type), CHOICE, .optional = true, .choice = weight_type_name},
    {FIELD(initial_range), NUMBER, .optional = true},
    {FIELD(forget_bias), NUMBER, .optional = true},
    {FIELD(orthogonal), FLAG, .optional = true},
    {FIELD(tied_weights), FLAG, .architecture = true, .optional = true},
    {FIELD(input_dropout), SHARE, .optional = true},
    {FIELD(output_dropout), SHARE, .optional = true},
    {FIELD(embedding_dropout), SHARE, .optional = true},
    {FIELD(locked_dropout), FLAG, .optional = true},
    {FIELD(weight_dropout), SHARE, .optional = true},
    {FIELD(output_activation), CHOICE, .architecture = true, .optional = true,
     .choice = activation_name},
    {FIELD(layer_norm), FLAG, .architecture = true, .optional = true},
    {FIELD(layer_norm_epsilon), NUMBER, .architecture = true, .optional = true},
    {FIELD(residual), FLAG, .architecture = true, .optional = true},
    {FIELD(input_layer_size), SIZE, true, true, 0, SIZE_LIMIT, NULL, NULL},
    {FIELD(input_layer_activation), CHOICE, true, true, .choice = activation_name},
    {FIELD(head_layer_size), SIZE, true, true, 0, SIZE_LIMIT, NULL, NULL},
    {FIELD(head_layer_activation), CHOICE, true, true, .choice = activation_name},
    {FIELD(learned_state), FLAG, .architecture = true, .optional = true},
    {FIELD(cutoffs), LIST, .architecture = true, .optional = true},
    {FIELD(div_value), NUMBER, .architecture = true, .optional = true},
    {FIELD(adaptive_bias), FLAG, .architecture = true, .optional = true},
    {FIELD(hidden_sizes), LIST, .architecture = true, .optional = true},
};

_Static_assert(LRNN_MOST_CUTOFFS == OPTIONS_LIST && LRNN_MOST_HIDDEN_SIZES == OPTIONS_LIST,
               "lists of one length");

#define COUNT (sizeof fields / sizeof *fields)

static const void *of(const lrnn_model_options *o, const field *f)
{
    return (const unsigned char *)o + f->offset;
}

static size_t field_bytes(const field *f)
{
    return f->type == SIZE                         ? sizeof(size_t)
           : f->type == SEED                       ? sizeof(uint64_t)
           : f->type == SHARE || f->type == NUMBER ? sizeof(double)
           : f->type == LIST                       ? OPTIONS_LIST * sizeof(size_t)
                                                   : sizeof(int32_t);
}

static size_t size_of(const lrnn_model_options *o, const field *f)
{
    size_t value;
    memcpy(&value, of(o, f), sizeof value);
    return value;
}

static int32_t number_of(const lrnn_model_options *o, const field *f)
{
    int32_t value;
    memcpy(&value, of(o, f), sizeof value);
    return value;
}

static double share_of(const lrnn_model_options *o, const field *f)
{
    double value;
    memcpy(&value, of(o, f), sizeof value);
    return value;
}

static uint64_t seed_of(const lrnn_model_options *o, const field *f)
{
    uint64_t value;
    memcpy(&value, of(o, f), sizeof value);
    return value;
}

/* ---- defaults and checks ---- */

lrnn_status lrnn_model_options_init(lrnn_model_options *options, size_t struct_size)
{
    return OPTIONS_INIT(options, struct_size, &default_options, lrnn_model_options);
}

static lrnn_status check_field(const lrnn_model_options *o, const field *f)
{
    if (f->read != NULL && !f->read(o)) {
        return LRNN_OK;
    }
    switch (f->type) {
    case SIZE: return check_size(f->name, size_of(o, f), f->least, f->most);
    case FLAG: return check_choice(f->name, number_of(o, f), 1);
    case SHARE: return check_below_one(f->name, share_of(o, f));
    case NUMBER: return check_finite(f->name, share_of(o, f));
    case LIST: /* with other fields; see adaptive_check and layer_sizes_check */
    case TOKEN:
    case SEED: return LRNN_OK;
    case CHOICE: break;
    }
    int32_t last = -1, value = number_of(o, f);
    while (f->choice(last + 1) != NULL) {
        last++;
    }
    return check_choice(f->name, value, last);
}

static lrnn_status resolve_vocabularies(lrnn_model_options *o)
{
    if (o->vocab_size == LRNN_AUTO) {
        o->vocab_size = lrnn_vocab_size(o->input_vocab);
    }
    if (o->input_vocab != NULL && o->vocab_size != lrnn_vocab_size(o->input_vocab)) {
        return error_set(LRNN_ERR_INVALID, "vocab_size is %zu, but input_vocab has %zu tokens",
                         o->vocab_size, lrnn_vocab_size(o->input_vocab));
    }
    if (o->head == LRNN_HEAD_NONE) {
        o->output_size = 0;
        return LRNN_OK;
    }
    if (o->output_size == LRNN_AUTO) {
        o->output_size = o->output_vocab != NULL ? lrnn_vocab_size(o->output_vocab) : o->vocab_size;
        if (o->output_size == 0) {
            return error_set(LRNN_ERR_INVALID,
                             "output_size: must be given when there is no vocabulary and no "
                             "vocab_size to take it from");
        }
    }
    if (o->output_vocab != NULL && o->output_size != lrnn_vocab_size(o->output_vocab)) {
        return error_set(LRNN_ERR_INVALID, "output_size is %zu, but output_vocab has %zu tokens",
                         o->output_size, lrnn_vocab_size(o->output_vocab));
    }
    return LRNN_OK;
}

static lrnn_status check_padding(const lrnn_model_options *o)
{
    if (o->padding_token == -1) {
        return LRNN_OK;
    }
    if (o->vocab_size == 0 || o->embedding_size == 0) {
        return error_set(LRNN_ERR_INVALID, "padding_token is %d, but the model has no embedding",
                         (int)o->padding_token);
    }
    if (o->padding_token < 0 || (size_t)o->padding_token >= o->vocab_size) {
        return error_set(LRNN_ERR_INVALID, "padding_token: expected -1..%zu, found %d",
                         o->vocab_size - 1, (int)o->padding_token);
    }
    return LRNN_OK;
}

static lrnn_status check_initialization(const lrnn_model_options *o)
{
    CHECK(check_not_negative("initial_range", o->initial_range));
    if (o->orthogonal && o->layers == 0) {
        return error_set(LRNN_ERR_INVALID, "orthogonal: needs recurrent layers, but layers is 0");
    }
    const cell_kind *cell = cell_find(o->cell);
    if (o->forget_bias != 0 &&
        (o->layers == 0 || !o->bias || cell_forget_gate(cell) == cell->gates)) {
        return error_set(LRNN_ERR_INVALID, "forget_bias: needs LSTM layers with bias");
    }
    return LRNN_OK;
}

static lrnn_status check_tied(const lrnn_model_options *o)
{
    size_t top = stages_head_size(o);
    if (!o->tied_weights) {
        return LRNN_OK;
    }
    if (o->vocab_size == 0 || o->embedding_size == 0 || o->head == LRNN_HEAD_NONE) {
        return error_set(LRNN_ERR_INVALID, "tied_weights: needs an embedding and a head");
    }
    if (o->output_size != o->vocab_size) {
        return error_set(LRNN_ERR_INVALID,
                         "tied_weights: output_size is %zu, but the embedding has %zu rows, "
                         "vocab_size",
                         o->output_size, o->vocab_size);
    }
    if (top != o->embedding_size) {
        return error_set(
            LRNN_ERR_INVALID,
            "tied_weights: the head reads %zu values, but embedding_size is %zu; they "
            "must be equal, and the size of the last layer, or projection_size of an LSTM, "
            "sets what the head reads",
            top, o->embedding_size);
    }
    return LRNN_OK;
}

static lrnn_status check_dropout(const lrnn_model_options *o)
{
    bool reads_outputs = o->head == LRNN_HEAD_STEPS || o->head == LRNN_HEAD_LAST;
    if (o->output_dropout > 0 && (o->layers == 0 || !reads_outputs)) {
        return error_set(LRNN_ERR_INVALID,
                         "output_dropout: needs recurrent layers and a head that reads their "
                         "outputs, LRNN_HEAD_STEPS or LRNN_HEAD_LAST");
    }
    if (o->embedding_dropout > 0 && (o->vocab_size == 0 || o->embedding_size == 0)) {
        return error_set(LRNN_ERR_INVALID, "embedding_dropout: the model has no embedding");
    }
    if (o->weight_dropout > 0 && o->layers == 0) {
        return error_set(LRNN_ERR_INVALID,
                         "weight_dropout: needs recurrent layers, but layers is 0");
    }
    return check_reserved(o->reserved);
}

/* What fields mean together. */
static lrnn_status check_together(const lrnn_model_options *o)
{
    CHECK(layer_sizes_check(o));
    CHECK(check_padding(o));
    CHECK(check_initialization(o));
    CHECK(check_tied(o));
    CHECK(check_dropout(o));
    CHECK(adaptive_check(o, stages_head_size(o)));
    CHECK(activation_check_output(o));
    CHECK(stages_check(o));
    if (o->vocab_size == 0 && o->feature_size == 0) {
        return error_set(LRNN_ERR_INVALID, "vocab_size and feature_size are both 0: the model "
                                           "would read nothing");
    }
    if (o->layers == 0 && o->head == LRNN_HEAD_NONE) {
        return error_set(LRNN_ERR_INVALID, "layers is 0 and head is LRNN_HEAD_NONE: the model "
                                           "would compute nothing");
    }
    if (o->layers == 0 && o->head == LRNN_HEAD_FINAL) {
        return error_set(LRNN_ERR_INVALID, "head: LRNN_HEAD_FINAL reads final states, but layers "
                                           "is 0");
    }
    return LRNN_OK;
}

lrnn_status model_options_resolve(lrnn_model_options *o, const lrnn_model_options *given)
{
    CHECK(OPTIONS_READ(o, given, &default_options, lrnn_model_options));
    CHECK(check_field(o, &fields[0])); /* the head, which decides what output_size means */
    CHECK(resolve_vocabularies(o));
    for (size_t i = 1; i < COUNT; i++) {
        CHECK(check_field(o, &fields[i]));
    }
    CHECK(check_together(o));
    layer_sizes_resolve(o);
    adaptive_resolve(o);
    stages_resolve(o);
    if (o->vocab_size == 0) {
        o->embedding_size = 0;
    }
    if (o->layers == 0) {
        o->hidden_size = 0;
        o->bidirectional = 0;
    }
    return LRNN_OK;
}

bool model_options_agree(const lrnn_model_options *a, const lrnn_model_options *b)
{
    for (size_t i = 0; i < COUNT; i++) {
        const field *f = &fields[i];
        if (f->architecture && memcmp(of(a, f), of(b, f), field_bytes(f)) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- files ---- */

#define KEY_ROOM 48

static void key_of(char key[KEY_ROOM], const field *f)
{
    snprintf(key, KEY_ROOM, "lrnn.%s", f->name);
}

void model_options_write_list(char text[OPTIONS_LIST_ROOM], const size_t *list)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < OPTIONS_LIST && list[i] > 0; i++) {
        length += (size_t)snprintf(text + length, OPTIONS_LIST_ROOM - length, "%s%zu",
                                   i == 0 ? "" : ",", list[i]);
    }
}

static bool read_list(size_t *list, const char *text)
{
    char number[NUMBER_ROOM];
    size_t read[OPTIONS_LIST] = {0};
    for (size_t i = 0; i < OPTIONS_LIST; i++) {
        size_t length = strcspn(text, ",");
        if (length >= sizeof number) {
            return false;
        }
        memcpy(number, text, length);
        number[length] = '\0';
        if (!number_read_size(&read[i], number) || read[i] == 0 || read[i] > INT32_MAX) {
            return false;
        }
        text += length;
        if (*text == '\0') {
            memcpy(list, read, sizeof read);
            return true;
        }
        text++;
    }
    return false;
}

static lrnn_status write_field(safetensors_writer *writer, const lrnn_model_options *o,
                               const field *f)
{
    char key[KEY_ROOM], number[NUMBER_ROOM > OPTIONS_LIST_ROOM ? NUMBER_ROOM : OPTIONS_LIST_ROOM];
    const char *text = number;
    switch (f->type) {
    case SIZE: snprintf(number, sizeof number, "%zu", size_of(o, f)); break;
    case SEED: snprintf(number, sizeof number, "%llu", (unsigned long long)seed_of(o, f)); break;
    case FLAG:
    case TOKEN: snprintf(number, sizeof number, "%d", (int)number_of(o, f)); break;
    case SHARE:
    case NUMBER: number_write_double(number, share_of(o, f)); break;
    case LIST: model_options_write_list(number, of(o, f)); break;
    case CHOICE: text = f->choice(number_of(o, f)); break;
    }
    key_of(key, f);
    return safetensors_writer_metadata(writer, key, text, strlen(text));
}

lrnn_status model_options_write(safetensors_writer *writer, const lrnn_model_options *o)
{
    for (size_t i = 0; i < COUNT; i++) {
        const field *f = &fields[i];
        if (f->optional && memcmp(of(o, f), of(&default_options, f), field_bytes(f)) == 0) {
            continue;
        }
        CHECK(write_field(writer, o, f));
    }
    return LRNN_OK;
}

/* Into *to, which has the type of the field; false: the text is no value of it. */
static bool read_value(void *to, const field *f, const char *text)
{
    size_t number = 0;
    uint64_t seed;
    double share;
    int32_t choice = 0;
    if (f->type == SHARE || f->type == NUMBER) {
        return number_read_double(&share, text) && memcpy(to, &share, sizeof share);
    }
    if (f->type == LIST) {
        return read_list(to, text);
    }
    if (f->type == CHOICE) {
        while (f->choice(choice) != NULL && strcmp(f->choice(choice), text) != 0) {
            choice++;
        }
        return f->choice(choice) != NULL && memcpy(to, &choice, sizeof choice);
    }
    if (f->type == SEED) { /* 64 bits wide everywhere */
        return number_read_uint64(&seed, text) && memcpy(to, &seed, sizeof seed);
    }
    if (!number_read_size(&number, text)) {
        return false;
    }
    if (f->type == SIZE) {
        return number != LRNN_AUTO && memcpy(to, &number, sizeof number);
    }
    choice = (int32_t)number;
    return number <= (f->type == FLAG ? 1 : INT32_MAX) && memcpy(to, &choice, sizeof choice);
}

static lrnn_status read_field(lrnn_model_options *o, const safetensors *file, const field *f)
{
    static const char *const expected[] = {
        "a number", "0 or 1",   "a name that is known", "a token", "a number",
        "a number", "a number", "numbers with commas"};
    char key[KEY_ROOM];
    size_t length;
    key_of(key, f);
    const char *text = safetensors_metadata(file, key, &length);
    if (text == NULL && f->optional) {
        return LRNN_OK;
    }
    if (text == NULL || strlen(text) != length) {
        return error_set(LRNN_ERR_FORMAT, "%s: metadata key %s is %s", safetensors_name(file), key,
                         text == NULL ? "missing" : "not plain text");
    }
    if (!read_value((unsigned char *)o + f->offset, f, text)) {
        return error_set(LRNN_ERR_FORMAT, "%s: %s: expected %s, found '%.40s'",
                         safetensors_name(file), key, expected[f->type], text);
    }
    return LRNN_OK;
}

lrnn_status model_options_read(lrnn_model_options *o, const safetensors *file)
{
    *o = default_options;
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(read_field(o, file, &fields[i]));
    }
    return LRNN_OK;
}
