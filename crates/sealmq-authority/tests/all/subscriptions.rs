//! What members and the authority subscribe is what the table of spec/keys.md §9 says.

use std::path::Path;

use crate::net::Net;
use sealmq_core::object::Access;
use sealmq_keys::authority_filters;

/// The filters of each row, by who subscribes them.
fn table() -> Vec<(String, Vec<String>)> {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/keys.md");
    let text = std::fs::read_to_string(spec).unwrap();
    let begin = text.find("| who | filters after the prefix |").unwrap();
    let rows = text[begin..].lines().skip(2);
    let rows = rows.map_while(|line| line.strip_prefix("| "));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let filters = cells[1].split('`').skip(1).step_by(2).map(str::to_owned);
        (cells[0].to_owned(), filters.collect())
    })
    .collect()
}

fn of(who: &str) -> Vec<String> {
    let rows = table().into_iter().filter(|(row, _)| row == who);
    rows.flat_map(|(_, filters)| filters).collect()
}

#[test]
fn members_subscribe_what_the_spec_lists() {
    let mut net = Net::new();
    let reader = net.join("reader", Access::SUBSCRIBE);
    let sensor = net.join("sensor", Access::PUBLISH);
    net.send(sensor, "plant/a", b"one");
    let group = net.group("plant").to_string();
    let sender = net.devices[sensor].member.number().to_string();
    let prefix = net.authority.prefix().to_owned();
    for (device, who) in [(reader, "reader"), (sensor, "publish-only member")] {
        let member = &net.devices[device].member;
        let own = member.number().to_string();
        let said = member.reserved_subscriptions();
        let said: Vec<String> = said
            .iter()
            .map(|filter| {
                let rest = filter.strip_prefix(&prefix).unwrap();
                let rest = rest.replace(&format!("/m/{own}/"), "/m/<own>/");
                let rest = rest.replace(&format!("/m/{sender}/"), "/m/<sender>/");
                rest.replace(&group, "<group>")
            })
            .collect();
        // No chunk and no credential is missing here.
        let mut listed = of("member");
        listed.retain(|filter| !filter.contains("/c/") && !filter.contains("/r/"));
        assert_eq!(said, listed, "{who}");
    }
}

#[test]
fn readers_subscribe_the_credentials_that_they_lack() {
    let mut net = Net::new();
    let reader = net.join("reader", Access::SUBSCRIBE);
    let senders: Vec<_> = (0..40)
        .map(|n| net.join(&format!("sensor-{n}"), Access::PUBLISH))
        .collect();
    let prefix = net.authority.prefix().to_owned();
    let ends = |topic: &String| topic.ends_with("/credential");
    let hidden: Vec<_> = net
        .retained
        .extract_if(.., |topic, _| ends(topic))
        .collect();
    let mut subscribed = Vec::new();
    for sender in senders {
        net.send(sender, "plant/a", b"one");
        net.now += 20;
        net.tick(reader);
        let now = net.devices[reader].member.reserved_subscriptions();
        subscribed.push(now.iter().filter(|filter| ends(filter)).count());
    }
    assert_eq!(subscribed[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(subscribed.last(), Some(&9), "{subscribed:?}");
    let all = net.devices[reader].member.reserved_subscriptions();
    assert_eq!(all.last(), Some(&format!("{prefix}/m/+/credential")));
    // Records of sessions: member_short.rs.
    let rows = ["/m/<sender>/credential", "/m/+/credential", "/g/+/s/+"];
    assert_eq!(of("reader"), rows);
    for (topic, payload) in hidden {
        net.deliver(reader, &topic, &payload, true);
    }
    assert_eq!(net.texts(reader).len(), 40);
    let none = net.devices[reader].member.reserved_subscriptions();
    assert!(!none.iter().any(ends));
}

#[test]
fn the_authority_subscribes_what_the_spec_lists() {
    assert_eq!(authority_filters(""), of("authority"));
}
