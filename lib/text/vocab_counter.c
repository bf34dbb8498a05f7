/* lrnn_vocab_counter: a text_stream whose blocks a counter counts. After an error, or once the
 * vocabulary is made, it can only be destroyed. */
#include "base/check.h"
#include "base/error.h"
#include "stream.h"

struct lrnn_vocab_counter {
    token_counter *counts;
    text_stream stream;
    bool over;
};

static lrnn_status count_block(void *user, const char *text, size_t length,
                               const text_origin *origin)
{
    return counter_add(user, text, length, origin);
}

lrnn_status lrnn_vocab_counter_create(lrnn_vocab_counter **counter,
                                      const lrnn_vocab_options *options)
{
    if (counter == NULL) {
        return error_null("counter");
    }
    *counter = NULL;
    token_counter *counts;
    CHECK(counter_create(&counts, options));
    lrnn_allocator allocator = *counter_allocator(counts);
    lrnn_vocab_counter *made = memory_allocate(&allocator, 1, sizeof *made, "vocabulary: counter");
    if (made == NULL) {
        counter_destroy(counts);
        return LRNN_ERR_MEMORY;
    }
    made->counts = counts;
    made->stream = (text_stream){.allocator = allocator, .level = counter_options(counts)->level};
    *counter = made;
    return LRNN_OK;
}

void lrnn_vocab_counter_destroy(lrnn_vocab_counter *counter)
{
    if (counter != NULL) {
        lrnn_allocator allocator = counter->stream.allocator;
        text_stream_release(&counter->stream);
        counter_destroy(counter->counts);
        memory_release(&allocator, counter);
    }
}

static lrnn_status check_open(const lrnn_vocab_counter *counter)
{
    return !counter->over ? LRNN_OK
                          : error_set(LRNN_ERR_STATE,
                                      "counter: an earlier call failed, or the vocabulary is made");
}

static lrnn_status finish(lrnn_vocab_counter *counter, lrnn_status status)
{
    counter->over = status != LRNN_OK;
    return status;
}

lrnn_status lrnn_vocab_counter_add(lrnn_vocab_counter *counter, const char *text, size_t length)
{
    if (counter == NULL || (text == NULL && length > 0)) {
        return error_null(counter == NULL ? "counter" : "text");
    }
    CHECK(check_extent("length", length, 1));
    CHECK(check_open(counter));
    return finish(counter,
                  text_stream_add(&counter->stream, text, length, count_block, counter->counts));
}

lrnn_status lrnn_vocab_counter_end(lrnn_vocab_counter *counter)
{
    if (counter == NULL) {
        return error_null("counter");
    }
    CHECK(check_open(counter));
    return finish(counter, text_stream_end(&counter->stream, count_block, counter->counts));
}

lrnn_status lrnn_vocab_create_from_counter(lrnn_vocab **vocab, lrnn_vocab_counter *counter)
{
    if (vocab == NULL) {
        return error_null("vocab");
    }
    *vocab = NULL;
    CHECK(lrnn_vocab_counter_end(counter));
    counter->over = true;
    return counter_build(vocab, counter->counts);
}
