//! A broker far away, which acknowledges late: what strangers cause must not stand in front of what
//! the domain needs.

use sealmq_authority::{Authority, NewGroup};
use sealmq_core::object::Access;
use sealmq_keys::objects::Token;
use sealmq_keys::{Publication, ReservedTopic, Store};

use super::Street;
use super::joins::{ask, token};

/// Seconds until a removal has reached the broker, while strangers ask to join.
fn removal_takes(rate: u32, with_token: bool) -> u64 {
    let mut street = Street::new();
    let leaver = street.net.join("leaver", Access::BOTH);
    street.posts[0].acknowledges_after = 200;
    street.pass(5000);
    let made_up = Token {
        id: [5; 8],
        ..token(&mut street, 1)
    };
    let made_up = with_token.then_some(&made_up);
    let mut n = 0;
    let mut flood = |street: &mut Street| {
        for _ in 0..10 {
            for _ in 0..rate / 10 {
                n += 1;
                ask(street, n, made_up, "x");
            }
            street.pass(100);
        }
    };
    for _ in 0..20 {
        flood(&mut street);
    }
    street.remove(leaver);
    let group = street.net.group("plant");
    let list = street.net.topic(ReservedTopic::RefusedList(group));
    let epoch = street.net.topic(ReservedTopic::Announcement(group, 2));
    let stands = |street: &Street| {
        let retained = &street.net.retained;
        retained.contains_key(&list) && retained.contains_key(&epoch)
    };
    for seconds in 0..60 {
        if stands(&street) {
            return seconds;
        }
        flood(&mut street);
    }
    u64::MAX
}

#[test]
fn strangers_do_not_delay_a_removal() {
    for (rate, with_token) in [(100, false), (100, true), (20, false)] {
        let takes = removal_takes(rate, with_token);
        assert!(takes <= 5, "{rate} {with_token}: {takes} s");
    }
}

/// Many topics of members are cleared all the time, and once one that all members need.
#[test]
fn what_all_members_need_is_put_right_beside_many_others() {
    let mut street = Street::new();
    let leaver = street.net.join("leaver", Access::BOTH);
    street.pass(5000);
    street.remove(leaver);
    street.pass(5000);
    let request = |street: &Street, n: u32| {
        let domain = street.net.authority.domain();
        let device = crate::common::device::numbered(n, domain);
        device.request(&format!("device-{n}"), 1, crate::net::START)
    };
    street.command(|a, now, rng| {
        let large = NewGroup {
            depth: 11,
            ..NewGroup::new("large", ["large/#"])
        };
        a.add_group(&large, now, rng).unwrap()
    });
    street.net.authority = Authority::load(&street.net.authority_store).unwrap();
    for n in 0..400 {
        let request = request(&street, n);
        let grants = [crate::net::grant("large", Access::BOTH)];
        let now = street.net.now / 1000;
        let net = &mut street.net;
        let enrolled = net
            .authority
            .enrol(&request, &grants, 86_400, now, &mut net.rng);
        net.authority_store
            .commit(&enrolled.unwrap().1.changes)
            .unwrap();
    }
    street.pass(10_000);
    let own: Vec<String> = street.net.retained.keys().cloned().collect();
    let of_members: Vec<_> = own.iter().filter(|topic| topic.contains("/m/")).collect();
    assert!(of_members.len() >= 800);
    let group = street.net.group("plant");
    let list = street.net.topic(ReservedTopic::RefusedList(group));
    street.pass(60_000 - street.net.now % 60_000);
    let mut longest = 0;
    let mut gone = None;
    for second in 0..125_u64 {
        if [44, 57, 104, 117].contains(&second) {
            street.net.publish(Publication::clear(list.as_str()));
            gone.get_or_insert(second);
        }
        // Most of a minute's repairs of members' topics are used up before.
        let some = of_members.iter().skip(second as usize % 8).step_by(8);
        for topic in some {
            street.net.publish(Publication::clear(topic.as_str()));
        }
        street.pass(1000);
        if street.net.retained.contains_key(&list)
            && let Some(since) = gone.take()
        {
            longest = longest.max(second - since);
        }
    }
    assert!(longest <= 4 && gone.is_none(), "{longest} {gone:?}");
}

/// One that loses what comes too fast, without a word.
#[test]
fn a_broker_that_does_not_answer_is_noticed_after_a_minute_and_asked_anew() {
    let mut street = Street::new();
    let leaver = street.net.join("leaver", Access::BOTH);
    street.pass(5000);
    street.posts[0].holds = true;
    street.remove(leaver);
    street.pass(59_000);
    assert!(!street.posts[0].held.is_empty());
    assert!(!street.posts[0].office.is_left_unanswered(street.now()));
    street.pass(3000);
    assert!(street.posts[0].office.is_left_unanswered(street.now()));
    street.disconnect(0);
    street.posts[0].holds = false;
    street.posts[0].held.clear();
    street.connect(0);
    assert!(!street.posts[0].office.is_left_unanswered(street.now()));
    street.pass(5000);
    assert_eq!(street.wrong(), Vec::<String>::new());
}
