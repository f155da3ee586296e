//! What came of the checks: lines for programs, and for people.

use std::fmt::Write as _;
use std::path::Path;

use crate::failed::Failed;

/// Of one check at one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    /// The broker does not do it without sealmq either.
    Limit,
    Failed,
    /// Something that it rests on does not work.
    Skipped,
    /// There is no such thing here.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) broker: String,
    pub(crate) version: String,
    pub(crate) check: String,
    pub(crate) verdict: Verdict,
    pub(crate) milliseconds: u64,
    /// Why, or what is worth a word.
    pub(crate) note: String,
}

impl Verdict {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limit => "limit",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::None => "n/a",
        }
    }

    fn read(text: &str) -> Option<Self> {
        let all = [
            Self::Ok,
            Self::Limit,
            Self::Failed,
            Self::Skipped,
            Self::None,
        ];
        all.into_iter().find(|verdict| verdict.name() == text)
    }
}

impl Line {
    pub(crate) fn write(&self) -> String {
        let note = self.note.replace(['\t', '\n'], " ");
        let fields = [&self.broker, &self.version, &self.check];
        let [broker, version, check] = fields;
        let (verdict, time) = (self.verdict.name(), self.milliseconds);
        format!("{broker}\t{version}\t{check}\t{verdict}\t{time}\t{note}")
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut fields = text.split('\t');
        let mut next = || fields.next().map(str::to_owned);
        Some(Self {
            broker: next()?,
            version: next()?,
            check: next()?,
            verdict: Verdict::read(&next()?)?,
            milliseconds: next()?.parse().ok()?,
            note: next().unwrap_or_default(),
        })
    }

    /// As it is shown while the checks run.
    pub(crate) fn show(&self) -> String {
        let seconds = std::time::Duration::from_millis(self.milliseconds).as_secs_f32();
        let (check, verdict, note) = (&self.check, self.verdict.name(), &self.note);
        let line = format!("{check:<18} {verdict:<8} {seconds:>5.1} s  {note}");
        line.trim_end().to_owned()
    }
}

/// Writes a file of lines.
pub(crate) fn write(path: &Path, lines: &[Line]) -> Result<(), Failed> {
    let mut text = String::new();
    for line in lines {
        let _infallible = writeln!(text, "{}", line.write());
    }
    std::fs::write(path, text).map_err(Failed::at(&path.display().to_string()))
}

pub(crate) fn read(path: &Path) -> Result<Vec<Line>, Failed> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(Failed::at(&name))?;
    let lines = text.lines().map(|line| {
        Line::read(line).ok_or_else(|| Failed::new(format_args!("{name}: no result: {line}")))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        for verdict in [
            Verdict::Ok,
            Verdict::Limit,
            Verdict::Failed,
            Verdict::Skipped,
            Verdict::None,
        ] {
            let line = Line {
                broker: "a broker 1.2".into(),
                version: "3.1.1".into(),
                check: "qos2".into(),
                verdict,
                milliseconds: 1234,
                note: "none within 10 s".into(),
            };
            assert_eq!(Line::read(&line.write()), Some(line));
        }
        for text in [
            "",
            "a\tb\tc\tgreen\t1\t",
            "a\tb\tc\tok\tsoon\t",
            "a\tb\tc\tok",
        ] {
            assert_eq!(Line::read(text), None, "{text}");
        }
    }
}
