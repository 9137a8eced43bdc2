/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/cmd_steps.h - tables of [command, reply, effects] for tests of command handlers. */
#ifndef TESTS_NODE_CMD_STEPS_H
#define TESTS_NODE_CMD_STEPS_H

#include "tests/node/cmd_harness.h"
#include "tests/test.h"

struct step {
    const char *line;
    const char *reply;   /* as harness_run() escapes it; NULL: not looked at */
    const char *effects; /* NULL: "(nothing)" */
};

#define OK "+OK\\r\\n"
#define NIL "$-1\\r\\n"
#define INT(n) ":" #n "\\r\\n"
#define BULK(n, text) "$" #n "\\r\\n" text "\\r\\n"
#define ERR(text) "-ERR " text "\\r\\n"
#define SYNTAX ERR("syntax error")
#define NOT_INT ERR("value is not an integer or out of range")

/* Run @steps in order, checking each. */
static inline void run_steps(struct harness *h, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *reply = harness_run(h, steps[i].line);

        if (steps[i].reply != NULL && strcmp(reply, steps[i].reply) != 0) {
            fail_msg("%s\n  replied: %s\n  wanted:  %s", steps[i].line, reply, steps[i].reply);
        }
        reply = steps[i].effects != NULL ? steps[i].effects : "(nothing)";
        if (strcmp(harness_effects(h), reply) != 0) {
            fail_msg("%s\n  logged: %s\n  wanted: %s", steps[i].line, harness_effects(h), reply);
        }
    }
}

/* The same on a fresh plain-mode harness. */
static inline void run_alone(const struct step *steps, size_t n)
{
    struct harness *h = harness_new(false);

    run_steps(h, steps, n);
    harness_free(h);
}

#define RUN_ALONE(steps) run_alone(steps, ARRAY_LEN(steps))

#endif
