/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/types/stream_id.c - see node/types/stream_id.h. */
#include "node/types/stream_id.h"

#include "base/num.h"

#include <endian.h>
#include <string.h>

bool stream_id_increment(struct stream_id *id)
{
    if (id->seq < UINT64_MAX) {
        id->seq++;
        return true;
    }
    if (id->ms == UINT64_MAX) {
        return false;
    }
    id->ms++;
    id->seq = 0;
    return true;
}

bool stream_id_decrement(struct stream_id *id)
{
    if (id->seq > 0) {
        id->seq--;
        return true;
    }
    if (id->ms == 0) {
        return false;
    }
    id->ms--;
    id->seq = UINT64_MAX;
    return true;
}

/* Digits only; zeros before them are allowed, as Redis does. */
static bool parse_number(const char *p, size_t n, uint64_t *out)
{
    while (n > 1 && *p == '0') {
        p++;
        n--;
    }
    return num_parse_u64(p, n, out);
}

bool stream_id_parse(const char *p, size_t n, uint64_t missing_seq, struct stream_id *out,
                     bool *any_seq)
{
    const char *dash = n == 0 ? NULL : memchr(p, '-', n);
    const char *seq;
    size_t seq_len;

    if (any_seq != NULL) {
        *any_seq = false;
    }
    out->seq = missing_seq;
    if (dash == NULL) {
        return parse_number(p, n, &out->ms);
    }
    if (!parse_number(p, (size_t)(dash - p), &out->ms)) {
        return false;
    }
    seq = dash + 1;
    seq_len = n - (size_t)(seq - p);
    if (any_seq != NULL && seq_len == 1 && *seq == '*') {
        *any_seq = true;
        out->seq = 0;
        return true;
    }
    return parse_number(seq, seq_len, &out->seq);
}

static size_t print_number(char *out, uint64_t v)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = digits[n - 1 - i];
    }
    return n;
}

size_t stream_id_print(char *out, struct stream_id id)
{
    size_t n = print_number(out, id.ms);

    out[n++] = '-';
    return n + print_number(out + n, id.seq);
}

void stream_id_to_wire(unsigned char out[STREAM_ID_WIRE], struct stream_id id)
{
    uint64_t wire[2] = {htobe64(id.ms), htobe64(id.seq)};

    memcpy(out, wire, sizeof wire);
}

struct stream_id stream_id_from_wire(const unsigned char wire[STREAM_ID_WIRE])
{
    uint64_t both[2];

    memcpy(both, wire, sizeof both);
    return (struct stream_id){be64toh(both[0]), be64toh(both[1])};
}
