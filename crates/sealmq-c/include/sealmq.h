// sealmq: end-to-end encryption with key management for MQTT. The API for programs with an operating
// system; docs/c.md is the guide. Made from the Rust code of crates/sealmq-c: change it there.
//
// Rules for all functions:
// * Texts are UTF-8 and end with a zero byte. Buffers are a pointer and a length in bytes; with length
//   0 the pointer may be null.
// * What a function is given it copies. What it gives is valid until the next call with the handle.
// * A handle belongs to one thread at a time. A second call at the same time, or from a callback of the
//   first, is refused with SEALMQ_ERROR_IN_USE, and changes nothing.
// * Callbacks must return, and must not leave by longjmp or a C++ exception.
// * After an error, sealmq_last_error() says what happened and what helps.


#ifndef SEALMQ_H
#define SEALMQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes that hold every name of a member, its zero byte included.
#define SEALMQ_NAME_SIZE 65

// Bytes that hold the address of every broker in a token, its zero byte included.
#define SEALMQ_BROKER_SIZE 256

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

// What an output is. Which fields of `sealmq_output` count stands here; all others are zero.
typedef enum sealmq_kind {
  // Nothing to do now.
  SEALMQ_NOTHING = 0,
  // Connect to the broker, with the Will in `topic`, `payload`, `qos`, `retain` and `delay_s` if
  // `topic` is not null; with a new session if `fresh`. Then `connack`, or `disconnected`.
  SEALMQ_CONNECT = 1,
  // Send DISCONNECT. Then `written`.
  SEALMQ_DISCONNECT = 2,
  // Close the connection without a word. Then `disconnected`.
  SEALMQ_HANG_UP = 3,
  // Send a PUBLISH with `topic`, `payload`, `qos`, `retain`; with MQTT 5 and `expiry_s` not 0,
  // this message expiry. Then `written`, with the packet identifier that it got.
  SEALMQ_PUBLISH = 4,
  // The same again with the DUP flag, under the identifier `packet`: a resumed session. No
  // `written`.
  SEALMQ_RESUME_PUBLISH = 5,
  // Send PUBREL for `packet`: a resumed session. No `written`.
  SEALMQ_RESUME_RELEASE = 6,
  // Send one SUBSCRIBE with `filters`. Then `written`.
  SEALMQ_SUBSCRIBE = 7,
  // Send an UNSUBSCRIBE for the filter `topic`. Then `written`.
  SEALMQ_UNSUBSCRIBE = 8,
  // Acknowledge the incoming PUBLISH `packet`: PUBACK if `qos` is 1, PUBREC if it is 2. A library
  // that acknowledges by itself has done so; leave it out.
  SEALMQ_ACKNOWLEDGE = 9,
  // A message for the application, in `message`: authentic.
  SEALMQ_MESSAGE = 20,
  // A message in clear, in `message`, on a topic for which the options allow that. **Nothing of
  // it is authentic**; it has no sender.
  SEALMQ_UNSEALED = 21,
  // The retained message of `topic` was cleared, by whomever: not authenticated.
  SEALMQ_CLEARED = 22,
  // A message on `topic` was refused and thrown away: `text` says why.
  SEALMQ_REJECTED = 23,
  // The publish `id` is sent until the broker has it.
  SEALMQ_ACCEPTED = 30,
  // The publish `id`, on `topic`, is not sent: `status` and `text` say why.
  SEALMQ_REFUSED = 31,
  // The publish `id` is done: the broker acknowledged it; at QoS 0, it was written.
  SEALMQ_DONE = 32,
  // The publish `id` was accepted and is not sent any more: `text` says why.
  SEALMQ_GIVEN_UP = 33,
  // Everything that was accepted before the flush `id` is done or given up.
  SEALMQ_FLUSHED = 34,
  // The broker granted the subscription to `topic`, with `qos`.
  SEALMQ_SUBSCRIBED = 40,
  // The broker refused the subscription to `topic`, with the reason code `code`.
  SEALMQ_SUBSCRIBE_REFUSED = 41,
  // The broker ended the subscription to `topic`.
  SEALMQ_UNSUBSCRIBED = 42,
  // Something that the application or the operator may want to know: `notice`, and a `text` for
  // the log. Never a secret.
  SEALMQ_NOTICE = 50,
  // Joining: the request waits for an operator, who compares the fingerprint in `text`.
  SEALMQ_WAITING = 60,
  // Joining: the device is a member, named `text`, with the number `id`. Free the handle, and
  // open a client with the same store.
  SEALMQ_JOINED = 61,
  // Nothing follows: free the handle.
  SEALMQ_CLOSED = 70,
} sealmq_kind;

// What a notice is about.
typedef enum sealmq_notice {
  // No notice.
  SEALMQ_NOTICE_NONE = 0,
  // The broker accepted the connection.
  SEALMQ_NOTICE_CONNECTED = 1,
  // Keys of a group came: what waited for them goes on by itself.
  SEALMQ_NOTICE_KEYS = 2,
  // This member was removed from a group.
  SEALMQ_NOTICE_REMOVED = 3,
  // Something is late, missing or damaged, and asked for again.
  SEALMQ_NOTICE_LATE = 4,
  // An alarm: a fork, replaced keys, old objects played back, two devices with one identity.
  // Tell the operator.
  SEALMQ_NOTICE_ALARM = 5,
  // A setting of the broker is in the way.
  SEALMQ_NOTICE_BROKER = 6,
  // The Will could not be sealed: this connection has none.
  SEALMQ_NOTICE_NO_WILL = 7,
  // A publish that was promised is not sent; also told by its own output, if it has an id.
  SEALMQ_NOTICE_NOT_PUBLISHED = 8,
  // Anything else.
  SEALMQ_NOTICE_OTHER = 9,
} sealmq_notice;

// How a connection ended.
typedef enum sealmq_ending {
  // Not because of a message: it could not be made, timed out, or the broker went away for a
  // reason of its own.
  SEALMQ_ENDING_UNRELATED = 0,
  // It broke, or the broker closed it, without a word.
  SEALMQ_ENDING_SILENT = 1,
  // The broker complained about a packet.
  SEALMQ_ENDING_COMPLAINT = 2,
  // The broker says that another connection with this client id took its place.
  SEALMQ_ENDING_TAKEN_OVER = 3,
} sealmq_ending;

// A member that talks to a broker, without the talking. Made by `sealmq_client_open`.
typedef struct sealmq_client sealmq_client;

// A device on its way into a domain. Made by `sealmq_joining_begin`.
typedef struct sealmq_joining sealmq_joining;

// Takes the records that a store holds, while it is loaded.
typedef struct sealmq_loader sealmq_loader;

// A member of a domain. Made by `sealmq_member_open`.
typedef struct sealmq_member sealmq_member;

// What a broker takes, as its CONNACK says (MQTT 5). All zero: everything, and 20 publishes on
// their way at a time.
typedef struct sealmq_limits {
  // Publishes of QoS 1 and 2 on their way at a time; also what the library is able to, if that is
  // less. 0: 20.
  uint16_t receive_maximum;
  // Most bytes of a packet; 0: no limit.
  uint32_t maximum_packet_size;
  // It takes no QoS 2.
  bool no_qos2;
  // It takes neither QoS 1 nor 2. Keys cannot be carried then.
  bool no_qos1;
  // It keeps no retained messages. Keys cannot be carried then.
  bool no_retain;
  // It takes no filters with wildcards. Keys cannot be carried then.
  bool no_wildcards;
  // It takes no shared subscriptions.
  bool no_shared;
} sealmq_limits;

// One change of a store.
typedef struct sealmq_change {
  // The record's key: printable ASCII, at most 255 bytes, for example `group/…/state`. Not secret.
  const char *key;
  // The record's new value, **secret**; null if the record is to be removed.
  const uint8_t *value;
  // Its length in bytes; 0 is a length as any other.
  size_t value_len;
  // The record is to be removed. One that is not there is no error.
  bool remove;
} sealmq_change;

// A store of the caller's: a map from keys to secret values. One handle at a time works with one
// store: two would use the same numbers twice.
//
// The records are what makes the device the member that it is. Who reads them can act as it, so
// keep them from others (a file of mode 0600; better, encrypted). Never put back an old copy.
typedef struct sealmq_store {
  // Given to both callbacks.
  void *context;
  // Gives every record to `loader`, by `sealmq_loader_add`; none, if the store is new. Called
  // when a handle is made. Returns 0, or any other number if the store cannot be read.
  int (*load)(void *context, struct sealmq_loader *loader);
  // Carries out `count` changes, in their order: all of them or none, and **durably** when it
  // returns 0: after a power cut they are there. Any other number says that nothing was changed;
  // the handle then has ended. The changes are gone when the call returns.
  int (*commit)(void *context, const struct sealmq_change *changes, size_t count);
} sealmq_store;

// A moment.
typedef struct sealmq_time {
  // Milliseconds since any moment; they never go back.
  uint64_t uptime_ms;
  // Milliseconds since 1970, UTC; 0 if the device does not know the time.
  uint64_t unix_ms;
} sealmq_time;

// Where time and randomness come from. All zero: from the operating system.
typedef struct sealmq_platform {
  // Given to both callbacks.
  void *context;
  // Writes the time to `*now`. Null: the operating system's clocks.
  void (*now)(void *context, struct sealmq_time *now);
  // Fills `len` bytes at `bytes` with random numbers that nobody can guess, and returns 0;
  // anything else says that it cannot. Null: the operating system's generator.
  int (*random)(void *context, uint8_t *bytes, size_t len);
} sealmq_platform;

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

// A message to be sent, in clear as the application has it.
typedef struct sealmq_outgoing {
  // Its topic: a topic name of MQTT.
  const char *topic;
  // The payload; may be null if `payload_len` is 0.
  const uint8_t *payload;
  // Its length in bytes. An empty payload with `retain` clears the topic's retained message.
  size_t payload_len;
  // Quality of service: 0, 1 or 2.
  uint8_t qos;
  // Whether the broker is to keep it.
  bool retain;
  // Null: none.
  const struct sealmq_properties *properties;
} sealmq_outgoing;

// How a client behaves. All zero but for `store`: the defaults, which suit a program on a host.
// Everything that pointers point to is copied when the client is opened, but for the contexts of
// callbacks, which have to live as long as the client.
typedef struct sealmq_options {
  // Where the member's state is kept. Must be there.
  const struct sealmq_store *store;
  // Time and randomness; null: the operating system's.
  const struct sealmq_platform *platform;
  // How long a publish waits, before it is accepted or refused, for keys that have not come yet.
  // Milliseconds; 0: not at all.
  uint32_t wait_for_keys_ms;
  // The member's own messages come back to it, if it subscribes to them.
  bool accept_own;
  // Put the member's credential into every message (150 to 300 bytes), so that readers need not
  // fetch it.
  bool announce_credential;
  // What is accepted at QoS 1 or 2 is in the store until the broker has it: the next process
  // sends what this one could not.
  bool persistent_outbox;
  // The application's own retained values are in the store, too, so that they are sealed again
  // after a removal even if the program was started again meanwhile.
  bool store_values;
  // Commit after each message that was opened: after a power cut none can be replayed, and none
  // that the application had not taken comes again.
  bool strict_replay;
  // Filters of topics that may pass in clear, both ways, if no group covers them; or null.
  const char *const *plaintext;
  // How many.
  size_t plaintext_len;
  // The Last Will, which is sealed anew for each connection; or null.
  const struct sealmq_outgoing *will;
  // MQTT 5: seconds that the broker waits before it publishes the Will.
  uint32_t will_delay_s;
  // First pause before connecting again, in milliseconds; 0: 200.
  uint32_t reconnect_first_ms;
  // Longest pause, after doubling; 0: 30,000.
  uint32_t reconnect_longest_ms;
} sealmq_options;

// A filter to be subscribed.
typedef struct sealmq_filter {
  // The topic filter.
  const char *filter;
  // Highest quality of service: 0, 1 or 2.
  uint8_t qos;
  // MQTT 5: own messages do not come back.
  bool no_local;
  // MQTT 5: retained messages are wanted always (0), if the subscription is new (1), never (2).
  uint8_t retain_handling;
} sealmq_filter;

// A message that came. Of one that was sealed, everything was signed by its sender, but for
// `retained`. All pointers are valid until the next call with the handle.
typedef struct sealmq_message {
  // The topic.
  const char *topic;
  // The payload; never null. No zero byte stands behind it.
  const uint8_t *payload;
  // Its length in bytes.
  size_t payload_len;
  // Delivered as the topic's retained value: a state, not an event.
  bool retained;
  // The sender's Last Will.
  bool is_will;
  // The sender's number, never given to another.
  uint32_t sender;
  // The sender's name, as the authority enrolled it.
  const char *sender_name;
  // The name of the group that covers the topic.
  const char *group;
  // The epoch whose keys sealed it.
  uint64_t epoch;
  // Number of the sender's session.
  uint64_t session;
  // Number of the message within the session.
  uint64_t counter;
  // The sender's clock when it was sealed, milliseconds since 1970; 0 if it has none.
  uint64_t sent_at_ms;
  // How many messages of this sender on this topic are missing before this one, as far as they
  // are numbered.
  uint32_t missed;
  // What travelled inside.
  struct sealmq_properties properties;
} sealmq_message;

// One thing to do, or to know. All pointers are valid until the next call with the handle.
typedef struct sealmq_output {
  // What it is, and which of the following count.
  enum sealmq_kind kind;
  // A topic or filter.
  const char *topic;
  // Bytes for the broker, as they are: an envelope, as a rule.
  const uint8_t *payload;
  // Their length.
  size_t payload_len;
  // Quality of service.
  uint8_t qos;
  // The RETAIN flag.
  bool retain;
  // A new session is wanted: MQTT 5's clean start, MQTT 3.1.1's clean session.
  bool fresh;
  // A packet identifier.
  uint16_t packet;
  // A reason code of MQTT.
  uint8_t code;
  // Seconds; 0: none.
  uint32_t expiry_s;
  // Seconds that the broker waits before it publishes the Will (MQTT 5).
  uint32_t delay_s;
  // Filters for one SUBSCRIBE.
  const struct sealmq_filter *filters;
  // How many.
  size_t filters_len;
  // The application's publish or flush; a member's number.
  uint64_t id;
  // Why.
  enum sealmq_status status;
  // Why, in words, or a name.
  const char *text;
  // What a notice is about.
  enum sealmq_notice notice;
  // A message.
  const struct sealmq_message *message;
} sealmq_output;

// How a device joins. All is copied, but for the contexts of callbacks, which have to live as long
// as the handle.
typedef struct sealmq_join_options {
  // Where the member's state will be. Must be there.
  const struct sealmq_store *store;
  // Time and randomness; null: the operating system's.
  const struct sealmq_platform *platform;
  // The name that the device wants: 1 to 64 letters, digits, `.`, `_`, `-`.
  const char *name;
  // The token: the text `sealmq:join/…`. Or null: an operator decides, who compares a fingerprint.
  const char *token;
  // Without a token: the domain's root key, 32 bytes, that came on a way that its owner trusts.
  const uint8_t *root_key;
  // Without a token: prefix of the reserved topics; null: the usual one of that root.
  const char *prefix;
  // Without a token: the serial of the root's newest delegation, if it is known. Older ones are
  // refused.
  uint32_t serial;
  // One-time keys in the request, at most 64; 0: 8. One is used up per group.
  uint32_t packages;
} sealmq_join_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What a number of `sealmq_status` means, in a few words. Never null, and valid for ever; a
// number that is not among them is "unknown".
const char *sealmq_strerror(int32_t status);

// What the last failed call of this thread says: what happened, and what helps. Empty if none
// failed. Never null. Valid until the next call of this library that fails in this thread.
const char *sealmq_last_error(void);

// Gives one record to whoever loads a store: its `key`, zero-terminated, and `len` bytes at
// `value`. Both are copied.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (the key is no UTF-8).
//
// The caller promises:
// `loader` is the one that `load` was called with, during that call; `len` bytes stand at `value`.
enum sealmq_status sealmq_loader_add(struct sealmq_loader *loader,
                                     const char *key,
                                     const uint8_t *value,
                                     size_t len);

// Asks for a connection: the next poll says `SEALMQ_CONNECT`. Call it once at the start, and after
// each end when the pause that `sealmq_client_disconnected` told is over.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_connect(struct sealmq_client *client);

// CONNACK: the broker accepted. `session_present` as it says; **false** if the MQTT library cannot
// send packets again under identifiers that you choose (`SEALMQ_RESUME_…`): what was on its way is
// then sent as new, and with QoS 2 the session has to be a clean one. `limits` may be null.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle; `limits` is null or points to limits.
enum sealmq_status sealmq_client_connack(struct sealmq_client *client,
                                         bool session_present,
                                         const struct sealmq_limits *limits);

// The connection ended, or could not be made: `ending` is one of `sealmq_ending`, `reason` the
// library's words, for people, or null. Writes to `*pause_ms` how long to wait before
// `sealmq_client_connect`; 0: at once. `pause_ms` may be null. After `sealmq_client_close` polls
// say `SEALMQ_CLOSED` instead.
//
// Errors: `SEALMQ_ERROR_NULL` (`client`), `SEALMQ_ERROR_ARGUMENT` (`ending`, `reason`),
// `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle; `reason` is null or a zero-terminated string; `pause_ms` is null or points
// to a place for the number.
enum sealmq_status sealmq_client_disconnected(struct sealmq_client *client,
                                              int32_t ending,
                                              const char *reason,
                                              uint64_t *pause_ms);

// The packet that the last poll handed over (`SEALMQ_PUBLISH`, `SEALMQ_SUBSCRIBE`,
// `SEALMQ_UNSUBSCRIBE`, `SEALMQ_DISCONNECT`) was given to the network, under this packet identifier.
// 0 for a publish of QoS 0 and for DISCONNECT.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ORDER` (none was handed over), `SEALMQ_ERROR_ARGUMENT`
// (a packet that needs an identifier got 0), `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_written(struct sealmq_client *client,
                                         uint16_t packet);

// PUBLISH from the broker: `topic`, `payload_len` bytes at `payload`, its retain flag, quality of
// service, and packet identifier (0 at QoS 0). All is copied. Keys and messages alike come in here;
// polls say what became of it.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8, the quality of
// service), `SEALMQ_ERROR_ENDED`. A message that is not authentic is no error of this call: polls say
// `SEALMQ_REJECTED`.
//
// The caller promises:
// `client` is a handle; `topic` is a zero-terminated string; `payload_len` bytes stand at `payload`.
enum sealmq_status sealmq_client_received(struct sealmq_client *client,
                                          const char *topic,
                                          const uint8_t *payload,
                                          size_t payload_len,
                                          bool retain,
                                          uint8_t qos,
                                          uint16_t packet);

// PUBACK, with its reason code (0 in MQTT 3.1.1). A library that only tells that a publish is done,
// of QoS 1 or 2, says this of both.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`. An identifier that is not in use is ignored.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_puback(struct sealmq_client *client,
                                        uint16_t packet,
                                        uint8_t code);

// PUBREC, with its reason code. The library answers with PUBREL by itself.
//
// Errors: those of `sealmq_client_puback`.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_pubrec(struct sealmq_client *client,
                                        uint16_t packet,
                                        uint8_t code);

// PUBCOMP, with its reason code.
//
// Errors: those of `sealmq_client_puback`.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_pubcomp(struct sealmq_client *client,
                                         uint16_t packet,
                                         uint8_t code);

// PUBREL: the broker will not send this message of its own again. The library answers with PUBCOMP.
//
// Errors: those of `sealmq_client_puback`.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_pubrel(struct sealmq_client *client, uint16_t packet);

// SUBACK: for each filter of the SUBSCRIBE, in its order, one of `count` bytes at `codes`: the
// granted quality of service, or from 0x80 on a refusal.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`. An identifier that is not in use is ignored.
//
// The caller promises:
// `client` is a handle; `count` bytes stand at `codes`.
enum sealmq_status sealmq_client_suback(struct sealmq_client *client,
                                        uint16_t packet,
                                        const uint8_t *codes,
                                        size_t count);

// UNSUBACK.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`. An identifier that is not in use is ignored.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_unsuback(struct sealmq_client *client, uint16_t packet);

// Opens a client over a store that holds a member (one that joined). Writes the handle to `*client`,
// to be freed by `sealmq_client_free`; null, if it fails.
//
// Errors: `SEALMQ_ERROR_NULL` (`options`, its `store` or callbacks, `client`), `SEALMQ_ERROR_ARGUMENT`
// (a filter, the Will), `SEALMQ_ERROR_MEMBER` (no member in the store), `SEALMQ_ERROR_STORE`.
//
// The caller promises:
// `options` points to options whose pointers are as documented; `client` to a place for a pointer.
enum sealmq_status sealmq_client_open(const struct sealmq_options *options,
                                      struct sealmq_client **client);

// Frees a client, and sets `*client` to null; null already is no error. What was not sent is lost,
// unless the outbox is persistent: `sealmq_client_close` first, and poll until `SEALMQ_CLOSED`.
//
// Errors: `SEALMQ_ERROR_IN_USE` (the client is in a call; nothing was freed).
//
// The caller promises:
// `client` is null, or holds null or a handle that `sealmq_client_open` gave.
enum sealmq_status sealmq_client_free(struct sealmq_client **client);

// Writes the next thing to do to `*output`; call it until it says `SEALMQ_NOTHING`, after every other
// call. What has to be durable was committed when it returns. Pointers in `*output` are valid until
// the next call with this client. A message counts as taken with the next poll: only then it is
// acknowledged.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ORDER` (the packet before was not reported as written),
// `SEALMQ_ERROR_STORE` (a commit failed: the client has ended), `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle; `output` points to a place for an output.
enum sealmq_status sealmq_client_poll(struct sealmq_client *client,
                                      struct sealmq_output *output);

// Time has passed: call it when `sealmq_client_timeout` says so, then poll.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_tick(struct sealmq_client *client);

// Writes to `*milliseconds` how long the program may wait for packets until the next
// `sealmq_client_tick`; 0: tick now. Ask after each round of polls.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle; `milliseconds` points to a place for the number.
enum sealmq_status sealmq_client_timeout(struct sealmq_client *client, uint64_t *milliseconds);

// Hands a message over, to be sealed and sent. Its topic, payload and properties are copied. Polls
// say `SEALMQ_ACCEPTED` or `SEALMQ_REFUSED`, and of an accepted one later `SEALMQ_DONE` or
// `SEALMQ_GIVEN_UP`, with the number that is written to `*id`. `id` may be null. It may be called
// without a connection: the message then waits.
//
// Errors: `SEALMQ_ERROR_NULL` (`message`, its `topic`, its `payload` with a length),
// `SEALMQ_ERROR_ARGUMENT` (a topic with wildcards, no UTF-8, the quality of service),
// `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle; `message` points to a message whose pointers are as documented.
enum sealmq_status sealmq_client_publish(struct sealmq_client *client,
                                         const struct sealmq_outgoing *message,
                                         uint64_t *id);

// Whether a message could be sealed with the keys that are there now. Nothing is sent or used up.
//
// Errors: those of `sealmq_client_publish`; `SEALMQ_ERROR_NO_KEYS`, `SEALMQ_ERROR_NOT_ALLOWED`.
//
// The caller promises:
// As `sealmq_client_publish`.
enum sealmq_status sealmq_client_check(struct sealmq_client *client,
                                       const struct sealmq_outgoing *message);

// Subscribes to a filter with at most this quality of service, now and on each connection to come.
// Polls say what the broker answered. Topics of key management are subscribed by themselves.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (the filter, the quality of service),
// `SEALMQ_ERROR_NOT_ALLOWED` (a filter of key management), `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle; `filter` a zero-terminated string.
enum sealmq_status sealmq_client_subscribe(struct sealmq_client *client,
                                           const char *filter,
                                           uint8_t qos);

// Ends a subscription.
//
// Errors: those of `sealmq_client_subscribe`.
//
// The caller promises:
// As `sealmq_client_subscribe`.
enum sealmq_status sealmq_client_unsubscribe(struct sealmq_client *client, const char *filter);

// Polls say `SEALMQ_FLUSHED`, with the number that is written to `*id`, when everything that was
// published so far is done or given up. `id` may be null.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle; `id` is null or points to a place for the number.
enum sealmq_status sealmq_client_flush(struct sealmq_client *client, uint64_t *id);

// The application has enough, and the last message. Poll on until `SEALMQ_CLOSED`. What is not acknowledged then is
// dropped: `sealmq_client_flush` first.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `client` is a handle.
enum sealmq_status sealmq_client_close(struct sealmq_client *client);

// Writes to `*outstanding` how many messages are neither done nor given up.
//
// Errors: `SEALMQ_ERROR_NULL`.
//
// The caller promises:
// `client` is a handle; `outstanding` points to a place for the number.
enum sealmq_status sealmq_client_outstanding(struct sealmq_client *client, size_t *outstanding);

// Writes this member's number to `*number`, and its name, zero-terminated, to the `capacity` bytes
// at `name`; `SEALMQ_NAME_SIZE` bytes are always enough. Both may be null.
//
// Errors: `SEALMQ_ERROR_NULL` (`client`), `SEALMQ_ERROR_BUFFER` (nothing was written).
//
// The caller promises:
// `client` is a handle; `number` is null or points to a place for it; `capacity` bytes may be
// written at `name`, or it is null.
enum sealmq_status sealmq_client_identity(struct sealmq_client *client,
                                          uint32_t *number,
                                          char *name,
                                          size_t capacity);

// Begins to join, or goes on with what the store has of an earlier attempt: the request stays the
// same when connections break, and when the program starts again. A device that has joined with
// these options says so at once. Writes the handle to `*joining`, to be freed by
// `sealmq_joining_free`; null, if it fails.
//
// Errors: `SEALMQ_ERROR_NULL` (`options`, its `store`, `name`, or neither `token` nor `root_key`;
// `joining`), `SEALMQ_ERROR_ARGUMENT` (the name, a token that is none or not for this name, the root
// key, the prefix, `packages`), `SEALMQ_ERROR_MEMBER` (the store belongs to another member or domain),
// `SEALMQ_ERROR_STORE`, `SEALMQ_ERROR_RANDOM`.
//
// The caller promises:
// `options` points to options whose pointers are as documented; `joining` to a place for a pointer.
enum sealmq_status sealmq_joining_begin(const struct sealmq_join_options *options,
                                        struct sealmq_joining **joining);

// Frees a joining, and sets `*joining` to null; null already is no error.
//
// Errors: `SEALMQ_ERROR_IN_USE` (it is in a call; nothing was freed).
//
// The caller promises:
// `joining` is null, or holds null or a handle that `sealmq_joining_begin` gave.
enum sealmq_status sealmq_joining_free(struct sealmq_joining **joining);

// Writes the next thing to do to `*output`, as `sealmq_client_poll`:
// `SEALMQ_SUBSCRIBE` and `SEALMQ_PUBLISH`, which need no `written` here, `SEALMQ_WAITING`,
// `SEALMQ_REJECTED` (what came there was refused; it goes on), `SEALMQ_JOINED`, `SEALMQ_NOTHING`.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_STORE` (a commit failed: free it), `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `joining` is a handle; `output` points to a place for an output.
enum sealmq_status sealmq_joining_poll(struct sealmq_joining *joining,
                                       struct sealmq_output *output);

// The broker accepted a connection; poll.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `joining` is a handle.
enum sealmq_status sealmq_joining_connack(struct sealmq_joining *joining);

// The connection broke. Connect again, after a pause of a second or more.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `joining` is a handle.
enum sealmq_status sealmq_joining_disconnected(struct sealmq_joining *joining);

// SUBACK: one of `count` bytes at `codes` for each filter, from 0x80 on a refusal.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_JOIN` (the broker does not let this client have what the
// authority answers on: it has ended), `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `joining` is a handle; `count` bytes stand at `codes`.
enum sealmq_status sealmq_joining_suback(struct sealmq_joining *joining,
                                         const uint8_t *codes,
                                         size_t count);

// PUBLISH from the broker: `topic`, and `payload_len` bytes at `payload`, which are copied as far as
// they are needed. Then poll.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8), `SEALMQ_ERROR_JOIN`
// (the authority does not take the device; it has ended), `SEALMQ_ERROR_MEMBER`,
// `SEALMQ_ERROR_RANDOM`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `joining` is a handle; `topic` is a zero-terminated string; `payload_len` bytes stand at `payload`.
enum sealmq_status sealmq_joining_received(struct sealmq_joining *joining,
                                           const char *topic,
                                           const uint8_t *payload,
                                           size_t payload_len);

// Time has passed: call it when `sealmq_joining_timeout` says so, then poll.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `joining` is a handle.
enum sealmq_status sealmq_joining_tick(struct sealmq_joining *joining);

// Writes to `*milliseconds` how long to wait for packets until the next `sealmq_joining_tick`;
// `UINT64_MAX`: as long as it takes.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `joining` is a handle; `milliseconds` points to a place for the number.
enum sealmq_status sealmq_joining_timeout(struct sealmq_joining *joining, uint64_t *milliseconds);

// Writes where a token says that the broker is, `mqtt://host:port`, `mqtts://host:port`, or an empty
// text, zero-terminated, to the `capacity` bytes at `broker`; `SEALMQ_BROKER_SIZE` bytes are always
// enough.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (no token), `SEALMQ_ERROR_BUFFER`.
//
// The caller promises:
// `token` is a zero-terminated string; `capacity` bytes may be written at `broker`.
enum sealmq_status sealmq_token_broker(const char *token,
                                       char *broker,
                                       size_t capacity);

// Opens the member in a store, without a client around it. `platform` may be null. Writes the handle
// to `*member`, to be freed by `sealmq_member_free`; null, if it fails.
//
// What a client does besides is yours then: to subscribe again after each connect
// (`sealmq_member_connected` says what), to wait for keys before sending, to send again, to seal
// retained values again after a removal, the Will.
//
// Errors: `SEALMQ_ERROR_NULL` (`store` or its callbacks, `member`), `SEALMQ_ERROR_MEMBER`,
// `SEALMQ_ERROR_STORE`.
//
// The caller promises:
// `store` points to a store, `platform` to a platform or is null, both as documented; `member` points
// to a place for a pointer.
enum sealmq_status sealmq_member_open(const struct sealmq_store *store,
                                      const struct sealmq_platform *platform,
                                      struct sealmq_member **member);

// Stores what was seen and not stored yet, frees a member, and sets `*member` to null; null already
// is no error.
//
// Errors: `SEALMQ_ERROR_IN_USE` (it is in a call; nothing was freed), `SEALMQ_ERROR_STORE` (freed all
// the same: messages that were opened last could be replayed once).
//
// The caller promises:
// `member` is null, or holds null or a handle that `sealmq_member_open` gave.
enum sealmq_status sealmq_member_free(struct sealmq_member **member);

// Writes the next thing to do for the keys to `*output`: `SEALMQ_SUBSCRIBE`, `SEALMQ_UNSUBSCRIBE` and
// `SEALMQ_PUBLISH` (QoS 1), which need no `written` here; `SEALMQ_MESSAGE` and `SEALMQ_REJECTED` for
// what had to wait, with its ticket as `id`; `SEALMQ_NOTICE`; `SEALMQ_NOTHING`. Call it until then
// after every other call.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `member` is a handle; `output` points to a place for an output.
enum sealmq_status sealmq_member_poll(struct sealmq_member *member,
                                      struct sealmq_output *output);

// A connection began: polls say first what to subscribe, before the application's own filters, so
// that keys come before messages.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_STORE` (a commit failed: the member has ended),
// `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `member` is a handle.
enum sealmq_status sealmq_member_connected(struct sealmq_member *member);

// Time has passed. Writes to `*next_ms` in how many milliseconds to call it again; after each other
// call, half a second at most. `next_ms` may be null. Then poll.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_STORE` (a commit failed: the member has ended),
// `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `member` is a handle; `next_ms` is null or points to a place for the number.
enum sealmq_status sealmq_member_tick(struct sealmq_member *member, uint64_t *next_ms);

// Writes to `*reserved` whether a topic belongs to key management: what comes there goes to
// `sealmq_member_handle_reserved`, everything else to `sealmq_member_unseal`.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8),
// `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `member` is a handle; `topic` a zero-terminated string; `reserved` points to a place for a `bool`.
enum sealmq_status sealmq_member_is_reserved(struct sealmq_member *member,
                                             const char *topic,
                                             bool *reserved);

// Takes what came on a topic of key management: `payload_len` bytes at `payload`. What it changes is
// stored when this returns; what is bad changes nothing, and polls tell of it. Acknowledge it in any
// case.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8),
// `SEALMQ_ERROR_STORE` (a commit failed: the member has ended), `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `member` is a handle; `topic` a zero-terminated string; `payload_len` bytes stand at `payload`.
enum sealmq_status sealmq_member_handle_reserved(struct sealmq_member *member,
                                                 const char *topic,
                                                 const uint8_t *payload,
                                                 size_t payload_len);

// Seals a message: publish `*envelope_len` bytes at `*envelope`, valid until the next call with this
// member, on the message's topic, with its retain flag, and nothing else. What has to be durable is
// stored when this returns. `is_will`: a Last Will, to be sealed for each CONNECT.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (the topic, properties, the payload's length),
// `SEALMQ_ERROR_NO_KEYS`, `SEALMQ_ERROR_NOT_ALLOWED`, `SEALMQ_ERROR_RANDOM`: nothing was sealed, and
// nothing may be sent instead. `SEALMQ_ERROR_STORE` (a commit failed: the member has ended),
// `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `member` is a handle; `message` points to a message whose pointers are as documented; `envelope`
// and `envelope_len` to places for the results.
enum sealmq_status sealmq_member_seal(struct sealmq_member *member,
                                      const struct sealmq_outgoing *message,
                                      bool is_will,
                                      const uint8_t **envelope,
                                      size_t *envelope_len);

// Opens what came on one of the application's topics: `envelope_len` bytes at `envelope`, `retain` as
// the broker delivered it. Writes the message to `*message`, whose pointers are valid until the next
// call with this member. If the message waits for a key or its sender's credential, `*ticket` is not
// 0, and a later poll brings the message with this number as `id`, or its rejection; `*message` is
// all zero then, as it is after an error. Acknowledge it in any case.
//
// Errors: `SEALMQ_ERROR_NULL`, `SEALMQ_ERROR_ARGUMENT` (a topic that is no UTF-8),
// `SEALMQ_ERROR_REJECTED` (not authentic, replayed, …: throw it away), `SEALMQ_ERROR_STORE` (a commit
// failed: the member has ended), `SEALMQ_ERROR_ENDED`.
//
// The caller promises:
// `member` is a handle; `topic` a zero-terminated string; `envelope_len` bytes stand at `envelope`;
// `message` and `ticket` point to places for the results.
enum sealmq_status sealmq_member_unseal(struct sealmq_member *member,
                                        const char *topic,
                                        const uint8_t *envelope,
                                        size_t envelope_len,
                                        bool retain,
                                        struct sealmq_message *message,
                                        uint64_t *ticket);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SEALMQ_H */
