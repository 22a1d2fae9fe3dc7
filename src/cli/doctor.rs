//! `pitstop hosts --doctor`: logs into hosts and says which step works and which does not.
//!
//! Owns: the list and its words, asking for passwords that a run would have. Must not: change anything on a host; what a login
//! leaves there goes with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::inventory::{Host, Inventory};
use crate::plan::bind::planned_host;
use crate::plan::{PlannedHost, TransportKind};
use crate::secret::Secret;
use crate::text::terminal_line;
use crate::transport::{
    CMD, Command, ConnectError, Endpoint, How, LocalTransport, Met, Method, NO_SHELL, Request, Session, Sink,
    SshOptions, SshTransport, Stream, Transport,
};

use super::console::Console;
use super::execute;
use super::exit;
use super::problem::Problem;
use super::reach::{self, Means};
use super::run::fresh_id;
use super::screen::Tone;

/// Logins at one time.
const PARALLEL: usize = 10;

/// What came of a host.
struct Found {
    nth: usize,
    name: String,
    /// Where its settings come from.
    from: String,
    /// What it says it is, or why it cannot be used.
    came: Result<String, ConnectError>,
}

/// Does it.
pub fn doctor(chosen: &[&Host], inventory: &Inventory, root: &Path, console: &Console) -> Result<u8, Problem> {
    let all: Vec<PlannedHost> = inventory.hosts().iter().map(planned_host).collect();
    let run = fresh_id(jiff::Timestamp::now())?;
    let config = console.ssh_config();
    let secrets = passwords(chosen, console);
    let means = Means {
        hosts: &all,
        secrets: &secrets,
        root,
        run: &run,
        config: &config,
    };
    let mut work: Vec<Visit> = Vec::new();
    for (nth, host) in chosen.iter().enumerate() {
        let host = planned_host(host);
        work.push(Visit {
            nth,
            kind: host.transport,
            endpoint: means.endpoint(&host)?,
            from: sources(&host, &means)?,
            lacks_password: host.password.as_ref().is_some_and(|name| !secrets.contains_key(name)),
            becomes: becomes(&host, &secrets),
        });
    }
    let runtime = execute::runtime()?;
    let over_ssh = work.iter().filter(|v| v.kind == TransportKind::Ssh);
    let passphrases = runtime.block_on(reach::passphrases(over_ssh.map(|v| &v.endpoint), console))?;
    let mut found = runtime.block_on(visit_all(work, passphrases));
    found.sort_by_key(|f| f.nth);
    let screen = &console.screen;
    for f in &found {
        match &f.came {
            Ok(what) => screen.data(&format!(
                "{} {}: {what}\n",
                screen.paint_data(Tone::Good, "good "),
                f.name
            )),
            Err(error) => {
                let why = terminal_line(&error.to_string());
                screen.data(&format!(
                    "{} {}: {why}\n",
                    screen.paint_data(Tone::Bad, "WRONG"),
                    f.name
                ));
                screen.data(&format!("      help: {}\n", terminal_line(&error.help)));
            }
        }
        if !f.from.is_empty() {
            screen.data(&format!("      {}\n", terminal_line(&f.from)));
        }
    }
    let bad = found.iter().filter(|f| f.came.is_err()).count();
    screen.note(&format!("{} of {} hosts can be used", found.len() - bad, found.len()));
    Ok(if bad == 0 { exit::GOOD } else { exit::PERSON })
}

/// A host that is to be visited.
struct Visit {
    nth: usize,
    kind: TransportKind,
    endpoint: Endpoint,
    from: String,
    /// The inventory names a password for the login, and nobody gave it.
    lacks_password: bool,
    becomes: Becomes,
}

/// Whom the inventory lets steps become on a host.
enum Becomes {
    /// It says nothing of that: steps may all be the login user's.
    NotSaid,
    /// This user.
    User(String),
    /// This is why it is not tried.
    NotTried(String),
}

fn becomes(host: &PlannedHost, secrets: &BTreeMap<String, Secret>) -> Becomes {
    let user = host.become_user.as_deref().unwrap_or("root");
    let method = &host.become_method;
    match &host.become_password {
        _ if host.become_exact => Becomes::NotTried(format!(
            "becoming {user} was not tried: sudo allows single commands only"
        )),
        Some(name) if !secrets.contains_key(name) => Becomes::NotTried(format!(
            "becoming {user} was not tried: the password for {method} is asked for on a terminal"
        )),
        None if host.become_user.is_none() && method == "sudo" => Becomes::NotSaid,
        _ => Becomes::User(user.to_owned()),
    }
}

/// The passwords that the inventory names for these hosts, asked for once each on a terminal. A run has them from the runbook.
fn passwords(chosen: &[&Host], console: &Console) -> BTreeMap<String, Secret> {
    let mut found = BTreeMap::new();
    if !console.terminal() {
        return found;
    }
    let mut names: Vec<&str> = Vec::new();
    for name in chosen.iter().flat_map(|h| h.password.iter().chain(&h.become_password)) {
        if !names.contains(&name.value.as_str()) {
            names.push(&name.value);
        }
    }
    for name in names {
        let question = format!("Secret {} (nothing: it is not tried): ", terminal_line(name));
        if let Ok(secret) = super::hidden::secret(&question)
            && !secret.expose().is_empty()
        {
            found.insert(name.to_owned(), secret);
        }
    }
    found
}

/// Which settings of a host the inventory says, and which the ssh config; what neither says is usual.
fn sources(host: &PlannedHost, means: &Means<'_>) -> Result<String, Problem> {
    if host.transport != TransportKind::Ssh {
        return Ok(String::new());
    }
    let inventory = [
        ("address", host.address != host.name.as_str()),
        ("port", host.port.is_some()),
        ("user", host.user.is_some()),
        ("identity", !host.identity.is_empty()),
        ("known_hosts", !host.known_hosts.is_empty()),
        ("jump", host.jump.is_some()),
        ("connect_timeout", host.connect_timeout_ms.is_some()),
    ];
    let own: Vec<&str> = inventory
        .iter()
        .filter(|(_, said)| *said)
        .map(|(name, _)| *name)
        .collect();
    let config = means.said(host)?.said();
    let added: Vec<String> = config
        .iter()
        .map(|(name, value, place)| format!("{name} {value} ({place})"))
        .collect();
    let mut parts = Vec::new();
    if !own.is_empty() {
        parts.push(format!("inventory: {}", own.join(", ")));
    }
    if !added.is_empty() {
        parts.push(format!("ssh config: {}", added.join(", ")));
    }
    Ok(parts.join("; "))
}

async fn visit_all(work: Vec<Visit>, passphrases: BTreeMap<PathBuf, Secret>) -> Vec<Found> {
    let ssh: Arc<dyn Transport> = Arc::new(SshTransport::new(SshOptions {
        passphrases,
        ..SshOptions::from_env()
    }));
    let local: Arc<dyn Transport> = Arc::new(LocalTransport::new());
    let mut set = JoinSet::new();
    let mut found = Vec::new();
    for visited in work {
        while set.len() >= PARALLEL {
            found.extend(set.join_next().await.and_then(Result::ok));
        }
        let transport = Arc::clone(if visited.kind == TransportKind::Local {
            &local
        } else {
            &ssh
        });
        set.spawn(async move {
            let came = visit(transport.as_ref(), &visited).await;
            Found {
                nth: visited.nth,
                name: visited.endpoint.host.to_string(),
                from: visited.from,
                came,
            }
        });
    }
    while let Some(one) = set.join_next().await {
        found.extend(one.ok());
    }
    found
}

/// Logs in, reads what the host says of itself, becomes whom its steps become, and leaves.
async fn visit(transport: &dyn Transport, visited: &Visit) -> Result<String, ConnectError> {
    let endpoint = &visited.endpoint;
    let session = transport.connect(endpoint).await.map_err(|mut error| {
        if visited.lacks_password {
            error
                .cause
                .push_str("; the password of the inventory was not given, it is asked for on a terminal");
        }
        error
    })?;
    let facts = session.facts().clone();
    let became = match &visited.becomes {
        Becomes::NotSaid => Ok(String::new()),
        Becomes::NotTried(why) => Ok(format!("; {why}")),
        Becomes::User(user) => become_user(session.as_ref(), endpoint, user).await,
    };
    // What cannot be removed is removed with the host's temporary files; a look must not fail over it.
    let _ = session.leave().await;
    session.close().await;
    let became = became?;
    let latch = match endpoint.privilege.shell.as_str() {
        NO_SHELL | CMD => "no POSIX shell: a cut link leaves a step unknown",
        _ if facts.latch => "steps are latched",
        _ => "no writable place: steps cannot be latched, a cut link leaves them unknown",
    };
    let system = match facts.kernel.as_str() {
        "" => facts.os.clone(),
        kernel => format!("{} {}, kernel {kernel}", facts.distro, facts.version),
    };
    let system = match system.as_str() {
        "" => String::new(),
        system => format!(", {}", terminal_line(system)),
    };
    let user = terminal_line(&facts.user);
    Ok(format!("logged in as {user}{system}; {latch}{became}"))
}

/// As a step would; it changes nothing.
async fn become_user(session: &dyn Session, to: &Endpoint, user: &str) -> Result<String, ConnectError> {
    let request = Request {
        command: Command::Shell("true".to_owned()),
        env: Vec::new(),
        stdin: None,
        become_user: Some(user.to_owned()),
        timeout: to.connect_timeout,
        latch: None,
        step_key: String::new(),
        streams: false,
        cancel: tokio::sync::watch::channel(false).1,
    };
    let method = to.privilege.method;
    let cause = match session.run(request, &mut Nothing).await {
        How::Exited(0) => return Ok(format!("; becomes {user} with {}", method.name())),
        How::Exited(status) => format!("`true` ended with {status} there"),
        How::NotSent(why) | How::Unknown(why) => why,
        How::TimedOut | How::Cancelled => "no answer in time".to_owned(),
    };
    let rule = match method {
        Method::Sudo => "let sudo allow it (`sudo -l` there shows what it does)",
        Method::Su => "let PAM allow it",
        Method::Doas => "let /etc/doas.conf there allow it",
    };
    Err(ConnectError {
        doing: format!("becoming {user} on {} with {}", to.host, method.name()),
        cause,
        help: format!("{rule}, or correct `become` of the inventory: user, method, password"),
        transient: false,
        touched: true,
        met: Met::Server,
    })
}

/// Takes no output.
struct Nothing;

impl Sink for Nothing {
    fn take(&mut self, _: Stream, _: &[u8]) {}
}
