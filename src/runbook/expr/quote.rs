//! Quoting of one word for a shell.
//!
//! Owns: the rules of `sh`, PowerShell and `cmd.exe`, and what each cannot hold. Must not: build command lines.

use super::Shell;

/// A word that a shell reads back as exactly `text`; `Err` says what in the text cannot be quoted.
///
/// # Errors
/// NUL for every shell; for `cmd.exe` also quotes, `%`, `!` and control characters, which it has no sure way to hold.
pub fn word(shell: Shell, text: &str) -> Result<String, &'static str> {
    match shell {
        Shell::Sh => sh(text),
        Shell::Ps => ps(text),
        Shell::Cmd => cmd(text),
    }
}

/// Single quotes; a single quote in the text closes them, stands escaped, and opens them again.
///
/// # Errors
/// NUL.
pub fn sh(text: &str) -> Result<String, &'static str> {
    no_nul(text)?;
    Ok(sh_word(text))
}

/// [`sh`] for callers that refuse a NUL in the whole command.
pub fn sh_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Single quotes; each of the five characters that PowerShell reads as one is doubled.
///
/// # Errors
/// NUL.
pub fn ps(text: &str) -> Result<String, &'static str> {
    no_nul(text)?;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    Ok(out)
}

/// Double quotes. `cmd.exe` still expands `%NAME%` inside them (and `!NAME!`, where a machine has that switched on), and has no
/// escape for a quote that every program reads alike: such texts are refused.
///
/// # Errors
/// `"`, `%`, `!`, control characters.
pub fn cmd(text: &str) -> Result<String, &'static str> {
    no_nul(text)?;
    for c in text.chars() {
        match c {
            '"' => return Err("a double quote cannot be quoted for cmd.exe"),
            '%' => return Err("a percent sign cannot be quoted for cmd.exe"),
            '!' => return Err("an exclamation mark cannot be quoted for cmd.exe"),
            c if c.is_control() => return Err("a line break or control character cannot be quoted for cmd.exe"),
            _ => {}
        }
    }
    // A program would read `\"` as a quote in its argument; a doubled backslash before the last quote is one backslash.
    let tail = text.chars().rev().take_while(|c| *c == '\\').count();
    Ok(format!("\"{text}{}\"", "\\".repeat(tail)))
}

fn no_nul(text: &str) -> Result<(), &'static str> {
    if text.contains('\0') {
        return Err("a NUL character cannot stand in a command");
    }
    Ok(())
}
