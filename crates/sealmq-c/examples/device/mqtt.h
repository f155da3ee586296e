/* A very small client of MQTT 3.1.1: QoS 1 both ways, no memory but its buffers. */
#ifndef MQTT_H
#define MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char topic[192];
    uint8_t *payload; /* in the receive buffer, until the next call */
    size_t payload_len;
    bool retained;
    uint16_t identifier; /* 0 at QoS 0 */
} mqtt_message;

bool mqtt_connect(const char *client_id);
bool mqtt_subscribe(const char *filter);
/* The packet identifier, which the broker will acknowledge; 0: the connection has ended. */
uint16_t mqtt_publish(const char *topic, const uint8_t *payload, size_t len, bool retain);
/* PUBACK, when the message is done with. */
bool mqtt_acknowledge(uint16_t identifier);
/* A PUBLISH came: 1; the PUBACK of `message->identifier`: 2; neither within so many milliseconds: 0; the
 * connection has ended: -1. */
int mqtt_receive(mqtt_message *message, unsigned ms);

#endif
