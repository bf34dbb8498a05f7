/* lrnn generate: a prompt continued by the decoder that the options describe. An option that would
 * have no effect is refused, never ignored. */
#include <string.h>

#include "commands.h"
#include "generation.h"
#include "memory.h"
#include "model_file.h"
#include "options.h"
#include "output.h"

typedef struct generate_settings {
    const char *model;
    const char *prompt;
    bool hide_prompt;
    size_t tokens;
    size_t min_tokens;
    const char *end;
    int32_t method;
    uint64_t seed;
    double temperature;
    size_t top_k;
    double top_p;
    double min_p;
    double typical_p;
    bool uniform;
    size_t beam_width;
    size_t n_best;
    double length_penalty;
    int32_t stopping;
    size_t diverse_groups;
    double diversity_penalty;
    double repetition_penalty;
    double presence_penalty;
    double frequency_penalty;
    size_t no_repeat_ngram;
} generate_settings;

static const char *const methods[] = {"greedy", "sample", "beam", "sampled-beam", NULL};
static const char *const stoppings[] = {"first", "width", "heuristic", "exact", NULL};

#define ROW(option_kind_, option_name, field)                                                      \
    .kind = (option_kind_), .name = (option_name), AT(generate_settings, field)
#define COUNT(name, field)  ROW(OPTION_COUNT, name, field)
#define NUMBER(name, field) ROW(OPTION_NUMBER, name, field)
#define TEXT(name, field)   ROW(OPTION_TEXT, name, field)

static const char heading_sample[] = "With --method sample and sampled-beam:";
static const char heading_beam[] = "With --method beam and sampled-beam:";

static const option_row rows[] = {
    HEADING("Text:"),
    {TEXT("model", model), .letter = 'm', .argument = "FILE", .file = FILE_INPUT,
     .help = "the model, or a checkpoint; required"},
    {TEXT("prompt", prompt), .letter = 'p', .argument = "STR",
     .advice = "leave the option out to start a new text",
     .help = "text to continue; without it the model starts as if after a newline, a space, or its "
             "most frequent token, whichever of these it knows first"},
    {ROW(OPTION_FLAG, "hide-prompt", hide_prompt), .help = "print only what is generated"},
    {COUNT("tokens", tokens), .field = "max_length", .letter = 'n', .minimum = 1,
     .help = "generate at most this many tokens"},
    {COUNT("min-tokens", min_tokens), .field = "min_length",
     .help = "do not end before this many tokens"},
    {TEXT("end", end), .argument = "TOKEN", .bounds = MAY_BE_EMPTY,
     .help = "stop at this token ($'\\n' is a newline in most shells)"},
    {ROW(OPTION_CHOICE, "method", method), .choices = methods,
     .help = "how tokens are chosen: greedy: the most likely one each time; sample: at random, "
             "with the probabilities of the model; beam: the text that is most likely as a whole; "
             "sampled-beam: such a text among texts drawn at random"},
    {ROW(OPTION_SEED, "seed", seed), .help = "seed of the random choices"},

    HEADING(heading_sample),
    {NUMBER("temperature", temperature), .argument = "T", .bounds = ABOVE_MINIMUM,
     .advice = "--method greedy takes the likeliest token each time",
     .help = "divides the log-probabilities: below 1 is more careful, above 1 wilder"},
    {COUNT("top-k", top_k), .help = "choose among the k most likely tokens only; 0: all"},
    {NUMBER("top-p", top_p), .argument = "P", .maximum = 1, .bounds = ABOVE_MINIMUM,
     .help = "choose among the fewest most likely tokens whose probabilities add up to P"},
    {NUMBER("min-p", min_p), .argument = "P", .maximum = 1,
     .help = "choose among tokens at least P times as likely as the most likely one"},
    {NUMBER("typical-p", typical_p), .argument = "P", .maximum = 1, .bounds = ABOVE_MINIMUM,
     .help = "choose among tokens of typical probability that add up to P"},
    {ROW(OPTION_FLAG, "uniform", uniform),
     .help = "give all tokens that remain the same probability; not with beams"},

    HEADING(heading_beam),
    {COUNT("beam-width", beam_width), .minimum = 1, .help = "number of hypotheses that are kept"},
    {COUNT("n-best", n_best), .minimum = 1, .help = "number of texts to print, best first"},
    {NUMBER("length-penalty", length_penalty), .argument = "X", .minimum = -100, .maximum = 100,
     .help = "rank texts by log-probability / length^X: 1 is by perplexity, 0 by probability"},
    {ROW(OPTION_CHOICE, "stopping", stopping), .choices = stoppings,
     .help =
         "when enough texts have ended: first: with the first one; width: when --beam-width have; "
         "heuristic: when no live one looks better; exact: when no live one can become better"},
    {COUNT("diverse-groups", diverse_groups), .field = "beam_groups", .minimum = 1,
     .help = "split the beam into groups that avoid each other's tokens"},
    {NUMBER("diversity-penalty", diversity_penalty), .argument = "X",
     .help = "how strongly they avoid them"},

    HEADING("Filters:"),
    {NUMBER("repetition-penalty", repetition_penalty), .argument = "X", .bounds = ABOVE_MINIMUM,
     .help = "above 1: tokens that were generated before become less likely"},
    {NUMBER("presence-penalty", presence_penalty), .argument = "X", .minimum = -100, .maximum = 100,
     .help = "subtracted from the log-probability of such tokens"},
    {NUMBER("frequency-penalty", frequency_penalty), .argument = "X", .minimum = -100,
     .maximum = 100, .help = "the same, multiplied by how often they occurred"},
    {COUNT("no-repeat-ngram", no_repeat_ngram),
     .help = "never repeat a sequence of this many tokens; 0: allow any"},
};

static const char closing[] =
    "The prompt is printed as the model reads it, then each token as soon as it is certain, then a "
    "newline if the text does not end with one. Words are joined by spaces. A prompt word that is "
    "not in the vocabulary becomes <unk>, or is an error if the vocabulary has no <unk>. With "
    "--n-best above 1 each text comes after a line \"# RANK log-probability L perplexity P\".\n"
    "\n"
    "Example:\n  lrnn generate -m model.lrnn --prompt \"Today marks\" --top-k 5 -n 100";

static bool is_sampling(const generate_settings *settings)
{
    return settings->method == LRNN_METHOD_SAMPLE || settings->method == LRNN_METHOD_SAMPLED_BEAM;
}

static bool is_beam(const generate_settings *settings)
{
    return settings->method == LRNN_METHOD_BEAM || settings->method == LRNN_METHOD_SAMPLED_BEAM;
}

/* Given, and yet without effect. */
static void check_swallowed(const command_line *line, const generate_settings *settings)
{
    bool filters = settings->top_k > 0 || settings->top_p < 1 || settings->min_p > 0 ||
                   settings->typical_p < 1;
    options_need(line, "seed", is_sampling(settings), "--method sample or sampled-beam");
    options_need(line, "uniform", filters, "--top-k, --top-p, --min-p or --typical-p");
    options_need(line, "diversity-penalty", settings->diverse_groups > 1,
                 "--diverse-groups of at least 2");
    bool ends = settings->end != NULL;
    static const char end[] = "--end, without which no text ends before --tokens";
    options_need(line, "stopping", ends, end);
    options_need(line, "length-penalty", ends, end);
    options_need(line, "min-tokens", ends, end);
}

/* An option of another method would do nothing, which nobody means. */
static void check_together(const command_line *line, const generate_settings *settings)
{
    const char *heading = "";
    for (size_t i = 0; i < line->count; i++) {
        if (rows[i].kind == OPTION_HEADING) {
            heading = rows[i].help;
        } else if (line->given[i] && heading == heading_sample && !is_sampling(settings)) {
            options_fail(line, "--%s: needs --method sample or sampled-beam", rows[i].name);
        } else if (line->given[i] && heading == heading_beam && !is_beam(settings)) {
            options_fail(line, "--%s: needs --method beam or sampled-beam", rows[i].name);
        }
    }
    if (settings->model == NULL) {
        options_fail(line, "-m MODEL is required");
    }
    if (settings->uniform && is_beam(settings)) {
        options_fail(line, "--uniform: needs --method sample");
    }

    if (settings->n_best > settings->beam_width) {
        options_fail(line, "--n-best: expected at most --beam-width, which is %zu",
                     settings->beam_width);
    }
    if (settings->beam_width % settings->diverse_groups != 0) {
        options_fail(line, "--diverse-groups: expected a divisor of --beam-width, which is %zu",
                     settings->beam_width);
    }
    if (settings->min_tokens > settings->tokens) {
        options_fail(line, "--min-tokens: expected at most --tokens, which is %zu",
                     settings->tokens);
    }
    check_swallowed(line, settings);
}

static generate_settings default_settings(void)
{
    return (generate_settings){
        .prompt = "",
        .tokens = 200,
        .method = LRNN_METHOD_SAMPLE,
        .seed = 1,
        .temperature = 1,
        .top_p = 1,
        .typical_p = 1,
        .beam_width = 5,
        .n_best = 1,
        .length_penalty = 1,
        .diverse_groups = 1,
        .repetition_penalty = 1,
    };
}

static void set_options(lrnn_decoder_options *options, const generate_settings *settings)
{
    options->method = settings->method;
    options->max_length = settings->tokens;
    options->min_length = settings->min_tokens;
    options->repetition_penalty = settings->repetition_penalty;
    options->presence_penalty = settings->presence_penalty;
    options->frequency_penalty = settings->frequency_penalty;
    options->no_repeat_ngram = settings->no_repeat_ngram;
    if (is_sampling(settings)) {
        options->temperature = settings->temperature;
        options->top_k = settings->top_k;
        options->top_p = settings->top_p;
        options->min_p = settings->min_p;
        options->typical_p = settings->typical_p;
        options->uniform = settings->uniform;
    }
    if (is_beam(settings)) {
        options->beam_width = settings->beam_width;
        options->n_best = settings->n_best;
        options->length_penalty = settings->length_penalty;
        options->stopping = settings->stopping;
        options->beam_groups = settings->diverse_groups;
        options->diversity_penalty = settings->diversity_penalty;
    }
}

/* Bytes of the states of all hypotheses, which a decoder has beside its own memory. */
static double state_bytes(const lrnn_model *model, size_t hypotheses)
{
    memory_probe probe;
    memory_probe_init(&probe, 1 << 20);
    lrnn_state_options options;
    lrnn_state *state = NULL;
    if (lrnn_state_options_init(&options, sizeof options) == LRNN_OK) {
        options.allocator = &probe.allocator;
        options.batch = hypotheses;
        options.steps = 1;
        if (lrnn_state_create(&state, model, &options) == LRNN_OK) {
            lrnn_state_destroy(state);
        }
    }
    return (double)probe.declined;
}

/* The decoder's own memory is one block. Only beams and long texts make it a large one. */
static void check_memory(const command_line *line, const lrnn_model *model,
                         const generate_settings *settings, const lrnn_decoder_options *options)
{
    if (!is_beam(settings) && settings->tokens < 1000000) {
        return;
    }
    memory_probe probe;
    memory_probe_init(&probe, 1 << 20);
    lrnn_decoder_options tried = *options;
    tried.allocator = &probe.allocator;
    lrnn_decoder *decoder = NULL;
    lrnn_decoder_create(&decoder, model, &tried);
    lrnn_decoder_destroy(decoder);
    if (probe.declined == 0) {
        return;
    }
    char what[96];
    if (is_beam(settings)) {
        snprintf(what, sizeof what, "--beam-width %zu and --tokens %zu", settings->beam_width,
                 settings->tokens);
    } else {
        snprintf(what, sizeof what, "--tokens %zu", settings->tokens);
    }
    double states = is_beam(settings) ? state_bytes(model, settings->beam_width) : 0;
    memory_accept(line, (double)probe.declined + states, what);
}

static int make_decoder(lrnn_decoder **decoder, const command_line *line, const lrnn_model *model,
                        const generate_settings *settings, token_writer *writer)
{
    lrnn_decoder_options options;
    lrnn_status status = lrnn_decoder_options_init(&options, sizeof options);
    int32_t end;
    if (status == LRNN_OK) {
        set_options(&options, settings);
        if (settings->n_best == 1) {
            options.token = token_writer_stream;
            options.user = writer;
        }
        if (settings->end != NULL) {
            if (lrnn_vocab_find(&end, writer->vocab, settings->end, strlen(settings->end)) !=
                LRNN_OK) {
                options_fail(line, "--end: '%s' is not a token of the model", settings->end);
            }
            options.end_tokens = &end;
            options.end_count = 1;
        }
        check_memory(line, model, settings, &options);
        status = lrnn_decoder_create(decoder, model, &options);
    }
    return status == LRNN_OK ? 0 : options_fail_status(line, status, "generate");
}

static int print_results(const lrnn_decoder *decoder, const token_list *shown, token_writer *writer)
{
    lrnn_result result;
    lrnn_status status = lrnn_result_init(&result, sizeof result);
    size_t count = lrnn_decoder_result_count(decoder, 0);
    for (size_t rank = 0; rank < count && status == LRNN_OK; rank++) {
        status = lrnn_decoder_get_result(&result, decoder, 0, rank);
        if (status != LRNN_OK) {
            break;
        }
        printf("# %zu  log-probability %.4f  perplexity %.4f\n", rank + 1, result.log_probability,
               result.perplexity);
        writer->begun = false;
        for (size_t i = 0; i < shown->count; i++) {
            token_writer_put(writer, shown->ids[i]);
        }
        for (size_t i = 0; i < result.count; i++) {
            token_writer_put(writer, result.tokens[i]);
        }
        token_writer_end(writer);
    }
    return status == LRNN_OK ? 0 : complain_status(status, "generate");
}

static int run_decoder(lrnn_decoder *decoder, const token_list *prompt, uint64_t seed)
{
    lrnn_request request;
    lrnn_status status = lrnn_request_init(&request, sizeof request);
    if (status == LRNN_OK) {
        request.tokens = prompt->ids;
        request.count = prompt->count;
        request.seed = seed;
        status = lrnn_decoder_run(decoder, &request, 1);
    }
    if (status == LRNN_ERR_CALLBACK) {
        /* Only the writer fails, and stdout says why; nothing if nobody reads it any more. */
        return output_flush();
    }
    return status == LRNN_OK ? 0 : complain_status(status, "generate");
}

static int generate(const command_line *line, const lrnn_model *model,
                    const generate_settings *settings)
{
    token_list prompt;
    bool stands_in;
    if (prompt_encode(&prompt, &stands_in, lrnn_model_input_vocab(model), settings->prompt) != 0) {
        return 1;
    }
    if (stands_in && settings->prompt[0] != '\0') {
        options_fail(
            line, "--prompt: there is no token in '%s'; leave the option out to start a new text",
            settings->prompt);
    }
    token_list shown = prompt;
    if (stands_in || settings->hide_prompt) {
        shown.count = 0;
    }
    token_writer writer = token_writer_begin(lrnn_model_output_vocab(model));
    lrnn_decoder *decoder = NULL;
    int failed = make_decoder(&decoder, line, model, settings, &writer);
    for (size_t i = 0; i < shown.count && settings->n_best == 1 && !failed; i++) {
        token_writer_put(&writer, shown.ids[i]);
    }
    if (!failed) {
        failed = run_decoder(decoder, &prompt, settings->seed);
    }
    if (!failed && settings->n_best > 1) {
        failed = print_results(decoder, &shown, &writer);
    }
    token_writer_end(&writer);
    lrnn_decoder_destroy(decoder);
    tokens_free(&prompt);
    return failed ? 1 : output_flush();
}

int command_generate(int argc, char **argv)
{
    generate_settings settings = default_settings();
    command_line line = {
        .command = "generate",
        .arguments = "-m MODEL [options]",
        .summary = "Continues a prompt with a model, and prints the text token by token.",
        .closing = closing,
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
        .operands_minimum = 0,
        .operands_maximum = 0,
    };
    int first = options_parse(&line, &settings, argc, argv);
    check_together(&line, &settings);
    if (options_claim_files(&line, &settings, argv + first) != 0) {
        return 1;
    }
    lrnn_model *model = NULL;
    if (language_model_load(&model, settings.model) != 0) {
        return 1;
    }
    int status = generate(&line, model, &settings);
    lrnn_model_destroy(model);
    return status;
}
