/* A store that costs next to nothing, so that it is never what a measurement waits for: `store PORT`.

   A key ends in `SIZE-ANYTHING`: a GET answers with that many bytes of noise, sent from the page cache; a Range (one,
   from-to) is answered with 206. A PUT is counted and thrown away in the kernel, without a copy. A copy, a listing of a
   hundred keys of 64 KiB, and the calls of a multipart upload get the documents that S3 clients expect. One thread, one
   epoll, connections kept. It verifies nothing. It is no part of the product, and reads only what the bench sends. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOISE = 1 << 20, HEAD = 16384, FILES = 16384, DOCUMENT = 1 << 16 };

#define FIELDS \
    "Server: store\r\nDate: Sun, 22 Nov 2026 02:06:37 GMT\r\nx-amz-request-id: 18EA3BD755A5FC3F%08X\r\n" \
    "Last-Modified: Sun, 22 Nov 2026 02:06:37 GMT\r\nETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n" \
    "Accept-Ranges: bytes\r\n"

struct connection {
    char head[HEAD];
    size_t held;
    long long body;  /* of the request: still to come */
    long long rest;  /* of the answer: still to go, noise */
    int answered;    /* whether the request in work has had its answer's head */
    char reply[512 + DOCUMENT];
    size_t reply_length, reply_sent;
};

static struct connection *connections[FILES];
static int queue, noise;
static unsigned number;  /* of the answer, as stores have it */
static char listing[DOCUMENT];

static void watch(int fd, int operation, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(queue, operation, fd, &event);
}

static void forget(int fd) {
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static const char *field(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':')
            for (const char *value = line + 3 + length;; value++)
                if (*value != ' ') return value;
    return NULL;
}

/* The size that the target's last name begins with. */
static long long size_of(const char *target, const char *end) {
    const char *name = target;
    for (const char *at = target; at < end && *at != '?' && *at != ' '; at++)
        if (*at == '/') name = at + 1;
    return atoll(name);
}

static void document(struct connection *c, const char *fields, const char *text) {
    c->reply_length = (size_t)snprintf(
        c->reply, sizeof c->reply, "HTTP/1.1 200 OK\r\n" FIELDS "%sContent-Length: %zu\r\n\r\n%s", ++number, fields,
        strlen(text), text);
}

static const char XML[] = "Content-Type: application/xml\r\n";

static void answer(struct connection *c) {
    char *line_end = strstr(c->head, "\r\n");
    const char *target = strchr(c->head, ' ') + 1, *query = memchr(target, '?', (size_t)(line_end - target));
    char first = c->head[0];
    if (first == 'P' && c->head[1] == 'O' && query && strstr(query, "uploadId=") && strstr(query, "uploadId=") < line_end) {
        document(c, XML, "<CompleteMultipartUploadResult><ETag>\"5d41402abc4b2a76b9719d911017c592-2\"</ETag></CompleteMultipartUploadResult>");
    } else if (first == 'P' && c->head[1] == 'O') {
        document(c, XML, "<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>");
    } else if (first == 'P' && field(c->head, "x-amz-copy-source")) {
        document(c, XML, "<CopyObjectResult><LastModified>2026-11-22T02:06:37.000Z</LastModified><ETag>\"5d41402abc4b2a76b9719d911017c592\"</ETag></CopyObjectResult>");
    } else if (first == 'P' || first == 'D') {
        document(c, "", "");
    } else if (query && strstr(query, "list-type=2") && strstr(query, "list-type=2") < line_end) {
        document(c, XML, listing);
    } else {
        long long size = size_of(target, line_end), from = 0, to = size - 1;
        const char *range = field(c->head, "range");
        if (range) sscanf(range, "bytes=%lld-%lld", &from, &to);
        char part[80] = "";
        if (range) snprintf(part, sizeof part, "Content-Range: bytes %lld-%lld/%lld\r\n", from, to, size);
        c->reply_length = (size_t)snprintf(c->reply, sizeof c->reply,
            "HTTP/1.1 %s\r\n" FIELDS "Content-Type: application/octet-stream\r\n%sContent-Length: %lld\r\n\r\n",
            range ? "206 Partial Content" : "200 OK", ++number, part, to - from + 1);
        c->rest = first == 'H' ? 0 : to - from + 1;
    }
    c->reply_sent = 0;
    c->answered = 1;
}

/* Returns 0 when everything has been sent, 1 when the socket is full, -1 when the peer has gone. */
static int send_on(int fd, struct connection *c) {
    while (c->reply_sent < c->reply_length) {
        ssize_t sent = send(fd, c->reply + c->reply_sent, c->reply_length - c->reply_sent, c->rest ? MSG_MORE : 0);
        if (sent < 0) return errno == EAGAIN ? 1 : -1;
        c->reply_sent += (size_t)sent;
    }
    while (c->rest) {
        off_t offset = 0;
        ssize_t sent = sendfile(fd, noise, &offset, c->rest < NOISE ? (size_t)c->rest : NOISE);
        if (sent < 0) return errno == EAGAIN ? 1 : -1;
        c->rest -= sent;
    }
    return 0;
}

static int read_head(int fd, struct connection *c) {
    ssize_t got = recv(fd, c->head + c->held, HEAD - 1 - c->held, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 1 : -1;
    c->held += (size_t)got;
    c->head[c->held] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return c->held < HEAD - 1 ? 1 : -1;
    size_t after = c->held - (size_t)(end + 4 - c->head);
    const char *length = field(c->head, "content-length");
    c->body = (length ? atoll(length) : 0) - (long long)after;
    if (c->body > 0 && !after && field(c->head, "expect")) send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0);
    end[4] = 0;
    answer(c);
    return 0;
}

static void serve(int fd, struct connection *c) {
    int state = 0;
    while (!state) {
        if (!c->answered && (state = read_head(fd, c))) break;
        while (c->body > 0) {
            ssize_t got = recv(fd, NULL, c->body < NOISE * 4 ? (size_t)c->body : NOISE * 4, MSG_TRUNC);
            if (got <= 0) {
                if (got < 0 && errno == EAGAIN) return;
                forget(fd);
                return;
            }
            c->body -= got;
        }
        state = send_on(fd, c);
        if (state == 1) {
            watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
            return;
        }
        if (!state) {
            c->answered = 0;
            c->held = 0;
        }
    }
    if (state < 0) forget(fd);
}

static void accept_all(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (fd >= FILES || !(connections[fd] = calloc(1, sizeof(struct connection)))) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void prepare(void) {
    char *filler = malloc(NOISE);
    noise = memfd_create("noise", 0);
    for (size_t at = 0; at < NOISE; at += 256)
        if (getrandom(filler + at, 256, 0) != 256) exit(1);
    if (write(noise, filler, NOISE) != NOISE) exit(1);
    free(filler);
    char *at = listing;
    at += sprintf(at, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><IsTruncated>false</IsTruncated>");
    for (int number = 0; number < 100; number++)
        at += sprintf(at, "<Contents><Key>inside/folder/65536-%03d</Key><LastModified>2026-11-22T02:06:37.000Z</LastModified>"
            "<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>65536</Size></Contents>", number);
    sprintf(at, "</ListBucketResult>");
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct rlimit files = {FILES, FILES};
    setrlimit(RLIMIT_NOFILE, &files);
    prepare();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[1]))};
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&place, sizeof place) || listen(listener, 4096)) return 1;
    queue = epoll_create1(0);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    struct epoll_event ready[256];
    for (;;) {
        int found = epoll_wait(queue, ready, 256, -1);
        for (int number = 0; number < found; number++) {
            int fd = ready[number].data.fd;
            if (fd == listener) {
                accept_all(listener);
            } else if (connections[fd]) {
                if (ready[number].events & EPOLLOUT) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
                serve(fd, connections[fd]);
            }
        }
    }
}
