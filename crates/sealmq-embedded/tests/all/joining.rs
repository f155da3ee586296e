//! By token, over the broker, with a power cut between request and answer.

use sealmq_core::object::{Access, ObjectError};
use sealmq_embedded::flash::{FlashStore, SCRATCH_LEN};
use sealmq_embedded::{Answer, Clock, Joined, Joining, Sealing, StartError, Way};
use sealmq_keys::objects::{Policy, TokenFields};

use crate::net::{Flash, Net, Sensor};
use crate::stand_ins::TestRng;

const AT: Clock = Clock {
    now: None,
    uptime: Some(1),
};

#[test]
fn a_device_joins_by_token_and_goes_on_after_a_power_cut() {
    let mut net = Net::new(Policy {
        lease: 600,
        ..Policy::default()
    });
    let text = net.token("sensor-*", Access::BOTH);
    let mut buffer = [0; 512];
    let token = TokenFields::parse(&text, &mut buffer).unwrap();
    assert!(Way::by_token(&token, "pump-1").is_err());
    let way = Way::by_token(&token, "sensor-1").unwrap();
    let mut rng = TestRng(77_000, false);
    let flash = Flash::new(16);
    let region = flash.region();
    let mut store: FlashStore<Flash, 53> = FlashStore::open(flash, region, None).unwrap();
    let mut scratch = [0; SCRATCH_LEN];

    let mut joining = Joining::begin(&mut rng).unwrap();
    let [delegation, answer] = joining
        .subscriptions()
        .map(|filter| filter.under(token.prefix).to_string());
    let topic = joining.topic().name(token.prefix);
    let delegation = net.retained[&delegation].clone();
    let mut out = [0; 1536];
    let short = joining.ask(&way, &delegation, AT, &mut rng, &mut out[..700]);
    assert_eq!(short, Err(StartError::Object(ObjectError::TooLarge)));
    let len = joining
        .ask(&way, &delegation, AT, &mut rng, &mut out)
        .unwrap();
    store.save_joining(&joining, &mut scratch).unwrap();
    net.publish_bytes(&topic, &out[..len], true);
    drop(joining);

    // What the device asks after a start is the same request, and the answer fits.
    let mut kept = None;
    store.load_joining(&mut kept, &mut scratch).unwrap();
    let joining = kept.as_mut().unwrap();
    let mut again = [0; 1536];
    joining
        .ask(&way, &delegation, AT, &mut rng, &mut again)
        .unwrap();
    let answer = net.retained[&answer].clone();
    let read = joining.answer(&way, &delegation, AT, &answer);
    assert_eq!(read, Ok(Answer::Credential));
    let mut altered = answer.clone();
    altered[40] ^= 1;
    let joined = |credential| Joined {
        root_key: token.root_key.as_bytes(),
        prefix: token.prefix,
        delegation: &delegation,
        credential,
    };
    let mut place: Option<Sensor> = None;
    assert!(joining.accept(&mut place, joined(&altered), AT).is_err());
    assert!(place.is_none());
    joining.accept(&mut place, joined(&answer), AT).unwrap();
    let board = net.add_board(place.unwrap(), rng);
    let host = net.host("host", Access::BOTH);
    net.tick_authority();
    net.connect(board);
    let envelope = net
        .seal(board, &Sealing::event("plant/a"), b"21.5")
        .unwrap();
    net.deliver_host(host, "plant/a", &envelope, false);
    assert_eq!(net.hosts[host].inbox, [b"21.5"]);
}
