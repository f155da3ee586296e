//! Connections that end because of one message.

use alloc::format;
use alloc::vec::Vec;

use super::Client;
use crate::isolation::Ending;
use crate::limits::BrokerLimit;
use crate::outbox::{Accepted, Content};
use crate::published::GivenUp;
use crate::time::Time;

/// A broker that dislikes a message ends the connection within this time.
const BLAMED_WITHIN: u64 = 30_000;
/// So long a connection has to live before a suspect is sent: one that ends earlier ends without it.
const QUIET: u64 = 1_000;

impl Client {
    /// The connection is gone, or there was none.
    pub(super) fn look_for_reason(&mut self, ending: Ending) {
        let (unanswered, written) = (self.isolation.unanswered, self.isolation.written.take());
        self.isolation.unanswered = 0;
        if self.connection.is_none() {
            self.outbox.acquit();
            return;
        }
        let (complaint, words) = match ending {
            Ending::Unrelated | Ending::TakenOver | Ending::SubscribeAnswer(_) => return,
            Ending::Silent(words) => (false, words),
            Ending::Complaint(words) => (true, words),
            Ending::Acknowledgement(code) => {
                if self.isolation.awaits_releases() || !self.outbox.is_on_way() {
                    return self.blame_session(code);
                }
                (true, format!("the broker answered with reason code {code}"))
            }
        };
        let planned = self.closing.is_some() || self.renewing.is_some();
        let since = |written: u64| self.uptime.saturating_sub(written);
        let late = written.is_some_and(|written| since(written) > BLAMED_WITHIN);
        if planned || late || (unanswered > 0 && !complaint) {
            return;
        }
        if self.outbox.accuse(complaint) {
            self.isolation.words = words;
        }
    }

    /// The broker's session has something that ends each connection, and comes again on the next
    /// one: without that session the others get through.
    fn blame_session(&mut self, code: u8) {
        self.outbox.acquit();
        if self.isolation.session_ends_connections() {
            self.tell_limit(BrokerLimit::Session(code));
        }
    }

    /// Whether the next connection is to begin with a new session, whatever the options of the
    /// driver's library say: the one that the broker has ends each connection. To be asked at
    /// [`Output::Connect`](crate::Output::Connect).
    #[must_use]
    pub const fn wants_fresh_session(&self) -> bool {
        self.isolation.fresh_session
    }

    /// The next connection is there: so the broker was not away.
    pub(super) fn give_up_suspects(&mut self, given_up: Vec<Accepted>, time: Time) {
        self.isolation.quiet_until = time.after(QUIET);
        for accepted in given_up {
            let size = match &accepted.content {
                Content::Wire(wire) => wire.packet_size(),
                Content::Draft(_) | Content::Value(_) => 0,
            };
            if let (None, None, Content::Wire(wire)) =
                (accepted.id, accepted.value, &accepted.content)
            {
                let (topic, size) = (wire.topic.clone(), wire.payload.len());
                self.isolation.given_up.insert(topic, size);
            }
            let last = self.isolation.words.clone();
            self.give_up(Some(accepted), GivenUp::EndsConnections { size, last });
        }
    }

    /// Nothing else that may end the connection is on its way beside a suspect.
    pub(super) fn keeps_suspects_back(&self, time: Time) -> bool {
        let subscribes = self.settling.is_some() && self.isolation.unanswered > 0;
        (self.outbox.blames() && subscribes)
            || self.quiet_until().is_some_and(|until| time.uptime < until)
    }

    /// When a suspect may be sent.
    pub(super) fn quiet_until(&self) -> Option<u64> {
        let waits = self.outbox.sends_alone() && self.isolation.quiet_until > self.uptime;
        waits.then_some(self.isolation.quiet_until)
    }
}
