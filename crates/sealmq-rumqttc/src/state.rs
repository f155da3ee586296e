//! rumqttc's state of a connection, set up so that its gaps do no harm (rumqttc 0.25.1):
//! * `clean` forgets which QoS 2 messages were received, and a PUBREL for one of them then ends
//!   every connection with an error: here each PUBREL is accepted, as MQTT allows;
//! * packet identifiers go round at the limit of the first connection only: here each connection
//!   begins with a new state;
//! * a slot is not freed when an acknowledgement of QoS 2 carries an error.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, Packet, Publish};
use rumqttc::v5::{EventLoop, MqttState};

/// Makes states for new connections.
pub(crate) struct States {
    most_inflight: u16,
    /// With every incoming QoS 2 identifier marked. Copying it is cheaper than making it.
    resumed: Option<MqttState>,
}

impl States {
    pub(crate) const fn new(most_inflight: u16) -> Self {
        Self {
            most_inflight,
            resumed: None,
        }
    }

    /// Publishes that may be on their way on this connection.
    pub(crate) fn limit(&self, connack: &ConnAck) -> u16 {
        let broker = connack.properties.as_ref().and_then(|p| p.receive_max);
        broker.unwrap_or(u16::MAX).min(self.most_inflight).max(1)
    }

    /// Replaces the state, between two polls. Events that were not taken yet are kept.
    pub(crate) fn renew(
        &mut self,
        eventloop: &mut EventLoop,
        connack: &ConnAck,
        mid_session: bool,
    ) {
        let mut state = if mid_session {
            let most = self.most_inflight;
            self.resumed
                .get_or_insert_with(|| accepting_releases(most))
                .clone()
        } else {
            MqttState::new(self.most_inflight, true)
        };
        // Only sets the limits; it fails for refused connections, which do not get here.
        let _accepted = state.handle_incoming_packet(Packet::ConnAck(connack.clone()));
        state.events = std::mem::take(&mut eventloop.state.events);
        eventloop.state = state;
    }
}

fn accepting_releases(most_inflight: u16) -> MqttState {
    let mut state = MqttState::new(most_inflight, true);
    for pkid in 1..=u16::MAX {
        let publish = Publish {
            qos: QoS::ExactlyOnce,
            pkid,
            ..Publish::default()
        };
        let _never_fails = state.handle_incoming_packet(Packet::Publish(publish));
        state.events.clear();
    }
    state
}
