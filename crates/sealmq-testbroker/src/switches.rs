//! Each limit as a switch, and all pairs of them.

use std::time::Duration;

use crate::limits::{Beyond, Closes, Limits, OldBroker};

/// One limit.
#[derive(Debug, Clone, Copy)]
pub struct Switch {
    /// For tables.
    pub name: &'static str,
    /// What it is about: two of a kind make no pair.
    kind: u8,
    /// Whether small messages get through all the same. If not, that has to be said, once.
    pub works: bool,
    /// Turns it on.
    pub set: fn(&mut Limits),
}

/// Topics on which a switch has PUBACK refuse begin like this.
const REFUSED: &str = "plant/refused";

const fn switch(name: &'static str, kind: u8, works: bool, set: fn(&mut Limits)) -> Switch {
    Switch {
        name,
        kind,
        works,
        set,
    }
}

/// All of them.
pub const SWITCHES: [Switch; 26] = [
    switch("no retained", 0, false, |l| l.retain = false),
    switch("QoS 0", 1, true, |l| l.maximum_qos = 0),
    switch("QoS 1", 1, true, |l| l.maximum_qos = 1),
    switch("8 filters", 2, true, |l| l.filters_per_subscribe = Some(8)),
    switch("50 subscriptions, refuses", 3, true, |l| {
        l.subscriptions = Some((50, Beyond::Refuse));
    }),
    switch("50 subscriptions, closes", 3, true, |l| {
        l.subscriptions = Some((50, Beyond::Close));
    }),
    switch("7 slashes, refuses", 4, true, |l| {
        l.slashes = Some((7, Beyond::Refuse));
    }),
    switch("7 slashes, closes", 4, true, |l| {
        l.slashes = Some((7, Beyond::Close));
    }),
    switch("256 bytes of topic, closes", 5, true, |l| {
        l.topic_len = Some((256, Beyond::Close));
    }),
    switch("packets of 2000", 6, true, |l| {
        (l.packet_announced, l.packet_real) = (Some(2_000), Some(2_000));
    }),
    switch("packets of 2000, not said", 6, true, |l| {
        l.packet_real = Some(2_000);
    }),
    switch("packets of 2000, said 149504", 6, true, |l| {
        (l.packet_announced, l.packet_real) = (Some(149_504), Some(2_000));
    }),
    switch("receive maximum 1", 7, true, |l| {
        l.receive_maximum = Some(1)
    }),
    switch("assigned id", 8, true, |l| l.assigned_id = true),
    switch("keep-alive 5 s", 9, true, |l| l.server_keep_alive = Some(5)),
    switch("no wildcards", 10, false, |l| l.wildcards = false),
    switch("no shared", 11, true, |l| l.shared = false),
    switch("PUBACK 0x95", 12, true, |l| {
        l.puback = Some((REFUSED.to_owned(), 0x95));
    }),
    switch("closes at once", 13, false, |l| {
        l.closes = Some(Closes::Tcp);
    }),
    switch("closes after CONNECT", 13, false, |l| {
        l.closes = Some(Closes::Connect);
    }),
    switch("closes after CONNACK", 13, false, |l| {
        l.closes = Some(Closes::Connack);
    }),
    switch("late by 1 s", 14, true, |l| l.late = Duration::from_secs(1)),
    switch("one delivery at a time", 16, true, |l| {
        l.deliveries = Some(1);
    }),
    switch("3.1.1, closes", 15, false, |l| {
        l.old = Some(OldBroker::Close);
    }),
    switch("3.1.1, refuses", 15, false, |l| {
        l.old = Some(OldBroker::Refuse);
    }),
    switch("3.1.1, silent", 15, false, |l| {
        l.old = Some(OldBroker::Silent);
    }),
];

/// All pairs of different kinds.
pub fn pairs() -> impl Iterator<Item = (Switch, Switch)> {
    SWITCHES.into_iter().enumerate().flat_map(|(at, one)| {
        let others = SWITCHES.into_iter().skip(at);
        let others = others.filter(move |other| other.kind != one.kind);
        others.map(move |other| (one, other))
    })
}
