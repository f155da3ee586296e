use rumqttc::{LastWill, MqttOptions, QoS};
use sealmq_rumqttc::v4::Client;
use sealmq_rumqttc::SealOptions;
use std::thread;
use std::time::Duration;

use super::device;

pub fn main() {
    let mut mqttoptions = MqttOptions::new("test-1", device::host(), device::port());
    let will = LastWill::new("hello/world", "good bye", QoS::AtMostOnce, false);
    mqttoptions.set_keep_alive(Duration::from_secs(5));

    let options = SealOptions::new()
        .capacity(10)
        .wait_for_keys(Duration::from_secs(30))
        .last_will(will);
    let (client, mut connection) =
        Client::with_options(mqttoptions, device::store().unwrap(), options).unwrap();
    thread::spawn(move || publish(client));

    for (i, notification) in connection.iter().enumerate() {
        match notification {
            Ok(notif) => {
                println!("{i}. Notification = {notif:?}");
            }
            Err(error) => {
                println!("{i}. Notification = {error:?}");
                return;
            }
        }
    }

    println!("Done with the stream!!");
}

fn publish(client: Client) {
    thread::sleep(Duration::from_secs(1));
    client.subscribe("hello/+/world", QoS::AtMostOnce).unwrap();
    for i in 0..10_usize {
        let payload = vec![1; i];
        let topic = format!("hello/{i}/world");
        let qos = QoS::AtLeastOnce;

        client.publish(topic, qos, true, payload).unwrap();
    }

    thread::sleep(Duration::from_secs(1));
}
