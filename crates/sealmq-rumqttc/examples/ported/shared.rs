//! A worker: of those that share the subscription, one gets each job. rumqttc has no example of it.
use rumqttc::v5::MqttOptions;
use rumqttc::v5::mqttbytes::QoS;
use sealmq_rumqttc::v5::{AsyncClient, Event};
use std::error::Error;
use std::time::Duration;

use crate::device;

#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let id = format!("worker-{}", std::process::id());
    let mut mqttoptions = MqttOptions::new(id, device::host(), device::port());
    mqttoptions.set_keep_alive(Duration::from_secs(5));

    let (client, mut eventloop) = AsyncClient::new(mqttoptions, device::store()?, 10)?;
    client
        .subscribe("$share/workers/jobs/+", QoS::AtLeastOnce)
        .await?;

    loop {
        match eventloop.poll().await {
            Ok(Event::Message(job)) => {
                println!("Job = {:?}", job.payload);
            }
            Ok(event) => println!("Event = {event:?}"),
            Err(e) => {
                println!("Error = {e:?}");
                return Ok(());
            }
        }
    }
}
