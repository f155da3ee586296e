//! Records of versions in which events and state were judged alike.

use super::floors::Floors;
use super::record::{Record, RecordError, counter, number, serial};
use super::sender::{RECENT_SESSIONS, SenderRecord};
use crate::ids::{GroupId, MemberNumber};
use crate::wire::Reader;

// 1 to 3 were records without the delegation's serial, 6 those of topics without what was shown.
const FLOORS: u8 = 4;
const SENDER: u8 = 5;
const TOPIC: u8 = 7;

impl<const W: usize> Record<W> {
    /// Decodes a record of the kinds before. What it refused of events and wills is refused as
    /// ever. `None` for what it says of retained values: no envelope of then is read any more.
    ///
    /// # Errors
    /// The bytes are no such record.
    pub fn decode_earlier(bytes: &[u8]) -> Result<Option<Self>, RecordError> {
        let mut input = Reader::new(bytes);
        let record = match input.u8()? {
            FLOORS => {
                let floors = Floors {
                    delegation: u32::from_be_bytes(input.array()?),
                    session: number(&mut input)?,
                    will: number(&mut input)?,
                    state: None,
                };
                retained(&mut input)?;
                Some(Self::Floors(floors))
            }
            SENDER => Some(Self::Sender(Self::earlier_sender(&mut input)?)),
            TOPIC => {
                // Group, sender, topic, credential; the highest value; what was shown.
                input.take(16 + 4 + 16 + 8)?;
                retained(&mut input)?;
                input.take(32)?;
                None
            }
            _ => return Err(RecordError),
        };
        if input.rest().is_empty() {
            Ok(record)
        } else {
            Err(RecordError)
        }
    }

    fn earlier_sender(input: &mut Reader<'_>) -> Result<SenderRecord<W>, RecordError> {
        let group = GroupId(input.array()?);
        let member = MemberNumber(u32::from_be_bytes(input.array()?));
        let credential = serial(input)?;
        let floor = number(input)?;
        let will = number(input)?;
        retained(input)?;
        Ok(SenderRecord {
            serial: Some(credential),
            floor,
            will: (will > 0).then_some((credential, will)),
            recent: Self::decode_recent(input, RECENT_SESSIONS)?,
            ..SenderRecord::new(group, member)
        })
    }
}

/// Session number and counter of the highest retained value.
fn retained(input: &mut Reader<'_>) -> Result<(), RecordError> {
    number(input)?;
    counter(input)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sender::Recent;
    use super::super::window::Window;
    use super::*;
    use crate::credential::CredentialOrder;
    use crate::held::Held;

    /// The bytes that the version before pinned in its own test.
    fn sender() -> Vec<u8> {
        let mut bytes = vec![SENDER];
        bytes.extend([3; 16]);
        bytes.extend(4_u32.to_be_bytes());
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 2]);
        bytes.extend(5_u64.to_be_bytes());
        bytes.extend(6_u64.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8]);
        bytes.extend(9_u64.to_be_bytes());
        bytes.extend([10; 32]);
        bytes.extend(11_u32.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0; 3 * (8 + 32 + 4 + 16)]);
        bytes
    }

    #[test]
    fn floors_sessions_and_wills_stay() {
        let credential = CredentialOrder {
            delegation: 1,
            credential: 2,
        };
        let mut expected = SenderRecord::<2>::new(GroupId([3; 16]), MemberNumber(4));
        (expected.serial, expected.floor) = (Some(credential), 5);
        expected.will = Some((credential, 6));
        expected.recent[0] = Some(Held::new(Recent {
            number: 9,
            enc: [10; 32],
            window: Window::from_parts(11, [1, 0]).unwrap(),
            is_older: false,
        }));
        let found = Record::decode_earlier(&sender());
        assert_eq!(found, Ok(Some(Record::Sender(expected))));

        let mut floors = vec![FLOORS, 0, 0, 0, 1];
        floors.extend(5_u64.to_be_bytes());
        floors.extend(6_u64.to_be_bytes());
        floors.extend([0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8]);
        let expected = Floors {
            delegation: 1,
            session: 5,
            will: 6,
            state: None,
        };
        let found = Record::<2>::decode_earlier(&floors);
        assert_eq!(found, Ok(Some(Record::Floors(expected))));

        let mut topic = vec![TOPIC];
        topic.extend([1; 16 + 4 + 16 + 8]);
        topic.extend([0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 7]);
        topic.extend([8; 32]);
        assert_eq!(Record::<2>::decode_earlier(&topic), Ok(None));
        for whole in [sender(), floors, topic] {
            let cut = &whole[..whole.len() - 1];
            assert_eq!(Record::<2>::decode_earlier(cut), Err(RecordError));
            let longer = [&whole[..], &[0]].concat();
            assert_eq!(Record::<2>::decode_earlier(&longer), Err(RecordError));
        }
    }

    #[test]
    fn a_sender_that_never_sent_a_will_may_send_its_first() {
        let mut bytes = sender();
        bytes[37..45].fill(0);
        let Ok(Some(Record::Sender(record))) = Record::<2>::decode_earlier(&bytes) else {
            panic!("it decodes");
        };
        assert_eq!(record.will, None);
    }
}
