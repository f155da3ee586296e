//! The group, senders and reader of the vectors about opening.

use sealmq_core::object::Access;

use crate::vectors::craft::Draft;
use crate::vectors::group::{Epoch, Group};
use crate::vectors::prelude::*;

/// Seconds until the newest announcement's not_after.
pub(crate) const VALIDITY: u64 = WEEK - 600;

/// How many seconds ago the newest announcement was issued.
pub(crate) const ISSUED_BEFORE: u64 = 597;

pub(crate) struct Scene {
    pub(crate) group: Group,
}

impl Scene {
    /// Three epochs; the reader's window holds the last two. The first two are kept epochs.
    pub(crate) fn new() -> Self {
        let mut group = Group::new("envelopes", 4);
        group.remove(&[]);
        group.remove(&[18]);
        group.rotate();
        Self { group }
    }

    /// The newest epoch.
    pub(crate) fn epoch(&self) -> &Epoch {
        self.group.epoch(3)
    }

    /// The plain message of member 7.
    pub(crate) fn sent(&self) -> Draft {
        Draft::new(self.epoch(), &sensor(), "a")
    }

    /// One of another sender.
    pub(crate) fn sent_by(&self, sender: &CredentialPlan) -> Draft {
        Draft::new(self.epoch(), sender, "a")
    }

    /// A message in another session of member 7; later ones have higher numbers.
    pub(crate) fn in_session(&self, session: u64) -> Draft {
        let draft = Draft::new(self.epoch(), &sensor(), &format!("number {session}"));
        draft.change(|d| d.message.number = session)
    }

    /// The newest kept epoch.
    pub(crate) fn kept_epoch(&self) -> &Epoch {
        self.group.epoch(2)
    }

    /// A retained value of member 7.
    pub(crate) fn value(&self) -> Draft {
        self.value_by(&sensor())
    }

    /// One of another sender.
    pub(crate) fn value_by(&self, sender: &CredentialPlan) -> Draft {
        Draft::value(self.kept_epoch(), sender, "a")
    }

    /// A retained value in another session for state of member 7.
    pub(crate) fn value_in(&self, session: u64) -> Draft {
        let draft = Draft::value(self.kept_epoch(), &sensor(), &format!("number {session}"));
        draft.change(|d| d.message.number = session)
    }

    /// A will of member 7 that is to be retained, for the connection with this number.
    pub(crate) fn will(&self, number: u64) -> Draft {
        let draft = Draft::value(self.kept_epoch(), &sensor(), &format!("will {number}"));
        draft.change(|d| (d.message.will, d.message.number) = (true, number))
    }

    /// A reader with the credentials of members 7, 8 and 9.
    pub(crate) fn reader(&self) -> Json {
        let epoch = |number: u64| {
            let epoch = self.group.epoch(number);
            object! { epoch: number, hash: epoch.hash, reader_secret: *epoch.reader.secret().expose() }
        };
        let kept = |number: u64| {
            let epoch = self.group.epoch(number);
            let (secret, psk) = (epoch.reader.kept(), epoch.reader.psk().kept());
            object! {
                kept: epoch.hash, kept_secret: *secret.secret().expose(),
                kept_psk: *psk.secret().expose(),
            }
        };
        let credentials = [sensor(), insider(), gateway()].map(|plan| Json::hex(plan.object()));
        object! {
            authority: authority_json(&authority(1)),
            group: plant().0,
            filters: vec!["plant/#", "shared/+/status"],
            policy: policy(0, WEEK),
            issued_at: NOW - ISSUED_BEFORE,
            not_after: NOW + VALIDITY,
            epochs: Json::Array(vec![epoch(2), epoch(3)]),
            kept: Json::Array(vec![kept(1), kept(2)]),
            credentials: Json::Array(credentials.to_vec()),
            number: 1_u8,
        }
    }

    pub(crate) fn fixtures(&self, file: &mut VectorFile) {
        let credentials = [sensor(), insider(), gateway(), renewed()].map(|plan| plan.object());
        let names = ["sensor-7", "insider-8", "gateway-9", "sensor-7-serial-2"];
        for (name, credential) in names.iter().zip(credentials) {
            file.fixture(format!("credential-{name}"), Json::hex(credential));
        }
        file.fixture("authority", authority_json(&authority(1)));
        file.fixture("reader", self.reader());
        file.fixture("plain", Json::hex(self.sent().envelope()));
        file.fixture("value", Json::hex(self.value().envelope()));
    }
}

/// Member 9 may publish below its own name only.
pub(crate) fn gateway() -> CredentialPlan {
    CredentialPlan {
        member: 9,
        name: "gateway-9",
        access: Access::PUBLISH,
        publish_filter: "plant/%c/#",
        ..sensor()
    }
}

/// Member 7 with the next credential.
pub(crate) fn renewed() -> CredentialPlan {
    CredentialPlan {
        serial: 2,
        ..sensor()
    }
}

/// The reader's policy; skew and grace as by default.
pub(crate) fn policy(freshness: u64, will_age: u64) -> Json {
    object! { grace: 3600_u16, freshness: freshness, skew: 300_u16, will_age: will_age }
}
