//! Kind `armour`: files that people carry (spec/keys.md §11, §13).

use sealmq_authority::{
    AuditPiece, DelegationRequest, decode_audit_log, decode_delegation, decode_delegation_request,
    encode_audit_log, encode_delegation, encode_delegation_request,
};
use sealmq_keys::{
    ArmourError, CredentialFile, decode_credential_file, decode_request, encode_credential_file,
    encode_request,
};

use super::{Checked, Input, broken};
use crate::vectors::prelude::*;

pub(crate) fn armour(input: Input<'_>) -> Checked {
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
        "SEALMQ AUDIT LOG PIECE" => AuditPiece::decode(text).and_then(|piece| {
            same(&piece, AuditPiece::decode(&piece.encode()?)?)?;
            Ok(audit_log_piece(&piece))
        }),
        other => return Err(broken(format_args!("unknown label {other}"))),
    };
    let Made { bytes, fields } = read.map_err(|_| "encoding")?;
    let bytes = object! { bytes: Json::hex(bytes) };
    Ok(match fields {
        Some(fields) => bytes.with("fields", fields),
        None => bytes,
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
fn same<A: PartialEq<B> + core::fmt::Debug, B: core::fmt::Debug>(
    read: &A,
    again: B,
) -> Result<(), ArmourError> {
    assert_eq!(*read, again);
    Ok(())
}

impl Made {
    fn with(bytes: Vec<u8>, fields: Json) -> Self {
        let fields = Some(fields);
        Self { bytes, fields }
    }
}

fn object_file(bytes: Vec<u8>) -> Made {
    let fields = None;
    Made { bytes, fields }
}

fn credential_file(file: &CredentialFile) -> Made {
    let parts = [file.prefix.as_bytes(), &file.delegation, &file.credential];
    let bytes = [file.root_key.to_vec(), parts.map(blob).concat()].concat();
    let fields = object! {
        root_key: file.root_key, prefix: Json::text(&file.prefix),
        delegation: Json::hex(&file.delegation), credential: Json::hex(&file.credential),
    };
    Made::with(bytes, fields)
}

fn delegation_request(request: &DelegationRequest) -> Made {
    let (keys, kem_keys) = (request.keys.iter(), request.kem_keys.iter());
    let encoded = elements(&request.keys);
    let kem_encoded = kem_keys
        .clone()
        .flat_map(|(kem, key)| [body(kem), blob(key)].concat());
    let kem_encoded: Vec<u8> = kem_encoded.collect();
    let lists = [blob(&encoded), blob(&kem_encoded)].concat();
    let bytes = [&request.domain.0[..], &[request.suite], &lists].concat();
    let keys = keys.map(|k| object! { key: k.key, roles: body(&k.roles)[0] });
    let kem_keys = kem_keys.map(|(kem, key)| object! { kem: *kem, key: Json::hex(key) });
    let fields = object! {
        domain: request.domain.0, suite: request.suite, keys: Json::Array(keys.collect()),
        kem_keys: Json::Array(kem_keys.collect()),
    };
    Made::with(bytes, fields)
}

fn audit_log(entries: &[Vec<u8>]) -> Made {
    let list: Vec<u8> = entries.iter().flat_map(|entry| blob(entry)).collect();
    let fields = object! { entries: Json::Array(entries.iter().map(Json::hex).collect()) };
    Made::with(blob(&list), fields)
}

fn audit_log_piece(piece: &AuditPiece) -> Made {
    let list: Vec<u8> = piece.entries.iter().flat_map(|entry| blob(entry)).collect();
    let bytes = [
        varint(piece.log.size),
        piece.log.head.0.to_vec(),
        varint(piece.first),
        blob(&list),
    ];
    let fields = object! {
        log_size: piece.log.size, log_head: piece.log.head, first: piece.first,
        entries: Json::Array(piece.entries.iter().map(Json::hex).collect()),
    };
    Made::with(bytes.concat(), fields)
}
