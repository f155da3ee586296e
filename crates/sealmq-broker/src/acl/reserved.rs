//! The access list's lines for sealmq's reserved topics (spec/keys.md §9).

use core::fmt::{self, Write as _};

use super::{AccessList, refused};
use crate::error::BrokerError;

/// What an access list has to say about sealmq's own topics, for the bundled broker and for
/// Mosquitto's `acl_file`. [`Display`](fmt::Display) writes it.
///
/// It is defence in depth: whoever breaks these rules can delay, and nothing else.
#[derive(Clone, Debug)]
pub struct ReservedTopics {
    prefix: String,
    authority: String,
    name: char,
    topics: Vec<String>,
}

impl ReservedTopics {
    /// For all domains under the usual prefix, an authority that logs in as `authority`, and members
    /// whose user names are their numbers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            prefix: "_sealmq/+".to_owned(),
            authority: "authority".to_owned(),
            name: 'u',
            topics: Vec::new(),
        }
    }

    /// One domain's prefix, as `sealmq group list` shows it.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The authority's user name.
    #[must_use]
    pub fn authority(mut self, user: impl Into<String>) -> Self {
        self.authority = user.into();
        self
    }

    /// Members' numbers are their client identifiers instead of user names. Only where the broker
    /// ties client identifiers to who logs in is this more than good manners.
    #[must_use]
    pub fn by_client_id(mut self) -> Self {
        self.name = 'c';
        self
    }

    /// Topics of applications, which everybody may publish to and read: sealmq protects what is in
    /// the messages.
    #[must_use]
    pub fn topics(mut self, filters: impl IntoIterator<Item = String>) -> Self {
        self.topics.extend(filters);
        self
    }
}

impl ReservedTopics {
    /// The text, which the broker reads as it is meant: no name or topic in it has a line break or is
    /// no topic filter.
    ///
    /// # Errors
    /// [`BrokerError::AccessList`] names what cannot stand in an access list.
    pub fn checked(&self) -> Result<String, BrokerError> {
        let mut texts = self.topics.iter().chain([&self.prefix, &self.authority]);
        let bad = |text: &&String| {
            text.is_empty() || text.trim() != text.as_str() || text.contains(char::is_control)
        };
        let wrong = texts.find(bad);
        let text = self.to_string();
        match (wrong, AccessList::parse(&text)) {
            (None, Ok(_)) => Ok(text),
            (Some(wrong), _) => Err(refused(format!("{wrong:?} cannot stand in an access list"))),
            (None, Err((line, what))) => Err(refused(format!(
                "the access list would have a wrong line {line}: {what}"
            ))),
        }
    }
}

impl Default for ReservedTopics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for ReservedTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            prefix,
            authority,
            name,
            topics,
        } = self;
        let who = if *name == 'u' {
            "user name"
        } else {
            "client identifier"
        };
        write!(
            f,
            "# Access list of an MQTT broker that carries sealmq: the bundled one (access_list), or\n\
             # Mosquitto (acl_file). A member's {who} is its number, as `sealmq member list` shows it.\n\
             # What no line allows is refused.\n\n"
        )?;
        for topic in topics {
            writeln!(
                f,
                "# A topic of applications, for everybody who may connect.\npattern readwrite {topic}\n"
            )?;
        }
        if topics.is_empty() {
            f.write_str("# Topics of applications: a line like this one for each, for everybody who may connect.\n# pattern readwrite plant/#\n\n")?;
        }
        f.write_str("# Members: what the authority publishes, and what they answer.\n")?;
        let member = format!("%{name}");
        let mut lines = String::new();
        for (access, topic) in [
            ("read", "delegation"),
            ("read", &format!("m/{member}/#")),
            ("read", "m/+/credential"),
            ("read", "g/#"),
            ("write", &format!("m/{member}/confirm")),
            ("write", &format!("m/{member}/packages")),
            ("write", &format!("g/+/n/{member}")),
            ("write", &format!("g/+/s/{member}")),
        ] {
            writeln!(lines, "pattern {access} {prefix}/{topic}")?;
        }
        f.write_str(&lines)?;
        write!(
            f,
            "\n# Devices that join, which have no number yet.\n\
             pattern write {prefix}/join/+\npattern read {prefix}/answer/+\n\n\
             # The authority, which also reads the broker's figures.\n\
             user {authority}\ntopic readwrite {prefix}/#\ntopic read $SYS/#\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Client;
    use super::*;

    /// The rows of spec/keys.md §9: topic, writer.
    const ROWS: [(&str, &str); 16] = [
        ("delegation", "authority"),
        ("m/7/credential", "authority"),
        ("m/7/w/0a", "authority"),
        ("m/7/confirm", "member"),
        ("m/7/packages", "member"),
        ("m/7/n/0a", "authority"),
        ("g/0a/a/9", "authority"),
        ("g/0a/c/9/1", "authority"),
        ("g/0a/r", "authority"),
        ("g/0a/r/128", "authority"),
        ("g/0a/k", "authority"),
        ("g/0a/hb", "authority"),
        ("g/0a/n/7", "member"),
        ("g/0a/s/7", "member"),
        ("join/00ff", "device"),
        ("answer/00ff", "authority"),
    ];

    #[test]
    fn what_would_become_another_line_is_refused() {
        for topic in ["", " a", "a\nuser eve", "a#", "a\r"] {
            assert!(
                ReservedTopics::new()
                    .topics([topic.to_owned()])
                    .checked()
                    .is_err(),
                "{topic:?}"
            );
        }
        assert!(
            ReservedTopics::new()
                .authority("a\ntopic #")
                .checked()
                .is_err()
        );
        assert!(ReservedTopics::new().prefix("x/#").checked().is_err());
        assert!(
            ReservedTopics::new()
                .topics(["plant/#".to_owned()])
                .checked()
                .is_ok()
        );
    }

    #[test]
    fn each_row_of_the_specification_has_its_writer_and_no_other() {
        let domain = "_sealmq/0123456789abcdef0123456789abcdef";
        for lists in [
            ReservedTopics::new(),
            ReservedTopics::new().prefix(domain),
            ReservedTopics::new()
                .by_client_id()
                .topics(["plant/#".to_owned()]),
        ] {
            let by_id = lists.name == 'c';
            let list = AccessList::parse(&lists.to_string()).unwrap();
            let client = |number| Client {
                id: if by_id { number } else { "any" },
                user: (!by_id).then_some(number),
            };
            let authority = Client {
                id: "any",
                user: Some("authority"),
            };
            for (topic, writer) in ROWS {
                let topic = format!("{domain}/{topic}");
                assert!(list.may_publish(authority, &topic));
                assert_eq!(
                    list.may_publish(client("7"), &topic),
                    matches!(writer, "member" | "device"),
                    "{topic}"
                );
                assert_eq!(
                    list.may_publish(client("8"), &topic),
                    writer == "device",
                    "{topic}"
                );
            }
            // The subscriptions of the same section.
            let reads = |who, filter: &str| list.may_subscribe(who, &format!("{domain}/{filter}"));
            for filter in [
                "delegation",
                "m/7/#",
                "g/0a/r",
                "g/0a/a/+",
                "g/0a/k",
                "g/0a/hb",
                "g/0a/c/9/1",
                "m/3/credential",
                "answer/00ff",
            ] {
                assert!(reads(client("7"), filter), "{filter}");
            }
            for filter in ["#", "m/8/#", "m/+/packages", "join/+", "join/#"] {
                assert!(!reads(client("7"), filter), "{filter}");
                assert!(reads(authority, filter), "{filter}");
            }
            assert_eq!(
                list.may_publish(client("7"), "plant/a"),
                !lists.topics.is_empty()
            );
        }
    }
}
