/* Pieces are appended to what is held, a block at a time; all that comes before the last safe place
 * to cut is passed on, and the rest moves to the front. */
#include "stream.h"

#include <string.h>

#include "base/check.h"
#include "base/error.h"

#define BLOCK ((size_t)1 << 16)

static lrnn_status reserve(text_stream *s, size_t more)
{
    size_t room;
    if (s->room - s->used >= more) {
        return LRNN_OK;
    }
    if (!size_add(&room, s->used, more) || !size_add(&room, room, s->used)) {
        return error_set(LRNN_ERR_MEMORY, "text: a word of more than %zu bytes", s->used);
    }
    char *held = memory_allocate(&s->allocator, room, 1, "text: a word");
    if (held == NULL) {
        return LRNN_ERR_MEMORY;
    }
    if (s->used > 0) {
        memcpy(held, s->held, s->used);
    }
    memory_release(&s->allocator, s->held);
    s->held = held;
    s->room = room;
    return LRNN_OK;
}

/* How much of what is held can be passed on, whatever follows. */
static size_t whole(const text_stream *s)
{
    size_t end = s->used;
    if (s->level >= LRNN_LEVEL_WORD) {
        while (end > 0 && !tokenizer_is_space((unsigned char)s->held[end - 1])) {
            end--;
        }
        return end;
    }
    if (s->level == LRNN_LEVEL_CHAR) {
        /* A character of up to four bytes may be cut: up to three of them are here. */
        for (size_t back = 1; back <= 3 && back <= s->used; back++) {
            unsigned char c = (unsigned char)s->held[s->used - back];
            if (c >= 0xc0) {
                size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
                return size > back ? s->used - back : s->used;
            }
            if (c < 0x80) {
                break;
            }
        }
    }
    return end;
}

static lrnn_status pass_on(text_stream *s, size_t length, text_block *each, void *user)
{
    if (length == 0) {
        return LRNN_OK;
    }
    CHECK(each(user, s->held, length, &s->origin));
    size_t gone = s->level >= LRNN_LEVEL_WORD ? length - 1 : length;
    text_origin_advance(&s->origin, s->held, gone);
    s->used -= gone;
    memmove(s->held, s->held + gone, s->used);
    return LRNN_OK;
}

lrnn_status text_stream_add(text_stream *stream, const char *text, size_t length, text_block *each,
                            void *user)
{
    while (length > 0) {
        size_t n = length < BLOCK ? length : BLOCK;
        CHECK(reserve(stream, n));
        memcpy(stream->held + stream->used, text, n);
        stream->used += n;
        text += n;
        length -= n;
        size_t ready = whole(stream);
        if (ready > 1 || stream->level < LRNN_LEVEL_WORD) {
            CHECK(pass_on(stream, ready, each, user));
        }
    }
    return LRNN_OK;
}

lrnn_status text_stream_end(text_stream *stream, text_block *each, void *user)
{
    if (stream->used > 0) {
        CHECK(each(user, stream->held, stream->used, &stream->origin));
    }
    stream->used = 0;
    stream->origin = (text_origin){0};
    return LRNN_OK;
}

void text_stream_release(text_stream *stream)
{
    memory_release(&stream->allocator, stream->held);
    stream->held = NULL;
    stream->used = stream->room = 0;
}
