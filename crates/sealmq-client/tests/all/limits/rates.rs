//! Brokers that lose what comes too fast, without a word, or what finds no room in a session.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use bytes::Bytes;
use sealmq_client::{BrokerLimit, Draft, Event, Gap, Options, Qos, Subscription};
use sealmq_core::object::Access;
use sealmq_testbroker::profiles;

use super::{Field, field};

const MESSAGES: usize = 1_000;

fn publish(field: &mut Field, node: usize, messages: std::ops::Range<usize>, qos: Qos) {
    for n in messages {
        let payload = Bytes::from(format!("reading {n}"));
        let mut draft = Draft::new("plant/hall".into(), payload).unwrap();
        draft.qos = qos;
        let time = field.world.time(true);
        field.nodes[node].client.publish(draft, time);
    }
}

fn texts(field: &Field, node: usize) -> BTreeSet<Bytes> {
    let events = field.nodes[node].events.iter();
    let texts = events.filter_map(|event| match event {
        Event::Message(message) => Some(message.payload.clone()),
        _ => None,
    });
    texts.collect()
}

fn told(field: &Field, node: usize) -> usize {
    let is_it = |event: &&Event| matches!(event, Event::BrokerLimit(BrokerLimit::Unanswered));
    field.nodes[node].events.iter().filter(is_it).count()
}

/// A publisher with these options and a reader, both connected.
fn pair(limits: sealmq_testbroker::Limits, options: &Options) -> (Field, usize, usize) {
    let mut field = field(limits);
    let reader = field.world.enrol_only("reader", Access::SUBSCRIBE);
    let sensor = field.world.enrol_only("sensor", Access::PUBLISH);
    field.world.tick();
    field.publish_objects();
    let reader = field.start("reader", reader, &Options::default());
    let sensor = field.start("sensor", sensor, options);
    let all = Subscription::new("plant/#".into(), Qos::AtLeastOnce);
    field.nodes[reader].client.subscribe(vec![all]);
    field.run(10_000);
    (field, reader, sensor)
}

#[test]
fn within_the_rate_that_a_broker_allows_nothing_is_lost_and_nothing_waits_for_long() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        let options = Options {
            publishes_per_second: NonZeroU16::new(100),
            ..Options::default()
        };
        let (mut field, reader, sensor) = pair(profiles::aws_iot_core(), &options);
        publish(&mut field, sensor, 0..MESSAGES, qos);
        field.run(10_000);
        let seen = field.broker.seen();
        assert_eq!(texts(&field, reader).len(), MESSAGES, "{qos:?}: {seen:?}");
        assert_eq!((seen.throttled, seen.accepted), (0, 2), "{qos:?}: {seen:?}");
        assert_eq!(field.nodes[sensor].client.outstanding(), 0);
        assert_eq!(told(&field, sensor), 0);
    }
}

/// The window fills up with what is never answered, which no later acknowledgement frees.
#[test]
fn what_a_broker_lost_because_it_came_too_fast_is_sent_again_on_another_connection() {
    let (mut field, reader, sensor) = pair(profiles::aws_iot_core(), &Options::default());
    publish(&mut field, sensor, 0..MESSAGES, Qos::AtLeastOnce);
    field.run(30_000);
    let seen = field.broker.seen();
    assert!(seen.throttled >= 100, "{seen:?}");
    assert!(texts(&field, reader).len() < MESSAGES);
    field.run(40 * 60_000);
    let seen = field.broker.seen();
    assert_eq!(texts(&field, reader).len(), MESSAGES, "{seen:?}");
    assert_eq!(field.nodes[sensor].client.outstanding(), 0);
    assert_eq!(told(&field, sensor), 1, "once");
    let connections = field.nodes[sensor].attempts.len();
    println!("{connections} connections for {MESSAGES} messages at once: {seen:?}");
    assert!(connections < 20, "{connections}");
    assert!(seen.ended.is_empty(), "{seen:?}");
}

/// One that never answers is asked less and less often.
#[test]
fn a_broker_that_answers_no_publish_costs_a_connection_an_hour_in_the_end() {
    let limits = sealmq_testbroker::Limits {
        publishes_per_second: Some(0),
        ..sealmq_testbroker::Limits::default()
    };
    let (mut field, _, sensor) = pair(limits, &Options::default());
    publish(&mut field, sensor, 0..1, Qos::AtLeastOnce);
    field.run(24 * 3_600_000);
    let connections = field.nodes[sensor].attempts.len();
    assert!((10..=32).contains(&connections), "{connections}");
    assert_eq!(told(&field, sensor), 1, "once");
    assert_eq!(field.nodes[sensor].client.outstanding(), 1);
}

/// Azure Event Grid keeps 100 messages of a session: the reader is told how many are missing.
#[test]
fn what_finds_no_room_in_a_session_is_a_gap_that_the_reader_is_told_of() {
    let limits = profiles::azure_event_grid();
    let (room, _) = limits.session_queue.unwrap();
    let (mut field, reader, sensor) = pair(limits, &Options::default());
    publish(&mut field, sensor, 0..10, Qos::AtLeastOnce);
    field.run(10_000);
    assert_eq!(texts(&field, reader).len(), 10);
    field.away(reader);
    publish(&mut field, sensor, 10..300, Qos::AtLeastOnce);
    field.run(10_000);
    field.back(reader);
    field.run(10_000);
    publish(&mut field, sensor, 300..301, Qos::AtLeastOnce);
    field.run(10_000);
    let dropped = field.broker.seen().dropped;
    assert_eq!(dropped, 290 - room);
    assert_eq!(texts(&field, reader).len(), 301 - dropped);
    let events = field.nodes[reader].events.iter();
    let missed = events.filter_map(|event| match event {
        Event::Message(message) => match message.gap {
            Some(Gap::Missed(count)) => Some(usize::try_from(count).unwrap()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(missed.sum::<usize>(), dropped);
    assert_eq!(field.nodes[reader].attempts.len(), 2);
}
