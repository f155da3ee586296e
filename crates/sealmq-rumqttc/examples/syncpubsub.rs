//! rumqttc's example of this name, sealed: syncpubsub STORE KEYFILE HOST PORT
use rumqttc::{LastWill, MqttOptions, QoS};
use sealmq_rumqttc::SealOptions;
use sealmq_rumqttc::v4::Client;
use sealmq_store::{StoreRole, Unlock, Vault};
use std::{env, error::Error, path::Path, thread, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [store, key_file, host, port] = &args[..] else {
        return Err("usage: syncpubsub STORE KEYFILE HOST PORT".into());
    };
    let mut mqttoptions = MqttOptions::new("test-1", host, port.parse()?);
    let will = LastWill::new("hello/world", "good bye", QoS::AtMostOnce, false);
    mqttoptions.set_keep_alive(Duration::from_secs(5));
    let options = SealOptions::new()
        .last_will(will)
        .wait_for_keys(Duration::from_secs(30));

    let unlock = Unlock::KeyFile(key_file.into());
    let vault = Vault::unlock(Path::new(store), StoreRole::Member, &unlock)?;
    let (client, mut connection) = Client::with_options(mqttoptions, vault.open()?, options)?;
    thread::spawn(move || publish(client));

    for (i, notification) in connection.iter().enumerate() {
        match notification {
            Ok(notif) => println!("{i}. Notification = {notif:?}"),
            Err(error) => println!("{i}. Notification = {error:?}"),
        }
    }

    println!("Done with the stream!!");
    Ok(())
}

fn publish(client: Client) {
    let subscribed = client.subscribe("hello/+/world", QoS::AtMostOnce);
    println!("Subscribe = {subscribed:?}");
    for i in 0..10_usize {
        let topic = format!("hello/{i}/world");
        let published = client.publish(topic, QoS::AtLeastOnce, true, vec![1; i.saturating_add(1)]);
        println!("Publish = {published:?}");
    }
    let _all = client.flush(Duration::from_secs(30));
    let _over = client.disconnect();
}
