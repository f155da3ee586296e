//! From the application to rumqttc: checked at once, sealed when the turn has come.

use sealmq_keys::Publication;
use sealmq_keys::member::{Properties, SealError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::client::Request;
use super::core::Core;
use super::settle::Settling;
use super::{Event, convert};
use crate::engine::Draft;
use crate::error::{ClientError, StoreFailure};
use crate::outbox::{Accepted, Content, Qos, Wire};

/// A message whose keys have not arrived.
pub(super) struct Parked {
    pub(super) request: Request,
    pub(super) id: u64,
    pub(super) until: Instant,
}

impl Core {
    pub(super) fn publish(&mut self, request: Request) {
        if self.is_closing() {
            self.refuse(request, ClientError::Closed);
            return;
        }
        match self.engine.check(&request.draft) {
            Err(error) if self.worth_waiting(&error) => {
                let until = self.patience();
                let id = self.ledger.accept();
                self.parked.push_back(Parked { request, id, until });
            }
            Err(error) => self.refuse(request, error.into()),
            Ok(()) => {
                let id = self.ledger.accept();
                self.accept(request, id, None);
            }
        }
    }

    fn worth_waiting(&self, error: &SealError) -> bool {
        !self.wait_for_keys.is_zero()
            && matches!(
                error,
                SealError::NoKeysYet { .. }
                    | SealError::AwaitsAnnouncement { .. }
                    | SealError::AwaitsCredential { .. }
                    | SealError::NoLease { uptime: true, .. }
                    | SealError::KeysExpired { .. }
                    | SealError::LeaseExpired { .. }
            )
    }

    /// When waiting for keys that begins now ends.
    fn patience(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.wait_for_keys).unwrap_or(now)
    }

    fn accept(&mut self, request: Request, id: u64, until: Option<Instant>) {
        if let Err(error) = self.check_limits(request.draft.smallest_size(), request.draft.qos) {
            self.ledger.done(id);
            self.refuse(request, error);
            return;
        }
        let content = Content::Draft(request.draft);
        self.outbox.push(Accepted {
            content,
            id,
            room: Some(request.room),
            until,
        });
        if let Some(reply) = request.reply {
            // A caller that left has had its message accepted all the same.
            let _caller_left = reply.send(Ok(()));
        }
    }

    /// New keys may have arrived, or somebody has waited long enough.
    pub(super) fn retry_parked(&mut self) {
        for parked in std::mem::take(&mut self.parked) {
            if parked
                .request
                .reply
                .as_ref()
                .is_some_and(oneshot::Sender::is_closed)
            {
                self.ledger.done(parked.id); // the caller gave up, and sends it again perhaps
                continue;
            }
            match self.engine.check(&parked.request.draft) {
                Ok(()) => self.accept(parked.request, parked.id, Some(parked.until)),
                Err(error) if self.worth_waiting(&error) && parked.until > Instant::now() => {
                    self.parked.push_back(parked);
                }
                Err(error) => {
                    self.ledger.done(parked.id);
                    self.refuse(parked.request, error.into());
                }
            }
        }
    }

    pub(super) fn publish_object(&mut self, publication: Publication) {
        let wire = Wire {
            topic: publication.topic,
            payload: publication.payload.into(),
            qos: Qos::AtLeastOnce,
            retain: publication.retain,
            properties: Properties::default(),
        };
        let id = self.ledger.uncounted();
        let content = Content::Wire(wire);
        self.outbox.push(Accepted {
            content,
            id,
            room: None,
            until: None,
        });
    }

    /// Gives rumqttc what may go out now.
    pub(super) async fn pump(&mut self) -> Result<(), StoreFailure> {
        if self.settling.as_ref().is_some_and(Settling::is_over) {
            self.settling = None;
        }
        while self.may_send() {
            let wire = match self.outbox.next() {
                None => break,
                Some(Content::Wire(wire)) => wire.clone(),
                Some(Content::Draft(draft)) => {
                    let draft = draft.clone();
                    match self.engine.seal(&draft).await? {
                        Ok(wire) => self.outbox.sealed(wire),
                        Err(error) => {
                            if let Some(accepted) = self.outbox.drop_next() {
                                self.cannot_seal(draft, accepted, error);
                            }
                        }
                    }
                    continue;
                }
            };
            if let Err(error) = self.check_limits(convert::size(&wire), wire.qos) {
                let dropped = self.outbox.drop_next();
                self.give_up(dropped, error.to_string());
            } else if self.hand(wire) {
                self.outbox.hand();
            } else {
                break;
            }
        }
        Ok(())
    }

    /// The keys were there when the message was accepted: they expired since, or a recovery from a
    /// stolen authority key replaced them, and the new ones are on their way.
    fn cannot_seal(&mut self, draft: Draft, accepted: Accepted, error: SealError) {
        let until = accepted.until.unwrap_or_else(|| self.patience());
        let id = accepted.id;
        match accepted.room {
            Some(room) if self.worth_waiting(&error) && until > Instant::now() => {
                let reply = None; // the caller was told that it is accepted
                let request = Request { draft, room, reply };
                self.parked.push_back(Parked { request, id, until });
            }
            _ => {
                self.ledger.done(id);
                let Draft { topic, .. } = draft;
                let error = error.into();
                self.event(Event::NotPublished { topic, error });
            }
        }
    }

    const fn may_send(&self) -> bool {
        self.connection.is_some()
            && self.settling.is_none()
            && self.renewing.is_none()
            && !self.is_closing()
    }

    fn hand(&self, wire: Wire) -> bool {
        let properties = convert::properties_to(&wire.properties);
        let Wire {
            topic,
            payload,
            qos,
            retain,
            ..
        } = wire;
        let qos = convert::qos_to(qos);
        let result = match properties {
            Some(p) => self
                .mqtt
                .try_publish_with_properties(topic, qos, retain, payload, p),
            None => self.mqtt.try_publish(topic, qos, retain, payload),
        };
        result.is_ok()
    }

    /// What this broker would refuse: rumqttc would end the connection, again and again.
    pub(super) fn check_limits(&self, size: usize, qos: Qos) -> Result<(), ClientError> {
        let connection = self.connection.as_ref();
        let Some(limits) = connection.and_then(|c| c.connack.properties.as_ref()) else {
            return Ok(());
        };
        let most = limits
            .max_packet_size
            .and_then(|most| usize::try_from(most).ok());
        if let Some(most) = most.filter(|most| size > *most) {
            return Err(ClientError::TooLarge { size, most });
        }
        match limits.max_qos {
            Some(most) if qos as u8 > most => Err(ClientError::QosNotSupported { most }),
            _ => Ok(()),
        }
    }

    pub(super) fn finished(&mut self, accepted: Option<Accepted>) {
        if let Some(accepted) = accepted {
            self.ledger.done(accepted.id);
        }
    }

    pub(super) fn give_up(&mut self, accepted: Option<Accepted>, reason: String) {
        if let Some(accepted) = accepted {
            self.ledger.done(accepted.id);
            let topic = accepted.content.topic().to_owned();
            self.event(Event::PublishRefused { topic, reason });
        }
    }

    /// Tells the caller, or the event loop if the caller does not wait.
    fn refuse(&mut self, request: Request, error: ClientError) {
        match request.reply {
            Some(reply) => {
                let _caller_left = reply.send(Err(error));
            }
            None => {
                let Draft { topic, .. } = request.draft;
                self.event(Event::NotPublished { topic, error });
            }
        }
    }
}
