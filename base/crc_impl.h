/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/crc_impl.h - private: the two ways to a CRC32C, for the test that compares them. */
#ifndef BASE_CRC_IMPL_H
#define BASE_CRC_IMPL_H

#include "base/base.h"

uint32_t crc32c_by_table(uint32_t crc, const void *p, size_t n);

#endif
