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

    while let Ok(event) = eventloop.poll().await {
        println!("{:?}", event);
    }

    Ok(())
}

async fn requests(client: AsyncClient) {
    client
        .subscribe("hello/world", QoS::AtMostOnce)
        .await
        .unwrap();

    client
        .subscribe("hello/#", QoS::AtMostOnce)
        .await
        .unwrap();

    time::sleep(Duration::from_millis(500)).await;
    // we will receive two publishes
    // one due to hello/world and other due to hello/#
    // both will have respective subscription ids
    client
        .publish(
            "hello/world",
            QoS::AtMostOnce,
            false,
            "both having subscription IDs!",
        )
        .await
        .unwrap();

    time::sleep(Duration::from_millis(500)).await;
    client.unsubscribe("hello/#").await.unwrap();
    client.subscribe("hello/#", QoS::AtMostOnce).await.unwrap();
    time::sleep(Duration::from_millis(500)).await;

    // we will receive two publishes
    // but only one will have subscription ID
    // cuz we unsubscribed to hello/# and then
    // subscribed without properties!
    client
        .publish(
            "hello/world",
            QoS::AtMostOnce,
            false,
            "Only one with subscription ID!",
        )
        .await
        .unwrap();
}
