/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/glob.h - glob patterns as KEYS, SCAN and CONFIG GET use them: * ? [a-z] [^a] \x.
 * Linear in pattern times text: a nest of stars cannot explode. Any thread. */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base/base.h"

bool glob_match(const char *pattern, size_t pattern_len, const char *s, size_t len, bool nocase);

#endif
