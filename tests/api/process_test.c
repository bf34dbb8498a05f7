/* What a library must leave alone in the process that it is part of: locale, signals, working
 * directory, umask, floating-point environment and open files are after a life of calls, which
 * succeed and fail, what they were before. */
#include <fenv.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lrnn.h"
#include "support/expect.h"
#include "support/scratch.h"

enum { V = 5, SIGNALS = 32 };

typedef struct surroundings {
    char locale[256], folder[512];
    sigset_t mask;
    struct sigaction actions[SIGNALS];
    mode_t umask;
    int rounding;
    int next_file; /* the descriptor that the next file would have */
} surroundings;

static surroundings look(void)
{
    surroundings now;
    memset(&now, 0, sizeof now);
    snprintf(now.locale, sizeof now.locale, "%s", setlocale(LC_ALL, NULL));
    assert_non_null(getcwd(now.folder, sizeof now.folder));
    assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &now.mask), 0);
    for (int i = 1; i < SIGNALS; i++) {
        sigaction(i, NULL, &now.actions[i]);
    }
    now.umask = umask(0);
    umask(now.umask);
    now.rounding = fegetround();
    now.next_file = dup(0);
    assert_true(now.next_file >= 0);
    close(now.next_file);
    return now;
}

static void assert_unchanged(const surroundings *before)
{
    surroundings now = look();
    assert_string_equal(now.locale, before->locale);
    assert_string_equal(now.folder, before->folder);
    for (int i = 1; i < SIGNALS; i++) {
        assert_int_equal(sigismember(&now.mask, i), sigismember(&before->mask, i));
        assert_true(now.actions[i].sa_handler == before->actions[i].sa_handler);
    }
    assert_int_equal(now.umask, before->umask);
    assert_int_equal(now.rounding, before->rounding);
    assert_int_equal(now.next_file, before->next_file);
}

static lrnn_model *make_model(void)
{
    lrnn_model_options o;
    lrnn_model *model;
    EXPECT_OK(lrnn_model_options_init(&o, sizeof o));
    o.vocab_size = o.output_size = V;
    o.embedding_size = 3;
    o.hidden_size = 8;
    EXPECT_OK(lrnn_model_create(&model, &o));
    return model;
}

static void train(const lrnn_model *model, const char *path)
{
    lrnn_trainer_options o;
    lrnn_optimizer_options rule;
    lrnn_trainer *trainer;
    lrnn_optimizer *optimizer;
    lrnn_sequences window;
    lrnn_checkpoint all;
    static const int32_t tokens[8] = {0, 1, 2, 3, 4, 0, 1, 2};
    EXPECT_OK(lrnn_trainer_options_init(&o, sizeof o));
    EXPECT_OK(lrnn_optimizer_options_init(&rule, sizeof rule));
    o.batch = 2;
    o.steps = 4;
    o.threads = 3;
    EXPECT_OK(lrnn_trainer_create(&trainer, model, &o));
    EXPECT_OK(lrnn_optimizer_create(&optimizer, lrnn_model_parameter_count(model), &rule));
    EXPECT_OK(lrnn_sequences_init(&window, sizeof window));
    window.batch = 2;
    window.steps = 4;
    window.tokens = window.targets = tokens;
    EXPECT_OK(lrnn_trainer_step(trainer, optimizer, &window, NULL));
    window.batch = 9;
    EXPECT_FAILURE(lrnn_trainer_step(trainer, optimizer, &window, NULL), LRNN_ERR_INVALID, "9");
    EXPECT_OK(lrnn_checkpoint_init(&all, sizeof all));
    all.trainer = trainer;
    all.optimizer = optimizer;
    EXPECT_OK(lrnn_checkpoint_save(&all, path, "a note"));
    EXPECT_OK(lrnn_checkpoint_load(&all, path));
    lrnn_optimizer_destroy(optimizer);
    lrnn_trainer_destroy(trainer);
}

static void decode(const lrnn_model *model)
{
    lrnn_decoder_options o;
    lrnn_request request;
    lrnn_decoder *decoder;
    static const int32_t prompt[1] = {0};
    EXPECT_OK(lrnn_decoder_options_init(&o, sizeof o));
    o.max_length = 6;
    EXPECT_OK(lrnn_decoder_create(&decoder, model, &o));
    EXPECT_OK(lrnn_request_init(&request, sizeof request));
    request.tokens = prompt;
    request.count = 1;
    EXPECT_OK(lrnn_decoder_run(decoder, &request, 1));
    lrnn_decoder_destroy(decoder);
}

static void files(const scratch *folder, lrnn_model *model)
{
    lrnn_model *loaded;
    EXPECT_OK(lrnn_model_save(model, scratch_path(folder, "model")));
    EXPECT_OK(lrnn_model_load(&loaded, scratch_path(folder, "model"), NULL));
    lrnn_model_destroy(loaded);
    assert_int_not_equal(lrnn_model_load(&loaded, scratch_path(folder, "none"), NULL), LRNN_OK);
    assert_int_not_equal(lrnn_model_save(model, "/no/such/folder/model"), LRNN_OK);
    assert_int_not_equal(lrnn_model_import(&loaded, folder->folder, NULL), LRNN_OK);
}

static void a_life_of_calls_changes_nothing_around_it(void **state)
{
    (void)state;
    static const int roundings[] = {FE_TONEAREST, FE_UPWARD};
    scratch folder = scratch_create();
    setlocale(LC_ALL, "");
    for (size_t i = 0; i < 2; i++) {
        sigset_t some;
        char path[512];
        sigemptyset(&some);
        sigaddset(&some, SIGUSR2);
        assert_int_equal(sigprocmask(SIG_SETMASK, &some, NULL), 0);
        signal(SIGUSR1, SIG_IGN);
        fesetround(roundings[i]);
        surroundings before = look();
        lrnn_model *model = make_model();
        files(&folder, model);
        snprintf(path, sizeof path, "%s", scratch_path(&folder, "checkpoint"));
        train(model, path);
        decode(model);
        lrnn_model_destroy(model);
        assert_unchanged(&before);
        fesetround(FE_TONEAREST);
    }
    scratch_destroy(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_of_calls_changes_nothing_around_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
