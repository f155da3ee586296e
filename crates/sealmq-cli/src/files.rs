//! Small files that the user names; `-` is standard input or output.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::failure::{Exit, Failure};

/// Reads all of a file, at most `most` bytes.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let result = if is_dash(path) {
        io::stdin().take(limit).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    result.map_err(|error| {
        Failure::usage(format_args!(
            "{} cannot be read: {error}; check the path",
            name(path, "standard input")
        ))
    })?;
    if bytes.len() > most {
        return Err(Failure::usage(format_args!(
            "{} is too long: at most {most} bytes are read",
            name(path, "standard input")
        )));
    }
    Ok(bytes)
}

/// Reads a text file, at most `most` bytes.
pub(crate) fn read_text(path: &Path, most: usize) -> Result<String, Failure> {
    String::from_utf8(read(path, most)?).map_err(|_| {
        Failure::usage(format_args!(
            "{} is not a text file: check the path",
            name(path, "standard input")
        ))
    })
}

/// Fails unless `path` can be a new file, before work is done that would be lost otherwise.
pub(crate) fn check_new(path: &Path) -> Result<(), Failure> {
    if is_dash(path) {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() {
        return Err(Failure::refused(format_args!(
            "{} exists already and is not replaced: choose another name with -o, or move it away",
            path.display()
        )));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(Failure::refused(format_args!(
            "{} cannot be written: its folder does not exist, make it first",
            path.display()
        )));
    }
    Ok(())
}

/// Writes a new file; never replaces one.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let result = if is_dash(path) {
        let mut out = io::stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    } else {
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
            })
    };
    result.map_err(|error| {
        Failure::new(
            Exit::Refused,
            format!(
                "{} cannot be written: {error}",
                name(path, "standard output")
            ),
        )
    })
}

pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path, dash: &str) -> String {
    if is_dash(path) {
        dash.to_owned()
    } else {
        path.display().to_string()
    }
}
