/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of node/command/bitmap.c, bitfield.c and bits.c. The harness checks after every command
 * that its effects make a follower equal; a differential test compares random commands with
 * Redis. */
#include "base/buf.h"
#include "base/rand.h"
#include "node/command/bits.h"
#include "tests/node/cmd_steps.h"

#define BAD_OFFSET ERR("bit offset is not an integer or out of range")
#define BAD_TYPE                                                                                   \
    ERR("Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "    \
        "i64 "                                                                                     \
        "is.")

static void bits_are_set_and_strings_grow(void **state)
{
    static const struct step steps[] = {
        {"SETBIT k 7 1", INT(0), "SETBIT k 7 1"},
        {"SETBIT k 7 1", INT(1), NULL}, /* nothing changes, nothing is logged */
        {"GETBIT k 7", INT(1), NULL},
        {"GETBIT k 8", INT(0), NULL},
        {"SETBIT k 23 0", INT(0), "SETBIT k 23 0"}, /* it grows */
        {"STRLEN k", INT(3), NULL},
        {"SETBIT n 0 0", INT(0), "SETBIT n 0 0"},
        {"GET n", BULK(1, "\\x00"), NULL},
        {"SET i 12", OK, "SET i 12"},
        {"SETBIT i 7 1", INT(1), NULL},
        {"SETBIT i 6 1", INT(0), "SETBIT i 6 1"},
        {"GET i", BULK(2, "32"), NULL},
        {"SETBIT k -1 1", BAD_OFFSET, NULL},
        {"SETBIT k 4294967296 1", BAD_OFFSET, NULL},
        {"SETBIT k #1 1", BAD_OFFSET, NULL},
        {"SETBIT k 1 2", ERR("bit is not an integer or out of range"), NULL},
        {"GETBIT k x", BAD_OFFSET, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void counts_and_positions_take_ranges(void **state)
{
    static const struct step steps[] = {
        {"SET k foobar", OK, "SET k foobar"},
        {"BITCOUNT k", INT(26), NULL},
        {"BITCOUNT k 0 0", INT(4), NULL},
        {"BITCOUNT k 1 1", INT(6), NULL},
        {"BITCOUNT k 5 30 BIT", INT(17), NULL},
        {"BITCOUNT k 7 8 bit", INT(0), NULL},
        {"BITCOUNT k -1 -100", INT(0), NULL},
        {"BITCOUNT k 3 1", INT(0), NULL},
        {"BITCOUNT k 0", SYNTAX, NULL},
        {"BITCOUNT k 0 1 BITS", SYNTAX, NULL},
        {"BITCOUNT none 0 x", INT(0), NULL},
        {"SET b \"\\xff\\xf0\\x00\"", OK, "SET b \"\\xff\\xf0\\x00\""},
        {"BITPOS b 0", INT(12), NULL},
        {"BITPOS b 1 1", INT(8), NULL},
        {"BITPOS b 1 -1", INT(-1), NULL},
        {"BITPOS b 1 3 11 BIT", INT(3), NULL},
        {"BITPOS b 0 0 11 BIT", INT(-1), NULL},
        {"SET f \"\\xff\\xff\"", OK, "SET f \"\\xff\\xff\""},
        {"BITPOS f 0", INT(16), NULL},
        {"BITPOS f 0 0", INT(16), NULL},
        {"BITPOS f 0 0 -1", INT(-1), NULL},
        {"BITPOS none 0", INT(0), NULL},
        {"BITPOS none 1", INT(-1), NULL},
        {"BITPOS b 2", ERR("The bit argument must be 1 or 0."), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void bitop_stores_or_deletes(void **state)
{
    static const struct step steps[] = {
        {"MSET a \"\\xf0\\xf0\" b \"\\x3c\"", OK, "MSET a \"\\xf0\\xf0\" b <"},
        {"BITOP AND d a b", INT(2), "BITOP AND d a b"},
        {"GET d", BULK(2, "0\\x00"), NULL},
        {"BITOP OR d a b none", INT(2), "BITOP OR d a b none"},
        {"GET d", BULK(2, "\\xfc\\xf0"), NULL},
        {"BITOP XOR d a b", INT(2), "BITOP XOR d a b"},
        {"GET d", BULK(2, "\\xcc\\xf0"), NULL},
        {"BITOP NOT a a", INT(2), "BITOP NOT a a"},
        {"GET a", BULK(2, "\\x0f\\x0f"), NULL},
        {"BITOP AND d none none2", INT(0), "DEL d"},
        {"BITOP AND d none", INT(0), NULL},
        {"BITOP NOT d a b", ERR("BITOP NOT must be called with a single source key."), NULL},
        {"BITOP NAND d a", SYNTAX, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void fields_wrap_saturate_and_fail(void **state)
{
    static const struct step steps[] = {
        {"BITFIELD k SET u8 0 255 GET u8 0", "*2\\r\\n:0\\r\\n:255\\r\\n",
         "BITFIELD k SET u8 0 255 GET u8 0"},
        {"BITFIELD k INCRBY u8 0 10", "*1\\r\\n:9\\r\\n", "BITFIELD k INCRBY u8 0 10"},
        {"BITFIELD k OVERFLOW SAT INCRBY u8 0 300", "*1\\r\\n:255\\r\\n",
         "BITFIELD k OVERFLOW SAT INCRBY u8 0 300"},
        {"BITFIELD k OVERFLOW FAIL INCRBY u8 0 1", "*1\\r\\n$-1\\r\\n",
         "BITFIELD k OVERFLOW FAIL INCRBY u8 0 1"},
        {"BITFIELD k OVERFLOW SAT INCRBY u8 0 -300", "*1\\r\\n:0\\r\\n",
         "BITFIELD k OVERFLOW SAT INCRBY u8 0 -300"},
        {"BITFIELD k SET i8 #1 200", "*1\\r\\n:0\\r\\n", "BITFIELD k SET i8 #1 200"},
        {"BITFIELD k GET i8 #1 GET u8 8 GET u16 0", "*3\\r\\n:-56\\r\\n:200\\r\\n:200\\r\\n", NULL},
        {"BITFIELD k SET i64 0 -9223372036854775808", NULL,
         "BITFIELD k SET i64 0 -9223372036854775808"},
        {"BITFIELD k INCRBY i64 0 -1", "*1\\r\\n:9223372036854775807\\r\\n",
         "BITFIELD k INCRBY i64 0 -1"},
        {"BITFIELD_RO k GET u4 0 GET i5 100", "*2\\r\\n:7\\r\\n:0\\r\\n", NULL},
        {"BITFIELD none GET u8 0", "*1\\r\\n:0\\r\\n", NULL},
        {"BITFIELD none", "*0\\r\\n", NULL},
        {"EXISTS none", INT(0), NULL},
        {"BITFIELD k GET u64 0", BAD_TYPE, NULL},
        {"BITFIELD k GET i65 0", BAD_TYPE, NULL},
        {"BITFIELD k SET u8 0 1 GET u0 0", BAD_TYPE, NULL}, /* nothing of it is done */
        {"BITFIELD k SET u8 0", SYNTAX, NULL},
        {"BITFIELD k OVERFLOW NEVER", ERR("Invalid OVERFLOW type specified"), NULL},
        {"BITFIELD_RO k SET u8 0 1", ERR("BITFIELD_RO only supports the GET subcommand"), NULL},
        {"BITFIELD k SET u8 0 x", NOT_INT, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* The fast ways agree with looking at bit after bit. */
static void counting_and_finding_agree_with_the_slow_way(void **state)
{
    unsigned char p[200];
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        size_t n = rng_below(&rng, sizeof p + 1);
        bool mostly = rng_below(&rng, 2) == 1;
        uint64_t sum = 0;
        int64_t first[2] = {-1, -1};

        memset(p, mostly ? 0xff : 0, sizeof p);
        for (uint64_t flips = rng_below(&rng, 4); n > 0 && flips > 0; flips--) {
            p[rng_below(&rng, n)] ^= (unsigned char)(1u << rng_below(&rng, 8));
        }
        for (size_t i = 0; i < n * 8; i++) {
            unsigned bit = p[i / 8] >> (7 - i % 8) & 1u;

            sum += bit;
            if (first[bit] < 0) {
                first[bit] = (int64_t)i;
            }
        }
        assert_int_equal(bits_count(p, n), sum);
        assert_int_equal(bits_find(p, n, false), first[0]);
        assert_int_equal(bits_find(p, n, true), first[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_set_and_strings_grow),
        cmocka_unit_test(counts_and_positions_take_ranges),
        cmocka_unit_test(bitop_stores_or_deletes),
        cmocka_unit_test(fields_wrap_saturate_and_fail),
        cmocka_unit_test(counting_and_finding_agree_with_the_slow_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
