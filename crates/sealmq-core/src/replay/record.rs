use core::fmt;

use super::floors::Floors;
use super::place::{Place, PlaceFloor};
use super::sender::{
    NO_CREDENTIAL, RECENT_SESSIONS, Recent, RecentSessions, SenderKey, SenderRecord,
};
use super::topic::{TopicKey, TopicRecord};
use super::window::Window;
use crate::credential::CredentialOrder;
use crate::held::Held;
use crate::ids::{GroupId, MemberNumber};
use crate::wire::{MAX_COUNTER, MAX_SESSION_NUMBER, Reader, Truncated, Writer};

/// Bytes of a [`PlaceFloor`], and of one that is none.
const FLOOR_LEN: usize = 26;
/// Bytes of [`Floors`].
const FLOORS_LEN: usize = 4 + 8 + 8 + FLOOR_LEN;
/// Length of a record's key in bytes.
pub const RECORD_KEY_LEN: usize = 37;

// 1 to 7 were records of versions in which events and state were judged alike.
const FLOORS: u8 = 8;
const SENDER: u8 = 9;
const TOPIC: u8 = 10;
/// As `SENDER`, with what is known of the credential before.
const SENDER_OLDER: u8 = 11;

/// A durable piece of replay state. Put it into the store under [`Record::key`]; a newer one of
/// the same key takes the place of the older. The bytes are this implementation's own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record<const W: usize> {
    /// The floors for senders without a record.
    Floors(Floors),
    /// One sender in one group.
    Sender(SenderRecord<W>),
    /// One sender on one topic.
    Topic(TopicRecord),
}

/// Stored bytes are no record of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError;

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a stored replay record is damaged, or was written by another version or with another window size: restore the store from a copy, or ask the senders for new credentials",
        )
    }
}

impl core::error::Error for RecordError {}

impl From<Truncated> for RecordError {
    fn from(_: Truncated) -> Self {
        Self
    }
}

impl<const W: usize> Record<W> {
    const SENDER_LEN: usize =
        1 + 20 + 9 + 8 + 17 + 17 + 30 + FLOORS_LEN + RECENT_SESSIONS * Self::RECENT_LEN;
    const RECENT_LEN: usize = 8 + 32 + 4 + 8 * W;

    /// Bytes of the longest record.
    pub const MAX_LEN: usize = Self::SENDER_LEN;

    /// The name of this record in a store.
    #[must_use]
    pub fn key(&self) -> [u8; RECORD_KEY_LEN] {
        match self {
            Self::Floors(_) => record_key(FLOORS, None, &[]),
            Self::Sender(record) => record.key().record_key(),
            Self::Topic(record) => record.key().record_key(),
        }
    }

    /// Encodes the record; returns its length, at most [`Record::MAX_LEN`].
    ///
    /// # Errors
    /// `out` is too small.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Truncated> {
        let mut out = Writer::new(out);
        match self {
            Self::Floors(floors) => {
                out.put(&[FLOORS])?;
                put_floors(&mut out, floors)?;
            }
            Self::Sender(record) => {
                let (older, floor) = record.older;
                let has_older = older > NO_CREDENTIAL;
                out.put(&[if has_older { SENDER_OLDER } else { SENDER }])?;
                if has_older {
                    put_serial(&mut out, older)?;
                    out.put(&floor.to_be_bytes())?;
                    let own = record.recent.iter().flatten().filter(|r| !r.is_older);
                    out.put(&[u8::try_from(own.count()).map_err(|_| Truncated)?])?;
                }
                put_sender(&mut out, &record.group, record.member)?;
                out.put(&[u8::from(record.serial.is_some())])?;
                put_serial(&mut out, record.serial.unwrap_or_default())?;
                out.put(&record.floor.to_be_bytes())?;
                let (credential, number) = record.will.unwrap_or_default();
                out.put(&[u8::from(record.will.is_some())])?;
                put_serial(&mut out, credential)?;
                out.put(&number.to_be_bytes())?;
                put_place(&mut out, record.forgotten)?;
                put_floors(&mut out, &record.before)?;
                for recent in &record.recent {
                    match recent {
                        Some(recent) => {
                            let (top, bits) = recent.window.parts();
                            out.put(&recent.number.to_be_bytes())?;
                            out.put(&recent.enc)?;
                            out.put(&top.to_be_bytes())?;
                            bits.iter()
                                .try_for_each(|word| out.put(&word.to_be_bytes()))?;
                        }
                        None => (0..Self::RECENT_LEN).try_for_each(|_| out.put(&[0]))?,
                    }
                }
            }
            Self::Topic(record) => {
                out.put(&[TOPIC])?;
                put_sender(&mut out, &record.group, record.member)?;
                out.put(&record.topic)?;
                put_place(&mut out, record.mark)?;
            }
        }
        Ok(out.position())
    }

    /// Decodes what [`Record::encode`] wrote.
    ///
    /// # Errors
    /// Anything that `encode` would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader::new(bytes);
        let record = match input.u8()? {
            FLOORS => Self::Floors(floors(&mut input)?),
            SENDER => {
                let own = RECENT_SESSIONS;
                Self::Sender(Self::decode_sender(&mut input, (NO_CREDENTIAL, 0), own)?)
            }
            SENDER_OLDER => {
                let older = (serial(&mut input)?, number(&mut input)?);
                let own = usize::from(input.u8()?);
                if older.0 == NO_CREDENTIAL || own > RECENT_SESSIONS {
                    return Err(RecordError);
                }
                Self::Sender(Self::decode_sender(&mut input, older, own)?)
            }
            TOPIC => Self::Topic(TopicRecord {
                group: GroupId(input.array()?),
                member: MemberNumber(u32::from_be_bytes(input.array()?)),
                topic: input.array()?,
                mark: place(&mut input)?,
                sequence: None,
            }),
            _ => return Err(RecordError),
        };
        if input.rest().is_empty() {
            Ok(record)
        } else {
            Err(RecordError)
        }
    }

    /// `own`: how many sessions are of the record's credential.
    fn decode_sender(
        input: &mut Reader<'_>,
        older: (CredentialOrder, u64),
        own: usize,
    ) -> Result<SenderRecord<W>, RecordError> {
        let record = SenderRecord {
            older,
            group: GroupId(input.array()?),
            member: MemberNumber(u32::from_be_bytes(input.array()?)),
            serial: optional(input, serial)?,
            floor: number(input)?,
            will: optional(input, |input| Ok((serial(input)?, number(input)?)))?,
            forgotten: place(input)?,
            before: floors(input)?,
            recent: Self::decode_recent(input, own)?,
        };
        // Windows belong to a credential.
        let has_windows = record.floor > 0
            || older.0 > NO_CREDENTIAL
            || record.recent.iter().any(Option::is_some);
        if has_windows && record.serial.is_none() {
            return Err(RecordError);
        }
        Ok(record)
    }

    /// The sessions at the end of a sender's record.
    pub(super) fn decode_recent(
        input: &mut Reader<'_>,
        own: usize,
    ) -> Result<RecentSessions<W>, RecordError> {
        let mut all = [const { None }; RECENT_SESSIONS];
        let mut above = MAX_SESSION_NUMBER;
        for (index, place) in all.iter_mut().enumerate() {
            let is_older = index >= own;
            if index == own {
                above = MAX_SESSION_NUMBER;
            }
            let bytes = input.take(Self::RECENT_LEN)?;
            let mut recent = Reader::new(bytes);
            let number = number(&mut recent)?;
            if number == 0 {
                if index < own && own < RECENT_SESSIONS {
                    return Err(RecordError);
                }
                above = 0;
                if bytes.iter().any(|b| *b != 0) {
                    return Err(RecordError);
                }
                continue;
            }
            // Descending (two devices with one identity may share a number), and nothing behind an
            // empty place.
            if number > above {
                return Err(RecordError);
            }
            above = number;
            let enc = recent.array()?;
            let top = counter(&mut recent)?;
            let mut bits = [0; W];
            for word in &mut bits {
                *word = u64::from_be_bytes(recent.array()?);
            }
            let window = Window::from_parts(top, bits).ok_or(RecordError)?;
            *place = Some(Held::new(Recent {
                number,
                enc,
                window,
                is_older,
            }));
        }
        Ok(all)
    }
}

impl SenderKey {
    pub(crate) fn record_key(&self) -> [u8; RECORD_KEY_LEN] {
        record_key(SENDER, Some((&self.group, self.member)), &[])
    }
}

impl TopicKey {
    pub(crate) fn record_key(&self) -> [u8; RECORD_KEY_LEN] {
        record_key(TOPIC, Some((&self.group, self.member)), &self.topic)
    }
}

fn record_key(
    kind: u8,
    sender: Option<(&GroupId, MemberNumber)>,
    topic: &[u8],
) -> [u8; RECORD_KEY_LEN] {
    let mut key = [0; RECORD_KEY_LEN];
    let mut out = Writer::new(&mut key);
    // Always fits: 1 + 16 + 4 + 16.
    let _ = out.put(&[kind]).and_then(|()| {
        if let Some((group, member)) = sender {
            put_sender(&mut out, group, member)?;
        }
        out.put(topic)
    });
    key
}

fn put_sender(
    out: &mut Writer<'_>,
    group: &GroupId,
    member: MemberNumber,
) -> Result<(), Truncated> {
    out.put(&group.0)?;
    out.put(&member.0.to_be_bytes())
}

fn put_serial(out: &mut Writer<'_>, serial: CredentialOrder) -> Result<(), Truncated> {
    out.put(&serial.delegation.to_be_bytes())?;
    out.put(&serial.credential.to_be_bytes())
}

/// Zeros for none.
fn put_place(out: &mut Writer<'_>, place: Option<Place>) -> Result<(), Truncated> {
    let credential = place.map_or(0, |place| place.credential.credential);
    out.put(&credential.to_be_bytes())?;
    // As it is, and not as it compares with others.
    let fields = place.map(|place| PlaceFloor {
        connection: place.connection,
        ..place.floor()
    });
    put_floor(out, fields)
}

/// Zeros for none.
fn put_floor(out: &mut Writer<'_>, floor: Option<PlaceFloor>) -> Result<(), Truncated> {
    let Some(floor) = floor else {
        return (0..FLOOR_LEN).try_for_each(|_| out.put(&[0]));
    };
    out.put(&[1])?;
    out.put(&floor.delegation.to_be_bytes())?;
    out.put(&floor.connection.to_be_bytes())?;
    out.put(&[u8::from(floor.will)])?;
    out.put(&floor.number.to_be_bytes())?;
    out.put(&floor.counter.to_be_bytes())
}

fn put_floors(out: &mut Writer<'_>, floors: &Floors) -> Result<(), Truncated> {
    out.put(&floors.delegation.to_be_bytes())?;
    out.put(&floors.session.to_be_bytes())?;
    out.put(&floors.will.to_be_bytes())?;
    put_floor(out, floors.state)
}

pub(super) fn serial(input: &mut Reader<'_>) -> Result<CredentialOrder, RecordError> {
    Ok(CredentialOrder {
        delegation: u32::from_be_bytes(input.array()?),
        credential: u32::from_be_bytes(input.array()?),
    })
}

pub(super) fn number(input: &mut Reader<'_>) -> Result<u64, RecordError> {
    let number = u64::from_be_bytes(input.array()?);
    if number > MAX_SESSION_NUMBER {
        Err(RecordError)
    } else {
        Ok(number)
    }
}

pub(super) fn counter(input: &mut Reader<'_>) -> Result<u32, RecordError> {
    let counter = u32::from_be_bytes(input.array()?);
    if counter > MAX_COUNTER {
        Err(RecordError)
    } else {
        Ok(counter)
    }
}

/// Zeros for none.
fn optional<T: Default + PartialEq>(
    input: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, RecordError>,
) -> Result<Option<T>, RecordError> {
    let is_some = flag(input)?;
    let value = read(input)?;
    if !is_some && value != T::default() {
        return Err(RecordError);
    }
    Ok(is_some.then_some(value))
}

fn floors(input: &mut Reader<'_>) -> Result<Floors, RecordError> {
    Ok(Floors {
        delegation: u32::from_be_bytes(input.array()?),
        session: number(input)?,
        will: number(input)?,
        state: floor(input)?,
    })
}

fn place(input: &mut Reader<'_>) -> Result<Option<Place>, RecordError> {
    let credential = u32::from_be_bytes(input.array()?);
    let floor = floor(input)?;
    if floor.is_none() && credential != 0 {
        return Err(RecordError);
    }
    Ok(floor.map(|floor| Place {
        credential: CredentialOrder {
            delegation: floor.delegation,
            credential,
        },
        connection: floor.connection,
        will: floor.will,
        number: floor.number,
        counter: floor.counter,
    }))
}

fn floor(input: &mut Reader<'_>) -> Result<Option<PlaceFloor>, RecordError> {
    optional(input, |input| {
        Ok(PlaceFloor {
            delegation: u32::from_be_bytes(input.array()?),
            connection: number(input)?,
            will: flag(input)?,
            number: number(input)?,
            counter: counter(input)?,
        })
    })
}

fn flag(input: &mut Reader<'_>) -> Result<bool, RecordError> {
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(RecordError),
    }
}

#[cfg(test)]
mod tests;
