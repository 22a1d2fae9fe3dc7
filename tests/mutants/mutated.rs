//! Which mutant lives, in a copy of the sources into which `tests/mutants/run` wove all of them. No part of pitstop.
//!
//! `PITSTOP_MUTANT=N`: mutant N lives. `PITSTOP_MUTANT_REACHED=FILE`: none does; every mutant that is come by is noted there.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static SEEN: [AtomicBool; 8192] = [const { AtomicBool::new(false) }; 8192];

/// Whether mutant `n` lives in this process.
pub fn mutated(n: usize) -> bool {
    static LIVES: OnceLock<usize> = OnceLock::new();
    static NOTED: OnceLock<Option<String>> = OnceLock::new();
    let lives = *LIVES.get_or_init(|| std::env::var("PITSTOP_MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0));
    if lives == 0
        && !SEEN[n].swap(true, Ordering::Relaxed)
        && let Some(file) = NOTED.get_or_init(|| std::env::var("PITSTOP_MUTANT_REACHED").ok())
        && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(file)
    {
        let _ = file.write_all(format!("{n}\n").as_bytes());
    }
    lives == n
}

/// One of two iterators: what a function that returns `impl Iterator` gives, and what its mutant gives.
pub enum Either<A, B> {
    /// The mutant's.
    Left(A),
    /// The function's.
    Right(B),
}

impl<A: Iterator, B: Iterator<Item = A::Item>> Iterator for Either<A, B> {
    type Item = A::Item;

    fn next(&mut self) -> Option<A::Item> {
        match self {
            Either::Left(a) => a.next(),
            Either::Right(b) => b.next(),
        }
    }
}
