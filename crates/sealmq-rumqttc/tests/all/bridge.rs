//! Two brokers with a bridge that renames topics: Mosquitto's own, which connects the site's broker
//! with the central one, where the authority is. Messages are sealed for the central names.

use rumqttc::v5::mqttbytes::v5::LastWill;
use sealmq_broker::Broker;
use sealmq_rumqttc::v4::V4;
use sealmq_rumqttc::v5::V5;
use sealmq_rumqttc::{ClientError, Message, SealOptions, TopicMap};

use crate::common::brokers::{Any, mosquitto};
use crate::common::proxy::Proxy;
use crate::common::{
    BOTH, Domain, PATIENCE, Raw, Sealed, Setup, SharedStore, both, options, qos, text, within,
};

both!(
    a_bridge_adds_a_prefix,
    a_bridge_strips_a_prefix,
    a_name_that_the_map_has_no_place_for,
);

/// The site is Mosquitto: what is `plant/x` at the central broker is `site1/plant/x` there.
async fn a_bridge_adds_a_prefix<V: Setup>() {
    let central = Any::Bundled(Broker::builder().start().await.unwrap());
    let Some(site) = bridge(&central, "topic # both 1 site1/ \"\"") else {
        return;
    };
    let map = TopicMap::new().add("site1/", "").unwrap();
    both_ways::<V>(&central, &site, map, "site1/plant/x").await;
}

/// The site is the bundled broker: what is `plant/x` at the central one is `x` there, and key
/// management is below `keys/`.
async fn a_bridge_strips_a_prefix<V: Setup>() {
    let site = Any::Bundled(Broker::builder().start().await.unwrap());
    let lines = "topic # both 1 plant/ \"\"\ntopic # both 1 _sealmq/ keys/";
    let Some(central) = bridge(&site, lines) else {
        return;
    };
    let map = TopicMap::new().add("keys/", "_sealmq/").unwrap();
    let map = map.add("", "plant/").unwrap();
    both_ways::<V>(&central, &site, map, "x").await;
}

/// A Mosquitto with a bridge to another broker.
fn bridge(to: &Any, topics: &str) -> Option<Any> {
    let at = to.address();
    // MQTT 5 has No Local, without which what goes through comes back.
    mosquitto(&format!(
        "connection bridge\naddress {at}\nbridge_protocol_version mqttv50\nbridge_attempt_unsubscribe false\nnotifications false\n{topics}"
    ))
}

/// A member on each side; whoever is at the site has a map.
fn at_site<V: Setup>(id: &str, site: &Any, store: SharedStore, map: TopicMap) -> Sealed<V> {
    let sealing = SealOptions::new().wait_for_keys(PATIENCE).topic_map(map);
    Sealed::with_options(V::options(id, site.address()), store, sealing)
}

/// Own messages come back as well.
async fn from<V: Setup>(sender: &str, node: &mut Sealed<V>) -> Message {
    loop {
        let message = node.message().await;
        if message.sender_name == sender {
            return message;
        }
    }
}

async fn both_ways<V: Setup>(central: &Any, site: &Any, map: TopicMap, here: &str) {
    let at = central.address();
    let mut domain = Domain::new(at).await;
    let office = domain.enrol("office", BOTH).await;
    let device = domain.enrol("device", BOTH).await;
    let mut office = Sealed::<V>::reader(V::options("office", at), office, &["plant/#"]).await;
    let mut device = at_site::<V>("device", site, device, map.clone());
    device.subscribe("plant/#").await;
    // The bridge may come up later than the first messages: that is no business of keys.
    device.publish("plant/x", "up").await;
    let message = from("device", &mut office).await;
    assert_eq!((&*message.topic, text(&message)), ("plant/x", "up"));
    let publishing = office
        .client
        .publish("plant/state", V::qos(1), true, "down");
    within("publish", publishing).await.unwrap();
    let message = from("office", &mut device).await;
    assert_eq!((&*message.topic, text(&message)), ("plant/state", "down"));
    // What is kept comes to who is new at the site, by name and by wildcard, with the keys of now.
    domain.rotate().await;
    let late = domain.enrol("late", BOTH).await;
    let mut late = at_site::<V>("late", site, late, map.clone());
    late.subscribe("$share/group/plant/+").await;
    late.subscribe("plant/state").await;
    let message = late.message().await;
    assert_eq!((text(&message), message.retained), ("down", true));
    // What the site's broker has is called otherwise, and is no other message.
    let mut raw = Raw::connect(options("raw", site.address())).await;
    raw.subscribe(here).await;
    device.publish("plant/x", "named").await;
    let sealed = raw.next().await;
    assert_eq!(sealed.topic, here);
    raw.publish("plant/y", 1, false, sealed.payload).await;
    for reader in [&mut office, &mut late] {
        assert_eq!(text(&from("device", reader).await), "named");
    }
    office.silence_of_messages().await;
    a_will_has_the_same_names::<V>(&mut domain, &mut office, site, map).await;
}

/// It stands in CONNECT, under the name that the site's broker has for it.
async fn a_will_has_the_same_names<V: Setup>(
    domain: &mut Domain,
    office: &mut Sealed<V>,
    site: &Any,
    map: TopicMap,
) {
    let dying = domain.enrol("dying", BOTH).await;
    // The keys come over a first connection; then there is a Will.
    let first = at_site::<V>("dying", site, dying.clone(), map.clone());
    first.publish("plant/z", "hello").await;
    assert_eq!(text(&office.message().await), "hello");
    within("goodbye", first.client.disconnect()).await.unwrap();
    let will = LastWill::new("plant/gone", "gone", qos(1), false, None);
    let sealing = SealOptions::new().wait_for_keys(PATIENCE).topic_map(map);
    let way = Proxy::to(site.address()).await;
    let mqtt = V::options("dying", way.address);
    let dying = Sealed::<V>::with_options(mqtt, dying, sealing.last_will(will));
    dying.publish("plant/z", "alive").await;
    assert_eq!(text(&office.message().await), "alive");
    way.cut();
    let message = office.message().await;
    assert_eq!((&*message.topic, text(&message)), ("plant/gone", "gone"));
    assert!(message.will);
}

/// Nothing is published where it would mean something else, and nothing taken that stands there.
async fn a_name_that_the_map_has_no_place_for<V: Setup>() {
    for broker in crate::common::brokers::brokers().await {
        let at = broker.address();
        let mut domain = Domain::new(at).await;
        let device = domain.enrol("device", BOTH).await;
        let other = domain.enrol("other", BOTH).await;
        let map = TopicMap::new().add("a/", "plant/a/").unwrap();
        let sealing = SealOptions::new().wait_for_keys(PATIENCE).topic_map(map);
        let mut device = Sealed::<V>::with_options(V::options("device", at), device, sealing);
        device.subscribe("plant/#").await;
        let refused = device.client.publish("a/x", V::qos(1), false, "x").await;
        assert_eq!(refused, Err(ClientError::NotMapped));
        let refused = device.client.subscribe("a/#", V::qos(1)).await;
        assert_eq!(refused, Err(ClientError::NotMapped));
        let other = Sealed::<V>::start(V::options("other", at), other);
        other.publish("plant/a/x", "elsewhere").await;
        let refused = device.rejection().await;
        assert_eq!(refused, ("plant/a/x".to_owned(), "Rejected"));
        other.publish("plant/b", "here").await;
        assert_eq!(text(&device.message().await), "here");
    }
}
