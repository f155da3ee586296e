use std::time::Duration;

/// What a broker does not allow, and how it says so. The default allows everything.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Limits {
    /// Whether CONNACK tells the limits that it can tell. Some brokers do not.
    pub announced: bool,
    /// Keeps retained messages. If not, it closes the connection on one.
    pub retain: bool,
    /// The highest quality of service of a PUBLISH: it closes the connection beyond.
    pub maximum_qos: u8,
    /// Most filters in one SUBSCRIBE: it closes the connection beyond.
    pub filters_per_subscribe: Option<usize>,
    /// Most subscriptions of one connection.
    pub subscriptions: Option<(usize, Beyond)>,
    /// Most slashes in a topic or filter.
    pub slashes: Option<(usize, Beyond)>,
    /// Most bytes of a topic or filter.
    pub topic_len: Option<(usize, Beyond)>,
    /// Most bytes of a packet, as CONNACK says.
    pub packet_announced: Option<u32>,
    /// Most bytes of a packet in truth: it closes the connection beyond.
    pub packet_real: Option<usize>,
    /// Publishes of QoS 1 and 2 on their way to it: it closes the connection beyond.
    pub receive_maximum: Option<u16>,
    /// Publishes of QoS 1 and 2 on their way to one client, whatever the client allows.
    pub deliveries: Option<u16>,
    /// Most messages, and bytes of their payloads, that wait in a session: what comes beyond is dropped.
    pub session_queue: Option<(usize, usize)>,
    /// Most publishes of a connection in a second: those beyond are lost, and not acknowledged.
    pub publishes_per_second: Option<usize>,
    /// Gives every client another identifier than it asked for.
    pub assigned_id: bool,
    /// Seconds, whatever the client asked for.
    pub server_keep_alive: Option<u16>,
    /// Takes filters with wildcards.
    pub wildcards: bool,
    /// Takes shared subscriptions.
    pub shared: bool,
    /// Acknowledges publishes of QoS 1 on topics that begin like this by this code; from 0x80 on
    /// they go nowhere.
    pub puback: Option<(String, u8)>,
    /// Closes each connection at this point.
    pub closes: Option<Closes>,
    /// Speaks MQTT 3.1.1 only, and meets a CONNECT of MQTT 5 like this.
    pub old: Option<OldBroker>,
    /// Everything that it sends is so late.
    pub late: Duration,
}

/// What happens beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// SUBACK or PUBACK with the reason code that fits.
    Refuse,
    /// The connection ends, without a word.
    Close,
}

/// At which point a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closes {
    /// At once.
    Tcp,
    /// When CONNECT has come.
    Connect,
    /// When CONNACK was sent.
    Connack,
}

/// How brokers of MQTT 3.1.1 meet a CONNECT of MQTT 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldBroker {
    /// Close the connection: RabbitMQ before 3.13, nats-server, aedes.
    Close,
    /// CONNACK of their own version with 0x01.
    Refuse,
    /// Say nothing: amqtt.
    Silent,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            announced: true,
            retain: true,
            maximum_qos: 2,
            filters_per_subscribe: None,
            subscriptions: None,
            slashes: None,
            topic_len: None,
            packet_announced: None,
            packet_real: None,
            receive_maximum: None,
            deliveries: None,
            session_queue: None,
            publishes_per_second: None,
            assigned_id: false,
            server_keep_alive: None,
            wildcards: true,
            shared: true,
            puback: None,
            closes: None,
            old: None,
            late: Duration::ZERO,
        }
    }
}

impl Limits {
    /// What is beyond a limit of topics, if anything.
    pub(crate) fn beyond_topic(&self, topic: &str) -> Option<Beyond> {
        let slashes = topic.matches('/').count();
        let deep = self.slashes.filter(|(most, _)| slashes > *most);
        let long = self.topic_len.filter(|(most, _)| topic.len() > *most);
        deep.or(long).map(|(_, beyond)| beyond)
    }
}

/// What clients did, for tests to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections, by the time at which they came.
    pub connections: usize,
    /// CONNACKs that accepted.
    pub accepted: usize,
    /// Most filters in one SUBSCRIBE.
    pub filters_per_subscribe: usize,
    /// Most subscriptions of one session at a time.
    pub subscriptions: usize,
    /// Most slashes in a topic or filter.
    pub slashes: usize,
    /// Bytes of the largest packet, in either direction.
    pub packet: usize,
    /// Messages that found no room in a session.
    pub dropped: usize,
    /// Most publishes of a connection in a second.
    pub publishes_per_second: usize,
    /// Publishes beyond that limit.
    pub throttled: usize,
    /// SUBSCRIBE packets.
    pub subscribes: usize,
    /// Why connections were ended, in order.
    pub ended: Vec<&'static str>,
}
