//! The person at the terminal: questions, gates, manual steps, secrets.
//!
//! Owns: reading what is typed, on a thread of its own, so that waiting for a person never holds up an end. Must not: pass a
//! gate unless its name was typed.

use std::io::{BufRead as _, Write as _};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Mutex, mpsc};

use crate::engine::gate::{Approver, Manual, Question};
use crate::text::{terminal, terminal_line};
use crate::transport::Pending;

use super::live::Live;
use super::screen::{Screen, Tone};

/// Lines of standard input, read by one thread that lives as long as the process.
fn lines() -> &'static Mutex<mpsc::UnboundedReceiver<String>> {
    static LINES: OnceLock<Mutex<mpsc::UnboundedReceiver<String>>> = OnceLock::new();
    LINES.get_or_init(|| {
        let (send, receive) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if send.send(line.trim().to_owned()).is_err() {
                    return;
                }
            }
        });
        Mutex::new(receive)
    })
}

/// Asks for a word and waits. `None`: the input has ended.
pub fn ask(screen: &Screen, question: &str) -> Option<String> {
    screen.write_err(question);
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim().to_owned())
}

/// The person as the engine sees one.
pub struct Terminal {
    live: Live,
    run: String,
}

impl Terminal {
    /// A person who sees this screen.
    pub fn new(live: Live, run: String) -> Self {
        Self { live, run }
    }

    async fn next_line(&self) -> Option<String> {
        lines().lock().await.recv().await
    }

    fn show(&self, question: &Question) {
        let live = &self.live;
        live.say(
            Tone::Warn,
            &format!("Gate {}: {}", question.gate, terminal_line(&question.title)),
        );
        live.say(
            Tone::Plain,
            &format!(
                "  waits for {}, until {:.0}",
                terminal_line(&question.needs),
                question.expires
            ),
        );
        for line in &question.shown {
            live.say(Tone::Plain, &format!("  evidence: {}", terminal_line(line)));
        }
        if !question.typed {
            let command = format!(
                "pitstop approve {} --gate {} --key ~/.ssh/id_ed25519",
                self.run, question.gate
            );
            live.say(Tone::Plain, &format!("  to say yes: {command}"));
            live.say(
                Tone::Plain,
                &format!("  to say no:  {}", command.replacen("approve", "reject", 1)),
            );
        }
    }
}

impl Approver for Terminal {
    fn present(&self) -> bool {
        true
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Pending<'a, bool> {
        Box::pin(async move {
            self.show(question);
            if !question.typed {
                // Signed answers come as files; the engine looks for them.
                return std::future::pending().await;
            }
            let _paused = self.live.pause();
            loop {
                self.live
                    .prompt(&format!("  type `{}` to go on, or `no` to reject: ", question.gate));
                let Some(typed) = self.next_line().await else {
                    // The input has ended: nobody can answer here any more.
                    return std::future::pending().await;
                };
                match typed.as_str() {
                    name if name == question.gate => return true,
                    "no" => return false,
                    _ => {}
                }
            }
        })
    }

    fn manual<'a>(&'a self, text: &'a str) -> Pending<'a, Manual> {
        Box::pin(async move {
            let _paused = self.live.pause();
            self.live.say(Tone::Warn, "To be done by hand:");
            for line in terminal(text).lines() {
                self.live.say(Tone::Plain, &format!("  {line}"));
            }
            loop {
                self.live
                    .prompt("  type `done` or `failed`, and what there is to note: ");
                let Some(typed) = self.next_line().await else {
                    return std::future::pending().await;
                };
                let (word, note) = typed.split_once(' ').unwrap_or((&typed, ""));
                if matches!(word, "done" | "failed") {
                    return Manual {
                        done: word == "done",
                        note: note.trim().to_owned(),
                    };
                }
            }
        })
    }
}

/// Keeps the live screen from redrawing while a person types.
pub struct Paused(pub Arc<dyn Fn() + Send + Sync>);

impl Drop for Paused {
    fn drop(&mut self) {
        (self.0)();
    }
}
