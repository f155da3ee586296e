#include "mqtt.h"

#include "port.h"

/* Larger packets than this are acknowledged and dropped. */
static uint8_t in[4096];
static uint64_t sent_at;
static uint16_t next_identifier;

static size_t length(const char *text) {
    size_t len = 0;
    while (text[len])
        len++;
    return len;
}

static bool put(const uint8_t *bytes, size_t len) { return len == 0 || port_write(bytes, len); }

static bool put_u16(size_t number) {
    uint8_t bytes[2] = {(uint8_t)(number >> 8), (uint8_t)number};
    return put(bytes, 2);
}

static bool put_text(const char *text) {
    size_t len = length(text);
    return put_u16(len) && put((const uint8_t *)text, len);
}

static bool put_head(uint8_t type, size_t rest) {
    uint8_t head[5] = {type};
    size_t used = 1;
    do {
        uint8_t low = rest & 0x7f;
        rest >>= 7;
        head[used++] = rest ? low | 0x80 : low;
    } while (rest && used < sizeof head);
    sent_at = port_uptime_ms();
    return put(head, used);
}

static uint16_t identifier(void) {
    if (++next_identifier == 0)
        next_identifier = 1;
    return next_identifier;
}

/* The next packet's type, with its rest in `in`, `*len` bytes of `*whole`. */
static int get(unsigned ms, uint8_t *type, size_t *len, size_t *whole) {
    uint8_t byte;
    int got = port_read(type, ms);
    if (got <= 0)
        return got;
    *whole = 0;
    for (int shift = 0;; shift += 7) {
        if (shift > 21 || port_read(&byte, 5000) != 1)
            return -1;
        *whole |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    *len = 0;
    for (size_t i = 0; i < *whole; i++) {
        if (port_read(&byte, 5000) != 1)
            return -1;
        if (*len < sizeof in)
            in[(*len)++] = byte;
    }
    return 1;
}

bool mqtt_connect(const char *client_id) {
    static const uint8_t connect[] = {0, 4, 'M', 'Q', 'T', 'T', 4, 2 /* clean session */, 0, 60};
    uint8_t type;
    size_t len, whole;
    next_identifier = 0;
    return port_connect() && put_head(0x10, sizeof connect + 2 + length(client_id)) &&
           put(connect, sizeof connect) && put_text(client_id) && get(5000, &type, &len, &whole) == 1 &&
           type == 0x20 && len == 2 && in[1] == 0;
}

bool mqtt_subscribe(const char *filter) {
    static const uint8_t qos = 1;
    return put_head(0x82, 2 + 2 + length(filter) + 1) && put_u16(identifier()) && put_text(filter) && put(&qos, 1);
}

uint16_t mqtt_publish(const char *topic, const uint8_t *payload, size_t len, bool retain) {
    uint16_t number = identifier();
    bool sent = put_head(retain ? 0x33 : 0x32, 2 + length(topic) + 2 + len) && put_text(topic) && put_u16(number) &&
                put(payload, len);
    return sent ? number : 0;
}

bool mqtt_acknowledge(uint16_t number) { return number == 0 || (put_head(0x40, 2) && put_u16(number)); }

int mqtt_receive(mqtt_message *message, unsigned ms) {
    uint8_t type;
    size_t len, whole;
    if (port_uptime_ms() - sent_at > 30000 && !put_head(0xc0, 0)) /* PINGREQ */
        return -1;
    int got = get(ms, &type, &len, &whole);
    if (got <= 0)
        return got;
    if ((type & 0xf0) == 0x40 && len >= 2) {
        message->identifier = (uint16_t)(in[0] << 8 | in[1]);
        return 2;
    }
    if ((type & 0xf0) != 0x30)
        return 0; /* SUBACK, PINGRESP: what is lost is sent again by its own rules */
    size_t topic = len < 2 ? 0 : (size_t)in[0] << 8 | in[1];
    size_t at = 2 + topic;
    message->identifier = 0;
    if ((type & 0x06) && at + 2 <= len) {
        message->identifier = (uint16_t)(in[at] << 8 | in[at + 1]);
        at += 2;
    }
    if (whole > len || at > len || topic >= sizeof message->topic)
        return mqtt_acknowledge(message->identifier) ? 0 : -1; /* too large */
    for (size_t i = 0; i < topic; i++)
        message->topic[i] = (char)in[2 + i];
    message->topic[topic] = 0;
    message->payload = in + at;
    message->payload_len = len - at;
    message->retained = type & 1;
    return 1;
}
