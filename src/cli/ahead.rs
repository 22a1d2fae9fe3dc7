//! Text that nobody reads: a full pipe, a terminal stopped with Ctrl-S. A run goes on ahead of it.
//!
//! Owns: the threads that write while a run is under way, and how long the rest of it is waited for. Must not: choose words.
//!
//! Commands write by themselves and wait for their reader, as every program does. A run must not: hosts are out of service.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{IsTerminal as _, Write, stderr, stdout};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most that waits for a reader, in bytes. What comes then is not shown; the journal has it.
const MOST: usize = 16 << 20;
/// A reader of a pipe that takes nothing for so long once the run is over will not come: the process ends without it.
const PATIENCE: Duration = Duration::from_secs(20);

/// One of the two streams of the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stream {
    data: bool,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    waiting: VecDeque<String>,
    bytes: usize,
    /// Something of it is with the kernel.
    writing: bool,
    /// Counts what the reader took.
    taken: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// Whoever writes waits for the reader.
    #[default]
    Together,
    /// A thread does.
    Ahead,
    /// Nobody reads, and nothing is written any more.
    Lost,
}

impl Stream {
    /// Standard output.
    pub fn data() -> Self {
        Self::of(true)
    }

    /// Standard error.
    pub fn people() -> Self {
        Self::of(false)
    }

    fn of(data: bool) -> Self {
        let shared = Arc::default();
        Self { data, shared }
    }

    /// Writes. A reader that went away is no failure of ours.
    pub fn write(&self, text: &str) {
        let mut state = self.shared.lock();
        match state.mode {
            Mode::Lost => {}
            Mode::Ahead => {
                if state.bytes + text.len() <= MOST {
                    state.bytes += text.len();
                    state.waiting.push_back(text.to_owned());
                    self.shared.changed.notify_all();
                }
            }
            Mode::Together => {
                drop(state);
                let _ = match self.data {
                    true => put(&mut stdout().lock(), text),
                    false => put(&mut stderr().lock(), text),
                };
            }
        }
    }

    /// Whoever writes does not wait from here on, until the guard is dropped. Where there is no thread it waits as ever.
    pub fn ahead(&self) -> Ahead {
        let copy = match self.data {
            true => stdout().as_fd().try_clone_to_owned(),
            false => stderr().as_fd().try_clone_to_owned(),
        };
        if let Ok(copy) = copy {
            let (shared, file) = (Arc::clone(&self.shared), File::from(copy));
            // Held until it is known: the thread sees no other mode.
            let mut state = self.shared.lock();
            let spawned = std::thread::Builder::new().spawn(move || shared.write_all(file));
            if spawned.is_ok() {
                state.mode = Mode::Ahead;
            }
        }
        Ahead(self.clone())
    }
}

fn put(to: &mut dyn Write, text: &str) -> std::io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}

/// While it lives, writing does not wait.
#[must_use]
pub struct Ahead(Stream);

impl Drop for Ahead {
    /// Waits for the reader: a pipe's as long as it takes something, a person at a terminal always.
    fn drop(&mut self) {
        let shared = &self.0.shared;
        let person = match self.0.data {
            true => stdout().is_terminal(),
            false => stderr().is_terminal(),
        };
        let mut state = shared.lock();
        while state.writing || !state.waiting.is_empty() {
            let before = state.taken;
            let waited = shared.changed.wait_timeout(state, PATIENCE);
            let (now, patience) = waited.unwrap_or_else(PoisonError::into_inner);
            state = now;
            if patience.timed_out() && state.taken == before && !person {
                state.mode = Mode::Lost;
                state.waiting.clear();
                return;
            }
        }
        state.mode = Mode::Together;
        shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: writes what waits, until nobody is ahead any more.
    fn write_all(&self, mut file: File) {
        let mut state = self.lock();
        loop {
            if let Some(text) = state.waiting.pop_front() {
                state.bytes -= text.len();
                state.writing = true;
                drop(state);
                let _ = put(&mut file, &text);
                state = self.lock();
                state.writing = false;
                state.taken += 1;
                self.changed.notify_all();
            } else if state.mode == Mode::Ahead {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                return;
            }
        }
    }
}
