/* The files of a training run: where the checkpoint goes, which files the run touches, and what of
 * that was not said on this command line but comes from a checkpoint. */
#include "output.h"
#include "train.h"

static int place_checkpoint(training *run)
{
    const train_settings *settings = run->settings;
    const char *path = settings->checkpoint != NULL ? settings->checkpoint : settings->resume;
    run->checkpoint_path =
        path != NULL ? format_text("%s", path) : format_text("%s.checkpoint", settings->output);
    return run->checkpoint_path != NULL ? 0 : complain("out of memory");
}

static int list_files(file_list *files, const training *run)
{
    const train_settings *settings = run->settings;
    file_use valid = {.option = "--valid",
                      .path = settings->valid,
                      .kind = FILE_TEXT,
                      .remembered = !options_given(run->line, "valid")};
    if (settings->valid != NULL && train_valid_fraction(settings->valid) > 0) {
        valid.path = NULL;
    }
    file_use stopped = {.option = "--checkpoint (by default)", .kind = FILE_CHECKPOINT};
    stopped.path = settings->checkpoint == NULL ? run->checkpoint_path : NULL;
    bool prints = !settings->quiet || settings->sample_every > 0;
    return options_list_files(run->line, settings, settings->texts, files) != 0 ||
           files_add(files, &valid) != 0 || files_add(files, &stopped) != 0 ||
           (prints && files_add_output(files) != 0);
}

/* Says which files a checkpoint has named, before any of them is used. */
static void print_remembered(const file_list *files, const char *checkpoint)
{
    bool begun = false;
    for (size_t i = 0; i < files->count; i++) {
        const file_use *use = &files->uses[i];
        if (!use->remembered) {
            continue;
        }
        if (!begun) {
            fputs("taken from ", stdout);
            print_quoted(checkpoint, stdout);
        }
        printf("%s %s ", begun ? "," : ":", use->option);
        print_quoted(use->path, stdout);
        begun = true;
    }
    if (begun) {
        putchar('\n');
        fflush(stdout);
    }
}

int training_claim_files(training *run)
{
    file_list files = {0};
    int failed = place_checkpoint(run) != 0 || list_files(&files, run) != 0 ||
                 files_claim(&files, run->line) != 0;
    if (!failed && run->settings->resume != NULL) {
        print_remembered(&files, run->settings->resume);
    }
    files_free(&files);
    return failed;
}
