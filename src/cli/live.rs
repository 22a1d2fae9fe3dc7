//! What is seen while a run is under way: on a terminal a screen that is redrawn in place, elsewhere one line an event.
//!
//! Owns: when something is drawn, and that lines and screen do not mix. Must not: choose words (`words`, `picture`), read input.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::plan::Plan;
use crate::plan::page::moment_in;
use crate::run::Run;
use crate::run::event::Stamped;

use super::console::{Console, Output};
use super::person::Paused;
use super::picture::{self, Row};
use super::screen::{Screen, Tone};
use super::words;

/// The screen is drawn at most so often.
const FRAME: Duration = Duration::from_millis(125);

/// Shared by the observer, the person and the ticking thread. Cheap to clone.
#[derive(Clone)]
pub struct Live(Arc<Mutex<State>>);

struct State {
    screen: Screen,
    plan: Arc<Plan>,
    /// The live screen's own fold, because the ticking thread has no other; empty where nothing is redrawn.
    run: Run,
    /// Widest host name.
    who: usize,
    /// True: redraw in place.
    redraw: bool,
    /// Lines are printed at all.
    lines: bool,
    /// Rows on the screen that the next drawing replaces.
    drawn: usize,
    last: Option<Instant>,
    paused: u32,
    /// The question that what is typed stands behind.
    prompt: Option<String>,
    over: bool,
}

impl Live {
    /// Begins; `before` is what an earlier process saw.
    pub fn begin(console: &Console, plan: Arc<Plan>, before: &[Stamped]) -> Self {
        let screen = console.screen.clone();
        let dumb = std::env::var("TERM").is_ok_and(|t| t == "dumb");
        let human = console.global.output == Output::Human && !screen.quiet();
        let redraw = console.terminal() && human && !dumb;
        let who = plan
            .hosts
            .iter()
            .map(|h| h.name.as_str().chars().count())
            .max()
            .unwrap_or(0);
        let live = Self(Arc::new(Mutex::new(State {
            lines: human || screen.quiet(),
            screen,
            plan,
            run: if redraw { Run::fold(before) } else { Run::default() },
            who: who.clamp(3, 24),
            redraw,
            drawn: 0,
            last: None,
            paused: 0,
            prompt: None,
            over: false,
        })));
        if redraw {
            live.tick();
        }
        live
    }

    /// Elapsed times go on between events.
    fn tick(&self) {
        let live = Arc::downgrade(&self.0);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(FRAME * 2);
                let Some(live) = live.upgrade() else { return };
                let mut state = lock(&live);
                if state.over {
                    return;
                }
                state.draw(false);
            }
        });
    }

    /// One more event.
    pub fn event(&self, stamped: &Stamped) {
        let mut state = lock(&self.0);
        if state.redraw {
            state.run.apply(stamped);
        }
        let Some(line) = words::line(&state.plan, stamped) else {
            return state.draw(false);
        };
        let clock = words::clock(&state.plan, stamped.at);
        let text = format!("{clock} {:who$}  {}", line.who, line.what, who = state.who);
        let important = line.level == 0 && (!state.screen.quiet() || line.tone == Tone::Bad);
        let detail = line.level > 0 && line.level <= state.screen.verbosity();
        // On the live screen a step's success is seen in the picture; elsewhere it is the only sign of life.
        if state.lines && (important || detail) {
            state.print(line.tone, &text);
        } else {
            state.screen.log_line(&text);
        }
        state.draw(false);
    }

    /// A line above the picture.
    pub fn say(&self, tone: Tone, text: &str) {
        lock(&self.0).print(tone, text);
    }

    /// A moment as the run's people read clocks, with its zone.
    pub fn clock(&self, at: Timestamp) -> String {
        moment_in(at, lock(&self.0).plan.zone(), "%H:%M %Z")
    }

    /// A question; what is typed stands behind it, also after lines that come meanwhile.
    pub fn prompt(&self, text: &str) {
        let mut state = lock(&self.0);
        state.clear();
        state.screen.write_err(text);
        state.prompt = Some(text.to_owned());
    }

    /// A line was typed: the terminal stands at the beginning of the next one.
    pub fn answered(&self) {
        lock(&self.0).prompt = None;
    }

    /// No drawing until the guard is dropped.
    pub fn pause(&self) -> Paused {
        let mut state = lock(&self.0);
        state.clear();
        state.paused += 1;
        let live = self.clone();
        Paused(Arc::new(move || {
            let mut state = lock(&live.0);
            state.paused = state.paused.saturating_sub(1);
            // Nobody answered: what comes next begins on a line of its own.
            if state.prompt.take().is_some() {
                state.screen.write_err("\n");
            }
        }))
    }

    /// Takes the picture away; what was said stays.
    pub fn end(&self) {
        let mut state = lock(&self.0);
        state.over = true;
        state.clear();
        state.run = Run::default();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A drawing that panicked must not take the run with it.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn print(&mut self, tone: Tone, text: &str) {
        self.clear();
        let text = if self.screen.unicode() {
            text.to_owned()
        } else {
            picture::ascii(text)
        };
        if self.prompt.is_some() {
            self.screen.write_err(if self.redraw { "\r\x1b[K" } else { "\n" });
        }
        self.screen.say(&self.screen.paint(tone, &text));
        if let Some(prompt) = &self.prompt {
            self.screen.write_err(prompt);
        }
        self.draw(true);
    }

    fn clear(&mut self) {
        if self.drawn > 0 {
            // Up to the first row, and everything below it away.
            self.screen.write_err(&format!("\x1b[{}A\r\x1b[J", self.drawn));
            self.drawn = 0;
        }
    }

    fn draw(&mut self, now: bool) {
        let early = self.last.is_some_and(|last| last.elapsed() < FRAME);
        if !self.redraw || self.over || self.paused > 0 || (early && !now) {
            return;
        }
        let (width, height) = self.screen.size();
        let rows = picture::rows(&self.plan, &self.run, Timestamp::now(), height.saturating_sub(1));
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A\r\x1b[J", self.drawn));
        }
        for Row { tone, text: row } in &rows {
            let row = if self.screen.unicode() {
                row.clone()
            } else {
                picture::ascii(row)
            };
            let cut = picture::cut(&row, width.saturating_sub(1));
            text.push_str(&self.screen.paint(*tone, &cut));
            text.push('\n');
        }
        self.drawn = rows.len();
        self.screen.write_err(&text);
        self.last = Some(Instant::now());
    }
}
