use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{Identifiers, KeptValues, MemberOptions, Options, TopicMap};

use crate::clock::{Clock, SystemClock};
use crate::will::Will;

/// Larger than any object of key management, with room for payloads of a mebibyte; rumqttc's own
/// default is 10 KiB.
pub(crate) const MAX_INCOMING_PACKET: u32 = 2 * 1024 * 1024;

/// How sealing, waiting and reconnecting behave. The defaults suit a service on a host.
#[derive(Clone)]
#[must_use = "options do nothing until a client is made with them"]
pub struct SealOptions {
    pub(crate) client: Options,
    pub(crate) capacity: usize,
    /// `None`: the version's default.
    pub(crate) max_inflight: Option<u16>,
    pub(crate) mqtt_events: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SealOptions {
    /// The defaults. A member's own messages come back to it, if it subscribes to them, as with
    /// rumqttc.
    pub fn new() -> Self {
        Self {
            client: Options {
                member: MemberOptions {
                    accept_own: true,
                    ..MemberOptions::default()
                },
                identifiers: Identifiers::Ring,
                ..Options::default()
            },
            capacity: 100,
            max_inflight: None,
            mqtt_events: false,
            clock: Arc::new(SystemClock),
        }
    }

    /// Most published messages that are not acknowledged yet; `publish` waits for room. Also the
    /// most events that wait for `poll`. 1 to 1,000,000. Default: 100.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages.clamp(1, 1_000_000);
        self
    }

    /// The member machine's options: replay snapshots, bounds of waiting messages, own messages (which
    /// its default drops; the default here does not). If
    /// larger packets than usual may come in, there is room for one more of them to wait, unless the
    /// bound is chosen here.
    pub fn member(mut self, options: MemberOptions) -> Self {
        self.client.member = options;
        self
    }

    /// Lets messages on topics that match this filter, and that no group covers, pass in clear,
    /// both ways; they arrive as `Unsealed`. Without it they are refused. A topic that a group
    /// covers is never sent or accepted in clear.
    pub fn allow_plaintext(mut self, filter: impl Into<String>) -> Self {
        self.client.plaintext.push(filter.into());
        self
    }

    /// How long `publish` waits when the keys for a topic have not arrived yet, for example right
    /// after the first connection. Default: not at all.
    pub fn wait_for_keys(mut self, most: Duration) -> Self {
        self.client.wait_for_keys = most;
        self
    }

    /// Put this member's credential into every message, so that readers who do not know it yet
    /// need not fetch it: 150 to 300 bytes more each. For links where publishers come and go.
    pub fn announce_credential(mut self, announce: bool) -> Self {
        self.client.announce_credential = announce;
        self
    }

    /// Events of the short form: at most 100 bytes more than the payload instead of about 150, for
    /// links where bytes are dear. Before the first message of a session, about once a day and with
    /// each process, a record of some 400 bytes is published, retained; messages wait for its
    /// acknowledgement, 5 s at most. The broker has to let members write `<prefix>/g/+/s/<number>`.
    /// Without effect with [`SealOptions::announce_credential`], and for retained values and wills.
    pub fn short_form(mut self, short: bool) -> Self {
        self.client.short_form = short;
        self
    }

    /// The application's own retained values are sealed again when somebody was removed or keys were
    /// replaced, so that they open for whoever subscribes later. How many are kept for that, and
    /// whether in the store, too; `None`: the application publishes them again itself. Default: 1024
    /// values, 1 MiB, in memory.
    pub fn kept_values(mut self, most: Option<KeptValues>) -> Self {
        self.client.kept_values = most;
        self
    }

    /// What `publish` accepts at QoS 1 or 2 is in the store, encrypted like everything in it, before
    /// the call returns, and until the broker has it: the next process with this store sends what
    /// this one could not. Messages that are accepted at the same time share a commit. Default: off.
    pub fn persistent_outbox(mut self, persistent: bool) -> Self {
        self.client.persistent_outbox = persistent;
        self
    }

    /// How long the broker may take until what it acknowledged survives its own death (`kill -9`, a
    /// power cut). When a connection breaks without a word, sealed messages of QoS 1 and 2 that were
    /// acknowledged less than this before, at most 4,096 of them and 4 MiB, are sent again, the same
    /// bytes; readers that had them drop them ([`Event::Rejected`](crate::Event::Rejected), reason
    /// `Replay`). Retained ones are not: brokers write those first. Zero: acknowledgements are
    /// believed. Default: zero.
    pub fn broker_writes_within(mut self, time: Duration) -> Self {
        self.client.broker_writes_within = time;
        self
    }

    /// Pause before connecting again: the first, and the longest after doubling. A random part
    /// keeps a fleet from returning in step. Default: 200 ms, 30 s.
    pub fn reconnect_delay(mut self, first: Duration, longest: Duration) -> Self {
        self.client.reconnect_delay = (first, longest.max(first));
        self
    }

    /// Most QoS 1 and 2 publishes on their way at a time; a broker that allows fewer is obeyed. 1 to
    /// 1000. Default: 100; over MQTT 3.1.1, where a broker cannot say how many it allows, 20:
    /// Mosquitto acknowledges and drops what is beyond its `max_inflight_messages`, 20 if nothing
    /// else is configured.
    pub fn max_inflight(mut self, messages: u16) -> Self {
        self.max_inflight = Some(messages.clamp(1, 1000));
        self
    }

    /// Most publishes in a second, of the application and of key management together, for brokers
    /// that lose what comes faster without a word (AWS IoT Core: 100 of a connection): a tenth less
    /// than the broker's figure leaves room for what a network delays. The others wait, within
    /// [`capacity`](Self::capacity). What a broker has not answered for a minute is sent again on a
    /// new connection, with or without this. Default: `None`, as they come.
    pub fn publishes_per_second(mut self, most: Option<NonZeroU16>) -> Self {
        self.client.publishes_per_second = most;
        self
    }

    /// Also pass on rumqttc's own events (packets in and out, without incoming publishes).
    /// Default: off.
    pub fn mqtt_events(mut self, pass_on: bool) -> Self {
        self.mqtt_events = pass_on;
        self
    }

    /// A Last Will ([`rumqttc::v5::mqttbytes::v5::LastWill`] or [`rumqttc::LastWill`]), sealed for each connection. Without
    /// keys, as on the very first connection, there is none; when they arrive, and whenever its
    /// epoch is about to leave the readers' window, the client connects again to renew it: use a
    /// session that survives that (`set_clean_start(false)` and a session expiry, or `set_clean_session(false)`).
    pub fn last_will(mut self, will: impl Into<Will>) -> Self {
        self.client.will = Some(will.into().0);
        self
    }

    /// Where a bridge renames topics: how they are called at this broker. Everything that the
    /// application says and is told has the names that messages are sealed for; topics at which this
    /// broker has something else are refused ([`NotMapped`](sealmq_client::ClientError::NotMapped)).
    pub fn topic_map(mut self, map: TopicMap) -> Self {
        self.client.topic_map = map;
        self
    }

    /// A message waits for its sender's credential, however large: it would be lost otherwise.
    pub(crate) fn with_room_for(mut self, packet: usize) -> Self {
        let usual = MemberOptions::default().pending_bytes;
        let room = &mut self.client.member.pending_bytes;
        if *room == usual && packet > usual / 2 {
            *room = usual.saturating_add(packet);
        }
        self
    }

    /// Another clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl Default for SealOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SealOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealOptions")
            .field("client", &self.client)
            .field("capacity", &self.capacity)
            .field("max_inflight", &self.max_inflight)
            .field("mqtt_events", &self.mqtt_events)
            .finish_non_exhaustive()
    }
}
