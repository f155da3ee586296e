//! What survives a restart with a data folder, and that nothing does without one.

use std::path::Path;

use crate::all::common::{V4, V5, v4, v5, v5_persistent};
use sealmq_broker::{Broker, BrokerError};

async fn kept_in(folder: &Path) -> Broker {
    Broker::builder()
        .data_folder(folder.join("broker"))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn retained_messages_survive_only_with_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    for keep in [true, false] {
        let start = || async {
            if keep {
                kept_in(folder.path()).await
            } else {
                Broker::builder().start().await.unwrap()
            }
        };
        let broker = start().await;
        let mut writer = V5::connect(v5("writer", broker.local_addr())).await;
        writer
            .publish("_sealmq/00/g/ß", 1, true, vec![0, 1, 0xff])
            .await;
        writer.publish("quiet", 0, true, "qos 0").await;
        writer.publish("cleared", 1, true, "old").await;
        writer.publish("cleared", 1, true, "").await;
        broker.shutdown().await;

        let broker = start().await;
        let mut reader = V5::connect(v5("reader", broker.local_addr())).await;
        reader.subscribe("#", 1).await;
        if keep {
            let mut received = [reader.next().await, reader.next().await];
            received.sort_by(|a, b| a.topic.cmp(&b.topic));
            assert_eq!(received[0].topic, "_sealmq/00/g/ß");
            assert_eq!(received[0].payload, [0, 1, 0xff]);
            assert!(received[0].retain);
            assert_eq!(received[1].payload, b"qos 0");
        }
        reader.nothing_before("end").await;
        broker.shutdown().await;
    }
}

#[tokio::test]
async fn sessions_and_their_queued_messages_survive_in_order() {
    const COUNT: u32 = 150;
    let folder = tempfile::tempdir().unwrap();
    let broker = kept_in(folder.path()).await;
    let address = broker.local_addr();
    let mut reader = V5::connect(v5_persistent("reader", address)).await;
    reader.subscribe("q/#", 2).await;
    reader.disconnect().await;
    let mut old_options = v4("old", address);
    old_options.set_clean_session(false);
    let mut old = V4::connect(old_options).await;
    old.subscribe("q/#", 1).await;
    old.disconnect().await;

    let mut writer = V5::connect(v5("writer", address)).await;
    for number in 0..COUNT {
        let qos = if number % 10 == 9 { 2 } else { 1 };
        writer
            .publish("q/n", qos, false, number.to_be_bytes())
            .await;
    }
    broker.shutdown().await;

    let broker = kept_in(folder.path()).await;
    let address = broker.local_addr();
    // Queued after the restart, delivered behind the older ones.
    let mut writer = V5::connect(v5("writer", address)).await;
    writer.publish("q/n", 1, false, COUNT.to_be_bytes()).await;
    let mut reader = V5::connect(v5_persistent("reader", address)).await;
    let mut old_options = v4("old", address);
    old_options.set_clean_session(false);
    let mut old = V4::connect(old_options).await;
    assert!(reader.session_present && old.session_present);
    for number in 0..=COUNT {
        assert_eq!(reader.next().await.payload, number.to_be_bytes());
        assert_eq!(old.next().await.payload, number.to_be_bytes());
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn messages_that_a_connected_client_did_not_acknowledge_survive() {
    let folder = tempfile::tempdir().unwrap();
    let broker = kept_in(folder.path()).await;
    let mut options = v5_persistent("reader", broker.local_addr());
    options.set_manual_acks(true);
    let mut reader = V5::connect(options).await;
    reader.subscribe("q", 1).await;
    let mut writer = V5::connect(v5("writer", broker.local_addr())).await;
    writer.publish("q", 1, false, "one").await;
    writer.publish("q", 1, false, "two").await;
    assert_eq!(reader.next().await.payload, b"one");
    broker.shutdown().await;
    drop(reader);

    let broker = kept_in(folder.path()).await;
    let mut reader = V5::connect(v5_persistent("reader", broker.local_addr())).await;
    assert_eq!(reader.next().await.payload, b"one");
    assert_eq!(reader.next().await.payload, b"two");
    broker.shutdown().await;
}

/// The folder as it is when the acknowledgement arrives is what a broker finds that was killed then.
#[tokio::test]
async fn what_is_acknowledged_is_in_the_folder() {
    const COUNT: u32 = 50;
    let folder = tempfile::tempdir().unwrap();
    let broker = kept_in(folder.path()).await;
    let address = broker.local_addr();
    let mut reader = V5::connect(v5_persistent("reader", address)).await;
    reader.subscribe("q/#", 2).await;
    reader.disconnect().await;
    let mut writer = V5::connect(v5("writer", address)).await;
    for number in 0..COUNT {
        let qos = if number % 10 == 9 { 2 } else { 1 };
        writer
            .publish("q/n", qos, false, number.to_be_bytes())
            .await;
    }
    let killed = tempfile::tempdir().unwrap();
    copy(&folder.path().join("broker"), &killed.path().join("broker"));
    broker.shutdown().await;

    let broker = kept_in(killed.path()).await;
    let mut reader = V5::connect(v5_persistent("reader", broker.local_addr())).await;
    assert!(reader.session_present);
    for number in 0..COUNT {
        assert_eq!(reader.next().await.payload, number.to_be_bytes());
    }
    broker.shutdown().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_folder_serves_one_broker_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker");
    let first = kept_in(folder.path()).await;
    let error = Broker::builder()
        .data_folder(&path)
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, BrokerError::DataFolderInUse { folder } if *folder == path),
        "{error}"
    );
    assert!(error.to_string().contains("another broker"), "{error}");
    first.shutdown().await;
    kept_in(folder.path()).await.shutdown().await;
}

#[tokio::test]
async fn an_unusable_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").join("broker");
    let error = Broker::builder()
        .data_folder(&missing)
        .start()
        .await
        .unwrap_err();
    assert!(matches!(&error, BrokerError::DataFolder { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(missing.to_str().unwrap()) && text.contains("create the folder"),
        "{text}"
    );

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let text = Broker::builder()
        .data_folder(&file)
        .start()
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("not a file"), "{text}");

    let newer = folder.path().join("newer");
    std::fs::create_dir(&newer).unwrap();
    std::fs::write(newer.join(".storage_version"), "99").unwrap();
    let error = Broker::builder()
        .data_folder(&newer)
        .start()
        .await
        .unwrap_err();
    assert!(matches!(&error, BrokerError::Storage { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    kept_in(folder.path()).await.shutdown().await;
    let mode = std::fs::metadata(folder.path().join("broker"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_damaged_file_costs_its_own_message_only() {
    let folder = tempfile::tempdir().unwrap();
    let broker = kept_in(folder.path()).await;
    let mut writer = V5::connect(v5("writer", broker.local_addr())).await;
    writer.publish("good", 1, true, "kept").await;
    writer.publish("bad", 1, true, "lost").await;
    broker.shutdown().await;
    let retained = folder.path().join("broker").join("retained");
    std::fs::write(retained.join("bad.json"), "{\"payload\":[1,").unwrap();

    let broker = kept_in(folder.path()).await;
    let mut reader = V5::connect(v5("reader", broker.local_addr())).await;
    reader.subscribe("#", 1).await;
    assert_eq!(reader.next().await.payload, b"kept");
    reader.nothing_before("end").await;
    broker.shutdown().await;
}
