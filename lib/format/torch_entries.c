/* Which dictionaries of a file of torch.save's are the state_dict. An entry is named by the keys
 * that lead to it, with dots between them; keys may have dots themselves, and an element of a list
 * is named by its place. Without a name it is the only dictionary with tensors that the fewest keys
 * lead to. Values may contain themselves, so every walk has a budget of pairs. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/memory.h"
#include "torch_reader.h"

enum {
    MOST_DEPTH = 8,  /* keys that lead to an entry that is not named */
    PATH_ROOM = 120, /* of such an entry's name in messages */
    LIST_ROOM = 200  /* of several */
};

static size_t count_tensors(size_t *budget, const torch_reader *r, pickle_value dict)
{
    size_t count = 0;
    for (torch_pair at = torch_first_pair(&r->pickle, dict);
         at.cell != PICKLE_NOTHING && *budget > 0; torch_next_pair(&at, &r->pickle)) {
        count += torch_tensor_call(r, at.value) != NULL;
        --*budget;
    }
    return count;
}

/* ---- entries that are not named ---- */

typedef struct entry_search {
    const torch_reader *reader;
    size_t budget;
    char path[PATH_ROOM]; /* of the dictionary that is looked at */
    size_t found;
    pickle_value dict;    /* the first that was found */
    char list[LIST_ROOM]; /* "'a', 'b.c'" */
    size_t list_length;
} entry_search;

static void note_entry(entry_search *s, pickle_value dict)
{
    size_t left = sizeof s->list - s->list_length;
    int n = snprintf(s->list + s->list_length, left, "%s'%s'", s->found > 0 ? ", " : "", s->path);
    if (n > 0 && (size_t)n < left) {
        s->list_length += (size_t)n;
    } else {
        s->list[s->list_length] = '\0';
    }
    if (s->found++ == 0) {
        s->dict = dict;
    }
}

/* Looks at the dictionaries that `depth` more keys lead to. */
static void look_below(entry_search *s, pickle_value dict, size_t depth)
{
    const pickle_document *p = &s->reader->pickle;
    size_t length = strlen(s->path);
    for (torch_pair at = torch_first_pair(p, dict); at.cell != PICKLE_NOTHING && s->budget > 0;
         torch_next_pair(&at, p)) {
        const pickle_node *key = pickle_get(p, at.key);
        s->budget--;
        if (key->type != PICKLE_STRING || pickle_get(p, at.value)->type != PICKLE_DICT ||
            at.value == p->root) {
            continue;
        }
        snprintf(s->path + length, sizeof s->path - length, "%s%.*s", length > 0 ? "." : "",
                 torch_shown(key), key->text);
        if (depth > 1) {
            look_below(s, at.value, depth - 1);
        } else if (count_tensors(&s->budget, s->reader, at.value) > 0) {
            note_entry(s, at.value);
        }
    }
}

static lrnn_status look_at_depth(entry_search *s, const torch_reader *r, size_t depth)
{
    *s = (entry_search){.reader = r, .budget = 2 * r->pickle.cell_count + 1};
    look_below(s, r->pickle.root, depth);
    return s->budget > 0
               ? LRNN_OK
               : error_set(LRNN_ERR_FORMAT, "%s: the same dictionaries again and again", r->name);
}

/* Stops at the first depth where there are any, at most at `depth`. */
static lrnn_status look(entry_search *s, const torch_reader *r, size_t depth)
{
    *s = (entry_search){0};
    for (size_t i = 1; i <= depth && s->found == 0; i++) {
        CHECK(look_at_depth(s, r, i));
    }
    return LRNN_OK;
}

static lrnn_status find_only_dict(torch_reader *r, torch_entry *entry)
{
    const pickle_document *p = &r->pickle;
    entry_search s;
    size_t budget = 2 * p->cell_count + 1;
    size_t tensors = count_tensors(&budget, r, p->root);
    entry->dict = p->root;
    if (tensors > 0 && tensors == pickle_get(p, p->root)->length / 2) {
        return LRNN_OK;
    }
    CHECK(look(&s, r, tensors > 0 ? 1 : MOST_DEPTH));
    if (s.found > 1) {
        return error_set(LRNN_ERR_FORMAT,
                         "%s: entries %s have tensors; option 'entry' says which, or option "
                         "'entries' names all that the net is in",
                         r->name, s.list);
    }
    entry->dict = s.found > 0 ? s.dict : p->root;
    return s.found > 0 || tensors > 0
               ? LRNN_OK
               : error_set(LRNN_ERR_FORMAT, "%s: there is no tensor in it", r->name);
}

/* ---- entries that are named ---- */

static bool is_key(const pickle_node *key, const char *text, size_t length)
{
    return key->type == PICKLE_STRING && key->length == length &&
           memcmp(key->text, text, length) == 0;
}

/* The place that a list's element is named by; false: no such number. */
static bool read_place(size_t *place, const char *text, size_t length)
{
    *place = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || length > 9) {
            return false;
        }
        *place = 10 * *place + (size_t)(text[i] - '0');
    }
    return length > 0;
}

/* What the key leads to from a value; PICKLE_NOTHING: there is none. */
static pickle_value step_to(const pickle_document *p, pickle_value value, const char *key,
                            size_t length)
{
    const pickle_node *node = pickle_get(p, value);
    size_t place;
    if (node->type == PICKLE_DICT) {
        for (torch_pair at = torch_first_pair(p, value); at.cell != PICKLE_NOTHING;
             torch_next_pair(&at, p)) {
            if (is_key(pickle_get(p, at.key), key, length)) {
                return at.value;
            }
        }
    } else if ((node->type == PICKLE_LIST || node->type == PICKLE_TUPLE) &&
               read_place(&place, key, length) && place < node->length) {
        size_t cell = node->first;
        while (place-- > 0) {
            cell = p->cells[cell].next;
        }
        return p->cells[cell].value;
    }
    return PICKLE_NOTHING;
}

/* The longest key that there is goes first. */
static pickle_value follow(const pickle_document *p, pickle_value value, const char *path)
{
    size_t length = strlen(path);
    for (size_t end = length; end != (size_t)-1; end--) {
        if (end < length && path[end] != '.') {
            continue;
        }
        pickle_value next = step_to(p, value, path, end);
        if (next != PICKLE_NOTHING && end < length) {
            next = follow(p, next, path + end + 1);
        }
        if (next != PICKLE_NOTHING) {
            return next;
        }
    }
    return PICKLE_NOTHING;
}

static lrnn_status find_named_dict(const torch_reader *r, torch_entry *entry)
{
    entry->dict = follow(&r->pickle, r->pickle.root, entry->name);
    if (entry->dict == PICKLE_NOTHING) {
        entry_search s;
        CHECK(look(&s, r, MOST_DEPTH));
        return error_set(LRNN_ERR_NOT_FOUND, "%s: there is no entry '%.100s'%s%s", r->name,
                         entry->name, s.found > 0 ? "; with tensors there is " : "", s.list);
    }
    return pickle_get(&r->pickle, entry->dict)->type == PICKLE_DICT
               ? LRNN_OK
               : error_set(LRNN_ERR_NOT_FOUND, "%s: entry '%.100s' is no dictionary", r->name,
                           entry->name);
}

/* ---- both ---- */

lrnn_status torch_find_entries(torch_reader *r, const char *const *names, size_t count)
{
    r->entry_count = count > 0 ? count : 1;
    r->entries =
        memory_allocate(&r->zip.allocator, r->entry_count, sizeof *r->entries, "entries of a file");
    if (r->entries == NULL) {
        return LRNN_ERR_MEMORY;
    }
    if (count == 0) {
        return find_only_dict(r, &r->entries[0]);
    }
    for (size_t i = 0; i < count; i++) {
        r->entries[i].name = names[i];
        CHECK(find_named_dict(r, &r->entries[i]));
    }
    return LRNN_OK;
}
