/* What a careless or hostile caller does: null pointers, wrong lengths, calls out of order, stores that
 * fail, envelopes that were cut or altered. Nothing may crash, and valgrind has to stay silent.
 *
 *   boundary STORE-A STORE-B     two members of a group that covers plant/#, with keys */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

static int checks, faults;

static void expect_(int line, const char *call, sealmq_status status, sealmq_status expected) {
    checks++;
    if (status == expected && (status == SEALMQ_OK || *sealmq_last_error()))
        return;
    faults++;
    fprintf(stderr, "line %d: %s: %s, not %s (%s)\n", line, call, sealmq_strerror(status), sealmq_strerror(expected),
            sealmq_last_error());
}
#define EXPECT(call, status) expect_(__LINE__, #call, (call), (status))
#define OK(call) EXPECT(call, SEALMQ_OK)
#define IS_NULL(call) EXPECT(call, SEALMQ_ERROR_NULL)
#define TRUE(condition)                                            \
    do {                                                           \
        checks++;                                                  \
        if (!(condition)) {                                        \
            faults++;                                              \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
        }                                                          \
    } while (0)

/* A copy of exactly this length: valgrind sees each byte that is read beyond. */
static uint8_t *exactly(const uint8_t *bytes, size_t len) {
    uint8_t *copy = malloc(len ? len : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, len);
    return copy;
}

static void null_handles(void) {
    sealmq_output output;
    sealmq_outgoing message = {.topic = "plant/a"};
    uint64_t number;
    size_t count;
    uint8_t byte = 0;
    const uint8_t *envelope;
    sealmq_message received;
    bool reserved;
    IS_NULL(sealmq_client_poll(NULL, &output));
    IS_NULL(sealmq_client_tick(NULL));
    IS_NULL(sealmq_client_timeout(NULL, &number));
    IS_NULL(sealmq_client_publish(NULL, &message, &number));
    IS_NULL(sealmq_client_check(NULL, &message));
    IS_NULL(sealmq_client_subscribe(NULL, "a", 0));
    IS_NULL(sealmq_client_unsubscribe(NULL, "a"));
    IS_NULL(sealmq_client_flush(NULL, &number));
    IS_NULL(sealmq_client_close(NULL));
    IS_NULL(sealmq_client_outstanding(NULL, &count));
    IS_NULL(sealmq_client_identity(NULL, NULL, NULL, 0));
    IS_NULL(sealmq_client_connect(NULL));
    IS_NULL(sealmq_client_connack(NULL, false, NULL));
    IS_NULL(sealmq_client_disconnected(NULL, 0, NULL, &number));
    IS_NULL(sealmq_client_written(NULL, 1));
    IS_NULL(sealmq_client_received(NULL, "a", &byte, 1, false, 0, 0));
    IS_NULL(sealmq_client_puback(NULL, 1, 0));
    IS_NULL(sealmq_client_pubrec(NULL, 1, 0));
    IS_NULL(sealmq_client_pubrel(NULL, 1));
    IS_NULL(sealmq_client_pubcomp(NULL, 1, 0));
    IS_NULL(sealmq_client_suback(NULL, 1, &byte, 1));
    IS_NULL(sealmq_client_unsuback(NULL, 1));
    IS_NULL(sealmq_client_open(NULL, NULL));
    IS_NULL(sealmq_joining_begin(NULL, NULL));
    IS_NULL(sealmq_joining_poll(NULL, &output));
    IS_NULL(sealmq_joining_connack(NULL));
    IS_NULL(sealmq_joining_disconnected(NULL));
    IS_NULL(sealmq_joining_suback(NULL, &byte, 1));
    IS_NULL(sealmq_joining_received(NULL, "a", &byte, 1));
    IS_NULL(sealmq_joining_tick(NULL));
    IS_NULL(sealmq_joining_timeout(NULL, &number));
    IS_NULL(sealmq_token_broker(NULL, NULL, 0));
    IS_NULL(sealmq_member_open(NULL, NULL, NULL));
    IS_NULL(sealmq_member_poll(NULL, &output));
    IS_NULL(sealmq_member_connected(NULL));
    IS_NULL(sealmq_member_tick(NULL, &number));
    IS_NULL(sealmq_member_is_reserved(NULL, "a", &reserved));
    IS_NULL(sealmq_member_handle_reserved(NULL, "a", &byte, 1));
    IS_NULL(sealmq_member_seal(NULL, &message, false, &envelope, &count));
    IS_NULL(sealmq_member_unseal(NULL, "a", &byte, 1, false, &received, &number));
    IS_NULL(sealmq_loader_add(NULL, "a", &byte, 1));
    OK(sealmq_client_free(NULL));
    OK(sealmq_joining_free(NULL));
    OK(sealmq_member_free(NULL));
    TRUE(strcmp(sealmq_strerror(99), "unknown") == 0);
    char place[SEALMQ_BROKER_SIZE];
    EXPECT(sealmq_token_broker("no token", place, sizeof place), SEALMQ_ERROR_ARGUMENT);
}

static void drain(sealmq_member *member) {
    sealmq_output output;
    do
        OK(sealmq_member_poll(member, &output));
    while (output.kind != SEALMQ_NOTHING);
}

/* What is not the envelope must not open; a key id that nobody knows may wait. */
static void refused(sealmq_member *reader, const char *topic, const uint8_t *bytes, size_t len, bool retain) {
    uint8_t *copy = exactly(bytes, len);
    sealmq_message received;
    uint64_t ticket = 0;
    sealmq_status status = sealmq_member_unseal(reader, topic, copy, len, retain, &received, &ticket);
    TRUE(status == SEALMQ_ERROR_REJECTED || (status == SEALMQ_OK && ticket != 0));
    free(copy);
}

static void seal_and_open(sealmq_member *writer, sealmq_member *reader) {
    static const sealmq_pair pairs[] = {{"unit", "°C"}, {"place", ""}};
    sealmq_properties properties = {.is_text = true,
                                    .content_type = "text/plain",
                                    .response_topic = "plant/answers",
                                    .correlation = (const uint8_t *)"\0\1",
                                    .correlation_len = 2,
                                    .user = pairs,
                                    .user_len = 2};
    sealmq_outgoing message = {
        .topic = "plant/a", .payload = (const uint8_t *)"21.5", .payload_len = 4, .properties = &properties};
    const uint8_t *envelope = NULL;
    size_t len = 0;
    sealmq_message received;
    uint64_t ticket = 9;
    OK(sealmq_member_seal(writer, &message, false, &envelope, &len));
    uint8_t *kept = exactly(envelope, len);
    OK(sealmq_member_unseal(reader, "plant/a", kept, len, false, &received, &ticket));
    TRUE(ticket == 0 && received.payload_len == 4 && !memcmp(received.payload, "21.5", 4));
    TRUE(!strcmp(received.topic, "plant/a") && *received.sender_name && !strcmp(received.group, "plant"));
    TRUE(received.properties.is_text && !strcmp(received.properties.content_type, "text/plain"));
    TRUE(!strcmp(received.properties.response_topic, "plant/answers"));
    TRUE(received.properties.correlation_len == 2 && !memcmp(received.properties.correlation, "\0\1", 2));
    TRUE(received.properties.user_len == 2 && !strcmp(received.properties.user[0].value, "°C"));
    EXPECT(sealmq_member_unseal(reader, "plant/a", kept, len, false, &received, &ticket), SEALMQ_ERROR_REJECTED);
    free(kept);

    OK(sealmq_member_seal(writer, &message, false, &envelope, &len));
    kept = exactly(envelope, len);
    for (size_t cut = 0; cut < len; cut++)
        refused(reader, "plant/a", kept, cut, false);
    for (size_t at = 0; at < len; at++) {
        kept[at] ^= 1;
        refused(reader, "plant/a", kept, len, false);
        kept[at] ^= 1;
    }
    refused(reader, "plant/b", kept, len, false);
    refused(reader, "plant/a", kept, len, true);
    OK(sealmq_member_unseal(reader, "plant/a", kept, len, false, &received, &ticket));
    TRUE(ticket == 0);
    free(kept);

    /* An empty payload is a message; an empty message is none. */
    message = (sealmq_outgoing){.topic = "plant/a"};
    OK(sealmq_member_seal(writer, &message, false, &envelope, &len));
    kept = exactly(envelope, len);
    OK(sealmq_member_unseal(reader, "plant/a", kept, len, false, &received, &ticket));
    TRUE(received.payload && received.payload_len == 0);
    free(kept);
    EXPECT(sealmq_member_unseal(reader, "plant/a", NULL, 0, false, &received, &ticket), SEALMQ_ERROR_REJECTED);

    const uint8_t *none = (const uint8_t *)"x";
    IS_NULL(sealmq_member_unseal(reader, NULL, none, 1, false, &received, &ticket));
    IS_NULL(sealmq_member_unseal(reader, "plant/a", NULL, 1, false, &received, &ticket));
    IS_NULL(sealmq_member_unseal(reader, "plant/a", none, 1, false, NULL, &ticket));
    IS_NULL(sealmq_member_unseal(reader, "plant/a", none, 1, false, &received, NULL));
    EXPECT(sealmq_member_unseal(reader, "plant/a", none, SIZE_MAX, false, &received, &ticket), SEALMQ_ERROR_ARGUMENT);
    EXPECT(sealmq_member_unseal(reader, "\xff", none, 1, false, &received, &ticket), SEALMQ_ERROR_ARGUMENT);
}

static void bad_messages(sealmq_member *writer) {
    const uint8_t *envelope;
    size_t len;
    sealmq_outgoing message = {.topic = "plant/a"};
    IS_NULL(sealmq_member_seal(writer, NULL, false, &envelope, &len));
    IS_NULL(sealmq_member_seal(writer, &message, false, NULL, &len));
    IS_NULL(sealmq_member_seal(writer, &message, false, &envelope, NULL));
    static const struct {
        const char *topic;
        sealmq_status status;
    } topics[] = {
        {NULL, SEALMQ_ERROR_NULL},          {"", SEALMQ_ERROR_ARGUMENT},
        {"plant/#", SEALMQ_ERROR_ARGUMENT}, {"plant/+", SEALMQ_ERROR_ARGUMENT},
        {"\xc3", SEALMQ_ERROR_ARGUMENT},    {"nobody/covers/this", SEALMQ_ERROR_NOT_ALLOWED},
    };
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        message.topic = topics[i].topic;
        EXPECT(sealmq_member_seal(writer, &message, false, &envelope, &len), topics[i].status);
    }
    message.topic = "plant/a";
    message.payload_len = 1;
    IS_NULL(sealmq_member_seal(writer, &message, false, &envelope, &len));
    message.payload = (const uint8_t *)"x";
    message.payload_len = SIZE_MAX;
    EXPECT(sealmq_member_seal(writer, &message, false, &envelope, &len), SEALMQ_ERROR_ARGUMENT);
    message.payload_len = 1;
    static const sealmq_pair unnamed[] = {{NULL, "x"}};
    sealmq_properties properties = {.user = unnamed, .user_len = 1};
    message.properties = &properties;
    IS_NULL(sealmq_member_seal(writer, &message, false, &envelope, &len));
    properties = (sealmq_properties){.user_len = 1};
    IS_NULL(sealmq_member_seal(writer, &message, false, &envelope, &len));
    properties = (sealmq_properties){.content_type = "\xff"};
    EXPECT(sealmq_member_seal(writer, &message, false, &envelope, &len), SEALMQ_ERROR_ARGUMENT);
}

/* Garbage on every topic of key management: told of, and nothing changes. */
static void garbage_for_keys(sealmq_member *member) {
    char filters[64][256];
    size_t count = 0;
    sealmq_output output;
    OK(sealmq_member_connected(member));
    for (;;) {
        OK(sealmq_member_poll(member, &output));
        if (output.kind == SEALMQ_NOTHING)
            break;
        for (size_t i = 0; output.kind == SEALMQ_SUBSCRIBE && i < output.filters_len && count < 64; i++)
            snprintf(filters[count++], sizeof *filters, "%s", output.filters[i].filter);
    }
    TRUE(count > 2);
    uint8_t noise[300];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 89 + 7);
    for (size_t i = 0; i < count; i++) {
        char *wildcard = strpbrk(filters[i], "+#");
        if (wildcard)
            strcpy(wildcard, "1");
        bool reserved = false;
        OK(sealmq_member_is_reserved(member, filters[i], &reserved));
        TRUE(reserved);
        for (size_t len = 0; len < sizeof noise; len += 7) {
            uint8_t *copy = exactly(noise, len);
            OK(sealmq_member_handle_reserved(member, filters[i], copy, len));
            free(copy);
        }
        drain(member);
    }
    uint64_t next = 0;
    OK(sealmq_member_tick(member, &next));
    OK(sealmq_member_tick(member, NULL));
    TRUE(next > 0);
    IS_NULL(sealmq_member_handle_reserved(member, filters[0], NULL, 1));
    EXPECT(sealmq_member_handle_reserved(member, filters[0], noise, SIZE_MAX), SEALMQ_ERROR_ARGUMENT);
    drain(member);
}

static void members(const file_store *a, const file_store *b) {
    sealmq_member *writer = NULL, *reader = NULL;
    OK(sealmq_member_open(file_store_callbacks(a), NULL, &writer));
    OK(sealmq_member_open(file_store_callbacks(b), NULL, &reader));
    if (!writer || !reader)
        exit(1);
    seal_and_open(writer, reader);
    bad_messages(writer);
    garbage_for_keys(reader);
    seal_and_open(writer, reader);
    OK(sealmq_member_free(&writer));
    OK(sealmq_member_free(&writer));
    OK(sealmq_member_free(&reader));
    TRUE(!writer && !reader);
}

/* A store whose commits fail from the n-th on, or call back. */
typedef struct {
    const sealmq_store *real;
    sealmq_client *client;
    int left;
    sealmq_status said;
} shaky;

static int shaky_load(void *context, sealmq_loader *loader) {
    const shaky *s = context;
    return s->real->load(s->real->context, loader);
}

static int shaky_commit(void *context, const sealmq_change *changes, size_t count) {
    shaky *s = context;
    if (s->client)
        s->said = sealmq_client_tick(s->client);
    if (s->left-- <= 0)
        return 5;
    return s->real->commit(s->real->context, changes, count);
}

/* Plays a broker that grants everything; what came out last. */
static sealmq_kind serve(sealmq_client *client, sealmq_status *status) {
    static uint16_t packet = 100;
    sealmq_output output;
    for (;;) {
        *status = sealmq_client_poll(client, &output);
        if (*status != SEALMQ_OK || output.kind == SEALMQ_NOTHING || output.kind == SEALMQ_CLOSED)
            return output.kind;
        uint8_t granted[64] = {0};
        switch (output.kind) {
        case SEALMQ_CONNECT:
            OK(sealmq_client_connack(client, false, NULL));
            break;
        case SEALMQ_SUBSCRIBE:
            OK(sealmq_client_written(client, ++packet));
            OK(sealmq_client_suback(client, packet, granted, output.filters_len));
            break;
        case SEALMQ_PUBLISH:
            OK(sealmq_client_written(client, output.qos ? ++packet : 0));
            if (output.qos)
                OK(sealmq_client_puback(client, packet, 0));
            break;
        case SEALMQ_UNSUBSCRIBE:
            OK(sealmq_client_written(client, ++packet));
            OK(sealmq_client_unsuback(client, packet));
            break;
        case SEALMQ_DISCONNECT:
            OK(sealmq_client_written(client, 0));
            break;
        default:
            break;
        }
    }
}

static void bad_options(const file_store *a) {
    sealmq_client *client = NULL;
    sealmq_options options = {0};
    IS_NULL(sealmq_client_open(&options, &client));
    sealmq_store half = *file_store_callbacks(a);
    half.commit = NULL;
    options.store = &half;
    IS_NULL(sealmq_client_open(&options, &client));
    options.store = file_store_callbacks(a);
    IS_NULL(sealmq_client_open(&options, NULL));
    options.plaintext_len = 1;
    IS_NULL(sealmq_client_open(&options, &client));
    const char *filters[] = {"a/#/b"};
    options.plaintext = filters;
    EXPECT(sealmq_client_open(&options, &client), SEALMQ_ERROR_ARGUMENT);
    options.plaintext_len = 0;
    sealmq_outgoing will = {.topic = "plant/+"};
    options.will = &will;
    EXPECT(sealmq_client_open(&options, &client), SEALMQ_ERROR_ARGUMENT);
    will = (sealmq_outgoing){.topic = "plant/a", .qos = 3};
    EXPECT(sealmq_client_open(&options, &client), SEALMQ_ERROR_ARGUMENT);
    TRUE(!client);
}

static void order(const file_store *a) {
    sealmq_client *client = NULL;
    sealmq_options options = {.store = file_store_callbacks(a)};
    OK(sealmq_client_open(&options, &client));
    if (!client)
        exit(1);
    sealmq_output output;
    uint64_t number = 0;
    char name[SEALMQ_NAME_SIZE];
    EXPECT(sealmq_client_written(client, 1), SEALMQ_ERROR_ORDER);
    IS_NULL(sealmq_client_poll(client, NULL));
    OK(sealmq_client_identity(client, NULL, name, sizeof name));
    TRUE(*name);
    char *exact = malloc(strlen(name) + 1), *small = malloc(strlen(name));
    OK(sealmq_client_identity(client, NULL, exact, strlen(name) + 1));
    EXPECT(sealmq_client_identity(client, NULL, small, strlen(name)), SEALMQ_ERROR_BUFFER);
    EXPECT(sealmq_client_identity(client, NULL, small, 0), SEALMQ_ERROR_BUFFER);
    free(exact);
    free(small);
    OK(sealmq_client_connect(client));
    OK(sealmq_client_poll(client, &output));
    TRUE(output.kind == SEALMQ_CONNECT && !output.topic);
    OK(sealmq_client_connack(client, false, NULL));
    do
        OK(sealmq_client_poll(client, &output));
    while (output.kind == SEALMQ_NOTICE);
    TRUE(output.kind == SEALMQ_SUBSCRIBE && output.filters_len > 0);
    EXPECT(sealmq_client_poll(client, &output), SEALMQ_ERROR_ORDER);
    EXPECT(sealmq_client_written(client, 0), SEALMQ_ERROR_ARGUMENT);
    OK(sealmq_client_written(client, 1));
    uint8_t codes[200] = {0};
    OK(sealmq_client_suback(client, 77, codes, 1));
    OK(sealmq_client_suback(client, 1, codes, sizeof codes));
    OK(sealmq_client_suback(client, 1, NULL, 0));
    IS_NULL(sealmq_client_suback(client, 1, NULL, 1));
    OK(sealmq_client_puback(client, 500, 0x80));
    OK(sealmq_client_pubrec(client, 500, 0));
    OK(sealmq_client_pubrel(client, 500));
    OK(sealmq_client_pubcomp(client, 500, 0x92));
    OK(sealmq_client_unsuback(client, 500));
    sealmq_status status;
    serve(client, &status);
    const uint8_t *byte = (const uint8_t *)"x";
    IS_NULL(sealmq_client_received(client, NULL, byte, 1, false, 0, 0));
    IS_NULL(sealmq_client_received(client, "plant/a", NULL, 1, false, 0, 0));
    EXPECT(sealmq_client_received(client, "plant/a", byte, 1, false, 3, 0), SEALMQ_ERROR_ARGUMENT);
    EXPECT(sealmq_client_received(client, "plant/a", byte, SIZE_MAX, false, 0, 0), SEALMQ_ERROR_ARGUMENT);
    OK(sealmq_client_received(client, "plant/a", byte, 1, false, 1, 7));
    OK(sealmq_client_poll(client, &output));
    TRUE(output.kind == SEALMQ_REJECTED && !strcmp(output.topic, "plant/a") && *output.text);
    OK(sealmq_client_poll(client, &output));
    TRUE(output.kind == SEALMQ_ACKNOWLEDGE && output.packet == 7 && output.qos == 1);
    sealmq_outgoing message = {.topic = "plant/a", .qos = 4};
    EXPECT(sealmq_client_publish(client, &message, &number), SEALMQ_ERROR_ARGUMENT);
    message = (sealmq_outgoing){.topic = "elsewhere"};
    EXPECT(sealmq_client_check(client, &message), SEALMQ_ERROR_NOT_ALLOWED);
    OK(sealmq_client_publish(client, &message, &number));
    OK(sealmq_client_poll(client, &output));
    TRUE(output.kind == SEALMQ_REFUSED && output.id == number && output.status == SEALMQ_ERROR_NOT_ALLOWED);
    IS_NULL(sealmq_client_publish(client, NULL, NULL));
    EXPECT(sealmq_client_subscribe(client, "a/#/b", 0), SEALMQ_ERROR_ARGUMENT);
    EXPECT(sealmq_client_subscribe(client, "plant/#", 3), SEALMQ_ERROR_ARGUMENT);
    IS_NULL(sealmq_client_subscribe(client, NULL, 0));
    EXPECT(sealmq_client_disconnected(client, 9, NULL, NULL), SEALMQ_ERROR_ARGUMENT);
    EXPECT(sealmq_client_disconnected(client, 1, "\xff", NULL), SEALMQ_ERROR_ARGUMENT);
    OK(sealmq_client_disconnected(client, SEALMQ_ENDING_SILENT, "gone", &number));
    TRUE(number > 0);
    IS_NULL(sealmq_client_timeout(client, NULL));
    IS_NULL(sealmq_client_outstanding(client, NULL));
    OK(sealmq_client_close(client));
    TRUE(serve(client, &status) == SEALMQ_CLOSED);
    EXPECT(sealmq_client_poll(client, &output), SEALMQ_ERROR_ENDED);
    EXPECT(sealmq_client_tick(client), SEALMQ_ERROR_ENDED);
    EXPECT(sealmq_client_publish(client, &message, NULL), SEALMQ_ERROR_ENDED);
    OK(sealmq_client_free(&client));
    OK(sealmq_client_free(&client));
    TRUE(!client);
}

static void stores_that_fail(const file_store *a) {
    for (int left = 0; left < 4; left++) {
        shaky s = {.real = file_store_callbacks(a), .left = left, .said = SEALMQ_OK};
        sealmq_store store = {.context = &s, .load = shaky_load, .commit = shaky_commit};
        sealmq_options options = {.store = &store, .persistent_outbox = true};
        sealmq_client *client = NULL;
        OK(sealmq_client_open(&options, &client));
        s.client = client;
        OK(sealmq_client_connect(client));
        sealmq_status status = SEALMQ_OK;
        for (int i = 0; status == SEALMQ_OK && i < 20; i++) {
            sealmq_outgoing message = {.topic = "plant/a", .qos = 1, .payload = (const uint8_t *)"x", .payload_len = 1};
            OK(sealmq_client_publish(client, &message, NULL));
            serve(client, &status);
        }
        EXPECT(status, SEALMQ_ERROR_STORE);
        EXPECT(s.said, SEALMQ_ERROR_IN_USE);
        sealmq_output output;
        EXPECT(sealmq_client_poll(client, &output), SEALMQ_ERROR_ENDED);
        EXPECT(sealmq_client_connect(client), SEALMQ_ERROR_ENDED);
        OK(sealmq_client_free(&client));
    }
}

static int no_random(void *context, uint8_t *bytes, size_t len) {
    (void)context, (void)bytes, (void)len;
    return 1;
}

static void one_second(void *context, sealmq_time *now) {
    uint64_t *uptime = context;
    *now = (sealmq_time){.uptime_ms = *uptime += 1000}; /* and no clock */
}

/* Without randomness nothing is sealed, and without a clock only what leases allow. */
static void poor_platform(const file_store *a) {
    uint64_t uptime = 0;
    sealmq_platform platform = {.context = &uptime, .random = no_random};
    sealmq_member *member = NULL;
    OK(sealmq_member_open(file_store_callbacks(a), &platform, &member));
    sealmq_outgoing message = {.topic = "plant/a"};
    const uint8_t *envelope;
    size_t len;
    EXPECT(sealmq_member_seal(member, &message, false, &envelope, &len), SEALMQ_ERROR_RANDOM);
    OK(sealmq_member_tick(member, NULL));
    OK(sealmq_member_free(&member));
    platform = (sealmq_platform){.context = &uptime, .now = one_second};
    OK(sealmq_member_open(file_store_callbacks(a), &platform, &member));
    EXPECT(sealmq_member_seal(member, &message, false, &envelope, &len), SEALMQ_ERROR_NO_KEYS);
    OK(sealmq_member_free(&member));
}

int main(int count, char **arguments) {
    if (count != 3)
        return 2;
    null_handles();
    file_store *a = file_store_open(arguments[1]), *b = file_store_open(arguments[2]);
    if (!a || !b)
        return 2;
    bad_options(a);
    members(a, b);
    order(a);
    stores_that_fail(a);
    poor_platform(a);
    file_store_close(a);
    file_store_close(b);
    printf("%d checks, %d faults\n", checks, faults);
    return faults != 0;
}
