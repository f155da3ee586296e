/* What differs between boards: a byte stream to the broker, flash, time, randomness, a log. */
#ifndef PORT_H
#define PORT_H

#include <sealmq_device.h>

extern const sealmq_board port_board;

/* The token that lets the device in, and its name. */
const char *port_token(void);
const char *port_name(void);

/* A new connection to the broker. */
bool port_connect(void);
bool port_write(const uint8_t *bytes, size_t len);
/* One byte: 1; none within so many milliseconds: 0; the connection has ended: -1. */
int port_read(uint8_t *byte, unsigned ms);

uint64_t port_uptime_ms(void);
void port_pause(unsigned ms);
void port_log(const char *text, const char *more);

#endif
