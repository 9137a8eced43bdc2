/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tests/base/test_net.c - base/net.c on loopback, ports chosen by the kernel. */
#include "tests/test.h"

#include "base/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static void addresses_are_parsed_strictly(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port; /* 0: refused */
    } cases[] = {
        {"127.0.0.1:7001", "127.0.0.1", 7001},
        {"node-1.example.org:1", "node-1.example.org", 1},
        {"[::1]:65535", "::1", 65535},
        {"::1:7001", NULL, 0},
        {"127.0.0.1", NULL, 0},
        {"127.0.0.1:", NULL, 0},
        {":7001", NULL, 0},
        {"[]:7001", NULL, 0},
        {"[::1]7001", NULL, 0},
        {"[::1:7001", NULL, 0},
        {"::1]:7001", NULL, 0},
        {"a:0", NULL, 0},
        {"a:65536", NULL, 0},
        {"a:+1", NULL, 0},
        {"a:01", NULL, 0},
        {"a:1 ", NULL, 0},
        {"a b:1", NULL, 0},
        {"a\n:1", NULL, 0},
        {"", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net_addr a;
        int rc = net_addr_parse(cases[i].text, strlen(cases[i].text), &a);

        print_message("case: '%s'\n", cases[i].text);
        if (cases[i].port == 0) {
            assert_int_equal(rc, -1);
            assert_int_equal(errno, EINVAL);
        } else {
            assert_int_equal(rc, 0);
            assert_string_equal(a.host, cases[i].host);
            assert_int_equal(a.port, cases[i].port);
        }
    }
}

/* A host that fills the field fits, one byte more does not. */
static void host_length_is_bounded(void **state)
{
    char text[NET_HOST_MAX + 10];
    struct net_addr a;

    (void)state;
    memset(text, 'h', sizeof text);
    memcpy(text + NET_HOST_MAX - 1, ":1", 2);
    assert_int_equal(net_addr_parse(text, NET_HOST_MAX + 1, &a), 0);
    assert_int_equal(strlen(a.host), NET_HOST_MAX - 1);
    memset(text, 'h', sizeof text);
    memcpy(text + NET_HOST_MAX, ":1", 2);
    assert_int_equal(net_addr_parse(text, NET_HOST_MAX + 2, &a), -1);
}

static bool wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, 10000) == 1;
}

/* Listen, connect, accept; both ends agree on the names, and every descriptor is non-blocking and
 * closed on exec. */
static void connection_is_made_without_blocking(void **state)
{
    struct net_addr to = {.host = "127.0.0.1"};
    char ip[NET_HOST_MAX];
    uint16_t port, client_port;
    int listener, client, server;
    size_t n;

    (void)state;
    assert_int_equal(net_listen("127.0.0.1", 0, 10, &listener, 1, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(net_accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(net_local_name(listener, ip, &to.port), 0);
    assert_string_equal(ip, "127.0.0.1");

    assert_int_equal(net_connect_start(&to, &client), 0);
    assert_true(wait_for(client, POLLOUT));
    assert_int_equal(net_connect_result(client), 0);
    assert_true(wait_for(listener, POLLIN));
    server = net_accept(listener, ip, &port);
    assert_true(server >= 0);
    assert_string_equal(ip, "127.0.0.1");
    assert_int_equal(net_local_name(client, NULL, &client_port), 0);
    assert_int_equal(port, client_port);
    assert_int_equal(net_peer_name(client, ip, &port), 0);
    assert_string_equal(ip, "127.0.0.1");
    assert_int_equal(port, to.port);

    for (size_t i = 0; i < 3; i++) {
        int fd = (int[]){listener, client, server}[i];

        assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    close(server);
    close(client);
    close(listener);
}

static int get_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof value;

    assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

static void socket_options_are_set(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(net_set_nodelay(fd), 0);
    assert_true(get_option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_int_equal(net_set_keepalive(fd, 300), 0);
    assert_true(get_option(fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 300);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 100);
    assert_int_equal(net_set_keepalive(fd, 1), 0);
    assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 1);
    assert_int_equal(net_set_keepalive(fd, 0), 0);
    assert_int_equal(get_option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(net_set_nodelay(-1), -1);
    assert_int_equal(errno, EBADF);
    close(fd);
}

/* Nobody listens: the error comes at once or with the result, and is the kernel's. */
static void refused_connection_says_so(void **state)
{
    struct net_addr to = {.host = "127.0.0.1"};
    int listener, fd;
    size_t n;

    (void)state;
    assert_int_equal(net_listen("127.0.0.1", 0, 1, &listener, 1, &n), 0);
    assert_int_equal(net_local_name(listener, NULL, &to.port), 0);
    close(listener);
    if (net_connect_start(&to, &fd) == 0) {
        assert_true(wait_for(fd, POLLOUT));
        assert_int_equal(net_connect_result(fd), -1);
        close(fd);
    }
    assert_int_equal(errno, ECONNREFUSED);
}

/* A socket that was never connected has no result to be glad about. */
static void result_before_connecting_is_an_error(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(net_connect_result(fd), -1);
    assert_int_equal(errno, ENOTCONN);
    close(fd);
}

/* 192.0.2.0/24 is for documentation (RFC 5737): no machine has it. A '-' in front forgives that;
 * an address in use is never forgiven. */
static void only_a_dash_forgives_a_missing_address(void **state)
{
    int fd, second;
    uint16_t port;
    size_t n;

    (void)state;
    assert_int_equal(net_listen("192.0.2.1", 0, 1, &fd, 1, &n), -1);
    assert_int_equal(errno, EADDRNOTAVAIL);
    assert_int_equal(net_listen("-192.0.2.1", 0, 1, &fd, 1, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(net_listen("no such name", 0, 1, &fd, 1, &n), -1);
    assert_int_equal(net_listen("127.0.0.1", 0, 1, &fd, 1, &n), 0);
    assert_int_equal(net_local_name(fd, NULL, &port), 0);
    assert_int_equal(net_listen("-127.0.0.1", port, 1, &second, 1, &n), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(n, 0);
    close(fd);
}

/* "*" and "-::*" on one port live side by side, since IPv6 sockets take no IPv4. */
static void star_listens_on_all_addresses(void **state)
{
    uint16_t port;
    char ip[NET_HOST_MAX];
    int fd, fd6;
    size_t n, n6;

    (void)state;
    assert_int_equal(net_listen("*", 0, 1, &fd, 1, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(net_local_name(fd, ip, &port), 0);
    assert_string_equal(ip, "0.0.0.0");
    assert_int_equal(net_listen("-::*", port, 1, &fd6, 1, &n6), 0);
    if (n6 == 1) {
        close(fd6);
    } else {
        print_message("no IPv6 here\n");
    }
    close(fd);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(addresses_are_parsed_strictly),
    cmocka_unit_test(host_length_is_bounded),
    cmocka_unit_test(connection_is_made_without_blocking),
    cmocka_unit_test(socket_options_are_set),
    cmocka_unit_test(refused_connection_says_so),
    cmocka_unit_test(result_before_connecting_is_an_error),
    cmocka_unit_test(only_a_dash_forgives_a_missing_address),
    cmocka_unit_test(star_listens_on_all_addresses),
};

TEST_MAIN(tests)
