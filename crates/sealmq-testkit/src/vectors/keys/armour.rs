//! Kind `armour` (spec/keys.md §11).

use sealmq_keys::{encode_credential_file, encode_request};

use super::objects::request;
use crate::vectors::prelude::*;

pub(super) const ARMOUR: Series = Series::new("armour", "armour-", &["keys.md §11"]);
const REQUEST: &str = "SEALMQ REQUEST";
const CREDENTIAL: &str = "SEALMQ CREDENTIAL";

pub(super) fn case(id: &str, comment: &str, label: &str, text: &str) -> Vector {
    ARMOUR.case(id, comment, object! { text: text, label: label })
}

pub(crate) fn vectors(file: &mut VectorFile) {
    let sample = request("sensor-7", &[key_package("sensor-7", 1)]);
    let text = encode_request(&sample).unwrap();
    let good = |id: &str, comment: &str, text: String| {
        case(id, comment, REQUEST, &text).result(object! { bytes: Json::hex(&sample) })
    };
    table! { good => file:
        "request": "A device's request.", text.clone() => valid;
        "request-crlf": "Lines that end with CR LF.", text.replace('\n', "\r\n") => valid;
        "request-blank-lines": "Blank lines around, as mail programs add them.",
            format!("\n\n{text}\n\n") => valid;
    }
    let (root, delegation, credential) = (root_key(), delegation(1), sensor().object());
    let encoded =
        |prefix: &str| encode_credential_file(&root, prefix, &delegation, &credential).unwrap();
    let body = |prefix: &[u8]| {
        [
            &root[..],
            &blob(prefix),
            &blob(&delegation),
            &blob(&credential),
        ]
        .concat()
    };
    let good = |id: &str, prefix: &str| {
        let fields = object! {
            root_key: root, prefix: prefix, delegation: Json::hex(&delegation), credential: Json::hex(&credential),
        };
        let result = object! { bytes: Json::hex(body(prefix.as_bytes())), fields: fields };
        case(id, "The authority's answer.", CREDENTIAL, &encoded(prefix)).result(result)
    };
    table! { good => file:
        "credential-sealmq-x":  "_sealmq/x" => valid;
        "credential-site-keys": "site/keys" => valid;
    }

    let armoured = |bytes: &[u8]| encode_request(bytes).unwrap().replace(REQUEST, CREDENTIAL);
    let with_prefix = |prefix: &[u8]| armoured(&body(prefix));
    let second_line = text.find('\n').unwrap() + 1;
    let damaged = altered(&text, |text| {
        text.replace_range(second_line..=second_line, "!")
    });
    table! { case => file:
        "empty": "An empty file.", REQUEST, "" => "encoding";
        "not-armoured": "Something else.", REQUEST, "hello" => "encoding";
        "request-for-credential": "A request where a credential is expected.",
            CREDENTIAL, &text => "encoding";
        "credential-for-request": "A credential where a request is expected.",
            REQUEST, &encoded("_sealmq/x") => "encoding";
        "other-label": "A label of another program.",
            REQUEST, &text.replace(REQUEST, "CERTIFICATE") => "encoding";
        "labels-differ": "BEGIN and END are of different files.",
            REQUEST, &text.replace("END SEALMQ REQUEST", "END SEALMQ CREDENTIAL") => "encoding";
        "end-missing": "The END line is missing.",
            REQUEST, &text.replace("-----END SEALMQ REQUEST-----\n", "") => "encoding";
        "not-base64": "A character that is not base64.", REQUEST, &damaged => "encoding";
        "credential-trailing": "A byte behind the last field.",
            CREDENTIAL, &armoured(&trailing(&body(b"_sealmq/x"))) => "encoding";
        "credential-truncated": "The last byte is missing.",
            CREDENTIAL, &armoured(&body(b"_sealmq/x")[..200]) => "encoding";
        "prefix-filter": "A prefix with a wildcard.", CREDENTIAL, &with_prefix(b"site/#") => "encoding";
        "prefix-system": "A prefix for system topics.", CREDENTIAL, &with_prefix(b"$SYS/x") => "encoding";
        "prefix-slash": "A prefix that ends with a slash.", CREDENTIAL, &with_prefix(b"site/") => "encoding";
        "prefix-empty": "No prefix.", CREDENTIAL, &with_prefix(b"") => "encoding";
        "prefix-1025": "A prefix of 1025 bytes.", CREDENTIAL, &with_prefix(&[b'x'; 1025]) => "encoding";
        "prefix-not-utf8": "A prefix that is not UTF-8.", CREDENTIAL, &with_prefix(b"\xff") => "encoding";
    }
}
