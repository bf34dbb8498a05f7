/* What a search is made of, wherever its scores come from: the tree of its hypotheses, the list of
 * those that have ended, the rules by which they are ranked and the search stops, and the way out
 * to the caller's callbacks. It knows no models, no rows of logits and no frames; the decoder
 * (decoder.h) and the search over frames (ctc_search.h) both stand on it. */
#ifndef DECODE_SEARCH_H
#define DECODE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fpmode.h"
#include "base/real.h"
#include "lrnn/base.h"

#define NO_TOKEN (-1)

/* ---- callbacks ---- */

typedef struct search_calls {
    fpmode mode;  /* of the caller, in which callbacks run */
    bool running; /* a callback is */
} search_calls;

/* A callback is called between these two. The second returns the status of what it returned;
 * `name` is for the message. */
void search_leave(search_calls *calls);
lrnn_status search_return(search_calls *calls, int32_t returned, const char *name);

/* ---- the tree ---- */

#define SEARCH_ROOT 0

/* A hypothesis: that of its parent with one token more. Hypotheses that fork share what they have
 * in common, and nothing is ever copied. What a search knows of a node besides is in arrays of its
 * own with the same index. */
typedef struct search_node {
    int32_t parent; /* of the root -1 */
    int32_t token;
    int32_t length; /* tokens of the hypothesis; of the root 0 */
} search_node;

static const search_node search_root = {-1, NO_TOKEN, 0};

/* The hypothesis that a node's first `length` tokens are. */
int32_t search_ancestor(const search_node *nodes, int32_t node, int32_t length);

/* The longest hypothesis that both begin with, if that is longer than `least`; otherwise one that
 * is not. */
int32_t search_common(const search_node *nodes, int32_t a, int32_t b, int32_t least);

/* The last `count` tokens of a hypothesis, in order, and what the search knows of each (`known`,
 * with the index of the nodes). Each of the arrays may be NULL. */
void search_copy_path(int32_t *tokens, real *values, size_t count, const search_node *nodes,
                      const real *known, int32_t node);

/* ---- endings ---- */

/* A hypothesis that has ended: node, and after it a last token unless that is NO_TOKEN. */
typedef struct ending {
    double score, total;
    size_t length, group;
    int32_t node, token;
    real log_probability; /* of the last token */
    int32_t ended;        /* LRNN_ENDED_* */
} ending;

/* Endings by falling score; equal ones in the order in which they came. */
typedef struct ending_list {
    ending *items;
    size_t count, capacity;
} ending_list;

/* The worst falls out of a full list. */
void ending_insert(ending_list *list, const ending *item);

/* ---- rules ---- */

typedef struct search_rules {
    int32_t stopping;      /* LRNN_STOP_* */
    size_t kept;           /* finished hypotheses that it looks at */
    size_t max_length;     /* tokens */
    double length_penalty; /* score = sum / length^length_penalty */
    bool bounded;          /* a sum never rises */
} search_rules;

/* -infinity for a hypothesis without tokens. */
double search_score(const search_rules *rules, double sum, size_t length, size_t prompt);

/* Whether a search ends whose live hypotheses have `length` tokens and a sum of at most `best`. */
bool search_stops(const search_rules *rules, const ending_list *finished, double best,
                  size_t length, size_t prompt);

#endif
