/* A trainer in a group: what its options must be, where its parameters come from, and the carried
 * state of the rows that other ranks have. */
#include <stdlib.h>
#include <string.h>

#include "group.h"

/* ---- do all ranks have the same? ---- */

static lrnn_status agree_on_vocab(lrnn_mpi *group, const char *what, const lrnn_vocab *vocab)
{
    uint64_t sum = 0;
    for (size_t id = 0; id < lrnn_vocab_size(vocab); id++) {
        const char *token = "";
        size_t length = 0;
        lrnn_vocab_get_token(&token, &length, vocab, (int32_t)id);
        for (size_t i = 0; i <= length; i++) { /* the NUL too */
            sum = (sum ^ (unsigned char)token[i]) * UINT64_C(1099511628211);
        }
    }
    uint64_t all[2] = {sum, lrnn_vocab_size(vocab)};
    return lrnn_mpi_agree(group, what, all, sizeof all);
}

/* Pointers are no part of what is compared; the struct has no padding. */
static lrnn_status agree_on_model(lrnn_mpi *group, const lrnn_model *model)
{
    lrnn_model_options options;
    lrnn_model_options_init(&options, sizeof options);
    lrnn_model_get_options(&options, model);
    options.allocator = NULL;
    options.input_vocab = options.output_vocab = NULL;
    options.seed = 0;
    CHECK(agree_on_vocab(group, "vocabulary", lrnn_model_input_vocab(model)));
    CHECK(agree_on_vocab(group, "output vocabulary", lrnn_model_output_vocab(model)));
    return lrnn_mpi_agree(group, "model", &options, sizeof options);
}

static lrnn_status agree_on_weights(lrnn_mpi *group, const char *what, const float *weights,
                                    size_t count)
{
    return lrnn_mpi_agree(group, what, weights, weights == NULL ? 0 : count * sizeof *weights);
}

#define AGREE(field) CHECK(lrnn_mpi_agree(group, #field, &o->field, sizeof o->field))

static lrnn_status agree_on_options(lrnn_mpi *group, const lrnn_trainer_options *o,
                                    const lrnn_model *model)
{
    size_t outputs = lrnn_model_output_size(model);
    lrnn_trainer_options rest = *o;
    AGREE(batch);
    AGREE(steps);
    AGREE(seed);
    AGREE(clip_norm);
    AGREE(clip_value);
    AGREE(label_smoothing);
    AGREE(loss);
    AGREE(reduction);
    AGREE(carry_state);
    AGREE(recompute_steps);
    CHECK(agree_on_weights(group, "class_weights", o->class_weights, outputs));
    CHECK(agree_on_weights(group, "positive_weights", o->positive_weights, outputs));
    rest.size = rest.threads = 0;
    rest.allocator = NULL;
    rest.class_weights = rest.positive_weights = NULL;
    rest.exchange = NULL;
    rest.shards = rest.first_shard = rest.own_shards = 0;
    return lrnn_mpi_agree(group, "option of the trainer", &rest, sizeof rest);
}

/* ---- joining ---- */

static bool knows_shards(const lrnn_trainer_options *options)
{
    return options->size >= offsetof(lrnn_trainer_options, own_shards) + sizeof options->own_shards;
}

/* Where the embedding lies in the flat array, if it is read and nothing else. */
static void find_rows(lrnn_mpi *group, const lrnn_model *model, const lrnn_model_options *options)
{
    touched_rows *rows = &group->rows;
    size_t offset = 0;
    rows->count = 0;
    for (size_t i = 0; i < lrnn_model_tensor_count(model) && !options->tied_weights; i++) {
        lrnn_parameter parameter;
        lrnn_parameter_init(&parameter, sizeof parameter);
        if (lrnn_model_get_parameter(&parameter, model, i) != LRNN_OK) {
            return;
        }
        if (strcmp(parameter.name, "embedding.weight") == 0) {
            rows->first = offset;
            rows->count = options->vocab_size;
            rows->width = parameter.count / rows->count;
        }
        offset += parameter.count;
    }
}

/* Memory for the rows; none where there are no other ranks. */
static lrnn_status make_rows(lrnn_mpi *group)
{
    touched_rows *rows = &group->rows;
    free(rows->bits);
    free(rows->packed);
    rows->bits = NULL;
    rows->packed = NULL;
    if (group->ranks == 1) {
        rows->count = 0;
    }
    if (rows->count > 0) {
        rows->bits = malloc((rows->count + 7) / 8);
        rows->packed = malloc(group->parameters * sizeof *rows->packed);
    }
    bool whole = rows->count == 0 || (rows->bits != NULL && rows->packed != NULL);
    return lrnn_mpi_meet(group, whole ? LRNN_OK : LRNN_ERR_MEMORY);
}

static lrnn_status know_model(lrnn_mpi *group, const lrnn_model *model)
{
    lrnn_model_options *options = &group->shape;
    lrnn_model_options_init(options, sizeof *options);
    lrnn_model_get_options(options, model);
    options->input_vocab = options->output_vocab = NULL; /* valid no longer than the model */
    group->parameters = lrnn_model_parameter_count(model);
    find_rows(group, model, options);
    return make_rows(group);
}

lrnn_status lrnn_mpi_join(lrnn_mpi *group, lrnn_trainer_options *options, const lrnn_model *model)
{
    if (group == NULL || options == NULL || model == NULL) {
        return group_fail(LRNN_ERR_INVALID, "%s: NULL",
                          group == NULL     ? "group"
                          : options == NULL ? "options"
                                            : "model");
    }
    if (!knows_shards(options)) {
        return group_fail(LRNN_ERR_INVALID,
                          "options: their program was built for another version of "
                          "liblrnn, which knows no shards");
    }
    CHECK(agree_on_options(group, options, model));
    CHECK(agree_on_model(group, model));
    if (group->shards > options->batch) {
        return group_fail(LRNN_ERR_INVALID,
                          "shards: %zu of a batch of %zu rows; expected at most as many",
                          group->shards, options->batch);
    }
    CHECK(know_model(group, model));
    options->exchange = &group->exchange;
    options->shards = group->shards;
    options->own_shards = group->shards / (size_t)group->ranks;
    options->first_shard = options->own_shards * (size_t)group->rank;
    return LRNN_OK;
}

/* ---- parameters ---- */

enum { PORTION = 1 << 20 }; /* values that are sent at a time */

static lrnn_status send_values(lrnn_mpi *group, float *values, size_t count)
{
    for (size_t first = 0; first < count; first += PORTION) {
        size_t left = count - first;
        CHECK_MPI(MPI_Bcast(values + first, (int)(left < PORTION ? left : PORTION), MPI_FLOAT, 0,
                            group->comm));
    }
    return LRNN_OK;
}

static lrnn_status read_parameters(float **values, size_t *count, const lrnn_trainer *trainer)
{
    lrnn_model *model = NULL;
    lrnn_status status = lrnn_trainer_snapshot(&model, trainer);
    *count = model == NULL ? 0 : lrnn_model_parameter_count(model);
    *values = model == NULL ? NULL : malloc(*count * sizeof **values);
    if (status == LRNN_OK) {
        status = *values == NULL ? LRNN_ERR_MEMORY
                                 : lrnn_model_copy_parameter(*values, *count, model, NULL);
    }
    lrnn_model_destroy(model);
    return status;
}

lrnn_status lrnn_mpi_broadcast(lrnn_mpi *group, lrnn_trainer *trainer)
{
    if (group == NULL || trainer == NULL) {
        return group_fail(LRNN_ERR_INVALID, "%s: NULL", group == NULL ? "group" : "trainer");
    }
    float *values;
    size_t count;
    lrnn_status status = lrnn_mpi_meet(group, read_parameters(&values, &count, trainer));
    if (status == LRNN_OK) {
        status = send_values(group, values, count);
    }
    if (status == LRNN_OK && group->rank != 0) {
        status = lrnn_trainer_set_parameter(trainer, NULL, values, count);
    }
    free(values);
    return lrnn_mpi_meet(group, status);
}

/* ---- carried state ---- */

/* Values of h of a row in a layer, in all its directions, or of c. */
static size_t layer_values(const lrnn_model_options *o, size_t layer, bool c)
{
    bool own = layer < LRNN_MOST_HIDDEN_SIZES && o->hidden_sizes[layer] > 0;
    size_t hidden = own ? o->hidden_sizes[layer] : o->hidden_size;
    size_t size = c || o->projection_size == 0 ? hidden : o->projection_size;
    return (c && o->cell != LRNN_CELL_LSTM) ? 0 : o->bidirectional ? 2 * size : size;
}

static size_t state_values(const lrnn_model_options *o, bool c)
{
    size_t sum = 0;
    for (size_t layer = 0; layer < o->layers; layer++) {
        sum += layer_values(o, layer, c);
    }
    return sum;
}

/* One direction of a layer, values [rows,width]; each rank has its own rows. */
static lrnn_status gather_rows(lrnn_mpi *group, float *values, size_t rows, size_t width)
{
    int *counts = group->counts, *places = counts + group->ranks;
    for (int rank = 0; rank < group->ranks; rank++) {
        size_t first = (size_t)((uint64_t)rows * (uint64_t)rank / (uint64_t)group->ranks);
        size_t end = (size_t)((uint64_t)rows * (uint64_t)(rank + 1) / (uint64_t)group->ranks);
        places[rank] = (int)(first * width);
        counts[rank] = (int)((end - first) * width);
    }
    CHECK_MPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values, counts, places, MPI_FLOAT,
                             group->comm));
    return LRNN_OK;
}

/* Of all layers and directions, one [rows,width] after the other. */
static lrnn_status gather_layers(lrnn_mpi *group, float *values, size_t rows, bool c)
{
    const lrnn_model_options *o = &group->shape;
    size_t directions = o->bidirectional ? 2 : 1;
    for (size_t i = 0; values != NULL && i < o->layers * directions; i++) {
        size_t width = layer_values(o, i / directions, c) / directions;
        CHECK(gather_rows(group, values, rows, width));
        values += rows * width;
    }
    return LRNN_OK;
}

static lrnn_status gather(lrnn_mpi *group, lrnn_trainer *trainer, float *h, float *c, size_t rows)
{
    bool whole = h != NULL && (c != NULL || state_values(&group->shape, true) == 0);
    lrnn_status status = whole ? lrnn_trainer_export_state(h, c, trainer) : LRNN_ERR_MEMORY;
    CHECK(lrnn_mpi_meet(group, status));
    CHECK(gather_layers(group, h, rows, false));
    CHECK(gather_layers(group, c, rows, true));
    return lrnn_mpi_meet(group, lrnn_trainer_import_state(trainer, h, c, rows));
}

lrnn_status lrnn_mpi_gather_state(lrnn_mpi *group, lrnn_trainer *trainer)
{
    if (group == NULL || trainer == NULL) {
        return group_fail(LRNN_ERR_INVALID, "%s: NULL", group == NULL ? "group" : "trainer");
    }
    size_t rows = lrnn_trainer_state_rows(trainer);
    size_t h_values = rows * state_values(&group->shape, false);
    size_t c_values = rows * state_values(&group->shape, true);
    if (group->ranks == 1 || h_values == 0) {
        return LRNN_OK;
    }
    float *h = malloc(h_values * sizeof *h);
    float *c = c_values == 0 ? NULL : malloc(c_values * sizeof *c);
    lrnn_status status = gather(group, trainer, h, c, rows);
    free(h);
    free(c);
    return status;
}
