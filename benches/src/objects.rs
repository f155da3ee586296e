//! Bytes of single objects of key management.

use sealmq_keys::ReservedTopic;

use crate::domain::{CountingRng, GROUP, NOW};
use crate::scale::{Change, Fleet, is_welcome};

/// Bytes of what the authority publishes, each the largest of its kind.
#[derive(Debug, Clone, Copy)]
pub struct ObjectSizes {
    /// The announcement of an ordinary rotation.
    pub rotation: usize,
    /// The announcement of a healing epoch in which nobody was removed.
    pub healing: usize,
    /// A welcome.
    pub welcome: usize,
    /// The list of kept keys, by the number of its entries.
    pub kept_keys: [(u8, usize); 3],
}

impl Fleet {
    /// Measures one of each kind.
    #[must_use]
    pub fn objects(&self) -> ObjectSizes {
        let mut rng = CountingRng::new(4);
        let mut authority = self.authority();
        let rotation = self.rotate(&mut authority);
        let mut healing = 0;
        let mut kept_keys = [(0, 0), (1, 0), (16, 0)];
        for entries in 1..=16 {
            let plan = authority.heal(GROUP, NOW + 2 + u64::from(entries), &mut rng);
            let change = Change::of_plan(&plan.unwrap());
            healing = self.largest(&change, |topic| {
                matches!(topic, ReservedTopic::Announcement(..))
            });
            let list = self.largest(&change, |topic| matches!(topic, ReservedTopic::KeptKeys(_)));
            for (of, size) in &mut kept_keys {
                if *of == entries {
                    *size = list;
                }
            }
        }
        let mut authority = self.authority();
        let renewed = self.renew(&mut authority);
        ObjectSizes {
            rotation: self.largest(&rotation, |topic| {
                matches!(topic, ReservedTopic::Announcement(..))
            }),
            healing,
            welcome: self.largest(&renewed, is_welcome),
            kept_keys,
        }
    }
}
