use core::fmt;

use super::floors::Floors;
use super::sender::{RECENT_SESSIONS, Recent, SenderKey, SenderRecord};
use super::topic::{TopicKey, TopicRecord};
use super::window::Window;
use crate::credential::CredentialOrder;
use crate::crypto::ENC_LEN;
use crate::ids::{GroupId, MemberNumber};
use crate::wire::{MAX_COUNTER, MAX_SESSION_NUMBER, Reader, Truncated, Writer};

/// Length of a record's key in bytes.
pub const RECORD_KEY_LEN: usize = 37;

// 1 to 3 were records without the delegation's serial, 6 those of topics without what was shown.
const FLOORS: u8 = 4;
const SENDER: u8 = 5;
const TOPIC: u8 = 7;

/// A durable piece of replay state. Put it into the store under [`Record::key`]; a newer one of
/// the same key takes the place of the older. The bytes are this implementation's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    const SENDER_LEN: usize = 1 + 20 + 8 + 8 + 8 + 12 + RECENT_SESSIONS * Self::RECENT_LEN;
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
                out.put(&floors.delegation.to_be_bytes())?;
                out.put(&floors.session.to_be_bytes())?;
                out.put(&floors.will.to_be_bytes())?;
                put_order(&mut out, floors.retained)?;
            }
            Self::Sender(record) => {
                out.put(&[SENDER])?;
                put_sender(&mut out, &record.group, record.member)?;
                put_serial(&mut out, record.serial)?;
                out.put(&record.floor.to_be_bytes())?;
                out.put(&record.will_floor.to_be_bytes())?;
                put_order(&mut out, record.retained_floor)?;
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
                put_serial(&mut out, record.serial)?;
                put_order(&mut out, record.retained)?;
                // No session has an enc of zeros.
                out.put(&record.shown.unwrap_or_default())?;
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
            FLOORS => Self::Floors(Floors {
                delegation: u32::from_be_bytes(input.array()?),
                session: number(&mut input)?,
                will: number(&mut input)?,
                retained: order(&mut input)?,
            }),
            SENDER => Self::Sender(Self::decode_sender(&mut input)?),
            TOPIC => Self::Topic(TopicRecord {
                group: GroupId(input.array()?),
                member: MemberNumber(u32::from_be_bytes(input.array()?)),
                topic: input.array()?,
                serial: serial(&mut input)?,
                retained: order(&mut input)?,
                shown: Some(input.array()?).filter(|enc| *enc != [0; ENC_LEN]),
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

    fn decode_sender(input: &mut Reader<'_>) -> Result<SenderRecord<W>, RecordError> {
        let mut record = SenderRecord {
            group: GroupId(input.array()?),
            member: MemberNumber(u32::from_be_bytes(input.array()?)),
            serial: serial(input)?,
            floor: number(input)?,
            will_floor: number(input)?,
            retained_floor: order(input)?,
            recent: [const { None }; RECENT_SESSIONS],
        };
        let mut above = MAX_SESSION_NUMBER.saturating_add(1);
        for place in &mut record.recent {
            let bytes = input.take(Self::RECENT_LEN)?;
            let mut recent = Reader::new(bytes);
            let number = number(&mut recent)?;
            if number == 0 {
                above = 0;
                if bytes.iter().any(|b| *b != 0) {
                    return Err(RecordError);
                }
                continue;
            }
            // Descending, each number once, and nothing behind an empty place.
            if number >= above {
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
            *place = Some(Recent {
                number,
                enc,
                window,
            });
        }
        Ok(record)
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

fn put_order(out: &mut Writer<'_>, (number, counter): (u64, u32)) -> Result<(), Truncated> {
    out.put(&number.to_be_bytes())?;
    out.put(&counter.to_be_bytes())
}

fn serial(input: &mut Reader<'_>) -> Result<CredentialOrder, RecordError> {
    Ok(CredentialOrder {
        delegation: u32::from_be_bytes(input.array()?),
        credential: u32::from_be_bytes(input.array()?),
    })
}

fn number(input: &mut Reader<'_>) -> Result<u64, RecordError> {
    let number = u64::from_be_bytes(input.array()?);
    if number > MAX_SESSION_NUMBER {
        Err(RecordError)
    } else {
        Ok(number)
    }
}

fn counter(input: &mut Reader<'_>) -> Result<u32, RecordError> {
    let counter = u32::from_be_bytes(input.array()?);
    if counter > MAX_COUNTER {
        Err(RecordError)
    } else {
        Ok(counter)
    }
}

fn order(input: &mut Reader<'_>) -> Result<(u64, u32), RecordError> {
    Ok((number(input)?, counter(input)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes these bytes gives the record a new kind, or the member's store a new version.
    #[test]
    fn records_are_encoded_as_ever() {
        let order = CredentialOrder {
            delegation: 1,
            credential: 2,
        };
        let (group, member) = (GroupId([3; 16]), MemberNumber(4));
        let mut sender = SenderRecord::<2>::new(group, member, order);
        (sender.floor, sender.will_floor, sender.retained_floor) = (5, 6, (7, 8));
        sender.recent[0] = Some(Recent {
            number: 9,
            enc: [10; ENC_LEN],
            window: Window::from_parts(11, [1, 0]).unwrap(),
        });
        let topic = TopicRecord {
            group,
            member,
            topic: [5; 16],
            serial: order,
            retained: (6, 7),
            shown: Some([8; ENC_LEN]),
            sequence: None,
        };
        let floors = Floors {
            delegation: 1,
            session: 2,
            will: 3,
            retained: (4, 5),
        };
        let of_sender = ["03".repeat(16), "00000004".into()].concat();
        let (serial, u64_of) = ("0000000100000002", |n: u8| format!("{n:016x}"));
        let first = [
            u64_of(9),
            "0a".repeat(32),
            "0000000b".into(),
            u64_of(1),
            u64_of(0),
        ]
        .concat();
        let empty = "00".repeat((RECENT_SESSIONS - 1) * (8 + 32 + 4 + 16));
        let kept = [
            (
                Record::Floors(floors),
                ["0400000001", &u64_of(2), &u64_of(3), &u64_of(4), "00000005"].concat(),
            ),
            (
                Record::Sender(sender),
                [
                    "05",
                    &of_sender,
                    serial,
                    &u64_of(5),
                    &u64_of(6),
                    &u64_of(7),
                    "00000008",
                    &first,
                    &empty,
                ]
                .concat(),
            ),
            (
                Record::Topic(topic),
                [
                    "07",
                    &of_sender,
                    &"05".repeat(16),
                    serial,
                    &u64_of(6),
                    "00000007",
                    &"08".repeat(32),
                ]
                .concat(),
            ),
        ];
        for (record, expected) in kept {
            let mut out = [0; Record::<2>::MAX_LEN];
            let len = record.encode(&mut out).unwrap();
            assert_eq!(hex::encode(&out[..len]), expected);
        }
    }
}
