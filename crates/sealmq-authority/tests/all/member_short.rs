//! The short form (spec/envelope.md §12): records of sessions, those who lack them, and what
//! strangers and insiders can do to them.

use crate::member_insiders;
use crate::net::{Net, YEAR, grant};
use sealmq_core::GroupId;
use sealmq_core::object::Access;
use sealmq_core::wire::{Head, Header};
use sealmq_keys::member::{MemberEvent, MemberOptions, OutgoingMessage};
use sealmq_keys::{Publication, ReservedTopic, Store};

const TOPIC: &str = "plant/a";

fn short<'a>(topic: &'a str, payload: &'a [u8]) -> OutgoingMessage<'a> {
    let mut message = OutgoingMessage::new(topic, payload);
    message.short = true;
    message
}

/// The record that is due before a message, committed and not published.
fn due(net: &mut Net, device: usize) -> Option<Publication> {
    let this = &mut net.devices[device];
    let due = this
        .member
        .record_due(&short(TOPIC, b""), Some(net.now), &mut this.rng);
    let due = due.unwrap()?;
    if !due.changes.is_empty() {
        this.store.commit(&due.changes).unwrap();
    }
    Some(due.publication)
}

/// The broker has it, and says so.
fn published(net: &mut Net, device: usize, record: &Publication) {
    let member = &mut net.devices[device].member;
    member.record_published(&record.topic, &record.payload);
    assert_eq!(member.awaits_record(TOPIC), None);
}

/// Publishes what is due, then the message; the envelope.
fn send_short(net: &mut Net, device: usize, payload: &[u8]) -> Vec<u8> {
    if let Some(record) = due(net, device) {
        net.publish(record.clone());
        published(net, device, &record);
    }
    let envelope = seal_short(net, device, payload);
    net.publish(event(&envelope));
    envelope
}

fn seal_short(net: &mut Net, device: usize, payload: &[u8]) -> Vec<u8> {
    let envelope = net.seal(device, &short(TOPIC, payload)).unwrap();
    assert!(is_short(&envelope), "{}", envelope.len());
    assert!(envelope.len() <= payload.len() + 100);
    envelope
}

fn is_short(envelope: &[u8]) -> bool {
    matches!(Head::parse(envelope), Ok(Head::Short(_)))
}

fn event(envelope: &[u8]) -> Publication {
    Publication {
        topic: TOPIC.into(),
        payload: envelope.to_vec(),
        retain: false,
    }
}

fn record_topic(net: &Net, device: usize) -> String {
    let record = ReservedTopic::SessionRecord(net.group("plant"), net.number(device));
    net.topic(record)
}

fn records_filter(net: &Net) -> String {
    format!("{}/g/+/s/+", net.authority.prefix())
}

fn asked(net: &Net, device: usize) -> usize {
    let filter = records_filter(net);
    let asked = &net.devices[device].asked;
    asked.iter().filter(|asked| **asked == filter).count()
}

fn pair() -> (Net, usize, usize) {
    let mut net = Net::new();
    let sensor = net.join("sensor", Access::PUBLISH);
    let reader = net.join("reader", Access::SUBSCRIBE);
    (net, sensor, reader)
}

#[test]
fn at_most_a_hundred_bytes_around_each_message() {
    let (mut net, sensor, reader) = pair();
    for (n, len) in [0, 1, 5, 64, 1000, 20_000]
        .into_iter()
        .cycle()
        .take(300)
        .enumerate()
    {
        let payload = vec![n as u8; len];
        let envelope = send_short(&mut net, sensor, &payload);
        assert!((95..=100).contains(&(envelope.len() - len)), "{n}");
        let [message] = net.inbox(reader).try_into().unwrap();
        assert_eq!(message.payload(), payload);
        assert_eq!(message.sender_name, "sensor");
        assert_eq!(
            (message.sender, message.sent_at),
            (net.number(sensor), Some(net.now))
        );
        net.now += 7;
    }
    // One session, one record, and the reader asked once.
    let records = net.log.iter().filter(|p| p.topic.contains("/s/")).count();
    assert_eq!((records, asked(&net, reader)), (1, 1));
    assert_eq!(net.rejections(reader), [""; 0]);
}

#[test]
fn before_the_broker_has_the_record_messages_are_of_the_full_form() {
    let (mut net, sensor, reader) = pair();
    let record = due(&mut net, sensor).unwrap();
    assert_eq!(record.topic, record_topic(&net, sensor));
    assert!(record.retain && Header::parse(&record.payload).is_ok());
    let group = net.group("plant");
    assert_eq!(net.devices[sensor].member.awaits_record(TOPIC), Some(group));
    assert_eq!(due(&mut net, sensor), None, "it is given out once");
    let early = net.seal(sensor, &short(TOPIC, b"early")).unwrap();
    assert!(!is_short(&early));
    // Somebody else's acknowledgement, and that of another record, do not count.
    let member = &mut net.devices[sensor].member;
    assert_eq!(member.record_published(&record.topic, b"other"), None);
    let other = ReservedTopic::SessionRecord(group, sealmq_core::MemberNumber(99));
    let other = other.name(net.authority.prefix());
    assert_eq!(member.record_published(&other, &record.payload), None);
    assert!(!is_short(&net.seal(sensor, &short(TOPIC, b"")).unwrap()));
    published(&mut net, sensor, &record);
    // An event of the full form tells of the session as well: nobody has to ask.
    net.publish(event(&early));
    let envelope = seal_short(&mut net, sensor, b"now");
    net.publish(event(&envelope));
    assert_eq!(net.texts(reader), ["early", "now"]);
    assert_eq!(asked(&net, reader), 0);
}

#[test]
fn what_is_never_short() {
    let (mut net, sensor, _) = pair();
    send_short(&mut net, sensor, b"");
    for change in [
        |m: &mut OutgoingMessage<'_>| m.retain = true,
        |m: &mut OutgoingMessage<'_>| m.will = true,
        |m: &mut OutgoingMessage<'_>| m.announce_credential = true,
        |m: &mut OutgoingMessage<'_>| m.short = false,
    ] {
        let mut message = short(TOPIC, b"payload");
        change(&mut message);
        let this = &mut net.devices[sensor];
        let due = this
            .member
            .record_due(&message, Some(net.now), &mut this.rng);
        assert!(due.unwrap().is_none());
        assert!(!is_short(&net.seal(sensor, &message).unwrap()));
    }
    let topic = short("elsewhere/a", b"");
    let this = &mut net.devices[sensor];
    assert!(
        this.member
            .record_due(&topic, Some(net.now), &mut this.rng)
            .is_err()
    );
}

/// A reader that joins later, one that was away, and one that restarted: the record waits for them.
#[test]
fn late_joiners_and_readers_that_restart_find_the_record() {
    let (mut net, sensor, reader) = pair();
    send_short(&mut net, sensor, b"one");
    assert_eq!(net.texts(reader), ["one"]);
    net.restart(reader);
    net.connect(reader);
    net.subscribe(reader, "plant/#");
    let before = asked(&net, reader);
    send_short(&mut net, sensor, b"two");
    assert_eq!(net.texts(reader), ["two"]);
    assert_eq!(asked(&net, reader), before + 1);
    // With the next connection they come at once.
    net.disconnect(reader);
    net.connect(reader);
    net.subscribe(reader, "plant/#");
    assert!(
        net.devices[reader]
            .subscriptions
            .contains(&records_filter(&net))
    );

    let late = net.join("late", Access::SUBSCRIBE);
    send_short(&mut net, sensor, b"three");
    assert_eq!(net.texts(late), ["three"]);
    assert_eq!(net.texts(reader), ["three"]);
    // It gets the messages before the record, and the record before its welcome is of use.
    let later = net.enrol("later", &[grant("plant", Access::SUBSCRIBE)]);
    net.tick_authority();
    let envelope = send_short(&mut net, sensor, b"four");
    net.deliver(later, TOPIC, &envelope, false);
    assert_eq!(net.texts(later), [""; 0]);
    net.connect(later);
    assert_eq!(net.texts(later), ["four"]);
    assert_eq!(net.rejections(later), [""; 0]);
}

#[test]
fn a_message_waits_for_a_record_that_comes_after_it() {
    let (mut net, sensor, reader) = pair();
    send_short(&mut net, sensor, b"known");
    net.restart(reader);
    net.connect(reader);
    net.subscribe(reader, "plant/#");
    net.texts(reader);
    // The broker lost it.
    let before = asked(&net, reader);
    let topic = record_topic(&net, sensor);
    let lost = net.retained.remove(&topic).unwrap();
    for text in ["first", "second"] {
        send_short(&mut net, sensor, text.as_bytes());
    }
    assert_eq!(net.devices[reader].member.stats().waiting, 2);
    assert_eq!(asked(&net, reader), before + 1, "once for both");
    net.now += 10_000;
    net.tick(reader);
    assert_eq!(asked(&net, reader), before + 2, "again after ten seconds");
    // Waiting ends, and the message is reported.
    net.now += 21_000;
    net.tick(reader);
    assert_eq!(net.rejections(reader), ["UnknownSession"; 2]);
    // The sender publishes the same bytes again, ten minutes and 64 messages after the last time.
    net.now += 600_000;
    for _ in 0..61 {
        assert_eq!(due(&mut net, sensor), None);
    }
    send_short(&mut net, sensor, b"is read");
    assert_eq!(net.retained[&topic], lost);
    assert_eq!(net.texts(reader), ["is read"]);
}

#[test]
fn who_never_gets_the_record_reads_again_after_the_next_full_one() {
    let (mut net, sensor, reader) = pair();
    send_short(&mut net, sensor, b"known");
    net.restart(reader);
    net.connect(reader);
    net.retained.remove(&record_topic(&net, sensor));
    let mut sealed = (0..1024).map(|_| net.seal(sensor, &short(TOPIC, b"")).unwrap());
    let full = sealed.find(|envelope| !is_short(envelope)).unwrap();
    let after = seal_short(&mut net, sensor, b"");
    net.texts(reader);
    let before = asked(&net, reader);
    for envelope in [&full, &after] {
        net.deliver(reader, TOPIC, envelope, false);
    }
    assert_eq!(net.inbox(reader).len(), 2);
    assert_eq!(asked(&net, reader), before);
}

/// What came before it waits no longer either.
#[test]
fn a_full_one_ends_the_wait_of_short_ones() {
    let (mut net, sensor, reader) = pair();
    // Its credential is known.
    net.send(sensor, TOPIC, b"before");
    assert_eq!(net.texts(reader), ["before"]);
    net.rotate();
    let record = due(&mut net, sensor).unwrap();
    let full = net.seal(sensor, &short(TOPIC, b"full")).unwrap();
    published(&mut net, sensor, &record);
    for text in ["one", "two"] {
        let envelope = seal_short(&mut net, sensor, text.as_bytes());
        net.publish(event(&envelope));
    }
    assert_eq!(net.texts(reader), [""; 0]);
    net.publish(event(&full));
    assert_eq!(net.texts(reader), ["one", "two", "full"]);
    assert_eq!(net.devices[reader].member.stats().waiting, 0);
}

#[test]
fn each_epoch_and_each_credential_has_a_session_and_a_record_of_its_own() {
    let (mut net, sensor, reader) = pair();
    send_short(&mut net, sensor, b"one");
    let topic = record_topic(&net, sensor);
    let first = net.retained[&topic].clone();
    let late = seal_short(&mut net, sensor, b"late");
    assert_eq!(due(&mut net, sensor), None);
    net.rotate();
    send_short(&mut net, sensor, b"two");
    let second = net.retained[&topic].clone();
    assert_ne!(first, second);
    // The epoch before is in the window, and so is its session.
    net.publish(event(&late));
    assert_eq!(net.texts(reader), ["one", "two", "late"]);

    net.now += 30_000;
    let number = net.number(sensor);
    let plan = net.authority.renew(number, YEAR, net.now / 1000);
    net.carry_out(plan.unwrap());
    // Until its record is there, it is of the full form.
    let under_new = net.seal(sensor, &short(TOPIC, b"three")).unwrap();
    assert!(!is_short(&under_new));
    net.publish(event(&under_new));
    send_short(&mut net, sensor, b"four");
    assert_ne!(net.retained[&topic], second);
    assert_eq!(net.texts(reader), ["three", "four"]);
    assert_eq!(net.rejections(reader), [""; 0]);
}

#[test]
fn with_each_connection_the_record_is_published_again() {
    let (mut net, sensor, _) = pair();
    send_short(&mut net, sensor, b"one");
    let topic = record_topic(&net, sensor);
    let record = net.retained.remove(&topic).unwrap();
    assert_eq!(due(&mut net, sensor), None);
    net.disconnect(sensor);
    net.connect(sensor);
    // The broker had it once: nothing waits for it.
    let again = due(&mut net, sensor).unwrap();
    assert_eq!((&again.topic, &again.payload), (&topic, &record));
    assert_eq!(net.devices[sensor].member.awaits_record(TOPIC), None);
    assert_eq!(due(&mut net, sensor), None);
    // A program that starts again begins a session, with a record.
    net.restart(sensor);
    net.connect(sensor);
    send_short(&mut net, sensor, b"two");
    assert_ne!(net.retained[&topic], record);
}

#[test]
fn a_removed_sender_is_refused_and_its_record_cleared() {
    let (mut net, sensor, reader) = pair();
    send_short(&mut net, sensor, b"one");
    let late = seal_short(&mut net, sensor, b"late");
    let record = net.retained[&record_topic(&net, sensor)].clone();
    net.disconnect(sensor);
    net.remove(sensor);
    assert!(!net.retained.contains_key(&record_topic(&net, sensor)));
    assert!(
        net.log
            .iter()
            .any(|p| p.topic == record_topic(&net, sensor) && p.payload.is_empty())
    );
    net.publish(event(&late));
    // Put back by whoever may write there, it makes nobody a member.
    net.restart(reader);
    net.connect(reader);
    net.subscribe(reader, "plant/#");
    net.publish(Publication::retained(record_topic(&net, sensor), record));
    net.publish(event(&late));
    assert_eq!(net.texts(reader), ["one"]);
    assert_eq!(net.rejections(reader), ["Revoked"; 2]);
}

#[test]
fn a_removed_reader_opens_nothing_of_later_sessions() {
    let (mut net, sensor, reader) = pair();
    let other = net.join("other", Access::SUBSCRIBE);
    send_short(&mut net, sensor, b"one");
    net.texts(reader);
    net.remove(reader);
    send_short(&mut net, sensor, b"two");
    assert_eq!(net.texts(other), ["one", "two"]);
    assert_eq!(net.texts(reader), [""; 0]);
}

#[test]
fn replays_and_other_topics_are_refused() {
    let (mut net, sensor, reader) = pair();
    let envelope = send_short(&mut net, sensor, b"one");
    net.publish(event(&envelope));
    assert_eq!(net.rejections(reader), ["Replay"]);
    net.deliver(reader, "plant/b", &envelope, false);
    net.deliver(reader, TOPIC, &envelope, true);
    assert_eq!(net.rejections(reader), ["Rejected", "Replay"]);
    // A record that comes again resets nothing, before and after a restart.
    let record = Publication::retained(
        record_topic(&net, sensor),
        net.retained[&record_topic(&net, sensor)].clone(),
    );
    for _ in 0..2 {
        net.publish(record.clone());
        net.publish(event(&envelope));
        assert_eq!(net.rejections(reader), ["Replay"]);
        net.restart(reader);
        net.connect(reader);
        net.subscribe(reader, "plant/#");
    }
    net.publish(event(&envelope));
    assert_eq!(net.rejections(reader), ["Replay"]);
    // A record is no message, and a message is no record.
    net.deliver(reader, TOPIC, &record.payload, false);
    assert_eq!(net.rejections(reader), ["Rejected"]);
    let before = net.devices[reader].member.stats().reserved_refused;
    net.deliver(reader, &record.topic, &envelope, true);
    assert_eq!(
        net.devices[reader].member.stats().reserved_refused,
        before + 1
    );
    assert_eq!(net.texts(reader), ["one"]);
}

/// An insider has the group's keys, and gets its record there first.
#[test]
fn nobody_makes_a_record_for_another_member() {
    let (mut net, sensor, reader) = pair();
    let eve = net.join("eve", Access::BOTH);
    let topic = record_topic(&net, sensor);
    let record = due(&mut net, sensor).unwrap();
    let claimed = net.number(sensor).0;
    let forged = member_insiders::records_in_the_name_of(&net, eve, &topic, claimed..claimed + 1);
    let of_eve = due(&mut net, eve).unwrap();
    for bad in [&forged[0], &of_eve.payload] {
        net.publish(Publication::retained(topic.clone(), bad.clone()));
    }
    published(&mut net, sensor, &record);
    let envelope = seal_short(&mut net, sensor, b"hers");
    net.publish(event(&envelope));
    assert_eq!(net.texts(reader), [""; 0]);
    assert_eq!(net.devices[reader].member.stats().waiting, 1);
    net.publish(record);
    let [message] = net.inbox(reader).try_into().unwrap();
    assert_eq!(
        (message.sender, message.payload()),
        (net.number(sensor), &b"hers"[..])
    );
}

/// It comes back to a member that subscribes what it publishes.
#[test]
fn own_messages_are_known_without_asking() {
    for accept_own in [false, true] {
        let mut net = Net::new();
        let options = MemberOptions {
            accept_own,
            ..MemberOptions::default()
        };
        let both = net.join_with("both", Access::BOTH, options);
        send_short(&mut net, both, b"mine");
        assert_eq!(net.texts(both).len(), usize::from(accept_own));
        assert_eq!(net.rejections(both), ["Own"][usize::from(accept_own)..]);
        assert_eq!(asked(&net, both), 0);
    }
}

/// What strangers make up costs a bounded number of places, and one question.
#[test]
fn made_up_tags_and_records_are_bounded() {
    let mut net = Net::new();
    let sensor = net.join("sensor", Access::PUBLISH);
    let options = MemberOptions {
        pending_messages: 64,
        ..MemberOptions::default()
    };
    let reader = net.join_with("reader", Access::SUBSCRIBE, options);
    let mut envelope = send_short(&mut net, sensor, b"genuine");
    assert_eq!(net.texts(reader), ["genuine"]);
    let asked_before = asked(&net, reader);
    for n in 0..2_000_u32 {
        envelope[1..5].copy_from_slice(&n.to_be_bytes());
        net.deliver(reader, TOPIC, &envelope, false);
    }
    let stats = net.devices[reader].member.stats();
    assert!(stats.waiting <= 64, "{}", stats.waiting);
    assert_eq!(asked(&net, reader), asked_before);
    let group = net.group("plant");
    for n in 1..2_000_u32 {
        let topic = ReservedTopic::SessionRecord(group, sealmq_core::MemberNumber(n));
        let topic = net.topic(topic);
        net.deliver(reader, &topic, &envelope, true);
        net.deliver(reader, &topic, &[0x11; 400], true);
    }
    // Of groups that it is not in it looks at none.
    let topic = net.topic(ReservedTopic::SessionRecord(
        GroupId([9; 16]),
        net.number(sensor),
    ));
    net.deliver(reader, &topic, &[0x11; 400], true);
    send_short(&mut net, sensor, b"still");
    assert_eq!(net.texts(reader), ["still"]);
    let events = &net.devices[reader].events;
    let bad = events
        .iter()
        .filter(|e| matches!(e, MemberEvent::BadReserved { .. }))
        .count();
    assert!(bad <= 256, "{bad} events of 4,000 bad records");
}
