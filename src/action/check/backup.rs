//! Backups: how old the newest good one is, how large, and how many there are.
//!
//! A tool's exit code of 0 says that it could list, not that anything good is in the list: each tool's own words are read. Nothing is
//! locked, written or repaired in a repository.
//!
//! Owns: these looks. Must not: take a repository that cannot be read for an empty one, or an empty one for good.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::Asked;
use super::range::{number, shown};
use super::said::{Said, short};
use super::verdict::{Found, Status};
use crate::runbook::expr::quote::sh_word as quote;

/// So far may the clocks of those that back up and of the host that is asked be apart.
const SKEW: f64 = 300.0;

/// A file that was changed in this last time is still being written.
const WRITING: f64 = 120.0;

/// A lock that is older than this belongs to nobody.
const STALE_LOCK: f64 = 86_400.0;

/// What the tools have in common: `ask` runs one, and its complaint is the reason why nothing is known.
const ASK: &str = r#"e=$(mktemp) || no 'it has no place for a temporary file'; trap 'rm -f "$e"' EXIT
ask() { t=$1; shift; o=$(within 540 "$@" 2>"$e" </dev/null); r=$?; [ $r = 0 ] || no "$t ended with $r: $(grep -m 1 '^Fatal' "$e" || grep -v '^ *$' "$e" | tail -n 1)"; }
echo "now $(date +%s)"
"#;

/// `backup_age`.
pub(super) fn look(asked: &Asked) -> Result<String, String> {
    let repo = asked.text("repo").map(|_| asked.word("repo")).transpose()?;
    let of = asked.text("of").map(|_| asked.word("of")).transpose()?;
    let text = match asked.need("tool")? {
        "restic" => {
            let repo = repo.map(|repo| format!(" -r {}", quote(repo))).unwrap_or_default();
            let of = of.map(|of| format!(" --host {}", quote(of))).unwrap_or_default();
            format!(
                r#"has restic || no 'it has no `restic`'
rs() {{ ask restic restic{repo} --no-lock --no-cache "$@"; }}
rs --json snapshots{of}; printf '%s\n' "$o" | sed 's/^/a /'
for i in $(printf '%s' "$o" | grep -o '"short_id":"[0-9a-f]*"' | cut -d'"' -f4 | tail -n 2); do
  rs --json stats --mode restore-size "$i"; echo "size $i $(printf '%s' "$o" | tail -n 1)"
done
rs list locks; for i in $(printf '%s' "$o" | grep '^[0-9a-f]*$' | head -n 20); do
  o=$(within 60 restic{repo} --no-lock --no-cache cat lock "$i" 2>/dev/null </dev/null) && printf '%s\n' "$o" | sed 's/^/lock /'
done"#
            )
        }
        "borg" => {
            let repo = repo.map_or_else(|| "::".to_owned(), quote);
            let of = of
                .map(|of| format!(" --glob-archives {}", quote(of)))
                .unwrap_or_default();
            format!(
                r#"has borg || no 'it has no `borg` (Debian: borgbackup)'
TZ=UTC; export TZ
l=; within 540 borg list --short --lock-wait 1 --last 1 {repo} >/dev/null 2>"$e" </dev/null || ! grep -qi 'acquire the lock\|lock.*timeout' "$e" || l=--bypass-lock
[ -z "$l" ] || echo 'locked yes'
ask borg borg list $l --json{of} {repo}; printf '%s\n' "$o" | sed 's/^/a /'
ask borg borg info $l --json --last 2{of} {repo}; printf '%s\n' "$o" | sed 's/^/b /'"#
            )
        }
        "pgbackrest" => {
            let of = of.map(|of| format!(" --stanza={}", quote(of))).unwrap_or_default();
            let repo = repo.map(|repo| format!(" --repo={}", quote(repo))).unwrap_or_default();
            format!(
                "has pgbackrest || no 'it has no `pgbackrest`'\nask pgbackrest pgbackrest{of}{repo} --output=json info; printf '%s\\n' \"$o\" | sed 's/^/a /'"
            )
        }
        "files" => files(
            repo.ok_or("`repo` is missing: the pattern of the files")?,
            asked.flag("whole").unwrap_or(true),
        )?,
        other => return Err(format!("this build cannot ask `{other}`")),
    };
    Ok(format!("{ASK}{text}"))
}

/// Each file is a backup; the newest three are read to their end.
fn files(pattern: &str, whole: bool) -> Result<String, String> {
    if !pattern.starts_with('/') {
        return Err(format!("`repo` is no absolute path: `{pattern}`"));
    }
    let fixed = pattern.split(['*', '?', '[']).next().unwrap_or_default();
    let folder = match fixed.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    };
    let look = match whole {
        true => WHOLE,
        false => "",
    };
    Ok(format!(
        r#"d={} p={}
{{ [ -d "$d" ] && [ -r "$d" ] && [ -x "$d" ]; }} || no "$d cannot be read"
has stat || no 'it has no `stat`'
IFS=; l=$(for f in $p; do [ -f "$f" ] && stat -c '%Y %s %n' -- "$f"; done | sort -n | tail -n 5000); IFS=' 	
'
printf '%s\n' "$l" | sed -n 's/^./file &/p'
{look}"#,
        quote(folder),
        quote(pattern)
    ))
}

/// What a dump or an archive ends with, by its name.
const WHOLE: &str = r#"tool() { has "$1" || { echo "whole cannot $f: it has no \`$1\`"; return 1; }; }
marked() { tail -c 4096 | grep -q 'dump complete\|Dump completed\|^-- Dump complete'; }
out() { # decompressed
  case $f in
    *.gz | *.tgz) tool gzip && gzip -dc <"$f" ;;
    *.xz | *.txz) tool xz && xz -dc <"$f" ;;
    *.zst) tool zstd && zstd -dcq <"$f" ;;
    *.bz2 | *.tbz2) tool bzip2 && bzip2 -dc <"$f" ;;
    *) cat <"$f" ;;
  esac
}
printf '%s\n' "$l" | sort -rn | head -n 3 | while read -r m s f; do
  [ "$f" ] || continue
  case $f in
    *.gz | *.tgz) z=gzip ;; *.xz | *.txz) z=xz ;; *.zst) z=zstd ;; *.bz2 | *.tbz2) z=bzip2 ;; *) z= ;;
  esac
  [ -z "$z" ] || tool "$z" || continue
  [ -r "$f" ] || { echo "whole cannot $f: it cannot be read"; continue; }
  [ -z "$z" ] || "$z" -t <"$f" 2>/dev/null || { echo "whole no $f: it is damaged or cut off (\`$z -t\`)"; continue; }
  case $f in
    *.sql | *.sql.gz | *.sql.xz | *.sql.zst | *.sql.bz2)
      out 2>/dev/null | marked && echo "whole yes $f:" || echo "whole no $f: its last lines do not say that the dump is complete" ;;
    *.tar | *.tar.* | *.tgz | *.txz | *.tbz2)
      tool tar || continue
      out 2>/dev/null | tar -t >/dev/null 2>&1 && echo "whole yes $f:" || echo "whole no $f: \`tar\` cannot read it to its end" ;;
    *) [ -n "$z" ] && echo "whole yes $f:" || echo "whole none $f:" ;;
  esac
done"#;

/// A backup.
#[derive(Debug)]
struct Backup {
    name: String,
    /// In seconds since 1970.
    at: f64,
    size: Option<f64>,
    /// Why it is none that counts.
    bad: Option<String>,
}

/// What is in a repository.
#[derive(Debug, Default)]
struct Repo {
    backups: Vec<Backup>,
    /// What is not good of it.
    wrong: Vec<String>,
    /// What should be known of it.
    warn: Vec<String>,
    notes: Vec<String>,
}

pub(super) fn read(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let now = said.number("now")?;
    let tool = asked.need("tool")?;
    let repo = match tool {
        "restic" => restic(said, now)?,
        "borg" => borg(said)?,
        "pgbackrest" => pgbackrest(said)?,
        _ => of_files(said, now)?,
    };
    let place = asked.text("repo").unwrap_or(tool);
    let whose = asked.text("of").map(|of| format!(" of {of}")).unwrap_or_default();
    judge(asked, repo, now, &format!("{place}{whose}"))
}

/// The same of every tool.
fn judge(asked: &Asked, repo: Repo, now: f64, place: &str) -> Result<Found, String> {
    let Repo {
        mut backups,
        mut wrong,
        warn,
        mut notes,
    } = repo;
    backups.sort_by(|a, b| a.at.total_cmp(&b.at));
    let newest_bad = backups.iter().rev().take_while(|b| b.bad.is_some());
    wrong.extend(newest_bad.filter_map(|b| Some(format!("{}: {}", b.name, b.bad.as_deref()?))));
    let good: Vec<&Backup> = backups.iter().filter(|b| b.bad.is_none()).collect();
    let count = super::process::count(good.len());
    let mut found = Found::default();
    let least = asked.number("min_count").unwrap_or(1.0);
    let Some(newest) = good.last() else {
        wrong.insert(0, format!("there is no good backup in {place}"));
        found.words = wrong.join("; ");
        found.wrong = wrong;
        return Ok(found);
    };
    let age = now - newest.at;
    found.value = Some(age);
    found.unit = "s";
    let mut words = format!("the newest backup in {place} is {} old ({}", span(age), newest.name);
    if let Some(size) = newest.size {
        words.push_str(&format!(", {}", bytes(size)));
        found.perfdata.push(format!("'size'={size}B"));
    }
    words.push_str(&format!("; {count} in all)"));
    found.perfdata.push(format!("'count'={count};;{least}:"));
    if age < -SKEW {
        wrong.push(format!(
            "the newest backup in {place}, {}, lies {} in the future: the clock of this host or of the one that made it is wrong",
            newest.name,
            span(-age)
        ));
    }
    if count < least {
        wrong.push(format!("there are {count} good backups in {place}, fewer than {least}"));
    }
    let needs = |what: &str| format!("the size of {} is not known, which `{what}` is about", newest.name);
    if let Some(least) = asked.number("min_size") {
        let size = newest.size.ok_or_else(|| needs("min_size"))?;
        if size < least {
            wrong.push(format!(
                "{} has {}, less than {}",
                newest.name,
                bytes(size),
                bytes(least)
            ));
        }
    }
    let most = asked.number("max_shrink").unwrap_or(50.0);
    if let Some(former) = good.len().checked_sub(2).and_then(|at| good.get(at)) {
        match (newest.size, former.size) {
            (Some(size), Some(before)) if before > 0.0 => {
                let grown = (size / before - 1.0) * 100.0;
                found
                    .perfdata
                    .push(format!("'growth'={}%", shown((grown * 10.0).round() / 10.0)));
                if -grown > most {
                    wrong.push(format!(
                        "{} has {}, {} % less than the one before it ({}, {})",
                        newest.name,
                        bytes(size),
                        shown((-grown).round()),
                        former.name,
                        bytes(before)
                    ));
                }
            }
            (Some(_), Some(_)) => {}
            _ if most < 100.0 => return Err(needs("max_shrink")),
            _ => {}
        }
    }
    notes.splice(0..0, warn.iter().cloned());
    found.words = std::iter::once(words).chain(notes).collect::<Vec<_>>().join("; ");
    found.says = (!warn.is_empty()).then_some(Status::Warn);
    found.wrong = wrong;
    Ok(found)
}

fn json(said: Said<'_>, word: &'static str) -> Result<Json, String> {
    let text = said.all(word).collect::<Vec<_>>().join("\n");
    serde_json::from_str(&text).map_err(|e| format!("what the tool lists is no JSON: {e}: {}", short(&text)))
}

fn list<'j>(json: &'j Json, name: &str) -> Result<&'j Vec<Json>, String> {
    let list = json.get(name).and_then(Json::as_array);
    list.ok_or_else(|| format!("what the tool lists has no `{name}`"))
}

fn text<'j>(json: &'j Json, name: &str) -> Result<&'j str, String> {
    let text = json.get(name).and_then(Json::as_str);
    text.ok_or_else(|| format!("what the tool lists has no `{name}`"))
}

/// RFC 3339, or the same without a zone, which is UTC then.
fn moment(text: &str) -> Result<f64, String> {
    let at = text.parse::<Timestamp>().or_else(|_| {
        let civil = text.parse::<DateTime>()?;
        civil.to_zoned(TimeZone::UTC).map(|at| at.timestamp())
    });
    at.map(|at| at.as_duration().as_secs_f64())
        .map_err(|_| format!("no time can be read in `{}`", short(text)))
}

fn restic(said: Said<'_>, now: f64) -> Result<Repo, String> {
    let all = json(said, "a")?;
    let empty = Vec::new();
    // An empty repository is listed as `null` or as `[]`.
    let all = match &all {
        Json::Null => &empty,
        all => all.as_array().ok_or("what restic lists is no list")?,
    };
    let mut repo = Repo::default();
    let mut hosts = Vec::new();
    for one in all {
        let id = text(one, "short_id")?;
        let size = said.all("size").find_map(|line| {
            let size: Json = serde_json::from_str(line.strip_prefix(id)?.trim()).ok()?;
            size.get("total_size")?.as_f64()
        });
        hosts.extend(one.get("hostname").and_then(Json::as_str));
        repo.backups.push(Backup {
            name: format!("snapshot {id}"),
            at: moment(text(one, "time")?)?,
            size,
            bad: None,
        });
    }
    hosts.sort_unstable();
    hosts.dedup();
    if hosts.len() > 1 {
        repo.notes.push(format!("of {} hosts: `of` names one", hosts.len()));
    }
    let locks = said.all("lock").collect::<Vec<_>>().join("\n");
    for lock in serde_json::Deserializer::from_str(&locks).into_iter::<Json>() {
        let lock = lock.map_err(|e| format!("a lock of restic cannot be read: {e}"))?;
        let age = now - moment(text(&lock, "time")?)?;
        let by = lock
            .get("hostname")
            .and_then(Json::as_str)
            .unwrap_or("nobody knows whom");
        let words = format!("it is locked since {} by {by}", span(age));
        match age > STALE_LOCK {
            true => repo.wrong.push(format!("{words}: a backup died there")),
            false => repo.notes.push(words),
        }
    }
    Ok(repo)
}

fn borg(said: Said<'_>) -> Result<Repo, String> {
    let (all, infos) = (json(said, "a")?, json(said, "b")?);
    let infos = list(&infos, "archives")?;
    let mut repo = Repo::default();
    for one in list(&all, "archives")? {
        let name = text(one, "name")?;
        let info = infos
            .iter()
            .find(|info| info.get("name").and_then(Json::as_str) == Some(name));
        repo.backups.push(Backup {
            name: format!("archive {name}"),
            at: moment(text(one, "time")?)?,
            size: info.and_then(|info| info.get("stats")?.get("original_size")?.as_f64()),
            // What was written before a backup was cut off, and is kept for the next.
            bad: name
                .split('.')
                .skip(1)
                .any(|part| part == "checkpoint")
                .then(|| "its backup was cut off".to_owned()),
        });
    }
    if said.first("locked").is_some() {
        repo.warn
            .push("it is locked: a backup is at work, or one died there (`borg break-lock`)".to_owned());
    }
    Ok(repo)
}

fn pgbackrest(said: Said<'_>) -> Result<Repo, String> {
    let all = json(said, "a")?;
    let stanzas = all.as_array().ok_or("what pgbackrest lists is no list")?;
    if stanzas.is_empty() {
        return Err("pgbackrest knows no stanza".to_owned());
    }
    let mut repo = Repo::default();
    for stanza in stanzas {
        let name = text(stanza, "name")?;
        let status = stanza.get("status").ok_or("pgbackrest tells no status")?;
        let code = status
            .get("code")
            .and_then(Json::as_i64)
            .ok_or("its status has no code")?;
        match code {
            0 => {}
            // There is no valid backup: that is known.
            2 => repo.wrong.push(format!("stanza {name}: no valid backups")),
            _ => {
                let why = status.get("message").and_then(Json::as_str).unwrap_or_default();
                return Err(format!("stanza {name}: {} (status {code})", short(why)));
            }
        }
        let held = |json: &Json| json.get("lock")?.get("backup")?.get("held")?.as_bool();
        if held(status) == Some(true) {
            repo.notes.push(format!("a backup of {name} is at work"));
        }
        for one in list(stanza, "backup")? {
            let stop = one.get("timestamp").and_then(|t| t.get("stop")?.as_f64());
            let broken = one.get("error").and_then(Json::as_bool) == Some(true);
            repo.backups.push(Backup {
                name: format!("{name} {}", text(one, "label")?),
                at: stop.ok_or("a backup of pgbackrest has no time")?,
                size: one.get("info").and_then(|info| info.get("size")?.as_f64()),
                bad: broken.then(|| "it found pages with a wrong checksum".to_owned()),
            });
        }
    }
    Ok(repo)
}

fn of_files(said: Said<'_>, now: f64) -> Result<Repo, String> {
    let mut repo = Repo::default();
    for line in said.all("file") {
        let mut words = line.splitn(3, ' ');
        let (Some(at), Some(size), Some(path)) = (
            words.next().and_then(number),
            words.next().and_then(number),
            words.next(),
        ) else {
            return Err(format!("`stat` says `{}`", short(line)));
        };
        let look = said.all("whole").find_map(|line| {
            let (how, rest) = line.split_once(' ')?;
            Some((how, rest.strip_prefix(path)?.strip_prefix(':')?.trim()))
        });
        let bad = match look {
            // It is no backup yet, and nothing is wrong with that.
            Some(("no", _)) if (0.0..WRITING).contains(&(now - at)) => {
                repo.notes.push(format!("{path} is being written"));
                continue;
            }
            Some(("cannot", why)) => return Err(format!("{path}: {why}")),
            Some(("no", why)) => Some(why.to_owned()),
            _ if size == 0.0 => Some("it is empty".to_owned()),
            _ => None,
        };
        repo.backups.push(Backup {
            name: path.to_owned(),
            at,
            size: Some(size),
            bad,
        });
    }
    Ok(repo)
}

/// `3 h`, `12 d`.
fn span(seconds: f64) -> String {
    let (all, sign) = (seconds.abs(), if seconds < 0.0 { "-" } else { "" });
    let (by, unit) = match all {
        s if s < 120.0 => (1.0, "s"),
        s if s < 7_200.0 => (60.0, "min"),
        s if s < 172_800.0 => (3_600.0, "h"),
        _ => (86_400.0, "d"),
    };
    format!("{sign}{} {unit}", (all / by).floor())
}

/// `1.5 GB`.
fn bytes(size: f64) -> String {
    let mut value = size;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return format!("{} {unit}", shown((value * 10.0).round() / 10.0));
        }
        value /= 1000.0;
    }
    format!("{} TB", shown((value * 10.0).round() / 10.0))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};
    use super::Status;

    const RESTIC: &str = r#"now 1795000000
a [{"time":"2026-11-17T01:00:00.5+01:00","hostname":"web1","paths":["/srv"],"id":"aa","short_id":"aaaaaaaa"},
a {"time":"2026-11-18T01:00:00.5+01:00","hostname":"web1","paths":["/srv"],"id":"bb","short_id":"bbbbbbbb"}]
size aaaaaaaa {"total_size":1000,"total_file_count":3}
size bbbbbbbb {"total_size":900,"total_file_count":3}
"#;

    #[test]
    fn the_newest_snapshot_counts_and_one_that_shrank_is_told() {
        let of = |fields: &str, said: &str| found("backup_age", &format!("{{tool: restic, repo: /r{fields}}}"), said);
        let good = of(", of: web1, min_size: 900, min_count: 2", RESTIC);
        assert_eq!((good.value, good.wrong.len()), (Some(39_999.5), 0), "{good:?}");
        assert!(
            good.words.contains("11 h old (snapshot bbbbbbbb, 900 bytes; 2 in all)"),
            "{}",
            good.words
        );
        let small = of("", &RESTIC.replace("\"total_size\":900", "\"total_size\":499"));
        assert!(small.wrong[0].contains("50 % less than the one before it"), "{small:?}");
        assert_eq!(of(", min_size: 901, min_count: 3", RESTIC).wrong.len(), 2);
        let future = of("", &RESTIC.replace("now 1795000000", "now 1794900000"));
        assert!(future.wrong[0].contains("lies 16 h in the future"), "{future:?}");
        for none in ["null", "[]"] {
            let empty = of("", &format!("now 1\na {none}\n"));
            assert_eq!(empty.wrong, ["there is no good backup in /r"]);
        }
        let lock = |at: &str| {
            let lock = format!("lock {{\nlock   \"time\": \"{at}\",\nlock   \"hostname\": \"web9\"\nlock }}\n");
            of("", &format!("{RESTIC}{lock}"))
        };
        assert!(lock("2026-11-18T11:00:00Z").wrong.is_empty());
        assert!(lock("2026-11-10T00:00:00Z").wrong[0].contains("by web9: a backup died there"));
        let lost = |said: &str| unknown("backup_age", "{tool: restic, repo: /r}", said);
        assert!(lost("unknown restic ended with 1: wrong password\n").contains("wrong password"));
        assert!(lost("now 1\na Fatal\n").contains("no JSON"));
        assert!(lost(&RESTIC.replace("size bbbbbbbb {", "size bbbbbbbb ")).contains("not known"));
    }

    #[test]
    fn archives_of_borg_and_stanzas_of_pgbackrest_are_read() {
        let borg = "now 1795000000\na {\"archives\":[{\"name\":\"web1-1\",\"time\":\"2026-11-17T00:00:00.000000\"},{\"name\":\"web1-2\",\"time\":\"2026-11-18T00:00:00.000000\"}]}\nb {\"archives\":[{\"name\":\"web1-1\",\"stats\":{\"original_size\":10}},{\"name\":\"web1-2\",\"stats\":{\"original_size\":4}}]}\n";
        let got = found("backup_age", "{tool: borg, repo: /b, of: 'web1-*'}", borg);
        assert!(got.wrong.len() == 1 && got.wrong[0].contains("60 % less"), "{got:?}");
        let locked = found(
            "backup_age",
            "{tool: borg, max_shrink: 70}",
            &format!("locked yes\n{borg}"),
        );
        assert_eq!((locked.says, locked.wrong.len()), (Some(Status::Warn), 0), "{locked:?}");
        assert!(locked.words.contains("break-lock"));
        let cut = found(
            "backup_age",
            "{tool: borg, max_shrink: 70}",
            &borg.replace("web1-2", "web1-2.checkpoint"),
        );
        assert!(
            cut.wrong[0].contains("was cut off") && cut.value > Some(100_000.0),
            "{cut:?}"
        );

        let pg = |status: &str, error: &str| {
            format!(
                "now 1795000000\na [{{\"name\":\"main\",\"status\":{{\"code\":{status},\"message\":\"words\",\"lock\":{{\"backup\":{{\"held\":false}}}}}},\"backup\":[{{\"label\":\"20261118-000000F\",\"error\":{error},\"timestamp\":{{\"start\":1794999000,\"stop\":1794999900}},\"info\":{{\"size\":5000}}}}]}}]\n"
            )
        };
        let of = |said: &str| found("backup_age", "{tool: pgbackrest, of: main}", said);
        assert_eq!(of(&pg("0", "false")).value, Some(100.0));
        assert!(of(&pg("0", "true")).wrong.join(" ").contains("wrong checksum"));
        assert!(of(&pg("2", "false")).wrong[0].contains("no valid backups"));
        let lost = |said: &str| unknown("backup_age", "{tool: pgbackrest}", said);
        assert!(lost(&pg("1", "null")).contains("stanza main: words (status 1)"));
        assert!(lost("now 1\na []\n").contains("no stanza"));
    }

    #[test]
    fn a_dump_that_is_cut_off_is_no_backup() {
        let said =
            "now 10000\nfile 1000 50 /b/a 1.sql\nfile 2000 60 /b/b.sql\nwhole yes /b/b.sql:\nwhole yes /b/a 1.sql:\n";
        let of = |said: &str| found("backup_age", "{tool: files, repo: '/b/*.sql'}", said);
        let good = of(said);
        assert_eq!((good.value, good.wrong.len()), (Some(8000.0), 0), "{good:?}");
        let cut = of(&said.replace("whole yes /b/b.sql:", "whole no /b/b.sql: it ends early"));
        assert_eq!((cut.value, cut.wrong.len()), (Some(9000.0), 1), "{cut:?}");
        assert!(cut.wrong[0].contains("/b/b.sql: it ends early"));
        let writing = of(&said
            .replace("whole yes /b/b.sql:", "whole no /b/b.sql: it ends early")
            .replace("now 10000", "now 2060"));
        assert!(
            writing.wrong.is_empty() && writing.words.contains("is being written"),
            "{writing:?}"
        );
        assert!(of(&said.replace("2000 60", "2000 0")).wrong[0].contains("is empty"));
        assert!(of(&said.replace("2000 60", "2000 6")).wrong[0].contains("% less"));
        let why = unknown(
            "backup_age",
            "{tool: files, repo: /b/*}",
            &said.replace("whole yes /b/b.sql:", "whole cannot /b/b.sql: no xz"),
        );
        assert!(why.contains("no xz"));
        assert_eq!(of("now 1\n").wrong, ["there is no good backup in /b/*.sql"]);
        for fields in [
            "{tool: files}",
            "{tool: files, repo: b/*}",
            "{tool: wbadmin}",
            "{tool: restic, repo: -x}",
        ] {
            assert!(asked("backup_age", fields).is_err(), "{fields}");
        }
    }
}
