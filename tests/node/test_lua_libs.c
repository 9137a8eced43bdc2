/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tests of the Lua libraries of scripts: what Redis gave for many expressions (data/lua_*.txt), and
 * random values there and back, and random bytes. */
#include "node/script/lua_cmsgpack.h"
#include "node/script/lua_struct.h"

#include "tests/test.h"

#include <lua5.1/lauxlib.h>
#include <lua5.1/lualib.h>

/* ---- a Lua that counts its memory ---------------------------------------------------------- */

struct meter {
    size_t used, peak, max;
};

static void *metered(void *ud, void *ptr, size_t old, size_t size)
{
    struct meter *m = ud;
    void *p;

    if (size > old && size - old > m->max - m->used) {
        return NULL;
    }
    m->used += size - old;
    m->peak = MAX_OF(m->peak, m->used);
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    p = realloc(ptr, size);
    assert_non_null(p);
    return p;
}

static void must(lua_State *L, int rc)
{
    if (rc != 0) {
        fail_msg("%s", lua_tostring(L, -1));
    }
}

/* A Lua with the two libraries, and what the tests themselves use. */
static lua_State *lua_new(struct meter *m)
{
    lua_State *L;

    *m = (struct meter){.max = (size_t)256 << 20};
    L = lua_newstate(metered, m);
    assert_non_null(L);
    luaL_openlibs(L);
    assert_int_equal(luaopen_cmsgpack(L), 1);
    assert_int_equal(luaopen_struct(L), 1);
    lua_settop(L, 0);
    must(L, luaL_dofile(L, DATA_DIR "/lua_libs.lua"));
    return L;
}

static void lua_end(lua_State *L, const struct meter *m)
{
    lua_close(L);
    assert_int_equal(m->used, 0);
}

static void run(lua_State *L, const char *chunk) { must(L, luaL_dostring(L, chunk)); }

/* ---- what Redis gives ---------------------------------------------------------------------- */

/* The values of a list of expressions as text, or "ERR " and the message without the line it is
 * of; on the Lua stack. */
static const char *result(lua_State *L, const char *expressions)
{
    lua_settop(L, 0);
    lua_pushfstring(L,
                    "local ok, r = pcall(function() local r = all(%s) return r end)\n"
                    "return ok and r or 'ERR ' .. r:gsub('^case:1: ', '')",
                    expressions);
    must(L, luaL_loadbuffer(L, lua_tostring(L, 1), lua_objlen(L, 1), "=case"));
    must(L, lua_pcall(L, 0, 1, 0));
    return lua_tostring(L, -1);
}

static char *line_of(FILE *f, char *line, int size)
{
    if (fgets(line, size, f) == NULL) {
        return NULL;
    }
    assert_non_null(strchr(line, '\n'));
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* A line with expressions, a line with two spaces and the result, and so on; "# ": a comment. */
static unsigned check_cases(const char *path)
{
    struct meter m;
    lua_State *L = lua_new(&m);
    FILE *f = fopen(path, "r");
    char expressions[1024], want[1024];
    unsigned n = 0, failed = 0;

    assert_non_null(f);
    while (line_of(f, expressions, sizeof expressions) != NULL) {
        const char *got;

        if (strncmp(expressions, "# ", 2) == 0) {
            continue;
        }
        assert_non_null(line_of(f, want, sizeof want));
        assert_memory_equal(want, "  ", 2);
        got = result(L, expressions);
        if (strcmp(got, want + 2) != 0) {
            print_error("%s\n  want %s\n  got  %s\n", expressions, want + 2, got);
            failed++;
        }
        n++;
    }
    fclose(f);
    lua_end(L, &m);
    assert_int_equal(failed, 0);
    return n;
}

static void cmsgpack_gives_what_redis_gives(void **state)
{
    (void)state;
    assert_true(check_cases(DATA_DIR "/lua_cmsgpack.txt") > 150);
}

static void struct_gives_what_redis_gives(void **state)
{
    (void)state;
    assert_true(check_cases(DATA_DIR "/lua_struct.txt") > 250);
}

/* Where Redis 7.0 wraps numbers around, leaves the result to the compiler, or names its functions.
 */
static void corners_are_defined(void **state)
{
    static const struct {
        const char *expressions, *want;
    } cases[] = {
        {"cmsgpack.unpack_one('\\1', 2^32 + 1)",
         "ERR Start offset 4294967297 greater than input length 1."},
        {"cmsgpack.unpack_limit('\\1\\2', 1, 2^32)",
         "ERR Start offset 4294967296 greater than input length 2."},
        {"cmsgpack.unpack_limit('\\1\\2', 2^40)", "-1 1 2"},
        {"struct.unpack('i9', struct.pack('i9', 300))", "300 10"},
        {"struct.unpack('>i9', struct.pack('>i9', -300))", "-300 10"},
        {"struct.unpack('>i12', bytes'010000000000000080000000')", "2147483648 13"},
        {"struct.unpack('dc0', struct.pack('d', 2^64) .. 'abc')",
         "ERR bad argument #2 to 'unpack' (data string too short)"},
        {"struct.unpack('Lc0', ('\\255'):rep(8) .. 'abc')",
         "ERR bad argument #2 to 'unpack' (data string too short)"},
        {"struct.unpack('dc0', struct.pack('d', 0/0) .. 'abc')",
         "ERR bad argument #2 to 'unpack' (data string too short)"},
        {"struct.unpack('!8d', 'abc', -2)",
         "ERR bad argument #2 to 'unpack' (data string too short)"},
        {"struct.unpack('b', 'abc', 2^62)",
         "ERR bad argument #2 to 'unpack' (data string too short)"},
        {"cmsgpack.unpack(('\\145'):rep(4000))",
         "ERR stack overflow (too many return values at once; "
         "use unpack_one or unpack_limit instead.)"},
        {"cmsgpack._DESCRIPTION", "'MessagePack C implementation for Lua'"},
        {"hex(cmsgpack.pack(0/0)):sub(5)", "'f8000000000000'"}, /* the sign is the machine's */
    };
    struct meter m;
    lua_State *L = lua_new(&m);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case: %s\n", cases[i].expressions);
        assert_string_equal(result(L, cases[i].expressions), cases[i].want);
    }
    lua_end(L, &m);
}

static void errors_name_the_line_of_the_script(void **state)
{
    struct meter m;
    lua_State *L = lua_new(&m);

    (void)state;
    assert_int_equal(luaL_loadstring(L, "\n\ncmsgpack.unpack('\\193')"), 0);
    assert_int_equal(lua_pcall(L, 0, 0, 0), LUA_ERRRUN);
    assert_non_null(strstr(lua_tostring(L, -1), ":3: Bad data format in input."));
    lua_end(L, &m);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void claimed_lengths_take_no_memory(void **state)
{
    static const char *const inputs[] = {
        "dbffffffff61",
        "ddffffffff01",
        "dfffffffff0101",
        "ddffffffffddffffffffddffffffff",
    };
    struct meter m;
    lua_State *L = lua_new(&m);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
        lua_gc(L, LUA_GCCOLLECT, 0);
        m.peak = m.used;
        m.max = m.used + 65536;
        lua_pushfstring(L, "cmsgpack.unpack(bytes'%s')", inputs[i]);
        assert_string_equal(result(L, lua_tostring(L, -1)), "ERR Missing bytes in input.");
    }
    lua_end(L, &m);
}

/* A table in itself eight times has 8^16 places. */
static void a_result_beyond_the_memory_is_an_error(void **state)
{
    struct meter m;
    lua_State *L = lua_new(&m);

    (void)state;
    run(L, "t = {} for i = 1, 8 do t[i] = t end");
    m.max = (size_t)8 << 20;
    assert_string_equal(result(L, "cmsgpack.pack(t)"), "ERR not enough memory");
    assert_string_equal(result(L, "struct.pack(('i32'):rep(1e5), unpack(count(5000)))"),
                        "ERR bad argument #5002 to 'pack' (number expected, got nil)");
    assert_string_equal(result(L, "cmsgpack.unpack(cmsgpack.pack('still works'))"),
                        "'still works'");
    lua_end(L, &m);
}

/* ---- there and back ------------------------------------------------------------------------ */

static void random_values_survive_cmsgpack(void **state)
{
    struct meter m;
    lua_State *L = lua_new(&m);

    (void)state;
    run(L, "math.randomseed(1)\n"
           "local random = math.random\n"
           "local function text(n)\n"
           "  local s = {}\n"
           "  for i = 1, n do s[i] = string.char(random(0, 255)) end\n"
           "  return table.concat(s)\n"
           "end\n"
           "local scalars = {\n"
           "  function() return random(0, 1) == 1 end,\n"
           "  function() return (random() - 0.5) * 2 ^ random(-60, 60) end,\n"
           "  function() return random(-100, 100) / 8 end,\n"
           "  function() return math.floor((random() - 0.5) * 2 ^ random(1, 64)) end,\n"
           "  function() return text(random(0, 40)) end,\n"
           "  function() return text(random(200, 300)) end,\n"
           "}\n"
           "local function scalar() return scalars[random(#scalars)]() end\n"
           "local function value(depth)\n"
           "  if depth == 0 or random(2) == 1 then return scalar() end\n"
           "  local t = {}\n"
           "  if random(2) == 1 then\n"
           "    for i = 1, random(0, 20) do t[i] = value(depth - 1) end\n"
           "  else\n"
           "    for i = 1, random(0, 20) do t[scalar()] = value(depth - 1) end\n"
           "  end\n"
           "  return t\n"
           "end\n"
           "for i = 1, 300 do\n"
           "  local a, b = value(3), value(1)\n"
           "  local s = cmsgpack.pack(a, b)\n"
           "  local x, y = cmsgpack.unpack(s)\n"
           "  assert(show(x) == show(a) and show(y) == show(b))\n"
           "  local at, first = cmsgpack.unpack_one(s)\n"
           "  local last, second = cmsgpack.unpack_one(s, at)\n"
           "  assert(at == #cmsgpack.pack(a) and last == -1)\n"
           "  assert(show(first) == show(a) and show(second) == show(b))\n"
           "end\n");
    lua_end(L, &m);
}

static void random_formats_survive_struct(void **state)
{
    struct meter m;
    lua_State *L = lua_new(&m);

    (void)state;
    run(L, "math.randomseed(2)\n"
           "local random = math.random\n"
           "local function int(bits) return math.floor((random() - 0.5) * 2 ^ bits) end\n"
           "local function natural(bits) return math.floor(random() * 2 ^ bits) end\n"
           "local makers = {\n"
           "  function() return 'b', int(8) end, function() return 'B', natural(8) end,\n"
           "  function() return 'h', int(16) end, function() return 'H', natural(16) end,\n"
           "  function() return 'i', int(32) end, function() return 'I', natural(32) end,\n"
           "  function() return 'l', int(52) end, function() return 'T', natural(53) end,\n"
           "  function() return 'd', random() end, function() return 'f', random(100) / 8 end,\n"
           "  function() local n = random(7) return 'i' .. n, int(n * 8) end,\n"
           "  function() local n = random(6) return 'I' .. n, natural(n * 8) end,\n"
           "  function() return 'i' .. random(7, 32), int(52) end,\n"
           "  function() local n = random(50) return 'c' .. n, ('x'):rep(n) end,\n"
           "  function() return 's', ('y'):rep(random(0, 20)) end,\n"
           "}\n"
           "local controls = {'<', '>', '!', '!4', '!1', ' ', 'x', '', ''}\n"
           "for i = 1, 5000 do\n"
           "  local format, values, fixed = '', {}, true\n"
           "  for j = 1, random(10) do\n"
           "    local option, v = makers[random(#makers)]()\n"
           "    format = format .. controls[random(#controls)] .. option\n"
           "    values[j] = v\n"
           "    fixed = fixed and option ~= 's'\n"
           "  end\n"
           "  local s = struct.pack(format, unpack(values))\n"
           "  local back = {struct.unpack(format, s)}\n"
           "  assert(table.remove(back) == #s + 1)\n"
           "  assert(show(back) == show(values), format)\n"
           "  assert(not fixed or struct.size(format) == #s, format)\n"
           "end\n");
    lua_end(L, &m);
}

/* ---- anything ------------------------------------------------------------------------------ */

/* No reading out of bounds (under the sanitizers), and the errors are the known ones. */
static void random_bytes_are_unpacked_or_refused(void **state)
{
    struct meter m;
    lua_State *L = lua_new(&m);

    (void)state;
    run(L, "math.randomseed(3)\n"
           "local random = math.random\n"
           "local known = {'Missing bytes in input.', 'Bad data format in input.',\n"
           "               'table index is nil', 'table index is NaN'}\n"
           "local seed = cmsgpack.pack({1, 300, -70000, 0.1, 'abc', {a = true, b = {{}}}},\n"
           "                           ('x'):rep(300), {[1.5] = 2 ^ 40})\n"
           "local done = 0\n"
           "for i = 1, 20000 do\n"
           "  local at, n = random(#seed), random(0, 3)\n"
           "  local new = {}\n"
           "  for j = 1, n do new[j] = string.char(random(0, 255)) end\n"
           "  local s = seed:sub(1, at) .. table.concat(new) .. seed:sub(at + random(0, 3))\n"
           "  s = s:sub(1, random(3) == 1 and random(#s) or #s)\n"
           "  local ok, text = pcall(cmsgpack.unpack, s)\n"
           "  local found = ok\n"
           "  for _, k in ipairs(known) do found = found or text:sub(-#k) == k end\n"
           "  assert(found, text)\n"
           "  done = done + (ok and 1 or 0)\n"
           "end\n"
           "assert(done > 100 and done < 19900)\n");
    lua_end(L, &m);
}

static void random_formats_are_carried_out_or_refused(void **state)
{
    struct meter m;
    lua_State *L = lua_new(&m);

    (void)state;
    run(L, "math.randomseed(4)\n"
           "local random = math.random\n"
           "local options = 'bBhHiIlLTfdscx><! 0123456789cc00z%'\n"
           "for i = 1, 50000 do\n"
           "  local format, data = {}, {}\n"
           "  for j = 1, random(8) do\n"
           "    local at = random(#options)\n"
           "    format[j] = options:sub(at, at)\n"
           "  end\n"
           "  for j = 1, random(0, 40) do data[j] = string.char(random(0, 3) * random(0, 85)) end\n"
           "  format, data = table.concat(format), table.concat(data)\n"
           "  pcall(struct.size, format)\n"
           "  pcall(struct.pack, format, 3, '2', data, 1.5, -7, data)\n"
           "  local r = {pcall(struct.unpack, format, data, random(-2, 45))}\n"
           "  for _, v in ipairs(r) do assert(type(v) ~= 'string' or not r[1] or #v <= #data) end\n"
           "end\n");
    lua_end(L, &m);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(cmsgpack_gives_what_redis_gives),
    cmocka_unit_test(struct_gives_what_redis_gives),
    cmocka_unit_test(corners_are_defined),
    cmocka_unit_test(errors_name_the_line_of_the_script),
    cmocka_unit_test(claimed_lengths_take_no_memory),
    cmocka_unit_test(a_result_beyond_the_memory_is_an_error),
    cmocka_unit_test(random_values_survive_cmsgpack),
    cmocka_unit_test(random_formats_survive_struct),
    cmocka_unit_test(random_bytes_are_unpacked_or_refused),
    cmocka_unit_test(random_formats_are_carried_out_or_refused),
};

TEST_MAIN(tests)
