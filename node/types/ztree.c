/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/ztree.c - see node/types/ztree.h.
 *
 * Invariants: all leaves are at the same depth; a node other than the root has at least one entry
 * (child) and is joined with a neighbour when the two fit into one; low[i] of an inner node is not
 * above any entry of child i, and above every entry of child i - 1; count[i] is right. An item's
 * address in low[] may outlive the item's entry, but not the item: see refresh_low(). */
#include "node/types/ztree.h"

#include "base/mem.h"

#include <stdlib.h>

#define LEAF_MAX ZTREE_CUT_MAX /* entries: with its header a leaf takes 1 KiB */
#define INNER_MAX 47           /* children: 1.5 KiB */
#define HEIGHT_MAX 12

struct ztree_node {
    uint16_t n; /* entries, or children */
    bool is_leaf;
};

struct leaf {
    struct ztree_node head;
    struct leaf *prev, *next;
    struct ztree_entry e[LEAF_MAX];
};

struct inner {
    struct ztree_node head;
    struct ztree_node *child[INNER_MAX];
    uint64_t count[INNER_MAX];
    struct ztree_entry low[INNER_MAX]; /* first entry of each child */
};

/* The way from the root to a leaf. */
struct path {
    struct inner *node[HEIGHT_MAX];
    unsigned at[HEIGHT_MAX];
    unsigned height;
    struct leaf *leaf;
    unsigned i; /* in the leaf */
};

static struct leaf *as_leaf(struct ztree_node *n) { return (struct leaf *)(void *)n; }
static struct inner *as_inner(struct ztree_node *n) { return (struct inner *)(void *)n; }

void ztree_init(struct ztree *t) { *t = (struct ztree){0}; }

static struct leaf *leaf_new(struct ztree *t)
{
    struct leaf *l = mem_alloc(sizeof *l);

    l->head = (struct ztree_node){0, true};
    l->prev = l->next = NULL;
    t->bytes += item_good_size(sizeof *l);
    return l;
}

static struct inner *inner_new(struct ztree *t)
{
    struct inner *n = mem_alloc(sizeof *n);

    n->head = (struct ztree_node){0, false};
    t->bytes += item_good_size(sizeof *n);
    return n;
}

static void node_free(struct ztree *t, struct ztree_node *n)
{
    t->bytes -= item_good_size(n->is_leaf ? sizeof(struct leaf) : sizeof(struct inner));
    free(n);
}

static void free_below(struct ztree *t, struct ztree_node *n)
{
    if (!n->is_leaf) {
        for (unsigned i = 0; i < n->n; i++) {
            free_below(t, as_inner(n)->child[i]);
        }
    }
    node_free(t, n);
}

void ztree_release(struct ztree *t)
{
    if (t->root != NULL) {
        free_below(t, t->root);
    }
    ztree_init(t);
}

/* ---- order --------------------------------------------------------------------------------- */

static int compare_bytes(struct arg a, struct arg b)
{
    size_t n = MIN_OF(a.n, b.n);
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (c != 0) {
        return c;
    }
    return (a.n > b.n) - (a.n < b.n);
}

/* Is the member before the bound, both of the same score (or compared by member alone)? */
static bool member_is_before(struct arg member, const struct ztree_bound *b)
{
    int c;

    if (b->where == ZTREE_BEFORE_ALL || b->where == ZTREE_BEHIND_ALL) {
        return b->where == ZTREE_BEHIND_ALL;
    }
    c = compare_bytes(member, b->member);
    return c < 0 || (c == 0 && b->where == ZTREE_BEHIND_MEMBER);
}

bool ztree_is_before(double score, struct arg member, const struct ztree_bound *b)
{
    if (!b->by_member && score != b->score) {
        return score < b->score;
    }
    return member_is_before(member, b);
}

static inline bool is_before(const struct ztree_entry *e, const struct ztree_bound *b)
{
    if (!b->by_member && e->score != b->score) {
        return e->score < b->score;
    }
    return member_is_before(item_key(e->it), b);
}

/* First of @n entries that is not before the bound. */
static unsigned lower(const struct ztree_entry *e, unsigned n, const struct ztree_bound *b)
{
    unsigned lo = 0, hi = n;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (is_before(&e[mid], b)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static struct ztree_bound bound_of(double score, const struct item *it)
{
    return (struct ztree_bound){
        .score = score, .where = ZTREE_BEFORE_MEMBER, .member = item_key(it)};
}

/* Go down to where the bound is; returns the entries before it. */
static uint64_t descend(const struct ztree *t, const struct ztree_bound *b, struct path *p)
{
    struct ztree_node *n = t->root;
    uint64_t before = 0;

    p->height = 0;
    while (!n->is_leaf) {
        struct inner *in = as_inner(n);
        unsigned at = lower(in->low, in->head.n, b);

        at = at > 0 ? at - 1 : 0; /* the last child that may begin before the bound */
        for (unsigned i = 0; i < at; i++) {
            before += in->count[i];
        }
        p->node[p->height] = in;
        p->at[p->height++] = at;
        n = in->child[at];
    }
    p->leaf = as_leaf(n);
    p->i = lower(p->leaf->e, p->leaf->head.n, b);
    return before + p->i;
}

/* Go down to the @rank-th entry, which is there. */
static void descend_to(const struct ztree *t, uint64_t rank, struct path *p)
{
    struct ztree_node *n = t->root;

    p->height = 0;
    while (!n->is_leaf) {
        struct inner *in = as_inner(n);
        unsigned at = 0;

        while (rank >= in->count[at]) {
            rank -= in->count[at++];
        }
        p->node[p->height] = in;
        p->at[p->height++] = at;
        n = in->child[at];
    }
    p->leaf = as_leaf(n);
    p->i = (unsigned)rank;
}

uint64_t ztree_rank(const struct ztree *t, const struct ztree_bound *b, struct ztree_pos *pos)
{
    struct path p;
    uint64_t rank;

    if (t->root == NULL) {
        if (pos != NULL) {
            *pos = (struct ztree_pos){NULL, 0};
        }
        return 0;
    }
    rank = descend(t, b, &p);
    if (pos != NULL) {
        struct leaf *l = p.i < p.leaf->head.n ? p.leaf : p.leaf->next;

        *pos = (struct ztree_pos){l == NULL ? NULL : &l->head, l == p.leaf ? p.i : 0};
    }
    return rank;
}

struct ztree_pos ztree_at(const struct ztree *t, uint64_t rank)
{
    struct path p;

    if (rank >= t->n) {
        return (struct ztree_pos){NULL, 0};
    }
    descend_to(t, rank, &p);
    return (struct ztree_pos){&p.leaf->head, p.i};
}

struct ztree_entry ztree_entry(struct ztree_pos pos) { return as_leaf(pos.leaf)->e[pos.i]; }

struct ztree_pos ztree_next(struct ztree_pos pos)
{
    struct leaf *l = as_leaf(pos.leaf);

    if (pos.i + 1 < l->head.n) {
        return (struct ztree_pos){pos.leaf, pos.i + 1};
    }
    return (struct ztree_pos){l->next == NULL ? NULL : &l->next->head, 0};
}

struct ztree_pos ztree_prev(struct ztree_pos pos)
{
    struct leaf *l = as_leaf(pos.leaf);

    if (pos.i > 0) {
        return (struct ztree_pos){pos.leaf, pos.i - 1};
    }
    if (l->prev == NULL) {
        return (struct ztree_pos){NULL, 0};
    }
    return (struct ztree_pos){&l->prev->head, l->prev->head.n - 1u};
}

/* ---- inserting ----------------------------------------------------------------------------- */

static struct ztree_entry first_of(struct ztree_node *n)
{
    return n->is_leaf ? as_leaf(n)->e[0] : as_inner(n)->low[0];
}

/* Put @e at @i. */
static void leaf_put(struct leaf *l, unsigned i, struct ztree_entry e)
{
    memmove(&l->e[i + 1], &l->e[i], (l->head.n - i) * sizeof l->e[0]);
    l->e[i] = e;
    l->head.n++;
}

static void inner_put(struct inner *in, unsigned i, struct ztree_node *child, uint64_t count)
{
    unsigned behind = in->head.n - i;

    memmove(&in->child[i + 1], &in->child[i], behind * sizeof(struct ztree_node *));
    memmove(&in->count[i + 1], &in->count[i], behind * sizeof in->count[0]);
    memmove(&in->low[i + 1], &in->low[i], behind * sizeof in->low[0]);
    in->child[i] = child;
    in->count[i] = count;
    in->low[i] = first_of(child);
    in->head.n++;
}

/* How many stay in a full node of @max when it is split for something at @i: what comes in order
 * leaves full nodes behind. */
static unsigned keep(unsigned max, unsigned i, bool at_edge)
{
    if (at_edge && i == max) {
        return max;
    }
    return max / 2;
}

/* Split a full leaf; the new one stands behind it. */
static struct leaf *leaf_split(struct ztree *t, struct leaf *l, unsigned stay)
{
    struct leaf *fresh = leaf_new(t);

    memcpy(fresh->e, &l->e[stay], (l->head.n - stay) * sizeof l->e[0]);
    fresh->head.n = (uint16_t)(l->head.n - stay);
    l->head.n = (uint16_t)stay;
    fresh->prev = l;
    fresh->next = l->next;
    if (l->next != NULL) {
        l->next->prev = fresh;
    }
    l->next = fresh;
    return fresh;
}

static struct inner *inner_split(struct ztree *t, struct inner *in, unsigned stay)
{
    struct inner *fresh = inner_new(t);
    unsigned n = in->head.n - stay;

    memcpy(fresh->child, &in->child[stay], n * sizeof(struct ztree_node *));
    memcpy(fresh->count, &in->count[stay], n * sizeof in->count[0]);
    memcpy(fresh->low, &in->low[stay], n * sizeof in->low[0]);
    fresh->head.n = (uint16_t)n;
    in->head.n = (uint16_t)stay;
    return fresh;
}

static uint64_t sum_of(const struct inner *in)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < in->head.n; i++) {
        sum += in->count[i];
    }
    return sum;
}

static uint64_t count_of(struct ztree_node *n) { return n->is_leaf ? n->n : sum_of(as_inner(n)); }

/* @fresh has been split off the node at level @level of the path (0: the root's child): hang it in
 * behind it. */
static void hang_in(struct ztree *t, struct path *p, unsigned level, struct ztree_node *fresh)
{
    while (level > 0) {
        struct inner *in = p->node[level - 1];
        unsigned at = p->at[level - 1];
        struct inner *right;
        unsigned stay;

        in->count[at] = count_of(in->child[at]);
        if (in->head.n < INNER_MAX) {
            inner_put(in, at + 1, fresh, count_of(fresh));
            return;
        }
        stay = keep(INNER_MAX, at + 1, true);
        right = inner_split(t, in, stay);
        if (at + 1 <= stay && stay < INNER_MAX) {
            inner_put(in, at + 1, fresh, count_of(fresh));
        } else {
            inner_put(right, at + 1 - stay, fresh, count_of(fresh));
        }
        fresh = &right->head;
        level--;
    }

    struct inner *root = inner_new(t);

    assert(t->height + 1 < HEIGHT_MAX);
    inner_put(root, 0, t->root, count_of(t->root));
    inner_put(root, 1, fresh, count_of(fresh));
    t->root = &root->head;
    t->height++;
}

/* One more (or less) below each node of the path. */
static void add_to_counts(struct path *p, int64_t more)
{
    for (unsigned i = 0; i < p->height; i++) {
        p->node[i]->count[p->at[i]] += (uint64_t)more;
    }
}

/* The first entry of the leaf has changed: so have the lows above it, as far up as it is the first.
 */
static void refresh_low(struct path *p)
{
    struct ztree_node *below = &p->leaf->head;

    for (unsigned i = p->height; i-- > 0;) {
        p->node[i]->low[p->at[i]] = first_of(below);
        if (p->at[i] > 0) {
            return;
        }
        below = &p->node[i]->head;
    }
}

void ztree_insert(struct ztree *t, double score, struct item *it)
{
    struct ztree_bound b = bound_of(score, it);
    struct ztree_entry e = {score, it};
    struct path p;
    struct leaf *right;
    unsigned stay;

    if (t->root == NULL) {
        t->root = &leaf_new(t)->head;
    }
    (void)descend(t, &b, &p);
    t->n++;
    add_to_counts(&p, 1);
    if (p.leaf->head.n < LEAF_MAX) {
        leaf_put(p.leaf, p.i, e);
        if (p.i == 0) {
            refresh_low(&p);
        }
        return;
    }
    stay = keep(LEAF_MAX, p.i, p.leaf->next == NULL);
    right = leaf_split(t, p.leaf, stay);
    if (p.i <= stay && stay < LEAF_MAX) {
        leaf_put(p.leaf, p.i, e);
    } else {
        leaf_put(right, p.i - stay, e);
    }
    if (p.i == 0) {
        refresh_low(&p);
    }
    hang_in(t, &p, p.height, &right->head);
}

/* ---- removing ------------------------------------------------------------------------------ */

static void inner_drop(struct inner *in, unsigned i)
{
    unsigned behind = in->head.n - i - 1u;

    memmove(&in->child[i], &in->child[i + 1], behind * sizeof(struct ztree_node *));
    memmove(&in->count[i], &in->count[i + 1], behind * sizeof in->count[0]);
    memmove(&in->low[i], &in->low[i + 1], behind * sizeof in->low[0]);
    in->head.n--;
}

static void unlink_leaf(struct leaf *l)
{
    if (l->prev != NULL) {
        l->prev->next = l->next;
    }
    if (l->next != NULL) {
        l->next->prev = l->prev;
    }
}

/* Move all of @right to the end of @left, its neighbour. */
static void join(struct ztree *t, struct ztree_node *left, struct ztree_node *right)
{
    if (left->is_leaf) {
        memcpy(&as_leaf(left)->e[left->n], as_leaf(right)->e,
               right->n * sizeof(struct ztree_entry));
        unlink_leaf(as_leaf(right));
    } else {
        struct inner *a = as_inner(left), *b = as_inner(right);

        memcpy(&a->child[left->n], b->child, right->n * sizeof(struct ztree_node *));
        memcpy(&a->count[left->n], b->count, right->n * sizeof b->count[0]);
        memcpy(&a->low[left->n], b->low, right->n * sizeof b->low[0]);
    }
    left->n = (uint16_t)(left->n + right->n);
    node_free(t, right);
}

/* Child @i of @in has become small: join it with a neighbour if both fit into three quarters of one
 * (so that the next insertion does not split it at once). */
static void join_child(struct ztree *t, struct inner *in, unsigned i)
{
    unsigned max = (in->child[i]->is_leaf ? LEAF_MAX : INNER_MAX) * 3u / 4u;

    if (i > 0 && in->child[i - 1]->n + in->child[i]->n <= max) {
        i--;
    } else if (i + 1u >= in->head.n || in->child[i]->n + in->child[i + 1]->n > max) {
        return;
    }
    join(t, in->child[i], in->child[i + 1]);
    in->count[i] += in->count[i + 1];
    inner_drop(in, i + 1);
}

/* The node at level @level of the path has lost something. */
static void shrink_path(struct ztree *t, struct path *p)
{
    for (unsigned level = p->height; level-- > 0;) {
        struct inner *in = p->node[level];
        unsigned at = p->at[level];

        if (in->child[at]->n == 0) {
            if (in->child[at]->is_leaf) {
                unlink_leaf(as_leaf(in->child[at]));
            }
            node_free(t, in->child[at]);
            inner_drop(in, at);
        } else {
            join_child(t, in, at);
        }
    }
    while (!t->root->is_leaf && t->root->n == 1) {
        struct ztree_node *child = as_inner(t->root)->child[0];

        node_free(t, t->root);
        t->root = child;
        t->height--;
    }
    if (t->root->n == 0) {
        node_free(t, t->root);
        t->root = NULL;
        t->height = 0;
    }
}

/* When a leaf has gone, a low above it that named its first entry names the next leaf's:
 * inner_drop() has moved it there, but further up it is still the old one. @b: behind what has been
 * removed. */
static void refresh_edge(struct ztree *t, const struct ztree_bound *b)
{
    struct path p;

    if (t->root == NULL) {
        return;
    }
    (void)descend(t, b, &p);
    refresh_low(&p);
}

/* Remove @n entries of the leaf from the path's on. */
static void remove_at(struct ztree *t, struct path *p, unsigned n)
{
    struct leaf *l = p->leaf;
    const struct ztree_entry last = l->e[p->i + n - 1];
    unsigned behind = l->head.n - p->i - n;
    bool emptied = n == l->head.n;

    memmove(&l->e[p->i], &l->e[p->i + n], behind * sizeof l->e[0]);
    l->head.n = (uint16_t)(l->head.n - n);
    t->n -= n;
    add_to_counts(p, -(int64_t)n);
    if (p->i == 0 && !emptied) {
        refresh_low(p);
    }
    shrink_path(t, p);
    if (emptied) {
        struct ztree_bound b = bound_of(last.score, last.it);

        b.where = ZTREE_BEHIND_MEMBER;
        refresh_edge(t, &b);
    }
}

/* Go down to an entry that is there. */
static void descend_to_entry(const struct ztree *t, double score, const struct item *it,
                             struct path *p)
{
    struct ztree_bound b = bound_of(score, it);

    /* Not before it: that may be the end of the leaf before its own. */
    b.where = ZTREE_BEHIND_MEMBER;
    (void)descend(t, &b, p);
    assert(p->i > 0);
    p->i--;
    assert(p->leaf->e[p->i].it == it);
}

void ztree_remove(struct ztree *t, double score, const struct item *it)
{
    struct path p;

    descend_to_entry(t, score, it, &p);
    remove_at(t, &p, 1);
}

unsigned ztree_cut(struct ztree *t, uint64_t rank, uint64_t n, struct item *out[ZTREE_CUT_MAX])
{
    struct path p;
    unsigned cut;

    assert(rank < t->n);
    descend_to(t, rank, &p);
    cut = (unsigned)MIN_OF(n, (uint64_t)(p.leaf->head.n - p.i));
    for (unsigned i = 0; i < cut; i++) {
        out[i] = p.leaf->e[p.i + i].it;
    }
    remove_at(t, &p, cut);
    return cut;
}

/* With another score the entry would stay between the same neighbours of its leaf. */
static bool stays(const struct path *p, const struct ztree_bound *b)
{
    const struct leaf *l = p->leaf;

    return p->i > 0 && p->i + 1u < l->head.n && is_before(&l->e[p->i - 1], b) &&
           !is_before(&l->e[p->i + 1], b);
}

void ztree_update(struct ztree *t, double old_score, struct item *it, double score)
{
    struct ztree_bound b = bound_of(score, it);
    struct path p;

    descend_to_entry(t, old_score, it, &p);
    if (stays(&p, &b)) {
        p.leaf->e[p.i].score = score;
        return;
    }
    remove_at(t, &p, 1);
    ztree_insert(t, score, it);
}

/* ---- moving -------------------------------------------------------------------------------- */

/* What points to the node at level @level of the path (its height: the leaf). */
static struct ztree_node **link_to(struct ztree *t, const struct path *p, unsigned level)
{
    return level == 0 ? &t->root : &p->node[level - 1]->child[p->at[level - 1]];
}

static void leaf_relocate(struct ztree *t, struct path *p, struct mover *m)
{
    struct leaf *l = mover_move(m, p->leaf);

    if (l != p->leaf) {
        if (l->prev != NULL) {
            l->prev->next = l;
        }
        if (l->next != NULL) {
            l->next->prev = l;
        }
        *link_to(t, p, p->height) = &l->head;
        p->leaf = l;
    }
}

uint64_t ztree_relocate(struct ztree *t, uint64_t rank, struct mover *m, ztree_relocate_fn *fn,
                        void *arg)
{
    struct path p;

    assert(rank < t->n);
    descend_to(t, rank, &p);
    leaf_relocate(t, &p, m);
    for (unsigned level = p.height; level-- > 0 && p.at[level] == 0;) {
        struct ztree_node *n = mover_move(m, &p.node[level]->head);

        *link_to(t, &p, level) = n;
        p.node[level] = as_inner(n);
    }
    for (unsigned i = 0; i < p.leaf->head.n; i++) {
        p.leaf->e[i].it = fn(arg, p.leaf->e[i].it);
    }
    refresh_low(&p);
    return rank - p.i + p.leaf->head.n;
}

/* ---- checking ------------------------------------------------------------------------------ */

static bool in_order(const struct ztree_entry *a, const struct ztree_entry *b)
{
    struct ztree_bound bound = bound_of(b->score, b->it);

    return is_before(a, &bound);
}

static uint64_t check_node(struct ztree_node *n, unsigned depth, unsigned height,
                           const struct ztree_entry **last)
{
    uint64_t sum = 0;

    assert(n->n > 0);
    assert(n->is_leaf == (depth == height));
    if (n->is_leaf) {
        assert(n->n <= LEAF_MAX);
        for (unsigned i = 0; i < n->n; i++) {
            assert(*last == NULL || in_order(*last, &as_leaf(n)->e[i]));
            *last = &as_leaf(n)->e[i];
        }
        return n->n;
    }
    assert(n->n <= INNER_MAX);
    for (unsigned i = 0; i < n->n; i++) {
        struct inner *in = as_inner(n);
        struct ztree_entry first = first_of(in->child[i]);
        uint64_t count;

        assert(in->low[i].it == first.it && in->low[i].score == first.score);
        count = check_node(in->child[i], depth + 1, height, last);
        assert(count == in->count[i]);
        sum += count;
    }
    return sum;
}

void ztree_check(const struct ztree *t)
{
    const struct ztree_entry *last = NULL;

    if (t->root == NULL) {
        assert(t->n == 0);
        return;
    }
    assert(check_node(t->root, 0, t->height, &last) == t->n);
}
