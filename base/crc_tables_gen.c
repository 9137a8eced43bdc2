/* SPDX-License-Identifier: BSD-3-Clause
 *
 * base/crc_tables_gen.c - a build-time program: prints the tables that base/crc.c includes.
 *
 * For the reflected CRCs table k holds, for each byte, the effect of that byte followed by k zero
 * bytes: eight tables let the loop take eight bytes at a step ("slicing by 8", Kounavis and Berry
 * 2005). Polynomials: Castagnoli 0x1EDC6F41 and Jones 0xAD93D23594C935A9, both bit-reversed here;
 * CCITT 0x1021 for CRC16, which is not reflected. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define CRC32C_POLY UINT32_C(0x82F63B78)
#define CRC64_JONES_POLY UINT64_C(0x95AC9329AC4BC9B5)
#define CRC16_POLY 0x1021u

/* The tables of a reflected CRC of up to 64 bits. */
static void print_reflected(const char *type, const char *name, const char *suffix, uint64_t poly)
{
    uint64_t t[8][256];

    for (uint64_t i = 0; i < 256; i++) {
        uint64_t crc = i;

        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? (crc >> 1) ^ poly : crc >> 1;
        }
        t[0][i] = crc;
    }
    for (int k = 1; k < 8; k++) {
        for (int i = 0; i < 256; i++) {
            t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xff];
        }
    }
    printf("static const %s %s[8][256] = {\n", type, name);
    for (int k = 0; k < 8; k++) {
        printf("{\n");
        for (int i = 0; i < 256; i++) {
            printf("0x%" PRIx64 "%s,%s", t[k][i], suffix, i % 4 == 3 ? "\n" : " ");
        }
        printf("},\n");
    }
    printf("};\n");
}

static void print_crc16(void)
{
    printf("static const uint16_t crc16_table[256] = {\n");
    for (unsigned i = 0; i < 256; i++) {
        unsigned crc = i << 8;

        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000u) != 0 ? (crc << 1) ^ CRC16_POLY : crc << 1;
        }
        printf("0x%x,%s", crc & 0xffffu, i % 8 == 7 ? "\n" : " ");
    }
    printf("};\n");
}

int main(void)
{
    print_reflected("uint32_t", "crc32c_table", "u", CRC32C_POLY);
    print_reflected("uint64_t", "crc64_table", "ull", CRC64_JONES_POLY);
    print_crc16();
    return ferror(stdout) || fflush(stdout) != 0;
}
