//! The committed headers are what the code says.

use std::path::Path;
use std::{env, fs};

/// Set to `write`, the headers are made anew.
const WRITE: &str = "SEALMQ_HEADER";

fn check(name: &str, config: &str, sources: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join(config)).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources {
        builder = builder.with_src(folder.join("src").join(source));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let made = for_c(&made);
    let path = folder.join("include").join(name);
    if env::var(WRITE).is_ok_and(|value| value == "write") {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let mut lines = kept.lines().zip(made.lines()).enumerate();
    if let Some((number, (kept, made))) = lines.find(|(_, (kept, made))| kept != made) {
        let line = number + 1;
        panic!("include/{name}, line {line}:\n- {kept}\n+ {made}\nmake it anew with {WRITE}=write");
    }
    assert_eq!(
        kept.len(),
        made.len(),
        "make include/{name} anew with {WRITE}=write"
    );
}

/// Without what only rustdoc understands: links, and the name of a section.
fn for_c(text: &str) -> String {
    let text = text.replace("# Safety", "The caller promises:");
    let mut pieces = text.split("[`");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("`]").unwrap();
        let linked = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        plain.extend(["`", name, "`", linked.map_or(rest, |(_, rest)| rest)]);
    }
    plain
}

#[test]
fn for_hosts() {
    let sources = [
        "codes.rs",
        "status.rs",
        "platform.rs",
        "store.rs",
        "properties.rs",
        "message.rs",
        "notice.rs",
        "output.rs",
        "client/options.rs",
        "client/machine.rs",
        "client/broker.rs",
        "client/calls.rs",
        "joining.rs",
        "member.rs",
    ];
    check("sealmq.h", "cbindgen.toml", &sources);
}

#[test]
fn for_devices() {
    let sources = [
        "codes.rs",
        "properties.rs",
        "device/board.rs",
        "device/cell.rs",
        "device/message.rs",
        "device/calls.rs",
        "device/packets.rs",
    ];
    check("sealmq_device.h", "cbindgen-device.toml", &sources);
}
