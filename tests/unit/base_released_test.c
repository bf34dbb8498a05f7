/* The sizes of the public structs in every release, in bytes on a 64-bit machine: they only grow,
 * and a caller of any release is known by them. A line is added when a struct grows, and never
 * changed once it is released. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/released.h"

typedef struct released {
    const char *name;
    size_t first, now; /* as the library believes */
    size_t sizes[2];   /* of 0.1, 0.2; 0: there was none */
} released;

#define STRUCT(type, size_0_1, size_0_2)                                                           \
    {                                                                                              \
#type, RELEASED_##type, sizeof(type),                                                      \
        {                                                                                          \
            size_0_1, size_0_2                                                                     \
        }                                                                                          \
    }

static const released structs[] = {
    STRUCT(lrnn_allocator, 32, 32),
    STRUCT(lrnn_vocab_options, 56, 56),
    STRUCT(lrnn_sequences, 72, 96),
    STRUCT(lrnn_model_options, 128, 384),
    STRUCT(lrnn_tensor, 48, 48),
    STRUCT(lrnn_parameter, 56, 56),
    STRUCT(lrnn_import_options, 104, 240),
    STRUCT(lrnn_export_options, 32, 72),
    STRUCT(lrnn_state_options, 32, 32),
    STRUCT(lrnn_batches_options, 64, 64),
    STRUCT(lrnn_examples, 88, 104),
    STRUCT(lrnn_optimizer_options, 88, 88),
    STRUCT(lrnn_schedule_options, 80, 104),
    STRUCT(lrnn_trainer_options, 96, 184),
    STRUCT(lrnn_train_result, 40, 64),
    STRUCT(lrnn_backward, 64, 64),
    STRUCT(lrnn_checkpoint, 40, 48),
    STRUCT(lrnn_rows, 56, 64),
    STRUCT(lrnn_scorer, 32, 32),
    STRUCT(lrnn_decoder_options, 304, 304),
    STRUCT(lrnn_request, 56, 56),
    STRUCT(lrnn_result, 64, 64),
    STRUCT(lrnn_exchange, 0, 32),
    STRUCT(lrnn_ctc_options, 0, 160),
    STRUCT(lrnn_ctc_result, 0, 72),
};

static void structs_have_the_sizes_of_their_releases(void **state)
{
    (void)state;
    for (size_t i = 0; sizeof(void *) == 8 && i < sizeof structs / sizeof *structs; i++) {
        const released *s = &structs[i];
        size_t first = s->sizes[0] != 0 ? s->sizes[0] : s->sizes[1];
        if (s->first != first || s->now != s->sizes[1] || s->now % 8 != 0) {
            fail_msg("%s: released with %zu bytes, now %zu; the table says %zu and %zu", s->name,
                     s->first, s->now, first, s->sizes[1]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structs_have_the_sizes_of_their_releases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
