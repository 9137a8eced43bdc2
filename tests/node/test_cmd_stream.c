/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of the commands of streams. The harness checks after every command that its effects make a
 * follower equal; a differential test compares random commands with Redis. */
#include "base/buf.h"
#include "node/types/limits.h"
#include "tests/node/cmd_steps.h"

#define ID(text) "$3\\r\\n" text "\\r\\n"
#define FV "*2\\r\\n$1\\r\\nf\\r\\n$1\\r\\nv\\r\\n"
#define ENTRY(id) "*2\\r\\n" ID(id) FV
#define GONE(id) "*2\\r\\n" ID(id) "*-1\\r\\n"
#define ARRAY(n) "*" #n "\\r\\n"
#define FROM_S ARRAY(1) ARRAY(2) BULK(1, "s")
#define NULL_ARRAY "*-1\\r\\n"
#define BAD_ID ERR("Invalid stream ID specified as stream command argument")
#define MAX_ID "18446744073709551615-18446744073709551615"
#define NO_GROUP "-NOGROUP No such key 's' or consumer group 'x'\\r\\n"
/* FIRST_NOW of the harness. */
#define NOW "1000000000000"

static void entries_are_added_with_ids_that_rise(void **state)
{
    static const struct step steps[] = {
        {"XADD s 1-1 f v", ID("1-1"), "XADD s 1-1 f v"},
        {"XADD s 1-1 f v",
         ERR("The ID specified in XADD is equal or smaller than the target stream top item"), NULL},
        {"XADD s 0-0 f v", ERR("The ID specified in XADD must be greater than 0-0"), NULL},
        {"XADD s 1-* f v", ID("1-2"), "XADD s 1-2 f v"},
        {"XADD s 2-* f v", ID("2-0"), "XADD s 2-0 f v"},
        {"XADD s 1-* f v",
         ERR("The ID specified in XADD is equal or smaller than the target stream top item"), NULL},
        {"XADD s 3 f v", ID("3-0"), "XADD s 3-0 f v"},
        {"XADD s * f v", BULK(15, NOW "-0"), "XADD s " NOW "-0 f v"},
        {"XADD s * f v", BULK(15, NOW "-1"), "XADD s " NOW "-1 f v"},
        {"XADD s NOMKSTREAM * f v", BULK(15, NOW "-2"), "XADD s NOMKSTREAM " NOW "-2 f v"},
        {"XADD none NOMKSTREAM * f v", NIL, NULL},
        {"EXISTS none", INT(0), NULL},
        {"XADD s 1-1 f", ERR("wrong number of arguments for 'xadd' command"), NULL},
        {"XADD s * f v g", ERR("wrong number of arguments for 'xadd' command"), NULL},
        {"XADD s x f v", BAD_ID, NULL},
        {"XADD s 1-1-1 f v", BAD_ID, NULL},
        {"XADD s 18446744073709551616-0 f v", BAD_ID, NULL},
        {"XADD z 0-* f v", ID("0-1"), "XADD z 0-1 f v"},
        {"XADD s " MAX_ID " f v", BULK(41, MAX_ID), "XADD s " MAX_ID " f v"},
        {"XADD s * f v",
         ERR("The stream has exhausted the last possible ID, unable to add more items"), NULL},
        {"XLEN s", INT(8), NULL},
        {"XLEN none", INT(0), NULL},
        {"TYPE s", "+stream\\r\\n", NULL},
        {"OBJECT ENCODING s", BULK(6, "stream"), NULL},
        {"SET text x", OK, "SET text x"},
        {"XADD text * f v",
         "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n", NULL},
        {"COPY s t", INT(1), "COPY s t"},
        {"RENAME t u", OK, "RENAME t u"},
        {"XLEN u", INT(8), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void ranges_go_both_ways(void **state)
{
    static const struct step steps[] = {
        {"XADD s 1-1 f v", NULL, "XADD s 1-1 f v"},
        {"XADD s 2-1 f v", NULL, "XADD s 2-1 f v"},
        {"XADD s 2-2 a 1 b -7", NULL, "XADD s 2-2 a 1 b -7"},
        {"XRANGE s - +",
         ARRAY(3) ENTRY("1-1") ENTRY("2-1") ARRAY(2) ID("2-2") ARRAY(4) BULK(1, "a") BULK(1, "1")
             BULK(1, "b") BULK(2, "-7"),
         NULL},
        {"XRANGE s 2 2-1", ARRAY(1) ENTRY("2-1"), NULL},
        {"XRANGE s (1-1 (2-2", ARRAY(1) ENTRY("2-1"), NULL},
        {"XREVRANGE s (2-2 - COUNT 1", ARRAY(1) ENTRY("2-1"), NULL},
        {"XREVRANGE s 2-1 -", ARRAY(2) ENTRY("2-1") ENTRY("1-1"), NULL},
        {"XRANGE s 5 1", ARRAY(0), NULL},
        {"XRANGE s - + COUNT 0", NULL_ARRAY, NULL},
        {"XRANGE s - + COUNT -1", NULL_ARRAY, NULL},
        {"XRANGE none - + COUNT 0", ARRAY(0), NULL},
        {"XRANGE s - + COUNT x", NOT_INT, NULL},
        {"XRANGE s - + COUNT", SYNTAX, NULL},
        {"XRANGE s - + FOO 1", SYNTAX, NULL},
        {"XRANGE s x +", BAD_ID, NULL},
        {"XRANGE s (- +", BAD_ID, NULL},
        {"XRANGE s (" MAX_ID " +", ERR("invalid start ID for the interval"), NULL},
        {"XRANGE s - (0-0", ERR("invalid end ID for the interval"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void deleting_and_setting_ids(void **state)
{
    static const struct step steps[] = {
        {"XADD s 1-1 f v", NULL, "XADD s 1-1 f v"},
        {"XADD s 2-1 f v", NULL, "XADD s 2-1 f v"},
        {"XDEL s 1-1 x", BAD_ID, NULL},
        {"XDEL none x", INT(0), NULL},
        {"XDEL s 1-1 1-1 7", INT(1), "XDEL s 1-1 1-1 7"},
        {"XDEL s 1-1", INT(0), NULL},
        {"XRANGE s - +", ARRAY(1) ENTRY("2-1"), NULL},
        {"XDEL s 2-1", INT(1), "XDEL s 2-1"},
        {"XLEN s", INT(0), NULL},
        {"EXISTS s", INT(1), NULL}, /* an empty stream stays */
        {"XADD s 2-1 f v",
         ERR("The ID specified in XADD is equal or smaller than the target stream top item"), NULL},
        {"XSETID s 1-1", OK, "XSETID s 1-1"},
        {"XADD s 1-2 f v", ID("1-2"), "XADD s 1-2 f v"},
        {"XSETID s 1-1",
         ERR("The ID specified in XSETID is smaller than the target stream top item"), NULL},
        {"XSETID s 9-0 ENTRIESADDED 0",
         ERR("The entries_added specified in XSETID is smaller than the target stream length"),
         NULL},
        {"XSETID s 9-0 ENTRIESADDED 5 MAXDELETEDID 8-0", OK,
         "XSETID s 9-0 ENTRIESADDED 5 MAXDELETEDID 8-0"},
        {"XSETID s 9-0 MAXDELETEDID 9-1",
         ERR("The ID specified in XSETID is smaller than the provided max_deleted_entry_id"), NULL},
        {"XSETID s 9-0 ENTRIESADDED -1", ERR("entries_added must be positive"), NULL},
        {"XSETID s 9-0 ENTRIESADDED", SYNTAX, NULL},
        {"XSETID none 9-0", ERR("no such key"), NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* What "~" leaves depends on where nodes are cut: the log says it exactly. */
static void trimming_is_logged_exactly(void **state)
{
    static const struct step steps[] = {
        {"XADD s MAXLEN ~ 3 1-1 f v", ID("1-1"), "XADD s MAXLEN = 1 1-1 f v"},
        {"XADD s MAXLEN ~ 3 LIMIT 9 1-2 f v", ID("1-2"), "XADD s MAXLEN = 2 1-2 f v"},
        {"XADD s 1-3 f v", NULL, "XADD s 1-3 f v"},
        {"XADD s 1-4 f v", NULL, "XADD s 1-4 f v"},
        {"XADD s 1-5 f v", NULL, "XADD s 1-5 f v"},
        {"XTRIM s MAXLEN ~ 4", INT(0), NULL},
        {"XTRIM s MAXLEN ~ 2", INT(2), "XTRIM s MAXLEN = 3"}, /* nodes of two */
        {"XADD s MINID ~ 1-5 2-1 f v", ID("2-1"), "XADD s MINID = 1-5 2-1 f v"},
        {"XTRIM s MAXLEN 9", INT(0), NULL},
        {"XTRIM s MINID = 2", INT(1), "XTRIM s MINID = 2"},
        {"XADD s MAXLEN 1 3-1 f v", ID("3-1"), "XADD s MAXLEN 1 3-1 f v"},
        {"XRANGE s - +", ARRAY(1) ENTRY("3-1"), NULL},
        {"XTRIM s MINID ~ 9 LIMIT 0", INT(1), "XTRIM s MINID = 9"},
        {"XLEN s", INT(0), NULL},
        {"XADD s MAXLEN 0 4-1 f v", ID("4-1"), "XADD s MAXLEN 0 4-1 f v"},
        {"XLEN s", INT(0), NULL},
        {"XTRIM none MAXLEN 0", INT(0), NULL},
        {"XTRIM s MAXLEN -1", ERR("The MAXLEN argument must be >= 0."), NULL},
        {"XTRIM s MAXLEN x", NOT_INT, NULL},
        {"XTRIM s MINID x", BAD_ID, NULL},
        {"XTRIM s MAXLEN 5 LIMIT 5",
         ERR("syntax error, LIMIT cannot be used without the special ~ option"), NULL},
        {"XTRIM s LIMIT 5",
         ERR("syntax error, LIMIT cannot be used without specifying a trimming strategy"), NULL},
        {"XTRIM s MAXLEN ~ 5 LIMIT -1", ERR("The LIMIT argument must be >= 0."), NULL},
        {"XADD s MAXLEN 5 MINID 5 9-9 f v",
         ERR("syntax error, MAXLEN and MINID options at the same time are not compatible"), NULL},
        {"XTRIM s MAXLEN 5 5", SYNTAX, NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    harness_limits(h)->stream_node_max_entries = 2;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_free(h);
}

static void reading_several_and_waiting(void **state)
{
    static const struct step steps[] = {
        {"XADD s 1-1 f v", NULL, "XADD s 1-1 f v"},
        {"XADD t 1-1 f v", NULL, "XADD t 1-1 f v"},
        {"XREAD STREAMS s none 0 0", FROM_S ARRAY(1) ENTRY("1-1"), NULL},
        {"XREAD COUNT 1 STREAMS s t 0 0",
         ARRAY(2) ARRAY(2) BULK(1, "s") ARRAY(1) ENTRY("1-1") ARRAY(2) BULK(1, "t") ARRAY(1)
             ENTRY("1-1"),
         NULL},
        {"XREAD STREAMS s 1-1", NULL_ARRAY, NULL},
        {"XREAD STREAMS s $", NULL_ARRAY, NULL},
        {"XREAD STREAMS s " MAX_ID, NULL_ARRAY, NULL},
        {"XREAD BLOCK 100 STREAMS s t $ 1-1", "", NULL}, /* waits */
        {"XREAD BLOCK x STREAMS s $", ERR("timeout is not an integer or out of range"), NULL},
        {"XREAD BLOCK -1 STREAMS s $", ERR("timeout is negative"), NULL},
        {"XREAD STREAMS s t 0",
         ERR("Unbalanced XREAD list of streams: for each stream key an ID or '$' must be "
             "specified."),
         NULL},
        {"XREAD COUNT 1 s 0", SYNTAX, NULL},
        {"XREAD COUNT 1 BLOCK 0", SYNTAX, NULL},
        {"XREAD STREAMS s >",
         ERR("The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
             "<consumer> option."),
         NULL},
        {"XREAD GROUP g c STREAMS s 0",
         ERR("The GROUP option is only supported by XREADGROUP. You called XREAD instead."), NULL},
        {"XREAD NOACK STREAMS s 0",
         ERR("The NOACK option is only supported by XREADGROUP. You called XREAD instead."), NULL},
    };
    struct harness *h = harness_new(false);

    (void)state;
    run_steps(h, steps, ARRAY_LEN(steps));
    harness_run(h, "XREAD BLOCK 250 STREAMS s $");
    assert_int_equal(harness_timeout_us(h), 250000);
    harness_set_protocol(h, 3);
    assert_string_equal(harness_run(h, "XREAD STREAMS s 0"),
                        "%1\\r\\n" BULK(1, "s") ARRAY(1) ENTRY("1-1"));
    assert_string_equal(harness_run(h, "XREAD STREAMS s $"), "_\\r\\n");
    harness_free(h);
}

#define CLAIM(consumer, ids, n)                                                                    \
    "XCLAIM s g " consumer " 0 " ids " TIME " NOW " RETRYCOUNT " n " FORCE JUSTID"
#define READ_UP_TO(id, n) "XGROUP SETID s g " id " ENTRIESREAD " n

static void groups_hand_out_entries(void **state)
{
    static const struct step steps[] = {
        {"XGROUP CREATE s g $ MKSTREAM", OK, "XGROUP CREATE s g $ MKSTREAM"},
        {"XGROUP CREATE s g 0", "-BUSYGROUP Consumer Group name already exists\\r\\n", NULL},
        {"XADD s 1-1 f v", NULL, "XADD s 1-1 f v"},
        {"XADD s 1-2 f v", NULL, "XADD s 1-2 f v"},
        {"XADD s 1-3 f v", NULL, "XADD s 1-3 f v"},
        {"XREADGROUP GROUP g c COUNT 2 STREAMS s >", FROM_S ARRAY(2) ENTRY("1-1") ENTRY("1-2"),
         "XGROUP CREATECONSUMER s g c ; " CLAIM("c", "1-1 1-2", "1") " ; " READ_UP_TO("1-2", "2")},
        {"XREADGROUP GROUP g d NOACK STREAMS s >", FROM_S ARRAY(1) ENTRY("1-3"),
         "XGROUP CREATECONSUMER s g d ; " READ_UP_TO("1-3", "3")},
        {"XREADGROUP GROUP g c STREAMS s >", NULL_ARRAY, NULL},
        {"XREADGROUP GROUP g e BLOCK 0 STREAMS s >", "", NULL}, /* waits, and there is no e yet */
        {"XPENDING s g",
         ARRAY(4) INT(2) ID("1-1") ID("1-2") ARRAY(1) ARRAY(2) BULK(1, "c") BULK(1, "2"), NULL},
        {"XDEL s 1-1", INT(1), "XDEL s 1-1"},
        {"XREADGROUP GROUP g c STREAMS s 0", FROM_S ARRAY(2) GONE("1-1") ENTRY("1-2"),
         CLAIM("c", "1-2", "2")},
        {"XREADGROUP GROUP g c STREAMS s 1-2", FROM_S ARRAY(0), NULL},
        {"XACK s g 1-1 9-9", INT(1), "XACK s g 1-1 9-9"},
        {"XACK s g 1-1", INT(0), NULL},
        {"XACK s x 1-1", INT(0), NULL},
        {"XACK s g x", BAD_ID, NULL},
        {"XACK none g x", INT(0), NULL},
        {"XPENDING s g - + 10", ARRAY(1) ARRAY(4) ID("1-2") BULK(1, "c") INT(0) INT(2), NULL},
        {"XPENDING s g IDLE 1 - + 10", ARRAY(0), NULL},
        {"XPENDING s g - + 10 nobody", ARRAY(0), NULL},
        {"XPENDING s g - + x", NOT_INT, NULL},
        {"XPENDING s g - +", SYNTAX, NULL},
        {"XPENDING s x", NO_GROUP, NULL},
        {"XGROUP SETID s g 0 ENTRIESREAD 0", OK, "XGROUP SETID s g 0 ENTRIESREAD 0"},
        {"XREADGROUP GROUP g d COUNT 1 STREAMS s >", FROM_S ARRAY(1) ENTRY("1-2"),
         CLAIM("d", "1-2", "1") " ; " READ_UP_TO("1-2", "1")}, /* taken from c */
        {"XGROUP DELCONSUMER s g d", INT(1), "XGROUP DELCONSUMER s g d"},
        {"XGROUP DELCONSUMER s g d", INT(0), NULL},
        {"XPENDING s g", ARRAY(4) INT(0) NIL NIL NULL_ARRAY, NULL},
        {"XGROUP CREATECONSUMER s g d", INT(1), "XGROUP CREATECONSUMER s g d"},
        {"XGROUP CREATECONSUMER s g d", INT(0), NULL},
        {"XREADGROUP GROUP x c STREAMS s >",
         "-NOGROUP No such key 's' or consumer group 'x' in XREADGROUP with GROUP option\\r\\n",
         NULL},
        {"XREADGROUP COUNT 1 NOACK BLOCK 1 STREAMS s >", ERR("Missing GROUP option for XREADGROUP"),
         NULL},
        {"XGROUP SETID s x 0", "-NOGROUP No such consumer group 'x' for key name 's'\\r\\n", NULL},
        {"XGROUP CREATE s h 0 ENTRIESREAD -2", ERR("value for ENTRIESREAD must be positive or -1"),
         NULL},
        {"XGROUP CREATE s h 0 FOO",
         ERR("unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP."),
         NULL},
        {"XGROUP DESTROY s g", INT(1), "XGROUP DESTROY s g"},
        {"XGROUP DESTROY s g", INT(0), NULL},
        {"XGROUP DESTROY none g",
         ERR("The XGROUP subcommand requires the key to exist. Note that for CREATE you may want "
             "to use the MKSTREAM option to create an empty stream automatically."),
         NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

static void entries_are_claimed(void **state)
{
    static const struct step steps[] = {
        {"XADD s 1-1 f v", NULL, "XADD s 1-1 f v"},
        {"XADD s 1-2 f v", NULL, "XADD s 1-2 f v"},
        {"XADD s 1-3 f v", NULL, "XADD s 1-3 f v"},
        {"XGROUP CREATE s g 0", OK, "XGROUP CREATE s g 0"},
        {"XREADGROUP GROUP g c STREAMS s >", NULL,
         "XGROUP CREATECONSUMER s g c ; " CLAIM("c", "1-1 1-2 1-3", "1") " ; " READ_UP_TO("1-3",
                                                                                          "3")},
        {"XCLAIM s g d 1000 1-1", ARRAY(0), NULL}, /* not idle so long */
        {"XCLAIM s g d 0 1-1 9-9", ARRAY(1) ENTRY("1-1"),
         "XGROUP CREATECONSUMER s g d ; " CLAIM("d", "1-1", "2")},
        {"XCLAIM s g d 0 1-1 JUSTID", ARRAY(1) ID("1-1"), CLAIM("d", "1-1", "2")},
        {"XCLAIM s g d 0 1-1 1-2 RETRYCOUNT 7 TIME 5 JUSTID", ARRAY(2) ID("1-1") ID("1-2"),
         "XCLAIM s g d 0 1-1 1-2 TIME 5 RETRYCOUNT 7 FORCE JUSTID"},
        {"XCLAIM s g d 0 1-1 IDLE 999999999999", NULL,
         "XCLAIM s g d 0 1-1 TIME 1 RETRYCOUNT 8 FORCE JUSTID"},
        {"XCLAIM s g d 0 1-1 TIME 99999999999999 JUSTID", NULL, CLAIM("d", "1-1", "8")},
        {"XACK s g 1-3", INT(1), "XACK s g 1-3"},
        {"XCLAIM s g d 0 1-3", ARRAY(0), NULL},
        {"XCLAIM s g d 0 1-3 FORCE", ARRAY(1) ENTRY("1-3"), CLAIM("d", "1-3", "2")},
        {"XCLAIM s g d 0 LASTID 7-7", ARRAY(0), READ_UP_TO("7-7", "3")},
        {"XCLAIM s g d 0 LASTID 7-6", ARRAY(0), NULL},
        {"XDEL s 1-2", INT(1), "XDEL s 1-2"},
        {"XCLAIM s g e 0 1-2 1-3", ARRAY(1) ENTRY("1-3"),
         "XGROUP CREATECONSUMER s g e ; " CLAIM("e", "1-3", "3") " ; XACK s g 1-2"},
        {"XAUTOCLAIM s g f 0 0 COUNT 1", ARRAY(3) ID("1-3") ARRAY(1) ENTRY("1-1") ARRAY(0),
         "XGROUP CREATECONSUMER s g f ; " CLAIM("f", "1-1", "9")},
        {"XDEL s 1-1", INT(1), "XDEL s 1-1"},
        {"XAUTOCLAIM s g f 0 - JUSTID", ARRAY(3) ID("0-0") ARRAY(1) ID("1-3") ARRAY(1) ID("1-1"),
         CLAIM("f", "1-3", "3") " ; XACK s g 1-1"},
        {"XAUTOCLAIM s g f 99999999999999 0", ARRAY(3) ID("0-0") ARRAY(0) ARRAY(0), NULL},
        {"XCLAIM s x d 0 1-1", NO_GROUP, NULL},
        {"XCLAIM s g d x 1-1", ERR("Invalid min-idle-time argument for XCLAIM"), NULL},
        {"XCLAIM s g d 0 x", ERR("Unrecognized XCLAIM option 'x'"), NULL},
        {"XCLAIM s g d 0 1-1 IDLE x", ERR("Invalid IDLE option argument for XCLAIM"), NULL},
        {"XCLAIM s g d 0 1-1 TIME x", ERR("Invalid TIME option argument for XCLAIM"), NULL},
        {"XCLAIM s g d 0 1-1 RETRYCOUNT x", ERR("Invalid RETRYCOUNT option argument for XCLAIM"),
         NULL},
        {"XCLAIM s g d 0 1-1 LASTID x", BAD_ID, NULL},
        {"XAUTOCLAIM s g d x 0", ERR("Invalid min-idle-time argument for XAUTOCLAIM"), NULL},
        {"XAUTOCLAIM s g d 0 x", BAD_ID, NULL},
        {"XAUTOCLAIM s g d 0 0 COUNT 0", ERR("COUNT must be > 0"), NULL},
        {"XAUTOCLAIM s g d 0 0 COUNT", SYNTAX, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* More than fits into one effect, and different numbers of deliveries. */
static void many_deliveries_are_several_effects(void **state)
{
    struct harness *h = harness_new(false);
    char line[64];
    unsigned claims = 0;

    (void)state;
    for (int i = 1; i <= 1300; i++) {
        snprintf(line, sizeof line, "XADD s %d-1 f v", i);
        harness_run(h, line);
    }
    harness_run(h, "XGROUP CREATE s g 0");
    harness_run(h, "XREADGROUP GROUP g c STREAMS s >");
    for (const char *p = harness_effects(h); (p = strstr(p, "XCLAIM")) != NULL; p++) {
        claims++;
    }
    assert_int_equal(claims, 3);
    harness_run(h, "XREADGROUP GROUP g c COUNT 5 STREAMS s 100");
    harness_run(h, "XAUTOCLAIM s g d 0 0 COUNT 1000");
    assert_string_equal(harness_run(h, "XTRIM s MAXLEN 0"), INT(1300));
    harness_run(h, "XAUTOCLAIM s g d 0 0 COUNT 2000");
    assert_string_equal(harness_run(h, "XPENDING s g"), ARRAY(4) INT(0) NIL NIL NULL_ARRAY);
    harness_free(h);
}

static void streams_are_described(void **state)
{
    static const struct step steps[] = {
        {"XADD s 1-1 f v", NULL, "XADD s 1-1 f v"},
        {"XGROUP CREATE s g 0", OK, "XGROUP CREATE s g 0"},
        {"XREADGROUP GROUP g c STREAMS s >", NULL,
         "XGROUP CREATECONSUMER s g c ; " CLAIM("c", "1-1", "1") " ; " READ_UP_TO("1-1", "1")},
        {"XADD s 1-2 f v", NULL, "XADD s 1-2 f v"},
        {"XINFO STREAM s",
         "*20\\r\\n" BULK(6, "length") INT(2) BULK(15, "radix-tree-keys") INT(1)
             BULK(16, "radix-tree-nodes") INT(2) BULK(17, "last-generated-id") ID("1-2")
                 BULK(20, "max-deleted-entry-id") ID("0-0") BULK(13, "entries-added") INT(2)
                     BULK(23, "recorded-first-entry-id") ID("1-1") BULK(6, "groups") INT(1)
                         BULK(11, "first-entry") ENTRY("1-1") BULK(10, "last-entry") ENTRY("1-2"),
         NULL},
        {"XINFO GROUPS s",
         ARRAY(1) "*12\\r\\n" BULK(4, "name") BULK(1, "g") BULK(9, "consumers") INT(1)
             BULK(7, "pending") INT(1) BULK(17, "last-delivered-id") ID("1-1")
                 BULK(12, "entries-read") INT(1) BULK(3, "lag") INT(1),
         NULL},
        {"XINFO CONSUMERS s g",
         ARRAY(1) ARRAY(6) BULK(4, "name") BULK(1, "c") BULK(7, "pending") INT(1) BULK(4, "idle")
             INT(0),
         NULL},
        {"XINFO STREAM s FULL COUNT 1",
         "*18\\r\\n" BULK(6, "length") INT(2) BULK(15, "radix-tree-keys") INT(1) BULK(
             16, "radix-tree-nodes") INT(2) BULK(17, "last-generated-id") ID("1-2")
             BULK(20, "max-deleted-entry-id") ID("0-0") BULK(13, "entries-added") INT(2) BULK(
                 23, "recorded-first-entry-id") ID("1-1") BULK(7, "entries") ARRAY(1) ENTRY("1-1")
                 BULK(6, "groups") ARRAY(1) "*14\\r\\n" BULK(4, "name") BULK(1, "g")
                     BULK(17, "last-delivered-id") ID("1-1") BULK(12, "entries-read") INT(1)
                         BULK(3, "lag") INT(1) BULK(9, "pel-count") INT(1) BULK(7, "pending")
                             ARRAY(1) ARRAY(4) ID("1-1") BULK(1, "c") ":" NOW "\\r\\n" INT(1) BULK(
                                 9, "consumers") ARRAY(1) "*8\\r\\n" BULK(4, "name") BULK(1, "c")
                                 BULK(9, "seen-time") ":" NOW "\\r\\n" BULK(9, "pel-count") INT(1)
                                     BULK(7, "pending") ARRAY(1) ARRAY(3) ID("1-1") ":" NOW
                                                                                    "\\r\\n" INT(1),
         NULL},
        {"XINFO STREAM none", ERR("no such key"), NULL},
        {"XINFO CONSUMERS s x", "-NOGROUP No such consumer group 'x' for key name 's'\\r\\n", NULL},
        {"XINFO STREAM s FOO",
         ERR("unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
         NULL},
        {"XINFO STREAM s FULL COUNT x", NOT_INT, NULL},
    };

    (void)state;
    RUN_ALONE(steps);
}

/* The lag is known as long as nothing was deleted in the middle of what is still to be read. */
static void the_lag_is_told_where_it_is_known(void **state)
{
    static const struct {
        const char *line, *lag;
    } cases[] = {
        {"XADD s 1 f v", ":1"},
        {"XADD s 2 f v", ":2"},
        {"XADD s 3 f v", ":3"},
        {"XADD s 4 f v", ":4"},
        {"XDEL s 3", "$-1"},
        {"XGROUP SETID s g 3", "$-1"},
        {"XGROUP SETID s g 4", ":0"},
        {"XGROUP SETID s g 1", "$-1"},
        {"XTRIM s MINID 4", ":1"}, /* what was deleted has been trimmed away */
        {"XGROUP SETID s g 0 ENTRIESREAD 1", ":3"},
        {"XGROUP SETID s g 0 ENTRIESREAD 9", ":-5"},
        {"XGROUP SETID s g 99", "$-1"},
        {"XTRIM s MAXLEN 0", "$-1"},
        {"XGROUP SETID s g 2", ":0"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    harness_run(h, "XGROUP CREATE s g 0 MKSTREAM");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[32];
        const char *reply;

        harness_run(h, cases[i].line);
        snprintf(want, sizeof want, "lag\\r\\n%s\\r\\n", cases[i].lag);
        reply = harness_run(h, "XINFO GROUPS s");
        if (strstr(reply, want) == NULL) {
            fail_msg("%s: %s not in %s", cases[i].line, want, reply);
        }
    }
    harness_free(h);
}

static void events_say_what_happened(void **state)
{
    static const struct {
        const char *line, *events;
    } cases[] = {
        {"XADD s 1-1 f v", "xadd s"},
        {"XADD s MAXLEN 1 2-1 f v", "xadd s ; xtrim s"},
        {"XADD s 2-2 f v", "xadd s"},
        {"XADD s 2-3 f v", "xadd s"},
        {"XTRIM s MAXLEN 2", "xtrim s"},
        {"XTRIM s MAXLEN 2", ""},
        {"XGROUP CREATE s g 0", "xgroup-create s"},
        {"XGROUP CREATECONSUMER s g c", "xgroup-createconsumer s"},
        {"XREADGROUP GROUP g d COUNT 1 STREAMS s >", "xgroup-createconsumer s"},
        {"XREADGROUP GROUP g d COUNT 1 STREAMS s >", ""},
        {"XCLAIM s g e 0 2-2", "xgroup-createconsumer s"},
        {"XACK s g 2-2", ""},
        {"XGROUP SETID s g 0", "xgroup-setid s"},
        {"XGROUP DELCONSUMER s g c", "xgroup-delconsumer s"},
        {"XGROUP DESTROY s g", "xgroup-destroy s"},
        {"XSETID s 9-9", "xsetid s"},
        {"XDEL s 2-2 2-3", "xdel s"},
        {"DEL s", "del s"},
    };
    struct harness *h = harness_new(false);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        harness_run(h, cases[i].line);
        assert_string_equal(harness_events(h), cases[i].events);
    }
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_added_with_ids_that_rise),
        cmocka_unit_test(ranges_go_both_ways),
        cmocka_unit_test(deleting_and_setting_ids),
        cmocka_unit_test(trimming_is_logged_exactly),
        cmocka_unit_test(reading_several_and_waiting),
        cmocka_unit_test(groups_hand_out_entries),
        cmocka_unit_test(entries_are_claimed),
        cmocka_unit_test(many_deliveries_are_several_effects),
        cmocka_unit_test(streams_are_described),
        cmocka_unit_test(the_lag_is_told_where_it_is_known),
        cmocka_unit_test(events_say_what_happened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
