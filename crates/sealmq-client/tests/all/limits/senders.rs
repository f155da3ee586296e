//! A reader has few subscriptions, whatever the number of senders.

use bytes::Bytes;
use sealmq_client::{Draft, Event, Options, Qos, Subscription};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_testbroker::{Beyond, Limits};

use super::field;
use super::wired::Field;

/// A reader, and senders that have published nothing yet; and members that never will.
fn crowd(limits: Limits, senders: usize, silent: usize) -> (Field, usize, Vec<usize>) {
    let mut field = field(limits);
    let mut enrol = |count: usize, name: &str| -> Vec<_> {
        let names = (0..count).map(|n| format!("{name}-{n}"));
        names
            .map(|name| field.world.enrol_only(&name, Access::BOTH))
            .collect()
    };
    let reader = enrol(1, "reader").remove(0);
    let stores = enrol(senders, "sender");
    drop(enrol(silent, "silent"));
    field.world.tick();
    field.publish_objects();
    let reader = field.start("reader", reader, &Options::default());
    field.nodes[reader]
        .client
        .subscribe(vec![Subscription::new("plant/#".into(), Qos::AtLeastOnce)]);
    field.run(5_000);
    let names = (0..senders).map(|n| &*format!("sender-{n}").leak());
    let senders = names.zip(stores);
    let senders = senders.map(|(name, store)| field.start(name, store, &Options::default()));
    let senders = senders.collect();
    field.run(5_000);
    (field, reader, senders)
}

fn publish(field: &mut Field, senders: &[usize], text: &str) {
    for sender in senders {
        let topic = format!("plant/{sender}");
        let payload = Bytes::copy_from_slice(text.as_bytes());
        let draft = Draft::new(topic, payload).unwrap();
        let time = field.world.time(true);
        field.nodes[*sender].client.publish(draft, time);
    }
}

fn received(field: &Field, reader: usize) -> usize {
    let events = field.nodes[reader].events.iter();
    events
        .filter(|event| matches!(event, Event::Message(_)))
        .count()
}

/// As AWS IoT Core.
fn cloud() -> Limits {
    Limits {
        filters_per_subscribe: Some(8),
        subscriptions: Some((50, Beyond::Close)),
        ..Limits::default()
    }
}

#[test]
fn a_reader_of_eight_senders_has_eight_filters_in_a_packet_at_most() {
    let (mut field, reader, senders) = crowd(cloud(), 8, 0);
    publish(&mut field, &senders, "one");
    field.run(5_000);
    assert_eq!(received(&field, reader), 8);
    // And again, with eight known senders, after a restart of the broker.
    field.cut(reader);
    field.run(5_000);
    publish(&mut field, &senders, "two");
    field.run(5_000);
    assert_eq!(received(&field, reader), 16);
    assert!(field.broker.seen().filters_per_subscribe <= 8);
    assert!(
        field.broker.seen().ended.is_empty(),
        "{:?}",
        field.broker.seen()
    );
}

#[test]
fn a_reader_of_many_senders_has_few_subscriptions_and_keeps_those_who_sent() {
    let (mut field, reader, senders) = crowd(cloud(), 60, 30);
    publish(&mut field, &senders, "one");
    field.run(10_000);
    assert_eq!(received(&field, reader), 60);
    let seen = field.broker.seen();
    assert!(seen.ended.is_empty(), "{seen:?}");
    assert!(seen.subscriptions <= 16, "{}", seen.subscriptions);
    assert!(seen.filters_per_subscribe <= 8);
    let known = field.nodes[reader].store.list("peer/").unwrap();
    assert_eq!(known.len(), 60, "others are dropped as they come");
    // While nothing is missing, nothing is subscribed for it.
    let filters = field.nodes[reader].client.member().reserved_subscriptions();
    assert!(
        filters
            .iter()
            .all(|filter| !filter.ends_with("/credential")),
        "{filters:?}"
    );
    field.cut(reader);
    field.run(5_000);
    publish(&mut field, &senders, "two");
    field.run(10_000);
    assert_eq!(received(&field, reader), 120);
    assert!(field.broker.seen().ended.is_empty());
}

/// As ejabberd. The credential stands behind the messages that wait for it.
#[test]
fn a_broker_that_delivers_one_at_a_time_delivers_credentials_too() {
    let limits = Limits {
        deliveries: Some(1),
        ..Limits::default()
    };
    let (mut field, reader, senders) = crowd(limits, 30, 0);
    publish(&mut field, &senders, "one");
    field.run(900);
    assert_eq!(received(&field, reader), 0);
    field.run(600);
    assert_eq!(received(&field, reader), 30);
    // And for who comes back to what has piled up.
    field.cut(reader);
    publish(&mut field, &senders, "two");
    field.run(10_000);
    assert_eq!(received(&field, reader), 60);
    assert!(field.broker.seen().ended.is_empty());
}
