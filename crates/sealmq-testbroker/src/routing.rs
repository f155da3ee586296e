//! Where a message goes.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;

use crate::broker::Broker;

/// Whether a filter, shared or not, matches a topic (MQTT 5 §4.7).
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    let filter = shared(filter).map_or(filter, |(_, filter)| filter);
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

/// Share name and filter.
pub(crate) fn shared(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix("$share/")?.split_once('/')
}

pub(crate) const fn lower(one: QoS, other: QoS) -> QoS {
    if (one as u8) < (other as u8) {
        one
    } else {
        other
    }
}

impl Broker {
    /// Hands a message to everybody who subscribed it, and keeps it if it is retained.
    pub(crate) fn route(&mut self, message: &Publish, from: Option<&str>) {
        let Ok(topic) = String::from_utf8(message.topic.to_vec()) else {
            return;
        };
        if message.retain && self.limits.retain {
            if message.payload.is_empty() {
                self.retained.remove(&topic);
            } else {
                self.retained.insert(topic.clone(), message.clone());
            }
        }
        let mut shares: Vec<String> = Vec::new();
        let room = self.limits.session_queue;
        let mut dropped = 0_usize;
        let clients: Vec<String> = self.sessions.keys().cloned().collect();
        for client in &clients {
            let Some(session) = self.sessions.get_mut(client) else {
                continue;
            };
            // One client of a share takes it: the first.
            let of_share = session.subscriptions.iter().find(|(filter, _)| {
                shared(filter).is_some() && matches(filter, &topic) && !shares.contains(filter)
            });
            if let Some((filter, wanted)) = of_share {
                shares.push(filter.clone());
                let qos = lower(wanted.qos, message.qos);
                dropped = dropped.saturating_add(usize::from(
                    !session.push(delivery(message, qos, false), room),
                ));
            }
            let own = from == Some(client.as_str());
            let local = session.subscriptions.iter().any(|(filter, wanted)| {
                shared(filter).is_none() && matches(filter, &topic) && !(own && wanted.nolocal)
            });
            if let Some(granted) = session.granted(&topic).filter(|_| local) {
                let message = delivery(message, lower(granted, message.qos), false);
                dropped = dropped.saturating_add(usize::from(!session.push(message, room)));
            }
        }
        self.seen.dropped = self.seen.dropped.saturating_add(dropped);
        for client in clients {
            self.flush(&client);
        }
    }

    /// As an administrator would: whatever is allowed to clients.
    pub fn publish(&mut self, topic: &str, payload: impl Into<Bytes>, retain: bool) {
        let message = Publish {
            retain,
            ..Publish::new(topic, QoS::AtLeastOnce, payload, None)
        };
        self.route(&message, None);
    }

    /// Retained messages, by topic.
    pub fn retained(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let all = self.retained.iter();
        all.map(|(topic, message)| (topic.as_str(), &message.payload))
    }
}

/// A message as one client gets it.
pub(crate) fn delivery(message: &Publish, qos: QoS, retain: bool) -> Publish {
    Publish {
        dup: false,
        qos,
        retain,
        pkid: 0,
        ..message.clone()
    }
}
