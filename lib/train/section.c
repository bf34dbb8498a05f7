/* See section.h. Checkpoints of 0.1 had two tensors of numbers instead of named fields,
 * "checkpoint.counters" (I64) and "checkpoint.rates" (F64), and arrays named "checkpoint.h", "c",
 * "m", "v"; the table below says which place is which field. */
#include "section.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/number.h"

enum { NAME_ROOM = 96 };

static void name_of(char name[NAME_ROOM], const char *object, const char *field)
{
    snprintf(name, NAME_ROOM, "checkpoint.%s.%s", object, field);
}

/* ---- files of 0.1 ---- */

static const struct old_place {
    const char *object, *field;
    int place;
    bool rate;
} old_places[] = {
    {"trainer", "windows", 0, false},        {"trainer", "seed", 1, false},
    {"trainer", "carried", 2, false},        {"optimizer", "kind", 4, false},
    {"optimizer", "updates", 5, false},      {"schedule", "kind", 6, false},
    {"schedule", "advances", 7, false},      {"schedule", "bad_reports", 8, false},
    {"batches", "batch", 9, false},          {"batches", "steps", 10, false},
    {"batches", "order", 11, false},         {"batches", "used", 12, false},
    {"batches", "position", 13, false},      {"batches", "examples", 14, false},
    {"batches", "pass", 15, false},          {"batches", "mixing", 16, false},
    {"batches", "seed", 17, false},          {"trainer", "rows", 18, false},
    {"optimizer", "learning_rate", 0, true}, {"schedule", "learning_rate", 1, true},
    {"schedule", "best", 2, true},
};

enum { OLD_COUNTERS = 19, OLD_RATES = 3, OLD_HAS = 3 };

static const struct old_place *old_place(const section_reader *from, const char *field)
{
    for (size_t i = 0; i < sizeof old_places / sizeof *old_places; i++) {
        if (strcmp(old_places[i].object, from->object) == 0 &&
            strcmp(old_places[i].field, field) == 0) {
            return &old_places[i];
        }
    }
    return NULL;
}

static lrnn_status read_old(void *to, const safetensors *file, const char *name, tensor_dtype dtype,
                            size_t count)
{
    const tensor_view *view = safetensors_find(file, name);
    if (view == NULL || view->dtype != dtype || view->count != count) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor %s: expected %zu values of %s, found %zu of %s",
                         safetensors_name(file), name, count, tensor_dtype_name(dtype),
                         view == NULL ? 0 : view->count,
                         view == NULL ? "nothing" : tensor_dtype_name(view->dtype));
    }
    return tensor_numbers(to, view, 0, count);
}

lrnn_status section_open(section_numbers *numbers, const safetensors *file)
{
    memset(numbers, 0, sizeof *numbers);
    numbers->positional = safetensors_find(file, "checkpoint.counters") != NULL;
    if (numbers->positional) {
        CHECK(read_old(numbers->counters, file, "checkpoint.counters", TENSOR_I64, OLD_COUNTERS));
        CHECK(read_old(numbers->rates, file, "checkpoint.rates", TENSOR_F64, OLD_RATES));
    }
    return LRNN_OK;
}

section_reader section_of(const section_numbers *numbers, const safetensors *file,
                          const char *object)
{
    return (section_reader){
        .file = file,
        .object = object,
        .counters = numbers->positional ? numbers->counters : NULL,
        .rates = numbers->positional ? numbers->rates : NULL,
    };
}

/* ---- writing ---- */

static lrnn_status put_text(const section_writer *to, const char *field, const char *text)
{
    char name[NAME_ROOM];
    name_of(name, to->object, field);
    return safetensors_writer_metadata(to->writer, name, text, strlen(text));
}

lrnn_status section_put_count(const section_writer *to, const char *field, uint64_t value)
{
    char text[NUMBER_ROOM];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return put_text(to, field, text);
}

lrnn_status section_put_number(const section_writer *to, const char *field, double value)
{
    char text[NUMBER_ROOM];
    if (value == (double)INFINITY) {
        return LRNN_OK;
    }
    if (!isfinite(value)) {
        return error_set(LRNN_ERR_NUMERIC, "checkpoint: %s: %s is not finite", to->object, field);
    }
    number_write_double(text, value);
    return put_text(to, field, text);
}

lrnn_status section_put_reals(const section_writer *to, const char *field, const real *values,
                              size_t count)
{
    char name[NAME_ROOM];
    name_of(name, to->object, field);
    if (values == NULL || count == 0) {
        return LRNN_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return error_set(LRNN_ERR_NUMERIC, "checkpoint: %s: value %zu is not finite", name, i);
        }
    }
    return safetensors_writer_tensor(to->writer, name, TENSOR_REAL, 1, &count, values);
}

/* ---- reading ---- */

bool section_exists(const section_reader *from, const char *field)
{
    char name[NAME_ROOM];
    if (from->counters != NULL) {
        int64_t has = from->counters[OLD_HAS];
        return strcmp(from->object, "optimizer") == 0  ? (has & 1) != 0
               : strcmp(from->object, "schedule") == 0 ? (has & 2) != 0
               : strcmp(from->object, "batches") == 0  ? (has & 4) != 0
                                                       : true;
    }
    name_of(name, from->object, field);
    return safetensors_metadata(from->file, name, NULL) != NULL;
}

/* NULL: the file does not have it. */
static const char *find_text(const section_reader *from, const char *field)
{
    char name[NAME_ROOM];
    size_t length;
    name_of(name, from->object, field);
    const char *text = safetensors_metadata(from->file, name, &length);
    return text != NULL && strlen(text) == length ? text : NULL;
}

lrnn_status section_get_count(uint64_t *value, const section_reader *from, const char *field,
                              uint64_t otherwise)
{
    *value = otherwise;
    if (from->counters != NULL) {
        const struct old_place *old = old_place(from, field);
        *value = old == NULL ? otherwise : (uint64_t)from->counters[old->place];
        return LRNN_OK;
    }
    const char *text = find_text(from, field);
    if (text != NULL && !number_read_uint64(value, text)) {
        return section_damaged(from, field, "expected a number");
    }
    return LRNN_OK;
}

lrnn_status section_get_number(double *value, const section_reader *from, const char *field,
                               double otherwise)
{
    *value = otherwise;
    if (from->rates != NULL) {
        const struct old_place *old = old_place(from, field);
        *value = old == NULL ? otherwise : from->rates[old->place];
    } else {
        const char *text = find_text(from, field);
        if (text != NULL && !number_read_double(value, text)) {
            return section_damaged(from, field, "expected a finite number");
        }
    }
    if (!isfinite(*value) && *value != otherwise) {
        return error_set(LRNN_ERR_NUMERIC, "%s: %s: %s is not finite", safetensors_name(from->file),
                         from->object, field);
    }
    return LRNN_OK;
}

static const tensor_view *find_reals(const section_reader *from, const char *field,
                                     char name[NAME_ROOM])
{
    if (from->counters != NULL) {
        snprintf(name, NAME_ROOM, "checkpoint.%s", field);
    } else {
        name_of(name, from->object, field);
    }
    return safetensors_find(from->file, name);
}

bool section_has_reals(const section_reader *from, const char *field)
{
    char name[NAME_ROOM];
    return find_reals(from, field, name) != NULL;
}

bool section_count_reals(size_t *count, const section_reader *from, const char *field)
{
    char name[NAME_ROOM];
    const tensor_view *view = find_reals(from, field, name);
    *count = view != NULL ? view->count : 0;
    return view != NULL;
}

static lrnn_status read_reals(real *values, const tensor_view *view, const section_reader *from)
{
    CHECK(tensor_read(values, view, 0, view->count));
    for (size_t i = 0; i < view->count; i++) {
        if (!isfinite(values[i])) {
            return error_set(LRNN_ERR_NUMERIC, "%s: tensor %s: value %zu is not finite",
                             safetensors_name(from->file), view->name, i);
        }
    }
    return LRNN_OK;
}

lrnn_status section_get_reals(real **values, const section_reader *from, const char *field,
                              size_t count, const lrnn_allocator *allocator)
{
    char name[NAME_ROOM];
    *values = NULL;
    if (count == 0) {
        return LRNN_OK;
    }
    const tensor_view *view = find_reals(from, field, name);
    if (view == NULL) {
        return error_set(LRNN_ERR_FORMAT, "%s: tensor %s is missing", safetensors_name(from->file),
                         name);
    }
    if (view->dtype != TENSOR_REAL || view->count != count) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: tensor %s: expected %zu values of %s, found %zu of %s",
                         safetensors_name(from->file), name, count, tensor_dtype_name(TENSOR_REAL),
                         view->count, tensor_dtype_name(view->dtype));
    }
    *values = memory_allocate(allocator, count, sizeof **values, "checkpoint");
    if (*values == NULL) {
        return LRNN_ERR_MEMORY;
    }
    lrnn_status status = read_reals(*values, view, from);
    if (status != LRNN_OK) {
        memory_release(allocator, *values);
        *values = NULL;
    }
    return status;
}

lrnn_status section_mismatch(const section_reader *from, const char *what)
{
    return error_set(LRNN_ERR_INVALID, "%s: %s: %s than the one that was saved",
                     safetensors_name(from->file), from->object, what);
}

lrnn_status section_damaged(const section_reader *from, const char *field, const char *why)
{
    return error_set(LRNN_ERR_FORMAT, "%s: %s: %s: %s", safetensors_name(from->file), from->object,
                     field, why);
}
