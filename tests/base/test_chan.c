/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_chan.c - base/chan.c: order, bounds, and that no wake-up is ever lost. */
#include "tests/test.h"

#include "base/chan.h"

#include <ev.h>
#include <pthread.h>
#include <sched.h>

#define N_PRODUCERS 4
#define N_PER_PRODUCER 20000

/* Messages are numbers in disguise. */
static void *message(uintptr_t producer, uintptr_t seq)
{
    return (void *)(producer << 32 | (seq + 1));
}

struct consumer {
    struct ev_loop *loop;
    struct chan *chan;
    uintptr_t next[N_PRODUCERS]; /* sequence expected of each */
    size_t seen;
    size_t stop_at;
    size_t calls;
    size_t largest;
    bool detach_at_once;
};

static void consume(void *arg, void **messages, size_t n)
{
    struct consumer *c = arg;

    assert_true(n > 0);
    c->calls++;
    c->largest = MAX_OF(c->largest, n);
    for (size_t i = 0; i < n; i++) {
        uintptr_t m = (uintptr_t)messages[i];
        uintptr_t producer = m >> 32;

        assert_true(producer < N_PRODUCERS);
        assert_int_equal((m & 0xffffffff) - 1, c->next[producer]);
        c->next[producer]++;
    }
    c->seen += n;
    if (c->detach_at_once) {
        chan_detach(c->chan);
    }
    if (c->seen >= c->stop_at) {
        ev_break(c->loop, EVBREAK_ONE);
    }
}

struct producer {
    pthread_t thread;
    struct chan *chan;
    uintptr_t id;
};

/* Pushes singles and small batches; a full queue is tried again. */
static void *produce(void *arg)
{
    struct producer *p = arg;
    uintptr_t seq = 0;

    while (seq < N_PER_PRODUCER) {
        void *batch[7];
        size_t n = MIN_OF(1 + seq % ARRAY_LEN(batch), N_PER_PRODUCER - seq);
        bool pushed;

        for (size_t i = 0; i < n; i++) {
            batch[i] = message(p->id, seq + i);
        }
        pushed = n == 1 ? chan_push(p->chan, batch[0]) : chan_push_all(p->chan, batch, n);
        if (pushed) {
            seq += n;
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
    fail_msg("the consumer slept although messages were queued");
}

/* Four threads against one loop, on a queue so small that it is full and empty all the time: every
 * message arrives once, in its producer's order. A lost wake-up would leave the loop asleep, which
 * the deadline turns into a failure. */
static void nothing_is_lost_between_threads(void **state)
{
    static const size_t capacities[] = {8, 100, 4096};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(capacities); k++) {
        struct consumer c = {.stop_at = N_PRODUCERS * N_PER_PRODUCER};
        struct producer producers[N_PRODUCERS];
        struct chan *chan = chan_new(capacities[k]);
        struct ev_timer deadline;

        c.loop = ev_loop_new(EVFLAG_AUTO);
        c.chan = chan;
        ev_timer_init(&deadline, on_deadline, 60., 0.);
        ev_timer_start(c.loop, &deadline);
        chan_attach(chan, c.loop, consume, &c);
        for (uintptr_t i = 0; i < N_PRODUCERS; i++) {
            producers[i] = (struct producer){.chan = chan, .id = i};
            assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
        }
        ev_run(c.loop, 0);
        for (size_t i = 0; i < N_PRODUCERS; i++) {
            pthread_join(producers[i].thread, NULL);
            assert_int_equal(c.next[i], N_PER_PRODUCER);
        }
        assert_int_equal(chan_len(chan), 0);
        chan_detach(chan);
        chan_free(chan);
        ev_loop_destroy(c.loop);
    }
}

/* A full queue refuses, a batch goes in whole or not at all, and what was refused changes nothing.
 */
static void full_queue_refuses_whole_batches(void **state)
{
    struct chan *chan = chan_new(5);
    void *batch[6];
    void *out[6];

    (void)state;
    for (uintptr_t i = 0; i < ARRAY_LEN(batch); i++) {
        batch[i] = message(0, i);
    }
    assert_false(chan_push_all(chan, batch, 6));
    assert_int_equal(chan_len(chan), 0);
    assert_true(chan_push_all(chan, batch, 3));
    assert_false(chan_push_all(chan, batch + 3, 3));
    assert_true(chan_push_all(chan, batch + 3, 2));
    assert_false(chan_push(chan, batch[5]));
    assert_int_equal(chan_len(chan), 5);
    assert_int_equal(chan_take(chan, out, 2), 2);
    assert_true(chan_push(chan, batch[5])); /* wraps around the ring's end */
    assert_int_equal(chan_take(chan, out + 2, 6), 4);
    assert_memory_equal(out, batch, sizeof batch);
    assert_int_equal(chan_take(chan, out, 6), 0);
    chan_free(chan);
}

/* Many pushes before the consumer runs are one call of its function, not one each; and messages
 * pushed before attaching are delivered. */
static void pushes_to_a_busy_consumer_arrive_together(void **state)
{
    struct consumer c = {.stop_at = 200};
    struct chan *chan = chan_new(1000);

    (void)state;
    c.loop = ev_loop_new(EVFLAG_AUTO);
    c.chan = chan;
    for (uintptr_t i = 0; i < 100; i++) {
        assert_true(chan_push(chan, message(0, i)));
    }
    chan_attach(chan, c.loop, consume, &c);
    for (uintptr_t i = 100; i < 200; i++) {
        assert_true(chan_push(chan, message(0, i)));
    }
    ev_run(c.loop, 0);
    assert_int_equal(c.seen, 200);
    assert_int_equal(c.calls, 1);
    chan_detach(chan);
    chan_free(chan);
    ev_loop_destroy(c.loop);
}

struct refiller {
    struct chan *chan;
    size_t calls;
};

static void refill(void *arg, void **messages, size_t n)
{
    struct refiller *r = arg;

    r->calls++;
    for (size_t i = 0; i < n; i++) {
        assert_true(chan_push(r->chan, messages[i]));
    }
}

/* A consumer whose queue never empties still lets its loop turn: one turn handles at most a full
 * queue, and the next turn goes on without another push. */
static void one_turn_takes_at_most_a_full_queue(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct refiller r = {.chan = chan_new(4)};

    (void)state;
    chan_attach(r.chan, loop, refill, &r);
    assert_true(chan_push(r.chan, message(0, 0)));
    ev_run(loop, EVRUN_ONCE);
    assert_int_equal(r.calls, 4); /* one message each */
    ev_run(loop, EVRUN_ONCE);
    assert_int_equal(r.calls, 8);
    chan_detach(r.chan);
    chan_free(r.chan);
    ev_loop_destroy(loop);
}

/* Detaching inside the consumer's function stops the delivery; what is left stays queued and goes
 * to the next one that attaches. */
static void messages_survive_a_detach(void **state)
{
    struct consumer first = {.stop_at = 1, .detach_at_once = true};
    struct consumer second = {.stop_at = 344};
    struct chan *chan = chan_new(1000);
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

    (void)state;
    first.loop = second.loop = loop;
    first.chan = second.chan = chan;
    for (uintptr_t i = 0; i < 600; i++) {
        assert_true(chan_push(chan, message(0, i)));
    }
    chan_attach(chan, loop, consume, &first);
    ev_run(loop, 0);
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.seen, 256);
    assert_int_equal(chan_len(chan), 344);
    second.next[0] = first.next[0];
    chan_attach(chan, loop, consume, &second);
    ev_run(loop, 0);
    assert_int_equal(second.seen, 344);
    chan_detach(chan);
    chan_free(chan);
    ev_loop_destroy(loop);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nothing_is_lost_between_threads),
    cmocka_unit_test(full_queue_refuses_whole_batches),
    cmocka_unit_test(pushes_to_a_busy_consumer_arrive_together),
    cmocka_unit_test(one_turn_takes_at_most_a_full_queue),
    cmocka_unit_test(messages_survive_a_detach),
};

TEST_MAIN(tests)
