//! `%h`, `%%`, `${NAME}` and `~` in values.
//!
//! Owns: what each token stands for. Must not: decide in which keyword it may stand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ring::digest;

use super::files::Operator;

/// What the tokens stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    values: BTreeMap<char, String>,
}

/// The host of a connection, for tokens.
pub(super) struct About<'a> {
    /// Where it goes.
    pub(super) host: &'a str,
    /// As it was typed.
    pub(super) original: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) alias: Option<&'a str>,
    /// The last bastion.
    pub(super) jump: &'a str,
}

impl Tokens {
    /// `%%` and `%h` alone, as `HostName` takes them.
    pub(super) fn host_only(host: &str) -> Self {
        Self {
            values: BTreeMap::from([('h', host.to_owned())]),
        }
    }

    /// What a `ProxyCommand` takes.
    pub(super) fn of_command(about: &About<'_>) -> Self {
        let values = [
            ('h', about.host.to_owned()),
            ('n', about.original.to_owned()),
            ('p', about.port.to_string()),
            ('r', about.user.to_owned()),
        ];
        Self { values: values.into() }
    }

    /// All tokens of a connection.
    pub(super) fn all(operator: &Operator, about: &About<'_>) -> Self {
        let machine = operator.machine.as_str();
        let port = about.port.to_string();
        let hashed = [machine, about.host, &port, about.user, about.jump].concat();
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, hashed.as_bytes());
        let mut hex = String::new();
        for byte in hash.as_ref() {
            let _ = write!(hex, "{byte:02x}");
        }
        let values = [
            ('C', hex),
            ('L', machine.split('.').next().unwrap_or("").to_owned()),
            ('d', operator.home.to_string_lossy().into_owned()),
            ('h', about.host.to_owned()),
            ('i', operator.uid.to_string()),
            ('j', about.jump.to_owned()),
            ('k', about.alias.unwrap_or(about.original).to_owned()),
            ('l', machine.to_owned()),
            ('n', about.original.to_owned()),
            ('p', port),
            ('r', about.user.to_owned()),
            ('u', operator.user.clone()),
        ];
        Self { values: values.into() }
    }

    /// Puts the values in. The error says what cannot be.
    pub(super) fn expand(&self, text: &str, env: Option<&BTreeMap<String, String>>) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            if let (Some(named), Some(env)) = (from.strip_prefix("${"), env) {
                let Some((name, behind)) = named.split_once('}') else {
                    return Err("`${` is closed by no `}`".to_owned());
                };
                let value = env.get(name).filter(|_| !name.is_empty());
                out.push_str(value.ok_or_else(|| format!("the environment has no `{name}`"))?);
                rest = behind;
            } else if let Some(token) = from.strip_prefix('%') {
                let Some(letter) = token.chars().next() else {
                    return Err("a `%` stands at the end: a plain one is written `%%`".to_owned());
                };
                if letter == '%' {
                    out.push('%');
                } else {
                    let value = self.values.get(&letter);
                    out.push_str(value.ok_or_else(|| format!("the token `%{letter}` means nothing here"))?);
                }
                rest = token.get(letter.len_utf8()..).unwrap_or("");
            } else {
                out.push('$');
                rest = from.get(1..).unwrap_or("");
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_environment_go_in_once() {
        let tokens = Tokens::host_only("%n${X}");
        let env = BTreeMap::from([("X".to_owned(), "%h".to_owned())]);
        for (text, expected) in [
            ("%h", Ok("%n${X}")),
            ("%%h", Ok("%h")),
            ("a${X}b$c", Ok("a%hb$c")),
            ("x%", Err("a `%` stands at the end: a plain one is written `%%`")),
            ("%n", Err("the token `%n` means nothing here")),
            ("${Y}", Err("the environment has no `Y`")),
            ("${}", Err("the environment has no ``")),
            ("${X", Err("`${` is closed by no `}`")),
        ] {
            assert_eq!(
                tokens.expand(text, Some(&env)).as_deref().map_err(String::as_str),
                expected,
                "{text}"
            );
        }
        assert_eq!(tokens.expand("${X}", None).as_deref(), Ok("${X}"));
    }
}
