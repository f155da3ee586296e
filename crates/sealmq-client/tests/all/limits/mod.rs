//! A publisher and a reader at brokers with limits, alone and in pairs: all that they are asked to
//! do works, or is one clear error, and nobody connects again and again.

mod cloud;
mod rates;
mod senders;
mod wired;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use sealmq_client::{BrokerLimit, Draft, Event, Options, Qos, Subscription};
use sealmq_core::object::Access;
use sealmq_testbroker::{Broker, Limits, SWITCHES, Switch, pairs};

use crate::all::world::World;
use wired::Field;

/// Most connections of a client in its first minute.
const MOST_CONNECTIONS: usize = 10;

fn field(limits: Limits) -> Field {
    Field {
        world: World::new(),
        broker: Broker::new(limits),
        nodes: Vec::new(),
    }
}

/// What is published: topic, quality of service, retain, bytes.
fn messages() -> Vec<(String, Qos, bool, usize)> {
    let deep = "plant/a/b/c/d/e/f/g/h/i".to_owned();
    let long = format!("plant/{}", "x".repeat(300));
    vec![
        ("plant/zero".into(), Qos::AtMostOnce, false, 40),
        ("plant/one".into(), Qos::AtLeastOnce, false, 40),
        (deep, Qos::AtMostOnce, false, 40),
        ("plant/two".into(), Qos::ExactlyOnce, false, 40),
        ("plant/kept".into(), Qos::AtLeastOnce, true, 40),
        ("plant/large".into(), Qos::AtLeastOnce, false, 3_000),
        ("plant/refused".into(), Qos::AtLeastOnce, false, 40),
        (long, Qos::AtLeastOnce, false, 40),
        ("plant/one".into(), Qos::AtLeastOnce, false, 40),
    ]
}

/// What the reader subscribes: more than anybody needs.
fn filters() -> Vec<Subscription> {
    let many = (0..55).map(|n| format!("plant/many/{n}"));
    let deep = "plant/a/b/c/d/e/f/g/h/+".to_owned();
    let long = format!("plant/{}", "y".repeat(300));
    let first = ["plant/#".to_owned(), "$share/pool/plant/of/pool".into()];
    let all = first.into_iter().chain([deep, long]).chain(many);
    all.map(|filter| Subscription::new(filter, Qos::ExactlyOnce))
        .collect()
}

/// What came of one setting.
struct Outcome {
    connections: [usize; 2],
    /// Of messages: arrived, said to have been refused, lost without a word, said twice.
    arrived: usize,
    errors: usize,
    lost: Vec<String>,
    /// Distinct things said of the broker, and whether anything was said twice.
    limits: Vec<BrokerLimit>,
    twice: Vec<String>,
    /// It was said that the broker takes no subscription to a credential.
    credentials: bool,
}

fn play(set: &[Switch]) -> Outcome {
    let mut limits = Limits::default();
    set.iter().for_each(|switch| (switch.set)(&mut limits));
    let mut field = field(limits);
    let stores = ["reader", "sensor"].map(|name| field.world.enrol_only(name, Access::BOTH));
    field.world.tick();
    field.publish_objects();
    let options = Options {
        wait_for_keys: std::time::Duration::from_secs(15),
        ..Options::default()
    };
    let [one, other] = stores;
    let reader = field.start("reader", one, &options);
    let sensor = field.start("sensor", other, &options);
    field.nodes[reader].client.subscribe(filters());
    field.run(20_000);
    let mut sent = Vec::new();
    for round in 0..2 {
        for (topic, qos, retain, len) in messages() {
            let text = format!("{}:{topic}:{}", sent.len(), "-".repeat(len));
            let mut draft = Draft::new(topic.clone(), Bytes::from(text.clone())).unwrap();
            (draft.qos, draft.retain) = (qos, retain);
            let time = field.world.time(true);
            field.nodes[sensor].client.publish(draft, time);
            sent.push((topic, text, qos));
            field.run(1_000);
        }
        if round == 0 {
            field.run(5_000);
            field.world.rotate();
            field.publish_objects();
            field.run(5_000);
        }
    }
    let minute = |node: usize| {
        let attempts = field.nodes[node].attempts.iter();
        attempts.filter(|at| **at < 60_000).count()
    };
    let connections = [minute(reader), minute(sensor)];
    field.run(180_000);
    judge(&field, reader, sensor, &sent, connections)
}

fn judge(
    field: &Field,
    reader: usize,
    sensor: usize,
    sent: &[(String, String, Qos)],
    connections: [usize; 2],
) -> Outcome {
    let arrived: Vec<_> = field.nodes[reader]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some(String::from_utf8(message.payload.to_vec()).unwrap()),
            _ => None,
        })
        .collect();
    // By topic: nothing else names a message that was refused.
    let mut errors: BTreeMap<&str, usize> = BTreeMap::new();
    for (topic, _) in &field.nodes[sensor].refused {
        *errors.entry(topic).or_default() += 1;
    }
    let (mut limits, mut twice) = (Vec::new(), Vec::new());
    let mut said = Vec::new();
    for node in &field.nodes {
        for event in &node.events {
            match event {
                Event::PublishRefused { topic, .. } | Event::NotPublished { topic, .. } => {
                    *errors.entry(topic).or_default() += 1;
                }
                Event::BrokerLimit(limit) => limits.push(limit.clone()),
                _ => {}
            }
        }
        for event in &node.events {
            if let Event::BrokerLimit(_) | Event::SubscribeRefused { .. } = event {
                if said.contains(&event) {
                    twice.push(format!("{event:?}"));
                }
                said.push(event);
            }
        }
        said.clear();
    }
    limits.dedup();
    let is_credential = |filter: &String| filter.ends_with("/credential");
    let credentials = field
        .nodes
        .iter()
        .flat_map(|node| &node.events)
        .any(|event| match event {
            Event::SubscribeRefused { filter, .. } => is_credential(filter),
            Event::BrokerLimit(BrokerLimit::Subscriptions { filters, .. }) => {
                filters.iter().any(is_credential)
            }
            _ => false,
        });
    let mut lost = Vec::new();
    let (mut count, mut count_zero) = (0, 0);
    for (topic, text, qos) in sent {
        let error = errors.get_mut(topic.as_str()).filter(|left| **left > 0);
        if arrived.contains(text) {
            count += 1;
        } else if let Some(left) = error {
            *left -= 1;
        } else if *qos == Qos::AtMostOnce {
            count_zero += 1; // nobody says what became of it
        } else {
            lost.push(topic.chars().take(30).collect());
        }
    }
    // What is left was said of messages that arrived, or twice.
    let own = |topic: &str| sent.iter().any(|(sent, ..)| sent == topic);
    for (topic, left) in errors
        .iter()
        .filter(|(topic, left)| own(topic) && **left > 0)
    {
        twice.push(format!("{topic} {left} times more"));
    }
    Outcome {
        connections,
        arrived: count,
        errors: sent.len() - count - count_zero - lost.len(),
        lost,
        limits,
        twice,
        credentials,
    }
}

/// What is wrong with an outcome, if anything.
fn complaint(set: &[Switch], outcome: &Outcome) -> Option<String> {
    let works = set.iter().all(|switch| switch.works);
    let mut text = String::new();
    if outcome
        .connections
        .iter()
        .any(|count| *count > MOST_CONNECTIONS)
    {
        write!(text, "connections {:?} ", outcome.connections).unwrap();
    }
    if works && !outcome.lost.is_empty() {
        write!(text, "lost {:?} ", outcome.lost).unwrap();
    }
    // An application that takes all subscriptions leaves none for what its messages need.
    if works && outcome.arrived < 2 && !outcome.credentials {
        write!(text, "{} arrived ", outcome.arrived).unwrap();
    }
    // Of a connection that ends after CONNACK the library tells.
    let told = set
        .iter()
        .any(|switch| switch.name == "closes after CONNACK");
    if !works && !told && outcome.limits.is_empty() {
        text.push_str("no reason ");
    }
    if !outcome.twice.is_empty() {
        write!(text, "said twice {:?} ", outcome.twice).unwrap();
    }
    (!text.is_empty()).then_some(text)
}

fn table(sets: impl Iterator<Item = Vec<Switch>>) -> Vec<String> {
    let show = std::env::var_os("SEALMQ_SHOW_LIMITS").is_some();
    let mut complaints = Vec::new();
    for set in sets {
        let outcome = play(&set);
        let name: Vec<_> = set.iter().map(|switch| switch.name).collect();
        let name = name.join(" + ");
        if show {
            println!(
                "{name}: {} arrived, {} refused, {} lost, connections {:?}, {} limits",
                outcome.arrived,
                outcome.errors,
                outcome.lost.len(),
                outcome.connections,
                outcome.limits.len()
            );
        }
        complaints.extend(complaint(&set, &outcome).map(|text| format!("{name}: {text}")));
    }
    complaints
}

#[test]
fn without_limits_everything_arrives() {
    let outcome = play(&[]);
    assert_eq!(
        (outcome.arrived, outcome.errors),
        (18, 0),
        "{:?}",
        outcome.lost
    );
    assert_eq!(outcome.connections, [1, 1]);
    assert!(outcome.limits.is_empty() && outcome.twice.is_empty());
}

#[test]
fn each_limit_alone_works_or_is_one_clear_error() {
    let complaints = table(SWITCHES.into_iter().map(|switch| vec![switch]));
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn all_pairs_of_limits_work_or_are_one_clear_error() {
    let complaints = table(pairs().map(|(one, other)| vec![one, other]));
    assert!(
        complaints.is_empty(),
        "{}: {complaints:#?}",
        complaints.len()
    );
}
