use rumqttc::v5::mqttbytes::v5::LastWill;
use sealmq_client::Properties;

use crate::v4::V4;
use crate::v5::V5;
use crate::v5::convert::will_properties_from;
use crate::version::Version as _;

/// A Last Will, from rumqttc's own of either version. It is sealed anew for each connection
/// (spec/envelope.md §9).
#[derive(Debug, Clone)]
pub struct Will(pub(crate) sealmq_client::Will);

impl From<LastWill> for Will {
    fn from(will: LastWill) -> Self {
        let delay = will.properties.as_ref();
        Self(sealmq_client::Will {
            topic: will.topic,
            payload: will.message,
            qos: V5::qos_from(will.qos),
            retain: will.retain,
            delay: delay.and_then(|outer| outer.delay_interval),
            properties: will
                .properties
                .map(will_properties_from)
                .unwrap_or_default(),
        })
    }
}

impl From<rumqttc::LastWill> for Will {
    fn from(will: rumqttc::LastWill) -> Self {
        Self(sealmq_client::Will {
            topic: will.topic.into(),
            payload: will.message,
            qos: V4::qos_from(will.qos),
            retain: will.retain,
            delay: None,
            properties: Properties::default(),
        })
    }
}
