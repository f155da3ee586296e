//! What the histories of [`History`](super::History) consist of.

use sealmq_authority::{Authority, DomainOptions, Plan, PreparedAuthority, RootKey};
use sealmq_core::object::Access;
use sealmq_keys::{JoinRefusalReason, Store as _};

use super::Dies;
use super::cuts::{CROWD, CROWD_REQUESTS, LONG, STEP, crowd_requests, domain_options, group};
use super::joining::grant;
use super::world::{COMMANDS, World};
use crate::fuzz::world::MemoryStore;

impl World {
    /// A domain whose root stays offline, and its group.
    fn begin(&mut self) {
        let root = RootKey::generate(&mut self.rng).unwrap();
        let key = root.public();
        self.root = root;
        self.store = MemoryStore::default();
        let prepared = loop {
            if let Ok(prepared) = PreparedAuthority::load(&self.store) {
                break prepared;
            }
            let options = DomainOptions {
                split_roles: true,
                ..domain_options()
            };
            let made = Authority::prepare(&key, &options, &mut self.rng);
            let (_, plan) = made.unwrap();
            self.keep_office(&plan);
        };
        let object = self.sign(None, &prepared.request().unwrap(), 1);
        let now = self.now_s();
        self.authority = loop {
            if let Ok(authority) = Authority::load(&self.store) {
                break authority;
            }
            let prepared = PreparedAuthority::load(&self.store).unwrap();
            let (_, plan) = prepared.install(&object, now).unwrap();
            self.keep_office(&plan);
        };
        self.add_group();
    }

    fn keep_office(&mut self, plan: &Plan) {
        if self.cut(COMMANDS, &plan.changes) != Some(Dies::Before) {
            self.store.commit(&plan.changes).unwrap();
        }
    }

    fn add_group(&mut self) {
        self.command(
            "made a group",
            |world| world.authority.groups().next().is_some(),
            |authority, now, rng| authority.add_group(&group(), now, rng).unwrap(),
        );
    }

    /// Members with all kinds of access, one of them without a clock; their commits do not count.
    fn cast(&mut self) {
        self.uncounted = true;
        self.add_group();
        self.connect_office();
        self.enrol_by_file(Access::BOTH, true, LONG);
        self.enrol_by_file(Access::SUBSCRIBE, true, LONG);
        self.enrol_by_file(Access::PUBLISH, true, LONG);
        self.enrol_by_file(Access::BOTH, false, LONG);
        self.pass(3 * STEP);
        self.talk();
        self.uncounted = false;
    }

    pub(super) fn joining(&mut self) {
        self.begin();
        // The credential's time is short: it is renewed by itself.
        self.enrol_by_file(Access::BOTH, true, 60);
        self.pass(2 * STEP);
        let token = self.token(2);
        let spent = self.begin_join(Access::BOTH, true, Some(token.clone()));
        self.pass(2 * STEP);
        self.begin_join(Access::BOTH, false, Some(token.clone()));
        let waiting = self.begin_join(Access::SUBSCRIBE, true, None);
        self.pass(2 * STEP);
        assert!(self.newcomers[spent].is_in(), "no way in by the token");
        self.talk();
        // The token is used up.
        let late = self.begin_join(Access::BOTH, true, Some(token));
        let unwanted = self.begin_join(Access::BOTH, true, None);
        self.pass(3 * STEP);
        assert_eq!(self.newcomers[late].refused, Some(JoinRefusalReason::Token));
        self.approve(waiting);
        self.reject(unwanted);
        self.pass(2 * STEP);
        assert!(self.newcomers[waiting].is_in(), "no way in by approval");
        if self.newcomers[unwanted].refused.is_none() {
            // It died before it could say so, and has asked again.
            self.reject(unwanted);
            self.pass(STEP);
        }
        let refused = self.newcomers[unwanted].refused;
        assert_eq!(refused, Some(JoinRefusalReason::Operator));
        // The one that was refused tries again, with another token.
        let another = self.token(1);
        self.newcomers[late].token = Some(another);
        self.newcomers[late].refused = None;
        for _ in 0..5 {
            if !self.newcomers[late].is_in() {
                self.pass(STEP);
            }
        }
        assert!(self.newcomers[late].is_in(), "refused for ever");
        self.renew(1);
        let unused = self.token(1);
        let id = sealmq_keys::Token::parse(&unused).unwrap().id;
        self.command(
            "revoked a token",
            |world| world.authority.tokens().all(|token| token.id != id),
            |authority, now, _| authority.revoke_token(&id, now).unwrap(),
        );
        self.talk();
        self.restart(0);
        self.pass(6 * STEP);
        self.talk();
    }

    pub(super) fn rotation(&mut self) {
        self.cast();
        // Some that are only there to be removed: their credentials stay in a drawer.
        self.uncounted = true;
        let first = self.authority.members().count() as u32;
        for request in CROWD_REQUESTS.get_or_init(crowd_requests) {
            self.enrol_into_drawer(request);
        }
        self.pass(2 * STEP);
        self.uncounted = false;
        let crowd: Vec<u32> = (first + 1..=first + CROWD as u32).collect();

        self.rotate_now();
        self.pass(STEP);
        self.talk();
        self.sleep(1, 9 * STEP);
        self.heal_now();
        self.pass(STEP);
        self.remove_now(&[], &crowd);
        self.pass(2 * STEP);
        self.talk();
        self.enrol_by_file(Access::BOTH, true, LONG);
        self.pass(2 * STEP);
        self.talk();
        self.remove_now(&[0], &[]);
        self.pass(STEP);
        // A rotation comes by itself, and the sleeper wakes up.
        self.pass(14 * STEP);
        self.talk();
        self.remove_now(&[3, 4], &[]);
        self.pass(STEP);
    }

    fn enrol_into_drawer(&mut self, request: &[u8]) {
        let grants = [grant(Access::SUBSCRIBE)];
        let (now, rng) = (self.now_s(), &mut self.rng);
        let enrolled = self.authority.enrol(request, &grants, LONG, now, rng);
        self.carry_out(enrolled.unwrap().1);
    }

    pub(super) fn generations(&mut self) {
        self.cast();
        self.talk();
        self.new_generation();
        self.pass(8 * STEP);
        self.talk();
        // One of them misses the next move until its deadline has passed.
        self.sleep(3, 14 * STEP);
        self.new_generation();
        self.pass(2 * STEP);
        self.remove_now(&[2], &[]);
        self.pass(2 * STEP);
        self.talk();
        self.pass(12 * STEP);
        self.talk();
    }

    pub(super) fn recovery(&mut self) {
        self.cast();
        self.new_delegation(false);
        self.pass(2 * STEP);
        self.talk();
        let copy = self.store.clone();
        self.enrol_by_file(Access::BOTH, true, LONG);
        self.pass(2 * STEP);
        self.remove_now(&[1], &[]);
        self.pass(STEP);
        self.talk();
        self.put_back(copy);
        self.pass(3 * STEP);
        self.enrol_by_file(Access::BOTH, true, LONG);
        self.pass(2 * STEP);
        self.talk();
        self.new_delegation(true);
        self.pass(3 * STEP);
        self.talk();
    }
}
