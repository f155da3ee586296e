//! Names at this broker, and the names that messages are sealed for: a bridge may add or strip a
//! prefix, and readers on both sides of it have to mean the same (spec/envelope.md §7).

use alloc::borrow::{Cow, ToOwned as _};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::output::{Output, Resume};
use crate::subscription::Subscription;

/// How topics are called at this broker, where that differs from what they are sealed for. Names
/// that no entry is about are the same in both places.
///
/// An entry says that names which begin with one text here are the names which begin with another
/// one where messages are sealed. A bridge that puts `site1/` in front of everything is
/// `add("site1/", "")`; one that strips `plant/` is `add("", "plant/")`. Of several entries the
/// longest counts. Key management's topics go by the map, too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicMap {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    here: String,
    sealed: String,
}

/// An entry makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicMapError {
    /// A beginning is neither empty nor whole levels: it has to end with `/`, without wildcards and
    /// without `$` at the start.
    Beginning,
    /// There is an entry with that beginning already, so names would have two meanings.
    Twice,
}

impl TopicMap {
    /// Names are the same.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Names that begin with `here` at this broker are sealed as names that begin with `sealed`.
    ///
    /// # Errors
    /// The entry makes no sense, by itself or beside another one.
    pub fn add(mut self, here: &str, sealed: &str) -> Result<Self, TopicMapError> {
        for beginning in [here, sealed] {
            let whole = beginning.is_empty() || beginning.ends_with('/');
            if !whole || beginning.starts_with('$') || beginning.contains(['+', '#', '\0']) {
                return Err(TopicMapError::Beginning);
            }
        }
        let twice = |entry: &Entry| entry.here == here || entry.sealed == sealed;
        if self.entries.iter().any(twice) {
            return Err(TopicMapError::Twice);
        }
        self.entries.push(Entry {
            here: here.to_owned(),
            sealed: sealed.to_owned(),
        });
        Ok(self)
    }

    /// What a topic or filter of the application is called at this broker; `None` if that name
    /// means another one here. A filter goes by the entry of its literal beginning: topics of other
    /// entries need filters of their own.
    #[must_use]
    pub fn to_here<'a>(&self, sealed: &'a str) -> Option<Cow<'a, str>> {
        if self.entries.is_empty() {
            return Some(Cow::Borrowed(sealed));
        }
        if let Some((share, filter)) = split_share(sealed) {
            let filter = self.to_here(filter)?;
            return Some(Cow::Owned(format!("{share}{filter}")));
        }
        let here = self.outwards(sealed);
        (self.inwards(&here) == sealed).then_some(here)
    }

    /// What a topic of this broker was sealed for; `None` if that name stands somewhere else here.
    #[must_use]
    pub fn to_sealed<'a>(&self, here: &'a str) -> Option<Cow<'a, str>> {
        if self.entries.is_empty() {
            return Some(Cow::Borrowed(here));
        }
        let sealed = self.inwards(here);
        (self.outwards(&sealed) == here).then_some(sealed)
    }

    fn outwards<'a>(&self, sealed: &'a str) -> Cow<'a, str> {
        let pairs = self
            .entries
            .iter()
            .map(|entry| (&entry.sealed, &entry.here));
        replace(sealed, pairs)
    }

    fn inwards<'a>(&self, here: &'a str) -> Cow<'a, str> {
        let pairs = self
            .entries
            .iter()
            .map(|entry| (&entry.here, &entry.sealed));
        replace(here, pairs)
    }

    /// As [`Self::to_here`], of what was checked before.
    fn place(&self, name: &mut String) {
        if let Some(Cow::Owned(here)) = self.to_here(name) {
            *name = here;
        }
    }

    /// A subscription as this broker has to see it.
    #[must_use]
    pub fn subscription(&self, mut wanted: Subscription) -> Subscription {
        self.place(&mut wanted.filter);
        wanted
    }

    /// Gives it the names of this broker.
    pub(crate) fn rename(&self, output: &mut Output) {
        if self.entries.is_empty() {
            return;
        }
        match output {
            Output::Publish(wire) | Output::Resume(Resume::Publish(_, wire)) => {
                self.place(&mut wire.topic);
            }
            Output::Subscribe(filters) => {
                for wanted in filters {
                    self.place(&mut wanted.filter);
                }
            }
            Output::Unsubscribe(filter) => self.place(filter),
            Output::Connect(Some(will)) => self.place(&mut will.wire.topic),
            _ => {}
        }
    }

    /// Bytes by which a packet grows.
    pub(crate) fn growth(&self, topic: &str) -> usize {
        let here = self.to_here(topic).map_or(0, |here| here.len());
        here.saturating_sub(topic.len())
    }
}

/// `$share/<name>/` and the filter behind it.
fn split_share(filter: &str) -> Option<(&str, &str)> {
    let (name, _) = filter.strip_prefix("$share/")?.split_once('/')?;
    filter.split_at_checked(name.len().saturating_add("$share//".len()))
}

fn replace<'a, 'b>(
    name: &'a str,
    pairs: impl Iterator<Item = (&'b String, &'b String)>,
) -> Cow<'a, str> {
    let longest = pairs
        .filter_map(|(from, to)| Some((from.len(), name.strip_prefix(from.as_str())?, to)))
        .max_by_key(|(length, ..)| *length);
    match longest {
        Some((_, rest, to)) => Cow::Owned(format!("{to}{rest}")),
        None => Cow::Borrowed(name),
    }
}

impl fmt::Display for TopicMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beginning => {
                "a beginning of topics is empty or ends with `/`, without + # and without $ at the start"
            }
            Self::Twice => "two entries begin alike: a name would have two meanings",
        })
    }
}

impl Error for TopicMapError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> TopicMap {
        let add = |map: TopicMap, (here, sealed): &(&str, &str)| map.add(here, sealed).unwrap();
        entries.iter().fold(TopicMap::new(), add)
    }

    #[test]
    fn prefixes_are_added_stripped_and_exchanged() {
        let added = map(&[("site1/", "")]);
        let stripped = map(&[("", "plant/")]);
        let several = map(&[("a/", "plant/"), ("a/b/", "office/"), ("k/", "_sealmq/")]);
        for (map, sealed, here) in [
            (&TopicMap::new(), "plant/x", "plant/x"),
            (&added, "plant/x", "site1/plant/x"),
            (&added, "plant/#", "site1/plant/#"),
            (&added, "#", "site1/#"),
            (&added, "site1/x", "site1/site1/x"),
            (&added, "$share/g/plant/+", "$share/g/site1/plant/+"),
            (&stripped, "plant/x", "x"),
            (&stripped, "plant/#", "#"),
            (&several, "plant/x", "a/x"),
            (&several, "office/x", "a/b/x"),
            (&several, "_sealmq/1/a/2", "k/1/a/2"),
            (&several, "other/x", "other/x"),
        ] {
            assert_eq!(map.to_here(sealed).as_deref(), Some(here), "{sealed}");
            if !sealed.starts_with("$share") {
                assert_eq!(map.to_sealed(here).as_deref(), Some(sealed), "{here}");
            }
        }
    }

    #[test]
    fn a_name_has_one_meaning() {
        // Where everything stands below `site1/`, what stands elsewhere is nobody's.
        let added = map(&[("site1/", "")]);
        assert_eq!(added.to_sealed("plant/x"), None);
        let stripped = map(&[("", "plant/")]);
        assert_eq!(stripped.to_here("other/x"), None);
        let exchanged = map(&[("a/", "plant/")]);
        assert_eq!(exchanged.to_here("a/x"), None);
        assert_eq!(exchanged.to_sealed("plant/x"), None);
        // `plant/b/x` would stand where `office/x` does.
        let several = map(&[("a/", "plant/"), ("a/b/", "office/")]);
        assert_eq!(several.to_here("plant/b/x"), None);
        for (here, sealed) in [
            ("a", ""),
            ("a/+/", ""),
            ("", "#/"),
            ("$SYS/", ""),
            ("", "a\0/"),
        ] {
            let error = TopicMap::new().add(here, sealed);
            assert_eq!(error, Err(TopicMapError::Beginning), "{here} {sealed}");
        }
        assert_eq!(exchanged.add("a/", "b/"), Err(TopicMapError::Twice));
    }
}
