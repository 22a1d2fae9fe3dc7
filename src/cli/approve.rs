//! `pitstop approve` and `pitstop reject`: a signed decision about a plan, a gate or an override.
//!
//! Owns: what is decided about, who decides, where the file goes. Must not: decide by itself who may (it shows the count).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};

use crate::approval::{Approval, Decision, Override, Statement, Subject, Tally, Wanted};
use crate::engine::gate;
use crate::id::Digest;
use crate::key::{AgentKey, AllowedSigners, Signer};
use crate::plan::page::day;
use crate::plan::{Plan, PlannedPolicy, Requirement};

use super::console::Console;
use super::execute;
use super::exit;
use super::permit;
use super::plan::is_plan;
use super::problem::Problem;
use super::run::approval_folders;
use super::screen::Tone;
use super::stored::{Stored, exact_plan};

/// Sign a yes to a plan, to a gate that waits, or to an override
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop approve plan.json --key ~/.ssh/id_ed25519
  pitstop approve last --gate go-live --agent --operator anna@example.com
  pitstop approve 20261206 --override window --comment \"the vendor is on the phone\" --key ~/.ssh/id_ed25519

Read the plan or the evidence first: pitstop plan, pitstop status, pitstop logs. The file is written beside the plan or into
the run's folder; it names exactly this plan, this run and this opening of the gate.")]
pub struct Args {
    #[command(flatten)]
    what: What,
    /// Set aside the window or a freeze; needs --comment
    #[arg(long = "override", value_name = "RULE")]
    override_: Option<Rule>,
}

/// Sign a no to a plan or to a gate that waits
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop reject plan.json --key ~/.ssh/id_ed25519 --comment \"not before the release\"
  pitstop reject last --gate go-live --key ~/.ssh/id_ed25519

One no of a person who may approve ends it: a rejected gate stays rejected.")]
pub struct RejectArgs {
    #[command(flatten)]
    what: What,
}

/// What both have.
#[derive(Debug, clap::Args)]
struct What {
    /// A plan file, or a run
    #[arg(value_name = "PLAN|RUN")]
    target: String,
    /// The gate; not needed where one waits
    #[arg(long, value_name = "ID")]
    gate: Option<String>,
    /// Sign with this private key
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "agent",
        conflicts_with = "agent"
    )]
    key: Option<PathBuf>,
    /// Sign with your key in the ssh agent; needs --operator
    #[arg(long)]
    agent: bool,
    /// What you want to be read with it
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// How long it holds, as 8h (a gate's: until the gate gives up)
    #[arg(long, value_name = "TIME", value_parser = super::runs::age, default_value = "8h")]
    valid: std::time::Duration,
}

/// `--override`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rule {
    /// The window
    Window,
    /// A freeze
    Freeze,
}

/// A thing to decide about.
struct Matter {
    plan: Plan,
    digest: Digest,
    subject: Subject,
    requirement: Requirement,
    operators: Vec<String>,
    expires: Timestamp,
    /// No approval of a plan holds longer.
    until: Option<Timestamp>,
    /// Where the decision is written.
    folder: PathBuf,
    /// Where others lie.
    folders: Vec<PathBuf>,
    /// What comes when nobody is missing any more.
    next: String,
}

/// Does it.
pub fn approve(args: &Args, console: &Console) -> Result<u8, Problem> {
    let rule = args.override_.map(|rule| match rule {
        Rule::Window => Override::Window,
        Rule::Freeze => Override::Freeze,
    });
    if rule.is_some() && args.what.comment.trim().is_empty() {
        return Err(Problem::wrong("an override needs a reason", "add --comment \"why\""));
    }
    decide(&args.what, Decision::Approve, rule, console)
}

/// Does it.
pub fn reject(args: &RejectArgs, console: &Console) -> Result<u8, Problem> {
    decide(&args.what, Decision::Reject, None, console)
}

fn decide(what: &What, decision: Decision, rule: Option<Override>, console: &Console) -> Result<u8, Problem> {
    let now = Timestamp::now();
    let matter = if is_plan(Path::new(&what.target)) && Path::new(&what.target).is_file() {
        of_plan(what, rule, now, console)?
    } else {
        of_run(what, rule, now, console)?
    };
    if decision == Decision::Approve {
        permit::performable(&matter.plan)?;
    }
    let Some(policy) = matter.plan.policy.clone() else {
        return Err(Problem::wrong(
            "the plan has no policy: nobody's signature could count",
            "write policy.yml with `approvers` and `allowed_signers` and make the plan again; without it the operator types a gate's name",
        ));
    };
    let (allowed, _) = AllowedSigners::parse(&policy.allowed_signers, "allowed_signers");
    let runtime = execute::runtime()?;
    let signer = signer(what, &allowed, now, console, &runtime)?;
    // A key's owner decides, whoever the environment says operates here.
    let principal = match console.operator_given() {
        Some(name) => name.to_owned(),
        None => runtime.block_on(whose(&signer, &allowed, now))?,
    };
    let mut statement = Statement::new(
        matter.digest.clone(),
        matter.subject.clone(),
        decision,
        &principal,
        matter.expires,
    )?;
    statement.comment.clone_from(&what.comment);
    statement.overrides = rule;
    statement.role = role(&matter.requirement, &policy, &principal);
    let mut approval = runtime.block_on(Approval::sign(statement, &signer))?;
    let wanted = Wanted {
        plan: &matter.digest,
        subject: &matter.subject,
        overrides: rule,
        until: matter.until,
    };
    approval.judge(&wanted, &allowed, now).map_err(|why| {
        Problem::refused(
            format!("this would not count: {why}"),
            "sign with a key that allowed_signers gives to you (namespace pitstop-approval)",
        )
    })?;
    let file = approval.write(&matter.folder)?;
    let word = if decision == Decision::Approve {
        "approved"
    } else {
        "rejected"
    };
    console
        .screen
        .say(&format!("{principal} {word} {}: {}", matter.subject, file.display()));
    if rule.is_none() {
        still_missing(&matter, now, console);
    } else {
        console.screen.note(&format!("next: {}", matter.next));
    }
    Ok(exit::GOOD)
}

fn of_plan(what: &What, rule: Option<Override>, now: Timestamp, console: &Console) -> Result<Matter, Problem> {
    let file = Path::new(&what.target);
    if what.gate.is_some() {
        return Err(Problem::wrong(
            "a gate is asked by a run, not by a plan",
            "name the run: pitstop approve RUN --gate ID",
        ));
    }
    if rule == Some(Override::Window) {
        return Err(Problem::wrong(
            "the window is overridden for a run, not for a plan",
            "plan it for another window: pitstop plan RUNBOOK|CHANGE --start TIME",
        ));
    }
    let bytes = crate::disk::read(file, crate::journal::store::MAX_PLAN)
        .map_err(|f| Problem::wrong(f.to_string(), f.help.clone()))?;
    let plan = exact_plan(&bytes, &what.target)?;
    let asked = match rule {
        Some(_) => {
            can_freeze(&plan)?;
            Some(anybody(&plan))
        }
        None => plan.approval.clone(),
    };
    let Some(requirement) = asked else {
        return Err(Problem::wrong(
            "this plan needs no approval",
            format!("run it: pitstop run {}", what.target),
        ));
    };
    let root = super::project::room(&console.project_args(), Some(file))?;
    let folders = approval_folders(file, root.folder.root());
    let until = plan.window.as_ref().and_then(|w| Some(w.end(w.start?)));
    let mut expires = after(now, what.valid);
    if let Some(end) = until {
        // The plan is approved until its window is over, however far away that is.
        expires = end;
    }
    Ok(Matter {
        digest: plan.digest()?,
        plan,
        subject: Subject::Plan,
        requirement,
        operators: Vec::new(),
        expires,
        until,
        folder: folders.first().cloned().unwrap_or_else(|| PathBuf::from(".")),
        folders,
        next: format!("pitstop run {}", what.target),
    })
}

/// Anybody of any group of the policy but the operators may override.
fn anybody(plan: &Plan) -> Requirement {
    let groups = plan.policy.as_ref().map(|p| p.approvers.keys().cloned().collect());
    Requirement {
        need: 1,
        approvers: groups.unwrap_or_default(),
        not_operator: true,
    }
}

fn can_freeze(plan: &Plan) -> Result<(), Problem> {
    if plan.freeze.is_some() {
        return Ok(());
    }
    Err(Problem::wrong(
        "the plan looks at no freeze calendar, so there is no freeze to set aside",
        "calendars are named under `freeze` of policy.yml or `not_during` of the runbook's window",
    ))
}

fn of_run(what: &What, rule: Option<Override>, now: Timestamp, console: &Console) -> Result<Matter, Problem> {
    let stored = Stored::find(console, &what.target)?;
    let name = stored.name(console);
    let Some(run) = stored.run.id.clone() else {
        return Err(Problem::wrong(
            "the run's journal has no beginning",
            format!("pitstop verify {name}"),
        ));
    };
    let operators: Vec<String> = stored.run.operators.iter().cloned().collect();
    let folder = stored.folder.approvals();
    let near = stored.folder.path().parent().map(Path::to_path_buf);
    let root = super::project::room(&console.project_args(), near.as_deref())?;
    let folders = vec![folder.clone(), root.folder.root().join("approvals")];
    let next = format!("pitstop resume {name}");
    if let Some(rule) = rule {
        if rule == Override::Freeze {
            can_freeze(&stored.plan)?;
        }
        return Ok(Matter {
            requirement: anybody(&stored.plan),
            plan: stored.plan,
            digest: stored.digest,
            subject: Subject::Run(run),
            operators,
            expires: after(now, what.valid),
            until: None,
            folder,
            folders,
            next,
        });
    }
    let (gate, opened) = open_gate(&stored, what.gate.as_deref(), &name)?;
    let expires = stored.run.gates.get(&gate).map_or(now, |g| g.expires);
    if expires <= now {
        return Err(Problem::refused(
            format!("the gate {gate} gave up at {expires:.0}"),
            format!("have it asked again: {next}"),
        ));
    }
    let asked =
        permit::gates(&stored.plan).find(|g| gate == g.id || gate.rsplit_once('/').is_some_and(|(p, _)| p == g.id));
    let Some(asked) = asked else {
        return Err(Problem::wrong(
            format!("the plan has no gate {gate}"),
            format!("pitstop status {name}"),
        ));
    };
    Ok(Matter {
        requirement: asked.requirement.clone(),
        plan: stored.plan,
        digest: stored.digest,
        subject: Subject::Gate { run, gate, opened },
        operators,
        expires,
        until: None,
        folder,
        folders,
        next,
    })
}

fn open_gate(stored: &Stored, wanted: Option<&str>, name: &str) -> Result<(String, Digest), Problem> {
    let open = stored.open_gates();
    let ids = || open.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, open.as_slice()) {
        (_, []) => Err(Problem::refused(
            format!("no gate of {name} waits"),
            format!("see how it stands: pitstop status {name}"),
        )),
        (Some(id), all) => all
            .iter()
            .find(|(gate, _)| gate == id)
            .cloned()
            .ok_or_else(|| Problem::refused(format!("the gate {id} does not wait"), format!("these do: {}", ids()))),
        (None, [one]) => Ok(one.clone()),
        (None, _) => Err(Problem::wrong(
            format!("several gates wait: {}", ids()),
            "name one: --gate ID",
        )),
    }
}

fn after(now: Timestamp, wait: std::time::Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn signer(
    what: &What,
    allowed: &AllowedSigners,
    now: Timestamp,
    console: &Console,
    runtime: &execute::Runtime,
) -> Result<Signer, Problem> {
    if let Some(file) = &what.key {
        let terminal = console.terminal();
        let ask = |question: &str| terminal.then(|| super::hidden::secret(question).ok()).flatten();
        return Ok(Signer::from_file(file, &ask)?);
    }
    let Some(socket) = std::env::var_os("SSH_AUTH_SOCK").filter(|v| !v.is_empty()) else {
        return Err(Problem::wrong(
            "there is no ssh agent: SSH_AUTH_SOCK is not set",
            "start one, or sign with --key FILE",
        ));
    };
    let Some(principal) = console.operator_named() else {
        return Err(Problem::wrong(
            "whose key of the agent?",
            "say who you are: --operator you@example.com",
        ));
    };
    let wanted = AgentKey::Principal {
        principal: &principal,
        allowed,
        namespace: crate::approval::NAMESPACE,
        at: now,
    };
    Ok(runtime.block_on(Signer::from_agent(Path::new(&socket), wanted))?)
}

/// Whose key it is, as `allowed_signers` has it.
async fn whose(signer: &Signer, allowed: &AllowedSigners, now: Timestamp) -> Result<String, Problem> {
    let probe = b"whose key is this?";
    let signature = signer.sign(crate::approval::NAMESPACE, probe).await?;
    let verified = allowed
        .verify(crate::approval::NAMESPACE, probe, &signature, now)
        .map_err(|why| {
            Problem::refused(
                format!("the key {} may not sign approvals: {why}", signer.fingerprint()),
                format!(
                    "a line for the plan's allowed_signers would be: you@example.com {}",
                    signer.public()
                ),
            )
        })?;
    let people: BTreeSet<&str> = verified.principals.iter().flat_map(|p| p.split(',')).collect();
    match people.into_iter().collect::<Vec<_>>().as_slice() {
        [one] if !one.contains(['*', '?', '!']) => Ok((*one).to_owned()),
        several => Err(Problem::wrong(
            format!("the key belongs to {}", several.join(" or ")),
            "say as whom you decide: --operator PRINCIPAL",
        )),
    }
}

/// The first asked group that the person is in.
fn role(requirement: &Requirement, policy: &PlannedPolicy, principal: &str) -> String {
    let member = |group: &&String| {
        policy
            .approvers
            .get(*group)
            .is_some_and(|people| people.iter().any(|p| p == principal))
    };
    requirement.approvers.iter().find(member).cloned().unwrap_or_default()
}

fn still_missing(matter: &Matter, now: Timestamp, console: &Console) {
    let tally: Tally = gate::count(
        &matter.plan,
        &matter.digest,
        &matter.subject,
        &matter.requirement,
        matter.operators.clone(),
        &matter.folders,
        &BTreeSet::new(),
        now,
    );
    let screen = &console.screen;
    for (file, why) in &tally.ignored {
        screen.say(&format!("note: {} does not count: {why}", file.display()));
    }
    if !tally.rejected_by.is_empty() {
        screen.note("It is rejected.");
    } else if tally.missing > 0 {
        let missing = permit::missing(&matter.requirement, tally.missing);
        screen.note(&screen.paint(Tone::Warn, &format!("still missing: {missing}")));
    } else {
        screen.note(&screen.paint(Tone::Good, "Nobody is missing any more."));
        screen.note(&format!("next: {}", matter.next));
    }
    if let Subject::Gate { gate, .. } = &matter.subject {
        let zone = matter.plan.window.as_ref().map_or("UTC", |w| w.timezone.as_str());
        screen.note(&format!("the gate {gate} waits until {}", day(matter.expires, zone)));
    }
}
