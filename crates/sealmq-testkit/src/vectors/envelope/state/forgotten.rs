//! Marks that stand for what a full memory has forgotten (spec/envelope.md §9, "Replay rules for
//! state").

use super::super::case::Case;
use super::super::open::serial;
use super::super::replay::at;
use super::super::scene::{Scene, renewed};
use super::{mark_of_all, mark_of_sender, mark_of_topic, one, will_number};
use crate::vectors::craft::Draft;
use crate::vectors::prelude::*;

pub(super) fn vectors(scene: &Scene, file: &mut VectorFile) {
    each(scene, file);
    together(scene, file);
    sessions(scene, file);
    older(scene, file);
    wills(scene, file);
}

fn placed(scene: &Scene, connection: u64, counter: u32) -> Draft {
    let value = at(&scene.value(), counter);
    value.change(|d| d.message.connection = connection)
}

fn forgotten(scene: &Scene, id: &str, comment: &str) -> Case {
    Case::new(scene, format!("marks-{id}"), comment, "§9").attacks(&["A43", "F2"])
}

/// A mark of before at connection 5, session NOW, counter 3; each of the three kinds.
fn each(scene: &Scene, file: &mut VectorFile) {
    let mark = (1, 5, false, NOW, 3);
    let kinds = table! {
        "own":    "The mark of the topic",                      mark_of_topic(mark), true;
        "sender": "A mark for all topics of the sender",        mark_of_sender(mark), false;
        "all":    "A mark for all senders",                     mark_of_all(mark), false;
    };
    for (kind, what, mark, own) in kinds {
        let case = |id: &str, comment: &str| {
            let id = format!("{kind}-{id}");
            forgotten(scene, &id, &format!("{what}: {comment}")).with("marks", one(mark.clone()))
        };
        let (below, equal, above) = (
            placed(scene, 5, 2),
            placed(scene, 5, 3),
            placed(scene, 5, 4),
        );
        let again = case("equal-shown", "what is at it, shown.").retained(true);
        let again = if own {
            again.ok(&equal)
        } else {
            again.bad(&equal, "Replay")
        };
        again.done(file);
        stories! { case => file:
            "below": "what is below it, live." => .bad(&below, "Replay");
            "below-shown": "what is below it, shown." => .retained(true).bad(&below, "Replay");
            "equal": "what is at it, live." => .bad(&equal, "Replay");
            "above": "what is above it, live; then the topic has a mark." => .ok(&above).bad(&above, "Replay");
            "above-shown": "what is above it, shown; then the topic has a mark."
                => .retained(true).ok(&above).ok(&above);
            "connection-below": "a lower connection." => .retained(true).bad(&placed(scene, 4, 9), "Replay");
            "connection-above": "a higher connection." => .ok(&placed(scene, 6, 0));
        }
    }
}

/// Which of them applies.
fn together(scene: &Scene, file: &mut VectorFile) {
    let (low, high) = ((1, 0, false, 1, 0), (1, 5, false, NOW, 9));
    let marks = |marks: &[Json]| Json::Array(marks.to_vec());
    let (value, topic) = (placed(scene, 5, 3), "plant/b/temp");
    let elsewhere = value.change(|d| d.topic = topic.to_owned());
    let other =
        Draft::value(scene.kept_epoch(), &insider(), "a").change(|d| d.message.connection = 5);
    let passing = scene.will(1).change(|d| d.message.retain = false);
    stories! { |id: &str, comment: &str| forgotten(scene, id, comment) => file:
        "own-first": "A mark of its own counts, whatever stands for others."
            => .with("marks", marks(&[mark_of_topic(low), mark_of_sender(high), mark_of_all(high)])).ok(&value);
        "own-first-other-topic": "On other topics what stands for them counts."
            => .with("marks", marks(&[mark_of_topic(low), mark_of_sender(high)])).bad(&elsewhere, "Replay").ok(&value);
        "sender-and-all": "Without a mark of its own both have to be passed: the sender's."
            => .with("marks", marks(&[mark_of_sender(high), mark_of_all(low)])).bad(&value, "Replay");
        "all-and-sender": "Without a mark of its own both have to be passed: the one of all."
            => .with("marks", marks(&[mark_of_sender(low), mark_of_all(high)])).bad(&value, "Replay");
        "sender-not-others": "That of a sender is not for others."
            => .with("marks", marks(&[mark_of_sender(high)])).ok(&other).bad(&value, "Replay");
        "all-for-others": "The one of all is." => .with("marks", marks(&[mark_of_all(high)])).bad(&other, "Replay");
        "own-not-other-topic": "The mark of a topic is not for others."
            => .with("marks", marks(&[mark_of_topic(high)])).ok(&elsewhere).bad(&value, "Replay");
        "sender-no-event": "Events have nothing to do with it."
            => .with("marks", marks(&[mark_of_sender(high)])).ok(&scene.sent());
        "sender-no-passing-will": "Nor have wills without RETAIN with the sender's."
            => .with("marks", marks(&[mark_of_sender(high)])).ok(&passing);
        "sender-credential": "The sender's tells credentials apart."
            => .with("marks", marks(&[mark_of_sender(high)]))
            .ok(&value.under(renewed().object()).change(|d| d.message.connection = 0)).bad(&at(&value, 20), "Replay");
        "all-credential": "The one of all does not."
            => .with("marks", marks(&[mark_of_all(high)]))
            .bad(&value.under(renewed().object()), "Replay").ok(&at(&value.under(renewed().object()), 10));
        "all-older-delegation": "The one of all is of an older delegation."
            => .with("marks", marks(&[mark_of_all((0, 5, false, NOW, 9))])).ok(&value);
        "all-later-delegation": "The one of all is of a later delegation."
            => .with("marks", marks(&[mark_of_all((2, 0, false, 1, 0))])).bad(&placed(scene, 6, 0), "Replay");
        "sender-later-delegation": "The sender's is of a later delegation."
            => .with("marks", marks(&[mark_of_sender((2, 0, false, 1, 0))])).bad(&placed(scene, 6, 0), "Replay");
    }
}

/// The one of all senders: a session number stands for a connection that is 0.
fn sessions(scene: &Scene, file: &mut VectorFile) {
    let value = scene.value();
    let later = scene.value_in(NOW + 1);
    let connected =
        |draft: &Draft, connection: u64| draft.change(|d| d.message.connection = connection);
    let will = scene.will(NOW);
    let with = |id: &str, comment: &str, mark| {
        forgotten(scene, &format!("all-{id}"), comment).with("marks", one(mark_of_all(mark)))
    };
    stories! { with => file:
        "connection-0-at": "A value without a connection, at a mark without one.", (1, 0, false, NOW, 0)
            => .bad(&value, "Replay").ok(&at(&value, 1));
        "connection-0-above": "In a later session.", (1, 0, false, NOW, 9) => .bad(&value, "Replay").ok(&later);
        "connection-0-below-connection": "A value without a connection, below a mark with one.",
            (1, NOW + 1, false, 1, 0) => .bad(&value, "Replay");
        "connection-0-above-connection": "A value without a connection, above a mark with one.",
            (1, NOW - 1, true, NOW - 1, 0) => .ok(&value);
        "connection-0-at-connection": "At the number of a connection, the session number decides.",
            (1, NOW, false, NOW - 1, 9) => .ok(&value);
        "connection-0-at-will": "At the number of a will, it is below.", (1, NOW, true, NOW, 0)
            => .bad(&at(&value, 5), "Replay").ok(&later);
        "connection-low": "It is the connection that counts where there is one, and not the higher of both.",
            (1, 9, false, NOW, 0) => .bad(&connected(&later, 5), "Replay").ok(&connected(&value, 10));
        "will": "A will that is to be retained.", (1, NOW, true, NOW, 0)
            => .retained(true).bad(&will, "Replay").ok(&scene.will(NOW + 1));
        "will-of-connection": "A will, at a value of its connection.", (1, NOW, false, NOW + 50, 9) => .ok(&will);
    }
}

/// The one of all senders tells no credentials apart: nothing under an older one is above it.
fn older(scene: &Scene, file: &mut VectorFile) {
    let current = serial(5).issued_under(3);
    let under =
        |plan: &CredentialPlan, delegation| scene.value().under(plan.issued_under(delegation));
    let (now, old, before) = (
        under(&serial(5), 3),
        under(&serial(4), 3),
        under(&serial(4), 2),
    );
    let as_will = |draft: &Draft, retain: bool| {
        draft.change(|d| (d.message.will, d.message.retain) = (true, retain))
    };
    let with = |id: &str, comment: &str, delegation: u32, will: u64| {
        let mark = mark_of_all((delegation, 0, false, 5, 0));
        let case = forgotten(scene, &format!("all-older-{id}"), comment)
            .with("authority", authority_json(&continuing(3, 1)))
            .with("credentials", one(Json::hex(&current)))
            .with("marks", one(mark))
            .retained(true);
        if will == 0 {
            case
        } else {
            case.with("wills", will_number(1, 0, will))
        }
    };
    let low = (1, 0, false, 1, 0);
    let own = mark_of_topic(low);
    stories! { with => file:
        "known": "The known credential, above the mark.", 3, 0 => .ok(&now);
        "refused": "An older one, of the delegation of the mark: its numbers cannot be compared.", 3, 0
            => .bad(&old, "Replay").retained(false).bad(&old, "Replay");
        "delegation-below": "An older one, of a delegation below the mark's.", 3, 0 => .bad(&before, "Replay");
        "delegation-above": "An older one, of a delegation above the mark's.", 2, 0
            => .ok(&old);
        "delegation-at": "An older one of an older delegation, which is the mark's.", 2, 0 => .bad(&before, "Replay");
        "continued-above": "An older one of an older delegation, above the mark's.", 1, 0 => .ok(&before);
        "will": "A will under an older one.", 3, 0
            => .bad(&as_will(&old, true), "Replay").retained(false).bad(&as_will(&old, true), "Replay");
        "passing-will": "A will without RETAIN under an older one.", 3, 0
            => .retained(false).bad(&as_will(&old, false), "Replay").ok(&as_will(&now, false));
        "passing-will-above": "A will without RETAIN under an older one, of a delegation above the mark's.", 2, 0
            => .retained(false).ok(&as_will(&old, false));
        "will-number-own": "A number of its own tells wills apart.", 3, 1
            => .retained(false).ok(&as_will(&old, false));
    }
    stories! { with => file:
        "own-mark": "A mark of its own tells credentials apart.", 3, 0
            => .with("marks", Json::Array(vec![mark_of_all((3, 0, false, 5, 0)), own])).ok(&old).ok(&now)
            .bad(&old, "Replay");
    }
}

/// It stands for the numbers of forgotten wills, too.
fn wills(scene: &Scene, file: &mut VectorFile) {
    let passing = |number: u64| scene.will(number).change(|d| d.message.retain = false);
    let mark = (1, NOW, true, NOW, 0);
    let all = || mark_of_all(mark);
    let case = |id: &str, comment: &str| {
        forgotten(scene, &format!("all-will-{id}"), comment).attacks(&["A25"])
    };
    stories! { case, [.with("marks", one(all()))] => file:
        "number-below": "A will without RETAIN below the mark of all senders." => .bad(&passing(NOW - 1), "Replay");
        "number-equal": "A will without RETAIN at it." => .bad(&passing(NOW), "Replay");
        "number-above": "A will without RETAIN above it; then the sender has a number."
            => .ok(&passing(NOW + 1)).bad(&passing(NOW + 1), "Replay").ok(&passing(NOW + 2));
        "number-own": "A number of its own counts." => .with("wills", will_number(1, 1, NOW - 9)).ok(&passing(NOW - 1));
    }
    let marks = |marks: &[Json]| Json::Array(marks.to_vec());
    let low = mark_of_topic((1, 0, false, 1, 0));
    let elsewhere = |number: u64| {
        scene
            .will(number)
            .change(|d| d.topic = "plant/b/temp".to_owned())
    };
    stories! { case => file:
        "of-value": "The mark of a value on the will's connection does not reach the will."
            => .with("marks", one(mark_of_all((1, NOW, false, NOW + 5, 9)))).ok(&passing(NOW));
        "of-sender": "The mark of a sender's topics stands for no number."
            => .with("marks", one(mark_of_sender(mark))).ok(&passing(NOW - 1));
        "own-mark": "A mark of its own does not stand for a number: a will that is to be retained."
            => .with("marks", marks(&[all(), low])).bad(&scene.will(NOW), "Replay").retained(true)
            .ok(&scene.will(NOW));
        "number-own-place": "And a number of its own for no mark."
            => .with("marks", one(all())).with("wills", will_number(1, 1, NOW - 9))
            .bad(&elsewhere(NOW - 1), "Replay").retained(true).bad(&elsewhere(NOW - 1), "Replay")
            .retained(false).ok(&elsewhere(NOW + 1));
        "delegation-below": "The mark is of an older delegation."
            => .with("marks", one(mark_of_all((0, NOW, true, NOW, 0)))).ok(&passing(1));
        "delegation-above": "The mark is of a later delegation."
            => .with("marks", one(mark_of_all((2, 1, true, 1, 0)))).bad(&passing(NOW), "Replay");
    }
}
