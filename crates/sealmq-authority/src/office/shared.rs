use sealmq_keys::Store;

/// What can go wrong with the store behind a [`SharedStore`].
pub type SharedError<S> = <<S as SharedStore>::Store as Store>::Error;

/// The authority's store as it really is: others act on it, too, such as commands beside the
/// running office, or another office that stands by.
pub trait SharedStore {
    /// The store itself, while it is open.
    type Store: Store;

    /// Whether anything was committed since the last [`SharedStore::with`] returned, by anybody.
    /// `None` while somebody else is at work: nobody can say.
    ///
    /// # Errors
    /// The store cannot be read.
    fn has_changed(&mut self) -> Result<Option<bool>, SharedError<Self>>;

    /// Opens the store for one piece of work, and closes it. `None`, and nothing was done, if
    /// somebody else has it open for too long.
    ///
    /// # Errors
    /// The store cannot be opened or closed.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Self::Store) -> T,
    ) -> Result<Option<T>, SharedError<Self>>;
}
