//! Later versions: authorities and members that add to what they sign (spec/keys.md §1).

use sealmq_authority::Authority;
use sealmq_core::object::{CRITICAL, Extension};
use sealmq_keys::Publication;
use sealmq_keys::member::MemberOptions;

use super::Settings;
use super::device::options;
use super::thief::encoded;
use super::world::World;
use crate::fuzz::world::CountingRng;

/// What a list with one extension holds; a share of all objects has one, by whose they are and
/// when they are made. No dice: histories stay as they are.
pub(super) fn extension(number: u64, critical: bool) -> Vec<u8> {
    let id = u16::try_from(number % u64::from(CRITICAL)).unwrap();
    let id = if critical { id | CRITICAL } else { id };
    let value = b"a field of a later version".as_slice();
    encoded(&Extension { id, value })
}

pub(super) fn every_third(number: u64) -> Vec<u8> {
    if number.is_multiple_of(3) {
        extension(number, false)
    } else {
        Vec::new()
    }
}

/// The options of the device with this number at the broker.
pub(super) fn options_of(settings: &Settings, client: usize) -> MemberOptions {
    MemberOptions {
        extensions: every_third(client as u64),
        ..options(settings)
    }
}

impl World {
    /// Each time that the authority is started, a third of them in a later version.
    pub(super) fn set_version(&mut self) {
        self.extensions = every_third(self.settings.seed.wrapping_add(self.commits));
        if !self.extensions.is_empty() {
            self.seen.total("authorities of a later version");
        }
    }

    /// An authority of a later version announces what must be understood: the device takes
    /// nothing of it, and says what helps.
    pub(super) fn show_later(&mut self, step: u64) {
        let turn = step.wrapping_add(self.settings.seed);
        let device = usize::try_from(turn / 13).unwrap() % self.devices.len();
        let is_awake = self.devices[device].asleep <= step;
        if !turn.is_multiple_of(13) || !is_awake || !self.acts() {
            return;
        }
        self.trace
            .note(&format!("{device} sees what must be understood"));
        self.seen.fault("critical extension");
        let mut twin = Authority::load(&self.store).unwrap();
        let critical = extension(self.commits, true);
        twin.set_extensions(&critical).unwrap();
        let mut rng = CountingRng(self.commits ^ (1 << 40));
        let plan = twin.rotate("plant", self.now / 1000, &mut rng).unwrap();
        let refused = |world: &Self| world.devices[device].reserved_refused();
        let before = refused(self);
        let epoch = self.devices[device].epoch();
        let mut shown = 0;
        for Publication { topic, payload, .. } in plan.publications {
            if payload.is_empty() || !topic.contains("/g/") {
                continue;
            }
            shown += 1;
            self.hand(device, &topic, &payload, false);
        }
        assert!(shown > 0);
        if refused(self) > before {
            self.seen.total("critical extensions refused");
        }
        assert_eq!(self.devices[device].epoch(), epoch, "an epoch was taken");
    }
}
