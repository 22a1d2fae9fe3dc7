//! Protections that a debug build can be told to do without: `PITSTOP_WITHOUT=redaction,fsync,…`. It says so on standard error.
//!
//! A suite that finds nothing proves nothing, unless it finds something where there is something to find. Each suite whose result
//! is a zero runs once more without what it tests, and must find at least one (the table is in `docs/design/0002-proofs.md`). In a release
//! build nothing of this exists, not even the variable's name: `tests/controls.rs` shows it.
//!
//! Owns: the protections' names. Must not: know what a protection does; use anything but `std`, for a test compiles this file alone.

/// Something that keeps a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// A changing step starts at most once.
    Latch,
    /// A record is on the disk before anybody acts on it.
    Fsync,
    /// What was done last is taken back first.
    UndoOrder,
    /// Secrets are taken out of what is stored and shown.
    Redaction,
    /// An approval counts only with a good signature about this very plan.
    Approval,
}

#[cfg(not(debug_assertions))]
pub use released::off;

#[cfg(not(debug_assertions))]
mod released {
    use super::Protection;

    /// Never.
    pub fn off(_: Protection) -> bool {
        false
    }
}

#[cfg(debug_assertions)]
pub use armed::{off, without};

#[cfg(debug_assertions)]
mod armed {
    use std::cell::Cell;
    use std::io::Write as _;
    use std::sync::OnceLock;

    use super::Protection;

    const ALL: [(&str, Protection); 5] = [
        ("latch", Protection::Latch),
        ("fsync", Protection::Fsync),
        ("undo-order", Protection::UndoOrder),
        ("redaction", Protection::Redaction),
        ("approval", Protection::Approval),
    ];

    thread_local! {
        /// For a test of one thread.
        static HERE: Cell<Option<Protection>> = const { Cell::new(None) };
    }

    fn told() -> &'static [Protection] {
        static TOLD: OnceLock<Vec<Protection>> = OnceLock::new();
        TOLD.get_or_init(|| {
            let text = std::env::var("PITSTOP_WITHOUT").unwrap_or_default();
            let named = |(name, protection): &(&str, Protection)| {
                let asked = text.split(',').any(|word| word == *name);
                if asked {
                    let _ = writeln!(std::io::stderr(), "without: {name}");
                }
                asked.then_some(*protection)
            };
            ALL.iter().filter_map(named).collect()
        })
    }

    /// Whether this protection is switched off.
    pub fn off(protection: Protection) -> bool {
        HERE.get() == Some(protection) || told().contains(&protection)
    }

    /// Does `work` on this thread without a protection.
    pub fn without<T>(protection: Protection, work: impl FnOnce() -> T) -> T {
        HERE.set(Some(protection));
        let done = work();
        HERE.set(None);
        done
    }
}
