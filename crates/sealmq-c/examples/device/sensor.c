/* A sensor: joins by a token, publishes a sealed reading each second, obeys sealed commands. The same on
 * a host (port_posix.c) and on a Cortex-M (port_mps2.c). */
#include "sensor.h"

#include "mqtt.h"
#include "port.h"

#define READING "plant/readings"
#define COMMANDS "plant/commands"

static sealmq_device device;
static sealmq_packet packet;
/* A packet whose acknowledgement messages of the short form wait for. */
static struct {
    char topic[SEALMQ_TOPIC_SIZE];
    uint16_t identifier;
} awaited;

/* A message that waits for its sender's credential. */
static struct {
    bool is_there;
    char topic[192];
    uint8_t payload[1024];
    size_t payload_len;
    bool retained;
} held;

static void copy(void *to, const void *from, size_t len) {
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

static bool is_fatal(sealmq_status status) {
    return status == SEALMQ_ERROR_STORE || status == SEALMQ_ERROR_ENDED || status == SEALMQ_ERROR_NULL ||
           status == SEALMQ_ERROR_JOIN;
}

/* What the keys need. */
static bool flush(void) {
    char filter[SEALMQ_TOPIC_SIZE];
    do {
        if (sealmq_device_next_filter(&device, filter, sizeof filter) != SEALMQ_OK)
            return false;
        if (*filter && !mqtt_subscribe(filter))
            return false;
    } while (*filter);
    do {
        sealmq_status status = sealmq_device_next_packet(&device, &packet);
        if (status != SEALMQ_OK)
            return !is_fatal(status);
        if (!*packet.topic)
            return true;
        uint16_t sent = mqtt_publish(packet.topic, packet.payload, packet.payload_len, packet.retain);
        if (!sent)
            return false;
        if (packet.is_awaited) {
            copy(awaited.topic, packet.topic, sizeof awaited.topic);
            awaited.identifier = sent;
        }
    } while (true);
}

/* Opens a message, in place. */
static sealmq_status open_message(char *topic, uint8_t *payload, size_t len, bool retained) {
    static char text[64], name[65];
    sealmq_delivery delivery;
    sealmq_status status = sealmq_device_received(&device, topic, payload, len, retained, &delivery);
    if (status == SEALMQ_OK && delivery.payload) {
        size_t shown = delivery.payload_len < sizeof text - 1 ? delivery.payload_len : sizeof text - 1;
        copy(text, delivery.payload, shown);
        text[shown] = 0;
        copy(name, delivery.sender_name.bytes, delivery.sender_name.len);
        name[delivery.sender_name.len] = 0;
        port_log("command: ", text);
        port_log("from: ", name);
    } else if (status == SEALMQ_ERROR_REJECTED)
        port_log("rejected on ", topic);
    return status;
}

/* One that waits may open now. */
static void try_held(void) {
    if (held.is_there)
        held.is_there =
            open_message(held.topic, held.payload, held.payload_len, held.retained) == SEALMQ_ERROR_NO_KEYS;
}

static void acknowledged(uint16_t identifier) {
    if (identifier == awaited.identifier) {
        awaited.identifier = 0;
        sealmq_device_acknowledged(&device, awaited.topic);
    }
}

static bool receive(mqtt_message *message) {
    sealmq_status status =
        open_message(message->topic, message->payload, message->payload_len, message->retained);
    if (status == SEALMQ_ERROR_NO_KEYS && message->payload_len <= sizeof held.payload) {
        held.is_there = true;
        copy(held.topic, message->topic, sizeof held.topic);
        copy(held.payload, message->payload, message->payload_len);
        held.payload_len = message->payload_len;
        held.retained = message->retained;
    } else if (status == SEALMQ_OK)
        try_held();
    /* Stored as seen: now the broker may forget it. */
    return !is_fatal(status) && mqtt_acknowledge(message->identifier);
}

static bool send_reading(unsigned long number) {
    uint8_t reading[16] = "reading 000000", buffer[sizeof reading + SEALMQ_OVERHEAD];
    const uint8_t *envelope;
    size_t len;
    for (int at = 13; at > 7; at--, number /= 10)
        reading[at] = (uint8_t)('0' + number % 10);
    const sealmq_properties text = {.is_text = true};
    /* As short as it goes: a reading each second. */
    const sealmq_device_message message = {
        .topic = READING, .payload = reading, .payload_len = 14, .short_form = true, .properties = &text};
    sealmq_status status = sealmq_device_seal(&device, &message, buffer, sizeof buffer, &envelope, &len);
    if (status == SEALMQ_OK)
        return mqtt_publish(READING, envelope, len, false) != 0;
    if (status == SEALMQ_ERROR_NOT_ALLOWED)
        port_log("not allowed: removed, or without a grant", "");
    return !is_fatal(status); /* keys are on their way, or it was removed: nothing goes out in clear */
}

/* Until the connection ends. */
static bool converse(void) {
    static unsigned long number;
    mqtt_message message;
    bool was_member = false, is_member = false;
    awaited.identifier = 0;
    if (!mqtt_connect(port_name()) || sealmq_device_connected(&device) != SEALMQ_OK || !flush() ||
        !mqtt_subscribe(COMMANDS))
        return false;
    for (uint64_t next = 0;;) {
        int got = mqtt_receive(&message, 100);
        if (got < 0 || (got == 1 && !receive(&message)))
            return false;
        if (got == 2)
            acknowledged(message.identifier);
        sealmq_device_is_member(&device, &is_member);
        if (is_member && !was_member)
            port_log("member", "");
        was_member = is_member;
        if (port_uptime_ms() >= next) {
            next = port_uptime_ms() + 1000;
            if (is_fatal(sealmq_device_tick(&device)))
                return false;
            if (is_member && !send_reading(number++))
                return false;
        }
        if (!flush())
            return false;
    }
}

int sensor_run(void) {
    for (;;) {
        bool is_member = false;
        sealmq_status status = sealmq_device_open(&device, &port_board);
        if (status == SEALMQ_OK)
            status = sealmq_device_is_member(&device, &is_member);
        if (status == SEALMQ_OK && !is_member)
            status = sealmq_device_join(&device, port_token(), port_name());
        if (status != SEALMQ_OK) {
            port_log("cannot start", "");
            return (int)status;
        }
        converse();
        port_log("connecting again", "");
        port_pause(500);
    }
}
