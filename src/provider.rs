//! Where the values of secrets come from: the environment, a file, the terminal, a command of the project.
//!
//! Owns: fetching one value, with its limits. Must not: keep a value, or name one in an error.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::Zeroizing;

use crate::runbook::SecretSource;
use crate::secret::Secret;

/// Longest value, in bytes.
pub const MAX_VALUE: usize = 64 * 1024;
/// Longest time a file (it may be a pipe) or a command may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks a person for the secret of this name; the error says why that cannot be.
pub type Prompt<'a> = dyn Fn(&str) -> Result<Secret, String> + Send + Sync + 'a;

/// What secrets can be fetched with.
pub struct Sources<'a> {
    /// Relative paths of files begin here; commands run here.
    pub base: &'a Path,
    /// Commands of `pitstop.yml` by name: argument lists, run without a shell.
    pub commands: &'a BTreeMap<String, Vec<String>>,
    /// `None`: there is no terminal.
    pub prompt: Option<&'a Prompt<'a>>,
    /// Limit of a command; [`TIMEOUT`] outside of tests.
    pub timeout: Duration,
}

/// A value, and what is to be said about where it lay.
#[derive(Debug)]
pub struct Found {
    /// The value.
    pub secret: Secret,
    /// For people: the file is readable by others.
    pub note: Option<String>,
}

/// A secret could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret `{name}` cannot be had: {cause}")]
pub struct ProviderError {
    /// Its name.
    pub name: String,
    /// Why.
    pub cause: String,
    /// What to do next.
    pub help: String,
}

/// Fetches one secret.
///
/// # Errors
/// When the source has no value, or one that is too short, too long or no text.
pub async fn fetch(name: &str, source: &SecretSource, sources: &Sources<'_>) -> Result<Found, ProviderError> {
    let error = |(cause, help): (String, String)| ProviderError {
        name: name.to_owned(),
        cause,
        help,
    };
    let (secret, note) = match source {
        SecretSource::Env { name: variable } => (from_env(variable), None),
        SecretSource::File { path } => {
            let path = sources.base.join(path);
            (from_file(&path, sources.timeout).await, open_to_others(&path))
        }
        SecretSource::Prompt => (from_prompt(name, sources.prompt), None),
        SecretSource::Provider { provider, args } => (from_command(provider, args, sources).await, None),
    };
    let secret = secret.map_err(error)?;
    if secret.expose().len() < Secret::MIN {
        let cause = format!("its value is shorter than {} bytes", Secret::MIN);
        return Err(error((
            cause,
            "give it a longer value; a short one cannot be masked".to_owned(),
        )));
    }
    Ok(Found { secret, note })
}

/// A value, or the cause and the help.
type Value = Result<Secret, (String, String)>;

fn from_env(variable: &str) -> Value {
    let help = format!("set it: `export {variable}=…`");
    match std::env::var(variable) {
        Ok(value) if value.is_empty() => Err((format!("the environment variable {variable} is empty"), help)),
        Ok(value) => limited(value, &format!("the environment variable {variable}")),
        Err(std::env::VarError::NotPresent) => Err((format!("the environment variable {variable} is not set"), help)),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err((format!("the environment variable {variable} is no UTF-8"), help))
        }
    }
}

fn limited(value: String, what: &str) -> Value {
    let secret = Secret::new(value);
    if secret.expose().len() > MAX_VALUE {
        return Err((
            format!("{what} is longer than {MAX_VALUE} bytes"),
            "use a shorter value".to_owned(),
        ));
    }
    Ok(secret)
}

async fn from_file(path: &Path, timeout: Duration) -> Value {
    let shown = path.display().to_string();
    let help = format!("look with `ls -l {shown}`");
    let read = async {
        let file = tokio::fs::File::open(path)
            .await
            .map_err(|e| format!("cannot read {shown}: {e}"))?;
        text_of(file, &shown).await
    };
    match tokio::time::timeout(timeout, read).await {
        Ok(value) => value.map_err(|cause| (cause, help)),
        Err(_) => Err((format!("{shown} gave no end within {} s", timeout.as_secs()), help)),
    }
}

fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).ok()?;
    let open = meta.is_file() && meta.mode() & 0o077 != 0;
    let shown = path.display();
    open.then(|| {
        format!(
            "{shown} is open to other users (mode {:04o}); `chmod 600 {shown}`",
            meta.mode() & 0o7777
        )
    })
}

fn from_prompt(name: &str, prompt: Option<&Prompt<'_>>) -> Value {
    let no_terminal = || {
        let help = "run pitstop on a terminal, or declare it with `from: env`".to_owned();
        ("it is asked on a terminal and there is none".to_owned(), help)
    };
    let ask = prompt.ok_or_else(no_terminal)?;
    ask(name).map_err(|cause| (cause, "run it again and type the value".to_owned()))
}

async fn from_command(provider: &str, args: &[String], sources: &Sources<'_>) -> Value {
    let Some((program, first)) = sources.commands.get(provider).and_then(|argv| argv.split_first()) else {
        let help = format!("add `{provider}` to the secret providers of pitstop.yml");
        return Err((format!("pitstop.yml has no secret provider `{provider}`"), help));
    };
    let help = "run the provider's command by hand to see what it says".to_owned();
    // Its stderr is nobody's to show: it may repeat the value, and nothing is declared yet that could be masked.
    let child = tokio::process::Command::new(program)
        .args(first)
        .args(args)
        .current_dir(sources.base)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|e| (format!("cannot start `{program}`: {e}"), help.clone()))?;
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    let what = format!("what `{program}` printed");
    let run = async {
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| format!("`{program}` has no output"))?;
        let value = text_of(stdout, &what).await?;
        let status = child
            .wait()
            .await
            .map_err(|e| format!("cannot wait for `{program}`: {e}"))?;
        if status.success() {
            Ok(value)
        } else {
            Err(format!("`{program}` failed ({status})"))
        }
    };
    let ended = tokio::time::timeout(sources.timeout, run).await;
    let value = ended.unwrap_or_else(|_| Err(format!("`{program}` took longer than {} s", sources.timeout.as_secs())));
    if value.is_err()
        && let Some(group) = group
    {
        // What it started goes with it. It may have ended already: then there is nothing to stop.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    value.map_err(|cause| (cause, help))
}

/// Reads a text to its end, within the limit, and takes one newline off. `what` names it in an error.
async fn text_of(from: impl AsyncRead + Unpin, what: &str) -> Result<Secret, String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_VALUE + 1));
    let limit = u64::try_from(MAX_VALUE).unwrap_or(u64::MAX).saturating_add(1);
    let read = from.take(limit).read_to_end(&mut bytes).await;
    read.map_err(|e| format!("cannot read {what}: {e}"))?;
    if bytes.len() > MAX_VALUE {
        return Err(format!("{what} is longer than {MAX_VALUE} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{what} is no UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
