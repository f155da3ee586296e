/// What the newest announcement of a group says.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    pub(super) serial: u32,
    pub(super) epoch: u64,
    pub(super) issued_at: u64,
    /// The newest generation, and its first epoch.
    pub(super) generation: u32,
    pub(super) first_epoch: u64,
}
