/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/num.h - numbers from and to text, exactly as Redis accepts and prints them. Any thread. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/base.h"

#define NUM_I64_MAX_CHARS 21    /* with sign, without NUL */
#define NUM_FIXED_MAX_CHARS 336 /* of a double, with up to 4 decimals */
#define NUM_LD_MAX_CHARS 5120   /* long double in "%.17Lf" form */

/* Strict decimal: no spaces, no '+', no leading zeros, no "-0"; false when it does not fit. */
MUST_CHECK bool num_parse_i64(const char *s, size_t n, int64_t *out);
MUST_CHECK bool num_parse_u64(const char *s, size_t n, uint64_t *out);
/* strtod/strtold syntax over exactly @n bytes, no surrounding space, not NaN; infinities pass. */
MUST_CHECK bool num_parse_double(const char *s, size_t n, double *out);
MUST_CHECK bool num_parse_ld(const char *s, size_t n, long double *out);

/* Decimal digits at @out (NUM_I64_MAX_CHARS bytes), no NUL; returns their number. */
size_t num_print_i64(char *out, int64_t v);
/* Shortest text that reads back as the same double ("%.17g" form as RESP3 doubles: "inf",
 * "-inf", "nan", "3", "1e+20"); NUL-terminated; returns the length. @out: 64 bytes. */
size_t num_print_double(char *out, double v);
/* "%.*f" with 1 to 4 decimals, fast below 10^11. @out: NUM_FIXED_MAX_CHARS. */
size_t num_print_fixed(char *out, double v, unsigned decimals);
/* Redis's INCRBYFLOAT form: "%.17Lf" with trailing zeros removed. @out: NUM_LD_MAX_CHARS. */
size_t num_print_ld(char *out, long double v);
/* "64mb", "1g", "100" (kb = 1024, k = 1000 ...) in bytes; without digits 0, as in Redis. */
MUST_CHECK bool num_parse_memory(const char *s, uint64_t *out);
/* "1.50M" as INFO's *_human fields. @out: 32 bytes. */
void num_print_human(char *out, uint64_t bytes);

#endif
