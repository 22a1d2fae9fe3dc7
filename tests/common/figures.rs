//! The figures that suites come to: one line each, printed, and kept under `target/figures` for `tests/run` to show at its end.

use std::io::Write as _;
use std::path::Path;

/// Prints `figure: NAME | COUNT | seed N`, and keeps it: the test runner hides what a good test prints.
pub fn print(name: &str, count: impl std::fmt::Display, seed: Option<u64>) {
    let seed = seed.map_or("-".to_owned(), |seed| format!("seed {seed}"));
    let line = format!("figure: {name} | {count} | {seed}\n");
    // Past the capture of the test harness: a figure is there to be seen.
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/figures");
    std::fs::create_dir_all(&dir).unwrap();
    // One write of a short line is whole, whoever else writes.
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("lines"));
    file.unwrap().write_all(line.as_bytes()).unwrap();
}

/// `PITSTOP_SEED`, or a fresh one.
pub fn seed() -> u64 {
    let told = std::env::var("PITSTOP_SEED").ok().and_then(|s| s.parse().ok());
    told.unwrap_or_else(|| {
        u64::from(std::process::id()) << 20 | u64::from(std::time::UNIX_EPOCH.elapsed().unwrap().subsec_micros())
    })
}

const _: fn() -> u64 = seed;
const _: fn(&str, usize, Option<u64>) = print;
