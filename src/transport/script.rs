//! Hosts that answer from a script: for tests of runbooks, which reach no machine.
//!
//! Owns: the contract of a session kept by a scripted host (started at most once, asked how it ended, proven stopped), and
//! exactly what each [`Fault`] does. Must not: run a command, open a connection, or judge what a test expects.
//!
//! ```text
//!                the step's process        the link                    what the host says when it is asked
//! (none)         ends with rc after AFTER  stays                       ended with rc
//! lie            says 0 after AFTER        stays                       ended with 0 (a file was not written)
//! hang           never ends by itself      stays                       running; TERM stops it
//! never_returns  never ends                stays                       running; KILL does not stop it
//! cut            ends with rc after AFTER  lost then, AWAY no login    ended with rc
//! reboot         gone after AFTER          lost then, AWAY no login    another boot; its end only if rc is written
//! refuse         never begins              lost at once, AWAY no login never began
//! ```

mod http;
mod session;
mod world;

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

pub use self::http::client;
use self::session::Scripted;
pub use self::world::{Said, World};
use super::{ConnectError, Endpoint, Met, Pending, Session, Transport};
use crate::clock::Clock;

/// What goes wrong instead of a plain end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not sent: the link is lost before it, and the host takes no login.
    Refuse,
    /// The link is lost at the moment it ends on the host.
    Cut,
    /// It does not end by itself; stopped at its limit, it is gone.
    Hang,
    /// The host reboots under it.
    Reboot,
    /// It does not end, and nothing stops it.
    NeverReturns,
    /// It says 0 without having done anything.
    Lie,
}

/// What an answer is the answer to.
#[derive(Clone, Debug)]
pub enum Matches {
    /// A login.
    Login,
    /// A command, rendered, in which the expression finds something.
    Text(Regex),
    /// One step of a recorded run: its key without the run, and the command it sent (`None`: not kept as it was sent).
    Recorded {
        /// The key.
        key: String,
        /// The command.
        call: Option<String>,
    },
}

/// One answer of a script.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Hosts that give it: a glob.
    pub on: String,
    /// To what.
    pub matches: Matches,
    /// Exit code; `None`: 0, or for a reboot no end at all.
    pub rc: Option<i32>,
    /// Standard output; the body of an HTTP answer; the content of a downloaded file.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Status of an HTTP answer.
    pub status: u16,
    /// How long it takes.
    pub after: Duration,
    /// What goes wrong.
    pub then: Option<Fault>,
    /// How long the host takes no login afterwards; `None`: for ever after `refuse`, a minute after `reboot`, else not at all.
    pub away: Option<Duration>,
    /// How often each host gives it; `None`: again and again.
    pub times: Option<u32>,
}

impl Answer {
    fn is_for(&self, key: &str, text: &str) -> bool {
        match &self.matches {
            Matches::Login => false,
            Matches::Text(expression) => expression.is_match(text),
            Matches::Recorded { key: own, call } => own == key && call.as_deref().is_none_or(|call| call == text),
        }
    }

    /// From its moment on the host takes no login for so long.
    fn away(&self) -> Option<Duration> {
        self.away.or(match self.then {
            Some(Fault::Refuse) => None,
            Some(Fault::Reboot) => Some(Duration::from_secs(60)),
            _ => Some(Duration::ZERO),
        })
    }
}

/// Reaches the hosts of a [`World`].
pub struct ScriptTransport {
    world: Arc<World>,
    clock: Arc<dyn Clock>,
}

impl ScriptTransport {
    /// The world outlives the process that looks at it: a run that is resumed finds the hosts as it left them.
    pub fn new(world: Arc<World>, clock: Arc<dyn Clock>) -> Self {
        Self { world, clock }
    }
}

impl Transport for ScriptTransport {
    fn connect<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async move {
            let refused = |cause: &str, transient| ConnectError {
                doing: format!("connecting to {}", to.host),
                cause: cause.to_owned(),
                help: "the test says so: look at its `answers`".to_owned(),
                transient,
                touched: false,
                met: Met::Nothing,
            };
            if self.world.is_away(&to.host, self.clock.now()) {
                return Err(refused("connection refused", true));
            }
            let Some(answer) = self.world.login(&to.host, self.clock.now()) else {
                return Ok(Scripted::open(&self.world, &self.clock, to));
            };
            self.clock.sleep(answer.after).await;
            match answer.then {
                Some(Fault::Hang | Fault::NeverReturns) => {
                    self.clock.sleep(to.connect_timeout).await;
                    Err(refused("no answer in time", true))
                }
                Some(_) => {
                    let away = answer.away.unwrap_or_default();
                    self.world.leave_for(&to.host, Some(away), self.clock.now());
                    Err(refused("connection refused", true))
                }
                None if answer.rc.unwrap_or(0) == 0 => Ok(Scripted::open(&self.world, &self.clock, to)),
                None => Err(refused(answer.stderr.trim(), false)),
            }
        })
    }
}
