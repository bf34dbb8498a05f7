/* The stack machine of pickle. Marks stand on the same stack as values. */
#include "pickle.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/byte_order.h"
#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

#define MARK            PICKLE_NOTHING
#define ORDERED_DICT    ((int64_t)-1) /* the global's number */
#define MOST_NAME_BYTES 200

typedef struct machine {
    pickle_document *document;
    const char *what;
    const unsigned char *bytes;
    size_t length, at;
    size_t operation; /* where the current one began */
    const pickle_global *globals;
    size_t global_count;
    pickle_value *stack, *memo;
    size_t stack_count, stack_capacity;
    size_t memo_count, memo_capacity; /* PICKLE_NOTHING where nothing was put */
    bool stopped;
} machine;

static lrnn_status wrong(const machine *m, const char *why)
{
    return error_set(LRNN_ERR_FORMAT, "%s: pickle operation %s at byte %zu: %s", m->what,
                     pickle_operation_name(m->bytes[m->operation]), m->operation, why);
}

/* ---- arrays that grow ---- */

/* Makes room for one more element in *array. */
static lrnn_status grow(const machine *m, void **array, size_t *capacity, size_t count,
                        size_t needed, size_t size)
{
    if (needed <= *capacity) {
        return LRNN_OK;
    }
    size_t wanted = needed + needed / 2 + 32;
    void *moved = memory_allocate(&m->document->allocator, wanted, size, "pickle");
    if (moved == NULL) {
        return LRNN_ERR_MEMORY;
    }
    if (count > 0) {
        memcpy(moved, *array, count * size);
    }
    memory_release(&m->document->allocator, *array);
    *array = moved;
    *capacity = wanted;
    return LRNN_OK;
}

static lrnn_status push(machine *m, pickle_value value)
{
    void *stack = m->stack;
    lrnn_status status =
        grow(m, &stack, &m->stack_capacity, m->stack_count, m->stack_count + 1, sizeof *m->stack);
    m->stack = stack;
    CHECK(status);
    m->stack[m->stack_count++] = value;
    return LRNN_OK;
}

static lrnn_status push_new(machine *m, pickle_node node)
{
    pickle_document *d = m->document;
    void *nodes = d->nodes;
    lrnn_status status =
        grow(m, &nodes, &d->node_capacity, d->node_count, d->node_count + 1, sizeof *d->nodes);
    d->nodes = nodes;
    CHECK(status);
    d->nodes[d->node_count++] = node;
    return push(m, d->node_count - 1);
}

/* Adds the values from stack[first] on to a container. */
static lrnn_status fill(machine *m, pickle_value container, size_t first)
{
    pickle_document *d = m->document;
    size_t count = m->stack_count - first;
    void *cells = d->cells;
    lrnn_status status =
        grow(m, &cells, &d->cell_capacity, d->cell_count, d->cell_count + count, sizeof *d->cells);
    d->cells = cells;
    CHECK(status);
    pickle_node *node = &d->nodes[container];
    for (size_t i = first; i < m->stack_count; i++) {
        size_t cell = d->cell_count++;
        d->cells[cell] = (pickle_cell){m->stack[i], PICKLE_NOTHING};
        if (node->last != PICKLE_NOTHING) {
            d->cells[node->last].next = cell;
        } else {
            node->first = cell;
        }
        node->last = cell;
    }
    node->length += count;
    return LRNN_OK;
}

/* ---- what operations are made of ---- */

static bool take(const unsigned char **bytes, machine *m, size_t count)
{
    if (count > m->length - m->at) {
        return false;
    }
    *bytes = m->bytes + m->at;
    m->at += count;
    return true;
}

/* A little-endian number without sign. */
static bool take_number(uint64_t *number, machine *m, size_t size)
{
    const unsigned char *bytes;
    if (!take(&bytes, m, size)) {
        return false;
    }
    *number = little_endian_get(bytes, size);
    return true;
}

/* Whether there are `count` values on top of the stack, and no mark among them. */
static bool has_values(const machine *m, size_t count)
{
    if (count > m->stack_count) {
        return false;
    }
    for (size_t i = 1; i <= count; i++) {
        if (m->stack[m->stack_count - i] == MARK) {
            return false;
        }
    }
    return true;
}

/* The index of the topmost mark, PICKLE_NOTHING: there is none. */
static size_t find_mark(const machine *m)
{
    size_t at = m->stack_count;
    while (at > 0 && m->stack[at - 1] != MARK) {
        at--;
    }
    return at > 0 ? at - 1 : PICKLE_NOTHING;
}

static lrnn_status push_container(machine *m, pickle_type type)
{
    return push_new(m,
                    (pickle_node){.type = type, .first = PICKLE_NOTHING, .last = PICKLE_NOTHING});
}

/* Replaces the values from stack[first] on, and what lies before them from `base` on, by a tuple.
 */
static lrnn_status make_tuple(machine *m, size_t base, size_t first)
{
    CHECK(push_container(m, PICKLE_TUPLE));
    pickle_value tuple = m->stack[--m->stack_count];
    lrnn_status status = fill(m, tuple, first);
    m->stack_count = base;
    m->stack[m->stack_count++] = tuple;
    return status;
}

/* Moves the values from stack[first] on into the container below `base`. */
static lrnn_status add_to(machine *m, pickle_type type, size_t base, size_t first)
{
    bool there = base > 0 && m->stack[base - 1] != MARK;
    pickle_type found = there ? m->document->nodes[m->stack[base - 1]].type : PICKLE_NONE;
    if (found == PICKLE_OTHER) {
        m->stack_count = base; /* elements of an object that is not looked at */
        return LRNN_OK;
    }
    if (found != type || (type == PICKLE_DICT && (m->stack_count - first) % 2 != 0)) {
        return wrong(m, type == PICKLE_DICT ? "expected a dict and pairs" : "expected a list");
    }
    lrnn_status status = fill(m, m->stack[base - 1], first);
    m->stack_count = base;
    return status;
}

/* ---- the operations ---- */

static lrnn_status do_integer(machine *m, unsigned char code)
{
    uint64_t number, size = code == 'J' || code == 0x8b ? 4 : code == 'M' ? 2 : 1;
    if (!take_number(&number, m, (size_t)size)) {
        return wrong(m, "cut off");
    }
    if (code == 0x8a || code == 0x8b) {
        const unsigned char *bytes;
        size = number;
        if (size > 8) {
            return take(&bytes, m, (size_t)size) ? push_new(m, (pickle_node){.type = PICKLE_OTHER})
                                                 : wrong(m, "cut off");
        }
        if (!take_number(&number, m, (size_t)size)) {
            return wrong(m, "cut off");
        }
    }
    bool is_signed = code == 'J' || code >= 0x8a;
    if (is_signed && size > 0 && size < 8 && (number >> (8 * size - 1) & 1) != 0) {
        number |= UINT64_MAX << (8 * size);
    }
    return push_new(m, (pickle_node){.type = PICKLE_INT, .integer = (int64_t)number});
}

static lrnn_status do_float(machine *m)
{
    const unsigned char *bytes;
    return take(&bytes, m, 8) ? push_new(m, (pickle_node){.type = PICKLE_FLOAT})
                              : wrong(m, "cut off");
}

static lrnn_status do_string(machine *m)
{
    uint64_t length;
    const unsigned char *bytes;
    if (!take_number(&length, m, 4) || !take(&bytes, m, (size_t)length)) {
        return wrong(m, "cut off");
    }
    const char *text = (const char *)bytes;
    if (utf8_valid_prefix(text, (size_t)length) != length) {
        return wrong(m, "not UTF-8");
    }
    return push_new(m,
                    (pickle_node){.type = PICKLE_STRING, .text = text, .length = (size_t)length});
}

/* The bytes up to a newline, which is taken too. */
static bool take_line(const char **line, size_t *length, machine *m)
{
    const unsigned char *end = memchr(m->bytes + m->at, '\n', m->length - m->at);
    if (end == NULL) {
        return false;
    }
    *line = (const char *)m->bytes + m->at;
    *length = (size_t)(end - (m->bytes + m->at));
    m->at += *length + 1;
    return *length <= MOST_NAME_BYTES;
}

static bool same(const char *text, size_t length, const char *expected)
{
    return strlen(expected) == length && memcmp(text, expected, length) == 0;
}

static lrnn_status do_global(machine *m)
{
    const char *module, *name;
    size_t module_length, name_length;
    if (!take_line(&module, &module_length, m) || !take_line(&name, &name_length, m)) {
        return wrong(m, "its name is cut off, or too long");
    }
    pickle_node node = {.type = PICKLE_GLOBAL, .integer = ORDERED_DICT};
    bool found =
        same(module, module_length, "collections") && same(name, name_length, "OrderedDict");
    for (size_t i = 0; i < m->global_count && !found; i++) {
        found = same(module, module_length, m->globals[i].module) &&
                same(name, name_length, m->globals[i].name);
        node.integer = (int64_t)i;
    }
    if (!found) { /* the two lines, as they stand in the pickle */
        node = (pickle_node){
            .type = PICKLE_OTHER, .text = module, .length = module_length + 1 + name_length};
    }
    return push_new(m, node);
}

/* The topmost `count` values, a class first, become an object of it. Its name is all that is kept.
 */
static lrnn_status make_other(machine *m, size_t count)
{
    pickle_node class = *pickle_get(m->document, m->stack[m->stack_count - count]);
    m->stack_count -= count;
    if (class.type != PICKLE_OTHER) {
        class = (pickle_node){0};
    }
    return push_new(
        m, (pickle_node){.type = PICKLE_OTHER, .text = class.text, .length = class.length});
}

/* NEWOBJ and NEWOBJ_EX: a class, and what its __new__ is given. */
static lrnn_status do_new(machine *m, size_t count)
{
    return has_values(m, count) ? make_other(m, count) : wrong(m, "too few values");
}

static lrnn_status do_pop(machine *m)
{
    if (m->stack_count == 0) {
        return wrong(m, "nothing to take away");
    }
    m->stack_count--;
    return LRNN_OK;
}

static lrnn_status do_pop_mark(machine *m)
{
    size_t mark = find_mark(m);
    if (mark == PICKLE_NOTHING) {
        return wrong(m, "no mark");
    }
    m->stack_count = mark;
    return LRNN_OK;
}

static lrnn_status do_reduce(machine *m)
{
    if (!has_values(m, 2)) {
        return wrong(m, "nothing to call");
    }
    pickle_value callee = m->stack[m->stack_count - 2], arguments = m->stack[m->stack_count - 1];
    const pickle_node *function = pickle_get(m->document, callee);
    const pickle_node *tuple = pickle_get(m->document, arguments);
    if (function->type == PICKLE_OTHER) {
        return make_other(m, 2);
    }
    if (function->type != PICKLE_GLOBAL || tuple->type != PICKLE_TUPLE) {
        return wrong(m, "expected a global and a tuple");
    }
    bool dict = function->integer == ORDERED_DICT;
    if (dict && tuple->length != 0) {
        return wrong(m, "an OrderedDict with arguments");
    }
    m->stack_count -= 2;
    return dict ? push_container(m, PICKLE_DICT)
                : push_new(m, (pickle_node){
                                  .type = PICKLE_CALL, .callee = callee, .arguments = arguments});
}

/* Attributes of an OrderedDict, such as a state_dict's _metadata, or of another object: they are
 * not for us. */
static lrnn_status do_build(machine *m)
{
    if (!has_values(m, 2)) {
        return wrong(m, "expected an object and its attributes");
    }
    pickle_type type = pickle_get(m->document, m->stack[m->stack_count - 2])->type;
    pickle_type state = pickle_get(m->document, m->stack[m->stack_count - 1])->type;
    if (type == PICKLE_CALL) {
        return make_other(m, 2); /* a tensor with attributes of its own is something else */
    }
    if (type != PICKLE_OTHER && (type != PICKLE_DICT || state != PICKLE_DICT)) {
        return wrong(m, "expected a dict and its attributes");
    }
    m->stack_count--;
    return LRNN_OK;
}

static lrnn_status do_persistent(machine *m)
{
    if (!has_values(m, 1)) {
        return wrong(m, "no id");
    }
    pickle_value id = m->stack[--m->stack_count];
    return push_new(m, (pickle_node){.type = PICKLE_PERSISTENT, .callee = id});
}

static lrnn_status do_put(machine *m, size_t size)
{
    uint64_t index;
    if (!take_number(&index, m, size) || !has_values(m, 1)) {
        return wrong(m, "cut off, or nothing to keep");
    }
    if (index >= m->length) {
        return wrong(m, "a number larger than the pickle");
    }
    void *memo = m->memo;
    lrnn_status status =
        grow(m, &memo, &m->memo_capacity, m->memo_count, (size_t)index + 1, sizeof *m->memo);
    m->memo = memo;
    CHECK(status);
    while (m->memo_count <= index) {
        m->memo[m->memo_count++] = PICKLE_NOTHING;
    }
    m->memo[index] = m->stack[m->stack_count - 1];
    return LRNN_OK;
}

static lrnn_status do_get(machine *m, size_t size)
{
    uint64_t index;
    if (!take_number(&index, m, size) || index >= m->memo_count ||
        m->memo[index] == PICKLE_NOTHING) {
        return wrong(m, "cut off, or nothing was kept under this number");
    }
    return push(m, m->memo[index]);
}

/* APPENDS, SETITEMS and TUPLE: what lies above the topmost mark. */
static lrnn_status do_marked(machine *m, unsigned char code)
{
    size_t mark = find_mark(m);
    if (mark == PICKLE_NOTHING) {
        return wrong(m, "no mark");
    }
    return code == 't' ? make_tuple(m, mark, mark + 1)
                       : add_to(m, code == 'e' ? PICKLE_LIST : PICKLE_DICT, mark, mark + 1);
}

/* APPEND, SETITEM, TUPLE1 to TUPLE3: the topmost `count` values. */
static lrnn_status do_counted(machine *m, unsigned char code, size_t count)
{
    if (!has_values(m, count)) {
        return wrong(m, "too few values");
    }
    size_t first = m->stack_count - count;
    return code >= 0x85 ? make_tuple(m, first, first)
                        : add_to(m, code == 'a' ? PICKLE_LIST : PICKLE_DICT, first, first);
}

static lrnn_status do_protocol(machine *m)
{
    uint64_t protocol;
    if (m->operation != 0 || !take_number(&protocol, m, 1)) {
        return wrong(m, "not at the beginning, or cut off");
    }
    if (protocol != 2) {
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: pickle protocol %d, expected torch.save's default, 2", m->what,
                         (int)protocol);
    }
    return LRNN_OK;
}

static lrnn_status do_stop(machine *m)
{
    if (m->stack_count != 1 || m->stack[0] == MARK || m->at != m->length) {
        return wrong(m, "values are left, or bytes after it");
    }
    m->document->root = m->stack[0];
    m->stopped = true;
    return LRNN_OK;
}

static lrnn_status step(machine *m)
{
    unsigned char code = m->bytes[m->at++];
    switch (code) {
    case 0x80: return do_protocol(m);
    case '(': return push(m, MARK);
    case 'N': return push_new(m, (pickle_node){.type = PICKLE_NONE});
    case 0x88:
    case 0x89: return push_new(m, (pickle_node){.type = PICKLE_BOOL, .integer = code == 0x88});
    case 'J':
    case 'K':
    case 'M':
    case 0x8a:
    case 0x8b: return do_integer(m, code);
    case 'G': return do_float(m);
    case 'X': return do_string(m);
    case ')': return push_container(m, PICKLE_TUPLE);
    case ']': return push_container(m, PICKLE_LIST);
    case '}': return push_container(m, PICKLE_DICT);
    case 't':
    case 'e':
    case 'u': return do_marked(m, code);
    case 0x85: return do_counted(m, code, 1);
    case 0x86: return do_counted(m, code, 2);
    case 0x87: return do_counted(m, code, 3);
    case 'a': return do_counted(m, code, 1);
    case 's': return do_counted(m, code, 2);
    case 'c': return do_global(m);
    case 'R': return do_reduce(m);
    case 0x81: return do_new(m, 2);
    case 0x92: return do_new(m, 3);
    case '0': return do_pop(m);
    case '1': return do_pop_mark(m);
    case 'b': return do_build(m);
    case 'Q': return do_persistent(m);
    case 'q': return do_put(m, 1);
    case 'r': return do_put(m, 4);
    case 'h': return do_get(m, 1);
    case 'j': return do_get(m, 4);
    case '.': return do_stop(m);
    default:
        return error_set(LRNN_ERR_UNSUPPORTED,
                         "%s: pickle operation %s (0x%02x) at byte %zu is not one of a state_dict",
                         m->what, pickle_operation_name(code), code, m->operation);
    }
}

lrnn_status pickle_parse(pickle_document *document, const lrnn_allocator *allocator,
                         const char *what, const unsigned char *bytes, size_t length,
                         const pickle_global *globals, size_t global_count)
{
    *document = (pickle_document){.allocator = *allocator};
    machine m = {
        .document = document,
        .what = what,
        .bytes = bytes,
        .length = length,
        .globals = globals,
        .global_count = global_count,
    };
    if (length > PICKLE_MAX_LENGTH || length == 0 || bytes[0] != 0x80) {
        return error_set(LRNN_ERR_FORMAT, "%s: no pickle, or one of more than %zu bytes", what,
                         PICKLE_MAX_LENGTH);
    }
    lrnn_status status = LRNN_OK;
    while (status == LRNN_OK && !m.stopped) {
        m.operation = m.at;
        status = m.at < length
                     ? step(&m)
                     : error_set(LRNN_ERR_FORMAT, "%s: the pickle ends at byte %zu without STOP",
                                 what, length);
    }
    memory_release(allocator, m.stack);
    memory_release(allocator, m.memo);
    if (status != LRNN_OK) {
        pickle_release(document);
    }
    return status;
}

void pickle_release(pickle_document *document)
{
    memory_release(&document->allocator, document->nodes);
    memory_release(&document->allocator, document->cells);
    *document = (pickle_document){.allocator = document->allocator};
}

const char *pickle_show(char to[PICKLE_SHOWN], const pickle_document *document, pickle_value value)
{
    static const char *const names[] = {
        "None",   "a truth value", "a number", "a number", "a text",         "a tuple",
        "a list", "a dictionary",  "a class",  "a tensor", "a persistent id"};
    const pickle_node *node = pickle_get(document, value);
    if (node->type != PICKLE_OTHER) {
        snprintf(to, PICKLE_SHOWN, "%s", names[node->type]);
    } else if (node->text == NULL) {
        snprintf(to, PICKLE_SHOWN, "an object that this library does not know");
    } else {
        size_t module = (size_t)((const char *)memchr(node->text, '\n', node->length) - node->text);
        snprintf(to, PICKLE_SHOWN, "the Python object %.*s.%.*s", module > 140 ? 140 : (int)module,
                 node->text, node->length - module > 140 ? 140 : (int)(node->length - module - 1),
                 node->text + module + 1);
    }
    return to;
}

lrnn_status pickle_tuple(pickle_value *elements, size_t count, const pickle_document *document,
                         pickle_value tuple)
{
    const pickle_node *node = pickle_get(document, tuple);
    if (node->type != PICKLE_TUPLE || node->length != count) {
        return LRNN_ERR_FORMAT;
    }
    size_t cell = node->first;
    for (size_t i = 0; i < count; i++) {
        elements[i] = document->cells[cell].value;
        cell = document->cells[cell].next;
    }
    return LRNN_OK;
}
