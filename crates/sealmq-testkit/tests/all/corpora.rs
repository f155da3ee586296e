//! Every fuzz corpus, replayed by the same code that the fuzzer runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sealmq_testkit::fuzz::{TARGETS, seeds};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn every_target_has_a_corpus_a_program_and_a_bin_entry() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("corpus")), targets);
    let programs = names(&fuzz().join("fuzz_targets"));
    assert!(
        programs.iter().eq(&targets
            .iter()
            .map(|t| format!("{t}.rs"))
            .collect::<BTreeSet<_>>())
    );
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in &targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target} has no [[bin]]"
        );
        let program = fuzz().join("fuzz_targets").join(format!("{target}.rs"));
        let program = std::fs::read_to_string(program).unwrap();
        assert!(
            program.contains(&format!("fuzz::{target}(data)")),
            "{target} runs another"
        );
    }
}

#[test]
fn every_corpus_passes() {
    for (name, target) in TARGETS {
        let folder = fuzz().join("corpus").join(name);
        let entries = names(&folder);
        assert!(!entries.is_empty(), "{name} has an empty corpus");
        for entry in entries {
            let bytes = std::fs::read(folder.join(&entry)).unwrap();
            // The entry's name stands in the panic message's place if it fails.
            let result = std::panic::catch_unwind(|| target(&bytes));
            assert!(result.is_ok(), "fuzz/corpus/{name}/{entry} fails");
        }
    }
}

/// A target that refuses all its real objects would test nothing behind the first check.
#[test]
fn every_target_accepts_a_seed() {
    for (name, target) in TARGETS {
        let mut own = seeds().into_iter().filter(|(of, _, _)| of == name);
        assert!(
            own.any(|(_, _, bytes)| target(&bytes)),
            "{name} accepts none of its seeds"
        );
    }
}

/// A seed that no longer matches the code would quietly test nothing.
#[test]
fn seeds_are_current() {
    for (target, name, bytes) in seeds() {
        let file = fuzz().join("corpus").join(target).join(&name);
        let stored = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(
            stored == bytes,
            "{target}/{name}: run `cargo run -p sealmq-testkit --bin corpora`"
        );
    }
}
