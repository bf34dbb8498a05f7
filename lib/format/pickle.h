/* Python's pickle format, protocol 2, which torch.save uses (PEP 307; Lib/pickletools.py describes
 * every operation). Nothing is executed or built: a call of a global that the caller lists becomes
 * a value that says what would have been called, and any other object becomes one that has its
 * class's name and nothing else, so that what does not matter may stand beside what does. Memory
 * grows with the length of the pickle, which is limited; a value may contain itself, so walks must
 * be bounded by the walker. */
#ifndef FORMAT_PICKLE_H
#define FORMAT_PICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "lrnn/base.h"

#define PICKLE_MAX_LENGTH ((size_t)1 << 24)

typedef enum pickle_type {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_STRING,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,       /* also collections.OrderedDict */
    PICKLE_GLOBAL,     /* one of the listed names */
    PICKLE_CALL,       /* a global applied to a tuple */
    PICKLE_PERSISTENT, /* what the pickler's persistent_id gave */
    PICKLE_OTHER       /* a global that is not listed, an object of one, or a large integer */
} pickle_type;

/* A value: its index in pickle_document.values. */
typedef size_t pickle_value;
#define PICKLE_NOTHING ((size_t)-1)

typedef struct pickle_node {
    pickle_type type;
    int64_t integer; /* bool, int; global: its index in the list */
    /* string: UTF-8 in the pickle, no NUL after it; other: module, newline, name; NULL: no name */
    const char *text;
    size_t length;       /* string: bytes; tuple, list: elements; dict: keys and values together */
    size_t first, last;  /* tuple, list, dict: cells; PICKLE_NOTHING: empty */
    pickle_value callee; /* call: a global; persistent: the id */
    pickle_value arguments; /* call: a tuple */
} pickle_node;

/* An element of a container. */
typedef struct pickle_cell {
    pickle_value value;
    size_t next; /* the cell after it, PICKLE_NOTHING: none */
} pickle_cell;

typedef struct pickle_document {
    lrnn_allocator allocator;
    pickle_node *nodes;
    pickle_cell *cells;
    size_t node_count, node_capacity;
    size_t cell_count, cell_capacity;
    pickle_value root;
} pickle_document;

/* A global that is allowed: "torch.FloatStorage" is module "torch", name "FloatStorage". */
typedef struct pickle_global {
    const char *module, *name;
} pickle_global;

/* Reads a pickle, whose bytes must outlive the document. `what` begins every message.
 * collections.OrderedDict is known and need not be in the list. LRNN_ERR_FORMAT: with the offset;
 * LRNN_ERR_UNSUPPORTED: an operation that is not for us, named. LRNN_ERR_MEMORY. Nothing to release
 * after a failure. */
lrnn_status pickle_parse(pickle_document *document, const lrnn_allocator *allocator,
                         const char *what, const unsigned char *bytes, size_t length,
                         const pickle_global *globals, size_t global_count);
void pickle_release(pickle_document *document);

static inline const pickle_node *pickle_get(const pickle_document *document, pickle_value value)
{
    return &document->nodes[value];
}

/* What a value is, for messages: "a number", "an object of class numpy.dtype". */
#define PICKLE_SHOWN 300
const char *pickle_show(char to[PICKLE_SHOWN], const pickle_document *document, pickle_value value);

/* "BINPUT"; "unknown" for a code that is none. */
const char *pickle_operation_name(unsigned char code);

/* The elements of a tuple of `count` elements. LRNN_ERR_FORMAT for anything else; no message. */
lrnn_status pickle_tuple(pickle_value *elements, size_t count, const pickle_document *document,
                         pickle_value tuple);

#endif
