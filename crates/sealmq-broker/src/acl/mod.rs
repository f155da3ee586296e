//! Who may use which topics, in the syntax of Mosquitto's `acl_file`.

mod filter;
mod reserved;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use mqtt5::validate_topic_filter;

use crate::error::BrokerError;

pub use reserved::ReservedTopics;

const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The rules of one file. What no rule allows is refused; a `deny` that matches refuses whatever else
/// matches.
#[derive(Debug, Default)]
pub(crate) struct AccessList {
    /// For clients without a user name.
    anonymous: Vec<Rule>,
    users: HashMap<String, Vec<Rule>>,
    /// For all, with `%u` and `%c`.
    patterns: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    access: Access,
    filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    Both,
    Deny,
}

/// Whose rules count.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) id: &'a str,
    pub(crate) user: Option<&'a str>,
}

impl AccessList {
    pub(crate) fn from_file(path: &Path) -> Result<Self, BrokerError> {
        let failed = |what: String| refused(format!("the access list {}: {what}", path.display()));
        let metadata = fs::metadata(path)
            .map_err(|error| failed(format!("{error}; check the path and its permissions")))?;
        if !metadata.is_file() || metadata.len() > LARGEST_FILE {
            return Err(failed("no file of at most 16 MiB".to_owned()));
        }
        let bytes = fs::read(path)
            .map_err(|error| failed(format!("{error}; check the path and its permissions")))?;
        let text = core::str::from_utf8(&bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.split(|byte| *byte == b'\n').count();
            failed(format!("line {line} is not UTF-8"))
        })?;
        Self::parse(text).map_err(|(line, what)| failed(format!("line {line}: {what}")))
    }

    /// An error has the line's number and what is wrong with it: a line that is skipped silently
    /// would be access that nobody has, or a denial that is none.
    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut list = Self::default();
        let mut user: Option<String> = None;
        for (number, line) in (1_usize..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (keyword, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let rest = rest.trim();
            match keyword {
                "user" if rest.is_empty() => return Err((number, "user needs a name")),
                "user" => {
                    list.users.entry(rest.to_owned()).or_default();
                    user = Some(rest.to_owned());
                }
                "topic" => {
                    let rule = rule(rest).map_err(|what| (number, what))?;
                    match &user {
                        None => list.anonymous.push(rule),
                        Some(user) => list.users.entry(user.clone()).or_default().push(rule),
                    }
                }
                "pattern" => list
                    .patterns
                    .push(rule(rest).map_err(|what| (number, what))?),
                _ => return Err((number, "a line begins with user, topic, pattern or #")),
            }
        }
        Ok(list)
    }

    pub(crate) fn may_publish(&self, client: Client<'_>, topic: &str) -> bool {
        self.decide(
            client,
            |rule| filter::matches(rule, topic),
            |access, rule| access != Access::Read && filter::matches(rule, topic),
        )
    }

    /// Whether everything that the filter can match may be read: what is delivered is not looked at
    /// again.
    pub(crate) fn may_subscribe(&self, client: Client<'_>, wanted: &str) -> bool {
        self.decide(
            client,
            |rule| filter::overlap(rule, wanted),
            |access, rule| access != Access::Write && filter::covers(rule, wanted),
        )
    }

    fn decide(
        &self,
        client: Client<'_>,
        denied: impl Fn(&str) -> bool,
        allowed: impl Fn(Access, &str) -> bool,
    ) -> bool {
        let own = match client.user {
            None => Some(&self.anonymous),
            Some(user) => self.users.get(user),
        };
        let own = own.into_iter().flatten();
        let own = own.map(|rule| (rule.access, rule.filter.clone()));
        let patterns = self.patterns.iter();
        let patterns = patterns.filter_map(|rule| Some((rule.access, fill(&rule.filter, client)?)));
        let mut permitted = false;
        for (access, filter) in own.chain(patterns) {
            if access == Access::Deny {
                if denied(&filter) {
                    return false;
                }
            } else if !permitted {
                permitted = allowed(access, &filter);
            }
        }
        permitted
    }
}

fn rule(text: &str) -> Result<Rule, &'static str> {
    let (first, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let access = match first {
        "read" => Access::Read,
        "write" => Access::Write,
        "readwrite" => Access::Both,
        "deny" => Access::Deny,
        _ if rest.is_empty() => {
            return checked(Access::Both, first);
        }
        _ => return Err("access is read, write, readwrite or deny"),
    };
    checked(access, rest.trim())
}

fn checked(access: Access, filter: &str) -> Result<Rule, &'static str> {
    if filter.is_empty() || validate_topic_filter(filter).is_err() {
        return Err("no topic filter: + and # stand alone in their levels, # at the end");
    }
    Ok(Rule {
        access,
        filter: filter.to_owned(),
    })
}

/// `%u` and `%c` replaced. A pattern whose name there is not, or whose name would be more than a part
/// of one level, is for nobody.
fn fill(pattern: &str, client: Client<'_>) -> Option<String> {
    let mut filled = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let name = if from.starts_with("%u") {
            client.user?
        } else if from.starts_with("%c") {
            client.id
        } else {
            filled.push('%');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        if name.is_empty() || name.contains(['+', '#', '/']) {
            return None;
        }
        filled.push_str(name);
        rest = from.get(2..).unwrap_or_default();
    }
    filled.push_str(rest);
    Some(filled)
}

fn refused(reason: String) -> BrokerError {
    BrokerError::AccessList { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# anonymous
topic read public/#
topic write in/box

user ann
topic plant/+/temp
topic read $SYS/#
topic readwrite a topic with blanks
topic deny plant/secret/#
\tuser bob
topic readwrite #
topic deny plant/secret/#
pattern write of/%u/log
pattern read to/%c/#
pattern read 100%/%u
";

    fn client<'a>(user: Option<&'a str>, id: &'a str) -> Client<'a> {
        Client { id, user }
    }

    #[test]
    fn rules_say_who_may_publish() {
        let list = AccessList::parse(LIST).unwrap();
        let may = |user, topic| list.may_publish(client(user, "id"), topic);
        assert!(may(None, "in/box") && !may(None, "public/a") && !may(None, "plant/a/temp"));
        let ann = Some("ann");
        assert!(may(ann, "plant/a/temp") && !may(ann, "plant/a") && !may(ann, "in/box"));
        assert!(!may(ann, "plant/secret/temp") && !may(ann, "$SYS/x"));
        assert!(may(ann, "a topic with blanks"));
        assert!(may(ann, "of/ann/log") && !may(ann, "of/bob/log"));
        let bob = Some("bob");
        assert!(may(bob, "anything") && !may(bob, "plant/secret") && !may(bob, "$SYS/x"));
        // Nobody has lines for this one; patterns count.
        assert!(may(Some("eve"), "of/eve/log") && !may(Some("eve"), "in/box"));
    }

    #[test]
    fn a_subscription_is_allowed_if_all_of_it_is() {
        let list = AccessList::parse(LIST).unwrap();
        let may = |user, filter| list.may_subscribe(client(user, "dev"), filter);
        assert!(may(None, "public/#") && may(None, "public/+/x") && may(None, "public"));
        assert!(!may(None, "#") && !may(None, "+/x") && !may(None, "in/box"));
        let ann = Some("ann");
        // What it can match overlaps with what is denied.
        assert!(may(ann, "plant/a/temp") && !may(ann, "plant/+/temp") && !may(ann, "plant/#"));
        assert!(may(ann, "$SYS/broker/uptime"));
        let bob = Some("bob");
        assert!(may(bob, "x/#") && !may(bob, "#") && !may(bob, "$SYS/#"));
        assert!(may(bob, "$share/group/x/#") && !may(bob, "$share/group/#"));
        assert!(may(ann, "to/dev/#") && !may(ann, "to/+/x") && !may(ann, "to/other/x"));
        assert!(may(ann, "100%/ann"));
    }

    #[test]
    fn a_name_is_never_more_than_one_level() {
        let list = AccessList::parse("pattern readwrite of/%u/%c").unwrap();
        for (user, id) in [
            ("+", "a"),
            ("#", "a"),
            ("a", "#"),
            ("a/b", "c"),
            ("", "c"),
            ("a", ""),
        ] {
            let client = client(Some(user), id);
            for topic in ["of/x/y", "of/a/b/c", "of//c", "of/a/"] {
                assert!(!list.may_publish(client, topic), "{user} {id} {topic}");
                assert!(!list.may_subscribe(client, topic), "{user} {id} {topic}");
            }
        }
        assert!(list.may_publish(client(Some("%c"), "d"), "of/%c/d"));
        assert!(!list.may_publish(client(None, "d"), "of/a/d"));
    }

    #[test]
    fn wild_files_are_refused_with_the_line() {
        for (line, number) in [
            ("topic", 3),
            ("topic read", 3),
            ("topic reed a", 3),
            ("topic read a#", 3),
            ("topic read a/#/b", 3),
            ("topic a b", 3),
            ("user", 3),
            ("users ann", 3),
            ("pattern deny", 3),
            ("topic read \0", 3),
            ("allow all", 3),
        ] {
            let text = format!("topic a\n\n{line}\ntopic b");
            assert_eq!(
                AccessList::parse(&text).err().map(|(at, _)| at),
                Some(number),
                "{line}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acl");
        let error = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            AccessList::from_file(&path).unwrap_err().to_string()
        };
        let text = error(b"topic a\ntopic \xff\n");
        assert!(
            text.contains("line 2 is not UTF-8") && text.contains("acl"),
            "{text}"
        );
        assert!(AccessList::from_file(folder.path()).is_err());
        assert!(AccessList::from_file(&folder.path().join("none")).is_err());
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        let list = AccessList::parse("# nothing\r\n\r\n").unwrap();
        assert!(!list.may_publish(client(Some("ann"), "a"), "a"));
        assert!(!list.may_subscribe(client(None, "a"), "a"));
    }
}
