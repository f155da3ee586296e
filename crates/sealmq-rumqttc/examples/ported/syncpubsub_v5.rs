use rumqttc::v5::mqttbytes::{v5::LastWill, QoS};
use rumqttc::v5::{ConnectionError, MqttOptions};
use sealmq_rumqttc::v5::{Client, PollError};
use sealmq_rumqttc::SealOptions;
use std::thread;
use std::time::Duration;

use super::device;

pub fn main() {
    let mut mqttoptions = MqttOptions::new("test-1", device::host(), device::port());
    let will = LastWill::new("hello/world", "good bye", QoS::AtMostOnce, false, None);
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
            Err(PollError::Connection(ConnectionError::Io(error)))
                if error.kind() == std::io::ErrorKind::ConnectionRefused =>
            {
                println!("Failed to connect to the server. Make sure correct client is configured properly!\nError: {error:?}");
                return;
            }
            _ => {}
        }
        println!("{i}. Notification = {notification:?}");
    }

    println!("Done with the stream!!");
}

fn publish(client: Client) {
    client.subscribe("hello/+/world", QoS::AtMostOnce).unwrap();
    for i in 0..10_usize {
        let payload = vec![1; i];
        let topic = format!("hello/{i}/world");
        let qos = QoS::AtLeastOnce;

        let _ = client.publish(topic, qos, true, payload);
    }

    thread::sleep(Duration::from_secs(1));
}
