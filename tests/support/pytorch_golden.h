/* The nets of tests/golden/pytorch and pytorch_import: what they read and what PyTorch gives for
 * it.
 */
#ifndef SUPPORT_PYTORCH_GOLDEN_H
#define SUPPORT_PYTORCH_GOLDEN_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/safetensors.h"
#include "lrnn.h"
#include "support/tensor_bytes.h"

#define GOLDEN_FOLDER        SOURCE_ROOT "/tests/golden/pytorch/"
#define GOLDEN_IMPORT_FOLDER SOURCE_ROOT "/tests/golden/pytorch_import/"

static inline const tensor_view *golden_find(const safetensors *file, const char *net,
                                             const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", net, what);
    return safetensors_find(file, name);
}

/* The largest difference between what the model gives and what PyTorch gave; infinite where it
 * cannot be computed, with the reason on stderr. */
static inline double golden_difference_in(const char *folder, const lrnn_model *model,
                                          const char *net)
{
    char path[256];
    snprintf(path, sizeof path, "%sexpected.safetensors", folder);
    safetensors *file;
    lrnn_state *state = NULL;
    lrnn_state_options options;
    lrnn_sequences sequences;
    if (safetensors_open(&file, NULL, path) != LRNN_OK) {
        fprintf(stderr, "%s\n", lrnn_last_error());
        abort();
    }
    const tensor_view *tokens = golden_find(file, net, "tokens");
    const tensor_view *features = golden_find(file, net, "features");
    const tensor_view *outputs = golden_find(file, net, "outputs");
    double worst = outputs == NULL ? INFINITY : 0;
    size_t count = outputs != NULL ? outputs->count : 0;
    int32_t *ids = calloc(1 + (tokens != NULL ? tokens->count : 0), sizeof *ids);
    float *values = calloc(1 + (features != NULL ? features->count : 0), sizeof *values);
    float *expected = calloc(1 + count, sizeof *expected);
    float *found = calloc(1 + count, sizeof *found);
    const unsigned char *bytes = tokens != NULL ? bytes_of(tokens) : NULL;
    for (size_t i = 0; tokens != NULL && i < tokens->count; i++) {
        ids[i] = bytes[8 * i]; /* I64, all below 256 */
    }
    lrnn_state_options_init(&options, sizeof options);
    lrnn_sequences_init(&sequences, sizeof sequences);
    options.batch = sequences.batch = outputs != NULL ? outputs->shape[0] : 0;
    sequences.steps = outputs != NULL ? outputs->shape[1] : 0;
    sequences.tokens = tokens != NULL ? ids : NULL;
    sequences.features = features != NULL ? values : NULL;
    if (worst > 0 ||
        (features != NULL && tensor_read(values, features, 0, features->count) != LRNN_OK) ||
        tensor_read(expected, outputs, 0, count) != LRNN_OK ||
        outputs->shape[2] != lrnn_model_output_size(model) ||
        lrnn_state_create(&state, model, &options) != LRNN_OK ||
        lrnn_state_forward(state, &sequences, found) != LRNN_OK) {
        fprintf(stderr, "%s: %s\n", net, lrnn_last_error());
        worst = INFINITY;
    }
    for (size_t i = 0; i < count; i++) {
        worst = fmax(worst, fabs((double)expected[i] - (double)found[i]));
    }
    lrnn_state_destroy(state);
    free(ids);
    free(values);
    free(expected);
    free(found);
    safetensors_destroy(file);
    return worst;
}

static inline double golden_difference(const lrnn_model *model, const char *net)
{
    return golden_difference_in(GOLDEN_FOLDER, model, net);
}

#endif
