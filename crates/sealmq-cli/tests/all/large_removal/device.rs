//! A device with 32 KiB of memory for following its group: what it keeps is one value of known
//! size, and whatever it looks at has to fit into its buffers.

use sealmq_core::crypto::{IdentityKey, KemKeyPair, Secret, SessionPsk};
use sealmq_core::object::List;
use sealmq_core::open::{
    DecapsulationLimit, DeviceReceiver, Directory, Epochs, ReadPolicy, ReadingEpoch, Rejection,
    Request, Sender, SenderQuery,
};
use sealmq_core::topic::Topic;
use sealmq_core::wire::Suite;
use sealmq_core::{CredentialOrder, KeyId, VerifiedCredential};
use sealmq_keys::group::{Chunk, FollowContext, FollowError, GroupState, MAX_STATE_LEN};
use sealmq_keys::objects::{
    EnrolmentRequest, KEM_X25519, KeyPackage, Lowest, MAX_CHUNK_LEN, RefusedList, UNKNOWN_DOMAIN,
    VerifiedDelegation, VerifiedWelcome,
};

/// What the issue allows. A quarter of it is left to the stack.
const RAM: usize = 32 * 1024;
const STACK: usize = RAM / 4;
const _: () = assert!(size_of::<SmallDevice>() <= RAM - STACK);

/// Room for one retained object.
struct Buffer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Buffer<N> {
    const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    #[track_caller]
    fn fill(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= N, "{} bytes do not fit in {N}", bytes.len());
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.len = bytes.len();
    }

    fn get(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

pub(crate) struct SmallDevice {
    delegation: VerifiedDelegation,
    state: GroupState,
    psk: SessionPsk,
    /// The one sender that it listens to.
    sender: Option<Sender>,
    receiver: DeviceReceiver<2, 2, 1>,
    announcement: Buffer<3072>,
    /// The chunk, then the state as it goes to the flash, then the refused list.
    second: Buffer<MAX_CHUNK_LEN>,
    message: Buffer<512>,
}

/// The keys of a device, before it is a member.
pub(crate) struct NewDevice {
    identity: IdentityKey,
    init: Secret,
}

impl NewDevice {
    pub(crate) fn new() -> Self {
        let secret = || Secret::init_with(|out| getrandom::fill(out).unwrap());
        Self {
            identity: IdentityKey::from_seed(&secret()),
            init: secret(),
        }
    }

    /// Its enrolment request, made without an allocator.
    pub(crate) fn request<'o>(&self, name: &str, now: u64, out: &'o mut [u8]) -> &'o [u8] {
        let package = KeyPackage {
            domain: UNKNOWN_DOMAIN,
            identity: *self.identity.verifying_key().as_bytes(),
            number: 1,
            kem: KEM_X25519,
            init_key: &KemKeyPair::derive(&self.init).public().0,
            issued_at: now,
            not_after: now + 86_400,
        };
        let mut buffer = [0; 256];
        let (package, _) = package.sign(&self.identity, &mut buffer).unwrap();
        let mut list = [0; 300];
        let request = EnrolmentRequest {
            domain: UNKNOWN_DOMAIN,
            token: [0; 8],
            name,
            key: *self.identity.verifying_key().as_bytes(),
            issued_at: now,
            packages: List::encode(&[package], &mut list).unwrap(),
        };
        request.sign(Suite::One, &self.identity, out).unwrap().0
    }

    pub(crate) fn install(&self, delegation: VerifiedDelegation, welcome: &[u8]) -> SmallDevice {
        let verified = VerifiedWelcome::verify(welcome, &delegation).unwrap();
        let init = KemKeyPair::derive(&self.init);
        SmallDevice {
            state: GroupState::install(verified.open(&init.into()).unwrap()),
            delegation,
            psk: SessionPsk::derive(&Secret::new([0; 32])),
            sender: None,
            receiver: DeviceReceiver::on_device(DecapsulationLimit::default()),
            announcement: Buffer::EMPTY,
            second: Buffer::EMPTY,
            message: Buffer::EMPTY,
        }
    }
}

impl SmallDevice {
    /// Takes an announcement; the number of the chunk that it needs as well, if it does.
    pub(crate) fn announced(&mut self, bytes: &[u8], prefix: &str, now: u64) -> Option<u32> {
        self.announcement.fill(bytes);
        match self.follow(false, prefix, now) {
            Ok(()) => None,
            Err(FollowError::NeedsChunk { chunk, .. }) => Some(chunk.number),
            Err(error) => panic!("{error}"),
        }
    }

    /// Takes that chunk.
    pub(crate) fn chunk(&mut self, bytes: &[u8], prefix: &str, now: u64) {
        self.second.fill(bytes);
        self.follow(true, prefix, now).unwrap();
    }

    fn follow(&mut self, with_chunk: bool, prefix: &str, now: u64) -> Result<(), FollowError> {
        let context = FollowContext {
            authorities: &self.delegation,
            prefix,
            now: Some(now),
            referenced: None,
            chunk: with_chunk.then(|| Chunk::Bytes(self.second.get())),
        };
        self.state.follow(self.announcement.get(), &context)?;
        let stored = &mut self.second.bytes[..MAX_STATE_LEN];
        self.state.encode(stored).unwrap();
        self.psk = self.state.current().unwrap().psk().session();
        if self.state.refused().is_none() {
            self.judge(Some(0));
        } else {
            // Nobody is read before the list has come.
            self.judge(None);
        }
        Ok(())
    }

    /// Takes the refused list that the announcement names.
    pub(crate) fn refused(&mut self, bytes: &[u8]) {
        self.second.fill(bytes);
        let named = self.state.refused().unwrap();
        let (domain, group) = (self.state.domain(), self.state.group());
        let list = RefusedList::named(self.second.get(), domain, group, named).unwrap();
        let member = self.sender.as_ref().unwrap().member;
        let Lowest::Serial(lowest) = list.lowest_serial(member) else {
            panic!("a short list has its records in it");
        };
        self.judge(Some(lowest));
    }

    fn judge(&mut self, lowest_serial: Option<u32>) {
        if let Some(sender) = &mut self.sender {
            sender.lowest_serial = lowest_serial;
        }
    }

    /// Takes the credential of the sender that it listens to.
    pub(crate) fn credential(&mut self, bytes: &[u8]) {
        let credential = VerifiedCredential::verify(bytes, &self.delegation).unwrap();
        let fields = credential.fields();
        let grant = fields.grant(self.state.group()).unwrap();
        self.sender = Some(Sender {
            member: fields.member,
            key: *credential.key(),
            credential_hash: *credential.hash(),
            delegation: fields.serial,
            serial: fields.credential_serial,
            issued_at: fields.issued_at,
            not_after: fields.not_after,
            may_publish: grant.access.may_publish() && grant.publish_filter.is_empty(),
            lowest_serial: Some(0),
        });
    }

    /// Opens a message: its epoch and its payload.
    pub(crate) fn open(
        &mut self,
        topic: &str,
        envelope: &[u8],
        now: u64,
    ) -> Result<(u64, String), Rejection> {
        self.message.fill(envelope);
        let known = Known {
            state: &self.state,
            psk: &self.psk,
            sender: self.sender,
        };
        let request = Request {
            now: Some(now * 1000),
            ..Request::new(Topic::new(topic).unwrap())
        };
        let buffer = &mut self.message.bytes[..self.message.len];
        let opened = self.receiver.open(&request, &known, &known, buffer)?;
        let payload = String::from_utf8(opened.payload().to_vec()).unwrap();
        Ok((opened.epoch(), payload))
    }
}

struct Known<'a> {
    state: &'a GroupState,
    psk: &'a SessionPsk,
    sender: Option<Sender>,
}

impl Epochs for Known<'_> {
    fn find(&self, key_id: &KeyId) -> Option<ReadingEpoch<'_>> {
        // Its psk is that of the newest epoch.
        let view = self.state.by_key_id(key_id)?;
        if view.epoch != self.state.current_epoch() {
            return None;
        }
        let policy = self.state.policy()?;
        Some(ReadingEpoch {
            for_state: false,
            group: *self.state.group(),
            epoch: view.epoch,
            announcement: *view.hash,
            suite: Suite::One,
            key_pair: view.key_pair?,
            psk: self.psk,
            not_after: view.good_until,
            policy: ReadPolicy {
                skew: policy.skew,
                grace: policy.grace,
                freshness: policy.freshness,
                will_age: policy.will_age,
            },
        })
    }
}

impl Directory for Known<'_> {
    fn sender(&self, query: &SenderQuery<'_>) -> Option<Sender> {
        let mut sender = self.sender.filter(|sender| sender.member == query.member)?;
        sender.may_publish &= self.state.covers_topic(query.topic);
        Some(sender)
    }

    fn admit(&self, _: &SenderQuery<'_>, _: &[u8], _: Option<CredentialOrder>) -> Option<Sender> {
        None
    }

    fn admit_older(&self, _: &SenderQuery<'_>, _: &[u8]) -> Option<Sender> {
        None
    }
}
