/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/worker.c - see base/worker.h. One lock around one list. */
#include "base/worker.h"

#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct job *next;
    worker_fn *fn;
    void *arg;
};

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* a job was queued, or stopping was set */
    struct job *first;
    struct job **last_next; /* where the next job is hung in */
    size_t pending;         /* queued and running */
    bool stopping;
    atomic_bool cancel;
    unsigned n_threads;
    pthread_t threads[];
};

static struct job *pop(struct worker *w)
{
    struct job *j = w->first;

    if (j != NULL) {
        w->first = j->next;
        if (w->first == NULL) {
            w->last_next = &w->first;
        }
    }
    return j;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct job *j;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        j = pop(w);
        if (j == NULL) {
            if (w->stopping) {
                break;
            }
            pthread_cond_wait(&w->wake, &w->lock);
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        j->fn(j->arg, &w->cancel);
        free(j);
        pthread_mutex_lock(&w->lock);
        assert(w->pending > 0);
        w->pending--;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct worker *worker_new(unsigned threads, const char *name)
{
    struct worker *w = mem_zalloc(sizeof *w + threads * sizeof w->threads[0]);
    char short_name[16];
    sigset_t all, before;

    assert(threads > 0);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->last_next = &w->first;
    atomic_init(&w->cancel, false);
    snprintf(short_name, sizeof short_name, "%s", name);
    /* A new thread inherits the mask: signals are for the loops. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; w->n_threads < threads; w->n_threads++) {
        int rc = pthread_create(&w->threads[w->n_threads], NULL, worker_main, w);

        if (rc != 0) {
            log_fatal("Cannot start a thread (%s): %s", name, strerror(rc));
        }
        pthread_setname_np(w->threads[w->n_threads], short_name);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w;
}

void worker_submit(struct worker *w, worker_fn *fn, void *arg)
{
    struct job *j = mem_alloc(sizeof *j);

    j->next = NULL;
    j->fn = fn;
    j->arg = arg;
    pthread_mutex_lock(&w->lock);
    *w->last_next = j;
    w->last_next = &j->next;
    w->pending++;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

size_t worker_pending(struct worker *w)
{
    size_t n;

    pthread_mutex_lock(&w->lock);
    n = w->pending;
    pthread_mutex_unlock(&w->lock);
    return n;
}

void worker_free(struct worker *w)
{
    if (w == NULL) {
        return;
    }
    atomic_store(&w->cancel, true);
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n_threads; i++) {
        pthread_join(w->threads[i], NULL);
    }
    assert(w->first == NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
