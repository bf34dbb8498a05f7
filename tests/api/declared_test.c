/* Every function of the public headers, with each pointer NULL in turn and each size 0, huge and
 * the largest there is; the same for the fields of the structs that a function reads. What is
 * called comes from the headers themselves (support/declared.awk): a new function is covered by
 * being declared, and fails here until the table below has a valid value of each of its types.
 *
 * Each call is made in a process of its own, so that a crash, an endless loop and a greedy
 * allocation are seen. A call may succeed; if it fails, the library must say why. Without a handle
 * or a place for its result it must not succeed, except where `optional` says so. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"
#include "support/fence.h"
#include "support/scratch.h"

enum { MOST_ARGUMENTS = 8, SECONDS = 20, V = 5 };

typedef union argument {
    void *p;
    size_t n;
    int32_t i;
    double d;
} argument;

typedef struct declared {
    const char *name;
    lrnn_status (*call)(const argument *a);
    int has_status;
    size_t count;
    struct {
        const char *type, *name;
        size_t struct_size; /* what a valid one is, of a parameter of that name */
    } parameters[MOST_ARGUMENTS];
} declared;

typedef struct declared_field {
    const char *owner, *name;
    size_t offset;
    int is_size; /* or a pointer */
} declared_field;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "declared.h"
#pragma GCC diagnostic pop

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- valid values ---- */

static struct {
    scratch folder;
    char path[512], tokens_path[512], new_path[512];
    lrnn_vocab *vocab;
    lrnn_vocab_counter *counter;
    lrnn_model *model;
    lrnn_state *state;
    lrnn_decoder *decoder;
    lrnn_lexicon *lexicon;
    lrnn_ctc *ctc;
    lrnn_token_writer *writer;
    lrnn_tokens *tokens;
    lrnn_batches *batches;
    lrnn_optimizer *optimizer;
    lrnn_schedule *schedule;
    lrnn_trainer *trainer;
    lrnn_rows rows;
    lrnn_allocator allocator;
    lrnn_scorer scorer;
    lrnn_decoder_options decoder_options;
    lrnn_request request;
    lrnn_result result;
    lrnn_ctc_options ctc_options;
    lrnn_ctc_result ctc_result;
    lrnn_sequences sequences;
    lrnn_model_options model_options;
    lrnn_tensor tensor;
    lrnn_parameter parameter;
    lrnn_state_options state_options;
    lrnn_import_options import_options;
    lrnn_export_options export_options;
    lrnn_vocab_options vocab_options;
    lrnn_batches_options batches_options;
    lrnn_examples examples;
    lrnn_optimizer_options optimizer_options;
    lrnn_schedule_options schedule_options;
    lrnn_exchange exchange;
    lrnn_trainer_options trainer_options;
    lrnn_train_result train_result;
    lrnn_backward backward;
    lrnn_checkpoint checkpoint;
    void *trainers[2];
    const char *words[2];
    int32_t *ids;
    size_t *sizes;
    uint64_t *wide;
    float *reals;
    double *doubles;
    char *bytes, *text;
    void *out;
} valid;

/* A pointer to a type; `name` NULL: any parameter of that type. `array`: the value is there. */
static const struct {
    const char *type, *name;
    void *value;
    void *const *array;
} pointers[] = {
    {"const char *", "path", valid.path, NULL},
    {"const char *", "text", NULL, (void *const *)&valid.text},
    {"const char *", "token", NULL, (void *const *)&valid.text},
    {"const char *", "note", (char[]){"note"}, NULL},
    {"const char *", "name", (char[]){"head.bias"}, NULL},
    {"const char *const *", NULL, valid.words, NULL},
    {"const char **", NULL, &valid.out, NULL},
    {"char *", NULL, NULL, (void *const *)&valid.bytes},
    {"const void *", NULL, NULL, (void *const *)&valid.bytes},
    {"int32_t *", NULL, NULL, (void *const *)&valid.ids},
    {"const int32_t *", NULL, NULL, (void *const *)&valid.ids},
    {"const int32_t **", NULL, &valid.out, NULL},
    {"size_t *", NULL, NULL, (void *const *)&valid.sizes},
    {"const size_t *", NULL, NULL, (void *const *)&valid.sizes},
    {"uint64_t *", NULL, NULL, (void *const *)&valid.wide},
    {"float *", NULL, NULL, (void *const *)&valid.reals},
    {"const float *", NULL, NULL, (void *const *)&valid.reals},
    {"float **", NULL, &valid.out, NULL},
    {"double *", NULL, NULL, (void *const *)&valid.doubles},
    {"lrnn_trainer *const *", NULL, valid.trainers, NULL},
};

/* A handle, by the name of its type; found in `const T *`, `T *` and `T **`. */
static const struct {
    const char *type;
    void *const *value;
} handles[] = {
    {"lrnn_vocab", (void *const *)&valid.vocab},
    {"lrnn_vocab_counter", (void *const *)&valid.counter},
    {"lrnn_model", (void *const *)&valid.model},
    {"lrnn_state", (void *const *)&valid.state},
    {"lrnn_decoder", (void *const *)&valid.decoder},
    {"lrnn_lexicon", (void *const *)&valid.lexicon},
    {"lrnn_ctc", (void *const *)&valid.ctc},
    {"lrnn_token_writer", (void *const *)&valid.writer},
    {"lrnn_tokens", (void *const *)&valid.tokens},
    {"lrnn_batches", (void *const *)&valid.batches},
    {"lrnn_optimizer", (void *const *)&valid.optimizer},
    {"lrnn_schedule", (void *const *)&valid.schedule},
    {"lrnn_trainer", (void *const *)&valid.trainer},
};

#define STRUCT(name)                                                                               \
    {                                                                                              \
        "lrnn_" #name, &valid.name                                                                 \
    }

static const struct {
    const char *type;
    void *value;
} structs[] = {
    STRUCT(rows),
    STRUCT(allocator),
    STRUCT(scorer),
    STRUCT(decoder_options),
    STRUCT(request),
    STRUCT(result),
    STRUCT(ctc_options),
    STRUCT(ctc_result),
    STRUCT(sequences),
    STRUCT(model_options),
    STRUCT(tensor),
    STRUCT(parameter),
    STRUCT(state_options),
    STRUCT(import_options),
    STRUCT(export_options),
    STRUCT(vocab_options),
    STRUCT(batches_options),
    STRUCT(examples),
    STRUCT(optimizer_options),
    STRUCT(schedule_options),
    STRUCT(exchange),
    STRUCT(trainer_options),
    STRUCT(train_result),
    STRUCT(backward),
    STRUCT(checkpoint),
};

/* Where NULL is a value that the headers allow. */
static const struct {
    const char *function, *parameter;
} optional[] = {{"lrnn_decoder_score", "total"},
                {"lrnn_state_export", "h"},
                {"lrnn_trainer_export_state", "h"}};

/* "const lrnn_model *" -> "lrnn_model"; how many stars it has. */
static size_t base_of(char *base, size_t room, const char *type)
{
    size_t stars = 0;
    if (strncmp(type, "const ", 6) == 0) {
        type += 6;
    }
    size_t length = strcspn(type, " *");
    snprintf(base, room, "%.*s", (int)length, type);
    for (type += length; *type != '\0'; type++) {
        stars += *type == '*';
    }
    return stars;
}

static int find_pointer(void **value, const char *type, const char *name)
{
    char base[64];
    size_t stars = base_of(base, sizeof base, type);
    for (size_t i = 0; i < COUNT(pointers); i++) {
        if (strcmp(pointers[i].type, type) == 0 &&
            (pointers[i].name == NULL || strcmp(pointers[i].name, name) == 0)) {
            *value = pointers[i].array != NULL ? *pointers[i].array : pointers[i].value;
            return 1;
        }
    }
    for (size_t i = 0; i < COUNT(handles); i++) {
        if (strcmp(handles[i].type, base) == 0 && stars > 0) {
            *value = stars == 1 ? *handles[i].value : &valid.out;
            return 1;
        }
    }
    for (size_t i = 0; i < COUNT(structs); i++) {
        if (strcmp(structs[i].type, base) == 0 && stars == 1) {
            *value = structs[i].value;
            return 1;
        }
    }
    return 0;
}

static int is_pointer(const char *type)
{
    return strchr(type, '*') != NULL;
}

static void find_argument(argument *to, const declared *of, size_t k)
{
    const char *type = of->parameters[k].type, *name = of->parameters[k].name;
    memset(to, 0, sizeof *to);
    if (is_pointer(type)) {
        if (!find_pointer(&to->p, type, name)) {
            print_error("%s: %s: no valid value of %s; the table above needs one\n", of->name, name,
                        type);
            fail();
        }
        if (strcmp(of->name, "lrnn_tokens_open") == 0 && strcmp(name, "path") == 0) {
            to->p = valid.tokens_path;
        }
        if (strcmp(of->name, "lrnn_token_writer_create") == 0 && strcmp(name, "path") == 0) {
            to->p = valid.new_path;
        }
    } else if (strcmp(type, "size_t") == 0) {
        to->n = of->parameters[k].struct_size != 0 ? of->parameters[k].struct_size : 1;
    } else if (strcmp(type, "double") == 0) {
        to->d = 0.5;
    }
}

/* ---- the fixture ---- */

static void start_arrays(void)
{
    valid.ids = fenced(64 * sizeof *valid.ids);
    valid.sizes = fenced(64 * sizeof *valid.sizes);
    valid.wide = fenced(64 * sizeof *valid.wide);
    valid.reals = fenced(4096 * sizeof *valid.reals);
    valid.doubles = fenced(64 * sizeof *valid.doubles);
    valid.bytes = fenced(4096);
    valid.text = fenced(6);
    memcpy(valid.text, "a b a", 6);
}

static void start_texts(void)
{
    static const char *const labels[V] = {"a", "b", "c", "d", "e"};
    valid.words[0] = "a";
    valid.words[1] = "b";
    EXPECT_OK(lrnn_vocab_options_init(&valid.vocab_options, sizeof valid.vocab_options));
    EXPECT_OK(lrnn_vocab_counter_create(&valid.counter, &valid.vocab_options));
    EXPECT_OK(lrnn_vocab_counter_add(valid.counter, "a b", 3));
    valid.vocab_options.level = LRNN_LEVEL_LABEL;
    EXPECT_OK(lrnn_vocab_create_from_labels(&valid.vocab, labels, V, &valid.vocab_options));
    valid.vocab_options.level = LRNN_LEVEL_WORD;
    EXPECT_OK(lrnn_token_writer_create(&valid.writer, valid.tokens_path, valid.vocab, NULL));
    EXPECT_OK(lrnn_token_writer_add_ids(valid.writer, valid.ids, 64));
    EXPECT_OK(lrnn_token_writer_finish(valid.writer));
    lrnn_token_writer_destroy(valid.writer);
    EXPECT_OK(lrnn_token_writer_create(&valid.writer, valid.new_path, valid.vocab, NULL));
    EXPECT_OK(lrnn_tokens_open(&valid.tokens, valid.tokens_path, NULL));
    EXPECT_OK(lrnn_batches_options_init(&valid.batches_options, sizeof valid.batches_options));
    valid.batches_options.batch = 1;
    valid.batches_options.steps = 4;
    EXPECT_OK(lrnn_batches_create(&valid.batches, valid.ids, 64, &valid.batches_options));
    EXPECT_OK(lrnn_examples_init(&valid.examples, sizeof valid.examples));
    valid.examples.count = 1;
    valid.sizes[0] = 1;
    valid.examples.tokens = valid.examples.targets = valid.ids;
}

static void start_model(void)
{
    EXPECT_OK(lrnn_allocator_init(&valid.allocator, sizeof valid.allocator));
    EXPECT_OK(lrnn_model_options_init(&valid.model_options, sizeof valid.model_options));
    valid.model_options.vocab_size = valid.model_options.output_size = V;
    valid.model_options.embedding_size = 3;
    valid.model_options.hidden_size = 4;
    EXPECT_OK(lrnn_model_create(&valid.model, &valid.model_options));
    EXPECT_OK(lrnn_model_save(valid.model, valid.path));
    EXPECT_OK(lrnn_state_options_init(&valid.state_options, sizeof valid.state_options));
    EXPECT_OK(lrnn_state_create(&valid.state, valid.model, NULL));
    EXPECT_OK(lrnn_tensor_init(&valid.tensor, sizeof valid.tensor));
    EXPECT_OK(lrnn_parameter_init(&valid.parameter, sizeof valid.parameter));
    EXPECT_OK(lrnn_import_options_init(&valid.import_options, sizeof valid.import_options));
    EXPECT_OK(lrnn_export_options_init(&valid.export_options, sizeof valid.export_options));
    EXPECT_OK(lrnn_sequences_init(&valid.sequences, sizeof valid.sequences));
    valid.sequences.batch = 1;
    valid.sequences.steps = 2;
    valid.sequences.tokens = valid.sequences.targets = valid.ids;
}

static void start_search(void)
{
    static const size_t lengths[1] = {1};
    static const int32_t labels[1] = {1};
    EXPECT_OK(lrnn_scorer_init(&valid.scorer, sizeof valid.scorer));
    EXPECT_OK(lrnn_decoder_options_init(&valid.decoder_options, sizeof valid.decoder_options));
    valid.decoder_options.max_length = 4;
    EXPECT_OK(lrnn_decoder_create(&valid.decoder, valid.model, &valid.decoder_options));
    EXPECT_OK(lrnn_request_init(&valid.request, sizeof valid.request));
    valid.request.tokens = valid.ids;
    valid.request.count = 2;
    EXPECT_OK(lrnn_decoder_run(valid.decoder, &valid.request, 1));
    EXPECT_OK(lrnn_result_init(&valid.result, sizeof valid.result));
    EXPECT_OK(lrnn_lexicon_create(&valid.lexicon, labels, lengths, 1, NULL));
    EXPECT_OK(lrnn_ctc_options_init(&valid.ctc_options, sizeof valid.ctc_options));
    valid.ctc_options.output_size = V;
    valid.ctc_options.max_length = 8;
    EXPECT_OK(lrnn_ctc_create(&valid.ctc, &valid.ctc_options));
    EXPECT_OK(lrnn_ctc_result_init(&valid.ctc_result, sizeof valid.ctc_result));
    valid.rows.size = sizeof valid.rows;
    valid.rows.count = 1;
}

static void start_training(void)
{
    size_t parameters = lrnn_model_parameter_count(valid.model);
    EXPECT_OK(lrnn_trainer_options_init(&valid.trainer_options, sizeof valid.trainer_options));
    valid.trainer_options.batch = 1;
    valid.trainer_options.steps = 4;
    valid.trainer_options.threads = 1;
    EXPECT_OK(lrnn_trainer_create(&valid.trainer, valid.model, &valid.trainer_options));
    valid.trainers[0] = valid.trainer;
    EXPECT_OK(
        lrnn_optimizer_options_init(&valid.optimizer_options, sizeof valid.optimizer_options));
    EXPECT_OK(lrnn_optimizer_create(&valid.optimizer, parameters, &valid.optimizer_options));
    EXPECT_OK(lrnn_schedule_options_init(&valid.schedule_options, sizeof valid.schedule_options));
    EXPECT_OK(lrnn_schedule_create(&valid.schedule, &valid.schedule_options));
    EXPECT_OK(lrnn_exchange_init(&valid.exchange, sizeof valid.exchange));
    EXPECT_OK(lrnn_train_result_init(&valid.train_result, sizeof valid.train_result));
    EXPECT_OK(lrnn_backward_init(&valid.backward, sizeof valid.backward));
    EXPECT_OK(lrnn_checkpoint_init(&valid.checkpoint, sizeof valid.checkpoint));
    valid.checkpoint.trainer = valid.trainer;
}

static int start(void **state)
{
    (void)state;
    valid.folder = scratch_create();
    snprintf(valid.path, sizeof valid.path, "%s", scratch_path(&valid.folder, "model"));
    snprintf(valid.tokens_path, sizeof valid.path, "%s", scratch_path(&valid.folder, "tokens"));
    snprintf(valid.new_path, sizeof valid.path, "%s", scratch_path(&valid.folder, "new"));
    start_arrays();
    start_texts();
    start_model();
    start_search();
    start_training();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    lrnn_trainer_destroy(valid.trainer);
    lrnn_schedule_destroy(valid.schedule);
    lrnn_optimizer_destroy(valid.optimizer);
    lrnn_ctc_destroy(valid.ctc);
    lrnn_lexicon_destroy(valid.lexicon);
    lrnn_decoder_destroy(valid.decoder);
    lrnn_state_destroy(valid.state);
    lrnn_model_destroy(valid.model);
    lrnn_batches_destroy(valid.batches);
    lrnn_tokens_destroy(valid.tokens);
    lrnn_token_writer_destroy(valid.writer);
    lrnn_vocab_destroy(valid.vocab);
    lrnn_vocab_counter_destroy(valid.counter);
    scratch_destroy(&valid.folder);
    return 0;
}

/* ---- calling ---- */

/* How a call ended, as the exit status of its process. */
enum { SUCCEEDED = 64, FAILED, FAILED_WITHOUT_A_WORD };

/* Under the address sanitizer an allocation that is too large fails, as elsewhere. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

#if defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* A function that takes all memory ends with an error of its own. Sanitizers need the room. */
static void limit_memory(void)
{
#if !SANITIZED
    const struct rlimit most = {(rlim_t)3 << 30, (rlim_t)3 << 30};
    setrlimit(RLIMIT_AS, &most);
#endif
}

static int call_apart(const declared *of, const argument *with)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        limit_memory();
        alarm(SECONDS);
        lrnn_status found = of->call(with);
        _exit(found == LRNN_OK               ? SUCCEEDED
              : lrnn_last_error()[0] != '\0' ? FAILED
                                             : FAILED_WITHOUT_A_WORD);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static size_t wrong;

/* what: "path = NULL" */
static void try_call(const declared *of, const argument *with, const char *what, int must_fail)
{
    int end = call_apart(of, with);
    const char *told = NULL;
    if (end < 0) {
        told = end == -SIGALRM ? "does not return" : strsignal(-end);
    } else if (end == FAILED_WITHOUT_A_WORD) {
        told = "fails without a word";
    } else if (end == SUCCEEDED && must_fail) {
        told = "succeeds";
    } else if (end != SUCCEEDED && end != FAILED) {
        told = "ends the process";
    }
    if (told != NULL) {
        print_error("%s: %s: %s\n", of->name, what, told);
        wrong++;
    }
}

/* A place for a result, or a handle. */
static int is_required(const declared *of, size_t k)
{
    char base[64];
    const char *type = of->parameters[k].type;
    size_t stars = base_of(base, sizeof base, type);
    for (size_t i = 0; i < COUNT(optional); i++) {
        if (strcmp(optional[i].function, of->name) == 0 &&
            strcmp(optional[i].parameter, of->parameters[k].name) == 0) {
            return 0;
        }
    }
    if (k == 0 && stars > 0) {
        return 1;
    }
    for (size_t i = 0; i < COUNT(handles); i++) {
        if (strcmp(handles[i].type, base) == 0 && stars > 0) {
            return 1;
        }
    }
    return 0;
}

static const size_t bad_sizes[] = {0, (size_t)INT32_MAX, (size_t)INT32_MAX + 1, SIZE_MAX / 4 + 1,
                                   SIZE_MAX};

static void find_arguments(argument *with, const declared *of)
{
    assert_true(of->count <= MOST_ARGUMENTS);
    for (size_t k = 0; k < of->count; k++) {
        find_argument(&with[k], of, k);
    }
}

static void valid_arguments_end_no_process(void **state)
{
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < COUNT(declarations); i++) {
        argument with[MOST_ARGUMENTS];
        find_arguments(with, &declarations[i]);
        try_call(&declarations[i], with, "valid", 0);
    }
    assert_int_equal(wrong, 0);
}

static void each_pointer_may_be_null(void **state)
{
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < COUNT(declarations); i++) {
        const declared *of = &declarations[i];
        argument with[MOST_ARGUMENTS];
        find_arguments(with, of);
        for (size_t k = 0; k < of->count; k++) {
            if (is_pointer(of->parameters[k].type)) {
                char what[128];
                argument kept = with[k];
                with[k].p = NULL;
                snprintf(what, sizeof what, "%s = NULL", of->parameters[k].name);
                try_call(of, with, what, of->has_status && is_required(of, k));
                with[k] = kept;
            }
        }
    }
    assert_int_equal(wrong, 0);
}

/* A size that says how much memory the caller gives, or how far an array goes, may be anything that
 * can be; what cannot be is refused before it is believed. */
static void each_size_may_be_absurd(void **state)
{
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < COUNT(declarations); i++) {
        const declared *of = &declarations[i];
        argument with[MOST_ARGUMENTS];
        find_arguments(with, of);
        for (size_t k = 0; k < of->count; k++) {
            if (strcmp(of->parameters[k].type, "size_t") != 0) {
                continue;
            }
            for (size_t b = 0; b < COUNT(bad_sizes); b++) {
                char what[128];
                argument kept = with[k];
                if (bad_sizes[b] != 0 && bad_sizes[b] <= (size_t)INT32_MAX + 1) {
                    continue; /* these can be: the caller's own fault */
                }
                with[k].n = bad_sizes[b];
                snprintf(what, sizeof what, "%s = %zu", of->parameters[k].name, bad_sizes[b]);
                try_call(of, with, what, 0);
                with[k] = kept;
            }
        }
    }
    assert_int_equal(wrong, 0);
}

/* Sequences of any length are fed to a state: how long their arrays are only the caller knows. */
static int is_believed(const declared *of, const declared_field *field)
{
    return strcmp(of->name, "lrnn_state_forward") == 0 && strcmp(field->name, "steps") == 0;
}

/* Fields of the structs that a function reads. */
static void each_field_may_be_null_or_absurd(void **state)
{
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < COUNT(declarations); i++) {
        const declared *of = &declarations[i];
        argument with[MOST_ARGUMENTS];
        find_arguments(with, of);
        for (size_t k = 0; k < of->count; k++) {
            char base[64];
            if (base_of(base, sizeof base, of->parameters[k].type) != 1 ||
                strncmp(of->parameters[k].type, "const ", 6) != 0) {
                continue;
            }
            for (size_t f = 0; f < COUNT(declared_fields); f++) {
                const declared_field *field = &declared_fields[f];
                char what[160];
                if (strcmp(field->owner, base) != 0) {
                    continue;
                }
                unsigned char *at = (unsigned char *)with[k].p + field->offset;
                unsigned char kept[sizeof(size_t)];
                memcpy(kept, at, sizeof kept);
                for (size_t b = 0; b < (field->is_size ? COUNT(bad_sizes) : 1); b++) {
                    size_t value = field->is_size ? bad_sizes[b] : 0;
                    if (value == (size_t)INT32_MAX && is_believed(of, field)) {
                        continue;
                    }
                    memcpy(at, &value, sizeof value);
                    snprintf(what, sizeof what, "%s.%s = %zu", base, field->name, value);
                    try_call(of, with, what, 0);
                }
                memcpy(at, kept, sizeof kept);
            }
        }
    }
    assert_int_equal(wrong, 0);
}

static void every_function_is_declared_once(void **state)
{
    (void)state;
    assert_true(COUNT(declarations) > 120);
    assert_true(COUNT(declared_fields) > 120);
    for (size_t i = 1; i < COUNT(declarations); i++) {
        assert_string_not_equal(declarations[i].name, declarations[i - 1].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_declared_once),
        cmocka_unit_test(valid_arguments_end_no_process),
        cmocka_unit_test(each_pointer_may_be_null),
        cmocka_unit_test(each_size_may_be_absurd),
        cmocka_unit_test(each_field_may_be_null_or_absurd),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
