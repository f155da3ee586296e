use crate::StoreError;

/// What keeps the bytes of a store. It may be curious and may be restored from a copy, but one
/// write is there as a whole or not at all, and while it is open nobody else writes.
pub trait Backend {
    /// Lets `work` read one state.
    ///
    /// # Errors
    /// The state cannot be read, or what `work` returns.
    fn read(
        &self,
        work: &mut dyn FnMut(&dyn Reading) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Lets `work` write; when this returns, all of it is durable. After an error of `work` nothing
    /// of it is there, after another one it is there as a whole or not at all.
    ///
    /// # Errors
    /// Nothing can be written, or what `work` returns.
    fn write(
        &self,
        work: &mut dyn FnMut(&mut dyn Writing) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Writes a segment, whole or not at all, in the place of one of this name. It need not be
    /// durable before [`Backend::sync_segments`].
    ///
    /// # Errors
    /// It cannot be written.
    fn write_segment(&self, segment: &Segment, bytes: &[u8]) -> Result<(), StoreError>;

    /// When this returns, the segments that were written of this log are durable.
    ///
    /// # Errors
    /// Nobody knows whether they are.
    fn sync_segments(&self, log: [u8; 8]) -> Result<(), StoreError>;

    /// A segment; `None` if there is none of this name.
    ///
    /// # Errors
    /// It cannot be read, or is longer than any that was written.
    fn read_segment(&self, segment: &Segment) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes all segments of a log.
    ///
    /// # Errors
    /// Some of them may be left.
    fn remove_segments(&self, log: [u8; 8]) -> Result<(), StoreError>;

    /// Where a segment is, for errors.
    fn place_of(&self, segment: &Segment) -> std::path::PathBuf;

    /// Lets others at it; dropping does the same but hides errors.
    ///
    /// # Errors
    /// Nothing that was written is lost.
    fn close(self) -> Result<(), StoreError>;
}

/// Names sealed entries of a log, which a backend keeps apart from the records: they are written
/// once, and read when somebody reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Which log.
    pub log: [u8; 8],
    /// Counted from 0.
    pub number: u64,
}

/// What is told each key and its sealed value.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'v;

/// One state of a backend.
pub trait Reading {
    /// Header and manifest.
    ///
    /// # Errors
    /// They cannot be read, or there are none.
    fn meta(&self) -> Result<Meta, StoreError>;

    /// A sealed value.
    ///
    /// # Errors
    /// It cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every key with its sealed value, in ascending order of keys.
    ///
    /// # Errors
    /// They cannot be read, or what `visit` returns.
    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

/// A write that is under way.
pub trait Writing {
    /// Sets a sealed value; returns the former one.
    ///
    /// # Errors
    /// It cannot be written.
    fn put(&mut self, key: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes a sealed value, and returns it.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets header or manifest.
    ///
    /// # Errors
    /// It cannot be written.
    fn set_meta(&mut self, entry: MetaEntry, bytes: &[u8]) -> Result<(), StoreError>;
}

/// What a backend keeps besides the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaEntry {
    /// What the store is, and its key, wrapped.
    Header,
    /// What binds the set of records, sealed.
    Manifest,
}

/// Header and manifest as they stand in the backend.
#[derive(Debug)]
pub struct Meta {
    /// See [`MetaEntry::Header`].
    pub header: Vec<u8>,
    /// See [`MetaEntry::Manifest`].
    pub manifest: Vec<u8>,
}
