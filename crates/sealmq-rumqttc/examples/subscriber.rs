//! Prints what arrives, and who sent it: subscriber STORE KEYFILE HOST PORT FILTER [COUNT]
use std::{env, error::Error, path::Path, process};

use rumqttc::v5::{MqttOptions, mqttbytes::QoS};
use sealmq_rumqttc::{AsyncClient, Event};
use sealmq_store::{StoreRole, Unlock, Vault};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [store, key_file, host, port, filter, count @ ..] = &args[..] else {
        return Err("usage: subscriber STORE KEYFILE HOST PORT FILTER [COUNT]".into());
    };
    let mut left: u64 = count.first().map_or(Ok(u64::MAX), |count| count.parse())?;
    // The store of a member that the authority enrolled: `sealmq member request`, then `install`.
    let unlock = Unlock::KeyFile(key_file.into());
    let vault = Vault::unlock(Path::new(store), StoreRole::Member, &unlock)?;
    let mqtt = MqttOptions::new(format!("subscriber-{}", process::id()), host, port.parse()?);
    let (client, mut eventloop) = AsyncClient::new(mqtt, vault.open()?, 100)?;
    client.subscribe(filter, QoS::AtLeastOnce).await?;
    while left > 0 {
        match eventloop.poll().await {
            Ok(Event::Message(m)) => {
                let text = String::from_utf8_lossy(&m.payload);
                println!("{} [{} epoch {}] {text}", m.topic, m.sender_name, m.epoch);
                left = left.saturating_sub(1);
            }
            Ok(Event::Rejected { topic, reason }) => eprintln!("{topic:?}: rejected: {reason}"),
            Ok(event) => eprintln!("{event:?}"),
            Err(error) if error.is_temporary() => eprintln!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
    client.disconnect().await?;
    Ok(())
}
