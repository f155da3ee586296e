//! Makes the test vectors: `cargo run -p sealmq-testkit --bin vectors -- --write test-vectors`
//! writes them, `--check` makes them again in memory and says where the files differ.

use std::path::Path;
use std::process::ExitCode;

use sealmq_testkit::vectors::{check_file, files};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["--write", folder] => write(Path::new(folder)),
        ["--check", folder] => check(Path::new(folder)),
        _ => Err("usage: vectors --write FOLDER | --check FOLDER".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> Result<(), String> {
    for (name, text) in files() {
        let path = folder.join(name);
        // Vectors that the real code does not agree with never reach a file.
        let counts = check_file(&text).map_err(|faults| format!("{name}:\n{faults}"))?;
        std::fs::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
        println!(
            "{}: {} vectors, {} bytes",
            path.display(),
            total(&counts),
            text.len()
        );
    }
    Ok(())
}

fn check(folder: &Path) -> Result<(), String> {
    for (name, text) in files() {
        let path = folder.join(name);
        let committed = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some((line, wanted, found)) = first_difference(&text, &committed) {
            return Err(format!(
                "{}:{line}: differs from what the source makes (run with --write if that is meant)\n  source: {wanted}\n  file:   {found}",
                path.display()
            ));
        }
        println!("{}: as the source makes it", path.display());
    }
    Ok(())
}

fn total(counts: &sealmq_testkit::vectors::Counts) -> usize {
    counts
        .values()
        .map(|(valid, invalid)| valid.saturating_add(*invalid))
        .sum()
}

/// The first line that differs, its number, and what stands there on both sides.
fn first_difference<'a>(source: &'a str, file: &'a str) -> Option<(usize, &'a str, &'a str)> {
    if source == file {
        return None;
    }
    let (mut a, mut b) = (source.lines(), file.lines());
    for line in 1.. {
        match (a.next(), b.next()) {
            (Some(wanted), Some(found)) if wanted == found => {}
            (None, None) => return Some((line, "end of file", "end of file, other line ends")),
            (wanted, found) => {
                return Some((
                    line,
                    wanted.unwrap_or("end of file"),
                    found.unwrap_or("end of file"),
                ));
            }
        }
    }
    None
}
