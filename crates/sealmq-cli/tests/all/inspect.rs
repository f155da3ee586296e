//! `sealmq inspect`: what somebody without keys is told.

use std::fs;

use crate::common::domain::Domain;
use crate::common::{run, run_with, sealmq};

#[test]
fn inspect_tells_what_is_what() {
    let folder = tempfile::tempdir().unwrap();
    let inspect = |input: &[u8]| run_with(sealmq(folder.path(), &["inspect"]), input);
    assert!(inspect(b"").expect(0).stdout.contains("clears"));
    inspect(b"{\"a\":1}").complains(1, &["did not use sealmq"]);
    inspect(&[0x11; 100]).complains(1, &["cut off"]);
    inspect(&[0x92; 200]).complains(1, &["0x92"]);
    let short = [&[0x91][..], &[7; 199]].concat();
    assert!(inspect(&short).expect(0).stdout.contains("short form"));
    let mut envelope = vec![0x11; 200];
    envelope[45] = 3;
    let shown = inspect(&envelope).expect(0).stdout;
    assert!(
        shown.starts_with("sealmq envelope, 200 bytes") && shown.contains("Hidden"),
        "{shown}"
    );
    let digits = hex::encode(&envelope);
    for args in [&["inspect", &digits][..], &["inspect", "-"]] {
        let given = run_with(
            sealmq(folder.path(), args),
            format!("{digits}\n").as_bytes(),
        )
        .expect(0);
        assert_eq!(given.stdout, shown);
    }
    fs::write(folder.path().join("envelope"), &envelope).unwrap();
    assert_eq!(
        run(sealmq(folder.path(), &["inspect", "envelope"]))
            .expect(0)
            .stdout,
        shown
    );
    run(sealmq(folder.path(), &["inspect", "nothing"])).complains(2, &["neither a file nor"]);

    let domain = Domain::new();
    domain.enrol("sensor", &["--publish", "plant:plant/%c/#"]);
    let request = domain.ok(&["inspect", "sensor.req"]).stdout;
    assert!(
        request.starts_with("sealmq enrolment request")
            && request.contains("sensor")
            && request.contains("verifies"),
        "{request}"
    );
    let credential = domain.ok(&["inspect", "sensor.cred"]).stdout;
    assert!(
        credential.starts_with("sealmq credential") && credential.contains("plant/%c/#"),
        "{credential}"
    );
}
