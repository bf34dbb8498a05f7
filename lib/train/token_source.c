/* A buffer for each row. Rows move forward, so a buffer that does not hold what is asked for is
 * filled from there on. */
#include "token_source.h"

#include "base/check.h"
#include "token_file.h"

#define BUFFERS ((size_t)1 << 20) /* tokens in all of them, unless windows are longer */
#define AHEAD   ((size_t)1 << 15) /* tokens for one row at most, likewise */

lrnn_status token_source_create(token_source *source, const lrnn_tokens *tokens, size_t first,
                                size_t length, size_t rows, size_t least,
                                const lrnn_allocator *allocator)
{
    size_t ahead = BUFFERS / rows < AHEAD ? BUFFERS / rows : AHEAD, all;
    ahead = ahead < least ? least : ahead;
    *source = (token_source){.first = first, .length = length, .rows = rows, .ahead = ahead};
    size_multiply(&all, rows, ahead);
    source->buffer = memory_allocate(allocator, all, sizeof *source->buffer, "batches: tokens");
    source->starts = memory_allocate(allocator, rows, 2 * sizeof *source->starts, "batches: rows");
    if (source->buffer == NULL || source->starts == NULL) {
        token_source_release(source, allocator);
        return LRNN_ERR_MEMORY;
    }
    source->counts = source->starts + rows;
    source->tokens = tokens_share(tokens);
    return LRNN_OK;
}

void token_source_release(token_source *source, const lrnn_allocator *allocator)
{
    lrnn_tokens_destroy(source->tokens);
    memory_release(allocator, source->buffer);
    memory_release(allocator, source->starts);
    *source = (token_source){0};
}

lrnn_status token_source_get(const int32_t **ids, token_source *source, size_t row, size_t start,
                             size_t count)
{
    int32_t *buffer = source->buffer + row * source->ahead;
    size_t *held = &source->starts[row], *holds = &source->counts[row];
    if (start < *held || start + count > *held + *holds) {
        size_t left = source->length - start, n = left < source->ahead ? left : source->ahead;
        *holds = 0; /* a failure leaves nothing */
        CHECK(lrnn_tokens_read(buffer, source->tokens, source->first + start, n));
        *held = start;
        *holds = n;
    }
    *ids = buffer + (start - *held);
    return LRNN_OK;
}
