//! Writes the seeds of the fuzz corpora: `cargo run -p sealmq-testkit --bin corpora` from the
//! repository's root. What the fuzzer found stays where it is.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, name, bytes) in sealmq_testkit::fuzz::seeds() {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
