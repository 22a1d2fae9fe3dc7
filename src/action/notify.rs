//! Sending a message through a command or to a web address.
//!
//! Owns: limits of sending and what counts as sent. Must not: decide who is told or what (`notice`), know a form (`letter`), or
//! write the journal.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Hands;
use super::letter;
use super::notice::Notice;
use crate::http::{Body, HttpError, Limits, Request, Url};
use crate::plan::Hook;
use crate::secret::Secret;
use crate::text;

/// For one attempt.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is tried where another try may help.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// A server that wants a longer pause is not tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Most that is repeated of what a command said.
const SAID: u64 = 400;
/// What a command finds in its environment beside `PITSTOP_*`.
const KEPT: [&str; 5] = ["PATH", "HOME", "USER", "LANG", "TMPDIR"];

/// How a message goes out.
#[derive(Clone, Debug)]
pub enum Way {
    /// Through a command, in a folder; the message is its input.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// The project.
        folder: PathBuf,
    },
    /// To a web address.
    Hook {
        /// Who reads it.
        hook: Hook,
        /// Where it is; may be a secret.
        url: Secret,
    },
}

/// Why it was not sent, and whether another try may help, after which pause.
struct Failed {
    why: String,
    again: Option<Duration>,
}

impl Failed {
    fn for_good(why: String) -> Self {
        Self { why, again: None }
    }
}

/// Sends it.
///
/// # Errors
/// Why nobody may have got it, for people.
pub async fn send(notice: &Notice, way: &Way, hands: &Hands) -> Result<(), String> {
    let mut tries = 0;
    loop {
        tries += 1;
        let sent = match way {
            Way::Command { argv, folder } => command(notice, argv, folder).await,
            Way::Hook { hook, url } => post(notice, *hook, url, hands).await,
        };
        match sent {
            Ok(()) => return Ok(()),
            Err(Failed { again: Some(pause), .. }) if tries < TRIES => hands.clock.sleep(pause).await,
            Err(failed) => return Err(failed.why),
        }
    }
}

async fn post(notice: &Notice, hook: Hook, url: &Secret, hands: &Hands) -> Result<(), Failed> {
    let url = Url::parse(url.expose().trim()).map_err(|error| Failed::for_good(error.to_string()))?;
    let name = url.to_string();
    let body = letter::body(hook, notice);
    let mut request = Request::new("POST", url).header("content-type", Secret::new("application/json".to_owned()));
    request.body = Some(Body::Text(Secret::new(body.to_string())));
    request.timeout = Some(TIMEOUT);
    let answer = hands.http.send(request, Limits::default()).await.map_err(|error| {
        // Where it may have come, it is not sent twice.
        let again = matches!(error, HttpError::NotSent { .. }).then_some(PAUSE);
        Failed {
            why: error.to_string(),
            again,
        }
    })?;
    let why = format!("{name} answered {}", answer.status);
    match answer.status {
        200..300 => Ok(()),
        429 | 500..600 => {
            let wished = answer.header("retry-after").and_then(|s| s.trim().parse().ok());
            let pause = wished.map_or(PAUSE, Duration::from_secs);
            Err(Failed {
                why,
                again: (pause <= LONGEST_PAUSE).then_some(pause),
            })
        }
        300..400 => Err(Failed::for_good(format!("{why}: redirects are not followed"))),
        _ => Err(Failed::for_good(why)),
    }
}

/// The processes of a command; what of them still runs goes with it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn command(notice: &Notice, argv: &[String], folder: &PathBuf) -> Result<(), Failed> {
    let Some((program, args)) = argv.split_first() else {
        return Err(Failed::for_good("the plan has no command for it".to_owned()));
    };
    let input = serde_json::to_string(notice).map_err(|error| Failed::for_good(error.to_string()))?;
    let kept = KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let child = tokio::process::Command::new(program)
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs(kept)
        .env("PITSTOP_EVENT", &notice.event)
        .env("PITSTOP_RUN", &notice.run)
        .env("PITSTOP_RUNBOOK", &notice.runbook)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|e| Failed::for_good(format!("cannot start `{program}`: {e}")))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut group = Group(pid);
    let run = async {
        if let Some(mut stdin) = child.stdin.take() {
            // Whoever does not want to read it need not.
            let _ = stdin.write_all(format!("{input}\n").as_bytes()).await;
        }
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let _ = stderr.take(SAID).read_to_end(&mut said).await;
        }
        (child.wait().await, said)
    };
    let Ok((status, said)) = tokio::time::timeout(TIMEOUT, run).await else {
        let why = format!("`{program}` took longer than {} s and was stopped", TIMEOUT.as_secs());
        return Err(Failed::for_good(why));
    };
    let status = status.map_err(|e| Failed::for_good(format!("cannot wait for `{program}`: {e}")))?;
    if status.success() {
        group.0 = None;
        return Ok(());
    }
    let said = text::terminal_line(String::from_utf8_lossy(&said).lines().next().unwrap_or("").trim());
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Err(Failed::for_good(format!("`{program}` failed ({status}){said}")))
}
