/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/worker.h - the background threads of a node: jobs that may block or take long and touch
 * nothing that another thread owns. Jobs start in order of submission. */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include "base/base.h"

struct worker; /* opaque */

/* A job; @cancel turns true when the worker is being freed: long jobs look at it. */
typedef void worker_fn(void *arg, const volatile bool *cancel);

struct worker *worker_new(unsigned threads, const char *name); /* never NULL */
void worker_submit(struct worker *w, worker_fn *fn, void *arg); /* any thread */
size_t worker_pending(struct worker *w);
void worker_free(struct worker *w); /* cancels, runs what is queued, joins; NULL is allowed */

#endif
