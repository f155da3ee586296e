//! What the pointers of an output point to.

use core::ffi::{CStr, c_char};
use core::ptr;
use std::ffi::CString;

use bytes::Bytes;
use sealmq_client::{Gap, Message, Properties, Retained, Subscription, Wire};

use crate::message::sealmq_message;
use crate::output::{sealmq_filter, sealmq_output};
use crate::properties::{sealmq_pair, sealmq_properties};

/// Until the next call with the handle. Each is a piece of its own on the heap, which
/// stays where it is when this moves.
#[derive(Default)]
pub(crate) struct Held {
    texts: Vec<CString>,
    bytes: Vec<Bytes>,
    pairs: Box<[sealmq_pair]>,
    filters: Box<[sealmq_filter]>,
    message: Option<Box<sealmq_message>>,
}

impl Held {
    pub(crate) fn text(&mut self, text: &str) -> *const c_char {
        let text = crate::status::text(text);
        let pointer = text.as_ptr();
        self.texts.push(text);
        pointer
    }

    /// Never null.
    pub(crate) fn bytes(&mut self, bytes: Bytes) -> (*const u8, usize) {
        const EMPTY: &CStr = c"";
        if bytes.is_empty() {
            return (EMPTY.as_ptr().cast(), 0);
        }
        let place = (bytes.as_ptr(), bytes.len());
        self.bytes.push(bytes);
        place
    }

    pub(crate) fn pairs(&mut self, pairs: Vec<sealmq_pair>) -> (*const sealmq_pair, usize) {
        if pairs.is_empty() {
            return (ptr::null(), 0);
        }
        self.pairs = pairs.into();
        (self.pairs.as_ptr(), self.pairs.len())
    }

    pub(crate) fn show(&mut self, message: sealmq_message) {
        self.message = Some(Box::new(message));
    }

    pub(crate) fn shown(&self) -> *const sealmq_message {
        self.message.as_deref().map_or(ptr::null(), ptr::from_ref)
    }

    /// Fills in a PUBLISH.
    pub(crate) fn wire(&mut self, wire: Wire, output: &mut sealmq_output) {
        output.topic = self.text(&wire.topic);
        (output.payload, output.payload_len) = self.bytes(wire.payload);
        output.qos = wire.qos as u8;
        output.retain = wire.retain;
        output.expiry_s = wire.properties.expiry.unwrap_or(0);
    }

    /// Fills in a SUBSCRIBE.
    pub(crate) fn filters(&mut self, wanted: Vec<Subscription>, output: &mut sealmq_output) {
        let mut filters = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            filters.push(sealmq_filter {
                filter: self.text(&wanted.filter),
                qos: wanted.qos as u8,
                no_local: wanted.no_local,
                retain_handling: match wanted.retained {
                    Retained::OnSubscribe => 0,
                    Retained::OnNewSubscribe => 1,
                    Retained::Never => 2,
                },
            });
        }
        self.filters = filters.into();
        (output.filters, output.filters_len) = (self.filters.as_ptr(), self.filters.len());
    }
}

impl Held {
    pub(crate) fn message(&mut self, message: Message) {
        let (missed, sent_at_ms) = match message.gap {
            Some(Gap::Missed(missed)) => (missed, message.sent_at),
            _ => (0, message.sent_at),
        };
        let (payload, payload_len) = self.bytes(message.payload);
        let shown = sealmq_message {
            topic: self.text(&message.topic),
            payload,
            payload_len,
            retained: message.retained,
            is_will: message.will,
            sender: message.sender.0,
            sender_name: self.text(&message.sender_name),
            group: self.text(&message.group),
            epoch: message.epoch,
            session: message.session,
            counter: message.counter,
            sent_at_ms: sent_at_ms.unwrap_or(0),
            missed,
            properties: self.properties(message.properties),
        };
        self.show(shown);
    }

    /// One that is not sealed.
    pub(crate) fn clear_message(
        &mut self,
        topic: &str,
        payload: Bytes,
        retained: bool,
        properties: Properties,
    ) {
        let (payload, payload_len) = self.bytes(payload);
        let shown = sealmq_message {
            topic: self.text(topic),
            payload,
            payload_len,
            retained,
            properties: self.properties(properties),
            ..sealmq_message::NONE
        };
        self.show(shown);
    }

    fn properties(&mut self, properties: Properties) -> sealmq_properties {
        let (correlation, correlation_len) = match properties.correlation_data {
            Some(data) => self.bytes(data.into()),
            None => (ptr::null(), 0),
        };
        let mut pairs = Vec::with_capacity(properties.user.len());
        for (name, value) in &properties.user {
            pairs.push(sealmq_pair {
                name: self.text(name),
                value: self.text(value),
            });
        }
        let (user, user_len) = self.pairs(pairs);
        let mut optional = |text: Option<String>| text.map_or(ptr::null(), |text| self.text(&text));
        sealmq_properties {
            is_text: properties.payload_format == Some(1),
            expiry_s: properties.expiry.unwrap_or(0),
            content_type: optional(properties.content_type),
            response_topic: optional(properties.response_topic),
            correlation,
            correlation_len,
            user,
            user_len,
        }
    }
}
