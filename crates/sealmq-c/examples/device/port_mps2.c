/* The board is an emulated Cortex-M4 (QEMU's mps2-an386): UART0 is the byte stream to the broker, flash is
 * kept in RAM; token, name, time and randomness come by semihosting. No C library. */
#include "port.h"
#include "sensor.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART_DATA REGISTER(0x40004000)
#define UART_STATE REGISTER(0x40004004)
#define UART_CTRL REGISTER(0x40004008)
#define UART_BAUDDIV REGISTER(0x40004010)
#define SYSTICK_CTRL REGISTER(0xe000e010)
#define SYSTICK_LOAD REGISTER(0xe000e014)
#define SYSTICK_VALUE REGISTER(0xe000e018)
#define TICKS_PER_MS 25000

enum { OPEN = 0x01, WRITE0 = 0x04, READ = 0x06, TIME = 0x11, EXIT = 0x18 };

static volatile uint32_t uptime_ms;
static uint8_t flash[SEALMQ_FLASH_SIZE];
static char token[1024], name[64];

static int semihost(int operation, const void *parameters) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameters;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void stop(int failed) {
    semihost(EXIT, (const void *)(failed ? 0x20023 : 0x20026));
    for (;;)
        ;
}

/* Bytes of a host's file that were read. */
static size_t read_host(const char *path, size_t path_len, uint8_t *bytes, size_t len) {
    const void *open[3] = {path, (const void *)1, (const void *)path_len};
    int handle = semihost(OPEN, open);
    if (handle < 0)
        return 0;
    const void *read[3] = {(const void *)handle, bytes, (const void *)len};
    return len - (size_t)semihost(READ, read);
}

static int read_flash(void *context, uint32_t at, uint8_t *bytes, size_t len) {
    (void)context;
    if (at > sizeof flash || len > sizeof flash - at)
        return 1;
    for (size_t i = 0; i < len; i++)
        bytes[i] = flash[at + i];
    return 0;
}

static int program(void *context, uint32_t at, const uint8_t *bytes, size_t len) {
    (void)context;
    if (at > sizeof flash || len > sizeof flash - at)
        return 1;
    for (size_t i = 0; i < len; i++)
        flash[at + i] &= bytes[i];
    return 0;
}

static int erase(void *context, uint32_t from, uint32_t to) {
    (void)context;
    if (from > to || to > sizeof flash)
        return 1;
    for (; from < to; from++)
        flash[from] = 0xff;
    return 0;
}

uint64_t port_uptime_ms(void) { return uptime_ms; }

static void now(void *context, uint64_t *up, uint64_t *unix_ms) {
    (void)context;
    *up = uptime_ms;
    *unix_ms = (uint64_t)(uint32_t)semihost(TIME, 0) * 1000;
}

/* A board of yours has a generator for this. */
static int draw(void *context, uint8_t *bytes, size_t len) {
    static int urandom = -1;
    (void)context;
    if (urandom < 0) {
        static const char path[] = "/dev/urandom";
        const void *open[3] = {path, (const void *)1, (const void *)(sizeof path - 1)};
        urandom = semihost(OPEN, open);
    }
    const void *read[3] = {(const void *)urandom, bytes, (const void *)len};
    return urandom < 0 ? 1 : semihost(READ, read);
}

const sealmq_board port_board = {.flash_size = SEALMQ_FLASH_SIZE,
                                 .flash_read = read_flash,
                                 .flash_program = program,
                                 .flash_erase = erase,
                                 .now = now,
                                 .random = draw};

const char *port_token(void) { return token; }
const char *port_name(void) { return name; }

/* The emulator connects once. */
bool port_connect(void) {
    static bool was_connected;
    if (was_connected)
        stop(1);
    was_connected = true;
    UART_BAUDDIV = 16;
    UART_CTRL = 3;
    return true;
}

bool port_write(const uint8_t *bytes, size_t len) {
    for (; len; len--) {
        while (UART_STATE & 1)
            ;
        UART_DATA = *bytes++;
    }
    return true;
}

int port_read(uint8_t *byte, unsigned ms) {
    uint32_t begun = uptime_ms;
    while (!(UART_STATE & 2))
        if (uptime_ms - begun >= ms)
            return 0;
    *byte = (uint8_t)UART_DATA;
    return 1;
}

void port_pause(unsigned ms) {
    uint32_t begun = uptime_ms;
    while (uptime_ms - begun < ms)
        ;
}

void port_log(const char *text, const char *more) {
    semihost(WRITE0, text);
    semihost(WRITE0, more);
    semihost(WRITE0, "\n");
}

void sealmq_device_fault(void) { stop(1); }

extern uint32_t data_from[], data_start[], data_end[], bss_start[], bss_end[];

static void on_tick(void) { uptime_ms++; }

void on_reset(void);
void on_reset(void) {
    for (uint32_t *from = data_from, *to = data_start; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    SYSTICK_LOAD = TICKS_PER_MS - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CTRL = 7;
    erase(0, 0, sizeof flash);
    if (!read_host("token", 5, (uint8_t *)token, sizeof token - 1) || !read_host("name", 4, (uint8_t *)name, sizeof name - 1))
        stop(1);
    stop(sensor_run());
}

static void on_fault(void) { stop(1); }

/* Behind the stack's start, which the linker puts first. */
__attribute__((section(".vectors"), used)) static void (*const vectors[15])(void) = {
    on_reset, on_fault, on_fault, on_fault, on_fault, on_fault, 0, 0, 0, 0, on_fault, 0, 0, on_fault, on_tick,
};
