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

    if let Ok(notification) = connection.recv() {
        println!("Notification = {notification:?}");
    }

    if let Ok(notification) = connection.try_recv() {
        println!("Notification = {notification:?}");
    }

    if let Ok(notification) = connection.recv_timeout(Duration::from_secs(10)) {
        println!("Notification = {notification:?}");
    }
}

fn publish(client: Client) {
    client.subscribe("hello/+/world", QoS::AtMostOnce).unwrap();
    for i in 0..3 {
        let payload = vec![1; i];
        let topic = format!("hello/{i}/world");
        let qos = QoS::AtLeastOnce;

        client.publish(topic, qos, true, payload).unwrap();
    }

    thread::sleep(Duration::from_secs(1));
}
