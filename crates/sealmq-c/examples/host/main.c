/* sealmq over libmosquitto: join by a token, publish, subscribe.
 *
 *   example join STORE HOST PORT TOKEN-FILE NAME
 *   example pub  STORE HOST PORT TOPIC        each line of the standard input is a message
 *   example sub  STORE HOST PORT FILTER [N]   prints messages, N of them or until it is interrupted
 *
 * Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 refused by the authority. */
#define _DEFAULT_SOURCE
#include <mosquitto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

/* One program, one connection, and one of the two machines. */
typedef struct {
    sealmq_client *client;
    sealmq_joining *joining;
    struct mosquitto *mosquitto;
    const char *host;
    int port;
    int lost;           /* the connection has ended: what libmosquitto says */
    bool connected;
    uint64_t again_at;  /* when to connect again, in ms of now_ms() */
    bool closed, joined, refused;
    long wanted;        /* messages until it ends; -1: all */
} program;

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    (void)number;
    interrupted = 1;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A call that has to work: what does not is a bug of this program, or a store that failed. */
static void must(sealmq_status status, const char *call) {
    if (status == SEALMQ_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", call, sealmq_strerror(status), sealmq_last_error());
    exit(1);
}
#define MUST(call) must((call), #call)

/* ---- libmosquitto's callbacks: what the broker did goes into the machine ---- */

static void on_connect(struct mosquitto *mosquitto, void *context, int code) {
    program *p = context;
    (void)mosquitto;
    if (code) {
        p->lost = MOSQ_ERR_CONN_REFUSED;
        return;
    }
    p->connected = true;
    /* libmosquitto chooses identifiers by itself, so nothing can be resumed: `false`. */
    if (p->client)
        MUST(sealmq_client_connack(p->client, false, NULL));
    else
        MUST(sealmq_joining_connack(p->joining));
}

static void on_publish(struct mosquitto *mosquitto, void *context, int mid) {
    program *p = context;
    (void)mosquitto;
    if (p->client)
        MUST(sealmq_client_puback(p->client, (uint16_t)mid, 0));
}

static void on_subscribe(struct mosquitto *mosquitto, void *context, int mid, int count, const int *granted) {
    program *p = context;
    uint8_t codes[64];
    (void)mosquitto;
    for (int i = 0; i < count && i < 64; i++)
        codes[i] = (uint8_t)granted[i];
    if (p->client)
        MUST(sealmq_client_suback(p->client, (uint16_t)mid, codes, (size_t)count));
    else if (sealmq_joining_suback(p->joining, codes, (size_t)count) != SEALMQ_OK)
        p->refused = true;
}

static void on_unsubscribe(struct mosquitto *mosquitto, void *context, int mid) {
    program *p = context;
    (void)mosquitto;
    if (p->client)
        MUST(sealmq_client_unsuback(p->client, (uint16_t)mid));
}

static void on_message(struct mosquitto *mosquitto, void *context, const struct mosquitto_message *m) {
    program *p = context;
    (void)mosquitto;
    if (p->client)
        MUST(sealmq_client_received(p->client, m->topic, m->payload, (size_t)m->payloadlen, m->retain,
                                    (uint8_t)m->qos, (uint16_t)m->mid));
    else if (sealmq_joining_received(p->joining, m->topic, m->payload, (size_t)m->payloadlen) != SEALMQ_OK)
        p->refused = true;
}

/* ---- what the machine wants done goes to libmosquitto ---- */

/* A connection of its own each time: libmosquitto would send again by itself what the client sends
 * again. */
static void open_connection(program *p, const sealmq_output *will) {
    p->connected = false;
    p->lost = 0;
    p->mosquitto = mosquitto_new(NULL, true, p);
    if (!p->mosquitto)
        abort();
    mosquitto_connect_callback_set(p->mosquitto, on_connect);
    mosquitto_publish_callback_set(p->mosquitto, on_publish);
    mosquitto_subscribe_callback_set(p->mosquitto, on_subscribe);
    mosquitto_unsubscribe_callback_set(p->mosquitto, on_unsubscribe);
    mosquitto_message_callback_set(p->mosquitto, on_message);
    if (will && will->topic)
        p->lost = mosquitto_will_set(p->mosquitto, will->topic, (int)will->payload_len, will->payload, will->qos,
                                     will->retain);
    if (!p->lost)
        p->lost = mosquitto_connect(p->mosquitto, p->host, p->port, 30);
}

static void close_connection(program *p) {
    mosquitto_destroy(p->mosquitto);
    p->mosquitto = NULL;
    p->connected = false;
}

/* 0: it is on its way, with this identifier. */
static int subscribe(program *p, const sealmq_output *output, int *mid) {
    char *filters[64];
    size_t count = output->filters_len < 64 ? output->filters_len : 64;
    int qos = 0;
    for (size_t i = 0; i < count; i++) {
        filters[i] = (char *)output->filters[i].filter;
        qos = output->filters[i].qos > qos ? output->filters[i].qos : qos;
    }
    return mosquitto_subscribe_multiple(p->mosquitto, mid, (int)count, filters, qos, 0, NULL);
}

static void carry_out(program *p, const sealmq_output *output) {
    int failed = 0, mid = 0;
    const sealmq_message *m = output->message;
    switch (output->kind) {
    case SEALMQ_CONNECT:
        open_connection(p, output);
        return;
    case SEALMQ_PUBLISH:
        failed = mosquitto_publish(p->mosquitto, &mid, output->topic, (int)output->payload_len, output->payload,
                                   output->qos, output->retain);
        break;
    case SEALMQ_SUBSCRIBE:
        failed = subscribe(p, output, &mid);
        break;
    case SEALMQ_UNSUBSCRIBE:
        failed = mosquitto_unsubscribe(p->mosquitto, &mid, output->topic);
        break;
    case SEALMQ_DISCONNECT:
        failed = mosquitto_disconnect(p->mosquitto);
        break;
    case SEALMQ_HANG_UP:
        p->lost = MOSQ_ERR_CONN_LOST;
        return;
    case SEALMQ_MESSAGE:
        printf("%s %s%s: %.*s\n", m->topic, m->sender_name, m->retained ? " (retained)" : "", (int)m->payload_len,
               (const char *)m->payload);
        fflush(stdout);
        if (p->wanted > 0 && --p->wanted == 0)
            MUST(sealmq_client_close(p->client));
        return;
    case SEALMQ_REFUSED:
    case SEALMQ_GIVEN_UP:
    case SEALMQ_REJECTED:
    case SEALMQ_NOTICE:
        fprintf(stderr, "%s%s%s\n", output->topic ? output->topic : "", output->topic ? ": " : "", output->text);
        return;
    case SEALMQ_SUBSCRIBED:
        fprintf(stderr, "subscribed %s\n", output->topic);
        return;
    case SEALMQ_SUBSCRIBE_REFUSED:
        fprintf(stderr, "%s: the broker refuses the subscription\n", output->topic);
        return;
    case SEALMQ_ACCEPTED:
        fprintf(stderr, "accepted %llu\n", (unsigned long long)output->id);
        return;
    case SEALMQ_DONE:
        fprintf(stderr, "done %llu\n", (unsigned long long)output->id);
        return;
    case SEALMQ_WAITING:
        fprintf(stderr, "waiting for an operator, who compares %s\n", output->text);
        return;
    case SEALMQ_JOINED:
        printf("joined as %s, member %llu\n", output->text, (unsigned long long)output->id);
        p->joined = true;
        return;
    case SEALMQ_FLUSHED:
        MUST(sealmq_client_close(p->client));
        return;
    case SEALMQ_CLOSED:
        p->closed = true;
        return;
    default: /* libmosquitto acknowledges by itself, and nothing is resumed */
        return;
    }
    if (failed)
        p->lost = failed;
    else if (p->client)
        MUST(sealmq_client_written(p->client, output->kind == SEALMQ_PUBLISH && !output->qos ? 0 : (uint16_t)mid));
}

/* Everything that there is to do now. */
static void pump(program *p) {
    sealmq_output output;
    while (!p->lost && !p->closed && !p->joined) {
        MUST(p->client ? sealmq_client_poll(p->client, &output) : sealmq_joining_poll(p->joining, &output));
        if (output.kind == SEALMQ_NOTHING)
            return;
        carry_out(p, &output);
    }
}

static void lost(program *p) {
    uint64_t pause = 1000;
    fprintf(stderr, "connection: %s\n", mosquitto_strerror(p->lost));
    if (p->client)
        MUST(sealmq_client_disconnected(p->client, p->connected ? SEALMQ_ENDING_SILENT : SEALMQ_ENDING_UNRELATED,
                                        mosquitto_strerror(p->lost), &pause));
    else
        MUST(sealmq_joining_disconnected(p->joining));
    close_connection(p);
    p->lost = 0;
    p->again_at = now_ms() + pause;
}

/* Lines of the standard input become messages; at its end everything is flushed. */
static bool read_line(program *p, const char *topic) {
    static char line[4096];
    if (!fgets(line, sizeof line, stdin)) {
        MUST(sealmq_client_flush(p->client, NULL));
        return false;
    }
    line[strcspn(line, "\n")] = 0;
    sealmq_outgoing message = {
        .topic = topic, .payload = (const uint8_t *)line, .payload_len = strlen(line), .qos = 1};
    MUST(sealmq_client_publish(p->client, &message, NULL));
    return true;
}

/* The loop: packets, time, lines. */
static int run(program *p, const char *topic) {
    bool reads = topic != NULL;
    p->again_at = now_ms();
    while (!p->closed && !p->joined && !p->refused) {
        if (interrupted && p->client) {
            interrupted = 0;
            MUST(sealmq_client_close(p->client));
        }
        if (!p->mosquitto && now_ms() >= p->again_at) {
            if (p->client)
                MUST(sealmq_client_connect(p->client));
            else
                open_connection(p, NULL);
        }
        pump(p);
        if (p->closed || p->joined)
            break;
        uint64_t wait = 0;
        MUST(p->client ? sealmq_client_timeout(p->client, &wait) : sealmq_joining_timeout(p->joining, &wait));
        if (!wait) {
            MUST(p->client ? sealmq_client_tick(p->client) : sealmq_joining_tick(p->joining));
            continue;
        }
        int most = wait < 50 ? (int)wait : 50;
        if (!p->mosquitto)
            usleep((unsigned)most * 1000);
        else if (!p->lost)
            p->lost = mosquitto_loop(p->mosquitto, most, 1);
        if (p->lost)
            lost(p);
        struct pollfd input = {.fd = 0, .events = POLLIN};
        if (reads && poll(&input, 1, 0) > 0)
            reads = read_line(p, topic);
    }
    return p->refused ? 3 : 0;
}

static char *read_token(const char *path) {
    static char token[2048];
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(token, 1, sizeof token - 1, file) : 0;
    if (file)
        fclose(file);
    token[len] = 0;
    return token;
}

int main(int count, char **arguments) {
    if (count < 6) {
        fprintf(stderr, "usage: %s join|pub|sub STORE HOST PORT TOKEN-FILE|TOPIC|FILTER [NAME|N]\n", arguments[0]);
        return 2;
    }
    const char *command = arguments[1], *what = arguments[5];
    program p = {.host = arguments[3], .port = atoi(arguments[4]), .wanted = -1};
    signal(SIGINT, on_signal);
    setvbuf(stdin, NULL, _IONBF, 0); /* poll() sees every line */
    mosquitto_lib_init();
    file_store *store = file_store_open(arguments[2]);
    if (!store)
        return 1;
    sealmq_status status = SEALMQ_ERROR_ARGUMENT;
    if (!strcmp(command, "join") && count > 6) {
        sealmq_join_options options = {
            .store = file_store_callbacks(store), .token = read_token(what), .name = arguments[6]};
        status = sealmq_joining_begin(&options, &p.joining);
    } else if (!strcmp(command, "pub") || !strcmp(command, "sub")) {
        sealmq_options options = {
            .store = file_store_callbacks(store), .wait_for_keys_ms = 10000, .persistent_outbox = true};
        status = sealmq_client_open(&options, &p.client);
    }
    int code = 1;
    if (status != SEALMQ_OK)
        fprintf(stderr, "%s: %s\n", sealmq_strerror(status), sealmq_last_error());
    else {
        if (!strcmp(command, "sub")) {
            MUST(sealmq_client_subscribe(p.client, what, 1));
            p.wanted = count > 6 ? atol(arguments[6]) : -1;
        }
        code = run(&p, strcmp(command, "pub") ? NULL : what);
        if (p.refused)
            fprintf(stderr, "%s\n", sealmq_last_error());
    }
    if (p.mosquitto) {
        mosquitto_disconnect(p.mosquitto);
        mosquitto_loop(p.mosquitto, 100, 1);
        close_connection(&p);
    }
    sealmq_joining_free(&p.joining);
    sealmq_client_free(&p.client);
    file_store_close(store);
    mosquitto_lib_cleanup();
    return code;
}
