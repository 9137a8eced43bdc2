/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/rdb/rdb_format.h - the constants of the RDB format. Private to node/rdb.
 *
 * A file is "REDIS" and four digits of version, then opcodes and key-value pairs until
 * RDB_OP_EOF, then the CRC64 of all that stands before it (8 bytes, little-endian; 0: none).
 *
 * A length is 1, 2, 5 or 9 bytes; the two top bits of the first tell: 00 six bits, 01 fourteen
 * bits (big-endian), 10 a marker with 32 or 64 bits behind it (big-endian), 11 no length but a
 * string in a special form. */
#ifndef NODE_RDB_RDB_FORMAT_H
#define NODE_RDB_RDB_FORMAT_H

#define RDB_MAGIC "REDIS"
#define RDB_MAGIC_BYTES 5
#define RDB_HEADER_BYTES 9
#define RDB_VERSION_WRITTEN 10
#define RDB_VERSION_MAX 12
#define RDB_VERSION_CHECKSUM 5 /* files end with a CRC64 from here on */

/* Behind a value of DUMP: version (2 bytes) and CRC64 of all before itself (8), little-endian. */
#define RDB_FOOTER_BYTES 10

enum rdb_opcode {
    RDB_OP_SLOT_INFO = 244, /* three lengths: slot, its keys, its keys with expiry */
    RDB_OP_FUNCTION2 = 245,
    RDB_OP_FUNCTION_PRE_GA = 246,
    RDB_OP_MODULE_AUX = 247,
    RDB_OP_IDLE = 248,          /* length: seconds */
    RDB_OP_FREQ = 249,          /* a byte */
    RDB_OP_AUX = 250,           /* two strings */
    RDB_OP_RESIZEDB = 251,      /* two lengths: keys, keys with expiry */
    RDB_OP_EXPIRETIME_MS = 252, /* 8 bytes, little-endian */
    RDB_OP_EXPIRETIME = 253,    /* 4 bytes, little-endian, seconds */
    RDB_OP_SELECTDB = 254,
    RDB_OP_EOF = 255,
};

enum rdb_type {
    RDB_TYPE_STRING = 0,
    RDB_TYPE_LIST = 1,
    RDB_TYPE_SET = 2,
    RDB_TYPE_HASH = 4,
    RDB_TYPE_ZSET = 3, /* scores as texts, before version 8 */
    RDB_TYPE_ZSET_2 = 5,
    RDB_TYPE_HASH_ZIPMAP = 9,   /* by Redis 2.4 */
    RDB_TYPE_LIST_ZIPLIST = 10, /* up to Redis 3.0 */
    RDB_TYPE_SET_INTSET = 11,
    RDB_TYPE_ZSET_ZIPLIST = 12,   /* up to Redis 6.2 */
    RDB_TYPE_HASH_ZIPLIST = 13,   /* the same */
    RDB_TYPE_LIST_QUICKLIST = 14, /* the same: nodes are ziplists */
    RDB_TYPE_STREAM = 15,         /* without first and deleted ids, counters: before version 10 */
    RDB_TYPE_HASH_LISTPACK = 16,
    RDB_TYPE_ZSET_LISTPACK = 17,
    RDB_TYPE_LIST_QUICKLIST_2 = 18,
    RDB_TYPE_STREAM_2 = 19,
    RDB_TYPE_SET_LISTPACK = 20, /* from version 11 on */
    /* Hashes with times to live of fields, by Redis 7.4: the earliest time (8 bytes, little-endian
     * ms), then fields as of RDB_TYPE_HASH, each behind a length: 0, or its time less the earliest
     * plus 1; or a listpack of field, value, time (0: none). Before the release: without the
     * earliest time, and whole times. */
    RDB_TYPE_HASH_TIMES_EARLY = 22,
    RDB_TYPE_HASH_LISTPACK_TIMES_EARLY = 23,
    RDB_TYPE_HASH_TIMES = 24,
    RDB_TYPE_HASH_LISTPACK_TIMES = 25,
    RDB_TYPE_STREAM_3 = 21, /* likewise: consumers have a second time */
};

/* Kinds of nodes of a QUICKLIST_2. */
enum rdb_list_node {
    RDB_LIST_PLAIN = 1,  /* one element as it is */
    RDB_LIST_PACKED = 2, /* a listpack */
};

#define RDB_LEN_6BIT 0x00
#define RDB_LEN_14BIT 0x40
#define RDB_LEN_32BIT 0x80
#define RDB_LEN_64BIT 0x81
#define RDB_LEN_SPECIAL 0xc0 /* low bits: enum rdb_special */

enum rdb_special {
    RDB_SPECIAL_INT8,
    RDB_SPECIAL_INT16,
    RDB_SPECIAL_INT32,
    RDB_SPECIAL_LZF, /* compressed length, length, bytes */
};

/* Parts of a module's data. */
enum rdb_module {
    RDB_MODULE_EOF,
    RDB_MODULE_SINT,
    RDB_MODULE_UINT,
    RDB_MODULE_FLOAT,
    RDB_MODULE_DOUBLE,
    RDB_MODULE_STRING,
};

/* Our AUX fields. Binary ones are in hexadecimal, since tools print them. */
#define RDB_AUX_CLUSTER "holdfast-cluster"
#define RDB_AUX_GROUP "holdfast-group"
#define RDB_AUX_TERM "holdfast-term"
#define RDB_AUX_INDEX "holdfast-index"
#define RDB_AUX_MEMBERS "holdfast-members"
#define RDB_AUX_SYSTEM "holdfast-system"

#endif
