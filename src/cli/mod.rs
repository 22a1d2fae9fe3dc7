//! The command line: the tree of commands and options, and the only place that prints an error or picks an exit code.
//!
//! Owns: parsing, dispatch, the last word. Must not: do a command's work (one file a command).

pub mod exit;
mod freeze;

mod ahead;
mod approve;
mod check;
mod completions;
mod console;
mod doc;
mod doctor;
mod execute;
mod explain;
mod first;
mod fmt;
mod former;
mod hidden;
mod hosts;
mod init;
mod live;
mod logs;
mod next;
mod owed;
mod permit;
mod person;
mod picture;
mod plan;
mod printed;
mod problem;
mod project;
mod prompt;
mod reach;
mod report;
mod resume;
mod run;
mod runs;
mod scan;
mod schema;
mod screen;
mod selection;
mod settle;
mod signals;
mod status;
mod stored;
mod test;
mod uncleaned;
mod verify;
mod views;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::diag::render;
use console::{Console, Global};
use problem::Problem;
use screen::{Screen, Tone};

/// Executes maintenance runbooks: plan, approve, run, take back, report.
#[derive(Debug, Parser)]
#[command(
    name = "pitstop",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    infer_subcommands = false,
    after_help = exit::HELP,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Check(check::Args),
    Fmt(fmt::Args),
    Doc(doc::Args),
    Plan(plan::Args),
    Approve(approve::Args),
    Reject(approve::RejectArgs),
    Run(run::Args),
    Resume(resume::Args),
    Settle(settle::Args),
    Status(status::Args),
    Runs(runs::Args),
    Logs(logs::Args),
    Owed(owed::Args),
    Report(report::Args),
    Verify(verify::Args),
    Test(test::Args),
    Hosts(hosts::Args),
    Explain(explain::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(completions::ManArgs),
}

/// The program.
pub fn main() -> ExitCode {
    catch_panics();
    if let Some(code) = first::outlive() {
        return ExitCode::from(code);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a reader that went away is none either.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::WRONG } else { exit::GOOD });
        }
    };
    let screen = cli.global.screen();
    let done = screen.and_then(|screen| {
        let console = Console::new(cli.global, screen.clone());
        dispatch(cli.command, &console).map_err(|problem| (screen, problem))
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err((screen, problem)) => {
            tell(&screen, &problem);
            ExitCode::from(problem.code())
        }
    }
}

fn dispatch(command: Command, console: &Console) -> Result<u8, Problem> {
    match command {
        Command::Init(args) => init::init(&args, console),
        Command::Check(args) => check::check(&args, console),
        Command::Doc(args) => doc::doc(&args, console),
        Command::Fmt(args) => fmt::fmt(&args, console),
        Command::Plan(args) => plan::plan(&args, console),
        Command::Approve(args) => approve::approve(&args, console),
        Command::Reject(args) => approve::reject(&args, console),
        Command::Run(args) => run::run(&args, console),
        Command::Resume(args) => resume::resume(&args, console),
        Command::Settle(args) => settle::settle(&args, console),
        Command::Status(args) => status::status(&args, console),
        Command::Runs(args) => runs::runs(&args, console),
        Command::Logs(args) => logs::logs(&args, console),
        Command::Owed(args) => owed::owed(&args, console),
        Command::Report(args) => report::report(&args, console),
        Command::Verify(args) => verify::verify(&args, console),
        Command::Test(args) => test::test(&args, console),
        Command::Hosts(args) => hosts::hosts(&args, console),
        Command::Explain(args) => explain::explain(&args, console),
        Command::Schema(args) => schema::print(&args, console),
        Command::Completions(args) => completions::completions(&args, console),
        Command::Man(args) => completions::man(&args, console),
    }
}

/// The whole tree, for completions and the manual.
fn tree() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

fn tell(screen: &Screen, problem: &Problem) {
    match problem {
        Problem::Wrong(diags) => {
            screen.say(render::human(diags, screen.color(), screen.width()).trim_end());
        }
        Problem::Said { what, help, about, .. } => {
            let error = match about {
                Some(code) => format!("error[{code}]:"),
                None => "error:".to_owned(),
            };
            let error = screen.paint(Tone::Bad, &error);
            screen.say(&format!("{error} {}", crate::text::terminal(what)));
            for line in help {
                screen.say(&format!("help: {}", crate::text::terminal(line)));
            }
        }
    }
}

/// A bug of ours ends in a short text and exit 70. A panic in a host's task is caught there and does not come here to exit.
fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        use std::io::Write as _;
        let place = info
            .location()
            .map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        let payload = info.payload();
        let said = payload.downcast_ref::<&str>().copied();
        let text = said
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let mut err = std::io::stderr().lock();
        let _ = writeln!(
            err,
            "error: pitstop has a bug: {text}{place}\nhelp: nothing that the journal holds is lost; look with `pitstop status`, and please report this"
        );
        if std::thread::current().name() == Some("main") {
            std::process::exit(i32::from(exit::FAULT));
        }
    }));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_of_commands_is_sound_and_every_command_has_an_example() {
        super::tree().debug_assert();
        for command in super::tree().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{} has no example", command.get_name());
        }
    }
}
