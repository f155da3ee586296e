//! Kept messages: what the broker keeps opens when it is needed, and for nobody else (spec/keys.md
//! §7 "Kept keys", spec/envelope.md §7 to §9).

mod attacks;
mod breaks;
mod earlier;
mod events;
mod journey;
mod lists;
mod places;
mod pool;
mod publishers;
mod removed;
mod returning;
mod windows;

use sealmq_core::object::Access;
use sealmq_keys::member::{Delivery, Member, OutgoingMessage};
use sealmq_keys::{Publication, ReservedTopic, Store};

use crate::net::{Device, Net};

/// Seals a retained value and publishes it.
pub fn keep(net: &mut Net, device: usize, topic: &str, text: &str) -> Vec<u8> {
    let message = OutgoingMessage::new(topic, text.as_bytes()).retained();
    let envelope = net.seal(device, &message).unwrap();
    net.publish(Publication::retained(topic, envelope.clone()));
    envelope
}

/// Subscribes again: what a device makes of the retained values.
pub fn values(net: &mut Net, device: usize) -> Vec<String> {
    net.inbox(device);
    net.rejections(device);
    net.subscribe(device, "plant/#");
    net.texts(device)
}

/// Switches a device off and on again, and has it read.
pub fn values_after_restart(net: &mut Net, device: usize) -> Vec<String> {
    net.restart(device);
    net.connect(device);
    values(net, device)
}

/// A credential with the next serial, as by schedule.
pub fn renew_credential(net: &mut Net, device: usize) {
    let number = net.number(device);
    let validity = crate::net::YEAR;
    let plan = net.authority.renew(number, validity, net.now / 1000);
    net.carry_out(plan.unwrap());
}

pub fn kept_topic(net: &Net, group: &str) -> String {
    net.topic(ReservedTopic::KeptKeys(net.group(group)))
}

/// A reader that joins now, and its confirmation.
pub fn join_late(net: &mut Net, name: &str) -> usize {
    let device = net.join(name, Access::SUBSCRIBE);
    crate::net::serve::settle(net);
    device
}

/// Whether one of the last copies of a device's store opens a value, with everything that was ever
/// published.
pub fn copy_opens(net: &Net, device: &Device, topic: &str, envelope: &[u8]) -> bool {
    device.history.iter().rev().take(3).any(|store| {
        let options = device.member.options().clone();
        let mut store = store.clone();
        let mut copy = Member::load(&store, options.clone()).unwrap();
        for publication in &net.log {
            if copy.is_reserved(&publication.topic) {
                let (topic, payload) = (&publication.topic, &publication.payload);
                for action in copy.handle_reserved(topic, payload, Some(net.now)) {
                    if let sealmq_keys::member::Action::Commit(changes) = action {
                        store.commit(&changes).unwrap();
                    }
                }
            }
        }
        let reloaded = Member::load(&store, options).unwrap();
        [copy, reloaded].into_iter().any(|mut copy| {
            let (opened, _) = copy.open(topic, envelope, true, Some(net.now));
            matches!(opened, Delivery::Message(_))
        })
    })
}
