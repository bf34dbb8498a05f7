/* A checkpoint held against itself, without the objects that it was saved from: the models in it
 * load, every array has the digest that the file gives and as many numbers as it must, all of them
 * finite, and every number can be one of its field. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/number.h"
#include "checkpoint_best.h"
#include "format/header.h"
#include "model/file.h"
#include "section.h"

typedef struct checking {
    lrnn_allocator allocator;
    const safetensors *file;
    const network *net;
    section_numbers numbers;
    section_reader trainer, optimizer, schedule;
} checking;

/* ---- arrays ---- */

static lrnn_status check_values(const checking *c, const tensor_view *view, const real *values,
                                bool negative_allowed)
{
    for (size_t i = 0; i < view->count; i++) {
        if (!isfinite(values[i]) || (!negative_allowed && values[i] < 0)) {
            return error_set(LRNN_ERR_NUMERIC, "%s: tensor %s: value %zu is %s",
                             safetensors_name(c->file), view->name, i,
                             isfinite(values[i]) ? "negative" : "not finite");
        }
    }
    return LRNN_OK;
}

/* Reads it whole, so that its digest is looked at. */
static lrnn_status check_one_array(const checking *c, const tensor_view *view)
{
    bool reals = view->dtype == TENSOR_F32 || view->dtype == TENSOR_F64 ||
                 view->dtype == TENSOR_F16 || view->dtype == TENSOR_BF16;
    size_t size = reals ? sizeof(real) : tensor_dtype_size(view->dtype);
    void *values = memory_allocate(&c->allocator, view->count, size, "checkpoint");
    if (values == NULL) {
        return LRNN_ERR_MEMORY;
    }
    bool second_moment = strcmp(view->name, "checkpoint.optimizer.v") == 0 ||
                         strcmp(view->name, "checkpoint.v") == 0;
    lrnn_status status = reals ? tensor_read(values, view, 0, view->count)
                               : tensor_bytes(values, view, 0, view->count);
    if (status == LRNN_ERR_FORMAT) {
        status = error_set(status, "%s: %s", safetensors_name(c->file), lrnn_last_error());
    }
    if (status == LRNN_OK && reals) {
        status = check_values(c, view, values, !second_moment);
    }
    memory_release(&c->allocator, values);
    return status;
}

static lrnn_status check_arrays(const checking *c)
{
    for (size_t i = 0; i < safetensors_count(c->file); i++) {
        const tensor_view *view = safetensors_tensor(c->file, i);
        if (strncmp(view->name, CHECKPOINT_PREFIX, strlen(CHECKPOINT_PREFIX)) == 0) {
            CHECK(check_one_array(c, view));
        }
    }
    return LRNN_OK;
}

/* An array of a section has `count` values; `required`: it is there. */
static lrnn_status check_count(const section_reader *from, const char *field, uint64_t count,
                               bool required)
{
    size_t found;
    bool there = section_count_reals(&found, from, field);
    return there ? (found == count ? LRNN_OK
                                   : section_damaged(from, field, "its values are too many or few"))
                 : (required ? section_damaged(from, field, "is missing") : LRNN_OK);
}

/* ---- sections ---- */

static lrnn_status check_trainer(const checking *c)
{
    const network *net = c->net;
    uint64_t rows, next, averaged;
    CHECK(section_get_count(&rows, &c->trainer, "rows", 0));
    CHECK(section_get_count(&next, &c->trainer, "carried", 0));
    CHECK(section_get_count(&averaged, &c->trainer, "averaged", 0));
    if (next != 0 && next != rows) {
        return section_damaged(&c->trainer, "carried", "the rows of the carried state are others");
    }
    bool state = net->h_values > 0 && rows > 0;
    CHECK(check_count(&c->trainer, "h", net->h_values * rows, state));
    CHECK(check_count(&c->trainer, "c", net->c_values * rows, state && net->cell->has_c));
    return check_count(&c->trainer, "average", net->parameter_count, averaged > 0);
}

static lrnn_status check_rate(const section_reader *from, int32_t last)
{
    uint64_t kind;
    double rate;
    CHECK(section_get_count(&kind, from, "kind", 0));
    if (kind > (uint64_t)last) {
        return section_damaged(from, "kind", "there is no such kind");
    }
    CHECK(section_get_number(&rate, from, "learning_rate", 0));
    return rate < 0 ? section_damaged(from, "learning_rate", "expected at least 0") : LRNN_OK;
}

static lrnn_status check_optimizer(const checking *c)
{
    uint64_t kind;
    CHECK(check_rate(&c->optimizer, LRNN_OPTIMIZER_ADAMW));
    CHECK(section_get_count(&kind, &c->optimizer, "kind", 0));
    size_t count = c->net->parameter_count;
    CHECK(check_count(&c->optimizer, "m", count, kind >= LRNN_OPTIMIZER_ADAM));
    return check_count(&c->optimizer, "v", count, kind != LRNN_OPTIMIZER_SGD);
}

/* Whatever object it is of: all are numbers. */
static lrnn_status check_numbers(const checking *c)
{
    for (size_t i = 0; i < c->file->metadata_count; i++) {
        const metadata_entry *entry = &c->file->metadata[i];
        double value;
        if (strncmp(entry->key, CHECKPOINT_PREFIX, strlen(CHECKPOINT_PREFIX)) == 0 &&
            (strlen(entry->value) != entry->length || !number_read_double(&value, entry->value))) {
            return error_set(LRNN_ERR_FORMAT, "%s: %s: expected a finite number",
                             safetensors_name(c->file), entry->key);
        }
    }
    return LRNN_OK;
}

static lrnn_status check_sections(checking *c)
{
    double best;
    CHECK(check_arrays(c));
    CHECK(check_numbers(c));
    CHECK(section_open(&c->numbers, c->file));
    c->trainer = section_of(&c->numbers, c->file, "trainer");
    c->optimizer = section_of(&c->numbers, c->file, "optimizer");
    c->schedule = section_of(&c->numbers, c->file, "schedule");
    CHECK(check_trainer(c));
    if (section_exists(&c->optimizer, "kind")) {
        CHECK(check_optimizer(c));
    }
    if (section_exists(&c->schedule, "kind")) {
        CHECK(check_rate(&c->schedule, LRNN_SCHEDULE_MILESTONES));
        CHECK(section_get_number(&best, &c->schedule, "best", (double)INFINITY));
    }
    return LRNN_OK;
}

/* ---- all of it ---- */

static lrnn_status check_best(const checking *c)
{
    lrnn_model *best;
    lrnn_status status = checkpoint_load_best(&best, c->file, &c->allocator);
    lrnn_model_destroy(best);
    return status == LRNN_ERR_NOT_FOUND ? LRNN_OK : status;
}

static lrnn_status check_file(checking *c)
{
    const char *kind = safetensors_metadata(c->file, "lrnn.kind", NULL);
    lrnn_model *model;
    if (kind == NULL || strcmp(kind, "checkpoint") != 0) {
        return error_set(LRNN_ERR_FORMAT, "%s: not a checkpoint", safetensors_name(c->file));
    }
    CHECK(model_from_file(&model, c->file, &c->allocator));
    c->net = &model->net;
    lrnn_status status = check_sections(c);
    lrnn_model_destroy(model);
    CHECK(status);
    return check_best(c);
}

lrnn_status lrnn_checkpoint_check(const char *path, const lrnn_allocator *allocator)
{
    checking c = {.net = NULL};
    safetensors *file;
    if (path == NULL) {
        return error_null("path");
    }
    CHECK(allocator_read(&c.allocator, allocator));
    CHECK(safetensors_open(&file, &c.allocator, path));
    c.file = file;
    lrnn_status status = check_file(&c);
    safetensors_destroy(file);
    return status;
}
