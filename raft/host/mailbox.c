/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/mailbox.c - see mailbox.h.
 *
 * `woken` is true from the ev_async_send() until the consumer takes: whoever puts meanwhile may
 * stay silent. Two arrays take turns; a burst's memory is given back once it is used up. */
#include "raft/host/mailbox.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_ITEMS 16384 /* an array larger than this is not kept */

void mailbox_init(struct mailbox *m)
{
    memset(m, 0, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
}

void mailbox_release(struct mailbox *m)
{
    assert(m->n == 0);
    free(m->items);
    free(m->taken);
    pthread_mutex_destroy(&m->lock);
}

void mailbox_attach(struct mailbox *m, struct ev_loop *loop, void (*cb)(EV_P_ ev_async *, int))
{
    ev_async_init(&m->async, cb);
    ev_async_start(loop, &m->async);
    pthread_mutex_lock(&m->lock);
    m->loop = loop;
    m->attached = true;
    m->woken = m->n > 0;
    if (m->woken) {
        ev_async_send(loop, &m->async);
    }
    pthread_mutex_unlock(&m->lock);
}

void mailbox_detach(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    m->attached = false;
    pthread_mutex_unlock(&m->lock);
    ev_async_stop(m->loop, &m->async);
}

/* Lock held: does the consumer have to be woken? Whoever gets true must call send_wake(). */
static bool claim_wake(struct mailbox *m)
{
    if (!m->attached || m->woken) {
        return false;
    }
    m->woken = true;
    return true;
}

/* Without the lock, or the consumer would run into it. The loop outlives all who put. */
static void send_wake(struct mailbox *m, bool claimed)
{
    if (claimed) {
        ev_async_send(m->loop, &m->async);
    }
}

/* Lock held. */
static void append_locked(struct mailbox *m, const struct mail *items, size_t n)
{
    assert(n > 0);
    if (m->n + n > m->cap) {
        m->cap = MAX_OF(MAX_OF(m->cap * 2, m->n + n), (size_t)64);
        m->items = mem_realloc(m->items, m->cap * sizeof m->items[0]);
    }
    assert(m->items != NULL);
    memcpy(m->items + m->n, items, n * sizeof items[0]);
    m->n += n;
}

void mailbox_put(struct mailbox *m, const struct mail *item, bool wake)
{
    pthread_mutex_lock(&m->lock);
    append_locked(m, item, 1);
    wake = wake && claim_wake(m);
    pthread_mutex_unlock(&m->lock);
    send_wake(m, wake);
}

void mailbox_put_all(struct mailbox *m, const struct mail *items, size_t n)
{
    bool wake;

    if (n == 0) {
        return;
    }
    pthread_mutex_lock(&m->lock);
    append_locked(m, items, n);
    wake = claim_wake(m);
    pthread_mutex_unlock(&m->lock);
    send_wake(m, wake);
}

void mailbox_put_applied(struct mailbox *m, uint32_t group, uint64_t index)
{
    struct mail item = {.type = MAIL_APPLIED, .group = group, .index = index};
    struct mail *last;
    bool wake;

    pthread_mutex_lock(&m->lock);
    last = m->n > 0 ? &m->items[m->n - 1] : NULL;
    if (last != NULL && last->type == MAIL_APPLIED && last->group == group) {
        last->index = index;
    } else {
        append_locked(m, &item, 1);
    }
    wake = m->hungry && claim_wake(m);
    pthread_mutex_unlock(&m->lock);
    send_wake(m, wake);
}

void mailbox_wake(struct mailbox *m)
{
    bool wake;

    pthread_mutex_lock(&m->lock);
    wake = m->n > 0 && claim_wake(m);
    pthread_mutex_unlock(&m->lock);
    send_wake(m, wake);
}

size_t mailbox_take(struct mailbox *m, struct mail **out)
{
    struct mail *items = m->taken;
    size_t cap = m->taken_cap;
    size_t n;

    if (cap > KEEP_ITEMS) {
        free(items);
        items = NULL;
        cap = 0;
    }
    pthread_mutex_lock(&m->lock);
    n = m->n;
    m->taken = m->items;
    m->taken_cap = m->cap;
    m->items = items;
    m->cap = cap;
    m->n = 0;
    m->woken = false;
    pthread_mutex_unlock(&m->lock);
    *out = m->taken;
    return n;
}

void mailbox_set_hungry(struct mailbox *m, bool hungry)
{
    bool wake;

    if (!hungry && !m->hungry) {
        return; /* only the consumer writes it */
    }
    pthread_mutex_lock(&m->lock);
    m->hungry = hungry;
    wake = hungry && m->n > 0 && claim_wake(m);
    pthread_mutex_unlock(&m->lock);
    send_wake(m, wake);
}
