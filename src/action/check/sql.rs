//! The answer of a database, asked by its own program as whoever the step is.
//!
//! Owns: these looks. Must not: write a query or a password into a command line, or leave the session able to write where the
//! database can prevent it.

use super::Asked;
use super::range::number;
use super::said::{Said, short};
use super::verdict::Found;
use crate::runbook::expr::quote::sh_word as quote;

/// `sql`. Where it is and the password come from the step's `env` (`PGHOST`, `PGPASSWORD`, `MYSQL_HOST`, `MYSQL_PWD`).
pub(super) fn sql(asked: &Asked) -> Result<String, String> {
    let query = asked.need("query")?;
    if query.lines().any(|line| line.trim_start().starts_with('\\')) {
        return Err("`query` holds a command of the client".to_owned());
    }
    // `printf` is the shell's own: the query is in no list of processes.
    let frame = |client: &str, first: &str| {
        format!(
            "exec 3>&1\nr=$({{ {{ {{ printf '%s\\n' {first}{}; }} | {client} 2>&2; echo $? >&4; }} | head -c 1048577 | sed 's/^/| /' >&3; }} 4>&1)\necho; echo \"rc $r\"",
            quote(query)
        )
    };
    match asked.text("engine") {
        Some("postgres") => Ok(format!(
            "has psql || no 'it has no `psql` (Debian: postgresql-client)'\nPGOPTIONS=\"$PGOPTIONS -c default_transaction_read_only=on\"; PGCONNECT_TIMEOUT=${{PGCONNECT_TIMEOUT:-10}}; export PGOPTIONS PGCONNECT_TIMEOUT\n{}",
            frame("psql -XAtqw -P pager=off -v ON_ERROR_STOP=1 -f -", "")
        )),
        Some("mysql") => Ok(format!(
            "if has mysql; then m=mysql; elif has mariadb; then m=mariadb; else no 'it has no `mysql` (Debian: default-mysql-client)'; fi\n\
             set -- ${{MYSQL_HOST:+\"--host=$MYSQL_HOST\"}} ${{MYSQL_USER:+\"--user=$MYSQL_USER\"}}\n{}",
            frame(
                "\"$m\" --connect-timeout=10 \"$@\" -N -B -r",
                "'SET SESSION TRANSACTION READ ONLY;' "
            )
        )),
        other => Err(format!("this build cannot ask `{}`", other.unwrap_or_default())),
    }
}

pub(super) fn read_sql(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let rc = said.number("rc")?;
    let text = said.text()?;
    if rc != 0.0 {
        // Whether the database or the client is at fault, nothing was measured.
        return Err(format!("the client ended with {rc}: {}", short(&text)));
    }
    let rows: Vec<&str> = text.lines().collect();
    let one = match rows.as_slice() {
        [one] => Some(one.trim()),
        _ => None,
    };
    let mut found = Found {
        value: one
            .and_then(number)
            .or_else(|| one.is_none().then(|| super::process::count(rows.len()))),
        words: match one {
            Some(one) => format!("it answers `{}`", short(one)),
            None => format!("it answers {} rows", rows.len()),
        },
        ..Found::default()
    };
    if let Some(wanted) = asked.text("value")
        && one != Some(wanted.trim())
    {
        found.wrong.push(format!("{}, not `{wanted}`", found.words));
    }
    if let Some(wanted) = asked
        .number("rows")
        .filter(|wanted| *wanted != super::process::count(rows.len()))
    {
        found
            .wrong
            .push(format!("it answers {} rows, not {wanted}", rows.len()));
    }
    if rows.is_empty() && asked.text("value").is_none() && asked.int("rows").is_none() {
        return Err("it answers nothing: write `rows: 0` if that is good".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    #[test]
    fn an_answer_is_one_value_or_rows() {
        let of = |fields: &str, said: &str| found("sql", &format!("{{engine: postgres, query: q{fields}}}"), said);
        assert_eq!(of("", "| 42\nrc 0\n").value, Some(42.0));
        assert!(of(", value: t", "| t\nrc 0\n").wrong.is_empty());
        assert_eq!(of(", value: t", "| f\nrc 0\n").wrong, ["it answers `f`, not `t`"]);
        assert_eq!(of(", rows: 3", "| a\n| b\nrc 0\n").wrong, ["it answers 2 rows, not 3"]);
        assert!(of(", rows: 0", "rc 0\n").wrong.is_empty());
        let lost = |said: &str| unknown("sql", "{engine: postgres, query: q}", said);
        assert!(lost("rc 0\n").contains("nothing"));
        assert!(lost("rc 2\n").contains("ended with 2"));
        assert!(lost("| 42\n").contains("rc"));
        assert!(asked("sql", "{engine: sqlserver, query: q}").is_err());
        assert!(asked("sql", "{engine: postgres, query: \"\\\\! id\"}").is_err());
    }
}
