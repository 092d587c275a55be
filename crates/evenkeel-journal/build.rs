//! Gives the engine a number: a hash of core's sources.
//!
//! A journal holds the engine's state by position, and its promise is the same commands byte for byte: both hold only for the
//! same engine. The version of the package is too coarse for that, and the binary's own hash is too fine.

#![allow(clippy::print_stdout)] // how a build script speaks to cargo

use std::path::{Path, PathBuf};

fn main() {
    let core = Path::new("../evenkeel-core");
    println!("cargo:rerun-if-changed={}", core.join("src").display());
    let mut files = vec![core.join("Cargo.toml")];
    collect(&core.join("src"), &mut files);
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        let bytes = std::fs::read(&file).unwrap_or_default();
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo:rustc-env=EVENKEEL_ENGINE={hash:016x}");
}

/// Everything in the folder but tests, which decide nothing.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_stem().unwrap_or_default();
        match (path.is_dir(), name == "tests") {
            (_, true) => {}
            (true, false) => collect(&path, files),
            (false, false) => files.push(path),
        }
    }
}
