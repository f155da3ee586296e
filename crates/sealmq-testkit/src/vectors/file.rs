//! One file of vectors: collecting, sharing of long values, writing.

use alloc::collections::BTreeSet;

use super::json::{Json, object};

/// Values of at least this many hex digits are worth a fixture.
const MIN_FIXTURE_LEN: usize = 128;

/// A vector in the making (test-vectors/README.md).
pub(crate) struct Vector {
    id: String,
    kind: &'static str,
    comment: String,
    reason: Option<&'static str>,
    spec: Vec<Json>,
    attacks: Vec<Json>,
    input: Json,
    intermediate: Option<Json>,
    result: Option<Json>,
}

/// What the vectors of a kind have in common.
#[derive(Clone, Copy)]
pub(crate) struct Series {
    kind: &'static str,
    /// Ids begin with it.
    prefix: &'static str,
    spec: &'static [&'static str],
    attacks: &'static [&'static str],
}

impl Series {
    /// `spec` holds sections as `"envelope.md §9"`.
    pub(crate) const fn new(
        kind: &'static str,
        prefix: &'static str,
        spec: &'static [&'static str],
    ) -> Self {
        let attacks = &[];
        Self {
            kind,
            prefix,
            spec,
            attacks,
        }
    }

    /// Which attacks of the threat model they are about.
    pub(crate) const fn attacks(self, attacks: &'static [&'static str]) -> Self {
        Self { attacks, ..self }
    }

    /// One of them: valid, until a reason says that it is not.
    pub(crate) fn case(&self, id: &str, comment: &str, input: Json) -> Vector {
        let vector = Vector {
            id: format!("{}{id}", self.prefix),
            kind: self.kind,
            comment: comment.to_owned(),
            reason: None,
            spec: vec![],
            attacks: vec![],
            input,
            intermediate: None,
            result: None,
        };
        vector.spec(self.spec).attacks(self.attacks)
    }
}

impl Vector {
    pub(crate) fn spec(mut self, spec: &[&str]) -> Self {
        self.spec = spec.iter().map(|section| Json::from(*section)).collect();
        self
    }

    /// Everything in it is right but this.
    pub(crate) fn reason(mut self, reason: impl Into<Option<&'static str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Puts it into the file. Without attacks here those stay that are set.
    pub(crate) fn verdict(
        mut self,
        reason: Option<&'static str>,
        attacks: &[&str],
        file: &mut VectorFile,
    ) {
        if !attacks.is_empty() {
            self = self.attacks(attacks);
        }
        file.push(self.reason(reason));
    }

    /// Which attacks of the threat model it is about.
    pub(crate) fn attacks(mut self, attacks: &[&str]) -> Self {
        self.attacks = attacks.iter().map(|attack| Json::from(*attack)).collect();
        self
    }

    pub(crate) fn intermediate(mut self, value: Json) -> Self {
        self.intermediate = Some(value);
        self
    }

    pub(crate) fn result(mut self, value: Json) -> Self {
        self.result = Some(value);
        self
    }

    fn into_json(self) -> Json {
        let mut out = object! {
            id: self.id, kind: self.kind, comment: self.comment, valid: self.reason.is_none(),
        };
        if let Some(reason) = self.reason {
            out = out.with("reason", reason);
        }
        out = out.with("spec", Json::Array(self.spec));
        if !self.attacks.is_empty() {
            out = out.with("attacks", Json::Array(self.attacks));
        }
        out = out.with("input", self.input);
        for (name, value) in [("intermediate", self.intermediate), ("result", self.result)] {
            if let Some(value) = value {
                out = out.with(name, value);
            }
        }
        out
    }
}

/// A file in the making.
#[derive(Default)]
pub(crate) struct VectorFile {
    vectors: Vec<Vector>,
    fixtures: Vec<(String, Json)>,
}

impl VectorFile {
    pub(crate) fn push(&mut self, vector: Vector) {
        self.vectors.push(vector);
    }

    /// Gives a name to a value; wherever it stands, the name takes its place.
    pub(crate) fn fixture(&mut self, name: impl Into<String>, value: Json) {
        self.fixtures.push((name.into(), value));
    }

    /// The file's text. Only fixtures that stand in at least two places are kept.
    pub(crate) fn into_text(self) -> String {
        let mut ids = BTreeSet::new();
        for vector in &self.vectors {
            let id = &vector.id;
            assert!(ids.insert(id.clone()), "the id {id} is used twice");
        }
        let mut vectors: Vec<Json> = self.vectors.into_iter().map(Vector::into_json).collect();
        let mut kept: Vec<(String, Json)> = vec![];
        let mut replaced: Vec<(Json, Json)> = vec![];
        for (name, mut value) in self.fixtures {
            // What is inside it may have a name already.
            replaced
                .iter()
                .for_each(|(known, reference)| replace(&mut value, known, reference));
            let long = !matches!(&value, Json::Text(hex) if hex.len() < MIN_FIXTURE_LEN);
            let known = matches!(&value, Json::Text(text) if text.starts_with('@'));
            let holders = vectors.iter().chain(kept.iter().map(|(_, v)| v));
            let places = holders.map(|v| count(v, &value)).sum::<usize>();
            if !long || known || places < 2 {
                continue;
            }
            let reference = Json::Text(format!("@{name}"));
            let holders = vectors.iter_mut().chain(kept.iter_mut().map(|(_, v)| v));
            holders.for_each(|holder| replace(holder, &value, &reference));
            replaced.push((value.clone(), reference));
            kept.push((name, value));
        }
        // What is used by others was named first; a reader wants the larger things first.
        kept.reverse();
        let (fixtures, vectors) = (Json::Object(kept), Json::Array(vectors));
        object! { format: 1_u8, spec: "sealmq/1", fixtures: fixtures, vectors: vectors }.to_file()
    }
}

fn count(holder: &Json, value: &Json) -> usize {
    if holder == value {
        return 1;
    }
    match holder {
        Json::Array(items) => items.iter().map(|item| count(item, value)).sum(),
        Json::Object(members) => members.iter().map(|(_, item)| count(item, value)).sum(),
        _ => 0,
    }
}

fn replace(holder: &mut Json, value: &Json, by: &Json) {
    if holder == value {
        *holder = by.clone();
        return;
    }
    match holder {
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, value, by)),
        Json::Object(members) => members
            .iter_mut()
            .for_each(|(_, item)| replace(item, value, by)),
        _ => {}
    }
}
