//! `pitstop completions` and `pitstop man`: what shells and `man` read, made from the tree of commands.
//!
//! Owns: their two forms. Must not: describe a command itself.

use super::console::Console;
use super::exit;
use super::problem::Problem;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop completions bash > ~/.local/share/bash-completion/completions/pitstop
  pitstop completions zsh > ~/.zfunc/_pitstop
  pitstop completions fish > ~/.config/fish/completions/pitstop.fish")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

/// Print the manual, or one command's page, for man
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop man | man -l -
  pitstop man run | man -l -")]
pub struct ManArgs {
    /// The command (default: pitstop itself)
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// Does it.
pub fn completions(args: &Args, console: &Console) -> Result<u8, Problem> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut super::tree(), "pitstop", &mut out);
    console.screen.data(&String::from_utf8_lossy(&out));
    Ok(exit::GOOD)
}

/// Does it.
pub fn man(args: &ManArgs, console: &Console) -> Result<u8, Problem> {
    let mut tree = super::tree();
    tree.build();
    let page = match &args.command {
        None => clap_mangen::Man::new(tree),
        Some(name) => {
            let Some(command) = tree.find_subcommand(name) else {
                return Err(Problem::wrong(
                    format!("there is no command `{name}`"),
                    "list them: pitstop --help",
                ));
            };
            clap_mangen::Man::new(command.clone())
        }
    };
    let mut out = Vec::new();
    let rendered = page.render(&mut out);
    rendered.map_err(|e| Problem::fault(format!("cannot make the manual: {e}"), "please report this bug"))?;
    console.screen.data(&String::from_utf8_lossy(&out));
    Ok(exit::GOOD)
}
