use crate::error::ClientError;
use crate::wire::Qos;

/// What a broker allows, as its CONNACK says. MQTT 3.1.1 says nothing: the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Publishes of QoS 1 and 2 that may be on their way; also what the driver's library is able
    /// to have on its way, if that is less. At least 1.
    pub receive_maximum: u16,
    /// Most bytes of a packet.
    pub maximum_packet_size: Option<usize>,
    /// The highest quality of service.
    pub maximum_qos: Qos,
    /// Whether it keeps retained messages. Without them it cannot carry keys.
    pub retain_available: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            maximum_qos: Qos::ExactlyOnce,
            retain_available: true,
        }
    }
}

impl Limits {
    /// What this broker would refuse: it, or the library, would end the connection, again and
    /// again.
    pub(crate) fn check(&self, size: usize, qos: Qos, retain: bool) -> Result<(), ClientError> {
        if let Some(most) = self.maximum_packet_size.filter(|most| size > *most) {
            return Err(ClientError::TooLarge { size, most });
        }
        if retain && !self.retain_available {
            return Err(ClientError::RetainNotSupported);
        }
        if qos > self.maximum_qos {
            let most = self.maximum_qos as u8;
            return Err(ClientError::QosNotSupported { most });
        }
        Ok(())
    }
}
