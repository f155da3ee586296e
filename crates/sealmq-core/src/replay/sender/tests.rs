use super::*;
use crate::crypto::Digest;
use crate::replay::message::Class;
use crate::replay::topic::TopicKey;

fn record() -> SenderRecord<2> {
    let mut record = SenderRecord::new(GroupId([1; 16]), MemberNumber(7));
    record.advance(CredentialOrder::default());
    record
}

fn event(serial: CredentialOrder, enc: u8, number: u64, counter: u32) -> Message<'static> {
    const ENCS: [[u8; ENC_LEN]; 64] = {
        let mut all = [[0; ENC_LEN]; 64];
        let mut i = 0;
        while i < 64 {
            all[i] = [i as u8; ENC_LEN];
            i += 1;
        }
        all
    };
    Message {
        topic: TopicKey::new(GroupId([1; 16]), MemberNumber(7), &Digest([0; 32])),
        serial,
        known: serial,
        enc: &ENCS[usize::from(enc)],
        number,
        counter,
        class: Class::Event,
        connection: 0,
        sequence: None,
    }
}

impl SenderRecord<2> {
    fn unseen(&self, enc: u8, number: u64, counter: u32) -> bool {
        self.is_unseen(
            false,
            &event(CredentialOrder::default(), enc, number, counter),
        )
    }

    fn see(&mut self, enc: u8, number: u64, counter: u32) {
        self.mark(CredentialOrder::default(), &[enc; ENC_LEN], number, counter);
    }
}

#[test]
fn numbers_and_encs_belong_together() {
    let mut record = record();
    assert!(!record.unseen(1, 0, 0), "session numbers start at 1");
    assert!(record.unseen(1, 10, 0));
    record.see(1, 10, 0);
    assert!(!record.unseen(1, 10, 0));
    assert!(record.unseen(1, 10, 1));
    assert!(!record.unseen(1, 11, 1), "another number for the same enc");
    assert!(record.unseen(2, 10, 1), "another device with this number");
    assert!(
        record.unseen(2, 9, 1),
        "an older session that is not below the floor"
    );
}

#[test]
fn the_lowest_session_is_pushed_out() {
    let mut record = record();
    for number in [30, 10, 40, 20] {
        record.see(number as u8, number, 0);
    }
    assert_eq!(record.floor, 0);
    record.see(50, 50, 0);
    assert_eq!(record.floor, 10);
    assert!(!record.unseen(10, 10, 1));
    assert!(record.unseen(20, 20, 1));
    // A late session below all others stays, and the floor rises above it.
    assert!(record.unseen(15, 15, 0));
    record.see(15, 15, 0);
    assert_eq!(record.floor, 20);
    assert!(!record.unseen(15, 15, 0));
    assert!(record.unseen(15, 15, 1));
    assert!(!record.unseen(20, 20, 1));
    assert_eq!(record.highest(), 50);
    let numbers: Vec<_> = record.recent.iter().flatten().map(|r| r.number).collect();
    assert_eq!(numbers, [50, 40, 30, 15]);
}

/// Every message of two devices with one identity, whatever numbers they share, once: an
/// oracle that forgets nothing says what was seen before.
#[test]
fn devices_that_share_numbers_are_both_read_and_nothing_twice() {
    let mut record = record();
    for enc in [1, 2] {
        for counter in 0..3 {
            assert!(record.unseen(enc, 10, counter));
            record.see(enc, 10, counter);
            assert!(!record.unseen(enc, 10, counter));
        }
    }
    assert!(!record.unseen(1, 10, 2) && record.unseen(1, 10, 3));
    let mut seen = std::collections::BTreeSet::new();
    let mut record = self::record();
    let mut state = 1_u32;
    let mut draw = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    let mut accepted = 0;
    for step in 0..40_000 {
        // Two of each number, near the newest.
        let enc = (step / 700 + draw(8)) as u8 % 64;
        let number = u64::from(enc / 2) + 1;
        let counter = draw(20);
        if record.unseen(enc, number, counter) {
            record.see(enc, number, counter);
            assert!(
                seen.insert((enc, counter)),
                "session {enc}, {counter} twice"
            );
            accepted += 1;
        }
    }
    assert!(accepted > 300, "{accepted}");
}

#[test]
fn a_session_in_memory_outlives_the_floor() {
    let mut record = record();
    record.see(5, 5, 0);
    record.floor = 9;
    assert!(record.unseen(5, 5, 1));
    assert!(!record.unseen(6, 9, 0));
}

#[test]
fn what_stood_before_it_is_its_own_until_a_newer_credential() {
    let order = |delegation, credential| CredentialOrder {
        delegation,
        credential,
    };
    let mut floors = Floors::of_session(order(2, 1), 50);
    floors.raise(&Floors::of_will(order(2, 1), 60));
    let mut made_by_state = SenderRecord::<2>::new(GroupId([1; 16]), MemberNumber(7));
    made_by_state.raise(&floors);
    assert_eq!(made_by_state.floors(), floors);
    assert!(!made_by_state.is_new(&event(order(2, 3), 1, 50, 0)));
    assert!(made_by_state.is_new(&event(order(2, 3), 1, 51, 0)));
    let mut record = made_by_state.clone();
    record.advance(order(2, 3));
    assert_eq!(record.floors(), floors);
    assert_eq!((record.floor, record.will), (50, Some((order(2, 3), 60))));
    record.advance(order(2, 4));
    assert!(record.is_new(&event(order(2, 4), 1, 1, 0)));
    assert!(record.will < Some((order(2, 4), 1)));
    // Under the next delegation, wills of the one before are all refused.
    let mut record = made_by_state;
    record.advance(order(3, 1));
    assert_eq!(record.floor, 0);
    assert!(record.will > Some((order(2, 900), 900)));
    assert!(record.will < Some((order(3, 0), 1)));
}

#[test]
fn sessions_of_the_credential_before_are_remembered_beside_its_own() {
    let order = |credential| CredentialOrder {
        delegation: 2,
        credential,
    };
    let mut record = SenderRecord::<2>::new(GroupId([1; 16]), MemberNumber(7));
    let late = |credential, enc, number, counter| Message {
        known: order(9),
        ..event(order(credential), enc, number, counter)
    };
    let accept = |record: &mut SenderRecord<2>, event: &Message<'_>| {
        let new = !record.is_beyond(event) && record.is_new(event);
        if new {
            record.advance(event.serial);
            record.mark(event.serial, event.enc, event.number, event.counter);
            assert!(record.is_beyond(event) || !record.is_new(event));
        }
        new
    };
    assert!(accept(&mut record, &event(order(3), 1, 50, 5)));
    // The same session goes on under the next credential.
    assert!(accept(&mut record, &event(order(4), 1, 50, 6)));
    assert!(accept(&mut record, &event(order(4), 2, 3, 0)), "floor 0");
    assert!(accept(&mut record, &late(3, 1, 50, 4)));
    assert!(!accept(&mut record, &late(3, 1, 50, 5)), "a replay");
    assert!(accept(&mut record, &late(3, 3, 20, 0)), "a session of then");
    assert!(
        !accept(&mut record, &late(2, 4, 60, 0)),
        "the one before that"
    );
    // Where there is no place, what comes late is accepted once.
    for number in 4..8 {
        assert!(accept(
            &mut record,
            &event(order(4), number as u8, number, 0)
        ));
    }
    assert!(!accept(&mut record, &late(3, 1, 50, 3)));
    assert!(!accept(&mut record, &late(3, 3, 20, 1)));
    assert!(accept(&mut record, &late(3, 9, 51, 0)));
    assert!(!accept(&mut record, &late(3, 9, 51, 1)));
    // A credential in between begins with nothing, and ends the one below it.
    assert!(accept(&mut record, &event(order(6), 20, 8, 0)));
    assert!(accept(&mut record, &late(5, 21, 1, 0)));
    assert!(!accept(&mut record, &late(4, 22, 90, 0)));
    assert!(!accept(&mut record, &late(5, 21, 1, 0)));
    // The highest one known is below what was recorded.
    assert!(record.is_beyond(&event(order(5), 23, 99, 0)));
}
