/* The board is a process: a TCP connection, a file that behaves like flash.
 *
 *   sensor HOST PORT FLASH-FILE TOKEN-FILE NAME */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "port.h"
#include "sensor.h"

static const char *host, *service, *name;
static char token[2048];
static int flash = -1, line = -1;

static int read_flash(void *context, uint32_t at, uint8_t *bytes, size_t len) {
    (void)context;
    return pread(flash, bytes, len, at) == (ssize_t)len ? 0 : 1;
}

/* Like flash, it takes only what was erased. */
static int program(void *context, uint32_t at, const uint8_t *bytes, size_t len) {
    uint8_t there[SEALMQ_FLASH_WORD];
    (void)context;
    if (at % SEALMQ_FLASH_WORD || len % SEALMQ_FLASH_WORD)
        return 2;
    for (size_t i = 0; i < len; i += sizeof there) {
        if (pread(flash, there, sizeof there, at + (off_t)i) != sizeof there)
            return 1;
        for (size_t j = 0; j < sizeof there; j++)
            if (there[j] != 0xff)
                return 3;
    }
    return pwrite(flash, bytes, len, at) == (ssize_t)len && !fdatasync(flash) ? 0 : 1;
}

static int erase(void *context, uint32_t from, uint32_t to) {
    uint8_t page[SEALMQ_FLASH_PAGE];
    (void)context;
    if (from % SEALMQ_FLASH_PAGE || to % SEALMQ_FLASH_PAGE)
        return 2;
    memset(page, 0xff, sizeof page);
    for (; from < to; from += SEALMQ_FLASH_PAGE)
        if (pwrite(flash, page, sizeof page, from) != sizeof page)
            return 1;
    return 0;
}

uint64_t port_uptime_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void now(void *context, uint64_t *uptime_ms, uint64_t *unix_ms) {
    (void)context;
    *uptime_ms = port_uptime_ms();
    *unix_ms = (uint64_t)time(NULL) * 1000;
}

static int draw(void *context, uint8_t *bytes, size_t len) {
    (void)context;
    return getrandom(bytes, len, 0) == (ssize_t)len ? 0 : 1;
}

const sealmq_board port_board = {.flash_size = SEALMQ_FLASH_SIZE,
                                 .flash_read = read_flash,
                                 .flash_program = program,
                                 .flash_erase = erase,
                                 .now = now,
                                 .random = draw};

const char *port_token(void) { return token; }
const char *port_name(void) { return name; }

bool port_connect(void) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (line >= 0)
        close(line);
    line = -1;
    if (getaddrinfo(host, service, &hints, &found))
        return false;
    line = socket(found->ai_family, found->ai_socktype, 0);
    bool good = line >= 0 && !connect(line, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return good;
}

bool port_write(const uint8_t *bytes, size_t len) { return send(line, bytes, len, MSG_NOSIGNAL) == (ssize_t)len; }

int port_read(uint8_t *byte, unsigned ms) {
    struct pollfd ready = {.fd = line, .events = POLLIN};
    if (poll(&ready, 1, (int)ms) <= 0)
        return 0;
    return recv(line, byte, 1, 0) == 1 ? 1 : -1;
}

void port_pause(unsigned ms) { usleep(ms * 1000); }

void port_log(const char *text, const char *more) {
    printf("%s%s\n", text, more);
    fflush(stdout);
}

void sealmq_device_fault(void) { abort(); }

int main(int count, char **arguments) {
    if (count != 6)
        return 2;
    host = arguments[1], service = arguments[2], name = arguments[5];
    FILE *file = fopen(arguments[4], "r");
    if (!file || !fread(token, 1, sizeof token - 1, file))
        return 2;
    fclose(file);
    flash = open(arguments[3], O_RDWR | O_CREAT, 0600);
    if (flash < 0)
        return 2;
    if (lseek(flash, 0, SEEK_END) < (off_t)SEALMQ_FLASH_SIZE && erase(NULL, 0, SEALMQ_FLASH_SIZE))
        return 2;
    return sensor_run();
}
