//! rumqttc's state of a connection, set up so that its gaps do no harm (rumqttc 0.25.1):
//! * `clean` forgets which QoS 2 messages were received, and a PUBREL for one of them then ends
//!   every connection with an error: here each PUBREL is accepted, as MQTT allows;
//! * packet identifiers go round at the limit of the first connection only: here each connection
//!   begins with a new state;
//! * with MQTT 5 a slot is not freed when an acknowledgement of QoS 2 carries an error.

use crate::version::Version;

/// Makes states for new connections.
pub(crate) struct States<V: Version> {
    most_inflight: u16,
    /// With every incoming QoS 2 identifier marked. Copying it is cheaper than making it.
    resumed: Option<V::State>,
}

impl<V: Version> States<V> {
    pub(crate) const fn new(most_inflight: u16) -> Self {
        Self {
            most_inflight,
            resumed: None,
        }
    }

    /// Publishes that may be on their way on a connection, of those that the broker allows.
    pub(crate) fn limit(&self, broker: u16) -> u16 {
        broker.min(self.most_inflight).max(1)
    }

    /// Gives the event loop a new state, between two polls.
    pub(crate) fn renew(&mut self, eventloop: &mut V::EventLoop, connack: &V::Mqtt, resumed: bool) {
        let most = self.most_inflight;
        let state = if resumed {
            let accepting = || {
                let mut state = V::new_state(most);
                (1..=u16::MAX).for_each(|packet| V::accept_release(&mut state, packet));
                state
            };
            self.resumed.get_or_insert_with(accepting).clone()
        } else {
            V::new_state(most)
        };
        V::install(eventloop, state, connack);
    }
}
