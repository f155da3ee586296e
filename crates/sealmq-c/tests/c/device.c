/* Careless calls of the device's API, and flash that fails at any operation. Nothing may crash, and
 * valgrind has to stay silent.
 *
 *   device FLASH-FILE     of a device that is a member of a group which covers plant/#, with keys */
#define _DEFAULT_SOURCE
#include <sealmq_device.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int checks, faults;
static sealmq_device device;
static uint8_t flash[SEALMQ_FLASH_SIZE], before[SEALMQ_FLASH_SIZE];
static long operations_left;
static sealmq_status said;
static bool calls_back, no_random;

static void expect_(int line, const char *call, sealmq_status status, sealmq_status expected) {
    checks++;
    if (status == expected)
        return;
    faults++;
    fprintf(stderr, "line %d: %s: %s, not %s\n", line, call, sealmq_strerror(status), sealmq_strerror(expected));
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

static bool works(void) {
    if (calls_back)
        said = sealmq_device_tick(&device);
    return operations_left-- > 0;
}

static int read_flash(void *context, uint32_t at, uint8_t *bytes, size_t len) {
    (void)context;
    if (at > sizeof flash || len > sizeof flash - at)
        return 1;
    memcpy(bytes, flash + at, len);
    return 0;
}

/* Power fails in the middle of it. */
static int program(void *context, uint32_t at, const uint8_t *bytes, size_t len) {
    (void)context;
    bool good = works();
    if (at % SEALMQ_FLASH_WORD || len % SEALMQ_FLASH_WORD || at > sizeof flash || len > sizeof flash - at)
        return 1;
    for (size_t i = 0; i < (good ? len : len / 2); i++)
        flash[at + i] &= bytes[i];
    return good ? 0 : 1;
}

static int erase(void *context, uint32_t from, uint32_t to) {
    (void)context;
    if (!works() || from > to || to > sizeof flash)
        return 1;
    memset(flash + from, 0xff, to - from);
    return 0;
}

static void now(void *context, uint64_t *uptime_ms, uint64_t *unix_ms) {
    static uint64_t uptime;
    (void)context;
    *uptime_ms = uptime += 10;
    *unix_ms = (uint64_t)time(NULL) * 1000;
}

static int draw(void *context, uint8_t *bytes, size_t len) {
    (void)context;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(random() >> 8);
    return no_random;
}

static const sealmq_board board = {.flash_size = SEALMQ_FLASH_SIZE,
                                   .flash_read = read_flash,
                                   .flash_program = program,
                                   .flash_erase = erase,
                                   .now = now,
                                   .random = draw};

static sealmq_status seal(const char *topic, const void *payload, size_t len, bool retain, void *buffer,
                          size_t capacity, const uint8_t **envelope, size_t *envelope_len) {
    const sealmq_device_message message = {
        .topic = topic, .payload = payload, .payload_len = len, .retain = retain};
    return sealmq_device_seal(&device, &message, buffer, capacity, envelope, envelope_len);
}

static void nulls(void) {
    char filter[SEALMQ_TOPIC_SIZE];
    static sealmq_packet packet;
    sealmq_delivery delivery;
    const uint8_t *envelope;
    uint8_t byte = 0;
    size_t len;
    bool is_member;
    IS_NULL(sealmq_device_open(NULL, &board));
    IS_NULL(sealmq_device_open(&device, NULL));
    IS_NULL(sealmq_device_is_member(NULL, &is_member));
    IS_NULL(sealmq_device_join(NULL, "a", "b"));
    IS_NULL(sealmq_device_connected(NULL));
    IS_NULL(sealmq_device_received(NULL, "a", &byte, 1, false, &delivery));
    IS_NULL(sealmq_device_tick(NULL));
    const sealmq_device_message message = {.topic = "a", .payload = &byte, .payload_len = 1};
    IS_NULL(sealmq_device_seal(NULL, &message, &byte, 1, &envelope, &len));
    IS_NULL(sealmq_device_acknowledged(NULL, "a"));
    IS_NULL(sealmq_device_next_filter(NULL, filter, sizeof filter));
    IS_NULL(sealmq_device_next_packet(NULL, &packet));
    EXPECT(sealmq_device_open((sealmq_device *)((uint8_t *)&device + 1), &board), SEALMQ_ERROR_ARGUMENT);
    EXPECT(sealmq_device_tick(&device), SEALMQ_ERROR_ENDED);
    sealmq_board half = board;
    half.random = NULL;
    IS_NULL(sealmq_device_open(&device, &half));
    half = board;
    half.flash_erase = NULL;
    IS_NULL(sealmq_device_open(&device, &half));
    half = board;
    half.flash_size = 100;
    EXPECT(sealmq_device_open(&device, &half), SEALMQ_ERROR_STORE);
    half.flash_size = 2 * SEALMQ_FLASH_SIZE;
    EXPECT(sealmq_device_open(&device, &half), SEALMQ_ERROR_STORE);
    EXPECT(sealmq_device_tick(&device), SEALMQ_ERROR_ENDED);
}

/* A device that has nothing yet. */
static void unenrolled(void) {
    char filter[SEALMQ_TOPIC_SIZE];
    bool is_member = true;
    uint8_t byte = 0, buffer[800];
    const uint8_t *envelope;
    size_t len;
    memset(flash, 0xff, sizeof flash);
    OK(sealmq_device_open(&device, &board));
    OK(sealmq_device_is_member(&device, &is_member));
    TRUE(!is_member);
    EXPECT(sealmq_device_next_filter(&device, filter, sizeof filter), SEALMQ_ERROR_MEMBER);
    EXPECT(seal("a", &byte, 1, false, buffer, sizeof buffer, &envelope, &len),
           SEALMQ_ERROR_MEMBER);
    TRUE(!envelope && !len);
    IS_NULL(sealmq_device_join(&device, NULL, "name"));
    EXPECT(sealmq_device_join(&device, "no token", "name"), SEALMQ_ERROR_ARGUMENT);
    EXPECT(sealmq_device_join(&device, "\xff", "name"), SEALMQ_ERROR_ARGUMENT);
}

static void sealing(void) {
    uint8_t buffer[900], *exact;
    const uint8_t *envelope, payload[] = "21.5";
    size_t len, needed;
    EXPECT(seal("plant/a", payload, 4, false, NULL, 0, &envelope, &needed),
           SEALMQ_ERROR_BUFFER);
    TRUE(!envelope && needed > 4 && needed <= 4 + SEALMQ_OVERHEAD);
    exact = malloc(needed);
    if (!exact)
        abort();
    EXPECT(seal("plant/a", payload, 4, false, exact, needed - 1, &envelope, &len),
           SEALMQ_ERROR_BUFFER);
    OK(seal("plant/a", payload, 4, false, exact, needed, &envelope, &len));
    TRUE(envelope >= exact && envelope + len <= exact + needed);
    free(exact);
    OK(seal("plant/a", NULL, 0, true, buffer, sizeof buffer, &envelope, &len));
    IS_NULL(seal("plant/a", NULL, 1, false, buffer, sizeof buffer, &envelope, &len));
    IS_NULL(seal(NULL, payload, 4, false, buffer, sizeof buffer, &envelope, &len));
    IS_NULL(seal("plant/a", payload, 4, false, buffer, sizeof buffer, NULL, &len));
    IS_NULL(seal("plant/a", payload, 4, false, buffer, sizeof buffer, &envelope, NULL));
    EXPECT(seal("plant/+", payload, 4, false, buffer, sizeof buffer, &envelope, &len),
           SEALMQ_ERROR_ARGUMENT);
    EXPECT(seal("plant/a", payload, SIZE_MAX, false, buffer, sizeof buffer, &envelope, &len),
           SEALMQ_ERROR_ARGUMENT);
    EXPECT(seal("plant/a", buffer + 10, 4, false, buffer, sizeof buffer, &envelope, &len),
           SEALMQ_ERROR_ARGUMENT);
    EXPECT(seal("elsewhere", payload, 4, false, buffer, sizeof buffer, &envelope, &len), SEALMQ_ERROR_NO_KEYS);
    IS_NULL(sealmq_device_seal(&device, NULL, buffer, sizeof buffer, &envelope, &len));
}

/* Properties of all kinds, too long, and not allowed. */
static void properties(void) {
    static char longest[SEALMQ_PROPERTIES_SIZE];
    uint8_t buffer[1200];
    const uint8_t *envelope;
    size_t bare, len;
    const sealmq_pair pairs[] = {{"unit", "C"}, {"unit", ""}, {NULL, "x"}};
    sealmq_properties given = {.is_text = true,
                               .expiry_s = 60,
                               .content_type = "text/plain",
                               .response_topic = "plant/answers",
                               .correlation = (const uint8_t *)"17",
                               .correlation_len = 2,
                               .user = pairs,
                               .user_len = 2};
    sealmq_device_message message = {.topic = "plant/a", .payload = (const uint8_t *)"21.5", .payload_len = 4};
    OK(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &bare));
    message.properties = &given;
    OK(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len));
    TRUE(len > bare + 50 && len < bare + 90);
    given.user_len = 3;
    IS_NULL(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len));
    given.user_len = SIZE_MAX;
    EXPECT(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len), SEALMQ_ERROR_ARGUMENT);
    given.user_len = 2;
    given.response_topic = "plant/#";
    EXPECT(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len), SEALMQ_ERROR_ARGUMENT);
    given.response_topic = NULL;
    memset(longest, 'a', sizeof longest - 1);
    given.content_type = longest;
    EXPECT(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len), SEALMQ_ERROR_ARGUMENT);
    given.content_type = "\xff";
    EXPECT(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len), SEALMQ_ERROR_ARGUMENT);
    given = (sealmq_properties){0};
    OK(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len));
    TRUE(len == bare);
    sealmq_span name, value;
    const sealmq_delivery none = {0};
    EXPECT(sealmq_delivery_user(&none, 0, &name, &value), SEALMQ_ERROR_ARGUMENT);
    IS_NULL(sealmq_delivery_user(NULL, 0, &name, &value));
    IS_NULL(sealmq_delivery_user(&none, 0, NULL, &value));
    const sealmq_delivery noise = {.properties = {.bytes = (const uint8_t *)"\x26\xff\xff", .len = 3}};
    EXPECT(sealmq_delivery_user(&noise, 0, &name, &value), SEALMQ_ERROR_ARGUMENT);
}

/* The full form until the broker has the session's record, then at most 100 bytes more than the payload. */
static void short_form(void) {
    static sealmq_packet packet;
    static char record[SEALMQ_TOPIC_SIZE];
    uint8_t buffer[1200];
    const uint8_t *envelope;
    size_t len;
    const sealmq_device_message message = {
        .topic = "plant/a", .payload = (const uint8_t *)"21.5", .payload_len = 4, .short_form = true};
    OK(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len));
    TRUE(len > 104);
    do {
        OK(sealmq_device_next_packet(&device, &packet));
        if (packet.is_awaited)
            memcpy(record, packet.topic, sizeof record);
    } while (*packet.topic);
    TRUE(*record);
    OK(sealmq_device_acknowledged(&device, "plant/a"));
    IS_NULL(sealmq_device_acknowledged(&device, NULL));
    OK(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len));
    TRUE(len > 104);
    OK(sealmq_device_acknowledged(&device, record));
    OK(sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len));
    TRUE(len > 4 && len <= 104);
}

/* Cut and altered envelopes, and garbage on topics of keys. */
static void receiving(void) {
    uint8_t buffer[900], noise[300];
    char filter[SEALMQ_TOPIC_SIZE];
    const uint8_t *envelope, payload[] = "21.5";
    size_t len;
    sealmq_delivery delivery;
    OK(seal("plant/a", payload, 4, false, buffer, sizeof buffer, &envelope, &len));
    for (size_t cut = 0; cut <= len; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1);
        if (!copy)
            abort();
        memcpy(copy, envelope, cut);
        sealmq_status status = sealmq_device_received(&device, "plant/a", copy, cut, false, &delivery);
        TRUE(status == SEALMQ_ERROR_REJECTED && !delivery.payload); /* the whole one is its own */
        free(copy);
    }
    OK(sealmq_device_connected(&device));
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 89 + 7);
    EXPECT(sealmq_device_next_filter(&device, filter, SEALMQ_TOPIC_SIZE - 1), SEALMQ_ERROR_BUFFER);
    IS_NULL(sealmq_device_next_filter(&device, NULL, SEALMQ_TOPIC_SIZE));
    IS_NULL(sealmq_device_next_packet(&device, NULL));
    for (int filters = 0;; filters++) {
        OK(sealmq_device_next_filter(&device, filter, sizeof filter));
        if (!*filter || filters > 20)
            break;
        char *wildcard = strpbrk(filter, "+#");
        if (wildcard)
            strcpy(wildcard, "1");
        for (size_t cut = 0; cut < sizeof noise; cut += 13)
            OK(sealmq_device_received(&device, filter, noise, cut, true, &delivery));
    }
    IS_NULL(sealmq_device_received(&device, "plant/a", NULL, 1, false, &delivery));
    IS_NULL(sealmq_device_received(&device, "plant/a", noise, 1, false, NULL));
    EXPECT(sealmq_device_received(&device, "\xff", noise, 1, false, &delivery), SEALMQ_ERROR_ARGUMENT);
    EXPECT(sealmq_device_received(&device, "plant/a", noise, SIZE_MAX, false, &delivery), SEALMQ_ERROR_ARGUMENT);
    OK(sealmq_device_tick(&device));
}

/* Whatever fails, the device says so and closes; opened again, it seals with a new number. */
static void failing_flash(void) {
    uint8_t buffer[900], last[900] = {0};
    const uint8_t *envelope, payload[] = "21.5";
    size_t len;
    int failed = 0;
    for (long cut = 0; cut < 30; cut++) {
        memcpy(flash, before, sizeof flash);
        operations_left = cut;
        sealmq_status status = sealmq_device_open(&device, &board);
        if (status == SEALMQ_OK)
            status = seal("plant/a", payload, 4, false, buffer, sizeof buffer, &envelope, &len);
        if (status == SEALMQ_ERROR_STORE) {
            failed++;
            EXPECT(sealmq_device_tick(&device), SEALMQ_ERROR_ENDED);
        } else
            TRUE(status == SEALMQ_OK);
        operations_left = 1000000;
        OK(sealmq_device_open(&device, &board));
        OK(seal("plant/a", payload, 4, false, buffer, sizeof buffer, &envelope, &len));
        TRUE(memcmp(last, envelope, len < sizeof last ? len : sizeof last));
        memcpy(last, envelope, len);
    }
    TRUE(failed > 0 && failed < 30);
}

int main(int count, char **arguments) {
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file || fread(before, 1, sizeof before, file) != sizeof before)
        return 2;
    fclose(file);
    operations_left = 1000000;
    nulls();
    unenrolled();
    memcpy(flash, before, sizeof flash);
    OK(sealmq_device_open(&device, &board));
    sealing();
    properties();
    short_form();
    receiving();
    calls_back = true;
    said = SEALMQ_OK;
    OK(sealmq_device_open(&device, &board));
    uint8_t buffer[900];
    const uint8_t *envelope;
    size_t len;
    OK(seal("plant/a", NULL, 0, false, buffer, sizeof buffer, &envelope, &len));
    EXPECT(said, SEALMQ_ERROR_IN_USE);
    calls_back = false;
    no_random = true;
    OK(sealmq_device_open(&device, &board));
    EXPECT(seal("plant/a", NULL, 0, false, buffer, sizeof buffer, &envelope, &len),
           SEALMQ_ERROR_RANDOM);
    no_random = false;
    failing_flash();
    printf("%d checks, %d faults\n", checks, faults);
    return faults != 0;
}

void sealmq_device_fault(void) { abort(); }
