/* The texts of a run, its vocabulary and its model. A text is read into memory and encoded, and
 * what it took is given back before training starts; a token file stays where it is. */
#include <stdlib.h>

#include "output.h"
#include "train.h"

double train_valid_fraction(const char *valid)
{
    char *end;
    double fraction = strtod(valid, &end);
    if (end == valid || *end != '\0') {
        return 0;
    }
    return fraction > 0 && fraction < 1 ? fraction : -1;
}

/* A vocabulary could not be made: the file that holds the bad byte is to blame. */
static int blame_document(lrnn_status status, const training *run, const text *source,
                          const lrnn_vocab_options *options)
{
    for (size_t i = 0; status == LRNN_ERR_FORMAT && i < source->count; i++) {
        const document *d = &source->documents[i];
        lrnn_vocab *vocab;
        if (lrnn_vocab_create_from_text(&vocab, source->bytes + d->start, d->length, options) ==
            LRNN_ERR_FORMAT) {
            return complain_text(LRNN_ERR_FORMAT, d->name);
        }
        lrnn_vocab_destroy(vocab);
    }
    char *names = text_names(run->settings->texts, run->settings->text_count);
    int failed = options_fail_status(run->line, status, names);
    free(names);
    return failed;
}

static int make_vocab(lrnn_vocab **vocab, const training *run, const text *source)
{
    lrnn_vocab_options options;
    lrnn_status status = vocab_options_of(&options, &run->settings->vocab);
    if (status == LRNN_OK) {
        status = lrnn_vocab_create_from_text(vocab, source->bytes, source->length, &options);
    }
    return status == LRNN_OK ? 0 : blame_document(status, run, source, &options);
}

static void set_cutoffs(lrnn_model_options *options, const train_settings *settings)
{
    uint64_t ids[LRNN_MOST_CUTOFFS];
    if (settings->cutoffs == NULL) {
        return;
    }
    size_t count = train_list(ids, settings->cutoffs);
    for (size_t i = 0; i < count; i++) {
        options->cutoffs[i] = ids[i] < SIZE_MAX ? (size_t)ids[i] : SIZE_MAX;
    }
    options->div_value = settings->div_value;
    options->adaptive_bias = settings->adaptive_bias;
}

static void set_hidden(lrnn_model_options *options, const option_sizes *sizes)
{
    _Static_assert(OPTION_SIZES_MAX == LRNN_MOST_HIDDEN_SIZES, "as many as the library has");
    options->hidden_size = sizes->items[0];
    for (size_t i = 0; sizes->count > 1 && i < sizes->count; i++) {
        options->hidden_sizes[i] = sizes->items[i];
    }
}

/* What stands around the layers. */
static void set_stages(lrnn_model_options *options, const train_settings *settings)
{
    static const int32_t activations[] = {LRNN_ACTIVATION_NONE, LRNN_ACTIVATION_TANH,
                                          LRNN_ACTIVATION_RELU};
    options->layer_norm = settings->layer_norm;
    options->residual = settings->residual;
    options->learned_state = settings->learned_state;
    options->input_layer_size = settings->input_layer;
    options->input_layer_activation = activations[settings->input_activation];
    options->head_layer_size = settings->head_layer;
    options->head_layer_activation = activations[settings->head_activation];
}

static int make_model(training *run, const lrnn_vocab *vocab)
{
    const train_settings *settings = run->settings;
    lrnn_model_options options;
    lrnn_status status = lrnn_model_options_init(&options, sizeof options);
    if (status == LRNN_OK) {
        options.input_vocab = vocab;
        options.output_vocab = vocab;
        options.embedding_size = settings->embedding;
        set_hidden(&options, &settings->hidden);
        options.layers = settings->layers;
        options.cell = settings->cell;
        options.projection_size = settings->projection;
        options.tied_weights = settings->tied;
        set_cutoffs(&options, settings);
        options.dropout = settings->dropout;
        set_stages(&options, settings);
        options.input_dropout = settings->input_dropout;
        options.output_dropout = settings->output_dropout;
        options.embedding_dropout = settings->embedding_dropout;
        options.locked_dropout = settings->locked_dropout;
        options.weight_dropout = settings->weight_dropout;
        options.initial_range = settings->initial_range;
        options.orthogonal = settings->orthogonal;
        options.forget_bias = settings->forget_bias;
        options.seed = settings->seed;
        train_check_model_memory(run, &options);
        status = lrnn_model_create(&run->model, &options);
    }
    return status == LRNN_OK ? 0 : options_fail_status(run->line, status, "model");
}

/* The model that the checkpoint holds. */
static int load_model(training *run)
{
    const char *path = run->settings->resume;
    lrnn_status status = lrnn_model_load(&run->model, path, NULL);
    if (status != LRNN_OK) {
        return complain_status(status, NULL);
    }
    return lrnn_model_input_vocab(run->model) != NULL
               ? 0
               : complain("%s: not a checkpoint of lrnn train", path);
}

/* ---- texts in memory ---- */

static int model_for_text(training *run, const text *source)
{
    if (run->settings->resume != NULL) {
        return load_model(run);
    }
    lrnn_vocab *vocab = NULL;
    int failed = make_vocab(&vocab, run, source) || make_model(run, vocab);
    lrnn_vocab_destroy(vocab);
    return failed;
}

static int read_plain_texts(training *run)
{
    const train_settings *settings = run->settings;
    text source = {.level = settings->vocab.level};
    int failed = 0;
    for (int i = 0; i < settings->text_count && !failed; i++) {
        failed = text_add_file(&source, settings->texts[i]);
    }
    if (!failed && source.length == 0) {
        failed = complain("%s: the text is empty", settings->texts[0]);
    }
    failed = failed || model_for_text(run, &source) ||
             corpus_encode(&run->tokens, lrnn_model_input_vocab(run->model), &source);
    text_free(&source);
    return failed;
}

/* ---- a token file ---- */

static int read_token_file(training *run)
{
    const train_settings *settings = run->settings;
    const char *option = vocab_option_given(run->line);
    if (settings->text_count > 1) {
        options_fail(run->line, "%s: a token file is read alone, without other texts",
                     settings->texts[0]);
    }
    if (option != NULL) {
        options_fail(run->line, "--%s: the vocabulary is that of the token file %s", option,
                     settings->texts[0]);
    }
    if (corpus_open(&run->tokens, settings->texts[0]) != 0) {
        return 1;
    }
    if (settings->resume != NULL) {
        return load_model(run) ||
               corpus_check_vocab(&run->tokens, lrnn_model_input_vocab(run->model),
                                  "the checkpoint");
    }
    return make_model(run, lrnn_tokens_vocab(run->tokens.file));
}

/* ---- validation ---- */

static int read_valid_file(training *run, const char *path)
{
    const lrnn_vocab *vocab = lrnn_model_input_vocab(run->model);
    if (corpus_is_file(path)) {
        return corpus_open(&run->valid, path) ||
               corpus_check_vocab(&run->valid, vocab, "the model");
    }
    text source = {.level = lrnn_vocab_level(vocab)};
    int failed = text_add_file(&source, path) || corpus_encode(&run->valid, vocab, &source);
    text_free(&source);
    return failed;
}

/* The last part of the text, or another one. */
static int take_valid(training *run)
{
    const char *valid = run->settings->valid;
    double fraction = train_valid_fraction(valid);
    if (fraction > 0) {
        corpus_split(&run->tokens, (size_t)((double)run->tokens.count * fraction), &run->valid);
    } else if (read_valid_file(run, valid) != 0) {
        return 1;
    }
    return run->valid.count >= 2 ? 0 : complain("--valid %s: fewer than 2 tokens", valid);
}

static int complain_short(const training *run, size_t window)
{
    const train_settings *settings = run->settings;
    char *names = text_names(settings->texts, settings->text_count);
    complain("%s: %zu token%s to train on; --batch %zu and --steps %zu need at least %zu",
             names != NULL ? names : "the text", run->tokens.count,
             run->tokens.count == 1 ? "" : "s", settings->batch, settings->steps, window);
    free(names);
    return 1;
}

int training_read_texts(training *run)
{
    const train_settings *settings = run->settings;
    bool file = false;
    for (int i = 0; i < settings->text_count; i++) {
        file = file || corpus_is_file(settings->texts[i]);
    }
    if ((file ? read_token_file(run) : read_plain_texts(run)) != 0 ||
        (settings->valid != NULL && take_valid(run) != 0)) {
        return 1;
    }
    bool counts = settings->batch <= SIZE_MAX / settings->steps;
    size_t window = counts ? settings->batch * settings->steps : SIZE_MAX;
    return run->tokens.count >= window ? 0 : complain_short(run, window);
}
