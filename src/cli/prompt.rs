//! Questions for what was not given: parameters on a terminal.
//!
//! Owns: the question, and asking again with the reason. Must not: ask where nobody sits, or decide what a value may be (`plan` does).

use crate::diag::{Diagnostic, Severity};
use crate::plan::bind::{may_be, missing_parameters, why_not};
use crate::runbook::change;
use crate::text::terminal_line;

use super::console::Console;
use super::person;
use super::project::{Loaded, ProjectArgs};

/// Asks the person for parameters without a value. True: some were given.
pub fn parameters(loaded: &Loaded, args: &mut ProjectArgs, console: &Console) -> bool {
    let screen = &console.screen;
    let mut any = false;
    for parameter in missing_parameters(&loaded.runbook, &loaded.change) {
        let name = &parameter.name.value;
        let what = parameter
            .description
            .as_deref()
            .map(|d| format!("{} ", terminal_line(d)))
            .unwrap_or_default();
        screen.say(&format!("{name}: {what}({})", terminal_line(&may_be(parameter))));
        loop {
            let Some(value) = person::ask(screen, &format!("{name}> ")) else {
                // The plan says what is missing, and how to give it without a terminal.
                return any;
            };
            if value.is_empty() {
                screen.say("  type a value; the end of input (ctrl-D) gives up");
                continue;
            }
            let typed = change::flag("terminal", &value);
            match why_not(parameter, &typed) {
                None => {
                    args.sets.push(format!("{name}={value}"));
                    any = true;
                    break;
                }
                Some(d) => screen.say(&format!("  {}", terminal_line(&reason(&d)))),
            }
        }
    }
    any
}

fn reason(d: &Diagnostic) -> String {
    debug_assert!(d.severity == Severity::Error);
    let label = d.labels.first().map(|l| format!(": {}", l.text)).unwrap_or_default();
    let help = d.help.first().map(|h| format!(" ({h})")).unwrap_or_default();
    format!("{}{label}{help}", d.message)
}
