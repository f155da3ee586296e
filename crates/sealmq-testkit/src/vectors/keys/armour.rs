//! Kind `armour` (spec/keys.md §11).

use sealmq_keys::{encode_credential_file, encode_request};

use super::objects::request;
use crate::vectors::craft::blob;
use crate::vectors::file::{Vector, VectorFile};
use crate::vectors::json::{Json, object};
use crate::vectors::table::table;
use crate::vectors::world::{delegation, key_package, root_key, sensor};

const REQUEST: &str = "SEALMQ REQUEST";
const CREDENTIAL: &str = "SEALMQ CREDENTIAL";

pub(crate) fn vectors(file: &mut VectorFile) {
    let sample = request("sensor-7", &[key_package("sensor-7", 1)]);
    let text = encode_request(&sample).unwrap();
    let mut good = |id: &str, comment: &str, text: String, label: &str, result: Json| {
        let vector = Vector::valid(
            "armour",
            format!("armour-{id}"),
            comment,
            &["keys.md §11"],
            object! { text: text, label: label },
        );
        file.push(vector.result(result));
    };
    let bytes = || object! { bytes: Json::hex(&sample) };
    table! { good:
        "request": "A device's request.", text.clone(), REQUEST, bytes();
        "request-crlf": "Lines that end with CR LF.", text.replace('\n', "\r\n"), REQUEST, bytes();
        "request-blank-lines": "Blank lines around, as mail programs add them.",
            format!("\n\n{text}\n\n"), REQUEST, bytes();
    }
    for prefix in ["_sealmq/x", "site/keys"] {
        let (made, fields) = (
            body(prefix),
            object! {
                root_key: root_key(), prefix: prefix, delegation: Json::hex(delegation(1)), credential: Json::hex(sensor().object()),
            },
        );
        let text = encode_credential_file(&root_key(), prefix, &delegation(1), &sensor().object())
            .unwrap();
        let id = format!(
            "credential-{}",
            prefix.trim_start_matches('_').replace('/', "-")
        );
        good(
            &id,
            "The authority's answer.",
            text,
            CREDENTIAL,
            object! { bytes: Json::hex(made), fields: fields },
        );
    }

    let credential =
        encode_credential_file(&root_key(), "_sealmq/x", &delegation(1), &sensor().object())
            .unwrap();
    let mut bad = |id: &str, comment: &str, text: String, label: &str| {
        let vector = Vector::invalid(
            "armour",
            format!("armour-{id}"),
            comment,
            &["keys.md §11"],
            object! { text: text, label: label },
            "encoding",
        );
        file.push(vector);
    };
    let second_line = text.find('\n').unwrap() + 1;
    let mut damaged = text.clone();
    damaged.replace_range(second_line..=second_line, "!");
    table! { bad:
        "empty": "An empty file.", String::new(), REQUEST;
        "not-armoured": "Something else.", "hello".to_owned(), REQUEST;
        "request-for-credential": "A request where a credential is expected.", text.clone(), CREDENTIAL;
        "credential-for-request": "A credential where a request is expected.", credential.clone(), REQUEST;
        "other-label": "A label of another program.", text.replace(REQUEST, "CERTIFICATE"), REQUEST;
        "labels-differ": "BEGIN and END are of different files.",
            text.replace("END SEALMQ REQUEST", "END SEALMQ CREDENTIAL"), REQUEST;
        "end-missing": "The END line is missing.",
            text.replace("-----END SEALMQ REQUEST-----\n", ""), REQUEST;
        "not-base64": "A character that is not base64.", damaged, REQUEST;
    }
    let armoured = |bytes: &[u8]| encode_request(bytes).unwrap().replace(REQUEST, CREDENTIAL);
    table! { bad:
        "credential-trailing": "A byte behind the last field.",
            armoured(&[body("_sealmq/x"), vec![0]].concat()), CREDENTIAL;
        "credential-truncated": "The last byte is missing.", armoured(&body("_sealmq/x")[..200]), CREDENTIAL;
    }
    for (id, comment, prefix) in table! {
        "filter": "A prefix with a wildcard.",        "site/#".to_owned();
        "system": "A prefix for system topics.",      "$SYS/x".to_owned();
        "slash":  "A prefix that ends with a slash.", "site/".to_owned();
        "empty":  "No prefix.",                       String::new();
        "1025":   "A prefix of 1025 bytes.",          "x".repeat(1025);
    } {
        let text = armoured(&body(&prefix));
        bad(&format!("prefix-{id}"), comment, text, CREDENTIAL);
    }
    let not_utf8 = [
        &root_key()[..],
        &blob(b"\xff"),
        &blob(&delegation(1)),
        &blob(&sensor().object()),
    ]
    .concat();
    table! { bad:
        "prefix-not-utf8": "A prefix that is not UTF-8.", armoured(&not_utf8), CREDENTIAL;
    }
}

/// The content of a credential file.
fn body(prefix: &str) -> Vec<u8> {
    [
        &root_key()[..],
        &blob(prefix.as_bytes()),
        &blob(&delegation(1)),
        &blob(&sensor().object()),
    ]
    .concat()
}
