/* Nodes refer to their parents by index, so a tree may be moved; a node's index never changes while
 * it is in use. */
#include "search.h"

#include <math.h>

#include "base/error.h"
#include "lrnn/decode.h"

/* ---- callbacks ---- */

void search_leave(search_calls *calls)
{
    calls->running = true;
    fpmode_leave(calls->mode);
}

lrnn_status search_return(search_calls *calls, int32_t returned, const char *name)
{
    calls->mode = fpmode_enter();
    calls->running = false;
    if (returned > 0) {
        return error_set(LRNN_ERR_CANCELLED, "%s: the callback asked to stop", name);
    }
    if (returned < 0) {
        return error_set(LRNN_ERR_CALLBACK, "%s: the callback failed with %d", name, (int)returned);
    }
    return LRNN_OK;
}

/* ---- the tree ---- */

int32_t search_ancestor(const search_node *nodes, int32_t node, int32_t length)
{
    while (nodes[node].length > length) {
        node = nodes[node].parent;
    }
    return node;
}

int32_t search_common(const search_node *nodes, int32_t a, int32_t b, int32_t least)
{
    a = search_ancestor(nodes, a, nodes[b].length);
    b = search_ancestor(nodes, b, nodes[a].length);
    while (a != b && nodes[a].length > least) {
        a = nodes[a].parent;
        b = nodes[b].parent;
    }
    return a;
}

void search_copy_path(int32_t *tokens, real *values, size_t count, const search_node *nodes,
                      const real *known, int32_t node)
{
    while (count > 0) {
        count--;
        if (tokens != NULL) {
            tokens[count] = nodes[node].token;
        }
        if (values != NULL) {
            values[count] = known[node];
        }
        node = nodes[node].parent;
    }
}

/* ---- endings ---- */

void ending_insert(ending_list *list, const ending *item)
{
    size_t i = list->count;
    if (i == list->capacity) {
        if (i == 0 || !(item->score > list->items[i - 1].score)) {
            return;
        }
        i--;
    } else {
        list->count++;
    }
    for (; i > 0 && item->score > list->items[i - 1].score; i--) {
        list->items[i] = list->items[i - 1];
    }
    list->items[i] = *item;
}

/* ---- rules ---- */

double search_score(const search_rules *rules, double sum, size_t length, size_t prompt)
{
    return length == 0 ? -HUGE_VAL : sum / pow((double)(length + prompt), rules->length_penalty);
}

bool search_stops(const search_rules *rules, const ending_list *finished, double best,
                  size_t length, size_t prompt)
{
    if (rules->stopping == LRNN_STOP_FIRST) {
        return finished->count > 0;
    }
    if (rules->stopping == LRNN_STOP_WIDTH) {
        return finished->count == finished->capacity;
    }
    if (finished->count < rules->kept) {
        return false;
    }
    if (rules->stopping == LRNN_STOP_EXACT) {
        if (!rules->bounded) {
            return false;
        }
        length = rules->length_penalty > 0 ? rules->max_length : length;
    }
    return !(search_score(rules, best, length, prompt) > finished->items[rules->kept - 1].score);
}
