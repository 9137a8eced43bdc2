/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/glob.c - see base/glob.h.
 *
 * Only the last star seen is ever tried again: whatever an earlier star could absorb, the later
 * one can absorb as well. So the work is at most pattern times text, without recursion.
 *
 * Odd patterns mean what they mean in Redis: a range may run backwards, a class without its ']'
 * ends with the pattern, "[]" matches nothing, "[^]" any byte, a '\' at the end is itself. */
#include "base/glob.h"

struct glob {
    const unsigned char *p; /* what is left of the pattern */
    const unsigned char *end;
    bool nocase;
};

static unsigned char fold(unsigned char c, bool nocase)
{
    return nocase && c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

/* @g stands behind a '['. Moves it behind the class. */
static bool match_class(struct glob *g, unsigned char c)
{
    bool negated = g->p < g->end && *g->p == '^';
    bool found = false;

    if (negated) {
        g->p++;
    }
    c = fold(c, g->nocase);
    while (g->p < g->end && *g->p != ']') {
        size_t left = (size_t)(g->end - g->p);
        unsigned char lo = g->p[0];
        unsigned char hi = lo;

        if (lo == '\\' && left >= 2) {
            lo = hi = g->p[1];
            g->p += 2;
        } else if (left >= 3 && g->p[1] == '-') {
            hi = g->p[2];
            g->p += 3;
        } else {
            g->p++;
        }
        lo = fold(lo, g->nocase);
        hi = fold(hi, g->nocase);
        if (lo > hi ? c >= hi && c <= lo : c >= lo && c <= hi) {
            found = true;
        }
    }
    if (g->p < g->end) {
        g->p++; /* the ']' */
    }
    return found != negated;
}

/* One byte @c against the pattern's next element, which is not a star. Moves behind it. */
static bool match_one(struct glob *g, unsigned char c)
{
    unsigned char want = *g->p++;

    if (want == '?') {
        return true;
    }
    if (want == '[') {
        return match_class(g, c);
    }
    if (want == '\\' && g->p < g->end) {
        want = *g->p++;
    }
    return fold(want, g->nocase) == fold(c, g->nocase);
}

bool glob_match(const char *pattern, size_t pattern_len, const char *s, size_t len, bool nocase)
{
    struct glob g = {(const unsigned char *)pattern, NULL, nocase};
    const unsigned char *t = (const unsigned char *)s;
    const unsigned char *t_end = t + len;
    const unsigned char *star_p = NULL; /* pattern behind the last star */
    const unsigned char *star_t = NULL; /* text up to here is absorbed by it */

    g.end = g.p + pattern_len;
    while (t < t_end) {
        if (g.p < g.end && *g.p == '*') {
            star_p = ++g.p;
            star_t = t;
            if (star_p == g.end) {
                return true;
            }
            continue;
        }
        if (g.p < g.end && match_one(&g, *t)) {
            t++;
            continue;
        }
        if (star_p == NULL) {
            return false;
        }
        g.p = star_p;
        t = ++star_t;
    }
    while (g.p < g.end && *g.p == '*') {
        g.p++;
    }
    return g.p == g.end;
}
