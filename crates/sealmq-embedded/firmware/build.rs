//! The linker's memory map, by board.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let has = |board: &str| env::var_os(format!("CARGO_FEATURE_{board}")).is_some();
    let virt = |length: &str| {
        format!(
            "MEMORY {{ RAM : ORIGIN = 0x80000000, LENGTH = {length} }}
REGION_ALIAS(\"REGION_TEXT\", RAM); REGION_ALIAS(\"REGION_RODATA\", RAM);
REGION_ALIAS(\"REGION_DATA\", RAM); REGION_ALIAS(\"REGION_BSS\", RAM);
REGION_ALIAS(\"REGION_HEAP\", RAM); REGION_ALIAS(\"REGION_STACK\", RAM);"
        )
    };
    let map = if has("LM3S") {
        "MEMORY { FLASH : ORIGIN = 0, LENGTH = 256K RAM : ORIGIN = 0x20000000, LENGTH = 64K }"
            .into()
    } else if has("MPS2") {
        "MEMORY { FLASH : ORIGIN = 0, LENGTH = 4M RAM : ORIGIN = 0x20000000, LENGTH = 2M }".into()
    } else if has("VECTORS") {
        virt("8M")
    } else {
        virt("1M")
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("memory.x"), map).expect("the target's folder can be written");
    println!("cargo:rustc-link-search={}", out.display());
    if has("VIRT") {
        // The linker is one for 64 bits, too.
        println!("cargo:rustc-link-arg=-melf32lriscv");
        println!("cargo:rustc-link-arg=-Tmemory.x");
    }
    println!("cargo:rustc-link-arg=-Tlink.x");
    println!("cargo:rerun-if-changed=build.rs");
}
