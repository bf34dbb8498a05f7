/* Metadata keys, all values text: lrnn.format (1), lrnn.kind, the fields of lrnn_model_options by
 * name behind "lrnn.", and the vocabularies as vocab_write puts them; lrnn.output_vocab is "=" when
 * it is the input's. Tensors have the names of lrnn_parameter; the scales of a matrix of bytes have
 * its name and ".scale". */
#include "file.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "claims.h"
#include "file_bytes.h"
#include "normalize.h"
#include "options.h"
#include "text/vocab.h"
#include "values.h"

/* ---- writing ---- */

static lrnn_status put_text(safetensors_writer *writer, const char *key, const char *value)
{
    return safetensors_writer_metadata(writer, key, value, strlen(value));
}

static lrnn_status put_vocab(safetensors_writer *writer, const lrnn_allocator *allocator,
                             const char *key, const lrnn_vocab *vocab)
{
    char *text;
    size_t length;
    CHECK(vocab_write(&text, &length, vocab, allocator));
    lrnn_status status = safetensors_writer_metadata(writer, key, text, length);
    memory_release(allocator, text);
    return status;
}

static lrnn_status put_vocabularies(safetensors_writer *writer, const lrnn_model *model)
{
    const lrnn_vocab *input = model->input_vocab, *output = model->output_vocab;
    if (input != NULL) {
        CHECK(put_vocab(writer, &model->allocator, "lrnn.input_vocab", input));
    }
    if (output == NULL) {
        return LRNN_OK;
    }
    return output == input ? put_text(writer, "lrnn.output_vocab", "=")
                           : put_vocab(writer, &model->allocator, "lrnn.output_vocab", output);
}

/* Files of format 1 are read by 0.1, which would leave out what it does not know. */
static const char *format_of(const lrnn_model_options *o, const char *kind)
{
    return strcmp(kind, "model") == 0 && !stages_hidden(o) ? "1" : "2";
}

lrnn_status model_describe(safetensors_writer *writer, const lrnn_model *model,
                           const real *parameters, const char *kind)
{
    const network *net = &model->net;
    CHECK(put_text(writer, "lrnn.format", format_of(&model->net.options, kind)));
    CHECK(put_text(writer, "lrnn.kind", kind));
    CHECK(model_options_write(writer, &net->options));
    CHECK(put_vocabularies(writer, model));
    CHECK(model_names_write(writer, &model->names, &model->allocator));
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        bool own = parameters == NULL;
        if (own && model_is_scaled(model, tensor)) {
            CHECK(bytes_describe(writer, model, tensor));
            continue;
        }
        CHECK(safetensors_writer_tensor(
            writer, tensor->name, own ? model_tensor_dtype(model, tensor) : TENSOR_REAL,
            tensor->rank, tensor->shape,
            own ? model_tensor(model, tensor) : parameters + tensor->offset));
    }
    return LRNN_OK;
}

lrnn_status lrnn_model_save(const lrnn_model *model, const char *path)
{
    if (model == NULL || path == NULL) {
        return error_null(model == NULL ? "model" : "path");
    }
    safetensors_writer *writer;
    CHECK(safetensors_writer_create(&writer, &model->allocator));
    lrnn_status status = model_describe(writer, model, NULL, "model");
    if (status == LRNN_OK) {
        status = safetensors_writer_sign(writer);
    }
    if (status == LRNN_OK) {
        status = safetensors_writer_save(writer, path);
    }
    safetensors_writer_destroy(writer);
    return status;
}

/* ---- reading ---- */

/* Puts the file in front of what the last error says. */
static lrnn_status name_file(lrnn_status status, const safetensors *file)
{
    return error_set(status, "%s: %s", safetensors_name(file), lrnn_last_error());
}

static lrnn_status get_text(const char **value, const safetensors *file, const char *key)
{
    size_t length;
    *value = safetensors_metadata(file, key, &length);
    if (*value == NULL || strlen(*value) != length) {
        return error_set(LRNN_ERR_FORMAT, "%s: metadata key %s is %s", safetensors_name(file), key,
                         *value == NULL ? "missing" : "not plain text");
    }
    return LRNN_OK;
}

static lrnn_status check_format(const safetensors *file)
{
    const char *text = safetensors_metadata(file, "lrnn.kind", NULL);
    if (text != NULL && strcmp(text, "model") != 0 && strcmp(text, "checkpoint") != 0) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: not a model: lrnn.kind: expected model or checkpoint, found %.40s",
                         safetensors_name(file), text);
    }
    if (safetensors_metadata(file, "lrnn.format", NULL) == NULL) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: metadata key lrnn.format is missing; lrnn_model_import reads "
                         "files of PyTorch",
                         safetensors_name(file));
    }
    CHECK(get_text(&text, file, "lrnn.format"));
    if (strcmp(text, "1") != 0 && strcmp(text, "2") != 0) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: format '%.20s', this library reads formats 1 and 2",
                         safetensors_name(file), text);
    }
    return LRNN_OK;
}

lrnn_status model_options_from_file(lrnn_model_options *o, const safetensors *file)
{
    CHECK(check_format(file));
    CHECK(model_options_read(o, file));
    return claims_check(o, file);
}

static lrnn_status get_vocab(lrnn_vocab **vocab, const safetensors *file, const char *key,
                             lrnn_vocab *same, const lrnn_allocator *allocator)
{
    size_t length;
    const char *text = safetensors_metadata(file, key, &length);
    *vocab = NULL;
    if (text == NULL) {
        return LRNN_OK;
    }
    if (strcmp(text, "=") == 0) {
        *vocab = lrnn_vocab_share(same);
        return LRNN_OK;
    }
    lrnn_status status = vocab_read(vocab, allocator, text, length);
    return status == LRNN_OK
               ? status
               : error_set(status, "%s: %s: %s", safetensors_name(file), key, lrnn_last_error());
}

static lrnn_status check_tensor(const network_tensor *expected, const tensor_view *found,
                                const safetensors *file)
{
    bool same = found->rank == expected->rank && found->shape[0] == expected->shape[0] &&
                (expected->rank == 1 || found->shape[1] == expected->shape[1]);
    if (same) {
        return LRNN_OK;
    }
    return error_set(LRNN_ERR_FORMAT,
                     "%s: tensor %s: expected rank %zu, shape [%zu,%zu], found rank %zu, shape "
                     "[%zu,%zu]",
                     safetensors_name(file), expected->name, expected->rank, expected->shape[0],
                     expected->shape[1], found->rank, found->rank > 0 ? found->shape[0] : 0,
                     found->rank > 1 ? found->shape[1] : 0);
}

/* Every tensor of the file must be one of ours. */
static lrnn_status check_no_extra(const network *net, const safetensors *file)
{
    const char *kind = safetensors_metadata(file, "lrnn.kind", NULL);
    bool checkpoint = kind != NULL && strcmp(kind, "checkpoint") == 0;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_tensor(file, i)->name;
        bool ours = checkpoint && strncmp(name, CHECKPOINT_PREFIX, strlen(CHECKPOINT_PREFIX)) == 0;
        if (!ours && network_find(net, name) == NULL && !bytes_owns(net, file, name)) {
            return error_set(LRNN_ERR_FORMAT, "%s: tensor %.100s does not belong to this model",
                             safetensors_name(file), name);
        }
    }
    return LRNN_OK;
}

/* Before anything of the size that the metadata claims is allocated. */
static lrnn_status check_tensors(const network *net, const safetensors *file)
{
    for (size_t i = 0; i < net->tensor_count; i++) {
        const tensor_view *found = safetensors_find(file, net->tensors[i].name);
        if (found == NULL) {
            return error_set(LRNN_ERR_FORMAT, "%s: tensor %s is missing", safetensors_name(file),
                             net->tensors[i].name);
        }
        CHECK(check_tensor(&net->tensors[i], found, file));
        CHECK(bytes_check(net, &net->tensors[i], found, file));
    }
    return check_no_extra(net, file);
}

static lrnn_status read_parameters(real *parameters, const network *net, const safetensors *file)
{
    for (size_t i = 0; i < net->tensor_count; i++) {
        const network_tensor *tensor = &net->tensors[i];
        const tensor_view *view = safetensors_find(file, tensor->name);
        if (view->dtype == TENSOR_I8) {
            CHECK(bytes_read(parameters + tensor->offset, tensor, view, file));
        } else {
            CHECK(tensor_read(parameters + tensor->offset, view, 0, tensor->count));
        }
    }
    return LRNN_OK;
}

/* The system's reasons come with the path. */
static lrnn_status name_reading(lrnn_status status, const safetensors *file)
{
    return status == LRNN_OK || status == LRNN_ERR_IO ? status : name_file(status, file);
}

lrnn_status parameters_from_file(real *parameters, const network *net, const safetensors *file)
{
    CHECK(check_tensors(net, file));
    CHECK(name_reading(read_parameters(parameters, net, file), file));
    return name_reading(network_check_finite(net, parameters), file);
}

/* Gives a network whose tensors are all in the file, and none besides. */
static lrnn_status read_network(network *net, const lrnn_model_options *options,
                                const safetensors *file, const lrnn_allocator *allocator)
{
    lrnn_status status = network_create(net, options, allocator);
    if (status != LRNN_OK) {
        return status == LRNN_ERR_INVALID ? name_file(LRNN_ERR_FORMAT, file) : status;
    }
    status = check_tensors(net, file);
    if (status != LRNN_OK) {
        network_release(net, allocator);
    }
    return status;
}

static lrnn_status fill_model(lrnn_model *model, const safetensors *file)
{
    CHECK(model_names_read(&model->names, &model->net, file, &model->allocator));
    CHECK(name_reading(read_parameters(model->parameters, &model->net, file), file));
    return name_reading(model_finish(model), file);
}

static lrnn_status read_model(lrnn_model **model, lrnn_model_options *options,
                              const safetensors *file, const lrnn_allocator *allocator)
{
    network net;
    CHECK(read_network(&net, options, file, allocator));
    CHECK(model_create_bare(model, &net, options->input_vocab, options->output_vocab, allocator));
    lrnn_status status = fill_model(*model, file);
    if (status != LRNN_OK) {
        lrnn_model_destroy(*model);
        *model = NULL;
    }
    return status;
}

lrnn_status model_from_file(lrnn_model **model, const safetensors *file,
                            const lrnn_allocator *allocator)
{
    lrnn_model_options options;
    lrnn_vocab *input, *output = NULL;
    *model = NULL;
    CHECK(model_options_from_file(&options, file));
    CHECK(get_vocab(&input, file, "lrnn.input_vocab", NULL, allocator));
    lrnn_status status = get_vocab(&output, file, "lrnn.output_vocab", input, allocator);
    if (status == LRNN_OK) {
        options.input_vocab = input;
        options.output_vocab = output;
        status = read_model(model, &options, file, allocator);
    }
    lrnn_vocab_destroy(input);
    lrnn_vocab_destroy(output);
    return status;
}

static lrnn_status take_file(lrnn_model **model, safetensors *file, const lrnn_allocator *allocator)
{
    lrnn_status status = model_from_file(model, file, allocator);
    safetensors_destroy(file);
    return status;
}

lrnn_status lrnn_model_load(lrnn_model **model, const char *path, const lrnn_allocator *allocator)
{
    lrnn_allocator own;
    if (model == NULL || path == NULL) {
        return error_null(model == NULL ? "model" : "path");
    }
    *model = NULL;
    safetensors *file;
    CHECK(allocator_read(&own, allocator));
    CHECK(safetensors_open(&file, &own, path));
    return take_file(model, file, &own);
}

lrnn_status lrnn_model_load_memory(lrnn_model **model, const void *bytes, size_t length,
                                   const lrnn_allocator *allocator)
{
    lrnn_allocator own;
    if (model == NULL || bytes == NULL) {
        return error_null(model == NULL ? "model" : "bytes");
    }
    *model = NULL;
    safetensors *file;
    CHECK(allocator_read(&own, allocator));
    CHECK(safetensors_parse(&file, &own, "model in memory", bytes, length));
    return take_file(model, file, &own);
}
