/* Sends requests at a fixed rate and waits for nobody, each on a connection of its own.
 *
 * openloop PORT TEMPLATE VALUES once|cycle RATE SECONDS PATIENCE MOST tcp|tls|resumed
 *   PORT      on 127.0.0.1
 *   TEMPLATE  a file with one raw HTTP request that says "Connection: close"; the text "{value}"
 *             stands where a value goes
 *   VALUES    a file with one value a line, all of one length
 *   once      the load ends when the values have run out; "cycle" begins again with the first
 *   RATE      connections a second, begun when they are due whatever became of the others;
 *             0 for a closed loop, where MOST connections are always under way
 *   SECONDS   for how long connections are begun
 *   PATIENCE  seconds after which an answer is no longer waited for
 *   MOST      connections under way at once; what is due beyond that is not offered, and counted
 *   resumed   TLS too, but each connection goes on with the newest session that the server gave
 *
 * The connections come from 250 addresses of the loopback network in turns, for one address has
 * not enough ports for them, and a server may bound what it takes from one. TLS is agreed on anew
 * each time unless it is resumed, and certificates are not checked. Times are counted from the moment when a connection
 * is begun to the last byte of its answer. "useful" are the good answers that came within 3 s of
 * that and before the load ended: what is worked off afterwards helps nobody in an overload that
 * lasts. The last line printed is one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { ADDRESSES = 250, HEAD = 2048, TURN = 32, EVENTS = 256, LARGEST = 65536 };

typedef struct connection {
    int fd;
    int has_begun; /* the connection is made, and TLS agreed on */
    SSL *tls;
    double began, heard;
    size_t value, sent, received, head_length;
    char head[HEAD];
    struct connection *older, *younger; /* in the order in which they were begun */
} connection;

typedef struct {
    uint32_t *microseconds;
    size_t count, room;
} times;

static int port, epoll, is_tls, is_resumed;
static char *before, *after;
static size_t before_length, after_length, value_length;
static char *values;
static size_t value_count;
static SSL_CTX *context;
static SSL_SESSION *newest;

static connection *oldest, *youngest, *spare;
static size_t under_way;
static times good, refused, closed;
static size_t offered, not_offered, odd, unanswered, late;
static size_t useful, resumed;
static double late_after = 3.0, end_of_load;

static void fail(const char *what) {
    fprintf(stderr, "openloop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail(path);
    *length = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*length + 1);
    if (!text || fread(text, 1, *length, file) != *length) fail(path);
    text[*length] = 0;
    fclose(file);
    return text;
}

static void read_template(const char *path) {
    size_t length;
    char *text = read_file(path, &length);
    char *mark = strstr(text, "{value}");
    if (!mark) fail("the template has no {value}");
    before = text;
    before_length = (size_t)(mark - text);
    after = mark + strlen("{value}");
    after_length = length - before_length - strlen("{value}");
}

static void read_values(const char *path) {
    size_t length;
    values = read_file(path, &length);
    value_length = strcspn(values, "\n");
    value_count = length / (value_length + 1);
    if (!value_count || before_length + value_length + after_length > LARGEST) fail("values");
}

static size_t request_of(size_t value, char *text) {
    memcpy(text, before, before_length);
    memcpy(text + before_length, values + value * (value_length + 1), value_length);
    memcpy(text + before_length + value_length, after, after_length);
    return before_length + value_length + after_length;
}

static void note(times *all, double seconds) {
    if (all->count == all->room) {
        all->room = all->room ? 2 * all->room : 65536;
        all->microseconds = realloc(all->microseconds, all->room * sizeof *all->microseconds);
        if (!all->microseconds) fail("memory");
    }
    all->microseconds[all->count++] = (uint32_t)(seconds * 1e6);
    late += seconds > late_after;
}

/* A session that the server has given. It could no longer be resumed by anybody once a connection
 * that has it was closed without a farewell, so this is a copy, and each connection gets its own. */
static int keep(SSL *tls, SSL_SESSION *session) {
    (void)tls;
    SSL_SESSION_free(newest);
    newest = SSL_SESSION_dup(session);
    return 0;
}

/* An end of a connection, whatever it was. */
static void leave(connection *one) {
    if (one->tls) {
        SSL_set_quiet_shutdown(one->tls, 1);
        SSL_shutdown(one->tls); /* sends nothing; without it the session could not be resumed */
        SSL_free(one->tls);
    }
    close(one->fd);
    if (one->older) one->older->younger = one->younger; else oldest = one->younger;
    if (one->younger) one->younger->older = one->older; else youngest = one->older;
    one->younger = spare;
    spare = one;
    under_way--;
}

/* Whether the whole answer is there. */
static int is_whole(const connection *one) {
    const char *end = memmem(one->head, one->head_length, "\r\n\r\n", 4);
    if (!end) return 0;
    const char *length = strcasestr(one->head, "\r\ncontent-length:");
    if (!length || length > end) return 0;
    size_t wanted = (size_t)(end + 4 - one->head) + strtoul(length + 17, NULL, 10);
    return one->received >= wanted;
}

static void judge(const connection *one) {
    if (!is_whole(one) || strncmp(one->head, "HTTP/1.1 ", 9)) {
        note(&closed, now() - one->began);
        return;
    }
    int status = atoi(one->head + 9);
    if (status >= 200 && status < 400) {
        note(&good, one->heard - one->began);
        useful += one->heard - one->began <= late_after && one->heard <= end_of_load;
    }
    else if (status == 503) note(&refused, one->heard - one->began);
    else odd++;
}

/* What a call of OpenSSL or of the system means: 1 to go on later, 0 at an end. */
static int is_later(const connection *one, int result) {
    if (!one->tls) return errno == EAGAIN || errno == EINPROGRESS;
    int error = SSL_get_error(one->tls, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void hear(connection *one) {
    static char text[16384];
    for (;;) {
        int count = one->tls ? SSL_read(one->tls, text, sizeof text)
                             : (int)recv(one->fd, text, sizeof text, 0);
        if (count > 0) {
            size_t room = HEAD - 1 - one->head_length;
            size_t kept = (size_t)count < room ? (size_t)count : room;
            memcpy(one->head + one->head_length, text, kept);
            one->head_length += kept;
            one->head[one->head_length] = 0;
            one->received += (size_t)count;
            one->heard = now();
            if (!is_whole(one)) continue;
        } else if (count < 0 && is_later(one, count)) {
            return;
        }
        judge(one);
        leave(one);
        return;
    }
}

/* The next step of a connection on which something has happened. */
static void go_on(connection *one) {
    static char text[LARGEST];
    ERR_clear_error(); /* what went wrong with another connection must not be read as this one's */
    if (!one->has_begun) {
        if (one->tls) {
            int result = SSL_connect(one->tls);
            if (result != 1) {
                if (!is_later(one, result)) judge(one), leave(one);
                return;
            }
            resumed += (size_t)SSL_session_reused(one->tls);
        }
        one->has_begun = 1;
    }
    size_t length = request_of(one->value, text);
    while (one->sent < length) {
        size_t rest = length - one->sent;
        int count = one->tls ? SSL_write(one->tls, text + one->sent, (int)rest)
                             : (int)send(one->fd, text + one->sent, rest, MSG_NOSIGNAL);
        if (count <= 0) {
            if (is_later(one, count)) return;
            break; /* an answer that came before the end of the request may still be read */
        }
        one->sent += (size_t)count;
    }
    hear(one);
}

/* Begin a connection; 0 where this machine has no more of them. */
static int begin(size_t number) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return 0;
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)(number % ADDRESSES));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)port);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) ||
        (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
        close(fd);
        return 0;
    }
    connection *one = spare;
    if (one) spare = one->younger;
    else if (!(one = malloc(sizeof *one))) fail("memory");
    memset(one, 0, offsetof(connection, head));
    one->head[0] = 0;
    one->fd = fd;
    one->value = number % value_count;
    one->began = now();
    if (is_tls) {
        one->tls = SSL_new(context);
        if (!one->tls || !SSL_set_fd(one->tls, fd)) fail("TLS");
        SSL_set_connect_state(one->tls);
        SSL_SESSION *own = newest ? SSL_SESSION_dup(newest) : NULL;
        if (own) SSL_set_session(one->tls, own);
        SSL_SESSION_free(own);
    }
    one->older = youngest;
    one->younger = NULL;
    if (youngest) youngest->younger = one; else oldest = one;
    youngest = one;
    under_way++;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = one};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll");
    return 1;
}

static int in_order(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

/* Milliseconds that this share of the answers took at most. */
static double quantile(const times *all, double share) {
    if (!all->count) return 0;
    size_t place = (size_t)(share * (double)all->count);
    return all->microseconds[place < all->count ? place : all->count - 1] / 1000.0;
}

static void report(double seconds) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double busy = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                  (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    qsort(good.microseconds, good.count, sizeof(uint32_t), in_order);
    qsort(refused.microseconds, refused.count, sizeof(uint32_t), in_order);
    qsort(closed.microseconds, closed.count, sizeof(uint32_t), in_order);
    printf("{\"seconds\": %.3f, \"offered\": %zu, \"not_offered\": %zu, \"good\": %zu, \"useful\": %zu, "
           "\"good_p50_ms\": %.3f, \"good_p99_ms\": %.3f, \"good_max_ms\": %.3f, "
           "\"refused\": %zu, \"refused_p50_ms\": %.3f, \"refused_p99_ms\": %.3f, "
           "\"refused_max_ms\": %.3f, \"closed\": %zu, \"closed_p50_ms\": %.3f, "
           "\"closed_p99_ms\": %.3f, \"closed_max_ms\": %.3f, \"odd\": %zu, \"unanswered\": %zu, "
           "\"late\": %zu, \"resumed\": %zu, \"generator_seconds\": %.2f}\n",
           seconds, offered, not_offered, good.count, useful, quantile(&good, 0.5), quantile(&good, 0.99),
           quantile(&good, 1), refused.count, quantile(&refused, 0.5), quantile(&refused, 0.99),
           quantile(&refused, 1), closed.count, quantile(&closed, 0.5), quantile(&closed, 0.99),
           quantile(&closed, 1), odd, unanswered, late, resumed, busy);
}

int main(int count, char **words) {
    if (count != 10) {
        fprintf(stderr, "openloop PORT TEMPLATE VALUES once|cycle RATE SECONDS PATIENCE MOST "
                        "tcp|tls|resumed\n");
        return 2;
    }
    port = atoi(words[1]);
    read_template(words[2]);
    read_values(words[3]);
    int again = !strcmp(words[4], "cycle");
    double rate = atof(words[5]), seconds = atof(words[6]), patience = atof(words[7]);
    size_t most = strtoul(words[8], NULL, 10);
    is_resumed = !strcmp(words[9], "resumed");
    is_tls = is_resumed || !strcmp(words[9], "tls");
    signal(SIGPIPE, SIG_IGN);
    if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) fail("epoll");
    if (is_tls) {
        if (!(context = SSL_CTX_new(TLS_client_method()))) fail("TLS");
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_session_cache_mode(
            context, is_resumed ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                : SSL_SESS_CACHE_OFF);
        SSL_CTX_sess_set_new_cb(context, keep);
        /* What most callers use; the key exchange of tomorrow would cost this core twice as much. */
        if (!SSL_CTX_set1_groups_list(context, "X25519:P-256")) fail("TLS");
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    }
    double start = now(), stopped = 0;
    end_of_load = start + seconds;
    size_t due = 0;
    struct epoll_event events[EVENTS];
    while (!stopped || under_way) {
        double time = now();
        if (!stopped && (time - start >= seconds || (!again && due >= value_count)))
            stopped = time;
        if (!stopped) {
            size_t wanted = rate > 0 ? (size_t)((time - start) * rate) : due + most - under_way;
            /* A few at a time: what comes back must not wait for what goes out. */
            for (int turn = 0; due < wanted && turn < TURN; turn++, due++) {
                if (!again && due >= value_count) break;
                if (under_way < most && begin(due)) offered++;
                else not_offered++;
            }
        }
        int happened = epoll_wait(epoll, events, EVENTS, stopped ? 10 : 0);
        for (int i = 0; i < happened; i++) go_on(events[i].data.ptr);
        time = now();
        while (oldest && time - oldest->began > patience) {
            unanswered++;
            leave(oldest);
        }
    }
    report(stopped - start);
    return 0;
}
