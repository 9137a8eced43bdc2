/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/num.c - see base/num.h.
 *
 * Floats go through strtod() and printf(), which obey the process's locale: the programs never
 * call setlocale(), so it is "C". */
#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool num_parse_u64(const char *s, size_t n, uint64_t *out)
{
    uint64_t v = 0;

    if (n == 0 || n > 20 || (s[0] == '0' && n > 1)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)s[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
            __builtin_add_overflow(v, (uint64_t)digit, &v)) {
            return false;
        }
    }
    *out = v;
    return true;
}

bool num_parse_i64(const char *s, size_t n, int64_t *out)
{
    bool negative = n > 0 && s[0] == '-';
    uint64_t magnitude;

    if (!num_parse_u64(s + negative, n - negative, &magnitude)) {
        return false;
    }
    if (negative ? magnitude == 0 || magnitude > (uint64_t)INT64_MAX + 1 : magnitude > INT64_MAX) {
        return false;
    }
    *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

/* Copy @n bytes to @text (NUM_LD_MAX_CHARS bytes) as a C string, when they may be a float. */
static bool float_text(const char *s, size_t n, char *text)
{
    if (n == 0 || n >= NUM_LD_MAX_CHARS || isspace((unsigned char)s[0])) {
        return false;
    }
    memcpy(text, s, n);
    text[n] = '\0';
    return true;
}

bool num_parse_ld(const char *s, size_t n, long double *out)
{
    char text[NUM_LD_MAX_CHARS];
    char *end;
    long double v;

    if (!float_text(s, n, text)) {
        return false;
    }
    errno = 0;
    v = strtold(text, &end);
    /* A denormal result raises ERANGE as well, but it is a value. */
    if (end != text + n || isnan(v) || (errno == ERANGE && (isinf(v) || v == 0))) {
        return false;
    }
    *out = v;
    return true;
}

bool num_parse_double(const char *s, size_t n, double *out)
{
    char text[NUM_LD_MAX_CHARS];
    char *end;
    double v;

    if (!float_text(s, n, text)) {
        return false;
    }
    errno = 0;
    v = strtod(text, &end);
    if (end != text + n || isnan(v) || (errno == ERANGE && (isinf(v) || v == 0))) {
        return false;
    }
    *out = v;
    return true;
}

size_t num_print_i64(char *out, int64_t v)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char text[NUM_I64_MAX_CHARS];
    char *p = text + sizeof text;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    size_t len;

    while (u >= 100) {
        p -= 2;
        memcpy(p, pairs + (u % 100) * 2, 2);
        u /= 100;
    }
    if (u >= 10) {
        p -= 2;
        memcpy(p, pairs + u * 2, 2);
    } else {
        *--p = (char)('0' + u);
    }
    if (v < 0) {
        *--p = '-';
    }
    len = (size_t)(text + sizeof text - p);
    memcpy(out, p, len);
    return len;
}

/* Digits of @r with a point before the last @decimals of them. */
static size_t print_scaled(char *out, bool negative, uint64_t r, unsigned decimals)
{
    char digits[NUM_I64_MAX_CHARS];
    size_t n = num_print_i64(digits, (int64_t)r);
    size_t whole = n > decimals ? n - decimals : 0;
    char *w = out;

    if (negative) {
        *w++ = '-';
    }
    if (whole == 0) {
        *w++ = '0';
    }
    memcpy(w, digits, whole);
    w += whole;
    *w++ = '.';
    memset(w, '0', decimals - (n - whole));
    w += decimals - (n - whole);
    memcpy(w, digits + whole, n - whole);
    w += n - whole;
    *w = '\0';
    return (size_t)(w - out);
}

#define FIXED_MIN 1e-4 /* below it an exponent is shown */
#define FIXED_MAX 1e15 /* from here on all doubles are integers, or nearly */
#define MANTISSA_BITS 53
#define DIGITS_17 UINT64_C(10000000000000000) /* so many are always enough */

/* A double as mantissa / 2^shift, and a power of ten to print it with. */
struct scaled {
    uint64_t mantissa;
    unsigned shift;
    unsigned __int128 power;
};

/* The integer nearest to the number times the power; of two as near the even one. */
static uint64_t nearest(const struct scaled *n)
{
    unsigned __int128 product = n->mantissa * n->power;
    unsigned __int128 one = (unsigned __int128)1 << n->shift;
    unsigned __int128 rest = product & (one - 1);
    uint64_t q = (uint64_t)(product >> n->shift);

    return q + (rest > one / 2 || (rest == one / 2 && q % 2 == 1));
}

/* Is the number the double that is nearest to @q divided by the power? */
static bool reads_back(const struct scaled *n, uint64_t q)
{
    unsigned __int128 product = n->mantissa * n->power, back = (unsigned __int128)q << n->shift;
    unsigned __int128 off = back > product ? back - product : product - back;
    bool narrow = back < product && n->mantissa == UINT64_C(1) << (MANTISSA_BITS - 1);

    off *= narrow ? 4 : 2; /* below a power of two doubles are twice as dense */
    return off < n->power || (off == n->power && n->mantissa % 2 == 0);
}

static struct scaled scaled(double magnitude)
{
    int exponent;
    double mantissa = frexp(magnitude, &exponent);

    return (struct scaled){(uint64_t)ldexp(mantissa, MANTISSA_BITS),
                           (unsigned)(MANTISSA_BITS - exponent), 1};
}

/* Fractions within the limits above, exactly as printf() and strtod() would find it out, but ten
 * times as fast: every product here fits into 120 bits. */
static size_t print_fraction(char *out, double v)
{
    unsigned decimals = 0;
    struct scaled n = scaled(fabs(v));
    double reach = fabs(v);
    uint64_t q;

    for (; reach < FIXED_MAX / 10; reach *= 10, decimals++) {
        n.power *= 10;
    }
    while (!reads_back(&n, q = nearest(&n)) && q < DIGITS_17) {
        n.power *= 10;
        decimals++;
    }
    for (; q % 10 == 0; decimals--) {
        q /= 10;
    }
    return print_scaled(out, v < 0, q, decimals);
}

size_t num_print_double(char *out, double v)
{
    const size_t size = 64;
    int n;

    if (isnan(v)) {
        return (size_t)snprintf(out, size, "nan");
    }
    if (isinf(v)) {
        return (size_t)snprintf(out, size, v > 0 ? "inf" : "-inf");
    }
    if (fabs(v) < 1e15 && v == (double)(int64_t)v && (v != 0 || !signbit(v))) {
        size_t len = num_print_i64(out, (int64_t)v); /* the common case, ten times as fast */

        out[len] = '\0';
        return len;
    }
    /* "%.17g" shows integers below 10^17 in full; fewer digits would turn 1e15 into "1e+15". */
    if (fabs(v) < 1e17 && v == trunc(v)) {
        return (size_t)snprintf(out, size, "%.0f", v);
    }
    if (fabs(v) >= FIXED_MIN && fabs(v) < FIXED_MAX) {
        return print_fraction(out, v);
    }
    for (int digits = 15;; digits++) {
        n = snprintf(out, size, "%.*g", digits, v);
        if (digits == 17 || strtod(out, NULL) == v) {
            return (size_t)n;
        }
    }
}

size_t num_print_fixed(char *out, double v, unsigned decimals)
{
    struct scaled n;

    assert(decimals >= 1 && decimals <= 4);
    if (!(v >= FIXED_MIN && v < FIXED_MAX / 1e4)) {
        return (size_t)snprintf(out, NUM_FIXED_MAX_CHARS, "%.*f", (int)decimals, v);
    }
    n = scaled(v);
    for (unsigned i = 0; i < decimals; i++) {
        n.power *= 10;
    }
    return print_scaled(out, false, nearest(&n), decimals);
}

size_t num_print_ld(char *out, long double v)
{
    int n;

    if (isnan(v)) {
        return (size_t)snprintf(out, NUM_LD_MAX_CHARS, "nan");
    }
    if (isinf(v)) {
        return (size_t)snprintf(out, NUM_LD_MAX_CHARS, v > 0 ? "inf" : "-inf");
    }
    n = snprintf(out, NUM_LD_MAX_CHARS, "%.17Lf", v);
    assert(n > 0 && n < NUM_LD_MAX_CHARS);
    while (out[n - 1] == '0') { /* there is a '.' to stop at */
        n--;
    }
    if (out[n - 1] == '.') {
        n--;
    }
    if (n == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        n = 1;
    }
    out[n] = '\0';
    return (size_t)n;
}

bool num_parse_memory(const char *s, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
        {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30},
    };
    size_t digits = strspn(s, "0123456789");
    size_t zeros = strspn(s, "0");
    uint64_t v = 0;

    if (digits > zeros && !num_parse_u64(s + zeros, digits - zeros, &v)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcasecmp(s + digits, units[i].name) == 0) {
            if (__builtin_mul_overflow(v, units[i].factor, &v)) {
                return false;
            }
            *out = v;
            return true;
        }
    }
    return false;
}

void num_print_human(char *out, uint64_t bytes)
{
    static const char units[] = {'K', 'M', 'G', 'T', 'P', 'E'};
    double v = (double)bytes;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(out, 32, "%" PRIu64 "B", bytes);
        return;
    }
    v /= 1024;
    while (v >= 1024 && unit + 1 < ARRAY_LEN(units)) {
        v /= 1024;
        unit++;
    }
    snprintf(out, 32, "%.2f%c", v, units[unit]);
}
