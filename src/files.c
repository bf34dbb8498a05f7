/* Two paths are the same file if the system says so: device and number where it exists, those of
 * its folder and its name where it does not yet; links are followed to the end in either case.
 * Devices are not compared, since nothing is lost in /dev/null. */
#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_kind.h"
#include "options.h"
#include "output.h"
#include "output_file.h"
#include "system.h"

int files_add(file_list *files, const file_use *use)
{
    if (use->path == NULL) {
        return 0;
    }
    if (files->count == files->capacity) {
        size_t larger = files->capacity == 0 ? 16 : 2 * files->capacity;
        file_use *uses = realloc(files->uses, larger * sizeof *uses);
        if (uses == NULL) {
            return complain("out of memory");
        }
        files->uses = uses;
        files->capacity = larger;
    }
    files->uses[files->count++] = *use;
    return 0;
}

int files_add_output(file_list *files)
{
    const file_use output = {
        .option = "standard output", .path = "", .kind = FILE_STREAM, .descriptor = STDOUT_FILENO};
    const file_use errors = {
        .option = "standard error", .path = "", .kind = FILE_STREAM, .descriptor = STDERR_FILENO};
    return files_add(files, &output) != 0 || files_add(files, &errors) != 0;
}

void files_free(file_list *files)
{
    free(files->uses);
    *files = (file_list){0};
}

static bool is_written(const file_use *use)
{
    return use->kind != FILE_INPUT && use->kind != FILE_TEXT && use->kind != FILE_RESUMED;
}

static bool is_standard_input(const file_use *use)
{
    return use->kind == FILE_TEXT && strcmp(use->path, "-") == 0;
}

/* ---- where a path leads ---- */

/* What makes a file itself. */
typedef struct identity {
    bool known; /* a file, a pipe, or a name in a folder that is there */
    uint64_t device, number;
    char *name; /* in the folder of that number, for what does not exist; else NULL */
} identity;

static identity identity_of(const system_about *about)
{
    bool device = about->kind == SYSTEM_CHARACTERS || about->kind == SYSTEM_BLOCKS;
    return (identity){.known = !device, .device = about->device, .number = about->number};
}

static identity identity_of_name(const char *path)
{
    system_about about;
    char *target = path_follow_links(path);
    /* A file that is to be made cannot have a slash at its end. */
    for (size_t length = target != NULL ? strlen(target) : 0;
         length > 1 && path_is_separator(target[length - 1]); length--) {
        target[length - 1] = '\0';
    }
    char *folder = target != NULL ? path_folder(target) : NULL;
    identity found = {.known = false};
    if (folder != NULL && system_look(&about, folder)) {
        found = identity_of(&about);
        found.name = format_text("%s", path_name(target));
        found.known = found.name != NULL;
    }
    free(folder);
    free(target);
    return found;
}

static identity identify(const file_use *use)
{
    system_about about;
    if (use->kind == FILE_STREAM || is_standard_input(use)) {
        int descriptor = use->kind == FILE_STREAM ? use->descriptor : STDIN_FILENO;
        return system_look_at(&about, descriptor) &&
                       (about.kind == SYSTEM_REGULAR || about.kind == SYSTEM_PIPE)
                   ? identity_of(&about)
                   : (identity){.known = false};
    }
    return system_look(&about, use->path) ? identity_of(&about) : identity_of_name(use->path);
}

static bool are_same(const identity *a, const identity *b)
{
    return a->known && b->known && a->device == b->device && a->number == b->number &&
           (a->name == NULL) == (b->name == NULL) &&
           (a->name == NULL || strcmp(a->name, b->name) == 0);
}

/* ---- two that are one ---- */

/* Standard output and error often are one. A checkpoint may be written where the one that is
 * resumed was read. */
static bool may_be_same(const file_use *a, const file_use *b)
{
    if ((!is_written(a) && !is_written(b)) || (a->kind == FILE_STREAM && b->kind == FILE_STREAM)) {
        return true;
    }
    return (a->kind == FILE_RESUMED && b->kind == FILE_CHECKPOINT) ||
           (b->kind == FILE_RESUMED && a->kind == FILE_CHECKPOINT);
}

static void refuse_same(const command_line *line, const file_use *a, const file_use *b)
{
    bool streams = a->kind == FILE_STREAM || b->kind == FILE_STREAM;
    const file_use *first = a->kind == FILE_STREAM ? b : a;
    const file_use *second = a->kind == FILE_STREAM ? a : b;
    options_fail(line, "%s %s and %s%s%s are the same file", first->option, first->path,
                 second->option, streams ? "" : " ", second->path);
}

/* Pairs of an output and an input, or of two outputs. */
static void check_pairs(const file_list *files, const identity *identities, bool with_inputs,
                        const command_line *line)
{
    for (size_t i = 0; i < files->count; i++) {
        for (size_t j = 0; is_written(&files->uses[i]) && j < files->count; j++) {
            if (i != j && is_written(&files->uses[j]) != with_inputs &&
                are_same(&identities[i], &identities[j]) &&
                !may_be_same(&files->uses[i], &files->uses[j])) {
                refuse_same(line, &files->uses[i], &files->uses[j]);
            }
        }
    }
}

/* Inputs first: where one is said twice, such as the checkpoint that is resumed, the command line
 * has it there. */
static void check_distinct(const file_list *files, const identity *identities,
                           const command_line *line)
{
    check_pairs(files, identities, true, line);
    check_pairs(files, identities, false, line);
}

/* ---- what is there, and whether it can be replaced ---- */

static void check_kind(const file_use *use, const command_line *line)
{
    system_about about;
    if (use->forced || !system_look(&about, use->path) || about.kind != SYSTEM_REGULAR) {
        return;
    }
    int descriptor = system_open_input(use->path);
    bool holds = descriptor >= 0 && file_kind_holds(use->kind, descriptor);
    int reason = errno;
    if (descriptor < 0) {
        options_fail(line,
                     "%s %s: exists, and cannot be read to see whether it is %s: %s; --force "
                     "replaces it",
                     use->option, use->path, file_kind_name(use->kind), strerror(reason));
    }
    close(descriptor);
    if (!holds) {
        options_fail(line, "%s %s: exists and is not %s; --force replaces it", use->option,
                     use->path, file_kind_name(use->kind));
    }
}

static int prove_target(const char *target, file_kind kind)
{
    system_about about;
    bool there = system_look(&about, target);
    if (there) {
        if (about.kind == SYSTEM_FOLDER) {
            return EISDIR;
        }
        if (about.kind != SYSTEM_REGULAR) {
            bool tensors = kind == FILE_MODEL || kind == FILE_CHECKPOINT ||
                           kind == FILE_STATE_DICT || kind == FILE_TOKENS;
            bool flows = about.kind == SYSTEM_CHARACTERS || (about.kind == SYSTEM_PIPE && !tensors);
            return flows ? 0 : EINVAL;
        }
        if (!system_may_write(target)) {
            return errno;
        }
    } else if (errno != ENOENT) {
        return errno;
    } else if (target[0] == '\0' || path_is_separator(target[strlen(target) - 1])) {
        return target[0] == '\0' ? ENOENT : EISDIR;
    }
    if (kind == FILE_LOG && there) {
        return 0; /* is written in place */
    }
    char *folder = path_folder(target);
    int reason = folder != NULL ? output_folder_prove(folder) : ENOMEM;
    free(folder);
    return reason;
}

static int prove(const file_use *use)
{
    char *target = path_follow_links(use->path);
    int reason = target != NULL ? prove_target(target, use->kind) : errno;
    free(target);
    return reason == 0 ? 0
                       : complain("cannot write %s: %s", use->path,
                                  reason == EINVAL ? "not a regular file" : strerror(reason));
}

int files_claim(const file_list *files, const command_line *line)
{
    identity *identities = calloc(files->count + 1, sizeof *identities);
    if (identities == NULL) {
        return complain("out of memory");
    }
    for (size_t i = 0; i < files->count; i++) {
        identities[i] = identify(&files->uses[i]);
    }
    check_distinct(files, identities, line);
    for (size_t i = 0; i < files->count; i++) {
        free(identities[i].name);
    }
    free(identities);
    int failed = 0;
    for (size_t i = 0; i < files->count && !failed; i++) {
        const file_use *use = &files->uses[i];
        if (is_written(use) && use->kind != FILE_STREAM) {
            check_kind(use, line);
            failed = prove(use);
        }
    }
    return failed;
}
