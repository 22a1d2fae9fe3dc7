//! The person at the terminal: questions, gates, manual steps, secrets.
//!
//! Owns: reading what is typed, on a thread of its own, so that waiting for a person never holds up an end. Must not: pass a
//! gate unless its name was typed, or take for an answer what was typed before its question was shown.

use std::io::{BufRead as _, Write as _};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Mutex, mpsc};

use crate::engine::gate::{Approver, Chosen, Manual, Question, Trouble};
use crate::run::ask::Choice;
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
    /// One question at a time: what is typed answers the one that is on the screen.
    turn: Mutex<()>,
}

impl Terminal {
    /// A person who sees this screen.
    pub fn new(live: Live, run: String) -> Self {
        Self {
            live,
            run,
            turn: Mutex::new(()),
        }
    }

    async fn next_line(&self) -> Option<String> {
        let line = lines().lock().await.recv().await;
        self.live.answered();
        line
    }

    /// Forgets what was typed before the question could be read.
    async fn forget_typed(&self) {
        // What no thread has read yet lies with the terminal.
        let _ = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
        let mut lines = lines().lock().await;
        while lines.try_recv().is_ok() {}
    }

    fn show_trouble(&self, trouble: &Trouble) {
        let live = &self.live;
        let host = &trouble.host;
        let outcome = trouble.outcome.as_str();
        let (step, why) = (terminal_line(&trouble.step), terminal_line(&trouble.why));
        live.say(Tone::Bad, &format!("{host}: {step} is {outcome}: {why}"));
        if !trouble.said.is_empty() {
            live.say(Tone::Plain, "  the last it said:");
        }
        for line in &trouble.said {
            live.say(Tone::Dim, &format!("  | {}", terminal_line(line)));
        }
        let until = live.clock(trouble.until);
        live.say(
            Tone::Warn,
            &format!("  Your word? Without one, at {until}: {}.", trouble.policy),
        );
        for (choice, does) in &trouble.choices {
            live.say(Tone::Plain, &format!("    {:6}  {does}", key(*choice)));
        }
        live.say(
            Tone::Plain,
            "  Type the letter, and why: it is in the record. Meanwhile no further host starts.",
        );
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
            let _turn = self.turn.lock().await;
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
            let _turn = self.turn.lock().await;
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

    fn decides(&self) -> bool {
        true
    }

    fn decide<'a>(&'a self, trouble: &'a Trouble) -> Pending<'a, Option<Chosen>> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            self.forget_typed().await;
            let _paused = self.live.pause();
            self.show_trouble(trouble);
            let letters: Vec<&str> = trouble.choices.iter().map(|(c, _)| letter(*c)).collect();
            loop {
                self.live
                    .prompt(&format!("  {} [{}] > ", trouble.host, letters.join("/")));
                let typed = self.next_line().await?;
                match chosen(&typed, trouble) {
                    Ok(chosen) => return Some(chosen),
                    Err(why) => self.live.say(Tone::Plain, &format!("  {why}")),
                }
            }
        })
    }
}

/// What is typed for a choice.
fn letter(choice: Choice) -> &'static str {
    match choice {
        Choice::Rerun => "r",
        Choice::Ok => "o",
        Choice::Skip => "s",
        Choice::Rollback => "b",
        Choice::Hold => "h",
        Choice::Policy => "p",
    }
}

/// As it is shown: what needs a reason says so.
fn key(choice: Choice) -> String {
    let why = if needs_reason(choice) { " WHY" } else { "" };
    format!("{}{why}", letter(choice))
}

/// A word that says more than the program can see is worth nothing without its reason.
fn needs_reason(choice: Choice) -> bool {
    matches!(choice, Choice::Skip | Choice::Ok)
}

fn chosen(typed: &str, trouble: &Trouble) -> Result<Chosen, String> {
    let (word, reason) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    let reason = reason.trim();
    let known = trouble.choices.iter().find(|(c, _)| letter(*c) == word);
    let Some((choice, _)) = known else {
        let letters: Vec<String> = trouble.choices.iter().map(|(c, _)| key(*c)).collect();
        return Err(format!("type one of: {}", letters.join(", ")));
    };
    if reason.is_empty() && needs_reason(*choice) {
        return Err(format!("why? It is in the record: type `{word} WHY`"));
    }
    let reason = if reason.is_empty() {
        "decided at the terminal"
    } else {
        reason
    };
    Ok(Chosen {
        choice: *choice,
        reason: reason.to_owned(),
    })
}

/// Keeps the live screen from redrawing while a person types.
pub struct Paused(pub Arc<dyn Fn() + Send + Sync>);

impl Drop for Paused {
    fn drop(&mut self) {
        (self.0)();
    }
}
