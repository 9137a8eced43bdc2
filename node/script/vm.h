/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/vm.h - a Lua 5.1 state in which scripts run, and what they may reach.
 *
 * A script sees Lua's own functions as far as they are harmless, cjson, cmsgpack, bit and struct,
 * and what the owner adds with vm_set_library(). Nothing of that can be changed by a script, for it
 * would be another for the next one: globals and libraries are empty tables in front of the real
 * ones, whose metatables refuse writes, and the few functions that would write past a metatable
 * (rawset, table.insert ...) look for them (node/script/sandbox.c). Byte code is not loaded: it
 * could break the state.
 *
 * Memory is limited while Lua code runs or is compiled, never for what the owner does between: so
 * an allocation fails only where the error is caught. One owner, one thread. Source:
 * https://redis.io/docs/latest/develop/interact/programmability/lua-api/ */
#ifndef NODE_SCRIPT_VM_H
#define NODE_SCRIPT_VM_H

#include "base/base.h"
#include "base/rand.h"

#include <lua5.1/lauxlib.h>
#include <lua5.1/lua.h>

struct vm {
    lua_State *L;
    size_t bytes;                /* allocated by Lua */
    size_t bytes_max;            /* they may not grow beyond it; SIZE_MAX: no limit now */
    size_t bytes_idle;           /* that were left after the last full collection between runs */
    size_t bytes_swept;          /* after the last one at all */
    const int64_t *memory_limit; /* bytes that a run may add; NULL, or 0 there: any number */
    bool json_grew;              /* a big text was made by cjson, which keeps its buffer */
    struct rng rng;              /* math.random */
    bool seeded;                 /* .rng is not by chance: the next script begins by chance again */
    bool alike; /* what runs has to do the same on every node: addresses and memory do not show */
    void *owner;
    /* Called every VM_INTERRUPT_INSTRUCTIONS while a script runs: false ends it. */
    bool (*interrupt)(struct vm *vm);
    bool ending;           /* the script is being ended: it gets no further, whatever it catches */
    const char *end_error; /* what it is ended with */
};

#define VM_INTERRUPT_INSTRUCTIONS 100000

/* Set up at @vm. @seed: of math.random. False: no memory; nothing is to be released. */
MUST_CHECK bool vm_init(struct vm *vm, uint64_t seed, void *owner, bool (*interrupt)(struct vm *));
void vm_release(struct vm *vm);
/* The vm of a state, or of one of its coroutines. */
struct vm *vm_of(lua_State *L);

/* The table on top of the stack becomes the global @name, read only; popped. */
void vm_set_library(lua_State *L, const char *name);
/* The value on top of the stack becomes the global @name; popped. */
void vm_set_global(lua_State *L, const char *name);

/* The library @name looks into the table on top of the stack from now on; popped. */
void vm_set_index(lua_State *L, const char *name);
/* Fields that the table on top of the stack does not have raise an error instead of being nil. */
void vm_make_strict(lua_State *L);

/* Compile @n bytes at @p; @chunk names them in messages ("@user_script"). A first line that begins
 * with "#!" is left out. True: the function is on the stack, else a message. */
MUST_CHECK bool vm_compile(lua_State *L, const char *p, size_t n, const char *chunk);

/* Call the function below @n_args arguments. True: one result is on the stack. Else a table with
 * the fields err (a text with its code), and source and line where known. */
MUST_CHECK bool vm_call(struct vm *vm, int n_args);

/* Bytes that may be allocated before the limit is reached; garbage is collected first when there
 * are fewer than @wanted. SIZE_MAX: any number. */
size_t vm_room(lua_State *L, size_t wanted);
/* Raise "not enough memory", as Lua does, when there is no room for @n bytes. */
void vm_need_room(lua_State *L, size_t n);
/* After a run, with nothing of it on the stack: give back what it has left, if that is much. */
void vm_tidy(struct vm *vm);

/* Raise the error that the script is ended with, if it is being ended. */
void vm_check_ending(lua_State *L);
/* Raise {err = "ERR @text"}: an error of the server's, without a position in front. */
int vm_raise(lua_State *L, const char *text);
/* Push {err = @text}. @text: with its code, and n bytes. */
void vm_push_error(lua_State *L, const char *text, size_t n);

/* Replace field @name of the table on the stack by @wrapper around it. The wrapper calls the
 * function that it stands for, its first upvalue, by vm_call_wrapped(): one without upvalues, so
 * that it may run in the wrapper's place, with its arguments and results. */
void vm_wrap(lua_State *L, const char *name, lua_CFunction wrapper);
int vm_call_wrapped(lua_State *L);

/* Within sandbox.c: bound what a library, which is on the stack, may take of memory, of the C stack
 * and of time (node/script/bounded_json.c, bounded_libs.c). */
void bound_base(lua_State *L);
void bound_bit(lua_State *L);
void bound_json(lua_State *L);
void bound_string(lua_State *L);
void bound_table(lua_State *L);
/* The arguments of table.sort() are on the stack: a big table without a function to compare with is
 * given one that may be interrupted. */
void bound_sort(lua_State *L);
bool bound_is_less(lua_State *L, int i); /* the value at @i is that function */
/* cjson, which is on the stack, is the one whose buffer json_free_buffer() frees: it keeps it. */
void json_keep_buffer_of(lua_State *L);
void json_free_buffer(lua_State *L);
/* Within sandbox.c: guard what the standard libraries offer. The real globals are on the stack. */
void sandbox_build(lua_State *L);

#endif
