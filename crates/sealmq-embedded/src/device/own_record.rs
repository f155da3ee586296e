use sealmq_keys::session_records::Due;

/// The record of this device's session for events in a group. It is sealed anew each time: so it
/// need not be kept.
#[derive(Clone, Copy)]
pub(super) struct OwnRecord {
    pub(super) due: Due,
    pub(super) to_send: bool,
    /// A broker has one of this session.
    pub(super) is_published: bool,
}

impl OwnRecord {
    pub(super) const NEW: Self = Self {
        due: Due::NEW,
        to_send: false,
        is_published: false,
    };
}
