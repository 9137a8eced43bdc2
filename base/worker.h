/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/worker.h - the background threads of a node: jobs that may block or take long and touch
 * nothing that another thread owns. Jobs start in order of submission. The queue itself has no
 * bound: whoever submits keeps its own number of open jobs bounded. */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include "base/base.h"

#include <stdatomic.h>

struct worker; /* opaque */

/* A job; @cancel turns true when the worker is being freed: long jobs look at it (if (*cancel)). */
typedef void worker_fn(void *arg, const atomic_bool *cancel);

/* @threads >= 1 with signals blocked, named @name (15 bytes are shown). Never NULL. */
struct worker *worker_new(unsigned threads, const char *name);
void worker_submit(struct worker *w, worker_fn *fn, void *arg); /* any thread, also a job */
size_t worker_pending(struct worker *w); /* any thread: jobs queued or running */
void worker_free(struct worker *w);      /* cancels, runs what is queued, joins; NULL is allowed */

#endif
