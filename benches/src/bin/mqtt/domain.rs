//! A domain with one sender and one reader, whose keys stand at the broker.

use std::path::Path;

use getrandom::SysRng;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event};
use sealmq_authority::{Authority, GrantSpec, NewGroup, Plan};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_keys::member::Member;
use sealmq_keys::objects::decode_request;
use sealmq_store::{MemoryStore, StoreRole, Unlock, Vault};

use crate::roles::{milliseconds, options};

const DAY: u64 = 86_400;

pub(crate) fn unlock(folder: &Path) -> Unlock {
    Unlock::KeyFile(folder.join("key"))
}

pub(crate) fn create(folder: &Path, address: &str) {
    sealmq_store::create_key_file(&folder.join("key")).unwrap();
    let now = milliseconds() / 1000;
    let mut store = MemoryStore::new();
    let new = Authority::create(None, 30 * DAY, now, &mut SysRng).unwrap();
    let mut authority = new.authority;
    let group = NewGroup::new("plant", ["plant/#"]);
    let mut publications = Vec::new();
    let mut carry_out = |plan: Plan| {
        store.commit(&plan.changes).unwrap();
        publications.extend(plan.publications);
    };
    carry_out(new.plan);
    carry_out(authority.add_group(&group, now, &mut SysRng).unwrap());
    for (name, access) in [
        ("publish", Access::PUBLISH),
        ("subscribe", Access::SUBSCRIBE),
    ] {
        let vault = Vault::create(&folder.join(name), StoreRole::Member, &unlock(folder)).unwrap();
        let mut store = vault.open().unwrap();
        let at = Some(milliseconds());
        let (changes, request) = Member::request(&store, name, 4, at, &mut SysRng).unwrap();
        store.commit(&changes).unwrap();
        let grants = [GrantSpec {
            group: "plant".to_owned(),
            access,
            publish_filter: String::new(),
        }];
        let request = decode_request(&request).unwrap();
        let (enrolled, plan) = authority
            .enrol(&request, &grants, DAY, now, &mut SysRng)
            .unwrap();
        carry_out(plan);
        let (changes, _) = Member::enrol(&store, &enrolled.credential_file, at).unwrap();
        store.commit(&changes).unwrap();
    }
    carry_out(authority.tick(now, &mut SysRng).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let (client, mut eventloop) = AsyncClient::new(options("authority", address), 100);
        let mut missing = publications.len();
        for publication in publications {
            let (topic, payload) = (publication.topic, publication.payload);
            client
                .publish(topic, QoS::AtLeastOnce, true, payload)
                .await
                .unwrap();
        }
        while missing > 0 {
            if let Event::Incoming(Packet::PubAck(_)) = eventloop.poll().await.unwrap() {
                missing -= 1;
            }
        }
    });
}
