//! With two providers rustls has no default and panics wherever a configuration does not name one.
//! Here rumqttc is asked for TLS in the way that its documentation shows.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use getrandom::SysRng;
use rumqttc::Transport;
use rumqttc::v5::MqttOptions;
use sealmq_authority::{Authority, GrantSpec, NewGroup};
use sealmq_core::object::Access;
use sealmq_keys::Store as _;
use sealmq_keys::member::Member;
use sealmq_keys::objects::decode_request;
use sealmq_rumqttc::{AsyncClient, PollError};
use sealmq_store::MemoryStore;

/// Of an authority that nobody has the key of.
const AUTHORITY: &str = include_str!("authority.pem");

fn member() -> Result<MemoryStore, Box<dyn Error>> {
    let (mut rng, now) = (
        SysRng,
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    );
    let new = Authority::create(None, 86_400, now, &mut rng)?;
    let mut authority = new.authority;
    let _plan = authority.add_group(&NewGroup::new("plant", ["plant/#"]), now, &mut rng)?;
    let mut store = MemoryStore::new();
    let (changes, request) = Member::request(&store, "app", 2, Some(now * 1000), &mut rng)?;
    store.commit(&changes)?;
    let grant = GrantSpec {
        group: "plant".into(),
        access: Access::BOTH,
        publish_filter: String::new(),
    };
    let request = decode_request(&request)?;
    let (enrolled, _) = authority.enrol(&request, &[grant], 86_400, now, &mut rng)?;
    let (changes, _) = Member::enrol(&store, &enrolled.credential_file, Some(now * 1000))?;
    store.commit(&changes)?;
    Ok(store)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // There really are two: without a name there is no default.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let nameless = std::panic::catch_unwind(rumqttc::tokio_rustls::rustls::ClientConfig::builder);
    std::panic::set_hook(hook);
    assert!(nameless.is_err(), "only one provider: this tests nothing");

    // It accepts, and closes.
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });

    let mut options = MqttOptions::new("app", "127.0.0.1", port);
    options.set_transport(Transport::tls(AUTHORITY.into(), None, None));
    let (_client, mut events) = AsyncClient::new(options, member()?, 10)?;
    let said = tokio::time::timeout(Duration::from_secs(10), events.poll()).await?;
    match said {
        Err(PollError::Connection(error)) => println!("no panic: {error}"),
        other => return Err(format!("{other:?}").into()),
    }
    Ok(())
}
