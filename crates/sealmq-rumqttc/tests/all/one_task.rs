//! An application that publishes from the task that polls.

use std::time::{Duration, Instant};

use crate::common::sink::{Sink, Treatment};
use crate::common::{Domain, Node, PUBLISH, SharedStore, options, qos, within};
use sealmq_broker::Broker;
use sealmq_rumqttc::{AsyncClient, Event, EventLoop, SealOptions};

/// As many packet identifiers as there are, and one.
const MESSAGES: usize = 65_536;

/// A sensor that has its keys.
pub(crate) async fn sensor() -> SharedStore {
    let broker = Broker::builder().start().await.unwrap();
    let at = broker.local_addr();
    let mut domain = Domain::new(at).await;
    let store = domain.enrol("sensor", PUBLISH).await;
    let mut node = Node::start(options("sensor", at), store.clone());
    node.epoch(2).await;
    within("goodbye", node.client.disconnect()).await.unwrap();
    broker.shutdown().await;
    store
}

async fn through(level: u8, capacity: usize, store: SharedStore) {
    let sink = Sink::start(false, |_| Treatment::Take).await;
    // Every packet is an event as well, so that events pile up faster than they are taken.
    let sealed = SealOptions::new().capacity(capacity).mqtt_events(true);
    let mqtt = options("sensor", sink.address);
    let (client, mut eventloop) = AsyncClient::with_options(mqtt, store, sealed).unwrap();
    let began = Instant::now();
    let publishing = async {
        for number in 0..MESSAGES {
            client
                .publish("plant/x", qos(level), false, number.to_string())
                .await
                .unwrap();
            if number % 64 == 0 {
                eventloop.poll().await.unwrap();
            }
        }
        client.flush().await.unwrap();
    };
    // A minute on a calm machine; the time is only there so that a freeze does not last for ever.
    let done = tokio::time::timeout(Duration::from_secs(900), publishing).await;
    // QoS 0 is done when it was written.
    for _ in 0..1_000 {
        if sink.publishes() < MESSAGES && level == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let (published, connections) = (sink.publishes(), sink.connections());
    assert!(
        done.is_ok(),
        "QoS {level}, capacity {capacity}: {published}"
    );
    assert_eq!((published, connections), (MESSAGES, 1));
    assert_eq!(client.outstanding(), 0);
    println!("QoS {level}, capacity {capacity}: {:?}", began.elapsed());
}

/// On one thread each: with room for one message it is round trips that take the time.
#[test]
fn every_quality_of_service_with_little_room() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let store = runtime().block_on(sensor());
    std::thread::scope(|scope| {
        for level in 0..=2 {
            for capacity in [1, 10] {
                let store = store.copy();
                scope.spawn(move || runtime().block_on(through(level, capacity, store)));
            }
        }
    });
}

/// What waits now, without waiting for more.
async fn taken(eventloop: &mut EventLoop) -> Vec<Event> {
    let mut taken = Vec::new();
    let soon = Duration::from_millis(300);
    while let Ok(event) = tokio::time::timeout(soon, eventloop.poll()).await {
        taken.push(event.unwrap());
    }
    taken
}

#[tokio::test]
async fn reports_that_nobody_takes_are_bounded_and_counted() {
    const REFUSED: u64 = 40_000;
    let sink = Sink::start(false, |_| Treatment::Take).await;
    let mqtt = options("sensor", sink.address);
    let (client, mut eventloop) = AsyncClient::new(mqtt, sensor().await, 10).unwrap();
    client.publish("plant/x", qos(1), false, "x").await.unwrap();
    client.flush().await.unwrap();
    let mut refused = 0;
    while refused < REFUSED {
        match client.try_publish("elsewhere/x", qos(1), false, "x") {
            Ok(()) => refused += 1,
            Err(_) => tokio::task::yield_now().await,
        }
    }
    client.flush().await.unwrap();
    let events = taken(&mut eventloop).await;
    let of = |found: fn(&Event) -> bool| events.iter().filter(|event| found(event)).count() as u64;
    let told = of(|event| matches!(event, Event::NotPublished { .. }));
    let lost = events.iter().filter_map(|event| match event {
        Event::Overflow { lost } => Some(*lost),
        _ => None,
    });
    assert_eq!(told + lost.sum::<u64>(), REFUSED);
    // 8 MiB.
    assert!((1_000..20_000).contains(&told), "{told}");
    // And everything goes on.
    client.publish("plant/x", qos(1), false, "y").await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(sink.publishes(), 2);
}
