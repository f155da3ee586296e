//! What has to hold after the messages went through.

use sealmq_keys::member::SealError;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{ClientError, Message};

use super::cast::{Cast, Course};
use super::checks::Checks;
use super::domain::GROUP;
use super::input::Input;
use super::leak::Blocks;
use super::node::LIMIT;
use super::outsider::Carried;
use crate::failure::Failure;
use crate::session;

/// What there is to look at.
pub(super) struct Evidence<'a> {
    pub(super) input: &'a Input,
    pub(super) course: Course,
    /// Whether everything was carried and read within the time.
    pub(super) is_complete: bool,
    pub(super) envelopes: &'a [Carried],
    pub(super) objects: &'a [Carried],
}

impl Cast {
    /// Complete, in order, attributed, and only until the removal.
    pub(super) fn check_delivery(&self, evidence: &Evidence<'_>, checks: &mut Checks) {
        let lines = &evidence.input.lines;
        let count = lines.len();
        let (reader, removed) = (self.reader.log(), self.removed.log());
        if !evidence.is_complete {
            checks.add(
                false,
                format!("nothing more arrived within {} s", LIMIT.as_secs()),
            );
        }
        checks.equal(
            evidence.envelopes.len(),
            count,
            "envelopes that the broker carried",
        );
        let same = |messages: &[Message], lines: &[Vec<u8>]| {
            messages.len() == lines.len()
                && messages
                    .iter()
                    .zip(lines)
                    .all(|(message, line)| message.payload == *line)
        };
        checks.add(
            same(&reader.messages, lines),
            format!(
                "{} read {} of {count} messages, in order and byte for byte",
                self.reader.name,
                reader.messages.len()
            ),
        );
        let until = evidence.course.removed_from;
        checks.add(
            same(&removed.messages, lines.get(..until).unwrap_or_default()),
            format!(
                "{} read {} of the {until} messages before its removal, and {} of the {} after it",
                self.removed.name,
                removed.messages.len().min(until),
                removed.messages.len().saturating_sub(until),
                count.saturating_sub(until)
            ),
        );
        let is_named = |message: &&Message| {
            message.sender_name == self.sensor.name && message.sender == self.sensor.number
        };
        let all = reader.messages.len().saturating_add(removed.messages.len());
        let named = reader
            .messages
            .iter()
            .chain(&removed.messages)
            .filter(is_named)
            .count();
        checks.equal(named, all, "messages with proof that the sensor sent them");
        checks.equal(
            reader.rejected.len(),
            0,
            "messages that reader-a rejected so far",
        );
    }

    /// Three epochs were in use, one after the other.
    pub(super) fn check_epochs(&self, evidence: &Evidence<'_>, checks: &mut Checks) {
        let reader = self.reader.log();
        let Course {
            first,
            rotated,
            healed,
            ..
        } = evidence.course;
        let of = |epoch: u64| {
            reader
                .messages
                .iter()
                .filter(|message| message.epoch == epoch)
                .count()
        };
        let (start, middle, end) = (of(first), of(rotated), of(healed));
        let sum = start.saturating_add(middle).saturating_add(end);
        let holds = start > 0
            && middle > 0
            && end > 0
            && sum == evidence.input.lines.len()
            && reader.messages.is_sorted_by_key(|message| message.epoch);
        checks.add(
            holds,
            format!(
                "keys changed while messages flowed: {start} in epoch {first}, {middle} in {rotated} \
                 (rotation), {end} in {healed} (removal)"
            ),
        );
    }

    /// The removed reader learns it from the refused list, which may come a moment later.
    pub(super) async fn check_removal(&self, checks: &mut Checks) {
        let noticed = self.removed.wait(|_| 0, |log| log.is_removed).await;
        checks.add(
            noticed,
            format!("{} noticed that it was removed", self.removed.name),
        );
    }

    /// Nothing readable passed the broker.
    pub(super) fn check_secrecy(&self, evidence: &Evidence<'_>, checks: &mut Checks) {
        let names = [
            &self.sensor.name,
            &self.reader.name,
            &self.removed.name,
            &self.sleeper.name,
        ];
        let topics = evidence.objects.iter().map(|object| object.topic.as_str());
        let public: Vec<&str> = topics
            .chain(names.map(String::as_str))
            .chain([self.topic.as_str(), GROUP])
            .collect();
        let blocks = Blocks::new(evidence.input.lines.iter().map(Vec::as_slice), &public);
        let carried = evidence.envelopes.iter().chain(evidence.objects);
        let leaks = carried
            .filter(|message| blocks.found_in(&message.payload))
            .count();
        let all = evidence
            .envelopes
            .len()
            .saturating_add(evidence.objects.len());
        let short = match blocks.too_short {
            0 => String::new(),
            count => format!("; {count} lines of fewer than 8 bytes cannot be told from chance"),
        };
        checks.add(
            leaks == 0,
            format!(
                "{leaks} of {all} carried messages show a readable part of a line ({} parts searched{short})",
                blocks.len()
            ),
        );
    }

    /// Nothing is sent by those who may not, and nothing in clear.
    pub(super) async fn check_refusals(&self, checks: &mut Checks) {
        let by_reader = self
            .reader
            .client
            .publish(&self.topic, session::qos::<V5>(1), false, "x")
            .await;
        checks.add(
            matches!(
                by_reader,
                Err(ClientError::Seal(SealError::NotGranted { .. }))
            ),
            format!(
                "{} may not publish: refused before anything is sent",
                self.reader.name
            ),
        );
        let in_clear = self
            .sensor
            .client
            .publish("uncovered/topic", session::qos::<V5>(1), false, "x")
            .await;
        checks.add(
            matches!(in_clear, Err(ClientError::Seal(SealError::NoGroup))),
            "a topic that no group covers: refused, nothing goes out in clear",
        );
    }

    /// After all attacks: the same connection and the same keys still work.
    pub(super) async fn check_connection(
        &self,
        evidence: &Evidence<'_>,
        checks: &mut Checks,
    ) -> Result<(), Failure> {
        let published = self.sensor.client.publish(
            &self.topic,
            session::qos::<V5>(1),
            false,
            "after the attacks",
        );
        published.await.map_err(Failure::refused)?;
        let count = evidence.input.lines.len();
        let arrived = self
            .reader
            .wait(|_| 0, |log| log.messages.len() > count)
            .await;
        let log = self.reader.log();
        let epoch = log.messages.last().map(|message| message.epoch);
        checks.add(
            arrived && log.connections == 1 && epoch == Some(evidence.course.healed),
            format!(
                "{} reads on: over the same connection, with the same keys",
                self.reader.name
            ),
        );
        Ok(())
    }
}
