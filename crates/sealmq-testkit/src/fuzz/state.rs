//! Stored records: what a damaged or exchanged store can hand back.

use sealmq_core::open::{DecapsulationLimit, DeviceReceiver};
use sealmq_core::replay::Record;
use sealmq_core::topic::Topic;
use sealmq_keys::{FollowContext, GroupState, MAX_STATE_LEN};

use super::world::{NOW, World};

/// A member's group state: one spelling, and usable in whatever condition it decodes.
pub fn group_state(data: &[u8]) -> bool {
    let Ok(mut state) = GroupState::decode(data) else {
        return false;
    };
    assert_eq!(state.to_bytes().unwrap().as_slice(), data);
    assert!(data.len() <= MAX_STATE_LEN);
    if let Some(view) = state.current() {
        assert_eq!(view.epoch, state.current_epoch());
        assert_eq!(state.announcement_hash(view.epoch), Some(view.hash));
        assert!(
            view.key_pair
                .is_none_or(|pair| pair.public() == view.group_key)
        );
    }
    assert!(
        state
            .missing()
            .take(100)
            .all(|epoch| epoch < state.current_epoch())
    );
    let _ = state.covers_topic(Topic::new("plant/a").unwrap());
    let _ = (
        state.name().len(),
        state.filters().count(),
        state.refused(),
        state.serial(),
    );
    let _ = state.last_healing();

    let world = World::get();
    let context = FollowContext {
        authorities: &world.delegation,
        prefix: &world.prefix,
        now: Some(NOW),
        referenced: None,
        chunk: None,
    };
    for announcement in &world.announcements {
        let before = state.to_bytes().unwrap();
        if state.follow(announcement, &context).is_err() {
            assert_eq!(state.to_bytes().unwrap(), before);
        }
        let after = state.to_bytes().unwrap();
        let again = GroupState::decode(&after).unwrap();
        assert_eq!(again.to_bytes().unwrap(), after);
    }
    true
}

/// Replay records of both window sizes.
pub fn replay_record(data: &[u8]) -> bool {
    let accepted = record::<2>(data) | record::<16>(data);
    if let Ok(record) = Record::<2>::decode(data) {
        let mut receiver = DeviceReceiver::<2, 2, 0>::on_device(DecapsulationLimit::default());
        receiver.restore(record);
        let kept: Vec<Record<2>> = receiver.records().collect();
        // Restoring what is known already changes nothing but what it forgets for safety.
        for record in &kept {
            receiver.restore(record.clone());
        }
        assert_eq!(receiver.records().count(), kept.len());
    }
    accepted
}

fn record<const W: usize>(data: &[u8]) -> bool {
    let Ok(record) = Record::<W>::decode(data) else {
        return false;
    };
    let mut out = vec![0; Record::<W>::MAX_LEN];
    let len = record.encode(&mut out).unwrap();
    assert_eq!(&out[..len], data);
    assert_eq!(
        Record::<W>::decode(&out[..len]).unwrap().key(),
        record.key()
    );
    true
}
