//! Connections begin, break and end; time passes.

use core::time::Duration;

use rand_core::TryCryptoRng;

use super::{Client, Connection, Life};
use crate::backoff::Backoff;
use crate::event::Event;
use crate::isolation::Ending;
use crate::limits::{BrokerLimit, Limits, NoConnack};
use crate::outbox::Session;
use crate::output::Output;
use crate::published::GivenUp;
use crate::settle::Settling;
use crate::subscription::Subscription;
use crate::subscriptions::Verdict;
use crate::time::Time;
use crate::trials::LeftOut;
use crate::wire::Qos;

/// The longest until something that came is looked at again.
const SOON: u64 = 500;
/// Brokers must answer a PUBREL whether or not they know its identifier.
const ORPHANS_WITHIN: u64 = 10_000;
/// A broker that does not take DISCONNECT keeps nobody.
const GOODBYE_WITHIN: u64 = 5_000;

impl Client {
    /// The broker accepted the connection that [`Output::Connect`] asked for. The driver's library
    /// has no packet identifier in use, but for what [`Output::Resume`] brings.
    pub fn handle_connected(&mut self, session_present: bool, limits: Limits, time: Time) {
        self.set_time(time);
        let session = match (session_present, self.connections) {
            (false, _) => Session::New,
            (true, 0) if limits.maximum_qos >= Qos::ExactlyOnce => Session::Inherited,
            (true, _) => Session::Resumed,
        };
        self.resume_until = Some(time.after(ORPHANS_WITHIN));
        self.contest.accepted(time.uptime);
        self.aliases.connected(limits.topic_alias_maximum);
        self.connections = self.connections.saturating_add(1);
        self.connection = Some(Connection {
            number: self.connections,
            limits,
            stalls: false,
        });
        let given_up = self.outbox.connected(session, limits.receive_maximum);
        if !session_present {
            self.isolation.new_session();
        }
        self.event(Event::Connected { session_present });
        self.give_up_suspects(given_up, time);
        self.unanswered = 0;
        for limit in limits.in_the_way() {
            self.tell_limit(limit);
        }
        self.restore_subscriptions(session_present, time);
        let actions = self.member.connected();
        self.carry_out(actions);
        self.values.connected(self.will.is_some());
        self.seal_again();
    }

    /// Key management first, so that keys arrive before messages.
    fn restore_subscriptions(&mut self, session_present: bool, time: Time) {
        for filter in self.member.ended_subscriptions() {
            self.subscriptions.end(&filter);
        }
        let reserved = self.member.reserved_subscriptions().into_iter();
        let reserved = reserved.map(|filter| Subscription::new(filter, Qos::AtLeastOnce));
        let packets = self.send_subscribe(reserved.collect());
        self.settling = Some(Settling::begin(packets, time));
        let (missing, ended) = self.subscriptions.connected(session_present);
        self.send_subscribe(missing);
        for filter in ended {
            self.send_unsubscribe(filter);
        }
        self.try_next_filter();
    }

    /// The connection broke, or could not be made. When to [`connect`](Self::connect) again; `None`
    /// if that was planned: at once, and it is no news for the application.
    ///
    /// How it ended says whether a message that was on its way may be the reason: one that ends
    /// connection after connection is given up ([`Event::PublishRefused`]), so that the others get
    /// through.
    pub fn handle_disconnected(
        &mut self,
        ending: Ending,
        time: Time,
        rng: &mut impl TryCryptoRng,
    ) -> Option<Duration> {
        self.set_time(time);
        let answer = ending.subscribe_answer();
        let planned = self.closing.is_some() || self.renewing.is_some();
        let contested = self.look_for_rival(&ending, planned);
        if self.connection.is_some() && matches!(ending, Ending::Silent(_)) {
            self.outbox.doubt(self.uptime);
        }
        self.look_for_reason(ending);
        self.outbox.look_at_releases();
        self.nothing_follows(!planned, answer);
        if self.closing.is_some() {
            self.end();
            return None;
        }
        if self.renewing.take().is_some() {
            return None;
        }
        let pause = self.backoff.take(time.uptime, rng);
        let least = contested.map(|least| Backoff::scatter(least, rng));
        Some(least.map_or(pause, |least| least.max(pause)))
    }

    /// Whether the last connection ended as the application was told that they do: that is no news
    /// any more.
    #[must_use]
    pub const fn is_old_news(&self) -> bool {
        self.contest.is_told()
    }

    /// Another client with this id may be the reason; then the least pause.
    fn look_for_rival(&mut self, ending: &Ending, planned: bool) -> Option<Duration> {
        let explained = planned
            || self.isolation.unanswered > 0
            || self.isolation.awaits_releases()
            || self.outbox.is_on_way();
        let pause = self.contest.ended(ending, !explained, self.uptime)?;
        let said = *ending == Ending::TakenOver;
        let told = |limit: &BrokerLimit| matches!(limit, BrokerLimit::TakenOver { .. });
        if !self.limits_told.iter().any(told) {
            self.tell_limit(BrokerLimit::TakenOver { said });
        }
        Some(Duration::from_millis(pause))
    }

    /// DISCONNECT was written: nothing may follow it. The broker closes the connection.
    pub fn handle_disconnect_written(&mut self) {
        if self.closing.is_some() {
            self.end();
        } else if self.renewing.is_some() {
            self.nothing_follows(false, None);
        }
    }

    /// The broker did not answer CONNECT as one of MQTT 5 does: say it before
    /// [`handle_disconnected`](Self::handle_disconnected). Of a connection that was accepted it
    /// means nothing.
    pub fn handle_no_connack(&mut self, how: NoConnack) {
        if self.connection.is_some() {
            return;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        let is_clear = how == NoConnack::Version || self.unanswered > 1;
        let told = |limit: &BrokerLimit| matches!(limit, BrokerLimit::NoMqtt5(_));
        // One that accepted a connection before has other troubles.
        if self.connections == 0 && is_clear && !self.limits_told.iter().any(told) {
            self.tell_limit(BrokerLimit::NoMqtt5(how));
        }
    }

    /// Nothing that came over this connection can be acknowledged, and nothing be sent any more.
    fn nothing_follows(&mut self, broke: bool, answer: Option<u8>) {
        self.connection = None;
        self.settling = None;
        self.waiting
            .values_mut()
            .for_each(|delivery| *delivery = None);
        self.held_at = None;
        self.outbox.disconnected();
        match self.subscriptions.disconnected(broke, answer) {
            None => {}
            Some(Verdict::LeftOut(LeftOut { filters, granted })) => {
                self.tell_limit(BrokerLimit::Subscriptions { filters, granted });
            }
            Some(Verdict::Refused(filter, code)) => self.refuse_subscription(filter, code),
            Some(Verdict::Ended(filter)) if self.member.is_reserved(&filter) => {}
            Some(Verdict::Ended(filter)) => self.event(Event::Unsubscribed { filter }),
            Some(Verdict::EndsConnections(filter)) => {
                self.tell_limit(BrokerLimit::Unsubscribe(filter));
            }
        }
        self.queue.retain(|output| {
            let of_connection = matches!(
                output,
                Output::Acknowledge(_)
                    | Output::Subscribe(_)
                    | Output::Unsubscribe(_)
                    | Output::Resume(_)
                    | Output::Disconnect
                    | Output::HangUp
            );
            !of_connection
        });
    }

    /// The application has enough: replay windows become durable, the broker gets DISCONNECT.
    /// What is not acknowledged yet is dropped: [`flush`](Self::flush) first.
    pub fn disconnect(&mut self, time: Time) {
        self.closing = Some(time.after(GOODBYE_WITHIN));
        self.inbox.clear(); // not acknowledged: a session that survives delivers it again
        if self.connection.is_some() {
            self.push(Output::Disconnect);
        } else {
            self.end();
        }
    }

    /// The application is gone: as [`disconnect`](Self::disconnect), without a goodbye.
    pub fn leave(&mut self) {
        self.end();
    }

    fn end(&mut self) {
        if !matches!(self.life, Life::Running | Life::Committing) {
            return;
        }
        self.parked.clear();
        if self.closing.is_some() {
            self.outbox.forget_recent(u64::MAX); // the broker lives
        }
        self.store_all();
        self.store_snapshot();
        // What the application has not taken comes again.
        if self.inbox.is_taken() {
            let changes = self.member.flush();
            self.commit(changes);
        }
        if self.closing.is_some() {
            self.event(Event::Disconnected);
        }
        self.push(Output::Closed);
        self.life = match self.life {
            Life::Committing => Life::EndingCommits,
            _ => Life::Ending,
        };
    }

    /// Time has passed: call it at [`Client::poll_timeout`], or about twice a second.
    pub fn handle_timeout(&mut self, time: Time, rng: &mut impl TryCryptoRng) {
        if !matches!(self.life, Life::Running | Life::Committing) {
            return;
        }
        self.set_time(time);
        let over = |until: Option<u64>| until.is_some_and(|until| until <= time.uptime);
        let ticked = over(Some(self.next_tick));
        if ticked {
            self.store_all();
            let actions = self.member.tick(time.clock);
            self.carry_out(actions);
            let actions = self.member.maintain(time.clock, rng);
            self.carry_out(actions);
            self.ticked_at = time.uptime;
            self.next_tick = time.after(self.member.next_due());
        }
        if let Some(now) = self.clock {
            for expired in self.outbox.expire(now) {
                self.give_up(Some(expired), GivenUp::Expired);
            }
        }
        if over(self.will_until) {
            // If that cannot be done now, what makes it possible asks again.
            (self.will_until, self.will_is_old) = (None, true);
            self.renew_will(time);
        }
        if over(self.resume_until) {
            self.resume_until = None;
            self.outbox.abandon_orphans();
        }
        if ticked || self.parked.iter().any(|parked| over(Some(parked.until))) {
            self.retry_parked(time);
        }
        self.release_held(time);
        self.look_for_answers(time);
        self.release_impatient(time);
        if over(self.renewing) {
            self.renewing = Some(u64::MAX);
            self.push(Output::HangUp);
        }
        if over(self.closing) {
            self.end();
        }
    }

    /// The member was given something: that may be due earlier than was thought.
    pub(super) fn stirred(&mut self) {
        let soon = self.ticked_at.saturating_add(SOON);
        self.next_tick = self.next_tick.min(soon);
    }

    /// When the first message in the outbox expires.
    fn expiring_until(&self) -> Option<u64> {
        let (at, now) = self.outbox.expiring.first().zip(self.clock)?;
        Some(self.uptime.saturating_add(at.saturating_sub(now)))
    }

    /// The uptime of the next [`Client::handle_timeout`], if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.life == Life::Over {
            return None;
        }
        let settled = self.settling.as_ref().map(Settling::next_look);
        let patience = self.parked.iter().map(|parked| parked.until).min();
        [
            Some(self.next_tick),
            settled,
            patience,
            self.resume_until,
            self.will_until.filter(|_| self.may_send()),
            self.quiet_until(),
            self.held_until(),
            self.outbox.recent.until(),
            self.expiring_until(),
            self.pace.until(self.uptime),
            self.unanswered_until(),
            self.short.until(),
            self.renewing,
            self.closing,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
