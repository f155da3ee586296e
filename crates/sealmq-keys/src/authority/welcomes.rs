use alloc::vec;

use rand_core::TryCryptoRng;
use sealmq_core::object::Role;

use super::record::{GroupRecord, Issued, MemberRecord, PackageRecord, Place};
use super::tree::NodeKeys;
use super::{Authority, AuthorityError, Plan, draw};
use crate::key_package::VerifiedKeyPackage;
use crate::outputs::Publication;
use crate::reserved::ReservedTopic;
use crate::welcome::{MAX_WELCOME_LEN, WelcomeFields};

impl Authority {
    /// A welcome for each grant of a new member, for the next epoch of its group.
    pub(super) fn issue_welcomes(
        &self,
        member: &mut MemberRecord,
        leaves: &[u32],
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), AuthorityError> {
        for (at, leaf) in leaves.iter().enumerate() {
            let needed = leaves.len();
            let Some(package) = member.free_package(0) else {
                return Err(AuthorityError::Packages { needed });
            };
            let package = package.clone();
            let grant = member.grants.get(at).ok_or(AuthorityError::Record)?;
            let missing = || AuthorityError::NoSuchGroup(alloc::format!("{}", grant.group));
            let group = self.groups.get(&grant.group).ok_or_else(missing)?;
            let place = self.welcome(member, group, *leaf, &package, plan, rng)?;
            if let Some(grant) = member.grants.get_mut(at) {
                grant.places.push(place);
            }
        }
        Ok(())
    }

    /// A welcome for one leaf of a group's newest generation, for the group's next epoch.
    pub(super) fn welcome(
        &self,
        member: &MemberRecord,
        group: &GroupRecord,
        leaf: u32,
        package: &PackageRecord,
        plan: &mut Plan,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Place, AuthorityError> {
        let generation = group.newest()?;
        let (signer, key) = self.signer(Role::Groups)?;
        let epoch = group.epoch.saturating_add(1);
        let path = NodeKeys::at(generation, epoch).path(leaf);
        let fields = WelcomeFields {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer,
            member: member.number,
            group: group.id,
            generation: generation.number,
            depth: generation.depth,
            leaf,
            epoch,
            previous: group.announcement,
            healing_epoch: group.healing_epoch,
            healing: group.healing,
            package_number: package.number,
            package: package.hash,
        };
        let mut buffer = vec![0; MAX_WELCOME_LEN];
        let path = path.ok_or(AuthorityError::Record)?;
        let verified = VerifiedKeyPackage::stored(
            self.delegation.suite(),
            package.number,
            package.hash,
            &package.init_key,
        )?;
        let (object, hash) = fields.seal(&path, &verified, &draw(rng)?, key, &mut buffer)?;
        let topic = ReservedTopic::Welcome(member.number, group.id).name(&self.domain.prefix);
        plan.publish(Publication::retained(topic, object));
        Ok(Place {
            generation: generation.number,
            leaf,
            issued: Issued {
                package_number: package.number,
                epoch,
                hash,
                confirmed: false,
            },
        })
    }
}

impl MemberRecord {
    /// The first package above `floor` that no welcome was sealed to.
    pub(super) fn free_package(&self, floor: u32) -> Option<&PackageRecord> {
        let places = || self.grants.iter().flat_map(|grant| &grant.places);
        self.packages
            .iter()
            .filter(|package| package.number > floor)
            .find(|package| places().all(|p| p.issued.package_number != package.number))
    }
}
