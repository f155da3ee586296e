//! A person who runs commands on the authority's store, beside the office.

use sealmq_authority::Authority;
use sealmq_core::MemberNumber;
use sealmq_core::object::Access;
use sealmq_keys::Store as _;

use super::ledger::Kind;
use super::members::Resident;
use super::newcomers::Newcomer;
use super::office::Desk;
use super::play::Street;
use super::town::{GROUP, YEAR, grant};
use sealmq_testkit::stand_ins::CountingRng;

pub(super) struct Operator {
    rng: CountingRng,
    /// Members that are to be removed, the last one first.
    to_remove: Vec<MemberNumber>,
    /// Removals whose epochs are not at every reader yet.
    removals: Vec<(u64, u64)>,
    removed: u64,
}

impl Operator {
    pub(super) fn new(others: &[MemberNumber]) -> Self {
        // From all over the tree.
        let step = (others.len() / 40).max(1);
        Self {
            rng: CountingRng(1 << 44),
            to_remove: others.iter().copied().step_by(step).collect(),
            removals: Vec::new(),
            removed: 0,
        }
    }

    /// Approves who waits, and removes some members, with a command each.
    pub(super) fn sit_down(
        &mut self,
        removals: usize,
        desk: &mut Desk,
        newcomers: &mut [Newcomer],
        street: &mut Street,
    ) {
        let now = street.now / 1000;
        let mut authority = Authority::load(&desk.vault).unwrap();
        for newcomer in newcomers {
            let Some(device) = newcomer.waits else {
                continue;
            };
            let grants = grant(Access::BOTH);
            let approved = authority.approve(device, None, &grants, YEAR, now, &mut self.rng);
            match approved {
                Ok((_, plan)) => {
                    desk.vault.commit(&plan.changes).unwrap();
                    newcomer.approved(street);
                }
                Err(error) => street.count(&format!("not approved: {error}")),
            }
        }
        for _ in 0..removals {
            let Some(member) = self.to_remove.pop() else {
                break;
            };
            let plan = authority.remove(member, now, &mut self.rng).unwrap();
            desk.vault.commit(&plan.changes).unwrap();
            let mut groups = authority.groups();
            let epoch = groups.find(|group| group.name == GROUP).unwrap().epoch;
            self.removals.push((self.removed, epoch));
            street.ledger.begin(Kind::Removal, self.removed, street.now);
            self.removed += 1;
        }
        desk.vault.changed = true;
    }

    /// Notes which removals are at every reader.
    pub(super) fn look(&mut self, residents: &[Resident], street: &mut Street) {
        self.removals.retain(|(id, epoch)| {
            let mut readers = residents.iter().filter(|r| r.access.may_subscribe());
            let done = readers.all(|reader| reader.follows(*epoch));
            if done {
                street.ledger.done(Kind::Removal, *id, street.now);
            }
            !done
        });
    }
}
