//! Steps 5 to 10: from something that decrypts to a message whose sender is proven.

use core::fmt;

use super::context::{Context, Plain};
use super::keys::KeyPlace;
use super::opened::{Facts, Opened};
use super::time::{self, MessageTimes};
use super::{Directory, Missing, Rejection, Request, Sender, SenderQuery};
use crate::credential::CredentialOrder;
use crate::crypto::{Digest, SessionSecrets, SignatureContext};
use crate::replay::{
    Class, Gap, Message, ReplayState, SenderSlot, Table, TopicKey, TopicSlot, Verdict,
};
use crate::transcript::Transcript;
use crate::wire::{BodyFields, CredentialAge, credential_age, flags};

/// An envelope that opened under its session's keys (steps 4 and 5). Every reader of the group
/// could have made it, so there is no way to its payload; dropping it wipes the buffer.
pub struct Decrypted<'b> {
    pub(crate) plain: Plain<'b>,
    pub(crate) fields: BodyFields,
    pub(crate) topic_hash: Digest,
    pub(crate) context: Context,
}

/// An envelope whose sender is proven (step 9). Only [`Opened`], which the receiver makes of it
/// when it has recorded it, gives out the payload.
pub struct Verified<'b> {
    message: Decrypted<'b>,
    sender: Sender,
    credential_used: bool,
    class: Class,
    report_gaps: bool,
}

impl<'b> Decrypted<'b> {
    /// Steps 6 to 9. Nothing is recorded here. If something is missing that may still arrive, the
    /// buffer holds the envelope again.
    pub(crate) fn verify<S, T, const W: usize>(
        self,
        request: &Request<'_>,
        directory: &impl Directory,
        replay: &ReplayState<S, T, W>,
        secrets: &SessionSecrets,
    ) -> Result<Verified<'b>, Rejection>
    where
        S: Table<SenderSlot<W>>,
        T: Table<TopicSlot>,
    {
        let member = self.fields.sender;
        if request.drop_own == Some(member) {
            return Err(Rejection::Own);
        }
        let query = SenderQuery {
            group: self.context.group,
            member,
            topic: request.topic,
        };
        let Some((sender, credential_used)) = self.find_sender(&query, directory) else {
            return Err(self.wait_for(Missing::Credential, secrets));
        };
        let Some(lowest_serial) = sender.lowest_serial else {
            return Err(self.wait_for(Missing::RefusedList, secrets));
        };
        match credential_age(self.fields.hint, sender.serial) {
            CredentialAge::Known => {}
            CredentialAge::Newer => return Err(self.wait_for(Missing::Credential, secrets)),
            CredentialAge::Older => return Err(Rejection::Revoked { member }),
        }
        if sender.serial < lowest_serial {
            return Err(Rejection::Revoked { member });
        }
        self.check_credential_time(request, &sender)?;
        if !sender.may_publish {
            return Err(Rejection::NotAllowed { member });
        }
        self.check_times(request)?;
        let class = self
            .class(request.retained)
            .ok_or(Rejection::Replay { member })?;
        // The replay state belongs to a credential, so it is asked when that is known.
        match replay.check(&self.message(class, sender.order(), None)) {
            Verdict::New => {}
            Verdict::Replay => return Err(Rejection::Replay { member }),
            Verdict::OldCredential => return Err(Rejection::Revoked { member }),
        }
        self.check_signature(&sender).ok_or(Rejection::Rejected)?;
        let report_gaps = request.report_gaps;
        Ok(Verified {
            message: self,
            sender,
            credential_used,
            class,
            report_gaps,
        })
    }

    /// The credential to verify with, and whether it is the one inside the message.
    fn find_sender(
        &self,
        query: &SenderQuery<'_>,
        directory: &impl Directory,
    ) -> Option<(Sender, bool)> {
        let known = directory.sender(query).filter(|s| s.member == query.member);
        let order = known.as_ref().map(Sender::order);
        let inside = self.fields.credential.clone();
        let newer = inside
            .and_then(|range| self.plain.body()?.get(range))
            .and_then(|credential| directory.admit(query, credential, order))
            .filter(|s| s.member == query.member && order.is_none_or(|known| s.order() > known))
            // A number is bound to its key for life.
            .filter(|s| known.as_ref().is_none_or(|known| known.key == s.key));
        newer.map(|s| (s, true)).or(known.map(|s| (s, false)))
    }

    fn wait_for(self, missing: Missing, secrets: &SessionSecrets) -> Rejection {
        let (group, member) = (self.context.group, self.fields.sender);
        self.plain
            .put_back(secrets, self.context.header.counter, &self.topic_hash);
        Rejection::UnknownSender {
            group,
            member,
            missing,
        }
    }

    /// `None`: delivered as retained, but not published so (ATTACKS B2).
    const fn class(&self, retained_delivery: bool) -> Option<Class> {
        let will = self.fields.has(flags::WILL);
        match (retained_delivery, self.fields.has(flags::RETAIN), will) {
            (true, false, _) => None,
            (true, true, true) => Some(Class::RetainedWill),
            (true, true, false) => Some(Class::Retained),
            (false, _, true) => Some(Class::Will),
            (false, _, false) => Some(Class::Ordinary),
        }
    }

    fn message(&self, class: Class, serial: CredentialOrder, sequence: Option<u32>) -> Message<'_> {
        Message {
            topic: TopicKey::new(self.context.group, self.fields.sender, &self.topic_hash),
            serial,
            enc: &self.context.header.enc,
            number: self.fields.session_number,
            counter: self.context.header.counter,
            class,
            retain: self.fields.has(flags::RETAIN),
            sequence,
        }
    }

    fn check_credential_time(
        &self,
        request: &Request<'_>,
        sender: &Sender,
    ) -> Result<(), Rejection> {
        time::check_credential(request.now, sender, &self.context.policy).map_err(Rejection::Stale)
    }

    fn check_times(&self, request: &Request<'_>) -> Result<(), Rejection> {
        let times = MessageTimes {
            sent_at: self.fields.sent_at,
            expiry: self.fields.message_expiry,
            will: self.fields.has(flags::WILL),
            retained_delivery: request.retained,
        };
        time::check_message(request.now, &times, &self.context.policy).map_err(Rejection::Stale)
    }

    fn check_signature(&self, sender: &Sender) -> Option<()> {
        let header = &self.context.header;
        let transcript = Transcript {
            suite: header.suite,
            announcement: &self.context.announcement,
            enc: &header.enc,
            counter: header.counter,
            topic_hash: &self.topic_hash,
            credential_hash: &sender.credential_hash,
        };
        let digest = transcript.digest(self.plain.body()?).ok()?;
        sender
            .key
            .verify(SignatureContext::Message, &digest, self.plain.signature()?)
            .ok()
    }
}

impl<'b> Verified<'b> {
    pub(crate) const fn place(&self) -> KeyPlace {
        self.message.context.place
    }

    /// Step 10: records the message, then releases it.
    pub(crate) fn release<S, T, const W: usize>(
        self,
        replay: &mut ReplayState<S, T, W>,
    ) -> Opened<'b>
    where
        S: Table<SenderSlot<W>>,
        T: Table<TopicSlot>,
    {
        let message = self.message;
        let sequence = message.fields.sequence.filter(|_| self.report_gaps);
        let gap: Option<Gap> =
            replay.commit(&message.message(self.class, self.sender.order(), sequence));
        let facts = Facts {
            group: message.context.group,
            epoch: message.context.epoch,
            announcement: message.context.announcement,
            counter: message.context.header.counter,
            serial: self.sender.serial,
            credential_used: self.credential_used,
            retained: matches!(self.class, Class::Retained | Class::RetainedWill),
        };
        let base = message.plain.base();
        Opened {
            buf: message.plain.release(),
            base,
            fields: message.fields,
            facts,
            gap,
        }
    }
}

impl fmt::Debug for Decrypted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypted")
            .field("header", &self.context.header)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("sender", &self.message.fields.sender)
            .finish_non_exhaustive()
    }
}
