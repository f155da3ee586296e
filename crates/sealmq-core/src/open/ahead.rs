//! Messages that came together: what of opening them can be done together, before each is opened.

#[cfg(feature = "tables")]
use std::vec::Vec;

#[cfg(feature = "tables")]
use super::stages::check_epoch;
use super::{Directory, Epochs, KeySlot, Receiver, Request, SessionSlot};
#[cfg(feature = "tables")]
use super::{Parsed, Rejection, receiver::find};
use crate::replay::{SenderSlot, Table, TopicSlot};
#[cfg(feature = "tables")]
use crate::wire::Head;

/// Of longer ones, what can be shared is little.
#[cfg(feature = "tables")]
const LONGEST: usize = 4096;

impl<S, T, K, N, const W: usize> Receiver<S, T, K, N, W>
where
    S: Table<SenderSlot<W>>,
    T: Table<TopicSlot>,
    K: Table<KeySlot>,
    N: Table<SessionSlot>,
{
    /// Decrypts messages that came together, and verifies their signatures together: about a tenth
    /// of the time that it takes to open one of a sender with a table is saved of each, if they are
    /// sixteen. Each of them is to be opened then as ever, with the result that it would have had.
    /// Of at most 64 messages up to 4 KiB in sessions whose keys are at hand; what else there is,
    /// is as if this had not been called, as all is without the feature `tables`.
    #[cfg_attr(
        not(feature = "tables"),
        allow(
            clippy::unused_self,
            clippy::needless_pass_by_ref_mut,
            reason = "nothing to do"
        )
    )]
    pub fn verify_ahead<'m>(
        &mut self,
        messages: impl IntoIterator<Item = (Request<'m>, &'m [u8])>,
        epochs: &impl Epochs,
        directory: &impl Directory,
    ) {
        #[cfg(feature = "tables")]
        self.collect(messages, epochs, directory);
        #[cfg(not(feature = "tables"))]
        let _ = (messages, epochs, directory);
    }

    #[cfg(feature = "tables")]
    fn collect<'m>(
        &mut self,
        messages: impl IntoIterator<Item = (Request<'m>, &'m [u8])>,
        epochs: &impl Epochs,
        directory: &impl Directory,
    ) {
        self.verifier.begin_together();
        self.ahead.clear();
        let mut copy = Vec::new();
        for (request, envelope) in messages {
            if envelope.len() > LONGEST {
                continue;
            }
            copy.clear();
            copy.extend_from_slice(envelope);
            // Refused in any case, and wiped: what comes of it is noted.
            let _ = self.look_at(&request, epochs, directory, envelope, &mut copy);
            if self.verifier.is_full() {
                break;
            }
        }
        self.verifier.end_together();
    }

    #[cfg(feature = "tables")]
    fn look_at(
        &mut self,
        request: &Request<'_>,
        epochs: &impl Epochs,
        directory: &impl Directory,
        envelope: &[u8],
        copy: &mut [u8],
    ) -> Result<(), Rejection> {
        let parsed = Parsed::parse(copy)?;
        let (header, fields) = match *parsed.head() {
            Head::Full(header) => (header, None),
            Head::Short(short) => {
                let session = self.sessions.get(short.tag).ok_or(Rejection::Rejected)?;
                let header = session.header(short.suite, short.counter);
                (header, Some(session.fields))
            }
        };
        let epoch = find(epochs, &header)?;
        check_epoch(&header, &epoch, request)?;
        let place = self.keys.find(&epoch.announcement, &header);
        let place = place.ok_or(Rejection::Rejected)?;
        let secrets = self.keys.get(place).ok_or(Rejection::Rejected)?;
        let decrypted = parsed
            .with_keys(&epoch, header, fields)
            .decrypt(&secrets, request)?;
        self.ahead.keep(request.topic, envelope, &decrypted);
        self.verify(decrypted, place, request, directory).map(drop)
    }
}
