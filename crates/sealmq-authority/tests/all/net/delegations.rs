//! Delegations as the root signs them: routine ones that continue what was before, and others.

use sealmq_authority::{DelegationRequest, Lineage, RootKey};
use sealmq_core::crypto::VerifyingKey;
use sealmq_keys::objects::{Roles, VerifiedDelegation};

use super::{Net, YEAR};

impl Net {
    /// The authority's current delegation.
    pub fn delegation(&self) -> VerifiedDelegation {
        let root = VerifyingKey::from_bytes(self.authority.root_key()).unwrap();
        VerifiedDelegation::verify(self.authority.delegation(), &root).unwrap()
    }

    /// What the root continues that has kept the current delegation only.
    pub fn lineage(&self) -> Lineage {
        Lineage::begin(&self.delegation())
    }

    pub fn request_delegation(&mut self, new_keys: bool) -> DelegationRequest {
        let now = self.now / 1000;
        let request = self
            .authority
            .request_delegation(new_keys, false, now, &mut self.rng);
        let (request, plan) = request.unwrap();
        self.carry_out(plan);
        request
    }

    /// The root's answer, valid for a year from now.
    pub fn delegate(&self, request: &DelegationRequest, lineage: Option<&Lineage>) -> Vec<u8> {
        let root = RootKey::from_seed(&self.root.seed());
        let (serial, now) = (self.delegation().serial() + 1, self.now / 1000);
        let object = root.delegate_on(lineage, request, serial, now, now + YEAR, Roles::ALL);
        object.unwrap()
    }

    pub fn install(&mut self, object: &[u8], recovery: bool) {
        let now = self.now / 1000;
        let plan = self
            .authority
            .install_delegation(object, recovery, now, &mut self.rng);
        self.carry_out(plan.unwrap());
    }

    /// A routine renewal, which continues everything of the lineage.
    pub fn renew_delegation(&mut self, new_keys: bool, lineage: &mut Lineage) {
        let request = self.request_delegation(new_keys);
        let object = self.delegate(&request, Some(lineage));
        self.install(&object, false);
        lineage.append(&self.delegation());
    }

    /// One that continues nothing.
    pub fn break_delegation(&mut self, new_keys: bool) {
        let request = self.request_delegation(new_keys);
        let object = self.delegate(&request, None);
        self.install(&object, false);
    }

    /// The root's answer to a theft.
    pub fn recover(&mut self) {
        let request = self.request_delegation(true);
        let object = self.delegate(&request, None);
        self.install(&object, true);
    }
}
