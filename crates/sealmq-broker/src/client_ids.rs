//! Which client identifiers a client may take: the identifier is the session, and who takes it ends
//! the connection of who had it.

/// What a client identifier has to do with the user who logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientIds {
    /// Nothing: any that MQTT and the broker allow.
    #[default]
    Any,
    /// It is the user name.
    User,
    /// It is the user name, or begins with the user name and one of `-`, `.`, `:` and `_`.
    UserPrefix,
    /// It begins with this text, whoever the user is.
    Prefix(String),
}

impl ClientIds {
    pub(crate) fn allow(&self, id: &str, user: Option<&str>) -> bool {
        match (self, user) {
            (Self::Any, _) => true,
            (Self::Prefix(prefix), _) => id.starts_with(prefix.as_str()),
            (Self::User, Some(user)) => id == user,
            (Self::UserPrefix, Some(user)) => id
                .strip_prefix(user)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', ':', '_'])),
            (_, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_belongs_to_its_user() {
        let ann = Some("ann");
        assert!(ClientIds::Any.allow("x", None));
        assert!(ClientIds::User.allow("ann", ann) && !ClientIds::User.allow("ann-1", ann));
        assert!(!ClientIds::User.allow("ann", None));
        let prefix = ClientIds::UserPrefix;
        assert!(prefix.allow("ann", ann) && prefix.allow("ann-1", ann));
        assert!(
            !prefix.allow("anna", ann) && !prefix.allow("bob", ann) && !prefix.allow("x", None)
        );
        let site = ClientIds::Prefix("site-".to_owned());
        assert!(site.allow("site-9", None) && !site.allow("9", ann));
    }
}
