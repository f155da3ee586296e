//! SUBSCRIBE and UNSUBSCRIBE.

use rumqttc::v5::mqttbytes::v5::{
    Filter, Packet, RetainForwardRule, SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
    UnsubAckReason, Unsubscribe,
};

use crate::broker::{Broker, ConnectionId};
use crate::limits::Beyond;
use crate::routing::{delivery, lower, matches, shared};

impl Broker {
    pub(crate) fn subscribe(&mut self, id: ConnectionId, client: &str, packet: Subscribe) {
        let count = packet.filters.len();
        self.seen.subscribes = self.seen.subscribes.saturating_add(1);
        self.seen.filters_per_subscribe = self.seen.filters_per_subscribe.max(count);
        if self
            .limits
            .filters_per_subscribe
            .is_some_and(|most| count > most)
        {
            return self.end(id, "too many filters in a SUBSCRIBE");
        }
        let mut return_codes = Vec::new();
        let mut retained = Vec::new();
        for filter in packet.filters {
            let slashes = filter.path.matches('/').count();
            self.seen.slashes = self.seen.slashes.max(slashes);
            match self.judge(client, &filter) {
                Ok(()) => {
                    return_codes.push(SubscribeReasonCode::Success(filter.qos));
                    let Some(session) = self.sessions.get_mut(client) else {
                        return;
                    };
                    let path = filter.path.clone();
                    let new = session.subscriptions.insert(path, filter.clone()).is_none();
                    self.seen.subscriptions =
                        self.seen.subscriptions.max(session.subscriptions.len());
                    let wanted = match filter.retain_forward_rule {
                        RetainForwardRule::OnEverySubscribe => true,
                        RetainForwardRule::OnNewSubscribe => new,
                        RetainForwardRule::Never => false,
                    };
                    if wanted && shared(&filter.path).is_none() {
                        retained.push(filter);
                    }
                }
                Err((Beyond::Refuse, code)) => return_codes.push(code),
                Err((Beyond::Close, _)) => return self.end(id, "a subscription beyond a limit"),
            }
        }
        let answer = SubAck {
            pkid: packet.pkid,
            return_codes,
            properties: None,
        };
        self.send(id, &Packet::SubAck(answer));
        for filter in retained {
            let matching = self.retained.iter();
            let matching = matching.filter(|(topic, _)| matches(&filter.path, topic));
            let messages: Vec<_> = matching
                .map(|(_, message)| delivery(message, lower(filter.qos, message.qos), true))
                .collect();
            let room = self.limits.session_queue;
            if let Some(session) = self.sessions.get_mut(client) {
                let lost = |message| usize::from(!session.push(message, room));
                let dropped = messages.into_iter().map(lost).sum();
                self.seen.dropped = self.seen.dropped.saturating_add(dropped);
            }
        }
        self.flush(client);
    }

    /// Whether a subscription is within the limits.
    fn judge(&self, client: &str, filter: &Filter) -> Result<(), (Beyond, SubscribeReasonCode)> {
        use SubscribeReasonCode as Code;
        let path = shared(&filter.path).map_or(filter.path.as_str(), |(_, path)| path);
        if !self.limits.shared && shared(&filter.path).is_some() {
            return Err((Beyond::Refuse, Code::SharedSubscriptionsNotSupported));
        }
        if !self.limits.wildcards && path.contains(['+', '#']) {
            return Err((Beyond::Refuse, Code::WildcardSubscriptionsNotSupported));
        }
        if let Some(beyond) = self.limits.beyond_topic(path) {
            return Err((beyond, Code::TopicFilterInvalid));
        }
        let session = self.sessions.get(client);
        let known = session.is_some_and(|s| s.subscriptions.contains_key(&filter.path));
        let count = session.map_or(0, |session| session.subscriptions.len());
        match self.limits.subscriptions {
            Some((most, beyond)) if !known && count >= most => Err((beyond, Code::QuotaExceeded)),
            _ => Ok(()),
        }
    }

    pub(crate) fn unsubscribe(&mut self, id: ConnectionId, client: &str, packet: Unsubscribe) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        let reasons =
            packet
                .filters
                .iter()
                .map(|filter| match session.subscriptions.remove(filter) {
                    Some(_) => UnsubAckReason::Success,
                    None => UnsubAckReason::NoSubscriptionExisted,
                });
        let answer = UnsubAck {
            pkid: packet.pkid,
            reasons: reasons.collect(),
            properties: None,
        };
        self.send(id, &Packet::UnsubAck(answer));
    }
}
