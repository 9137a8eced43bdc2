/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/slots.c - see cluster/slots.h. */
#include "cluster/slots.h"

#include "base/crc.h"

#include <string.h>

uint16_t cluster_slot(const char *key, size_t n)
{
    const char *open = memchr(key, '{', n);

    if (open != NULL) {
        const char *tag = open + 1;
        const char *close = memchr(tag, '}', (size_t)(key + n - tag));

        if (close != NULL && close > tag) {
            key = tag;
            n = (size_t)(close - tag);
        }
    }
    return crc16_xmodem(key, n) & (CLUSTER_SLOTS - 1);
}
