/* The note of a checkpoint of lrnn train, as the program reads it on --resume. The program's
 * sources are linked in; its option table is in train.c, which is why that is included. A note that
 * is taken leaves every option in its range and touches none that a checkpoint does not remember.
 *
 * An input is the note, which a checkpoint file is put around. */
#include "corpus.h"
#include "format/safetensors.h"
#include "world.h"

#include "../../src/train.c"

#include "../../src/options_value.h"

enum { NOTE_ROOM = 1 << 16 };

/* A file with this note; 0 bytes if it is not UTF-8, which no checkpoint has. */
static size_t write_file(const unsigned char *note, size_t length, const char **path)
{
    safetensors_writer *writer;
    void *bytes;
    size_t size = 0;
    FUZZ_CHECK(safetensors_writer_create(&writer, &fuzz_allocator) == LRNN_OK);
    if (safetensors_writer_metadata(writer, "lrnn.note", (const char *)note, length) == LRNN_OK &&
        safetensors_writer_memory(writer, &bytes, &size) == LRNN_OK) {
        *path = fuzz_file(bytes, size);
        fuzz_free(bytes);
    }
    safetensors_writer_destroy(writer);
    return size;
}

/* What every field of the settings is after a note was read. */
static void check_settings(const train_settings *settings, const train_settings *before)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const option_row *row = &rows[i];
        const void *field = (const char *)settings + row->offset;
        const void *old = (const char *)before + row->offset;
        if (row->kind == OPTION_HEADING) {
            continue;
        }
        if (row->memory == OPTION_FORGET) {
            FUZZ_CHECK(option_same_value(row, field, old));
        }
        if (row->kind != OPTION_TEXT) {
            char written[256] = "";
            union {
                uint64_t one;
                option_sizes sizes;
                option_list list;
            } copy = {0};
            FILE *stream = fmemopen(written, sizeof written, "w");
            FUZZ_CHECK(stream != NULL);
            option_write_value(row, field, 17, stream);
            fclose(stream);
            FUZZ_CHECK(option_read_value(row, &copy, written) ||
                       option_same_value(row, field, old));
        }
    }
}

/* Without what it says on stderr, which glibc allows to be another stream. */
static int read_quietly(training *run)
{
    static FILE *nowhere;
    FILE *before = stderr;
    if (nowhere == NULL) {
        nowhere = fopen("/dev/null", "w");
        FUZZ_CHECK(nowhere != NULL);
    }
    stderr = nowhere;
    int status = resume_read(run);
    stderr = before;
    return status;
}

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    static training run;
    train_settings settings = default_settings(), before;
    command_line line = {
        .command = "train", .rows = rows, .count = sizeof rows / sizeof *rows, .operand = "TEXT"};
    const char *path;
    fuzz_memory_begin(NOTE_ROOM * 16);
    if (length == 0 || write_file(bytes + 1, length - 1, &path) == 0) {
        return;
    }
    for (size_t i = 0; i < line.count; i++) {
        line.given[i] = bytes[0] != 0 && i % 8 == bytes[0] % 8;
    }
    memset(&run, 0, sizeof run);
    settings.resume = path;
    before = settings;
    run.settings = &settings;
    run.line = &line;
    run.at = (train_position){.epoch = 1, .best_valid_loss = INFINITY};
    int status = read_quietly(&run);
    if (status == 0) {
        check_settings(&settings, &before);
        FUZZ_CHECK(run.at.losses.training.count <= HISTORY_MAX);
        FUZZ_CHECK(run.at.losses.validation.count <= HISTORY_MAX);
        history_add(&run.at.losses.training, 1, 2);
        history_add(&run.at.losses.validation, 1, 2);
    }
    free(run.note);
    fuzz_memory_end();
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    static const char *const words[] = {"\noption ",
                                        "\nstate ",
                                        "\nhistory training at 1 2",
                                        "\nhistory validation group 2 1 0.5",
                                        "\nhistory x group 18446744073709551615 0 1",
                                        "epoch",
                                        "waited",
                                        "text",
                                        "hidden",
                                        "lr",
                                        "valid",
                                        "force 1",
                                        "resume /tmp/x",
                                        "quiet 1",
                                        "output",
                                        "checkpoint",
                                        "schedule cosine",
                                        "log ",
                                        " ",
                                        "%41",
                                        "%",
                                        "18446744073709551615",
                                        "-1",
                                        "nan",
                                        "inf",
                                        "1e999",
                                        "0x10",
                                        "\n"};
    const char *word = words[fuzz_random(random, sizeof words / sizeof *words)];
    size_t size = strlen(word), at = 1 + fuzz_random(random, length + 1);
    if (length < 2 || at > length || length + size > room || fuzz_random(random, 3) == 0) {
        return fuzz_any(bytes, length, room, random);
    }
    size_t cut = strcspn((const char[]){(char)bytes[at < length ? at : 0], '\0'}, " \n");
    cut = fuzz_random(random, 2) == 0 && at + cut <= length ? cut : 0;
    memmove(bytes + at + size, bytes + at + cut, length - at - cut);
    memcpy(bytes + at, word, size);
    return length + size - cut;
}

FUZZ_TARGET("note");
