/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/node/test_script_vm.c - the state in which scripts run (node/script/vm.h) and the
 * conversion of replies (convert.h), without a node. */
#include "node/script/convert.h"
#include "node/script/vm.h"
#include "tests/test.h"

#include <string.h>

static int setup(void **state)
{
    struct vm *vm = calloc(1, sizeof *vm);

    assert_true(vm_init(vm, 1, NULL, NULL));
    *state = vm;
    return 0;
}

static int teardown(void **state)
{
    vm_release(*state);
    free(*state);
    return 0;
}

#define RESULT_MAX ((size_t)1 << 20)

/* Run @script; its result as a reply, or "!" and the error's text. */
static void run(struct vm *vm, const char *script, int resp, struct buf *out)
{
    struct resp_out o = {.buf = out, .version = (uint8_t)resp};

    if (!vm_compile(vm->L, script, strlen(script), "@user_script")) {
        buf_printf(out, "!%s", lua_tostring(vm->L, -1));
    } else if (vm_call(vm, 0)) {
        bool fits = convert_value(vm->L, &o, resp, RESULT_MAX);

        if (!fits) {
            buf_clear(out);
            buf_printf(out, "!too long");
        }
    } else {
        lua_getfield(vm->L, -1, "err");
        buf_printf(out, "!%s", lua_tostring(vm->L, -1));
    }
    lua_settop(vm->L, 1);
    vm_tidy(vm);
}

static void check(struct vm *vm, const char *script, int resp, const char *want)
{
    struct buf out;

    buf_init(&out);
    run(vm, script, resp, &out);
    buf_append(&out, "", 1);
    print_message("%s\n", script);
    assert_string_equal(buf_head(&out), want);
    buf_release(&out);
}

/* Arguments for which functions of Lua's libraries overflow a number or the C stack: what they give
 * is Redis's, but for patterns, which end Redis's process. */
static void extreme_arguments_are_refused(void **state)
{
#define TOO_MANY "!ERR user_script:1: too many results to unpack"
#define TOO_COMPLEX "!ERR user_script:1: pattern too complex"
#define LONG "local s, p = ('a'):rep(3e5), ('a?'):rep(3e5) .. 'b' "
    static const struct {
        const char *script, *want;
    } cases[] = {
        {"return bit.tohex(255, -2147483648)", "$8\r\n000000FF\r\n"},
        {"return bit.tohex(255, 2147483648)", "$8\r\n000000FF\r\n"},
        {"return bit.tohex(-1, 3 * 2 ^ 31 + 3)", "$8\r\nFFFFFFFF\r\n"},
        {"return bit.tohex(255, -2) .. bit.tohex(255, 3) .. bit.tohex(255) .. bit.tohex(1, 0)",
         "$13\r\nFF0ff000000ff\r\n"},
        {"return bit.tohex(1, nil)",
         "!ERR user_script:1: bad argument #2 to 'tohex' (number expected, got nil)"},
        {"return bit.tohex()",
         "!ERR user_script:1: bad argument #1 to 'tohex' (number expected, got no value)"},
        {"return {unpack({'a', 'b'}, 0, 2147483647)}", TOO_MANY},
        {"return {unpack({}, -2147483648, 2147483647)}", TOO_MANY},
        {"return {unpack({'a'}, -1, 2147483646)}", TOO_MANY},
        {"return {unpack({}, 0, 2147483647)}", TOO_MANY},
        {"return {unpack({}, 1, 9000)}", TOO_MANY},
        {"return select('#', unpack({}, 2147483646, 2147483647))", ":2\r\n"},
        {"return select('#', unpack({}, -2147483648, -2147483647))", ":2\r\n"},
        {"return select('#', unpack({}, 2147483647, -2147483648))", ":0\r\n"},
        {"return {unpack({'a', 'b', 'c'}, 2)}", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"},
        {"return unpack('a')",
         "!ERR user_script:1: bad argument #1 to 'unpack' (table expected, got string)"},
        {LONG "return s:find(p)", TOO_COMPLEX},
        {LONG "return s:match(p)", TOO_COMPLEX},
        {LONG "return s:gsub(p, '')", TOO_COMPLEX},
        {LONG "return s:gmatch(p)()", TOO_COMPLEX},
        {LONG "return string.gfind(s, p)()", TOO_COMPLEX},
        {LONG "return s:find(p, 1, true)", "$-1\r\n"},
        {"return ('a'):find(('a*'):rep(5000))", ":1\r\n"},
        {"return ('a'):rep(1e4):find(('a-'):rep(4999) .. '$')", ":1\r\n"},
        {"return ('a'):rep(9e3):find(('a'):rep(9e3))", ":1\r\n"},
        {"return ('a'):match('a?\\0' .. ('?'):rep(6e3))", "$1\r\na\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(*state, cases[i].script, 2, cases[i].want);
    }
    check(
        *state,
        "local t = {'a', 'b'} table.insert(t, 1, 'c') table.insert(t, 'd') table.insert(t, 6, 'e') "
        "table.insert(t, -1, 'f') return t[-1] .. t[2] .. t[3] .. t[4] .. t[5] .. tostring(t[1])",
        2, "$8\r\nfcabdnil\r\n");
    check(*state, "table.insert({}, 1, 2, 3)", 2,
          "!ERR user_script:1: wrong number of arguments to 'insert'");
    assert_false(vm_compile(((struct vm *)*state)->L, "return", INT32_MAX, "@user_script"));
}

/* What one script could leave behind for the next, each of the ways to write past a guard. */
static void a_script_changes_nothing_for_the_next(void **state)
{
#define REFUSED "!ERR user_script:1: Attempt to modify a readonly table"
#define REFUSED_BY_C "!ERR Attempt to modify a readonly table"
    static const struct {
        const char *script, *want;
    } cases[] = {
        {"x = 1", REFUSED},
        {"function f() end", REFUSED},
        {"string.rep = nil", REFUSED},
        {"_G.x = 1", REFUSED},
        {"_G._G.string = 1", REFUSED},
        {"cjson.encode = 1", REFUSED},
        {"rawset(_G, 'x', 1)", REFUSED_BY_C},
        {"rawset(math, 'floor', 1)", REFUSED_BY_C},
        {"table.insert(table, 1)", REFUSED_BY_C},
        {"table.remove(string)", REFUSED_BY_C},
        {"table.sort(_G)", REFUSED_BY_C},
        {"setmetatable(_G, {})", REFUSED_BY_C},
        {"setmetatable(string, nil)", REFUSED_BY_C},
        {"return getmetatable(_G)", "$-1\r\n"},
        {"return getmetatable(string)", "$-1\r\n"},
        {"return getmetatable('')", "$-1\r\n"},
        {"local f, t = pairs(string) t.rep = 1", REFUSED},
        {"local k, v = next(_G) return type(k)", "$6\r\nstring\r\n"},
        {"local n = 0 for k in pairs(table) do n = n + 1 end return n > 5", ":1\r\n"},
        {"return rawget(string, 'rep') == string.rep", ":1\r\n"},
        {"return getfenv",
         "!ERR user_script:1: Script attempted to access nonexistent global variable "
         "'getfenv'"},
        {"return loadstring('y = 1')()",
         "!ERR [string \"y = 1\"]:1: Attempt to modify a readonly table"},
        {"local co = coroutine.wrap(function() z = 1 end) co()",
         "!ERR user_script:1: user_script:1: Attempt to modify a readonly table"},
        {"return loadstring('\\27Lua')", "$-1\r\n"},
        {"return load(function() return nil end) ~= nil", ":1\r\n"},
        {"local t = {'\\27', 'Lua'} return load(function() return table.remove(t, 1) end)",
         "$-1\r\n"},
        {"collectgarbage('stop')",
         "!ERR user_script:1: collectgarbage('stop') is not allowed in scripts"},
        {"return ('ab'):rep(2)", "$4\r\nabab\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(*state, cases[i].script, 2, cases[i].want);
    }
}

static void errors_of_any_kind_have_a_text(void **state)
{
    static const struct {
        const char *script, *want;
    } cases[] = {
        {"error('a')", "!ERR user_script:1: a"},
        {"error({err = 'CODE a'})", "!CODE a"},
        {"error({})", "!ERR unknown error"},
        {"error({err = {}})", "!ERR unknown error"},
        {"error(setmetatable({err = 'a'}, {__newindex = error, __index = error}))", "!a"},
        {"error()", "!ERR nil"},
        {"error(error)", "!ERR function"},
        {"error(1)", "!ERR user_script:1: 1"},
        {"local function f() return f() + 1 end f()", "!ERR user_script:1: stack overflow"},
        {"return string.rep('x', -1)", "$0\r\n\r\n"},
        {"x x", "!user_script:1: '=' expected near 'x'"},
        {"local t = {} return t.a.b",
         "!ERR user_script:1: attempt to index field 'a' (a nil value)"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out);
        run(*state, cases[i].script, 2, &out);
        assert_true(out.len >= strlen(cases[i].want));
        assert_memory_equal(buf_head(&out), cases[i].want, strlen(cases[i].want));
        buf_release(&out);
    }
}

static void results_become_replies(void **state)
{
    static const struct {
        const char *script, *resp2, *resp3;
    } cases[] = {
        {"return 1.9", ":1\r\n", ":1\r\n"},
        {"return -1e300", ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
        {"return 0/0", ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"},
        {"return nil", "$-1\r\n", "_\r\n"},
        {"return true", ":1\r\n", "#t\r\n"},
        {"return {1, 'a', nil, 2}", "*2\r\n:1\r\n$1\r\na\r\n", "*2\r\n:1\r\n$1\r\na\r\n"},
        {"return {ok = 'a\\r\\nb'}", "+a  b\r\n", "+a  b\r\n"},
        {"return {err = 'a\\nb'}", "-a b\r\n", "-a b\r\n"},
        {"return {double = 1.5}", "$3\r\n1.5\r\n", ",1.5\r\n"},
        {"return {map = {a = {}}}", "*2\r\n$1\r\na\r\n*0\r\n", "%1\r\n$1\r\na\r\n*0\r\n"},
        {"return {set = {a = true}}", "*1\r\n$1\r\na\r\n", "~1\r\n$1\r\na\r\n"},
        {"return {big_number = '1\\n2'}", "$3\r\n1 2\r\n", "(1 2\r\n"},
        {"return {verbatim_string = {format = 'txt', string = 'a'}}", "$1\r\na\r\n",
         "=5\r\ntxt:a\r\n"},
        {"return {verbatim_string = {format = 'much', string = 'a'}}", "$1\r\na\r\n",
         "=5\r\nmuc:a\r\n"},
        {"return {verbatim_string = {}}", "*0\r\n", "*0\r\n"},
        {"return setmetatable({}, {__index = function() error('asked') end})", "*0\r\n", "*0\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(*state, cases[i].script, 2, cases[i].resp2);
        check(*state, cases[i].script, 3, cases[i].resp3);
    }
}

/* A table that has itself in it does not go on for ever. */
static void a_circle_ends_in_an_error(void **state)
{
    struct buf out;

    buf_init(&out);
    run(*state, "local t = {} t[1] = t return t", 2, &out);
    assert_true(out.len < 10000);
    assert_non_null(memmem(buf_head(&out), out.len, "-ERR reached lua stack limit", 28));
    buf_release(&out);
}

/* A reply becomes a value and the value a reply: the same one, where RESP3 has it all. */
static void replies_survive_the_way_there_and_back(void **state)
{
    static const char *const replies[] = {
        ":5\r\n",
        "$3\r\na\r\n\r\n",
        "$0\r\n\r\n",
        "+OK\r\n",
        "-ERR no\r\n",
        "_\r\n",
        "#f\r\n",
        "#t\r\n",
        ",0.5\r\n",
        "(12345678901234567890\r\n",
        "=7\r\ntxt:abc\r\n",
        "*0\r\n",
        "*3\r\n:1\r\n*2\r\n$1\r\na\r\n+b\r\n:2\r\n",
        "%1\r\n$1\r\na\r\n*1\r\n:1\r\n",
        "~1\r\n$1\r\na\r\n",
    };
    struct vm *vm = *state;

    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        struct buf out;
        struct resp_out o = {.buf = &out, .version = 3};

        buf_init(&out);
        assert_ptr_equal(convert_reply(vm->L, replies[i]), replies[i] + strlen(replies[i]));
        assert_true(convert_value(vm->L, &o, 3, RESULT_MAX));
        assert_int_equal(out.len, strlen(replies[i]));
        assert_memory_equal(buf_head(&out), replies[i], out.len);
        assert_int_equal(lua_gettop(vm->L), 1);
        buf_release(&out);
    }
}

static bool stop(struct vm *vm)
{
    vm->end_error = "ERR ended";
    return false;
}

/* Whatever it catches. */
static void an_interrupted_script_ends(void **state)
{
    static const char *const scripts[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() pcall(f) end while true do f() end",
        "while true do xpcall(function() while true do end end, function() while true do end end) "
        "end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "pcall(function() while true do end end) return 1",
    };
    struct vm *vm = *state;

    vm->interrupt = stop;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        check(vm, scripts[i], 2, "!ERR ended");
    }
    vm->interrupt = NULL;
    check(vm, "return 1", 2, ":1\r\n");
}

/* ---- memory and time within C functions ---------------------------------------------------------
 */

#define MIB ((int64_t)1 << 20)
#define NO_MEMORY "not enough memory"

static int64_t memory_limit;

/* Whatever a script does when memory ends, the error is its own, and the next one finds all as it
 * was. */
static void memory_may_end_at_any_point(void **state)
{
    static const char *const scripts[] = {
        "local t = {} for i = 1, 2000 do t[i] = {i, tostring(i)} end return #t",
        "local s = '' for i = 1, 400 do s = s .. i .. ',' end return #s",
        "local t = {} for i = 1, 2000 do t[i] = i end return #cmsgpack.pack(t)",
        "return #cmsgpack.unpack(cmsgpack.pack({string.rep('x', 5000), {1, 2, {a = 1}}}))",
        "return #struct.pack('s', string.rep('x', 30000))",
        "return #cjson.encode({string.rep('\\n', 5000), {a = {1, 2, 3}}})",
        "return #cjson.decode('[' .. string.rep('[1,{\"a\":\"b\"}],', 300) .. '1]')",
        "return #string.gsub(string.rep('ab', 5000), 'b', 'ccc')",
        "return #table.concat({string.rep('x', 9000), string.rep('y', 9000)})",
        "local co = coroutine.wrap(function() coroutine.yield(string.rep('x', 20000)) end) "
        "return #co()",
        "return #loadstring('return ' .. string.rep('1+', 2000) .. '1')() > 0",
        "local t = {} for i = 1, 12000 do t[i] = -i end table.sort(t) return t[1]",
        "error(string.rep('x', 10000))",
        "error({err = string.rep('x', 10000)})",
        "local ok, e = pcall(string.rep, 'x', 100000) return ok",
    };
    struct vm *vm = *state;
    size_t refused = 0;

    vm->memory_limit = &memory_limit;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct buf want, got;

        buf_init(&want);
        buf_init(&got);
        memory_limit = 0;
        run(vm, scripts[i], 2, &want);
        for (memory_limit = 100; memory_limit < 2 * MIB; memory_limit += 1 + memory_limit / 16) {
            buf_clear(&got);
            run(vm, scripts[i], 2, &got);
            if (memmem(buf_head(&got), got.len, NO_MEMORY, strlen(NO_MEMORY)) != NULL) {
                refused++;
            } else if (i + 1 < ARRAY_LEN(scripts)) {
                assert_int_equal(got.len, want.len);
                assert_memory_equal(buf_head(&got), buf_head(&want), got.len);
            }
            assert_true(vm->bytes < 64 * (size_t)MIB);
        }
        buf_release(&want);
        buf_release(&got);
    }
    assert_true(refused > 100);
    memory_limit = 0;
    check(vm, "return #cjson.encode({1, 2, 3})", 2, ":7\r\n");
}

/* What would take more than any machine has is refused before it is begun. */
static void what_is_too_much_is_an_error_and_soon(void **state)
{
    static const char *const scripts[] = {
        "return string.rep('x', 2147483647)",
        "return #table.concat({string.rep('x', 2e7), string.rep('x', 2e7), string.rep('x', 2e7)})",
        "local s, t = string.rep('x', 1e6), {} for i = 1, 100000 do t[i] = s end "
        "return cjson.encode(t)",
        "local t = {} for i = 1, 500 do t = {t, t} end return cjson.encode(t)",
        "cjson.encode_sparse_array(false, 0) return cjson.encode({[2000000000] = 1})",
        "return cjson.new().encode({string.rep('\"', 3e7)})",
        "return cjson.decode('[' .. string.rep('[],', 1e6) .. '1]')",
        "local t = {} for i = 1, 1e8 do t[i] = i end",
        "local s, t = string.rep('x', 1e6), {} for i = 1, 1000 do t[i] = s end "
        "return cmsgpack.pack(t)",
        "local s = 'x' while true do s = s .. s end",
    };
    struct vm *vm = *state;

    memory_limit = 64 * MIB;
    vm->memory_limit = &memory_limit;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct buf out;

        buf_init(&out);
        print_message("%s\n", scripts[i]);
        run(vm, scripts[i], 2, &out);
        assert_non_null(memmem(buf_head(&out), out.len, NO_MEMORY, strlen(NO_MEMORY)));
        buf_release(&out);
    }
    check(vm, "local s, t = string.rep('x', 1e6), {} for i = 1, 1000 do t[i] = s end return t", 2,
          "!too long");
    check(vm, "cjson.encode_sparse_array(false, 2) return #string.rep('', 2147483647)", 2,
          ":0\r\n");
    assert_true(vm->bytes < 40 * (size_t)MIB);
}

/* A limit of live data, not of all that a script ever made. */
static void garbage_is_not_what_a_script_ends_for(void **state)
{
    static const char *const scripts[] = {
        "local s for i = 1, 100 do s = string.rep('x', 1e7) end return #s",
        "local s = string.rep('x', 1e7) for i = 1, 100 do local q = s .. i end return #s",
        "for i = 1, 3e6 do local t = {i} end return 1e7",
        "local s = string.rep('x', 1e6) for i = 1, 100 do cmsgpack.pack({s, s}) end return 1e7",
        "local s = string.rep('x', 1e6) for i = 1, 100 do cjson.encode({s, s}) end return 1e7",
    };
    struct vm *vm = *state;

    memory_limit = 64 * MIB;
    vm->memory_limit = &memory_limit;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        check(vm, scripts[i], 2, ":10000000\r\n");
    }
}

static unsigned interrupts;

static bool count_interrupts(struct vm *vm)
{
    (void)vm;
    interrupts++;
    return true;
}

/* C functions of a script look as well whether it may go on: each of these is a few instructions.
 */
static void c_functions_may_be_interrupted(void **state)
{
    static const char *const calls[] = {
        "cmsgpack.pack(t)",        "cmsgpack.unpack(packed)",  "cjson.encode(t)",
        "cjson.decode(json)",      "struct.size(format)",      "table.sort(t)",
        "struct.pack(format, '')", "table.insert(t, -5e5, 0)",
    };
    static const char prepare[] =
        "local t = {} for i = 1, 200000 do t[i] = i end local packed = cmsgpack.pack(t) "
        "local json = cjson.encode(t) local format = string.rep(' ', 200000) .. 's' ";
    struct vm *vm = *state;
    unsigned before;

    vm->interrupt = count_interrupts;
    interrupts = 0;
    check(vm, prepare, 2, "$-1\r\n");
    before = interrupts;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        char script[512];

        snprintf(script, sizeof script, "%s pcall(function() %s end)", prepare, calls[i]);
        interrupts = 0;
        check(vm, script, 2, "$-1\r\n");
        assert_true(interrupts >= before + 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_script_changes_nothing_for_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(extreme_arguments_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_of_any_kind_have_a_text, setup, teardown),
        cmocka_unit_test_setup_teardown(results_become_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(a_circle_ends_in_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_survive_the_way_there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(an_interrupted_script_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_may_end_at_any_point, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_much_is_an_error_and_soon, setup, teardown),
        cmocka_unit_test_setup_teardown(garbage_is_not_what_a_script_ends_for, setup, teardown),
        cmocka_unit_test_setup_teardown(c_functions_may_be_interrupted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
