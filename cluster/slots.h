/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster/slots.h - hash slots. Source: Redis Cluster specification, "Key distribution model". */
#ifndef CLUSTER_SLOTS_H
#define CLUSTER_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#define CLUSTER_SLOTS 16384

/* Slot of a key: CRC16 of what stands between the first '{' and the next '}' if that is not
 * empty, else of the whole key. */
uint16_t cluster_slot(const char *key, size_t n);

#endif
