/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/crc.h - the checksums of our files and wires. Any thread.
 * CRC32C (Castagnoli): log records and frames. CRC64 (Jones, reflected, as RDB uses it):
 * crc64_jones(0, "123456789", 9) == 0xe9c6d914c4b8d9ca. CRC16 (XMODEM): hash slots. */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Start with @crc = 0; feed the result to go on. Uses SSE4.2 where the CPU has it. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
uint64_t crc64_jones(uint64_t crc, const void *p, size_t n);
uint16_t crc16_xmodem(const void *p, size_t n);

#endif
