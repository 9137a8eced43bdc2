/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_worker.c - base/worker.c: order, cancelling, and that every job runs once. */
#include "tests/test.h"

#include "base/clock.h"
#include "base/worker.h"

#include <sched.h>

struct record {
    atomic_size_t n;
    size_t order[1000]; /* written by one thread only */
};

struct numbered {
    struct record *record;
    size_t number;
    struct worker *again; /* submits itself there once, when not NULL */
};

static void note(void *arg, const atomic_bool *cancel)
{
    struct numbered *j = arg;
    size_t at = atomic_fetch_add(&j->record->n, 1);

    (void)cancel;
    if (at < ARRAY_LEN(j->record->order)) {
        j->record->order[at] = j->number;
    }
    if (j->again != NULL) {
        struct worker *w = j->again;

        j->again = NULL;
        worker_submit(w, note, j);
    }
}

static void one_thread_runs_in_order(void **state)
{
    static struct record record;
    static struct numbered jobs[1000];
    struct worker *w = worker_new(1, "a name that is too long");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct numbered){.record = &record, .number = i};
        worker_submit(w, note, &jobs[i]);
    }
    worker_free(w); /* runs what is queued */
    assert_int_equal(atomic_load(&record.n), ARRAY_LEN(jobs));
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        assert_int_equal(record.order[i], i);
    }
}

/* Several threads, jobs that submit jobs: each runs exactly once, and pending() falls to zero. */
static void every_job_runs_once(void **state)
{
    static struct record record;
    static struct numbered jobs[5000];
    struct worker *w = worker_new(3, "test");
    int64_t deadline = clock_boot_us() + 60 * 1000 * 1000;

    (void)state;
    atomic_store(&record.n, ARRAY_LEN(record.order)); /* the order is not asked for */
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct numbered){.record = &record, .number = i, .again = i % 2 ? w : NULL};
        worker_submit(w, note, &jobs[i]);
    }
    while (worker_pending(w) > 0) {
        assert_true(clock_boot_us() < deadline);
        sched_yield();
    }
    assert_int_equal(atomic_load(&record.n),
                     ARRAY_LEN(record.order) + ARRAY_LEN(jobs) + ARRAY_LEN(jobs) / 2);
    worker_free(w);
}

static void run_until_cancelled(void *arg, const atomic_bool *cancel)
{
    atomic_bool *started = arg;

    atomic_store(started, true);
    while (!*cancel) {
        sched_yield();
    }
}

/* Freeing tells a long job to stop; without that worker_free() would hang here. */
static void freeing_cancels_a_long_job(void **state)
{
    struct worker *w = worker_new(1, "test");
    atomic_bool started = false;

    (void)state;
    worker_submit(w, run_until_cancelled, &started);
    while (!atomic_load(&started)) {
        sched_yield();
    }
    assert_int_equal(worker_pending(w), 1);
    worker_free(w);
    worker_free(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_thread_runs_in_order),
    cmocka_unit_test(every_job_runs_once),
    cmocka_unit_test(freeing_cancels_a_long_job),
};

TEST_MAIN(tests)
