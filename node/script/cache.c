/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node/script/cache.c - scripts by their SHA-1: EVAL, EVALSHA, SCRIPT.
 *
 * What came by SCRIPT LOAD stays until SCRIPT FLUSH, for clients count on it. What came by EVAL
 * alone is a convenience: of those the CACHE_EVALS_MAX that were used last stay, so that clients
 * that write their arguments into the script's text do not fill the memory. */
#include "node/node.h"
#include "node/script/internal.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_EVALS_MAX 500
#define SHA_CHARS 40
#define CHUNK "@user_script"

void cache_init(struct scripts *s)
{
    lua_newtable(s->eval.L);
    s->by_sha = luaL_ref(s->eval.L, LUA_REGISTRYINDEX);
    link_init(&s->lru);
    s->n_scripts = s->n_evals = s->script_bytes = 0;
}

/* ---- finding ----------------------------------------------------------------------------------
 */

static void hash(char *sha, const struct arg *text)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;

    if (EVP_Digest(text->p, text->n, digest, &len, EVP_sha1(), NULL) != 1) {
        assert(!"SHA-1 is available");
    }
    for (size_t i = 0; i < SHA_CHARS / 2; i++) {
        sha[2 * i] = digits[digest[i] >> 4];
        sha[2 * i + 1] = digits[digest[i] & 15];
    }
    sha[SHA_CHARS] = '\0';
}

/* The digest as clients write it, in lower case. False: it is none. */
static bool read_sha(char *sha, const struct arg *a)
{
    if (a->n != SHA_CHARS) {
        return false;
    }
    for (size_t i = 0; i < SHA_CHARS; i++) {
        char ch = a->p[i];

        sha[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch);
    }
    sha[SHA_CHARS] = '\0';
    return true;
}

static struct script *find(struct scripts *s, const char *sha)
{
    lua_State *L = s->eval.L;
    struct script *found;

    lua_rawgeti(L, LUA_REGISTRYINDEX, s->by_sha);
    lua_pushlstring(L, sha, SHA_CHARS);
    lua_rawget(L, -2);
    found = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return found;
}

/* ---- keeping ----------------------------------------------------------------------------------
 */

static void forget(struct scripts *s, struct script *script)
{
    lua_State *L = s->eval.L;

    if (link_is_in(&script->lru)) {
        link_remove(&script->lru);
        s->n_evals--;
    }
    s->n_scripts--;
    s->script_bytes -= script->bytes;
    luaL_unref(L, LUA_REGISTRYINDEX, script->function);
    luaL_unref(L, LUA_REGISTRYINDEX, script->text);
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->by_sha);
    lua_pushlstring(L, script->sha, SHA_CHARS);
    lua_pushnil(L);
    lua_rawset(L, -3); /* the userdata may go at any time now */
    lua_pop(L, 1);
}

/* The function on the stack becomes the script @sha; popped. */
static struct script *keep(struct scripts *s, const char *sha, const struct arg *text,
                           uint32_t flags)
{
    lua_State *L = s->eval.L;
    int function = luaL_ref(L, LUA_REGISTRYINDEX);
    struct script *script;

    lua_rawgeti(L, LUA_REGISTRYINDEX, s->by_sha);
    lua_pushlstring(L, sha, SHA_CHARS);
    script = lua_newuserdata(L, sizeof *script);
    *script = (struct script){.flags = flags, .function = function, .bytes = text->n};
    memcpy(script->sha, sha, sizeof script->sha);
    link_init(&script->lru);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    lua_pushlstring(L, text->p, text->n);
    script->text = luaL_ref(L, LUA_REGISTRYINDEX);
    s->n_scripts++;
    s->script_bytes += text->n;
    return script;
}

/* It was used by EVAL: the one that was not for the longest time may have to go. */
static void touch(struct scripts *s, struct script *script)
{
    link_remove(&script->lru);
    link_append(&s->lru, &script->lru);
    if (s->n_evals > CACHE_EVALS_MAX) {
        forget(s, CONTAINER_OF(s->lru.next, struct script, lru));
        s->evicted++;
    }
}

static struct script *compile(struct cmd *c, const char *sha, const struct arg *text)
{
    struct scripts *s = c->node->scripts;
    lua_State *L = s->eval.L;
    uint32_t flags;
    char *error;

    if (!script_parse_flags(text->p, text->n, &flags, &error)) {
        resp_error(c->reply, error);
        free(error);
        return NULL;
    }
    if (!vm_compile(L, text->p, text->n, CHUNK)) {
        resp_errorf(c->reply, "ERR Error compiling script (new function): %s", lua_tostring(L, -1));
        lua_settop(L, 1);
        return NULL;
    }
    return keep(s, sha, text, flags);
}

uint32_t cache_flags(struct scripts *s, const struct arg *script, bool by_sha)
{
    char sha[SHA_CHARS + 1];
    uint32_t flags = SCRIPT_PLAIN;
    char *error;

    if (by_sha) {
        struct script *found = read_sha(sha, script) ? find(s, sha) : NULL;

        return found != NULL ? found->flags : SCRIPT_PLAIN;
    }
    if (!script_parse_flags(script->p, script->n, &flags, &error)) {
        free(error);
        return SCRIPT_PLAIN; /* EVAL itself will say what is wrong */
    }
    return flags;
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static void reply_no_script(struct cmd *c)
{
    resp_error(c->reply, "NOSCRIPT No matching script. Please use EVAL.");
}

static struct script *find_or_compile(struct cmd *c, bool by_sha)
{
    struct scripts *s = c->node->scripts;
    char sha[SHA_CHARS + 1];
    struct script *script;

    if (by_sha) {
        script = read_sha(sha, &c->argv[1]) ? find(s, sha) : NULL;
        if (script == NULL) {
            reply_no_script(c);
        } else if (link_is_in(&script->lru)) {
            touch(s, script);
        }
        return script;
    }
    hash(sha, &c->argv[1]);
    script = find(s, sha);
    if (script == NULL) {
        script = compile(c, sha, &c->argv[1]);
        if (script != NULL) {
            s->n_evals++;
            touch(s, script);
        }
    } else if (link_is_in(&script->lru)) {
        touch(s, script);
    }
    return script;
}

void scripts_eval(struct cmd *c, bool by_sha, bool read_only)
{
    struct scripts *s = c->node->scripts;
    lua_State *L = s->eval.L;
    struct script *script;
    uint32_t flags;
    int n_keys;

    if (by_sha && c->argv[1].n != SHA_CHARS) {
        reply_no_script(c); /* what is no digest is seen before the number of keys is */
        return;
    }
    if (!script_count_keys(c, NULL, &n_keys)) {
        return;
    }
    script = find_or_compile(c, by_sha);
    if (script == NULL || !script_may_run(c, script->flags, read_only)) {
        return;
    }
    flags = script->flags | (read_only ? SCRIPT_NO_WRITES : 0);
    script_push_args(L, c, 3, n_keys);
    vm_set_global(L, "KEYS");
    script_push_args(L, c, 3 + n_keys, c->argc - 3 - n_keys);
    vm_set_global(L, "ARGV");
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->function);
    script_run(c, &s->eval, script->sha, flags, 0);
}

void scripts_load(struct cmd *c)
{
    struct scripts *s = c->node->scripts;
    char sha[SHA_CHARS + 1];
    struct script *script;

    hash(sha, &c->argv[2]);
    script = find(s, sha);
    if (script == NULL) {
        script = compile(c, sha, &c->argv[2]);
    } else if (link_is_in(&script->lru)) {
        link_remove(&script->lru); /* from now on it stays */
        s->n_evals--;
    }
    if (script != NULL) {
        resp_bulk(c->reply, sha, SHA_CHARS);
    }
}

void scripts_exists(struct cmd *c)
{
    resp_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        char sha[SHA_CHARS + 1];

        resp_int(c->reply,
                 read_sha(sha, &c->argv[i]) && find(c->node->scripts, sha) != NULL ? 1 : 0);
    }
}

void scripts_show(struct cmd *c)
{
    struct scripts *s = c->node->scripts;
    lua_State *L = s->eval.L;
    char sha[SHA_CHARS + 1];
    struct script *script = read_sha(sha, &c->argv[2]) ? find(s, sha) : NULL;
    size_t n;
    const char *p;

    if (script == NULL) {
        resp_error(c->reply, "NOSCRIPT No matching script.");
        return;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->text);
    p = lua_tolstring(L, -1, &n);
    resp_bulk(c->reply, p, n);
    lua_pop(L, 1);
}
