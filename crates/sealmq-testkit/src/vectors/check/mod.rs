//! Checks vectors with the real code: from a vector's `input` to what it states.

mod armour;
pub(crate) mod audit;
mod backup;
mod basics;
mod chunk;
mod connections;
mod devices;
mod follow;
mod input;
pub(crate) mod joining;
pub(crate) mod kept;
mod lease;
mod object;
mod open;
mod packages;
mod seal;
mod tree;
mod welcome;

use alloc::collections::BTreeMap;

use sealmq_core::object::ObjectError;
use serde_json::Value;

pub(crate) use self::input::Input;
use super::json::Json;

/// What the real code says about a vector: the values of `intermediate` and `result` that it can
/// compute.
pub(crate) type Checked = Result<Json, No>;

/// Why there are none.
#[derive(Debug)]
pub(crate) enum No {
    /// A reason of test-vectors/README.md.
    Refused(String),
    /// The real code contradicts itself, or the vector's steps.
    Broken(String),
}

/// A reason stands where it comes up: `.ok_or("recipient")?`.
impl From<&str> for No {
    fn from(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}

impl From<ObjectError> for No {
    fn from(error: ObjectError) -> Self {
        object::reason(error).into()
    }
}

pub(crate) fn broken(fault: impl core::fmt::Display) -> No {
    No::Broken(fault.to_string())
}

pub(crate) fn require(condition: bool, reason: &'static str) -> Result<(), &'static str> {
    if condition { Ok(()) } else { Err(reason) }
}

/// How often each kind occurs in a file: valid, invalid.
pub type Counts = BTreeMap<String, (usize, usize)>;

/// Checks every vector of a file; returns how many there are of each kind.
///
/// # Errors
/// All disagreements, one per line with the vector's id.
pub fn check_file(text: &str) -> Result<Counts, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let (mut counts, mut faults) = (Counts::new(), vec![]);
    for vector in file["vectors"].as_array().ok_or("no vectors")? {
        let vector = resolve(vector, &file["fixtures"]);
        let valid = vector["valid"] == true;
        let kind = vector["kind"].as_str().unwrap_or("?").to_owned();
        let count = counts.entry(kind).or_default();
        if valid {
            count.0 += 1;
        } else {
            count.1 += 1;
        }
        if let Err(fault) = check(&vector) {
            faults.push(format!("{}: {fault}", vector["id"].as_str().unwrap_or("?")));
        }
    }
    if faults.is_empty() {
        Ok(counts)
    } else {
        Err(faults.join("\n"))
    }
}

/// Puts fixtures where their names stand.
fn resolve(value: &Value, fixtures: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('@') {
            Some(name) => resolve(&fixtures[name], fixtures),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| resolve(item, fixtures)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, item)| (name.clone(), resolve(item, fixtures)))
            .collect(),
        _ => value.clone(),
    }
}

/// Checks one vector whose fixtures are resolved.
fn check(vector: &Value) -> Result<(), String> {
    let input = Input::new(&vector["input"]);
    let outcome = match vector["kind"].as_str().unwrap_or_default() {
        "seal" => seal::seal(input),
        "open" => open::open(input),
        "gap" => open::gap(input),
        "session_number" => seal::session_number(input),
        "connections" => connections::connections(input),
        "two_devices" => devices::two_devices(input),
        "derive" => tree::derive(input),
        "tree" => tree::tree(input, &vector["result"]),
        "hedge" => seal::hedge(input),
        "domain" => basics::domain(input),
        "fingerprint" => basics::fingerprint(input),
        "object" => object::object(input),
        "welcome_open" => welcome::open(input),
        "announcement_follow" => follow::follow(input),
        "kept_chain" => kept::chain(input),
        "cover" => tree::cover(input),
        "topic_match" => basics::topic_match(input),
        "filter_overlap" => basics::filter_overlap(input),
        "name" => basics::name(input),
        "varint" => basics::varint(input),
        "padding" => basics::padding(input),
        "reserved_topic" => basics::reserved_topic(input),
        "armour" => armour::armour(input),
        "package_set" => joining::package_set(input),
        "package_life" => packages::life(input),
        "token" => joining::token(input),
        "join_request" => joining::join_request(input),
        "chunk" => chunk::chunk(input),
        "refused_chunk" => chunk::refused_chunk(input),
        "lease" => lease::lease(input),
        "audit_log" => audit::audit_log(input),
        "backup" => backup::backup(input),
        kind => return Err(format!("unknown kind {kind}")),
    };
    let stated = &vector["reason"];
    match (outcome, vector["valid"] == true) {
        (Err(No::Broken(fault)), _) => Err(fault),
        (Err(No::Refused(reason)), false) if *stated == reason => Ok(()),
        (Err(No::Refused(reason)), _) => {
            Err(format!("refused as {reason}, the vector says {stated}"))
        }
        (Ok(_), false) => Err(format!("accepted, the vector says {stated}")),
        (Ok(computed), true) => {
            let computed = to_value(&computed);
            for part in ["intermediate", "result"] {
                for (name, stated) in vector[part].as_object().into_iter().flatten() {
                    let computed = &computed[name];
                    if computed != stated {
                        return Err(format!("{part}.{name} is {stated}, computed {computed}"));
                    }
                }
            }
            Ok(())
        }
    }
}

pub(crate) fn to_value(json: &Json) -> Value {
    serde_json::from_str(&json.to_file()).unwrap()
}
