//! `Match`: which of its criteria hold.
//!
//! Owns: the criteria, in order, until one fails. Must not: run what `exec` names.

use crate::diag::{Diagnostic, Span, Spanned};
use crate::key::pattern::list_matches;

/// What criteria are held against.
pub(super) struct Asked<'a> {
    /// The host as far as it is known now.
    pub(super) host: &'a str,
    /// As it was typed.
    pub(super) original: &'a str,
    pub(super) user: &'a str,
    pub(super) local_user: &'a str,
    pub(super) tag: &'a str,
    pub(super) is_final: bool,
}

/// What came of a `Match` line.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) holds: bool,
    /// It asks for a final pass.
    pub(super) wants_final: bool,
}

const CRITERIA: [&str; 12] = [
    "all",
    "canonical",
    "final",
    "host",
    "originalhost",
    "user",
    "localuser",
    "tagged",
    "localnetwork",
    "version",
    "command",
    "exec",
];

/// Judges a line. A criterion that would have to run or look at something is an error only where it decides.
pub(super) fn judge(
    keyword: &Spanned<String>,
    args: &[Spanned<String>],
    asked: &Asked<'_>,
) -> Result<Verdict, Diagnostic> {
    let mut verdict = Verdict {
        holds: true,
        wants_final: false,
    };
    let mut words = args.iter().peekable();
    let mut count = 0;
    while let Some(word) = words.next() {
        let negated = word.value.starts_with('!');
        let (name, written) = name_and_value(word);
        if name == "all" {
            if count > 1 || words.peek().is_some() || written.is_some() {
                let help = "`all` stands alone, or after `canonical` or `final`";
                return Err(wrong(&word.span, "`all` stands with other criteria", help));
            }
            verdict.holds &= !negated;
            return Ok(verdict);
        }
        count += 1;
        if name == "canonical" || name == "final" {
            verdict.wants_final |= name == "final" && !negated;
            verdict.holds &= asked.is_final != negated;
            continue;
        }
        let known = CRITERIA.contains(&name.as_str()) || name == "sessiontype";
        if !known {
            let near = crate::diag::nearest(&name, CRITERIA).map(|n| format!("did you mean `{n}`?"));
            let help = near.unwrap_or_else(|| format!("there are {}", CRITERIA.join(", ")));
            return Err(wrong(&word.span, &format!("`Match` knows no `{name}`"), &help));
        }
        let value = match written.map(|value| Spanned::new(value, word.span.clone())) {
            Some(value) => Some(value),
            None => words.next().cloned(),
        };
        let may_be_empty = name == "tagged" || name == "command";
        let Some(value) = value.filter(|v| may_be_empty || !v.value.is_empty()) else {
            return Err(wrong(
                &word.span,
                &format!("`{name}` has no value"),
                "write a pattern after it",
            ));
        };
        let fits = match name.as_str() {
            "host" => list_matches(&asked.host.to_ascii_lowercase(), &value.to_ascii_lowercase()),
            "originalhost" => list_matches(&asked.original.to_ascii_lowercase(), &value.to_ascii_lowercase()),
            "user" => list_matches(asked.user, &value),
            "localuser" => list_matches(asked.local_user, &value),
            "tagged" if asked.tag.is_empty() => value.is_empty(),
            "tagged" => list_matches(asked.tag, &value),
            // What an earlier criterion has decided is not asked.
            _ if !verdict.holds => continue,
            // Every step is a command.
            "sessiontype" => list_matches("exec", &value),
            _ => return Err(cannot_ask(keyword, &name, word)),
        };
        verdict.holds &= fits != negated;
    }
    if count == 0 {
        return Err(wrong(&keyword.span, "`Match` has no criterion", "write one, or `all`"));
    }
    Ok(verdict)
}

/// `!Host=x` → (`host`, `x`).
fn name_and_value(word: &Spanned<String>) -> (String, Option<String>) {
    let text = word.value.strip_prefix('!').unwrap_or(&word.value);
    match text.split_once('=') {
        Some((name, value)) => (name.to_ascii_lowercase(), Some(value.to_owned())),
        None => (text.to_ascii_lowercase(), None),
    }
}

fn wrong(span: &Span, message: &str, help: &str) -> Diagnostic {
    Diagnostic::error("PS0455", message, span.clone(), "ssh refuses this too").help(help)
}

fn cannot_ask(keyword: &Spanned<String>, name: &str, word: &Spanned<String>) -> Diagnostic {
    let why = match name {
        "exec" => "it would run a command on this machine",
        "version" => "it asks for a version of OpenSSH",
        "command" => "pitstop sends many commands over one connection",
        _ => "pitstop does not look at this machine's networks",
    };
    Diagnostic::error(
        "PS0456",
        format!("`Match {name}` is not asked: {why}"),
        word.span.clone(),
        "it decides about this host",
    )
    .also(keyword.span.clone(), "of this block")
    .help("put a criterion before it that leaves this host out: `Match !host NAME exec …`")
    .help("or name another config: --ssh-config FILE, or none")
}
