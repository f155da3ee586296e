//! Building one vector of kind `open`.

use super::scene::Scene;
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

/// Each says its sections itself.
const OPEN: Series = Series::new("open", "open-", &[]);

/// Deliveries to a reader, one after the other.
pub(crate) struct Case {
    id: String,
    comment: String,
    spec: Vec<&'static str>,
    attacks: Vec<&'static str>,
    reader: Json,
    with: Vec<(&'static str, Json)>,
    deliveries: Vec<Json>,
    reason: Option<&'static str>,
    retained: bool,
    now: Option<u64>,
}

impl Case {
    /// `spec` without "envelope.md": `"§9"`.
    pub(crate) fn new(
        scene: &Scene,
        id: impl Into<String>,
        comment: impl Into<String>,
        spec: &'static str,
    ) -> Self {
        Self {
            id: id.into(),
            comment: comment.into(),
            spec: vec![spec],
            attacks: vec![],
            reader: scene.reader(),
            with: vec![],
            deliveries: vec![],
            reason: None,
            retained: false,
            now: Some(NOW_MS + 1000),
        }
    }

    /// Makes vectors about one section.
    pub(crate) fn of(scene: &Scene, spec: &'static str) -> impl Fn(&str, &str) -> Self {
        move |id, comment| Self::new(scene, id, comment, spec)
    }

    pub(crate) fn spec(mut self, section: &'static str) -> Self {
        self.spec.push(section);
        self
    }

    pub(crate) fn attacks(mut self, attacks: &[&'static str]) -> Self {
        self.attacks.extend_from_slice(attacks);
        self
    }

    /// Replaces a member of the reader.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.with.retain(|(known, _)| *known != name);
        self.with.push((name, value.into()));
        self
    }

    /// From now on the broker delivers as retained, or live again.
    pub(crate) fn retained(mut self, retained: bool) -> Self {
        self.retained = retained;
        self
    }

    /// The reader's clock from now on, in milliseconds.
    pub(crate) fn at(mut self, now: Option<u64>) -> Self {
        self.now = now;
        self
    }

    /// A message that is accepted.
    pub(crate) fn ok(self, draft: &Draft) -> Self {
        let expect = object! { message: draft.expected() };
        self.deliver(&draft.topic, &draft.envelope(), expect, None)
    }

    /// A message that is not.
    pub(crate) fn bad(self, draft: &Draft, reason: &'static str) -> Self {
        self.raw(&draft.topic, &draft.envelope(), reason)
    }

    /// A record of the session, on the record topic of a member, that is taken.
    pub(crate) fn record(self, of: u32, draft: &Draft) -> Self {
        let tag = draft.session.clone().short(draft.message.sender).tag;
        let record = object! {
            sender: draft.message.sender, session_number: draft.message.number,
            session_tag: Json::hex(tag),
        };
        let expect = object! { record: record };
        self.deliver(&draft.topic, &draft.envelope(), expect, None)
            .offered_as(of)
    }

    /// One that is not.
    pub(crate) fn no_record(self, of: u32, draft: &Draft, reason: &'static str) -> Self {
        self.bad(draft, reason).offered_as(of)
    }

    /// The last delivery is offered as the record of this member.
    pub(crate) fn offered_as(mut self, member: u32) -> Self {
        let last = self.deliveries.pop().unwrap();
        self.deliveries.push(last.with("record_of", member));
        self
    }

    /// Bytes that are not accepted.
    pub(crate) fn raw(self, topic: &str, envelope: &[u8], reason: &'static str) -> Self {
        self.deliver(topic, envelope, object! { reason: reason }, Some(reason))
    }

    fn deliver(
        mut self,
        topic: &str,
        envelope: &[u8],
        expect: Json,
        reason: Option<&'static str>,
    ) -> Self {
        self.reason = reason;
        self.deliveries.push(object! {
            topic: Json::text(topic), retained: self.retained, now_ms: self.now,
            envelope: Json::hex(envelope), expect: expect,
        });
        self
    }

    /// States the plaintext of the last delivery.
    pub(crate) fn plaintext(mut self, plaintext: &[u8]) -> Self {
        let last = self.deliveries.pop().unwrap();
        let last = last.with("plaintext", Json::hex(plaintext));
        self.deliveries.push(last);
        self
    }

    /// Puts the vector into the file.
    pub(crate) fn done(self, file: &mut VectorFile) {
        let mut input = object! { reader: self.reader };
        if !self.with.is_empty() {
            let members = self.with.into_iter();
            let members = members.map(|(name, value)| (name.to_owned(), value));
            input = input.with("with", Json::Object(members.collect()));
        }
        input = input.with("deliveries", Json::Array(self.deliveries));
        let spec = self
            .spec
            .iter()
            .map(|section| format!("envelope.md {section}"));
        let spec: Vec<String> = spec.collect();
        let spec: Vec<&str> = spec.iter().map(String::as_str).collect();
        let case = OPEN.case(&self.id, &self.comment, input).spec(&spec);
        file.push(case.attacks(&self.attacks).reason(self.reason));
    }
}
