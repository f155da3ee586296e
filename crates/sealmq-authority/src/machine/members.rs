use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rand_core::TryCryptoRng;
use sealmq_core::object::{Access, Kind, List, Role, sign_object};
use sealmq_core::topic::Filter;
use sealmq_core::{Credential, Grant, MAX_CREDENTIAL_LEN, MAX_GRANTS, MemberNumber};

use super::log::Decision;
use super::record::{self, DOMAIN_KEY, GrantRecord, MemberRecord, OUTBOX_PREFIX, PackageRecord};
use super::reported::TwoDevices;
use super::{Authority, AuthorityError, AuthorityEvent, LoadError, Plan};
use sealmq_keys::Publication;
use sealmq_keys::ReservedTopic;
use sealmq_keys::Store;
use sealmq_keys::objects::VerifiedEnrolment;

/// What a new member may do in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantSpec {
    /// The group's name.
    pub group: String,
    /// Publish, subscribe, or both.
    pub access: Access,
    /// Narrows publishing; empty for the whole group. A level `%c` is the member's own name.
    pub publish_filter: String,
}

/// What a device is enrolled as.
pub(super) struct Admission {
    pub(super) name: String,
    /// Resolved, without places.
    pub(super) grants: Vec<GrantRecord>,
    /// Seconds that its credentials are valid.
    pub(super) validity: u64,
}

/// The answer to an enrolment request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The new member's number.
    pub number: MemberNumber,
    /// Its name.
    pub name: String,
    /// Content of the credential file for the device (spec/keys.md §11).
    pub credential_file: String,
}

/// A member as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Its number, never reused.
    pub number: MemberNumber,
    /// Its name.
    pub name: String,
    /// Its Ed25519 key.
    pub key: [u8; 32],
    /// End of its credential, Unix seconds.
    pub not_after: u64,
    /// What it may do, by group name.
    pub grants: Vec<GrantSpec>,
    /// When it was removed, Unix seconds.
    pub removed_at: Option<u64>,
    /// What others say of it: two devices use its identity.
    pub two_devices: Option<TwoDevices>,
}

impl Authority {
    /// All members ever enrolled, removed ones included, by number.
    pub fn members(&self) -> impl Iterator<Item = MemberInfo> + '_ {
        self.members.values().map(|member| MemberInfo {
            number: member.number,
            name: member.name.clone(),
            key: member.key,
            not_after: member.not_after,
            grants: self.named_grants(&member.grants),
            removed_at: member.removed_at,
            two_devices: self.two_devices(member),
        })
    }

    /// Grants with the names of their groups.
    pub(super) fn named_grants(&self, grants: &[GrantRecord]) -> Vec<GrantSpec> {
        let name = |grant: &GrantRecord| self.groups.get(&grant.group).map(|g| g.name.clone());
        let named = grants.iter().map(|grant| GrantSpec {
            group: name(grant).unwrap_or_default(),
            access: grant.access,
            publish_filter: grant.publish_filter.clone(),
        });
        named.collect()
    }

    /// Enrols a device: checks its request, gives it a number, a credential and, for each group, a
    /// leaf and a welcome. The welcomes are for the next epoch, which the next
    /// [`Authority::tick`] starts: a joiner reads nothing from before (spec/keys.md §6).
    ///
    /// # Errors
    /// A bad request or one that was made for a token, a name or key in use, or grants that make no sense; nothing was changed.
    pub fn enrol(
        &mut self,
        request: &[u8],
        grants: &[GrantSpec],
        valid_seconds: u64,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(Enrolled, Plan), AuthorityError> {
        self.check_usable()?;
        self.attempt(|this| {
            let verified =
                VerifiedEnrolment::verify(request, this.delegation.suite(), &this.domain.domain)
                    .map_err(AuthorityError::Request)?;
            if verified.token().is_some() {
                return Err(AuthorityError::RequestForToken);
            }
            let admission = Admission {
                name: verified.fields().name.into(),
                grants: this.resolve_grants(grants)?,
                validity: valid_seconds,
            };
            let drawn = &mut this.draws(this.delegation.serial(), now, rng);
            let (enrolled, plan) = this.admit(&verified, admission, now, drawn)?;
            Ok((enrolled, this.settle_drawn(plan, drawn, now)?))
        })
    }

    /// Enrols a device whose request was verified. What it returns has not been settled.
    ///
    /// # Errors
    /// As [`Authority::enrol`]; nothing was changed.
    pub(super) fn admit(
        &mut self,
        verified: &VerifiedEnrolment<'_>,
        admission: Admission,
        now: u64,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(Enrolled, Plan), AuthorityError> {
        let Admission {
            name,
            grants,
            validity,
        } = admission;
        if !self.delegation.is_valid_at(now, 0) {
            return Err(AuthorityError::DelegationExpired);
        }
        let fields = verified.fields();
        if name.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AuthorityError::NumericName);
        }
        if self.index.by_name(&name).is_some() {
            return Err(AuthorityError::MemberExists(name));
        }
        if let Some(known) = self.index.by_key(&fields.key) {
            return Err(AuthorityError::KeyEnrolled(known));
        }
        let packages: Vec<PackageRecord> = verified
            .packages()
            .filter(|(_, package)| package.not_after() >= now)
            .map(|(_, package)| PackageRecord::of(&package))
            .collect();
        let leaves = grants
            .iter()
            .map(|grant| self.free_leaf(&grant.group, grant.access, rng))
            .collect::<Result<Vec<u32>, _>>()?;
        if packages.len() < grants.len() {
            return Err(AuthorityError::Packages {
                needed: grants.len(),
            });
        }
        let number = MemberNumber(self.domain.next_member);
        if !number.is_valid() {
            return Err(AuthorityError::NumbersUsedUp);
        }

        let mut member = MemberRecord {
            number,
            name,
            key: fields.key,
            request: *verified.hash(),
            credential_serial: 1,
            issued_at: now,
            not_after: now.saturating_add(validity),
            latest_expiry: now.saturating_add(validity),
            validity,
            grants,
            last_package: packages.last().map_or(0, |package| package.number),
            packages,
            removed_at: None,
        };
        let mut plan = Plan::default();
        let credential = self.credential(&member)?;
        let topic = ReservedTopic::Credential(number).name(&self.domain.prefix);
        plan.publish(Publication::retained(topic, credential.clone()));
        self.issue_welcomes(&mut member, &leaves, now, &mut plan, rng)?;
        let credential_file = sealmq_keys::objects::encode_credential_file(
            &self.domain.root_key,
            &self.domain.prefix,
            &self.domain.delegation,
            &credential,
        )
        .map_err(|_| AuthorityError::Record)?;

        // From here on nothing can fail but the store.
        let domain = self.domain.change();
        domain.next_member = domain.next_member.saturating_add(1);
        record::put(&mut plan.changes, DOMAIN_KEY.into(), domain)?;
        record::put(&mut plan.changes, member.key(), &member)?;
        for grant in &member.grants {
            if let Some(group) = self.groups.get_mut(&grant.group) {
                group.joins_since.get_or_insert(now);
                record::put(&mut plan.changes, group.key(), group)?;
            }
        }
        plan.decisions.push(Decision::Enrolled {
            member: number,
            key: member.key,
            name: member.name.clone(),
        });
        plan.events.push(AuthorityEvent::Enrolled {
            member: number,
            name: member.name.clone(),
        });
        let enrolled = Enrolled {
            number,
            name: member.name.clone(),
            credential_file,
        };
        self.index.add(&member);
        self.members.insert(number, member);
        Ok((enrolled, plan))
    }

    /// A new credential with the next serial for a member, before the old one expires. Number, key
    /// and grants stay; the device takes it from its reserved topic by itself.
    ///
    /// # Errors
    /// No such member, or its serials are used up.
    pub fn renew(
        &mut self,
        member: MemberNumber,
        valid_seconds: u64,
        now: u64,
    ) -> Result<Plan, AuthorityError> {
        self.check_usable()?;
        self.attempt(|this| {
            if !this.delegation.is_valid_at(now, 0) {
                return Err(AuthorityError::DelegationExpired);
            }
            this.active(member)?;
            let missing = || AuthorityError::NoSuchMember(format!("{member}"));
            let mut record = this.members.remove(&member).ok_or_else(missing)?;
            this.index.take_out(&record);
            let result = this.renew_record(&mut record, valid_seconds, now);
            this.index.add(&record);
            this.members.insert(member, record);
            this.settle(result?, now)
        })
    }

    pub(super) fn renew_record(
        &self,
        record: &mut MemberRecord,
        valid_seconds: u64,
        now: u64,
    ) -> Result<Plan, AuthorityError> {
        // The highest serial stands for "removed" in refused lists.
        let next = record.credential_serial.checked_add(1);
        record.credential_serial = next
            .filter(|serial| *serial < u32::MAX)
            .ok_or(AuthorityError::NumbersUsedUp)?;
        record.issued_at = now;
        record.validity = valid_seconds;
        record.not_after = now.saturating_add(valid_seconds);
        record.latest_expiry = record.latest_expiry.max(record.not_after);
        let mut plan = Plan::default();
        let topic = ReservedTopic::Credential(record.number).name(&self.domain.prefix);
        plan.publish(Publication::retained(topic, self.credential(record)?));
        record::put(&mut plan.changes, record.key(), record)?;
        plan.events.push(AuthorityEvent::Renewed {
            member: record.number,
            name: record.name.clone(),
            serial: record.credential_serial,
        });
        Ok(plan)
    }

    pub(super) fn active(&self, member: MemberNumber) -> Result<&MemberRecord, AuthorityError> {
        self.members
            .get(&member)
            .filter(|m| m.removed_at.is_none())
            .ok_or_else(|| AuthorityError::NoSuchMember(format!("{member}")))
    }

    /// The number of an active member, by its name or decimal number.
    ///
    /// # Errors
    /// No such member, or it was removed.
    pub fn find_member(&self, name: &str) -> Result<MemberNumber, AuthorityError> {
        if let Some(member) = self.index.by_name(name) {
            return Ok(member);
        }
        let number = name.parse().ok().map(MemberNumber);
        let by_number = number.and_then(|number| self.members.get(&number));
        // Names are free again, so the last one that had it counts.
        let mut latest_first = self.members.values().rev();
        let found = by_number.or_else(|| latest_first.find(|member| member.name == name));
        let found = found.ok_or_else(|| AuthorityError::NoSuchMember(name.into()))?;
        match found.removed_at {
            None => Ok(found.number),
            Some(_) => Err(AuthorityError::RemovedMember {
                number: found.number,
                name: found.name.clone(),
            }),
        }
    }

    /// Content of the credential file for a member, as [`Authority::enrol`] returned it, with its
    /// newest credential and the current delegation.
    ///
    /// # Errors
    /// No such member, it was removed, the delegation is from an earlier version, or the store
    /// cannot be read.
    pub fn credential_file<S: Store>(
        &self,
        store: &S,
        member: MemberNumber,
    ) -> Result<String, LoadError<S::Error>> {
        self.check_delegation().map_err(LoadError::Authority)?;
        let record = self.active(member).map_err(LoadError::Authority)?;
        let topic = ReservedTopic::Credential(record.number).name(&self.domain.prefix);
        let stands = store
            .get(&format!("{OUTBOX_PREFIX}{topic}"))
            .map_err(LoadError::Store)?;
        let credential = stands.ok_or(LoadError::Authority(AuthorityError::Record))?;
        sealmq_keys::objects::encode_credential_file(
            &self.domain.root_key,
            &self.domain.prefix,
            &self.domain.delegation,
            &credential,
        )
        .map_err(|_| LoadError::Authority(AuthorityError::Record))
    }

    pub(super) fn resolve_grants(
        &self,
        specs: &[GrantSpec],
    ) -> Result<Vec<GrantRecord>, AuthorityError> {
        let why = |text: &str| AuthorityError::Grant(text.into());
        if specs.is_empty() || specs.len() > MAX_GRANTS {
            return Err(why("a member needs 1 to 64 groups"));
        }
        let mut grants = Vec::with_capacity(specs.len());
        let mut seen = BTreeSet::new();
        for spec in specs {
            let group = self.group_by_name(&spec.group)?;
            if !seen.insert(group) {
                return Err(why("the same group twice"));
            }
            if !spec.publish_filter.is_empty() {
                if !spec.access.may_publish() {
                    return Err(why(
                        "a filter narrows publishing only; reading always covers the whole group, because every reader holds its key",
                    ));
                }
                Filter::new(&spec.publish_filter)
                    .map_err(|_| AuthorityError::Filter(spec.publish_filter.clone()))?;
            }
            grants.push(GrantRecord {
                group,
                access: spec.access,
                publish_filter: spec.publish_filter.clone(),
                places: Vec::new(),
                since: 0,
                fresh_for: 0,
                fresh_above: 0,
            });
        }
        grants.sort_by_key(|grant| grant.group);
        Ok(grants)
    }

    pub(super) fn credential(&self, member: &MemberRecord) -> Result<Vec<u8>, AuthorityError> {
        let mut list = vec![0; MAX_CREDENTIAL_LEN];
        let grants: Vec<Grant<'_>> = member
            .grants
            .iter()
            .map(|g| Grant {
                group: g.group,
                access: g.access,
                publish_filter: &g.publish_filter,
            })
            .collect();
        let too_large =
            |_| AuthorityError::Grant("the filters are too long for one credential".into());
        let (signer, key) = self.signer(Role::Issue)?;
        let fields = Credential {
            domain: self.domain.domain,
            serial: self.delegation.serial(),
            signer,
            member: member.number,
            credential_serial: member.credential_serial,
            name: &member.name,
            key: member.key,
            request: member.request,
            issued_at: member.issued_at,
            not_after: member.not_after,
            grants: List::encode(&grants, &mut list).map_err(too_large)?,
        };
        let mut buffer = vec![0; MAX_CREDENTIAL_LEN];
        let (object, _) = sign_object(Kind::Credential, &fields, key, &mut buffer)?;
        Ok(object.to_vec())
    }
}
