use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{LastWill, LastWillProperties};
use rumqttc::v5::{EventLoop, MqttOptions};
use sealmq_core::topic::{Topic, TopicError};
use sealmq_keys::member::Properties;
use tokio::time::Instant;

use super::Event;
use super::convert::{qos_from, qos_to};
use super::core::Core;
use crate::engine::Draft;
use crate::error::StoreFailure;
use crate::outbox::Wire;
use crate::will::Will;

impl From<LastWill> for Will {
    fn from(will: LastWill) -> Self {
        let delay = will
            .properties
            .as_ref()
            .and_then(|outer| outer.delay_interval);
        let properties = will
            .properties
            .map_or_else(Properties::default, |outer| Properties {
                payload_format: outer.payload_format_indicator,
                expiry: outer.message_expiry_interval,
                content_type: outer.content_type,
                response_topic: outer.response_topic,
                correlation_data: outer.correlation_data.map(|data| data.to_vec()),
                user: outer.user_properties,
            });
        Self {
            topic: will.topic,
            payload: will.message,
            qos: qos_from(will.qos),
            retain: will.retain,
            properties,
            delay,
        }
    }
}

/// A sealed Will, as it stands in CONNECT.
pub(super) fn last_will(wire: &Wire, delay: Option<u32>) -> LastWill {
    let properties = LastWillProperties {
        delay_interval: delay,
        payload_format_indicator: None,
        message_expiry_interval: wire.properties.expiry,
        content_type: None,
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    let payload = wire.payload.to_vec();
    LastWill::new(
        &wire.topic,
        payload,
        qos_to(wire.qos),
        wire.retain,
        Some(properties),
    )
}

/// A broker closes the connection after DISCONNECT.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);

impl Will {
    pub(super) fn draft(&self) -> Result<Draft, TopicError> {
        Ok(Draft {
            topic: Topic::from_bytes(&self.topic)?.as_str().to_owned(),
            payload: self.payload.clone(),
            qos: self.qos,
            retain: self.retain,
            will: true,
            properties: self.properties.clone(),
        })
    }
}

impl Core {
    /// Seals the Will for the connection that is made next; `base` has none.
    pub(super) async fn prepare_will(
        &mut self,
        eventloop: &mut EventLoop,
        base: &MqttOptions,
    ) -> Result<(), StoreFailure> {
        let Some((draft, delay)) = &self.will else {
            return Ok(());
        };
        eventloop.options = base.clone();
        self.will_epoch = None;
        match self.engine.seal(draft).await? {
            Ok(wire) => {
                self.will_epoch = self.engine.epoch_of(&draft.topic).map(|(epoch, _)| epoch);
                eventloop.options.set_last_will(last_will(&wire, *delay));
            }
            Err(error) => self.event(Event::NoWill {
                error: error.into(),
            }),
        }
        Ok(())
    }

    /// Connects again when the broker has no Will although there could be one, or when its epoch
    /// is the oldest that readers can open.
    pub(super) fn renew_will(&mut self) {
        let Some((draft, _)) = &self.will else { return };
        let idle = self.connection.is_some() && self.renewing.is_none() && !self.is_closing();
        if !idle || self.engine.check(draft).is_err() {
            return;
        }
        let Some((epoch, window)) = self.engine.epoch_of(&draft.topic) else {
            return;
        };
        let due = self
            .will_epoch
            .is_none_or(|sealed| epoch.saturating_sub(sealed) >= u64::from(window).max(1));
        // With DISCONNECT the broker forgets the old Will. It has to see it before the new CONNECT,
        // which would otherwise take over the session and set the old Will free.
        if due && self.mqtt.try_disconnect().is_ok() {
            self.renewing = Instant::now().checked_add(CLOSED_WITHIN);
        }
    }
}
