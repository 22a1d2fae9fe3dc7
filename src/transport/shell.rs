//! POSIX shell text: quoting, environment, privilege.
//!
//! Owns: every place where a value becomes shell text. Must not: send anything, know channels.

use std::time::Duration;

use super::channel::{Channel, Channels, Event};
use super::{Command, Method, Privilege, Request, SHELL, Stream};
pub(super) use crate::runbook::expr::quote::sh_word as quote;

/// A random word for markers: 128 bits of hex.
pub(super) fn nonce() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers from the system: {e}"))?;
    Ok(crate::id::hex(&bytes))
}

/// The text of a request: its environment, then its command. `files` is the path stem of what was delivered for it
/// (`STEM.i` standard input, `STEM.x` script).
pub(super) fn text(request: &Request, stem: &str) -> Result<String, String> {
    let mut text = String::new();
    if request.stdin.is_some() {
        // It may be a secret: it has no name any more once it is open, however the step ends. Before the environment: `PATH`.
        text = format!("exec <{i}; rm -f {i}\n", i = quote(&format!("{stem}.i")));
    }
    text.push_str(&format!(
        "PITSTOP_STEP_KEY={}; export PITSTOP_STEP_KEY\n",
        quote(&request.step_key)
    ));
    for (name, value) in &request.env {
        if !is_name(name) {
            return Err(format!("{name} is no name for an environment variable"));
        }
        text.push_str(&format!("{name}={}; export {name}\n", quote(value.expose())));
    }
    match &request.command {
        Command::Shell(script) => text.push_str(script),
        Command::Argv(words) => text.push_str(&words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ")),
        Command::Script {
            content,
            interpreter,
            args,
        } => {
            let mut words = vec![interpreter.clone().unwrap_or_else(|| interpreter_of(content))];
            words.push(quote(&format!("{stem}.x")));
            words.extend(args.iter().map(|a| quote(a)));
            text.push_str(&words.join(" "));
        }
    }
    if text.contains('\0') {
        return Err("a command cannot hold a NUL byte".to_owned());
    }
    Ok(text)
}

/// What a script's first line names, else `sh`. Arguments of the line stay (`#!/usr/bin/env python3`).
fn interpreter_of(content: &[u8]) -> String {
    let line = content.split(|b| *b == b'\n').next().unwrap_or_default();
    let named = line
        .strip_prefix(b"#!")
        .and_then(|rest| std::str::from_utf8(rest).ok())
        .map(|rest| rest.split_ascii_whitespace().map(quote).collect::<Vec<_>>().join(" "));
    named
        .filter(|words| !words.is_empty())
        .unwrap_or_else(|| "sh".to_owned())
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A shell that is safe as it stands in a command line: a path or a name, and plain words behind it.
pub(super) fn is_shell(shell: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'+');
    let mut words = shell.split(' ');
    words.all(|w| !w.is_empty() && w.bytes().all(good)) && !shell.starts_with('-')
}

/// A user name that is safe as a shell word and as an option's value.
pub(super) fn is_user(user: &str) -> bool {
    !user.is_empty()
        && !user.starts_with('-')
        && user
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'$' | b'#' | b'@' | b'\\'))
}

/// A limit after which a privilege program that asks for something else than the password is given up.
const ODD_PROMPT: Duration = Duration::from_secs(3);

/// Opens a channel on which `inner` runs as `user`, and waits until it has begun: start-up files may print before that, and
/// nothing is sent to standard input before the marker is back.
pub(super) async fn open(
    channels: &dyn Channels,
    privilege: &Privilege,
    user: Option<&str>,
    inner: &str,
    limit: Duration,
) -> Result<Channel, String> {
    let marker = nonce()?;
    let prompt = nonce()?;
    let command = opening(
        privilege,
        user,
        &format!("echo {marker}; echo {marker} >&2; {inner}"),
        &prompt,
    )?;
    let work = async {
        let mut channel = channels.open(command).await?;
        begin(&mut channel, privilege, user, &marker, &prompt).await?;
        Ok(channel)
    };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(format!("the shell did not begin within {} s", limit.as_secs())),
    }
}

fn opening(privilege: &Privilege, user: Option<&str>, inner: &str, prompt: &str) -> Result<String, String> {
    let shell = &privilege.shell;
    if !is_shell(shell) {
        return Err(format!("{shell:?} is no shell's path"));
    }
    let Some(user) = user else {
        return Ok(format!("exec {shell} -c {}", quote(inner)));
    };
    if !is_user(user) {
        return Err(format!("{user:?} is no name of a user"));
    }
    let (user, inner) = (quote(user), quote(inner));
    match (privilege.method, &privilege.password) {
        (Method::Sudo, None) => Ok(format!("exec sudo -n -H -u {user} {shell} -c {inner}")),
        (Method::Sudo, Some(_)) => Ok(format!("exec sudo -S -H -p {prompt} -u {user} {shell} -c {inner}")),
        (Method::Doas, None) => Ok(format!("exec doas -n -u {user} {shell} -c {inner}")),
        // `su` takes one path and no arguments: a shell that needs some is started by the user's `/bin/sh`.
        (Method::Su, None) if shell.contains(' ') => {
            let inner = quote(&format!("exec {shell} -c {inner}"));
            Ok(format!("exec su -s {SHELL} {user} -c {inner}"))
        }
        (Method::Su, None) => Ok(format!("exec su -s {shell} {user} -c {inner}")),
        (Method::Doas, Some(_)) => {
            Err("doas reads a password only from a terminal; permit it with `nopass`, or use sudo".to_owned())
        }
        (Method::Su, Some(_)) => Err("su reads a password only from a terminal; use sudo".to_owned()),
    }
}

/// Drops what came before the marker on both streams: start-up files, sudo's words, sshd's own complaints.
async fn begin(
    channel: &mut Channel,
    privilege: &Privilege,
    user: Option<&str>,
    marker: &str,
    prompt: &str,
) -> Result<(), String> {
    let mut out = Before::new(marker);
    let mut err = Before::new(marker);
    let mut told = false;
    while !(out.over && err.over) {
        // A line without an end on standard error looks like a question; ours is known by its random word.
        let asked = user.is_some() && !err.over && err.text.last().is_some_and(|b| *b != b'\n');
        let event = if asked {
            channel.next_within(ODD_PROMPT).await
        } else {
            channel.next().await
        };
        match event {
            Event::Bytes(Stream::Out, bytes) => out.take(&bytes)?,
            Event::Bytes(Stream::Err, bytes) => {
                err.take(&bytes)?;
                if let Some(password) = &privilege.password
                    && err.text.ends_with(prompt.as_bytes())
                {
                    if told {
                        return Err(format!("sudo refused the password for {}", user.unwrap_or_default()));
                    }
                    told = true;
                    err.text.clear();
                    channel.send(format!("{}\n", password.expose()));
                }
            }
            Event::Dropped(..) => {}
            Event::Exit(status) => return Err(refused(user, &err.text, &format!("it ended with status {status}"))),
            Event::Gone(_) if asked => return Err(refused(user, &err.text, "it asks for something that is not known")),
            Event::Gone(why) => return Err(refused(user, &err.text, &why)),
        }
    }
    channel.unread(Stream::Out, out.text);
    channel.unread(Stream::Err, err.text);
    Ok(())
}

/// One stream: what came before its marker, then what came behind it.
struct Before {
    line: Vec<u8>,
    text: Vec<u8>,
    seen: usize,
    over: bool,
}

impl Before {
    fn new(marker: &str) -> Self {
        Self {
            line: format!("{marker}\n").into_bytes(),
            text: Vec::new(),
            seen: 0,
            over: false,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        // The marker is not before this: what is older has been looked through.
        let from = self.text.len().saturating_sub(self.line.len());
        self.text.extend_from_slice(bytes);
        self.seen += bytes.len();
        if self.over {
            return if self.text.len() > LONGEST_START {
                Err(TOO_MUCH.to_owned())
            } else {
                Ok(())
            };
        }
        let fresh = self.text.get(from..).unwrap_or_default();
        if let Some(at) = fresh.windows(self.line.len()).position(|window| window == self.line) {
            self.text.drain(..from + at + self.line.len());
            self.over = true;
        } else if self.seen > LONGEST_NOISE {
            return Err(TOO_MUCH.to_owned());
        } else {
            let keep = self.text.len().saturating_sub(NOISE);
            self.text.drain(..keep);
        }
        Ok(())
    }
}

/// How much of what came before the marker is kept, how much may come, and how much behind one may wait for the other.
const NOISE: usize = 64 << 10;
const LONGEST_NOISE: usize = 1 << 20;
const LONGEST_START: usize = 16 << 20;
const TOO_MUCH: &str = "the login shell said more than a shell says before it begins";

/// Words of a host, short enough for a message.
pub(super) fn few(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(FEW).collect()
}

const FEW: usize = 300;

fn refused(user: Option<&str>, err: &[u8], how: &str) -> String {
    let said = String::from_utf8_lossy(err);
    let said = few(said.trim().lines().next_back().unwrap_or_default().trim());
    let what = match user {
        Some(user) => format!("could not become {user}: {how}"),
        None => format!("the login shell did not start the shell: {how}"),
    };
    if said.is_empty() {
        what
    } else {
        format!("{what} ({said})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_one_word_whatever_it_holds() {
        let nasty = "a'b \"$(id)\" `id` \\ \n * 'é'";
        let out = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf %s {}", quote(nasty)))
            .output()
            .unwrap();
        assert_eq!(out.stdout, nasty.as_bytes());
    }

    #[test]
    fn a_script_without_a_first_line_is_run_by_sh() {
        assert_eq!(interpreter_of(b"echo hi\n"), "sh");
        assert_eq!(
            interpreter_of(b"#!/usr/bin/env python3\nprint()"),
            "'/usr/bin/env' 'python3'"
        );
    }

    #[test]
    fn a_shell_is_a_path_with_plain_words_behind_it() {
        for good in ["/bin/sh", "busybox sh", "/usr/bin/ksh93", "bash --posix"] {
            assert!(is_shell(good), "{good}");
        }
        for bad in ["", " sh", "sh  -x", "-c", "sh;id", "$SHELL", "sh\n", "`id`"] {
            assert!(!is_shell(bad), "{bad}");
        }
    }

    #[test]
    fn a_user_name_that_is_an_option_is_refused() {
        let bad = opening(&Privilege::default(), Some("-s"), "true", "p");
        assert!(bad.is_err());
    }
}
