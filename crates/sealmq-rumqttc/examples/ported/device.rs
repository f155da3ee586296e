//! Which device this is, and where its broker: as the command line says.

use std::error::Error;
use std::path::Path;

use sealmq_store::{FileStore, StoreRole, Unlock, Vault};

fn argument(number: usize) -> String {
    std::env::args().nth(number).unwrap_or_default()
}

pub fn name() -> String {
    argument(1)
}

/// The identity.
pub fn store() -> Result<FileStore, Box<dyn Error>> {
    let unlock = Unlock::KeyFile(argument(3).into());
    let vault = Vault::unlock(Path::new(&argument(2)), StoreRole::Member, &unlock)?;
    Ok(vault.open()?)
}

/// For WebSocket a URL.
pub fn host() -> String {
    argument(4)
}

pub fn port() -> u16 {
    argument(5).parse().unwrap_or_default()
}

/// A file beside the store, of TLS.
pub fn file(name: &str) -> Vec<u8> {
    let path = Path::new(&argument(2)).with_file_name(name);
    std::fs::read(path).unwrap_or_default()
}
