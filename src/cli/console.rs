//! The console that a command is typed at: the global options, and who sits there.
//!
//! Owns: the options that every command has. Must not: do a command's work, or look for files (`project` does).

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::inventory::sshconfig::{SshConfig, Which};
use crate::journal::store::Store;

use super::problem::Problem;
use super::project::{self, ProjectArgs};
use super::screen::{Color, Screen};

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The inventory (default: `inventory` of pitstop.yml, else inventory.yml)
    #[arg(short, long, global = true, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// A parameter's value; may be given several times
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Narrow the hosts of every phase, as `role=web,db env!=prod`
    #[arg(long, global = true, value_name = "SELECTOR")]
    pub limit: Option<String>,
    /// The mode, where the runbook has modes
    #[arg(long, global = true, value_name = "NAME")]
    pub mode: Option<String>,
    /// The state directory (default: .pitstop beside pitstop.yml)
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "PITSTOP_STATE",
        hide_env_values = true
    )]
    pub state: Option<PathBuf>,
    /// The project: the folder with pitstop.yml (default: the nearest above the working directory)
    #[arg(long, global = true, value_name = "DIR")]
    pub project: Option<PathBuf>,
    /// Another OpenSSH client config than ~/.ssh/config and /etc/ssh/ssh_config, or none
    #[arg(
        long,
        global = true,
        value_name = "FILE|none",
        env = "PITSTOP_SSH_CONFIG",
        hide_env_values = true
    )]
    pub ssh_config: Option<String>,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    pub color: Color,
    /// Who you are, as in the policy's approvers (default: PITSTOP_OPERATOR)
    #[arg(long, global = true, value_name = "PRINCIPAL")]
    pub operator: Option<String>,
    /// What a run writes to stdout: nothing (human), or its events as JSON lines
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        default_value = "human",
        hide_default_value = true
    )]
    pub output: Output,
    /// Say less
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Append what is said to this file too
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

/// `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people, on stderr.
    #[default]
    Human,
    /// The event stream on stdout.
    Jsonl,
}

impl Global {
    /// The screen that these options describe.
    pub fn screen(&self) -> Result<Screen, (Screen, Problem)> {
        let mut screen = Screen::new(self.color, self.quiet, self.verbose);
        if let Some(path) = &self.log_file
            && let Err(error) = screen.log_to(path)
        {
            let what = format!("cannot open the log file {}: {error}", path.display());
            return Err((screen, Problem::wrong(what, "name a file that can be written")));
        }
        Ok(screen)
    }
}

/// What every command is given.
#[derive(Debug)]
pub struct Console {
    /// The options as given.
    pub global: Global,
    /// Where text goes.
    pub screen: Screen,
}

impl Console {
    /// The console for these options.
    pub fn new(global: Global, screen: Screen) -> Self {
        Self { global, screen }
    }

    /// True if a person sits here: both what is read and what is said is a terminal.
    pub fn terminal(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// What the options say about the project.
    pub fn project_args(&self) -> ProjectArgs {
        let g = &self.global;
        ProjectArgs {
            project: g.project.clone(),
            inventory: g.inventory.clone(),
            state: g.state.clone(),
            sets: g.set.clone(),
            limit: g.limit.clone(),
            mode: g.mode.clone(),
            ..ProjectArgs::default()
        }
    }

    /// The state directory and where that was said; of the project of `near`, else of the current folder.
    ///
    /// # Errors
    /// When `pitstop.yml` is wrong.
    pub fn state(&self, near: Option<&Path>) -> Result<(PathBuf, &'static str), Problem> {
        if let Some(dir) = &self.global.state {
            return Ok((dir.clone(), project::state_said()));
        }
        Ok(project::room(&self.project_args(), near)?.state)
    }

    /// The operator's ssh config: where and as whom hosts are reached that the inventory does not say it for.
    pub fn ssh_config(&self) -> SshConfig {
        let named = self.global.ssh_config.as_deref().filter(|text| !text.is_empty());
        SshConfig::of_operator(named.map_or(Which::Usual, Which::parse))
    }

    /// The store of runs.
    ///
    /// # Errors
    /// As [`Console::state`].
    pub fn store(&self) -> Result<Store, Problem> {
        self.state(None).map(|(dir, _)| Store::at(dir))
    }

    /// Who operates, if they said so: with the option, or in the environment.
    pub fn operator_named(&self) -> Option<String> {
        let env = || std::env::var("PITSTOP_OPERATOR").ok().filter(|name| !name.is_empty());
        self.operator_given().map(str::to_owned).or_else(env)
    }

    /// Who operates, if this very command says so. The environment's name is nobody's signature.
    pub fn operator_given(&self) -> Option<&str> {
        self.global.operator.as_deref().filter(|name| !name.is_empty())
    }

    /// Who operates: as named, else the login name.
    pub fn operator(&self) -> String {
        let login = || {
            let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
            let uid = rustix::process::getuid().as_raw();
            let known = || set("USER").or_else(|| set("LOGNAME")).or_else(|| login_name(uid));
            known().unwrap_or_else(|| format!("uid {uid}"))
        };
        self.operator_named().unwrap_or_else(login)
    }
}

/// The name of this machine.
pub fn controller() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The login name of a user id, where `/etc/passwd` has it: cron and CI set no `USER`.
fn login_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
