//! Brokers in the cloud, as sets of switches. What their documents say and a switch cannot show
//! (the number of sessions, transports, logins) is left out. Figures as read in 2026.

use std::time::Duration;

use crate::limits::{Beyond, Limits};

/// A broker as its documents describe it.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// For tables.
    pub name: &'static str,
    /// Where its limits are documented.
    pub source: &'static str,
    /// Its limits.
    pub limits: fn() -> Limits,
}

/// All of them.
pub const PROFILES: [Profile; 5] = [
    Profile {
        name: "AWS IoT Core",
        source: "https://docs.aws.amazon.com/general/latest/gr/iot-core.html",
        limits: aws_iot_core,
    },
    Profile {
        name: "Azure Event Grid",
        source: "https://learn.microsoft.com/azure/event-grid/quotas-limits",
        limits: azure_event_grid,
    },
    Profile {
        name: "EMQX Cloud Serverless",
        source: "https://docs.emqx.com/en/cloud/latest/create/restriction.html",
        limits: emqx_cloud_serverless,
    },
    Profile {
        name: "HiveMQ Cloud",
        source: "https://docs.hivemq.com/hivemq-edge/mqtt-specific-configuration.html",
        limits: hivemq_cloud,
    },
    Profile {
        name: "a small broker",
        source: "https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html",
        limits: small,
    },
];

/// "Message broker and protocol limits": 8 subscriptions in one request, 50 in a connection, and the
/// connection ends beyond; 7 slashes and 256 bytes in a topic or filter; 128 KB in a publish, to
/// which nothing is added here for the header; QoS 0 and 1; 100 publishes of a client, and 100 to it,
/// without acknowledgement; keep-alive 30 to 1200 s; 100 publishes a second of a connection, of which
/// those beyond are lost and not acknowledged, while the connection stays.
#[must_use]
pub fn aws_iot_core() -> Limits {
    Limits {
        maximum_qos: 1,
        filters_per_subscribe: Some(8),
        subscriptions: Some((50, Beyond::Close)),
        slashes: Some((7, Beyond::Close)),
        topic_len: Some((256, Beyond::Close)),
        packet_announced: Some(128 * 1024),
        packet_real: Some(128 * 1024),
        receive_maximum: Some(100),
        deliveries: Some(100),
        publishes_per_second: Some(100),
        ..Limits::default()
    }
}

/// "MQTT limits in the Event Grid namespace": QoS 0 and 1; 64 KB of a retained message, the figure
/// taken here for all; topics of 256 bytes with 15 segments; 1000 publishes on their way; keep-alive
/// up to 1160 s; 100 messages or 1 MB wait in a session. Subscriptions are counted as AWS does it, because no figure was found.
#[must_use]
pub fn azure_event_grid() -> Limits {
    Limits {
        maximum_qos: 1,
        filters_per_subscribe: Some(8),
        subscriptions: Some((50, Beyond::Refuse)),
        slashes: Some((14, Beyond::Close)),
        topic_len: Some((256, Beyond::Close)),
        receive_maximum: Some(1000),
        packet_announced: Some(64 * 1024),
        packet_real: Some(64 * 1024),
        server_keep_alive: Some(1160),
        session_queue: Some((100, 1024 * 1024)),
        ..Limits::default()
    }
}

/// "Serverless": 10 subscriptions of a client, 10 levels in a filter, messages of 1 MB.
#[must_use]
pub fn emqx_cloud_serverless() -> Limits {
    Limits {
        subscriptions: Some((10, Beyond::Refuse)),
        slashes: Some((9, Beyond::Refuse)),
        packet_announced: Some(1024 * 1024),
        packet_real: Some(1024 * 1024),
        ..Limits::default()
    }
}

/// The defaults of HiveMQ's brokers: Receive Maximum 10; here 10 in the other direction, too.
#[must_use]
pub fn hivemq_cloud() -> Limits {
    Limits {
        receive_maximum: Some(10),
        deliveries: Some(10),
        ..Limits::default()
    }
}

/// What MQTT 5 lets a broker do: it names each client, has a keep-alive of its own, one message on
/// its way in each direction, no shared subscriptions, packets of 8 KiB; and it is slow.
#[must_use]
pub fn small() -> Limits {
    Limits {
        assigned_id: true,
        server_keep_alive: Some(20),
        receive_maximum: Some(1),
        deliveries: Some(1),
        shared: false,
        packet_announced: Some(8 * 1024),
        packet_real: Some(8 * 1024),
        late: Duration::from_millis(200),
        ..Limits::default()
    }
}
