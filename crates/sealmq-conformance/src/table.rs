//! The table of docs/brokers.md.

use std::collections::BTreeMap;
use std::path::Path;

use crate::args::TableArgs;
use crate::failed::Failed;
use crate::report::{self, Line, Verdict};

/// A limit of a broker's, and where it is documented.
#[derive(Debug)]
struct Known {
    broker: String,
    version: String,
    check: String,
    text: String,
    reference: String,
}

pub(crate) fn print(args: &TableArgs) -> Result<(), Failed> {
    let mut lines = Vec::new();
    for path in &args.results {
        lines.extend(report::read(path)?);
    }
    let known = match &args.limits {
        Some(path) => read_limits(path)?,
        None => Vec::new(),
    };
    println!("{}", table(&lines, &known));
    Ok(())
}

/// Lines of broker, version, check, text and reference, with tabs between them; `*` is any.
fn read_limits(path: &Path) -> Result<Vec<Known>, Failed> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(Failed::at(&name))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let known = lines.map(|line| {
        let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [broker, version, check, text, reference] = <[String; 5]>::try_from(fields)
            .map_err(|_| Failed::new(format_args!("{name}: five fields are needed: {line}")))?;
        Ok(Known {
            broker,
            version,
            check,
            text,
            reference,
        })
    });
    known.collect()
}

impl Known {
    fn is_about(&self, line: &Line) -> bool {
        let fits = |wanted: &str, found: &str| wanted == "*" || wanted == found;
        // The table's name of a broker has its version behind.
        let broker = line.broker.split(' ').next().unwrap_or_default();
        fits(&self.broker, broker)
            && fits(&self.version, &line.version)
            && fits(&self.check, &line.check)
    }
}

/// Rows are checks, columns brokers; what is not green has a remark below.
fn table(lines: &[Line], known: &[Known]) -> String {
    let mut columns: Vec<(&str, &str)> = Vec::new();
    let mut rows: Vec<&str> = Vec::new();
    let mut cells = BTreeMap::new();
    for line in lines {
        let column = (line.broker.as_str(), line.version.as_str());
        if !columns.contains(&column) {
            columns.push(column);
        }
        if !rows.contains(&line.check.as_str()) {
            rows.push(&line.check);
        }
        cells.insert((line.check.as_str(), column), line);
    }
    let mut remarks: Vec<String> = Vec::new();
    let mut text = String::from("| check |");
    for (broker, version) in &columns {
        text.push_str(&format!(" {broker}, MQTT {version} |"));
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(columns.len()));
    for row in rows {
        text.push_str(&format!("\n| {row} |"));
        for column in &columns {
            let cell = cells.get(&(row, *column));
            let cell = cell.map_or_else(|| "–".to_owned(), |line| show(line, known, &mut remarks));
            text.push_str(&format!(" {cell} |"));
        }
    }
    text.push('\n');
    for (at, remark) in remarks.iter().enumerate() {
        text.push_str(&format!("\n{}. {remark}", at.saturating_add(1)));
    }
    text
}

fn show(line: &Line, known: &[Known], remarks: &mut Vec<String>) -> String {
    let documented = known.iter().find(|known| known.is_about(line));
    let remark = match (&line.verdict, documented) {
        (Verdict::Ok, _) if line.note.is_empty() => return "ok".to_owned(),
        (Verdict::Ok | Verdict::None, _) => line.note.clone(),
        (Verdict::Skipped, _) => return "–".to_owned(),
        (_, Some(known)) => format!(
            "{} ([{}]({}))",
            known.text,
            place(&known.reference),
            known.reference
        ),
        (_, None) => line.note.clone(),
    };
    let number = match remarks.iter().position(|known| *known == remark) {
        Some(at) => at,
        None => {
            remarks.push(remark);
            remarks.len().saturating_sub(1)
        }
    };
    let number = number.saturating_add(1);
    match (&line.verdict, documented) {
        (Verdict::Ok, _) => format!("ok ({number})"),
        (Verdict::None, _) => format!("n/a ({number})"),
        (Verdict::Limit, Some(_)) => format!("limit ({number})"),
        (Verdict::Limit, None) => format!("limit, seen ({number})"),
        _ => format!("**failed** ({number})"),
    }
}

/// Whose page it is.
fn place(reference: &str) -> &str {
    let rest = reference.split("://").nth(1).unwrap_or(reference);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(broker: &str, check: &str, verdict: Verdict, note: &str) -> Line {
        Line {
            broker: broker.into(),
            version: "5".into(),
            check: check.into(),
            verdict,
            milliseconds: 1,
            note: note.into(),
        }
    }

    #[test]
    fn limits_have_their_reference_and_faults_their_reason() {
        let lines = [
            line("red 1.0", "qos1", Verdict::Ok, ""),
            line(
                "red 1.0",
                "qos2",
                Verdict::Limit,
                "without sealmq, too: none",
            ),
            line(
                "red 1.0",
                "will",
                Verdict::Limit,
                "without sealmq, too: none",
            ),
            line("blue 2", "qos1", Verdict::Failed, "reader waits"),
            line("blue 2", "qos2", Verdict::Ok, "the broker grants QoS 1"),
        ];
        let known = [Known {
            broker: "red".into(),
            version: "*".into(),
            check: "qos2".into(),
            text: "no QoS 2".into(),
            reference: "https://red.example/limits".into(),
        }];
        let expected = "\
| check | red 1.0, MQTT 5 | blue 2, MQTT 5 |
|---|---|---|
| qos1 | ok | **failed** (1) |
| qos2 | limit (2) | ok (3) |
| will | limit, seen (4) | – |

1. reader waits
2. no QoS 2 ([red.example](https://red.example/limits))
3. the broker grants QoS 1
4. without sealmq, too: none";
        assert_eq!(table(&lines, &known), expected);
    }
}
