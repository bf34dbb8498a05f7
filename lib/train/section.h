/* A checkpoint is sections, one for each object, of fields by name: numbers as metadata
 * "checkpoint.<object>.<field>", arrays as tensors of that name. Each object writes its own
 * section, and reads it in two steps, so that nothing has changed when one of them finds something
 * wrong: save    into the file read    checks that the section fits the object and puts it aside
 *   restore takes over what was put aside; cannot fail
 * A field that a file does not have takes the default that the reader names, so an old file loads;
 * a field that a reader does not ask for is left alone. */
#ifndef TRAIN_SECTION_H
#define TRAIN_SECTION_H

#include "base/memory.h"
#include "base/real.h"
#include "format/safetensors.h"

typedef struct section_writer {
    safetensors_writer *writer;
    const char *object;
} section_writer;

typedef struct section_reader {
    const safetensors *file;
    const char *object;
    /* Of a file of 0.1, whose numbers had places; see section.c. NULL: by name. */
    const int64_t *counters;
    const double *rates;
} section_reader;

lrnn_status section_put_count(const section_writer *to, const char *field, uint64_t value);
/* Nothing is written for infinity, which is a default. LRNN_ERR_NUMERIC: NaN. */
lrnn_status section_put_number(const section_writer *to, const char *field, double value);
/* values NULL or count 0: nothing. LRNN_ERR_NUMERIC: one is not finite; the values are borrowed. */
lrnn_status section_put_reals(const section_writer *to, const char *field, const real *values,
                              size_t count);

/* Has the file a section of the object, which always has this field? */
bool section_exists(const section_reader *from, const char *field);

lrnn_status section_get_count(uint64_t *value, const section_reader *from, const char *field,
                              uint64_t otherwise);
/* LRNN_ERR_NUMERIC: not finite. */
lrnn_status section_get_number(double *value, const section_reader *from, const char *field,
                               double otherwise);
/* Whether the file has the array. */
bool section_has_reals(const section_reader *from, const char *field);
/* The same, and how many values it has. */
bool section_count_reals(size_t *count, const section_reader *from, const char *field);
/* Allocates count values; memory_release frees them. LRNN_ERR_FORMAT: missing, or another count;
 * LRNN_ERR_NUMERIC: one is not finite. count 0: *values is NULL. */
lrnn_status section_get_reals(real **values, const section_reader *from, const char *field,
                              size_t count, const lrnn_allocator *allocator);

/* "expected ... than the one that was saved", naming file and object. LRNN_ERR_INVALID. */
lrnn_status section_mismatch(const section_reader *from, const char *what);

/* LRNN_ERR_FORMAT, naming file, object and field. */
lrnn_status section_damaged(const section_reader *from, const char *field, const char *why);

/* What a file of 0.1 has instead of names. */
typedef struct section_numbers {
    int64_t counters[32];
    double rates[8];
    bool positional;
} section_numbers;

lrnn_status section_open(section_numbers *numbers, const safetensors *file);
section_reader section_of(const section_numbers *numbers, const safetensors *file,
                          const char *object);

#endif
