//! `pitstop hosts --doctor`: logs into hosts and says which step works and which does not.
//!
//! Owns: the list and its words. Must not: change anything on a host; what a login leaves there goes with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::inventory::{Host, Inventory};
use crate::plan::bind::planned_host;
use crate::plan::{PlannedHost, TransportKind};
use crate::secret::Secret;
use crate::text::terminal_line;
use crate::transport::{ConnectError, Endpoint, LocalTransport, SshOptions, SshTransport, Transport};

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
    let means = Means {
        hosts: &all,
        secrets: &BTreeMap::new(),
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
            Found {
                nth: visited.nth,
                name: visited.endpoint.host.to_string(),
                from: visited.from,
                came: visit(transport.as_ref(), &visited.endpoint).await,
            }
        });
    }
    while let Some(one) = set.join_next().await {
        found.extend(one.ok());
    }
    found
}

/// Logs in, reads what the host says of itself, and leaves.
async fn visit(transport: &dyn Transport, endpoint: &Endpoint) -> Result<String, ConnectError> {
    let session = transport.connect(endpoint).await?;
    let facts = session.facts().clone();
    // What cannot be removed is removed with the host's temporary files; a look must not fail over it.
    let _ = session.leave().await;
    session.close().await;
    let latch = if facts.latch {
        "steps are latched"
    } else {
        "no writable place: steps cannot be latched, a cut link leaves them unknown"
    };
    let system = format!("{} {}, kernel {}", facts.distro, facts.version, facts.kernel);
    Ok(format!(
        "logged in as {}, {}; {latch}",
        terminal_line(&facts.user),
        terminal_line(&system)
    ))
}
