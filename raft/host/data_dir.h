/* SPDX-License-Identifier: BSD-3-Clause
 *
 * raft/host/data_dir.h - the data directory: its lock, its identity, its layout.
 *
 *     DIR/LOCK            flock()ed while a process uses the directory
 *     DIR/node.meta       who this is, see below
 *     DIR/wal/            the write-ahead log
 *     DIR/snapshots/      g<group>-<index>-<term>.rdb; *.part: being received
 *
 * node.meta: "HFNODE\r\n", u32 format version, u32 length, u32 CRC32C of what precedes and what
 * follows, then meta.Node (proto/meta.proto). It is only ever replaced as a whole.
 *
 * A directory that has a log or snapshots but no node.meta is refused: it was somebody's. */
#ifndef RAFT_HOST_DATA_DIR_H
#define RAFT_HOST_DATA_DIR_H

#include "raft/host.h"

#define DATA_DIR_META "node.meta"
#define DATA_DIR_META_VERSION 1u
#define DATA_DIR_BOOT_ID_MAX 64
#define DATA_DIR_GROUPS_MAX 4096

struct data_dir {
    char *path, *wal, *snapshots;
    int lock_fd;
    /* As in node.meta; changes count once data_dir_save() has returned 0. */
    struct raft_identity identity;
    bool log_ready, unsynced, clean_stop;
    char boot_id[DATA_DIR_BOOT_ID_MAX];
    uint32_t *suspects; /* groups that may lack a tail and have not caught up since */
    size_t n_suspects;
    uint32_t *groups; /* groups that have a replica here */
    size_t n_groups;
    unsigned char *on_disk; /* node.meta as it was read or written last; NULL: not known */
    size_t n_on_disk;
};

/* Lock @path (created when absent) and read or draw its identity. On an error a log line says
 * why, nothing stays open and the content is as before. enum raft_host_error. */
MUST_CHECK int data_dir_open(struct data_dir *d, const char *path);
/* Make the fields durable. What is on disk already is not written again: a node must be able to
 * start on a full disk. RAFT_HOST_ERR_IO. One thread at a time. */
MUST_CHECK int data_dir_save(struct data_dir *d);
void data_dir_close(struct data_dir *d);

bool data_dir_is_suspect(const struct data_dir *d, uint32_t group);
void data_dir_set_suspect(struct data_dir *d, uint32_t group, bool suspect);
bool data_dir_has_group(const struct data_dir *d, uint32_t group);
void data_dir_add_group(struct data_dir *d, uint32_t group);

/* This boot's id, "" when the system has none. @out: DATA_DIR_BOOT_ID_MAX bytes. */
void data_dir_read_boot_id(char *out);
/* True when @folder exists and holds a name that ends in @suffix, or cannot be read. */
bool data_dir_has_files(const char *folder, const char *suffix);

#endif
