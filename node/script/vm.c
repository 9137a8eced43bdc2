/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/vm.c - see node/script/vm.h: the state, its memory, compiling and calling. */
#include "node/script/vm.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory --------------------------------------------------------------------------------- */

/* Lua collects garbage in steps, each of this percentage of what was allocated since the one
 * before: so much that a small heap is done in one or two. In steps as small as Lua's own, a script
 * that reads big values one after the other would reach the limit by garbage alone. */
#define STEP_PERCENT 100000
/* Garbage that may stay behind a run. */
#define TIDY_BYTES ((size_t)32 << 20)

/* When it returns NULL, Lua raises "not enough memory" in the script. */
static void *allocate(void *ud, void *p, size_t old, size_t n)
{
    struct vm *vm = ud;
    void *out;

    if (n == 0) {
        free(p);
        vm->bytes -= old;
        return NULL;
    }
    if (n > old && (vm->bytes >= vm->bytes_max || n - old > vm->bytes_max - vm->bytes)) {
        return NULL;
    }
    out = mem_try_realloc(p, n);
    if (out != NULL) {
        vm->bytes += n - old; /* modulo 2^64, so it may sink */
    }
    return out;
}

struct vm *vm_of(lua_State *L)
{
    void *ud;

    (void)lua_getallocf(L, &ud);
    return ud;
}

static void sweep(struct vm *vm, lua_State *L)
{
    (void)lua_gc(L, LUA_GCCOLLECT, 0);
    vm->bytes_swept = vm->bytes;
}

/* Between runs: what is left is the scripts that are kept. */
static void sweep_idle(struct vm *vm)
{
    sweep(vm, vm->L);
    vm->bytes_idle = vm->bytes;
}

static size_t limit_of(const struct vm *vm)
{
    return MIN_OF((size_t)*vm->memory_limit, SIZE_MAX / 4);
}

/* The limit holds from here on, unless it does already; returns what vm_unlimit() is to be given.
 * It counts from what is in use, as far as that is known: what has come since may be garbage. */
static size_t vm_limit(struct vm *vm)
{
    size_t before = vm->bytes_max;

    if (before != SIZE_MAX || vm->memory_limit == NULL || *vm->memory_limit == 0) {
        return before;
    }
    if (vm->bytes > vm->bytes_idle + limit_of(vm) / 4) {
        sweep_idle(vm);
    }
    vm->bytes_max = MIN_OF(vm->bytes, vm->bytes_idle) + limit_of(vm);
    return before;
}

static void vm_unlimit(struct vm *vm, size_t before) { vm->bytes_max = before; }

/* Garbage is not to be what a script ends for: collect it all when the limit is near, but not again
 * before an eighth of it is new. */
static void sweep_if_near(struct vm *vm, lua_State *L)
{
    size_t limit;

    if (LIKELY(vm->bytes_max == SIZE_MAX)) {
        return;
    }
    limit = limit_of(vm);
    if (vm->bytes_max - MIN_OF(vm->bytes, vm->bytes_max) < limit / 4 &&
        vm->bytes > vm->bytes_swept + limit / 8) {
        sweep(vm, L);
    }
}

size_t vm_room(lua_State *L, size_t wanted)
{
    struct vm *vm = vm_of(L);

    if (vm->bytes_max == SIZE_MAX) {
        return SIZE_MAX;
    }
    if (vm->bytes > vm->bytes_max || wanted > vm->bytes_max - vm->bytes) {
        sweep(vm, L);
    }
    return vm->bytes_max - MIN_OF(vm->bytes, vm->bytes_max);
}

void vm_need_room(lua_State *L, size_t n)
{
    if (vm_room(L, n) < n) {
        lua_pushliteral(L, "not enough memory");
        lua_error(L);
    }
}

void vm_tidy(struct vm *vm)
{
    if (vm->json_grew) {
        json_free_buffer(vm->L);
        vm->json_grew = false;
    }
    if (vm->bytes > vm->bytes_idle + TIDY_BYTES) {
        sweep_idle(vm);
    }
}

/* ---- being interrupted ------------------------------------------------------------------------
 */

static void on_count(lua_State *L, lua_Debug *ar)
{
    struct vm *vm = vm_of(L);

    (void)ar;
    if (!vm->ending && vm->interrupt != NULL && !vm->interrupt(vm)) {
        vm->ending = true;
    }
    sweep_if_near(vm, L);
    if (vm->ending) {
        /* A script that catches the error gets no further than its next line. */
        lua_sethook(L, on_count, LUA_MASKLINE | LUA_MASKCOUNT, VM_INTERRUPT_INSTRUCTIONS);
    }
    vm_check_ending(L);
}

void vm_check_ending(lua_State *L)
{
    struct vm *vm = vm_of(L);

    if (vm->ending) {
        vm_push_error(L, vm->end_error, strlen(vm->end_error));
        lua_error(L);
    }
}

/* ---- errors -----------------------------------------------------------------------------------
 */

void vm_push_error(lua_State *L, const char *text, size_t n)
{
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, text, n);
    lua_setfield(L, -2, "err");
}

int vm_raise(lua_State *L, const char *text)
{
    lua_createtable(L, 0, 1);
    lua_pushfstring(L, "ERR %s", text);
    lua_setfield(L, -2, "err");
    return lua_error(L);
}

/* Where the error came up: of the function that raised it, or of the one that called that, if the
 * first is not in Lua. */
static bool find_place(lua_State *L, lua_Debug *ar)
{
    int level = 1;

    if (lua_getstack(L, level, ar) == 0) {
        return false;
    }
    lua_getinfo(L, "f", ar);
    level += bound_is_less(L, -1); /* Lua's own sort() has no function there */
    lua_pop(L, 1);
    for (int last = level + 1; level <= last; level++) {
        if (lua_getstack(L, level, ar) == 0) {
            return false;
        }
        lua_getinfo(L, "Sl", ar);
        if (strcmp(ar->what, "C") != 0) {
            break;
        }
    }
    return true;
}

static bool has_text(lua_State *L, int table)
{
    bool is;

    lua_pushliteral(L, "err");
    lua_rawget(L, table);
    is = lua_isstring(L, -1) != 0;
    lua_pop(L, 1);
    return is;
}

static const char *text_of(lua_State *L, int i)
{
    if (lua_isboolean(L, i)) {
        return lua_toboolean(L, i) ? "true" : "false";
    }
    return lua_isstring(L, i) ? lua_tostring(L, i) : luaL_typename(L, i);
}

/* The value on the stack becomes a field, raw: an error may have a metatable of the script's. */
static void set_raw(lua_State *L, int table, const char *name)
{
    lua_pushstring(L, name);
    lua_insert(L, -2);
    lua_rawset(L, table);
}

/* Message handler of vm_call(): any error value becomes a table. */
static int complete_error(lua_State *L)
{
    lua_Debug ar;

    if (!lua_istable(L, 1)) {
        const char *text = text_of(L, 1);

        lua_createtable(L, 0, 3);
        lua_pushfstring(L, "ERR %s", text);
        lua_setfield(L, -2, "err");
        lua_replace(L, 1);
    } else if (!has_text(L, 1)) {
        vm_push_error(L, "ERR unknown error", strlen("ERR unknown error"));
        lua_replace(L, 1);
    }
    lua_settop(L, 1);
    if (find_place(L, &ar)) {
        lua_pushstring(L, ar.source);
        set_raw(L, 1, "source");
        lua_pushinteger(L, ar.currentline);
        set_raw(L, 1, "line");
    }
    return 1;
}

/* ---- birth and death --------------------------------------------------------------------------
 */

static int build(lua_State *L)
{
    sandbox_build(L);
    return 0;
}

/* An error outside vm_call(): none of the calls that are made there raises one but for lack of
 * memory, when nothing sensible can be done. */
static int on_panic(lua_State *L)
{
    const char *text = lua_tostring(L, -1);

    (void)text;
    assert(text == NULL && "no memory for a Lua state");
    abort();
}

bool vm_init(struct vm *vm, uint64_t seed, void *owner, bool (*interrupt)(struct vm *))
{
    *vm = (struct vm){.owner = owner, .interrupt = interrupt, .bytes_max = SIZE_MAX};
    rng_init(&vm->rng, seed);
    vm->L = lua_newstate(allocate, vm);
    if (vm->L == NULL) {
        return false;
    }
    lua_atpanic(vm->L, on_panic);
    if (lua_cpcall(vm->L, build, NULL) != 0) {
        vm_release(vm);
        return false;
    }
    lua_pushcfunction(vm->L, complete_error); /* stays at index 1 */
    (void)lua_gc(vm->L, LUA_GCSETSTEPMUL, STEP_PERCENT);
    sweep_idle(vm);
    return true;
}

void vm_release(struct vm *vm)
{
    if (vm->L != NULL) {
        lua_close(vm->L);
        vm->L = NULL;
    }
}

/* ---- compiling and calling --------------------------------------------------------------------
 */

bool vm_compile(lua_State *L, const char *p, size_t n, const char *chunk)
{
    if (n >= INT32_MAX) {
        lua_pushliteral(L, "chunk is too long"); /* the lexer counts in an int */
        return false;
    }
    if (n >= 2 && p[0] == '#' && p[1] == '!') {
        const char *end = memchr(p, '\n', n);

        /* The line's end stays, so that lines keep their numbers. */
        n = end == NULL ? 0 : n - (size_t)(end - p);
        p = end == NULL ? "" : end;
    }
    if (n > 0 && p[0] == LUA_SIGNATURE[0]) {
        lua_pushliteral(L, "byte code is not loaded");
        return false;
    }

    struct vm *vm = vm_of(L);
    size_t before = vm_limit(vm);
    bool ok = luaL_loadbuffer(L, p, n, chunk) == 0;

    vm_unlimit(vm, before);
    return ok;
}

void vm_wrap(lua_State *L, const char *name, lua_CFunction wrapper)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, wrapper, 1);
    lua_setfield(L, -2, name);
}

int vm_call_wrapped(lua_State *L) { return lua_tocfunction(L, lua_upvalueindex(1))(L); }

bool vm_call(struct vm *vm, int n_args)
{
    size_t before = vm_limit(vm);
    int rc;

    vm->ending = false;
    lua_sethook(vm->L, on_count, LUA_MASKCOUNT, VM_INTERRUPT_INSTRUCTIONS);
    rc = lua_pcall(vm->L, n_args, 1, 1);
    lua_sethook(vm->L, NULL, 0, 0);
    vm_unlimit(vm, before);
    if (rc == 0) {
        return true;
    }
    if (!lua_istable(vm->L, -1)) {
        /* No memory, or an error in the handler: it was not run. */
        const char *text = lua_tostring(vm->L, -1);
        char copy[128];
        size_t n = 0;

        for (const char *s = "ERR "; *s != '\0'; s++) {
            copy[n++] = *s;
        }
        for (const char *s = text != NULL ? text : "unknown error"; *s != '\0' && n < 127; s++) {
            copy[n++] = *s;
        }
        lua_pop(vm->L, 1);
        vm_push_error(vm->L, copy, n);
    }
    return false;
}
