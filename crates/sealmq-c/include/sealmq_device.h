// sealmq for microcontrollers: a member in memory of the caller's, without an operating system and
// without an allocator. docs/device.md is the guide. Made from the Rust code of crates/sealmq-c: change
// it there.
//
// Rules for all functions:
// * Texts are UTF-8 and end with a zero byte. Buffers are a pointer and a length in bytes; with length
//   0 the pointer may be null.
// * What a function is given it copies, but for what it says. It writes where it is told, and nowhere else.
// * One call at a time, and none from an interrupt: a call from a callback of another is refused with
//   SEALMQ_ERROR_IN_USE, and changes nothing.
// * After SEALMQ_ERROR_STORE the device is closed (SEALMQ_ERROR_ENDED): open it again.
//
// The firmware defines `void sealmq_device_fault(void)`, which does not return: where a panic would end.
// There is none.


#ifndef SEALMQ_DEVICE_H
#define SEALMQ_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef SEALMQ_H
#error "sealmq.h is for hosts, sealmq_device.h for devices: one of them"
#endif

#define SEALMQ_ALIGNED(n) __attribute__((aligned(n)))


// Bytes that are erased together: pages of a board may be smaller, if a whole number of them makes
// one of these.
#define SEALMQ_FLASH_PAGE 4096

// Bytes that are programmed together: a multiple of what the flash is programmed by.
#define SEALMQ_FLASH_WORD 8

// Bytes of flash that are enough for years.
#define SEALMQ_FLASH_SIZE (16 * SEALMQ_FLASH_PAGE)

// Bytes of RAM that a device takes; all it has between calls.
#define SEALMQ_DEVICE_SIZE 36864

// Most bytes of a message's properties: each of them, its texts, and 7 bytes for each.
#define SEALMQ_PROPERTIES_SIZE 256

// Bytes by which an envelope is longer than its payload, at most, in a group without padding:
// spec/envelope.md §3, and the device's credential with its length.
#define SEALMQ_OVERHEAD 667

// Bytes that hold every topic and filter of key management, the zero byte included.
#define SEALMQ_TOPIC_SIZE 192

// Bytes that hold everything that key management publishes.
#define SEALMQ_PACKET_SIZE 1536

// What a call says. The numbers stay as they are; new ones may be added.
typedef enum sealmq_status {
  // It worked.
  SEALMQ_OK = 0,
  // A pointer that must not be null is null.
  SEALMQ_ERROR_NULL = 1,
  // An argument makes no sense: no UTF-8, no topic, no filter, a length, a number. The text says
  // which.
  SEALMQ_ERROR_ARGUMENT = 2,
  // The buffer is too small; the length that is needed was told.
  SEALMQ_ERROR_BUFFER = 3,
  // The handle is in another call: of another thread, or this call comes from one of its own
  // callbacks. Use a handle in one thread at a time.
  SEALMQ_ERROR_IN_USE = 4,
  // An earlier call with this handle failed halfway: free it, and open it again.
  SEALMQ_ERROR_POISONED = 5,
  // The machine has ended: free the handle.
  SEALMQ_ERROR_ENDED = 6,
  // The call does not fit what came before; the text says what is expected.
  SEALMQ_ERROR_ORDER = 7,
  // A callback of the store failed. Nothing more comes out: repair the store, and open it again.
  SEALMQ_ERROR_STORE = 8,
  // The random number generator failed.
  SEALMQ_ERROR_RANDOM = 9,
  // The store holds no member, or not such a one; the text says what it holds.
  SEALMQ_ERROR_MEMBER = 10,
  // Keys have not come yet, or have expired. Waiting may help: nothing is sent in clear instead.
  SEALMQ_ERROR_NO_KEYS = 11,
  // This member may not do this: no group covers the topic, no grant, or it was removed.
  SEALMQ_ERROR_NOT_ALLOWED = 12,
  // What the broker says that it takes excludes this: size, quality of service, retain.
  SEALMQ_ERROR_BROKER = 13,
  // A message was refused: forged, replayed, too old, or of somebody who was removed.
  SEALMQ_ERROR_REJECTED = 14,
  // The device does not become a member; the text says why.
  SEALMQ_ERROR_JOIN = 15,
  // A bug of this library, and no fault of the caller's: please report the text.
  SEALMQ_ERROR_BUG = 16,
} sealmq_status;

// Bytes of somebody else, or a text **without** a zero byte behind it; null: it is not there.
typedef struct sealmq_span {
  // Where.
  const uint8_t *bytes;
  // How many.
  size_t len;
} sealmq_span;

// What came for the application. All of it was signed by its sender, but for `retained`. What it points
// to is in the buffer that was given; the sender's name in the device, until the next call with it.
typedef struct sealmq_delivery {
  // The payload; null: nothing for the application.
  const uint8_t *payload;
  // Its length in bytes.
  size_t payload_len;
  // The sender's number, never given to another.
  uint32_t sender;
  // The sender's name, as the authority enrolled it.
  struct sealmq_span sender_name;
  // Milliseconds since 1970, by the sender's clock; 0 if it has none.
  uint64_t sent_at_ms;
  // Number of the sender's session, and of the message in it.
  uint64_t session;
  // Number of the message in its session.
  uint32_t counter;
  // Delivered as the topic's retained value.
  bool retained;
  // The sender's Last Will.
  bool is_will;
  // The payload is UTF-8 text.
  bool is_text;
  // The payload's type.
  struct sealmq_span content_type;
  // Where an answer is expected.
  struct sealmq_span response_topic;
  // What an answer is to repeat.
  struct sealmq_span correlation;
  // The application's own pairs: `sealmq_delivery_user`.
  size_t user_len;
  // All properties, as they travelled (spec/envelope.md §5).
  struct sealmq_span properties;
} sealmq_delivery;

// A device: a place of the caller's, such as a static, zero before `sealmq_device_open`,
// and never moved or copied. Nothing in it is the caller's to read.
typedef struct SEALMQ_ALIGNED(16) sealmq_device {
  // Its state, secrets included.
  uint8_t opaque[SEALMQ_DEVICE_SIZE];
} sealmq_device;

// What the board provides. Callbacks must return, are not called from interrupts, and must not call
// the device that calls them. All but `device_key` and `context` must be there.
typedef struct sealmq_board {
  // Given to all callbacks.
  void *context;
  // Bytes of flash, a multiple of `SEALMQ_FLASH_PAGE`; `SEALMQ_FLASH_SIZE` are enough. Addresses
  // count from 0, wherever the region is on the board.
  uint32_t flash_size;
  // Reads `len` bytes from `at` on. Returns 0, or an error.
  int (*flash_read)(void *context, uint32_t at, uint8_t *bytes, size_t len);
  // Programs `len` bytes from `at` on, both multiples of `SEALMQ_FLASH_WORD`, where all was erased
  // before. **Durable** when it returns 0. Power may fail at any byte.
  int (*flash_program)(void *context, uint32_t at, const uint8_t *bytes, size_t len);
  // Erases from `from` up to `to`, both multiples of `SEALMQ_FLASH_PAGE`. Returns 0, or an error.
  int (*flash_erase)(void *context, uint32_t from, uint32_t to);
  // Writes milliseconds since the start of the device, which never go back, to `*uptime_ms`, and the
  // time in milliseconds since 1970 to `*unix_ms`: 0 if it is not known. Groups then need leases.
  void (*now)(void *context, uint64_t *uptime_ms, uint64_t *unix_ms);
  // Fills `len` bytes at `bytes` with random numbers, and returns 0; anything else: it cannot. A
  // weak generator is helped out by a secret that the device keeps; a stuck one is refused.
  int (*random)(void *context, uint8_t *bytes, size_t len);
  // 32 bytes that cannot be read from outside, always the same, which encrypt what is in flash; or
  // null.
  const uint8_t *device_key;
} sealmq_board;

// A pair of the application's own.
typedef struct sealmq_pair {
  // Its name.
  const char *name;
  // Its value.
  const char *value;
} sealmq_pair;

// What MQTT 5 carries beside a payload. Here it travels inside the envelope, protected, with
// MQTT 3.1.1, too. All zero: none.
typedef struct sealmq_properties {
  // The payload is UTF-8 text.
  bool is_text;
  // Seconds from sealing on after which no reader takes the message; 0: no end.
  uint32_t expiry_s;
  // The payload's type, or null.
  const char *content_type;
  // Where an answer is expected, or null.
  const char *response_topic;
  // What an answer is to repeat, or null.
  const uint8_t *correlation;
  // Its length in bytes.
  size_t correlation_len;
  // The application's own pairs, in order, or null.
  const struct sealmq_pair *user;
  // How many.
  size_t user_len;
} sealmq_properties;

// A message to be sealed.
typedef struct sealmq_device_message {
  // The topic name on which it is published.
  const char *topic;
  // The payload; may be null if `payload_len` is 0.
  const uint8_t *payload;
  // Its length in bytes.
  size_t payload_len;
  // Published with the RETAIN flag: who comes later gets it, too.
  bool retain;
  // At most 100 bytes around the payload, instead of some 600 or, once readers know the device, 150.
  // A record of the session is published first, by `sealmq_device_next_packet`; until the broker has
  // acknowledged it, and with `retain`, the full form is taken.
  bool short_form;
  // At most `SEALMQ_PROPERTIES_SIZE` bytes; null: none.
  const struct sealmq_properties *properties;
} sealmq_device_message;

// One packet of key management: PUBLISH with QoS 1.
typedef struct sealmq_packet {
  // Its topic, zero-terminated; empty: there is nothing to send.
  char topic[SEALMQ_TOPIC_SIZE];
  // The payload.
  uint8_t payload[SEALMQ_PACKET_SIZE];
  // Its length in bytes.
  size_t payload_len;
  // The RETAIN flag.
  bool retain;
  // Messages of the short form wait until `sealmq_device_acknowledged` is called for it.
  bool is_awaited;
} sealmq_packet;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What a number of `sealmq_status` means, in a few words. Never null, and valid for ever; a
// number that is not among them is "unknown".
const char *sealmq_strerror(int32_t status);

// Writes pair number `index`, from 0, of the application's own pairs to `*name` and `*value`; it points
// into the buffer that the delivery points to.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (there are not so many, or the delivery's
// properties were changed).
//
// The caller promises:
// `delivery` points to a delivery whose buffer is still as it was; `name` and `value` to places for
// results.
enum sealmq_status sealmq_delivery_user(const struct sealmq_delivery *delivery,
                                        size_t index,
                                        struct sealmq_span *name,
                                        struct sealmq_span *value);

// Opens the device that is in flash, or begins a new one. The board's structure is copied; its
// callbacks and `context` have to stay. After `SEALMQ_ERROR_STORE` of any call this is the way on. There
// is nothing to be freed.
//
// Errors: `SEALMQ_ERROR_NULL` (`device`, `board`, a callback), `SEALMQ_ERROR_ARGUMENT` (not aligned),
// `SEALMQ_ERROR_STORE` (flash failed, does not fit, or holds what another version or key wrote),
// `SEALMQ_ERROR_IN_USE`.
//
// The caller promises:
// `device` points to a place that was zero when it was handed over first; `board` to a board whose
// pointers are as documented.
enum sealmq_status sealmq_device_open(struct sealmq_device *device,
                                      const struct sealmq_board *board);

// Writes to `*is_member` whether the device is a member. If not: `sealmq_device_join`.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `device` is an open device; `is_member` points to a place for a `bool`.
enum sealmq_status sealmq_device_is_member(struct sealmq_device *device, bool *is_member);

// Joins by a token, the text `sealmq:join/…`, under a name of 1 to 64 letters, digits, `.`, `_`, `-`.
// Both are copied. Call it after each start, as long as the device is no member: the request stays the
// same. A member stays what it is.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (no token, one of suite 2, or not for this name),
// `SEALMQ_ERROR_RANDOM`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `device` is an open device; `token` and `name` are zero-terminated strings.
enum sealmq_status sealmq_device_join(struct sealmq_device *device,
                                      const char *token,
                                      const char *name);

// A connection began: ask for filters, subscribe them, then your own.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `device` is an open device.
enum sealmq_status sealmq_device_connected(struct sealmq_device *device);

// Takes a PUBLISH: `payload_len` bytes at `payload`, which are **opened in place**, and the RETAIN flag
// as the broker set it. Keys and messages alike come in here. A message for the application is written
// to `*delivery`; its payload stays where it was opened. It is stored as seen before this returns, so
// that no power cut lets it come again. Then ask for filters and packets.
//
// Errors: `SEALMQ_ERROR_REJECTED` (not authentic, replayed, too old: throw it away; what is bad on a topic
// of key management is no error, and changes nothing), `SEALMQ_ERROR_NO_KEYS` (a key or the sender's
// credential is missing, and asked for; the envelope is as it was: offer it again, or let the broker
// deliver it again), `SEALMQ_ERROR_JOIN` (the authority does not take the device), `SEALMQ_ERROR_NULL`,
// `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8, a length), `SEALMQ_ERROR_STORE` (open the device
// again), `SEALMQ_ERROR_MEMBER`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `device` is an open device; `topic` a zero-terminated string; `payload_len` bytes may be read and
// written at `payload`; `delivery` points to a place for the result. None of them lies in another.
enum sealmq_status sealmq_device_received(struct sealmq_device *device,
                                          const char *topic,
                                          uint8_t *payload,
                                          size_t payload_len,
                                          bool retained,
                                          struct sealmq_delivery *delivery);

// Time has passed: call it about once a second, then ask for filters and packets.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_RANDOM` (what needs it waits), `SEALMQ_ERROR_STORE` (open the
// device again), `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `device` is an open device.
enum sealmq_status sealmq_device_tick(struct sealmq_device *device);

// Seals a message in the `capacity` bytes at `buffer`, and writes to `*envelope` and `*envelope_len`
// where the envelope stands in it: publish that on the message's topic, with its RETAIN flag, and nothing
// else. The payload's length, `SEALMQ_OVERHEAD` and what the properties take are enough, in a group
// without padding. If `capacity` is too small, `*envelope_len` says what is needed, and nothing was used
// up. What the envelope rests on is stored when this returns.
//
// Errors: `SEALMQ_ERROR_NO_KEYS` (none yet, or expired; also until the group's topics are known),
// `SEALMQ_ERROR_NOT_ALLOWED` (no grant, or removed), `SEALMQ_ERROR_BUFFER`, `SEALMQ_ERROR_NULL`,
// `SEALMQ_ERROR_ARGUMENT` (the topic, properties, a length, payload and buffer overlap),
// `SEALMQ_ERROR_RANDOM`, `SEALMQ_ERROR_STORE` (open the device again), `SEALMQ_ERROR_MEMBER`,
// `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`. Nothing may be sent instead.
//
// The caller promises:
// `device` is an open device; `message` points to a message whose pointers are as documented; `capacity`
// bytes may be written at `buffer`; `envelope` and `envelope_len` point to places for results. None of
// them lies in another.
enum sealmq_status sealmq_device_seal(struct sealmq_device *device,
                                      const struct sealmq_device_message *message,
                                      uint8_t *buffer,
                                      size_t capacity,
                                      const uint8_t **envelope,
                                      size_t *envelope_len);

// Writes the next filter to subscribe with QoS 1, zero-terminated, to the `capacity` bytes at `filter`:
// `SEALMQ_TOPIC_SIZE` are always enough. An empty text: none now. Call it until then after
// `sealmq_device_connected`, before you subscribe your own topics, and after each
// `sealmq_device_received` and `sealmq_device_tick`. A filter may come
// again: subscribe it again, so that the broker delivers what it keeps.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_BUFFER`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`,
// `SEALMQ_ERROR_MEMBER` (neither a member nor joining).
//
// The caller promises:
// `device` is an open device; `capacity` bytes may be written at `filter`.
enum sealmq_status sealmq_device_next_filter(struct sealmq_device *device,
                                             char *filter,
                                             size_t capacity);

// Writes the next packet of key management to `*packet`; an empty topic: none now. What it rests on is
// stored. Call it until then, whenever `sealmq_device_next_filter` has nothing more, and after each
// `sealmq_device_seal` of the short form. When the broker has acknowledged
// one that is awaited: `sealmq_device_acknowledged`.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_STORE` (the flash failed: open the device again),
// `SEALMQ_ERROR_RANDOM`, `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`, `SEALMQ_ERROR_MEMBER`.
//
// The caller promises:
// `device` is an open device; `packet` points to a place for a packet.
enum sealmq_status sealmq_device_next_packet(struct sealmq_device *device,
                                             struct sealmq_packet *packet);

// The broker has acknowledged (PUBACK) the packet of key management on this topic. Messages of the short
// form wait for that of their session's record: until then they are sealed in the full form. Others need
// no word.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (no UTF-8), `SEALMQ_ERROR_MEMBER`,
// `SEALMQ_ERROR_IN_USE`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `device` is an open device; `topic` a zero-terminated string.
enum sealmq_status sealmq_device_acknowledged(struct sealmq_device *device,
                                              const char *topic);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SEALMQ_DEVICE_H */
