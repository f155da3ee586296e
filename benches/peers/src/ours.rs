use std::time::Duration;

use sealmq_core::seal::SenderSession;

use crate::domain::Domain;
use crate::group::{Group, HEADROOM, Reader, SenderNumbers};
use crate::{MEMBERS, Peer, timed};

/// Core, which is what all programs seal and open with.
pub(crate) struct Ours {
    group: Group,
    session: SenderSession,
    reader: Reader,
}

impl Ours {
    pub(crate) fn new() -> Self {
        let group = Group::new(SenderNumbers::TYPICAL);
        let mut reader = Reader::new(&group);
        reader.keep_tables();
        Self {
            session: group.start(0),
            reader,
            group,
        }
    }
}

impl Peer for Ours {
    fn name(&self) -> String {
        match cfg!(feature = "aws-lc") {
            true => "sealmq (AWS-LC)".into(),
            false => "sealmq (RustCrypto)".into(),
        }
    }

    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut buf = vec![0; HEADROOM + payload.len() + 80];
        buf[HEADROOM..][..payload.len()].copy_from_slice(payload);
        let publisher = self.group.publisher();
        let place = self
            .group
            .seal(&mut self.session, &publisher, &mut buf, payload.len());
        buf.truncate(place.end);
        buf.drain(..place.start);
        buf
    }

    fn open(&mut self, sealed: &[u8]) -> usize {
        let mut buf = sealed.to_vec();
        let opened = self.reader.open(&mut buf).unwrap();
        opened.payload().len()
    }

    fn rekey(&mut self) -> Option<(Duration, usize)> {
        let mut domain = Domain::new(MEMBERS);
        timed(|| domain.rotate())
    }
}
