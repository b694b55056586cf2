/* The least that can stand between a client and a store: `relay PORT UPSTREAM` passes bytes on, both ways, and reads
   nothing of them. What it adds to a request is what any program adds that stands there: two wake-ups, and two reads
   and writes. One thread, one epoll, one connection to the store for each of a client. It is no part of the product,
   and made for small requests: it waits where a socket is full. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILES = 4096, PIECE = 1 << 18 };

static int other[FILES]; /* the socket that what comes from this one goes to; -1 when that has gone */
static char piece[PIECE];
static int queue;

static struct sockaddr_in place(const char *port) {
    struct sockaddr_in found = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    found.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return found;
}

static void watch(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
}

static void join(int client, struct sockaddr_in *upstream) {
    int store = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (store < 0 || client >= FILES || store >= FILES || connect(store, (void *)upstream, sizeof *upstream)) exit(1);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(store, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    other[client] = store;
    other[store] = client;
    watch(client);
    watch(store);
}

static void pass(int fd) {
    ssize_t got = recv(fd, piece, PIECE, 0), sent = 0;
    while (got > 0 && sent < got) {
        ssize_t now = send(other[fd], piece + sent, (size_t)(got - sent), 0);
        if (now <= 0) break;
        sent += now;
    }
    if (got > 0 && sent == got) return;
    if (other[fd] >= 0) {
        shutdown(other[fd], SHUT_RDWR); /* closed when its own end comes */
        other[other[fd]] = -1;
    }
    close(fd);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in here = place(arguments[1]), upstream = place(arguments[2]);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 64)) return 1;
    queue = epoll_create1(0);
    watch(listener);
    struct epoll_event ready[64];
    for (;;) {
        int found = epoll_wait(queue, ready, 64, -1);
        for (int number = 0; number < found; number++) {
            int fd = ready[number].data.fd;
            if (fd == listener) join(accept(listener, NULL, NULL), &upstream);
            else pass(fd);
        }
    }
}
