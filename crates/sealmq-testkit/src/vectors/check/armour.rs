//! Kind `armour`: files that people carry (spec/keys.md §11, §13).

use sealmq_authority::{
    DelegationRequest, decode_audit_log, decode_delegation, decode_delegation_request,
    encode_audit_log, encode_delegation, encode_delegation_request,
};
use sealmq_keys::{
    ArmourError, CredentialFile, decode_credential_file, decode_request, encode_credential_file,
    encode_request,
};

use super::{Input, Outcome, refused};
use crate::vectors::prelude::*;

pub(crate) fn armour(input: Input<'_>) -> Result<Outcome, String> {
    let text = input.str("text");
    let read = match input.str("label") {
        "SEALMQ REQUEST" => decode_request(text).map(object_file).and_then(|made| {
            same(&made, decode_request(&encode_request(&made.bytes)?)?)?;
            Ok(made)
        }),
        "SEALMQ DELEGATION" => decode_delegation(text).map(object_file).and_then(|made| {
            same(&made, decode_delegation(&encode_delegation(&made.bytes)?)?)?;
            Ok(made)
        }),
        "SEALMQ CREDENTIAL" => decode_credential_file(text).and_then(|file| {
            let (prefix, delegation) = (&file.prefix, &file.delegation);
            let again =
                encode_credential_file(&file.root_key, prefix, delegation, &file.credential)?;
            same(&file, decode_credential_file(&again)?)?;
            Ok(credential_file(&file))
        }),
        "SEALMQ DELEGATION REQUEST" => decode_delegation_request(text).and_then(|request| {
            let again = decode_delegation_request(&encode_delegation_request(&request)?)?;
            same(&request, again)?;
            Ok(delegation_request(&request))
        }),
        "SEALMQ AUDIT LOG" => decode_audit_log(text).and_then(|entries| {
            let again = encode_audit_log(entries.iter().map(Vec::as_slice))?;
            same(&entries, decode_audit_log(&again)?)?;
            Ok(audit_log(&entries))
        }),
        other => return Err(format!("unknown label {other}")),
    };
    Ok(match read {
        Ok(Made {
            bytes,
            fields: Some(fields),
        }) => Outcome::Accepted(object! { bytes: Json::hex(bytes), fields: fields }),
        Ok(Made {
            bytes,
            fields: None,
        }) => Outcome::Accepted(object! { bytes: Json::hex(bytes) }),
        Err(_) => refused("encoding"),
    })
}

/// A file's content, and what it says.
#[derive(Debug)]
struct Made {
    bytes: Vec<u8>,
    fields: Option<Json>,
}

impl PartialEq<Vec<u8>> for Made {
    fn eq(&self, bytes: &Vec<u8>) -> bool {
        self.bytes == *bytes
    }
}

/// Whatever reads back as something else stops the program.
fn same<A: PartialEq<B> + std::fmt::Debug, B: std::fmt::Debug>(
    read: &A,
    again: B,
) -> Result<(), ArmourError> {
    assert_eq!(*read, again);
    Ok(())
}

fn object_file(bytes: Vec<u8>) -> Made {
    Made {
        bytes,
        fields: None,
    }
}

fn credential_file(file: &CredentialFile) -> Made {
    let parts = [file.prefix.as_bytes(), &file.delegation, &file.credential];
    let bytes = [file.root_key.to_vec(), parts.map(blob).concat()].concat();
    let fields = object! {
        root_key: file.root_key,
        prefix: Json::text(&file.prefix),
        delegation: Json::hex(&file.delegation),
        credential: Json::hex(&file.credential),
    };
    Made {
        bytes,
        fields: Some(fields),
    }
}

fn delegation_request(request: &DelegationRequest) -> Made {
    let keys = request.keys.iter();
    let encoded: Vec<u8> = keys.clone().flat_map(body).collect();
    let kem_keys = request.kem_keys.iter();
    let kem_encoded: Vec<u8> = kem_keys
        .clone()
        .flat_map(|(kem, key)| [body(kem), blob(key)].concat())
        .collect();
    let bytes = [
        &request.domain.0[..],
        &[request.suite],
        &blob(&encoded),
        &blob(&kem_encoded),
    ]
    .concat();
    let keys = keys.map(|k| object! { key: k.key, roles: body(&k.roles)[0] });
    let kem_keys = kem_keys.map(|(kem, key)| object! { kem: *kem, key: Json::hex(key) });
    let fields = object! {
        domain: request.domain.0, suite: request.suite, keys: Json::Array(keys.collect()),
        kem_keys: Json::Array(kem_keys.collect()),
    };
    Made {
        bytes,
        fields: Some(fields),
    }
}

fn audit_log(entries: &[Vec<u8>]) -> Made {
    let list: Vec<u8> = entries.iter().flat_map(|entry| blob(entry)).collect();
    let fields = object! { entries: Json::Array(entries.iter().map(Json::hex).collect()) };
    Made {
        bytes: blob(&list),
        fields: Some(fields),
    }
}
