//! Lines of a log.
//!
//! Owns: these looks. Must not: count none where it may not read, or call lines recent that do not say when they were written.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::Asked;
use super::range::number;
use super::said::{Said, short};
use super::verdict::Found;
use crate::runbook::expr::quote::sh_word as quote;

/// Most of a log that is looked into. More lines than that in the time that is asked about are not counted, and not passed over.
const MOST: usize = 6 << 20;

/// `log_errors`.
pub(super) fn log(asked: &Asked) -> Result<String, String> {
    asked.pattern()?;
    let source = asked.text("source").unwrap_or("journal");
    if source != "journal" {
        if !source.starts_with('/') || source.contains('\n') {
            return Err(format!(
                "`source` is `journal` or an absolute path, not `{}`",
                source.escape_debug()
            ));
        }
        return Ok(format!(
            "f={}\n[ -e \"$f\" ] || no \"$f does not exist\"\n[ -r \"$f\" ] || no \"$f cannot be read: Permission denied\"\n\
             echo \"now $(date +%s)\"; echo \"zone $(date +%z)\"; echo \"size $(wc -c <\"$f\")\"\ntail -c {MOST} -- \"$f\" | sed 's/^/| /'; echo",
            quote(source)
        ));
    }
    let since = asked.span("since").unwrap_or(Duration::from_secs(3600)).as_secs();
    // Without a pattern the priority tells what is an error.
    let which = if asked.text("pattern").is_some() { "" } else { " -p err" };
    Ok(format!(
        r#"has journalctl || no 'it has no journal'
e=$(journalctl --no-pager -n 1 -o cat 2>&1 >/dev/null)
case $e in
  *'not seeing messages from'*) no 'its journal is shown to root and the group systemd-journal only' ;;
  *'No journal files'*) no 'it has no journal' ;;
esac
[ "$(journalctl --no-pager -q -n 1 -o cat 2>/dev/null | head -c 1 | wc -c)" -gt 0 ] || no 'its journal is empty'
echo 'size 0'
journalctl --no-pager -q --since=-{since}s{which} -o short 2>&1 | head -c {most} | sed 's/^/| /'; echo"#,
        most = MOST + 1
    ))
}

pub(super) fn read_log(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let size = said.number("size")?;
    let lines: Vec<&str> = said.all("|").collect();
    let source = asked.text("source").unwrap_or("journal");
    let in_time: Vec<&str> = match source {
        "journal" => {
            let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
            if bytes > MOST {
                return Err(format!(
                    "its journal has more than {} MiB of that time: make `since` shorter",
                    MOST >> 20
                ));
            }
            lines.into_iter().filter(|line| !line.starts_with("-- ")).collect()
        }
        _ => of_file(asked, said, lines, size)?,
    };
    let pattern = asked.pattern()?;
    let ignored = asked.list("ignore").unwrap_or_default();
    let items: Vec<&str> = in_time
        .into_iter()
        .filter(|line| pattern.as_ref().is_none_or(|pattern| pattern.is_match(line)))
        .filter(|line| !ignored.iter().any(|text| line.contains(text)))
        .collect();
    Ok(Found {
        value: Some(super::process::count(items.len())),
        words: match items.as_slice() {
            [] => format!("no such line in {source}"),
            [.., last] => format!("{} such lines in {source}, the last: {}", items.len(), short(last)),
        },
        limit: Some("0"),
        ..Found::default()
    })
}

fn of_file<'a>(asked: &Asked, said: Said<'a>, lines: Vec<&'a str>, size: f64) -> Result<Vec<&'a str>, String> {
    let is_cut = size > super::process::count(MOST);
    let Some(since) = asked.span("since") else {
        return match is_cut {
            true => Err(format!("it is larger than {} MiB: write `since`", MOST >> 20)),
            false => Ok(lines),
        };
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a number of seconds that the reader bounds"
    )]
    let now = Timestamp::from_second(said.number("now")? as i64).map_err(|e| e.to_string())?;
    let zone = zone(said.need("zone")?).ok_or("its time zone cannot be read")?;
    let begin = now.checked_sub(since).map_err(|e| e.to_string())?;
    let mut kept = Vec::new();
    let (mut recent, mut any, mut older) = (false, false, false);
    for line in lines {
        // A line without a time belongs to the one before it.
        if let Some(at) = written(line, now, zone) {
            any = true;
            recent = at >= begin;
            older |= !recent;
        }
        if recent {
            kept.push(line);
        }
    }
    match (any, is_cut && !older) {
        (false, _) if size > 0.0 => Err("no line of it says when it was written: leave `since` out".to_owned()),
        (_, true) => Err(format!(
            "more than {} MiB of it are of that time: make `since` shorter",
            MOST >> 20
        )),
        _ => Ok(kept),
    }
}

/// `+0200` in seconds.
fn zone(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.get(1..)?;
    let (hours, minutes) = (number(digits.get(..2)?)?, number(digits.get(2..4)?)?);
    #[expect(clippy::cast_possible_truncation, reason = "two digits each")]
    Some(sign * (hours as i64 * 3600 + minutes as i64 * 60))
}

/// When a line was written: `2026-11-23T18:37:01.5+01:00`, `2026-11-23 18:37:01`, `Nov 23 18:37:01`.
fn written(line: &str, now: Timestamp, zone: i64) -> Option<Timestamp> {
    let line = line.trim_start_matches(['[', '(']);
    let first = line.split([' ', ']', ')']).next()?;
    if let Ok(at) = first.parse::<Timestamp>() {
        return Some(at);
    }
    let local = |at: DateTime| {
        let utc = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        utc.checked_sub(jiff::SignedDuration::from_secs(zone)).ok()
    };
    if let Some(text) = line.get(..19)
        && text.starts_with(|c: char| c.is_ascii_digit())
        && let Ok(at) = text.replace(' ', "T").parse::<DateTime>()
    {
        return local(at);
    }
    let text = line.get(..15)?;
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    let of = |year: i16| {
        let at = DateTime::strptime("%Y %b %e %H:%M:%S", format!("{year} {text}")).ok()?;
        local(at)
    };
    // Such lines leave the year out: one that would lie ahead is of the last year.
    let at = of(year)?;
    let ahead = now.checked_add(jiff::SignedDuration::from_hours(24)).ok()?;
    if at > ahead { of(year - 1) } else { Some(at) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    #[test]
    fn lines_of_the_journal_are_counted_but_those_that_are_ignored() {
        let said = "size 0\n| Nov 23 18:37:01 a app[1]: error: disk\n| Nov 23 18:37:02 a app[1]: error: known\n| Nov 23 18:37:03 a cron: fine\n";
        assert_eq!(
            found("log_errors", "{pattern: 'error: \\w+', ignore: [known]}", said).value,
            Some(1.0)
        );
        assert_eq!(found("log_errors", "{}", "size 0\n").value, Some(0.0));
        assert!(unknown("log_errors", "{}", "").contains("size"));
        assert!(unknown("log_errors", "{}", "unknown its journal is empty\n").contains("empty"));
        assert!(asked("log_errors", "{pattern: '['}").is_err());
        assert!(asked("log_errors", "{source: syslog}").is_err());
    }

    #[test]
    fn lines_of_a_file_are_recent_where_they_say_so() {
        // 2026-11-23T18:40:00Z
        let head = "now 1795459200\nzone +0100\nsize 100\n";
        let of = |lines: &str| {
            found(
                "log_errors",
                "{source: /l, since: 10m, pattern: err}",
                &format!("{head}{lines}"),
            )
            .value
        };
        let now = "| 2026-11-23T18:35:00Z err\n|   err of the same\n| 2026-11-23T18:29:00Z err\n";
        assert_eq!(of(now), Some(2.0));
        assert_eq!(of("| Nov 23 19:35:00 a err\n| Nov 23 18:35:00 a err\n"), Some(1.0));
        assert_eq!(
            of("| 2026-11-23 19:35:00,123 err\n| [2026-11-23T19:36:00+01:00] err\n"),
            Some(2.0)
        );
        assert_eq!(of("| Dec 31 23:59:00 a err\n"), Some(0.0));
        let unstamped = format!("{head}| err\n");
        assert!(unknown("log_errors", "{source: /l, since: 10m}", &unstamped).contains("when it was written"));
        let large = format!(
            "{}| 2026-11-23T18:35:00Z err\n",
            head.replace("size 100", "size 99999999")
        );
        assert!(unknown("log_errors", "{source: /l, since: 10m}", &large).contains("shorter"));
        assert!(unknown("log_errors", "{source: /l}", &large).contains("write `since`"));
    }
}
