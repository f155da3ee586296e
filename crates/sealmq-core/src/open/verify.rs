//! Steps 5 to 10: from something that decrypts to a message whose sender is proven.

use core::fmt;

use super::context::{Context, Plain};
use super::opened::{Facts, Opened};
use super::recorded::Recorded;
use super::sender::{Found, Unfit};
use super::time::{self, MessageTimes};
use super::{Directory, Missing, Rejection, Request, Sender, SenderQuery, Sighting, Staleness};
use crate::credential::CredentialOrder;
use crate::crypto::{Digest, SessionSecrets, SignatureContext, Verifier};
use crate::ids::MemberNumber;
use crate::replay::{
    Class, Delivery, Gap, Message, ReplayState, SenderSlot, Table, TopicKey, TopicSlot, Verdict,
};
use crate::transcript::Transcript;
use crate::wire::{BodyFields, CredentialAge, SessionFields, SessionTag, credential_age, flags};

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
    /// The credential that verified it.
    credential: CredentialOrder,
    known: CredentialOrder,
    credential_used: bool,
    class: Class,
    report_gaps: bool,
}

impl<'b> Decrypted<'b> {
    /// Steps 6 to 9. Nothing is recorded here. If something is missing that may still arrive, the
    /// buffer holds the envelope again: for that alone are `secrets`.
    pub(crate) fn verify<S, T, const W: usize>(
        self,
        request: &Request<'_>,
        directory: &impl Directory,
        replay: &ReplayState<S, T, W>,
        secrets: impl Fn() -> Option<SessionSecrets>,
        verifier: &mut Verifier,
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
        // By reference: what is moved stands twice on the stack of some devices.
        let found = self.find_sender(&query, directory);
        let found = match &found {
            Ok(found) => found,
            Err(Unfit::Unknown) => return Err(self.wait_for(Missing::Credential, secrets())),
            Err(Unfit::Revoked) => return Err(Rejection::Revoked { member }),
            Err(Unfit::Rejected) => return Err(Rejection::Rejected),
        };
        let known = &found.known;
        let Some(lowest_serial) = known.lowest_serial else {
            return Err(self.wait_for(Missing::RefusedList, secrets()));
        };
        // State says by the credential inside under which one it was made.
        let is_state = self.fields.is_state();
        let age = credential_age(self.fields.hint, known.serial);
        let older;
        let sender = match age {
            _ if is_state => &found.sender,
            CredentialAge::Known => &found.sender,
            CredentialAge::Newer => return Err(self.wait_for(Missing::Credential, secrets())),
            CredentialAge::Older => {
                older = found.older_of_event(&query, directory, self.inside(), self.fields.hint);
                older.as_ref().ok_or(Rejection::Revoked { member })?
            }
        };
        // Events count as long as their credential does; state goes by the known one's times.
        let own_lowest = sender.lowest_serial.filter(|_| !is_state).unwrap_or(0);
        let lowest_serial = lowest_serial.max(own_lowest);
        if known.serial < lowest_serial || sender.serial < lowest_serial {
            return Err(Rejection::Revoked { member });
        }
        let policy = &self.context.policy;
        let of_sender = || time::check_credential(request.now, sender, policy);
        if let Err(stale) = time::check_credential(request.now, known, policy)
            .and_then(|()| if is_state { Ok(()) } else { of_sender() })
        {
            if !is_state {
                return Err(Rejection::Stale(stale));
            }
            // It stays with the broker for longer than a credential is valid.
            self.put_back(secrets());
            return Err(Rejection::Stale(Staleness::CredentialOfState { member }));
        }
        if !(known.may_publish && sender.may_publish) {
            return Err(Rejection::NotAllowed { member });
        }
        self.check_times(request)?;
        let class = self
            .class(request.retained)
            .ok_or(Rejection::Replay { member })?;
        // The replay state belongs to a credential, so it is asked when that is known.
        match replay.check(&self.message(class, sender.order(), known.order(), None)) {
            Verdict::New => {}
            Verdict::Replay => {
                self.look_for_devices(sender, class, directory, verifier);
                return Err(Rejection::Replay { member });
            }
            Verdict::OldCredential => return Err(Rejection::Revoked { member }),
        }
        self.check_signature(sender, verifier)
            .ok_or(Rejection::Rejected)?;
        let report_gaps = request.report_gaps;
        Ok(Verified {
            message: self,
            credential: sender.order(),
            known: known.order(),
            credential_used: found.used,
            class,
            report_gaps,
        })
    }

    /// Of the record of a session of `sender`: that it is its own. What it may publish is judged
    /// with each message, and it counts however old it is, and however often it comes.
    pub(crate) fn verify_record(
        self,
        request: &Request<'_>,
        sender: MemberNumber,
        tag: SessionTag,
        directory: &impl Directory,
        verifier: &mut Verifier,
    ) -> Result<Recorded<'b>, Rejection> {
        let (group, member, missing) = (self.context.group, sender, Missing::Credential);
        let unknown = Rejection::UnknownSender {
            group,
            member,
            missing,
        };
        if self.fields.sender != sender {
            return Err(Rejection::Rejected);
        }
        let query = SenderQuery {
            group,
            member,
            topic: request.topic,
        };
        let inside = self.inside();
        let found = Found::of_event(&query, directory, inside).ok_or(unknown)?;
        let by = match credential_age(self.fields.hint, found.known.serial) {
            CredentialAge::Known => found.sender,
            CredentialAge::Newer => return Err(unknown),
            CredentialAge::Older => found
                .older_of_event(&query, directory, inside, self.fields.hint)
                .ok_or(Rejection::Revoked { member })?,
        };
        self.check_signature(&by, verifier)
            .ok_or(Rejection::Rejected)?;
        let credential = self.fields.credential.clone().filter(|_| found.used);
        let base = self.plain.base();
        Ok(Recorded {
            tag,
            fields: self.session_fields(),
            // What is inside a record is public.
            body: self.plain.release().get(base..).unwrap_or_default(),
            credential,
        })
    }

    const fn session_fields(&self) -> SessionFields {
        SessionFields {
            sender: self.fields.sender,
            hint: self.fields.hint,
            number: self.fields.session_number,
        }
    }

    /// It is refused, whatever it tells.
    fn look_for_devices(
        &self,
        sender: &Sender,
        class: Class,
        directory: &impl Directory,
        verifier: &mut Verifier,
    ) {
        let sighting = self.sighting(sender.order(), class);
        if directory.would_tell(&sighting) && self.check_signature(sender, verifier).is_some() {
            directory.told(&sighting);
        }
    }

    fn sighting(&self, credential: CredentialOrder, class: Class) -> Sighting {
        Sighting {
            group: self.context.group,
            member: self.fields.sender,
            credential,
            session: self.fields.session_number,
            enc: self.context.header.enc,
            counter: self.context.header.counter,
            sent_at: self.fields.sent_at,
            is_state: self.fields.is_state(),
            is_in_turn: matches!(class, Class::Event | Class::State(Delivery::Live)),
        }
    }

    fn find_sender(
        &self,
        query: &SenderQuery<'_>,
        directory: &impl Directory,
    ) -> Result<Found, Unfit> {
        let inside = self.inside();
        match inside {
            Some(inside) if self.fields.is_state() => Found::of_state(query, directory, inside),
            _ => Found::of_event(query, directory, inside).ok_or(Unfit::Unknown),
        }
    }

    fn inside(&self) -> Option<&[u8]> {
        let range = self.fields.credential.clone()?;
        self.plain.body()?.get(range)
    }

    fn wait_for(self, missing: Missing, secrets: Option<SessionSecrets>) -> Rejection {
        let (group, member) = (self.context.group, self.fields.sender);
        self.put_back(secrets);
        Rejection::UnknownSender {
            group,
            member,
            missing,
        }
    }

    fn put_back(self, secrets: Option<SessionSecrets>) {
        let counter = self.context.header.counter;
        if let Some(secrets) = secrets {
            self.plain.put_back(&secrets, counter, &self.topic_hash);
        }
    }

    /// `None`: delivered as retained, but not published so (threat model B2).
    const fn class(&self, retained_delivery: bool) -> Option<Class> {
        let delivery = match retained_delivery {
            true => Delivery::Retained,
            false => Delivery::Live,
        };
        let (retain, will) = (self.fields.has(flags::RETAIN), self.fields.has(flags::WILL));
        match (retain, will) {
            (true, false) => Some(Class::State(delivery)),
            (true, true) => Some(Class::Will(delivery)),
            _ if retained_delivery => None,
            (false, true) => Some(Class::PassingWill),
            (false, false) => Some(Class::Event),
        }
    }

    fn message(
        &self,
        class: Class,
        serial: CredentialOrder,
        known: CredentialOrder,
        sequence: Option<u32>,
    ) -> Message<'_> {
        Message {
            topic: TopicKey::new(self.context.group, self.fields.sender, &self.topic_hash),
            serial,
            known,
            enc: &self.context.header.enc,
            number: self.fields.session_number,
            counter: self.context.header.counter,
            class,
            connection: self.fields.connection.unwrap_or(0),
            sequence,
        }
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

    fn check_signature(&self, sender: &Sender, verifier: &mut Verifier) -> Option<()> {
        let header = &self.context.header;
        let transcript = Transcript {
            suite: header.suite,
            announcement: &self.context.announcement,
            enc: &header.enc,
            counter: header.counter,
            topic_hash: &self.topic_hash,
            credential_hash: &sender.credential_hash,
            short: self.context.short.map(|session| session.number),
        };
        let digest = transcript.digest(self.plain.body()?).ok()?;
        let signature = self.plain.signature()?;
        verifier
            .verify(&sender.key, SignatureContext::Message, &digest, signature)
            .ok()
    }
}

impl<'b> Verified<'b> {
    /// What the short form of its session leaves out, if it may have one.
    pub(crate) fn session(&self) -> Option<SessionFields> {
        let is_event = !self.message.fields.is_state();
        is_event.then(|| self.message.session_fields())
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
        let sighting = self.message.sighting(self.credential, self.class);
        let message = self.message;
        let sequence = message.fields.sequence.filter(|_| self.report_gaps);
        let gap: Option<Gap> =
            replay.commit(&message.message(self.class, self.credential, self.known, sequence));
        let facts = Facts {
            group: message.context.group,
            epoch: message.context.epoch,
            announcement: message.context.announcement,
            counter: message.context.header.counter,
            serial: self.credential.credential,
            credential_used: self.credential_used,
            retained: matches!(
                self.class,
                Class::State(Delivery::Retained) | Class::Will(Delivery::Retained)
            ),
        };
        let base = message.plain.base();
        Opened {
            buf: message.plain.release(),
            base,
            fields: message.fields,
            facts,
            sighting,
            gap,
            new_session: None,
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
