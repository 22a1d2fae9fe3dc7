//! A secret, typed without being shown.
//!
//! Owns: the terminal's echo while a secret is typed. Must not: show the question before the echo is off (who types at once
//! would be read over the shoulder), nor leave the terminal dark, also not on Ctrl-C.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::secret::Secret;

const CTRL_C: u8 = 3;

/// The terminal with its echo off; what it was comes back with the drop.
struct Dark<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Dark<'a> {
    /// Line editing stays with the terminal. Ctrl-C becomes an end of the line instead of a signal, so that the echo is on
    /// again before the signal is sent.
    fn new(terminal: &'a File) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut dark = before.clone();
        dark.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        dark.local_modes.insert(LocalModes::ICANON | LocalModes::ECHONL);
        dark.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(terminal, OptionalActions::Now, &dark)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Dark<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Asks for a secret on the process's terminal, without showing it. Ctrl-C interrupts the process as anywhere else.
///
/// # Errors
/// When there is no terminal, what was typed is not UTF-8, or nothing was typed and the input ended.
pub fn secret(question: &str) -> Result<Secret, String> {
    match typed(question).map_err(|e| format!("the terminal: {e}"))? {
        Some(line) => std::str::from_utf8(&line)
            .map(|text| Secret::new(text.to_owned()))
            .map_err(|_| "what was typed is not UTF-8".to_owned()),
        None => {
            let _ = kill_process(getpid(), Signal::INT);
            Err("interrupted".to_owned())
        }
    }
}

/// What was typed up to the end of the line; `None` after Ctrl-C.
fn typed(question: &str) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let mut dark = Dark::new(&terminal)?;
    (&terminal).write_all(question.as_bytes())?;
    let mut line = Zeroizing::new(Vec::with_capacity(4096));
    let mut byte = Zeroizing::new([0]);
    let interrupted = loop {
        match (dark.terminal.read(&mut *byte)?, *byte) {
            (0, _) if line.is_empty() => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            (0, _) | (_, [b'\n']) => break false,
            (_, [CTRL_C]) => break true,
            (_, [key]) => line.push(key),
        }
    };
    drop(dark);
    if interrupted {
        terminal.write_all(b"\n")?;
    }
    Ok((!interrupted).then_some(line))
}
