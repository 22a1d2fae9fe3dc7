//! What runs: services and processes.
//!
//! Owns: these looks. Must not: believe an empty list of a host that does not show all.

use super::Asked;
use super::said::Said;
use super::verdict::Found;
use crate::runbook::expr::quote::sh_word as quote;

/// `service`.
pub(super) fn service(asked: &Asked) -> Result<String, String> {
    let name = asked.word("name")?;
    if name.contains(|c: char| c.is_whitespace() || "*?[]".contains(c)) {
        return Err(format!("`{name}` is no name of a service"));
    }
    Ok(format!(
        r#"has systemctl && [ -d /run/systemd/system ] || no 'it has no systemd'
u=$(systemctl show -p LoadState,ActiveState,SubState,UnitFileState,ActiveEnterTimestampMonotonic,Result,NRestarts -- {} 2>&1) || no "systemd does not answer: $u"
echo "$u"
read -r up rest </proc/uptime; echo "up $up""#,
        quote(name)
    ))
}

/// `systemctl show` prints `Key=value`.
fn property<'a>(said: Said<'a>, key: &str) -> &'a str {
    let mut lines = said.lines().filter_map(|(word, _)| word.split_once('='));
    lines.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
}

pub(super) fn read_service(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let name = asked.need("name")?;
    let (load, active) = (property(said, "LoadState"), property(said, "ActiveState"));
    if load.is_empty() || active.is_empty() {
        return Err("systemd says nothing of it".to_owned());
    }
    let state = match (property(said, "SubState"), property(said, "Result")) {
        (sub, "" | "success") => format!("{active} ({sub})"),
        (sub, result) => format!("{active} ({sub}, {result})"),
    };
    let runs = matches!(active, "active" | "reloading" | "refreshing");
    let up = said.number("up")?;
    let since = super::range::number(property(said, "ActiveEnterTimestampMonotonic")).map(|us| up - us / 1e6);
    let mut found = Found {
        value: since.filter(|_| runs).map(|s| s.max(0.0).floor()),
        unit: "s",
        words: format!("{name} is {state}"),
        ..Found::default()
    };
    let wanted = asked.flag("running").unwrap_or(true);
    if load == "not-found" && (wanted || asked.flag("enabled") == Some(true)) {
        found.wrong.push(format!("the host has no unit {name}"));
        return Ok(found);
    }
    if runs != wanted {
        found.wrong.push(format!("{name} is {state}"));
    }
    let file = property(said, "UnitFileState");
    let starts = matches!(file, "enabled" | "enabled-runtime" | "alias");
    match asked.flag("enabled") {
        Some(wanted) if wanted != starts => {
            let file = if file.is_empty() { "not installed" } else { file };
            found.wrong.push(format!("{name} is {file}"));
        }
        _ => {}
    }
    if let (Some(least), true) = (asked.span("since_min"), runs) {
        match found.value {
            Some(value) if value >= least.as_secs_f64() => {}
            Some(value) => found.wrong.push(format!("{name} runs since {value} s only")),
            None => return Err("systemd does not say since when it runs".to_owned()),
        }
    }
    Ok(found)
}

/// `services_failed`.
pub(super) fn failed(_: &Asked) -> Result<String, String> {
    Ok(r#"has systemctl && [ -d /run/systemd/system ] || no 'it has no systemd'
f=$(systemctl --failed --all --plain --no-legend --no-pager 2>&1) || no "systemd does not answer: $f"
echo "$f" | while read -r u rest; do [ "$u" ] && echo "failed $u"; done
echo "listed yes""#
        .to_owned())
}

pub(super) fn read_failed(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    said.need("listed")?;
    let ignored = asked.list("ignore").unwrap_or_default();
    let is_ignored = |unit: &str| {
        ignored
            .iter()
            .any(|name| *name == unit || unit.strip_suffix(".service") == Some(name))
    };
    let items: Vec<String> = said
        .all("failed")
        .filter(|unit| !is_ignored(unit))
        .map(str::to_owned)
        .collect();
    Ok(Found {
        value: Some(count(items.len())),
        words: match items.as_slice() {
            [] => "no unit has failed".to_owned(),
            [one] => format!("{one} has failed"),
            many => format!(
                "{} units have failed: {}",
                many.len(),
                super::said::short(&many.join(", "))
            ),
        },
        limit: Some("0"),
        items,
        ..Found::default()
    })
}

/// So many, as a number.
#[expect(clippy::cast_precision_loss, reason = "no list is that long")]
pub(super) fn count(many: usize) -> f64 {
    many as f64
}

/// `process`.
pub(super) fn processes(asked: &Asked) -> Result<String, String> {
    asked.pattern()?;
    if asked.text("name").or(asked.text("pattern")).is_none() {
        return Err("`process` needs a `name` or a `pattern`".to_owned());
    }
    // The name comes last: there may be blanks in it. A second list has the command lines, which change in between at most.
    Ok(r#"if has ps && ps -eo pid= >/dev/null 2>&1; then
  echo "self $$"
  ps -eo pid=,ppid=,stat=,user:64=,comm= | sed 's/^ */p /'
  ps -ewwo pid=,args= | sed 's/^ */a /'
else no 'it has no `ps` that lists all (Debian: procps)'; fi"#
        .to_owned())
}

pub(super) fn read_processes(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let all: Vec<(&str, &str, &str, &str, &str)> = said.all("p").filter_map(words_of).collect();
    if !all.iter().any(|(pid, ..)| *pid == "1") {
        return Err("it does not show the processes of others".to_owned());
    }
    let args: std::collections::HashMap<&str, &str> = said.all("a").filter_map(|line| line.split_once(' ')).collect();
    let own = said.need("self")?;
    let parents: std::collections::HashMap<&str, &str> = all.iter().map(|(pid, parent, ..)| (*pid, *parent)).collect();
    // What looks is no answer.
    let ours = |pid: &str| {
        let mut at = pid;
        for _ in 0..64 {
            if at == own {
                return true;
            }
            match parents.get(at) {
                Some(parent) if *parent != "0" => at = parent,
                _ => break,
            }
        }
        false
    };
    let pattern = asked.pattern()?;
    let (name, user) = (asked.text("name"), asked.text("user"));
    let fits = |(pid, _, state, owner, comm): &&(&str, &str, &str, &str, &str)| {
        let line = args.get(pid).copied().unwrap_or_default();
        !state.starts_with('Z')
            && name.is_none_or(|name| is_named(name, comm, line))
            && user.is_none_or(|user| user == *owner)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(line))
            && !ours(pid)
    };
    let many = all.iter().filter(fits).count();
    let of = user.map(|user| format!(" of {user}")).unwrap_or_default();
    let what = name.or(asked.text("pattern")).unwrap_or_default();
    Ok(Found {
        value: Some(count(many)),
        words: match many {
            0 => format!("no process {what}{of} runs"),
            1 => format!("1 process {what}{of} runs"),
            many => format!("{many} processes {what}{of} run"),
        },
        limit: Some("1:"),
        ..Found::default()
    })
}

/// pid, parent, state, user, name.
fn words_of(line: &str) -> Option<(&str, &str, &str, &str, &str)> {
    let mut rest = line;
    let mut next = || {
        let (word, tail) = rest.trim_start().split_once(' ')?;
        rest = tail;
        Some(word)
    };
    let (pid, parent, state, user) = (next()?, next()?, next()?, next()?);
    let numbers = [pid, parent].iter().all(|n| n.bytes().all(|b| b.is_ascii_digit()));
    numbers.then(|| (pid, parent, state, user, rest.trim()))
}

/// The kernel keeps 15 bytes of a name; of a longer one the command line has the rest.
fn is_named(name: &str, comm: &str, line: &str) -> bool {
    let comm = comm.strip_suffix(" <defunct>").unwrap_or(comm);
    if name.len() <= 15 {
        return comm == name;
    }
    let program = line.split(' ').next().unwrap_or_default();
    name.get(..15) == Some(comm) && program.rsplit('/').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    const SHOWN: &str = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nActiveEnterTimestampMonotonic=5000000\nResult=success\nup 65.20\n";

    #[test]
    fn a_service_is_what_systemd_says_and_no_more() {
        let of = |fields: &str, said: &str| found("service", fields, said);
        let good = of("{name: cron, enabled: true, since_min: 1m}", SHOWN);
        assert_eq!(
            (good.value, good.wrong.len(), good.words.as_str()),
            (Some(60.0), 0, "cron is active (running)")
        );
        assert_eq!(
            of("{name: cron, since_min: 2m}", SHOWN).wrong,
            ["cron runs since 60 s only"]
        );
        assert_eq!(
            of("{name: cron, running: false}", SHOWN).wrong,
            ["cron is active (running)"]
        );
        let failed = SHOWN
            .replace("active\nSubState=running", "failed\nSubState=failed")
            .replace("=success", "=exit-code");
        assert_eq!(
            of("{name: cron}", &failed).wrong,
            ["cron is failed (failed, exit-code)"]
        );
        let gone = "LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\nup 5\n";
        assert_eq!(of("{name: cron}", gone).wrong, ["the host has no unit cron"]);
        assert!(of("{name: cron, running: false}", gone).wrong.is_empty());
        assert!(unknown("service", "{name: cron}", "up 5\n").contains("says nothing"));
        assert!(unknown("service", "{name: cron}", "unknown it has no systemd\n").contains("no systemd"));
        for name in ["-x", "a b", "cron*", "a\nb", ""] {
            assert!(asked("service", &format!("{{name: {name:?}}}")).is_err(), "{name:?}");
        }
    }

    #[test]
    fn failed_units_are_counted_but_those_that_are_ignored() {
        let said = "failed a.service\nfailed b.mount\nfailed c.service\nlisted yes\n";
        let all = found("services_failed", "{ignore: [a, c.service]}", said);
        assert_eq!(
            (all.value, all.items.as_slice()),
            (Some(1.0), &["b.mount".to_owned()][..])
        );
        assert_eq!(found("services_failed", "{}", "listed yes\n").value, Some(0.0));
        assert!(unknown("services_failed", "{}", "").contains("listed"));
    }

    #[test]
    fn processes_are_those_of_all_users_and_not_our_own() {
        let said = "self 90\np 1 0 Ss root systemd\np 10 1 Ss www-data nginx\np 11 10 S www-data nginx\np 12 1 Z root nginx\np 90 80 Ss ops sh\np 91 90 S ops nginx\np 20 1 S ops tmux: server\np 21 1 S ops averylongprogra\na 1 /sbin/init\na 10 nginx: master\na 20 tmux new\na 21 /opt/averylongprogram -x\na 91 grep nginx\n";
        let of = |fields: &str| found("process", fields, said).value;
        assert_eq!(of("{name: nginx}"), Some(2.0));
        assert_eq!(of("{name: nginx, user: root}"), Some(0.0));
        assert_eq!(of("{name: 'tmux: server'}"), Some(1.0));
        assert_eq!(of("{name: averylongprogram}"), Some(1.0));
        assert_eq!(of("{name: averylongprogrXm}"), Some(0.0));
        assert_eq!(of("{pattern: 'ma.ter$'}"), Some(1.0));
        assert!(unknown("process", "{name: x}", "self 90\np 90 80 S ops sh\n").contains("of others"));
        assert!(unknown("process", "{name: x}", "p 1 0 S root init\n").contains("self"));
        assert!(asked("process", "{user: root}").is_err());
        assert!(asked("process", "{pattern: '('}").is_err());
    }
}
