//! Seals each line of standard input: publisher STORE KEYFILE HOST PORT TOPIC
use std::{env, error::Error, io, path::Path, process, time::Duration};

use rumqttc::v5::{MqttOptions, mqttbytes::QoS};
use sealmq_rumqttc::{AsyncClient, SealOptions};
use sealmq_store::{StoreRole, Unlock, Vault};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [store, key_file, host, port, topic] = &args[..] else {
        return Err("usage: publisher STORE KEYFILE HOST PORT TOPIC".into());
    };
    // The store of a member that the authority enrolled: `sealmq member request`, then `install`.
    let unlock = Unlock::KeyFile(key_file.into());
    let vault = Vault::unlock(Path::new(store), StoreRole::Member, &unlock)?;
    let mqtt = MqttOptions::new(format!("publisher-{}", process::id()), host, port.parse()?);
    let options = SealOptions::new().wait_for_keys(Duration::from_secs(30));
    let (client, mut eventloop) = AsyncClient::with_options(mqtt, vault.open()?, options)?;

    // The event loop connects, follows the keys, and sends again what was not acknowledged.
    tokio::spawn(async move {
        loop {
            match eventloop.poll().await {
                Ok(event) => eprintln!("{event:?}"),
                Err(error) if error.is_temporary() => eprintln!("{error}"),
                Err(_) => break,
            }
        }
    });
    for line in io::stdin().lines() {
        client
            .publish(topic, QoS::AtLeastOnce, false, line?)
            .await?;
    }
    client.flush().await?;
    client.disconnect().await?;
    Ok(())
}
