//! rumqttc's example of this name, sealed: asyncpubsub STORE KEYFILE HOST PORT
use rumqttc::{MqttOptions, QoS};
use sealmq_rumqttc::v4::AsyncClient;
use sealmq_store::{StoreRole, Unlock, Vault};
use std::{env, error::Error, path::Path, time::Duration};
use tokio::{task, time};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [store, key_file, host, port] = &args[..] else {
        return Err("usage: asyncpubsub STORE KEYFILE HOST PORT".into());
    };
    let mut mqttoptions = MqttOptions::new("test-1", host, port.parse()?);
    mqttoptions.set_keep_alive(Duration::from_secs(5));

    let unlock = Unlock::KeyFile(key_file.into());
    let vault = Vault::unlock(Path::new(store), StoreRole::Member, &unlock)?;
    let (client, mut eventloop) = AsyncClient::new(mqttoptions, vault.open()?, 10)?;
    task::spawn(async move {
        requests(client).await;
    });

    loop {
        let event = eventloop.poll().await;
        match &event {
            Ok(v) => println!("Event = {v:?}"),
            Err(e) => {
                println!("Error = {e:?}");
                return Ok(());
            }
        }
    }
}

async fn requests(client: AsyncClient) {
    let subscribed = client.subscribe("hello/world", QoS::AtMostOnce).await;
    println!("Subscribe = {subscribed:?}");
    for i in 1..=10 {
        // Until the first keys have come, this is an error.
        let published = client
            .publish("hello/world", QoS::ExactlyOnce, false, vec![1; i])
            .await;
        println!("Publish = {published:?}");
        time::sleep(Duration::from_millis(100)).await;
    }
    let _last = client.flush().await;
    let _over = client.disconnect().await;
}
