/* A checkpoint is a model file with a section more for each object that it holds; what a section
 * has is the object's own matter (section.h). Loading reads all sections before it restores any, so
 * that a file that turns out to be wrong half-way changes nothing. */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/options.h"
#include "base/utf8.h"
#include "batches.h"
#include "checkpoint_best.h"
#include "model/file.h"
#include "model/options.h"
#include "optimizer.h"
#include "schedule.h"
#include "trainer_section.h"

static const lrnn_checkpoint default_checkpoint = {.size = sizeof(lrnn_checkpoint)};

lrnn_status lrnn_checkpoint_init(lrnn_checkpoint *checkpoint, size_t struct_size)
{
    return OPTIONS_INIT(checkpoint, struct_size, &default_checkpoint, lrnn_checkpoint);
}

static lrnn_status read_checkpoint(lrnn_checkpoint *all, const lrnn_checkpoint *given,
                                   const char *path)
{
    CHECK(OPTIONS_READ(all, given, &default_checkpoint, lrnn_checkpoint));
    if (all->trainer == NULL || path == NULL) {
        return error_null(path == NULL ? "path" : "checkpoint.trainer");
    }
    size_t count = all->trainer->net->parameter_count;
    if (all->optimizer != NULL && all->optimizer->count != count) {
        return error_set(LRNN_ERR_INVALID,
                         "optimizer: made for %zu parameters, the trainer has %zu",
                         all->optimizer->count, count);
    }
    return LRNN_OK;
}

/* ---- saving ---- */

static lrnn_status describe(safetensors_writer *writer, const lrnn_checkpoint *all,
                            const char *note)
{
    const lrnn_trainer *trainer = all->trainer;
    const section_writer of_trainer = {writer, "trainer"}, of_optimizer = {writer, "optimizer"};
    const section_writer of_schedule = {writer, "schedule"}, of_batches = {writer, "batches"};
    CHECK(model_describe(writer, trainer->model, trainer->parameters, "checkpoint"));
    CHECK(trainer_save(&of_trainer, trainer));
    CHECK(all->optimizer == NULL ? LRNN_OK : optimizer_save(&of_optimizer, all->optimizer));
    CHECK(all->schedule == NULL ? LRNN_OK : schedule_save(&of_schedule, all->schedule));
    CHECK(all->batches == NULL ? LRNN_OK : batches_save(&of_batches, all->batches));
    CHECK(checkpoint_describe_best(writer, trainer, all->best));
    CHECK(note == NULL ? LRNN_OK
                       : safetensors_writer_metadata(writer, "lrnn.note", note, strlen(note)));
    return safetensors_writer_sign(writer);
}

lrnn_status lrnn_checkpoint_save(const lrnn_checkpoint *checkpoint, const char *path,
                                 const char *note)
{
    lrnn_checkpoint all;
    CHECK(read_checkpoint(&all, checkpoint, path));
    size_t valid = note == NULL ? 0 : utf8_valid_prefix(note, strlen(note));
    if (note != NULL && valid != strlen(note)) {
        return error_set(LRNN_ERR_INVALID, "note: invalid UTF-8 at byte %zu", valid);
    }
    safetensors_writer *writer;
    CHECK(safetensors_writer_create(&writer, &all.trainer->allocator));
    lrnn_status status = describe(writer, &all, note);
    if (status == LRNN_OK) {
        status = safetensors_writer_save(writer, path);
    }
    safetensors_writer_destroy(writer);
    return status;
}

/* ---- loading ---- */

static lrnn_status check_hidden_sizes(const lrnn_model_options *ours,
                                      const lrnn_model_options *saved, const safetensors *file)
{
    char our_list[OPTIONS_LIST_ROOM], saved_list[OPTIONS_LIST_ROOM];
    if (memcmp(ours->hidden_sizes, saved->hidden_sizes, sizeof ours->hidden_sizes) == 0) {
        return LRNN_OK;
    }
    model_options_write_list(our_list, ours->hidden_sizes);
    model_options_write_list(saved_list, saved->hidden_sizes);
    return error_set(LRNN_ERR_INVALID,
                     "%s: trainer: hidden_sizes are '%s', those of the one that was saved '%s'",
                     safetensors_name(file), our_list, saved_list);
}

static lrnn_status check_cutoffs(const lrnn_model_options *ours, const lrnn_model_options *saved,
                                 const safetensors *file)
{
    char our_list[OPTIONS_LIST_ROOM], saved_list[OPTIONS_LIST_ROOM];
    if (memcmp(ours->cutoffs, saved->cutoffs, sizeof ours->cutoffs) == 0 &&
        ours->div_value == saved->div_value) {
        return LRNN_OK;
    }
    model_options_write_list(our_list, ours->cutoffs);
    model_options_write_list(saved_list, saved->cutoffs);
    return error_set(LRNN_ERR_INVALID,
                     "%s: trainer: cutoffs are '%s' with div_value %g, those of the one that was "
                     "saved '%s' with %g",
                     safetensors_name(file), our_list, ours->div_value, saved_list,
                     saved->div_value);
}

/* Was the saved model of the trainer's architecture? */
static lrnn_status check_architecture(const lrnn_checkpoint *all, const safetensors *file)
{
    const lrnn_model_options *ours = &all->trainer->net->options;
    lrnn_model_options saved;
    CHECK(model_options_from_file(&saved, file));
    const struct {
        const char *name;
        size_t ours, saved;
    } fields[] = {
        {"vocab_size", ours->vocab_size, saved.vocab_size},
        {"embedding_size", ours->embedding_size, saved.embedding_size},
        {"feature_size", ours->feature_size, saved.feature_size},
        {"hidden_size", ours->hidden_size, saved.hidden_size},
        {"projection_size", ours->projection_size, saved.projection_size},
        {"layers", ours->layers, saved.layers},
        {"output_size", ours->output_size, saved.output_size},
        {"cell", (size_t)ours->cell, (size_t)saved.cell},
        {"head", (size_t)ours->head, (size_t)saved.head},
        {"bidirectional", (size_t)ours->bidirectional, (size_t)saved.bidirectional},
        {"bias", (size_t)ours->bias, (size_t)saved.bias},
        {"tied_weights", (size_t)ours->tied_weights, (size_t)saved.tied_weights},
        {"adaptive_bias", (size_t)ours->adaptive_bias, (size_t)saved.adaptive_bias},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].ours != fields[i].saved) {
            return error_set(
                LRNN_ERR_INVALID, "%s: trainer: %s is %zu, that of the one that was saved %zu",
                safetensors_name(file), fields[i].name, fields[i].ours, fields[i].saved);
        }
    }
    CHECK(check_hidden_sizes(ours, &saved, file));
    return check_cutoffs(ours, &saved, file);
}

/* What was read of each object. */
typedef struct saved {
    trainer_saved trainer;
    optimizer_saved optimizer;
    schedule_saved schedule;
    batches_saved batches;
} saved;

static lrnn_status check_held(const section_reader *from, const char *field, bool wanted)
{
    if (wanted && !section_exists(from, field)) {
        return error_set(LRNN_ERR_INVALID, "%s: holds no %s", safetensors_name(from->file),
                         from->object);
    }
    return LRNN_OK;
}

static lrnn_status read_sections(saved *in, const lrnn_checkpoint *all, const safetensors *file)
{
    section_numbers numbers;
    CHECK(section_open(&numbers, file));
    const section_reader of_trainer = section_of(&numbers, file, "trainer");
    const section_reader of_optimizer = section_of(&numbers, file, "optimizer");
    const section_reader of_schedule = section_of(&numbers, file, "schedule");
    const section_reader of_batches = section_of(&numbers, file, "batches");
    CHECK(trainer_read(&in->trainer, &of_trainer, all->trainer));
    CHECK(check_held(&of_optimizer, "kind", all->optimizer != NULL));
    CHECK(check_held(&of_schedule, "kind", all->schedule != NULL));
    CHECK(check_held(&of_batches, "batch", all->batches != NULL));
    if (all->optimizer != NULL) {
        CHECK(optimizer_read(&in->optimizer, &of_optimizer, all->optimizer));
    }
    if (all->schedule != NULL) {
        CHECK(schedule_read(&in->schedule, &of_schedule, all->schedule));
    }
    if (all->batches != NULL) {
        CHECK(batches_read(&in->batches, &of_batches, all->batches));
    }
    return LRNN_OK;
}

static void restore(const lrnn_checkpoint *all, saved *in)
{
    trainer_restore(all->trainer, &in->trainer);
    if (all->optimizer != NULL) {
        optimizer_restore(all->optimizer, &in->optimizer);
    }
    if (all->schedule != NULL) {
        schedule_restore(all->schedule, &in->schedule);
    }
    if (all->batches != NULL) {
        batches_restore(all->batches, &in->batches);
    }
}

static lrnn_status load(const lrnn_checkpoint *all, saved *in, const safetensors *file)
{
    const char *kind = safetensors_metadata(file, "lrnn.kind", NULL);
    if (kind == NULL || strcmp(kind, "checkpoint") != 0) {
        return error_set(LRNN_ERR_FORMAT, "%s: not a checkpoint", safetensors_name(file));
    }
    CHECK(check_architecture(all, file));
    CHECK(read_sections(in, all, file));
    restore(all, in);
    return LRNN_OK;
}

lrnn_status lrnn_checkpoint_load(const lrnn_checkpoint *checkpoint, const char *path)
{
    lrnn_checkpoint all;
    saved in = {0};
    safetensors *file;
    CHECK(read_checkpoint(&all, checkpoint, path));
    CHECK(safetensors_open(&file, &all.trainer->allocator, path));
    lrnn_status status = load(&all, &in, file);
    trainer_saved_release(&in.trainer, all.trainer);
    if (all.optimizer != NULL) {
        optimizer_saved_release(&in.optimizer, all.optimizer);
    }
    safetensors_destroy(file);
    return status;
}

lrnn_status lrnn_checkpoint_read_note(char *note, size_t capacity, size_t *length, const char *path)
{
    lrnn_allocator allocator;
    safetensors *file;
    if (length == NULL || path == NULL || (note == NULL && capacity > 0)) {
        return error_null(length == NULL ? "length" : path == NULL ? "path" : "note");
    }
    *length = 0;
    CHECK(allocator_read(&allocator, NULL));
    CHECK(safetensors_open(&file, &allocator, path));
    lrnn_status status = LRNN_OK;
    const char *found = safetensors_metadata(file, "lrnn.note", length);
    if (found == NULL) {
        status = error_set(LRNN_ERR_NOT_FOUND, "%s: has no note", path);
    } else if (note != NULL && capacity <= *length) {
        status = error_set(LRNN_ERR_TOO_SMALL, "note: %zu bytes and a NUL, room for %zu", *length,
                           capacity);
    } else if (note != NULL) {
        memcpy(note, found, *length + 1);
    }
    safetensors_destroy(file);
    return status;
}
