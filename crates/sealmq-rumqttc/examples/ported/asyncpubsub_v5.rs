use rumqttc::v5::mqttbytes::QoS;
use tokio::{task, time};

use rumqttc::v5::MqttOptions;
use sealmq_rumqttc::v5::AsyncClient;
use sealmq_rumqttc::SealOptions;
use std::error::Error;
use std::time::Duration;

use super::device;

#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let mut mqttoptions = MqttOptions::new("test-1", device::host(), device::port());
    mqttoptions.set_keep_alive(Duration::from_secs(5));

    let options = SealOptions::new().capacity(10).wait_for_keys(Duration::from_secs(30));
    let (client, mut eventloop) =
        AsyncClient::with_options(mqttoptions, device::store()?, options)?;
    task::spawn(async move {
        requests(client).await;
        time::sleep(Duration::from_secs(3)).await;
    });

    loop {
        let event = eventloop.poll().await;
        match &event {
            Ok(v) => {
                println!("Event = {v:?}");
            }
            Err(e) => {
                println!("Error = {e:?}");
                return Ok(());
            }
        }
    }
}

async fn requests(client: AsyncClient) {
    client
        .subscribe("hello/world", QoS::AtMostOnce)
        .await
        .unwrap();

    for i in 1..=10 {
        client
            .publish("hello/world", QoS::ExactlyOnce, false, vec![1; i])
            .await
            .unwrap();

        time::sleep(Duration::from_secs(1)).await;
    }

    time::sleep(Duration::from_secs(120)).await;
}
