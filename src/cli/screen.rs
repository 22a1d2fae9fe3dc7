//! Where text goes: people's to stderr, data to stdout, both to the log file if there is one.
//!
//! Owns: what the terminal can do (colour, width, letters), writing that a closed pipe cannot stop. Must not: choose words.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::ahead::{Ahead, Stream};
use crate::text;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How something is meant; shown as a colour, and always said in words too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Strong,
    /// Good.
    Good,
    /// To be looked at.
    Warn,
    /// Bad.
    Bad,
    /// Of little weight.
    Dim,
}

/// The terminal, or what stands for one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Screen {
    color: bool,
    data_color: bool,
    unicode: bool,
    quiet: bool,
    verbose: u8,
    log: Option<Arc<Mutex<File>>>,
    data: Stream,
    people: Stream,
}

impl Screen {
    /// From the options and the environment.
    pub fn new(color: Color, quiet: bool, verbose: u8) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            && std::env::var("TERM").is_ok_and(|t| t != "dumb");
        let on = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => allowed && terminal,
        };
        Self {
            color: on(std::io::stderr().is_terminal()),
            data_color: on(std::io::stdout().is_terminal()),
            unicode: utf8_locale(),
            quiet,
            verbose,
            log: None,
            data: Stream::data(),
            people: Stream::people(),
        }
    }

    /// Everything said goes to this file too (0600, appended).
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn log_to(&mut self, path: &Path) -> std::io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        self.log = Some(Arc::new(Mutex::new(file)));
        Ok(())
    }

    /// True if colour may be used for people's text.
    pub fn color(&self) -> bool {
        self.color
    }

    /// True if letters beyond ASCII can be shown.
    pub fn unicode(&self) -> bool {
        self.unicode
    }

    /// A text people must see: stderr.
    pub fn say(&self, text: &str) {
        self.write_err(&format!("{text}\n"));
        self.log_line(&unpainted(text));
    }

    /// A text that `-q` leaves out.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// How often `-v` was given.
    pub fn verbosity(&self) -> u8 {
        self.verbose
    }

    /// True with `-q`.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Until these are dropped, who writes does not wait for who reads.
    pub fn ahead(&self) -> [Ahead; 2] {
        [self.data.ahead(), self.people.ahead()]
    }

    /// Data: stdout. A reader that went away is no failure of ours.
    pub fn data(&self, text: &str) {
        self.data.write(text);
    }

    /// Bytes that are written as they are to stderr, and not to the log: what a live screen redraws.
    pub fn write_err(&self, text: &str) {
        self.people.write(text);
    }

    /// A line for the log file only.
    pub fn log_line(&self, line: &str) {
        if let Some(log) = &self.log {
            let mut file = log.lock().unwrap_or_else(PoisonError::into_inner);
            // A log that cannot be written must not stop a run; the journal is the memory.
            let _ = writeln!(file, "{:.0} {}", Timestamp::now(), text::terminal(line));
        }
    }

    /// A text in a tone, for stderr.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.color, tone, text)
    }

    /// A text in a tone, for stdout.
    pub fn paint_data(&self, tone: Tone, text: &str) -> String {
        paint(self.data_color, tone, text)
    }

    /// Columns of the terminal.
    pub fn width(&self) -> usize {
        self.size().0
    }

    /// Columns and rows: of stderr, of stdout, else COLUMNS and LINES, else 100 and 24.
    pub fn size(&self) -> (usize, usize) {
        let asked = [
            rustix::termios::tcgetwinsize(std::io::stderr()),
            rustix::termios::tcgetwinsize(std::io::stdout()),
        ];
        let found = asked
            .into_iter()
            .flatten()
            .find(|w| w.ws_col > 0)
            .map(|w| (usize::from(w.ws_col), usize::from(w.ws_row)));
        let from = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<usize>().ok());
        let (columns, rows) = found.unwrap_or((100, 24));
        (
            from("COLUMNS").unwrap_or(columns).clamp(20, 400),
            from("LINES").unwrap_or(rows).max(4),
        )
    }
}

fn paint(on: bool, tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Plain => "",
        Tone::Strong => "1",
        Tone::Good => "32",
        Tone::Warn => "33",
        Tone::Bad => "1;31",
        Tone::Dim => "2",
    };
    if on && !code.is_empty() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// A text without what `paint` puts round it. What hosts said has no escapes left when it comes here.
fn unpainted(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .split_once('m')
            .filter(|(code, _)| code.bytes().all(|b| b.is_ascii_digit() || b == b';'));
        match code {
            Some((_, rest)) => plain.push_str(rest),
            None => plain.extend(["\x1b[", part]),
        }
    }
    plain
}

/// The first of these that is set decides, as for the C library.
fn utf8_locale() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// A table with columns as wide as their content; the last is not padded.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let shown = |n: usize, cell: &str| (n, cell.chars().count());
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (n, count) in row.iter().enumerate().map(|(n, cell)| shown(n, cell)) {
            if let Some(width) = widths.get_mut(n) {
                *width = (*width).max(count);
            }
        }
    }
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        format!("{}\n", text.trim_end())
    };
    let mut out = line(head.to_vec());
    for row in rows {
        out.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    out
}
