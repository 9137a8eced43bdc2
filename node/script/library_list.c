/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/library_list.c - FUNCTION LIST and STATS, and what INFO counts. */
#include "base/clock.h"
#include "base/glob.h"
#include "node/script/library_table.h"

#include <string.h>

static void list_function(struct resp_out *out, const struct function *f)
{
    size_t n = 0;

    resp_map(out, 3);
    resp_bulk_str(out, "name");
    resp_bulk_str(out, f->name);
    resp_bulk_str(out, "description");
    if (f->description != NULL) {
        resp_bulk_str(out, f->description);
    } else {
        resp_null(out);
    }
    resp_bulk_str(out, "flags");
    for (unsigned i = 0; script_flag_name(i) != NULL; i++) {
        n += (f->flags >> i) & 1;
    }
    resp_set(out, n);
    for (unsigned i = 0; script_flag_name(i) != NULL; i++) {
        if ((f->flags >> i) & 1) {
            resp_status(out, script_flag_name(i));
        }
    }
}

static void list_library(struct resp_out *out, const struct library *lib, bool with_code)
{
    resp_map(out, with_code ? 4 : 3);
    resp_bulk_str(out, "library_name");
    resp_bulk_str(out, lib->name);
    resp_bulk_str(out, "engine");
    resp_bulk_str(out, "LUA");
    resp_bulk_str(out, "functions");
    resp_array(out, lib->n);
    for (size_t i = 0; i < lib->n; i++) {
        list_function(out, &lib->functions[i]);
    }
    if (with_code) {
        resp_bulk_str(out, "library_code");
        resp_bulk(out, lib->text, lib->text_n);
    }
}

static bool list_options(struct cmd *c, const struct arg **pattern, bool *with_code)
{
    for (int i = 2; i < c->argc; i++) {
        if (!*with_code && arg_is(&c->argv[i], "withcode")) {
            *with_code = true;
        } else if (*pattern == NULL && arg_is(&c->argv[i], "libraryname")) {
            if (++i == c->argc) {
                resp_error(c->reply, "ERR library name argument was not given");
                return false;
            }
            *pattern = &c->argv[i];
        } else {
            resp_errorf(c->reply, "ERR Unknown argument %.*s",
                        (int)MIN_OF(c->argv[i].n, (size_t)128), c->argv[i].p);
            return false;
        }
    }
    return true;
}

static bool matches(const struct library *lib, const struct arg *pattern)
{
    return pattern == NULL ||
           glob_match(pattern->p, pattern->n, lib->name, strlen(lib->name), true);
}

void libraries_list(struct cmd *c)
{
    const struct library_table *t = libraries_refresh(c->node->scripts);
    const struct arg *pattern = NULL;
    bool with_code = false;
    size_t n = 0;

    if (!list_options(c, &pattern, &with_code)) {
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        n += matches(t->list[i], pattern);
    }
    resp_array(c->reply, n);
    for (size_t i = 0; i < t->n; i++) {
        if (matches(t->list[i], pattern)) {
            list_library(c->reply, t->list[i], with_code);
        }
    }
}

static void running(struct resp_out *out, const struct script_run *r)
{
    if (r == NULL) {
        resp_null(out);
        return;
    }
    resp_map(out, 3);
    resp_bulk_str(out, "name");
    resp_bulk_str(out, r->name);
    resp_bulk_str(out, "command");
    resp_array(out, (size_t)r->cmd->argc);
    for (int i = 0; i < r->cmd->argc; i++) {
        resp_bulk(out, r->cmd->argv[i].p, r->cmd->argv[i].n);
    }
    resp_bulk_str(out, "duration_ms");
    resp_int(out, (clock_boot_us() - r->started_us) / 1000);
}

static size_t count_functions(const struct library_table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        n += t->list[i]->n;
    }
    return n;
}

void libraries_stats(struct cmd *c)
{
    struct scripts *s = c->node->scripts;
    const struct library_table *t;

    if (s->run != NULL && !s->run->is_function) {
        resp_error(c->reply, c->node->busy_error);
        return;
    }
    t = libraries_refresh(s);
    resp_map(c->reply, 2);
    resp_bulk_str(c->reply, "running_script");
    running(c->reply, s->run);
    resp_bulk_str(c->reply, "engines");
    resp_map(c->reply, 1);
    resp_bulk_str(c->reply, "LUA");
    resp_map(c->reply, 2);
    resp_bulk_str(c->reply, "libraries_count");
    resp_int(c->reply, (int64_t)t->n);
    resp_bulk_str(c->reply, "functions_count");
    resp_int(c->reply, (int64_t)count_functions(t));
}

void libraries_usage(struct scripts *s, struct scripts_usage *out)
{
    const struct library_table *t = libraries_refresh(s);

    out->n_libraries = t->n;
    out->n_functions = count_functions(t);
    for (size_t i = 0; i < t->n; i++) {
        out->functions_bytes += t->list[i]->text_n;
    }
}
