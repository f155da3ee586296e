use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::time::Duration;

use sealmq_keys::member::MemberOptions;

use crate::topic_map::TopicMap;
use crate::values::KeptValues;
use crate::will::Will;
use crate::window::Identifiers;

/// How a client behaves. The defaults suit a service on a host.
#[derive(Debug, Clone)]
pub struct Options {
    /// The member machine's options.
    pub member: MemberOptions,
    /// Filters of topics whose messages may pass in clear, both ways, if no group covers them.
    pub plaintext: Vec<String>,
    /// How long a message waits, before it is accepted, for keys that have not arrived yet.
    pub wait_for_keys: Duration,
    /// Put the credential into every message, so that readers need not fetch it.
    pub announce_credential: bool,
    /// Events of the short form (spec/envelope.md §12): at most 100 bytes more than the payload,
    /// instead of about 150. A record of each session is published first, retained, and messages
    /// wait for its acknowledgement, 5 s at most. Without effect with `announce_credential`.
    pub short_form: bool,
    /// The application's own retained values are sealed again when somebody was removed or keys
    /// were replaced, so that they open for whoever subscribes later; `None`: the application does
    /// that itself. They are kept in memory.
    pub kept_values: Option<KeptValues>,
    /// What [`publish`](crate::Client::publish) accepts at QoS 1 or 2 is in the store before it
    /// says so, until the broker has it: a process that begins later sends what this one could not.
    /// Messages share commits. Off: it is lost with the process.
    pub persistent_outbox: bool,
    /// How long the broker may take until what it acknowledged survives its own death. When a
    /// connection breaks without a word, sealed events of QoS 1 and 2 that were acknowledged less than
    /// this before are sent again, the same bytes: at most 4,096 of them, and 4 MiB. Readers that had
    /// them drop them (`Rejected`, reason `Replay`). Zero: acknowledgements are believed.
    pub broker_writes_within: Duration,
    /// Pause before connecting again: the first, and the longest after doubling.
    pub reconnect_delay: (Duration, Duration),
    /// Most publishes in a second, of the application and of key management together, for brokers
    /// that lose what comes faster without a word (AWS IoT Core: 100 of a connection). The others
    /// wait in the outbox. A tenth less than the broker's figure leaves room for what a network
    /// delays. `None`: as they come.
    pub publishes_per_second: Option<NonZeroU16>,
    /// The Last Will.
    pub will: Option<Will>,
    /// Where a bridge renames topics: how they are called at this broker. Everything that goes in and
    /// comes out of the client, but for packets, has the names that messages are sealed for.
    pub topic_map: TopicMap,
    /// How the driver's library gives out packet identifiers.
    pub identifiers: Identifiers,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            member: MemberOptions::default(),
            plaintext: Vec::new(),
            wait_for_keys: Duration::ZERO,
            announce_credential: false,
            short_form: false,
            kept_values: Some(KeptValues::default()),
            persistent_outbox: false,
            broker_writes_within: Duration::ZERO,
            reconnect_delay: (Duration::from_millis(200), Duration::from_secs(30)),
            publishes_per_second: None,
            will: None,
            topic_map: TopicMap::new(),
            identifiers: Identifiers::default(),
        }
    }
}
