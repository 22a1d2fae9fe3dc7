//! The machine itself: its load, its boot, its kernel, its clock.
//!
//! Owns: these looks. Must not: take silence for an answer.

use jiff::Timestamp;

use super::Asked;
use super::range::{number, shown};
use super::said::{Said, short};
use super::verdict::{Found, Status};
use crate::action::reboot;

/// `load_cpu`.
pub(super) fn load(_: &Asked) -> Result<String, String> {
    Ok("[ -r /proc/loadavg ] || no 'it has no /proc/loadavg'\n\
        read -r a b c rest </proc/loadavg; echo \"load $a $b $c\"\n\
        n=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || n=$(grep -c ^processor /proc/cpuinfo); echo \"processors $n\""
        .to_owned())
}

pub(super) fn read_load(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let over = asked.text("over").unwrap_or("5m");
    let nth = match over {
        "1m" => 0,
        "15m" => 2,
        _ => 1,
    };
    let line = said.need("load")?;
    let load = line
        .split(' ')
        .nth(nth)
        .and_then(number)
        .ok_or_else(|| format!("its load is `{}`", short(line)))?;
    let processors = said.number("processors")?;
    if processors < 1.0 {
        return Err("it says that it has no processor".to_owned());
    }
    let each = load / processors;
    Ok(Found {
        value: Some(each),
        words: format!(
            "the load over {over} is {} for each of {processors} processors",
            shown(each)
        ),
        perfdata: vec![format!("'load'={load};;;0")],
        ..Found::default()
    })
}

/// `uptime_boot`.
pub(super) fn uptime(_: &Asked) -> Result<String, String> {
    Ok("[ -r /proc/uptime ] || no 'it has no /proc/uptime'\nread -r u rest </proc/uptime; echo \"up $u\"".to_owned())
}

pub(super) fn read_uptime(_: &Asked, said: Said<'_>) -> Result<Found, String> {
    let up = said.number("up")?.floor();
    let days = (up / 86_400.0).floor();
    Ok(Found {
        value: Some(up),
        unit: "s",
        words: match days {
            0.0 => format!("it is up for {up} s"),
            days => format!("it is up for {days} d"),
        },
        ..Found::default()
    })
}

/// `reboot_pending`: the same look as before a restart.
pub(super) fn pending(_: &Asked) -> Result<String, String> {
    Ok(reboot::look_text())
}

pub(super) fn read_pending(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let (needed, words) = reboot::needed(said.whole());
    let needed = needed.ok_or_else(|| match words.split_once("not known: ") {
        Some((_, why)) => why.to_owned(),
        None => "nothing on the host would say that it needs a restart (Debian: needrestart)".to_owned(),
    })?;
    let words = format!("a restart is {words}");
    let expected = asked.flag("expected").unwrap_or(false);
    Ok(Found {
        value: Some(f64::from(u8::from(needed))),
        wrong: if needed == expected {
            Vec::new()
        } else {
            vec![words.clone()]
        },
        words,
        ..Found::default()
    })
}

/// `kernel_os`.
pub(super) fn kernel(asked: &Asked) -> Result<String, String> {
    if asked.flag("newest").is_none() && asked.text("version").is_none() {
        return Err("`kernel_os` needs `newest` or `version`".to_owned());
    }
    Ok(r#"k=$(uname -r); echo "kernel $k"
if [ -e "/boot/vmlinuz-$k" ]; then
  echo "newest $(for n in /boot/vmlinuz-*; do n=${n#/boot/vmlinuz-}; case $n in *.old | *rescue*) ;; *) echo "$n" ;; esac; done | sort -V | tail -n 1)"
fi"#
        .to_owned())
}

pub(super) fn read_kernel(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let kernel = said.need("kernel")?;
    let mut found = Found {
        words: format!("kernel {kernel} runs"),
        ..Found::default()
    };
    if let Some(wanted) = asked.text("version").filter(|wanted| *wanted != kernel) {
        found.wrong.push(format!("kernel {kernel} runs, not {wanted}"));
    }
    if let Some(wanted) = asked.flag("newest") {
        let none = "its running kernel is none of those in /boot, so the newest is not known";
        let newest = said.first("newest").filter(|newest| !newest.is_empty()).ok_or(none)?;
        if (newest == kernel) != wanted {
            found
                .wrong
                .push(format!("kernel {kernel} runs, {newest} is the newest installed"));
        }
    }
    Ok(found)
}

/// `time_sync`.
pub(super) fn clock(asked: &Asked) -> Result<String, String> {
    let us = match asked.span("controller") {
        Some(limit) if limit.as_secs() < 2 => {
            return Err("`controller` is at least 2s: both tell whole seconds".to_owned());
        }
        Some(_) => "echo \"at $(date +%s)\"\n",
        None => "",
    };
    Ok(us.to_owned()
        + r#"for f in /proc/[0-9]*/comm; do c=; read -r c <"$f"; case $c in chronyd | ntpd | openntpd | systemd-timesyn*) echo "by $c" ;; esac; done 2>/dev/null
if has chronyc && o=$(within 10 chronyc -n -c tracking 2>/dev/null) && [ "$o" ]; then echo "chrony $o"
elif has ntpq && o=$(within 10 ntpq -n -c 'rv 0 offset,stratum,leap,refid' 2>/dev/null) && [ "$o" ]; then echo ntpd; echo "$o" | sed 's/^/| /'
elif has timedatectl && o=$(within 10 timedatectl timesync-status --no-pager 2>/dev/null) && [ "$o" ]; then echo timesyncd; echo "$o" | sed 's/^/| /'
else no 'neither chronyd, ntpd nor systemd-timesyncd answers'; fi"#)
}

pub(super) fn read_clock(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let text = said.text()?;
    let clock = match (said.first("chrony"), said.first("ntpd")) {
        (Some(line), _) => chrony(line),
        (None, Some(_)) => ntpd(&text),
        (None, None) => {
            said.need("timesyncd")?;
            timesyncd(&text)
        }
    };
    let Clock {
        offset,
        source,
        synced,
        leap,
    } = clock.ok_or_else(|| "what it says of its clock cannot be read".to_owned())?;
    let mut found = Found {
        value: offset.map(f64::abs),
        unit: "s",
        ..Found::default()
    };
    match (synced, offset) {
        (true, Some(offset)) => found.words = format!("the clock is off by {} s from {source}", shown(offset.abs())),
        (true, None) => return Err("it does not say how far its clock is off".to_owned()),
        (false, _) => {
            found.value = None;
            found.words = "the clock is not set by any source".to_owned();
            found.wrong.push(found.words.clone());
        }
    }
    if leap {
        found.words.push_str(", and a leap second is announced");
        found.says = Some(Status::Warn);
    }
    // Two that set one clock pull it to and fro; of one program two processes are one.
    let mut by: Vec<&str> = said.all("by").collect();
    by.sort_unstable();
    by.dedup();
    if by.len() > 1 {
        found
            .wrong
            .push(format!("several programs set the clock: {}", by.join(", ")));
    }
    if let Some(wanted) = asked.text("source")
        && synced
        && !source.split([' ', '(', ')']).any(|word| word == wanted)
    {
        found
            .wrong
            .push(format!("the clock is set by {source}, not by {wanted}"));
    }
    Ok(found)
}

/// `controller` of `time_sync`: the clock of the host against ours. It was read between the moments at which the look was sent and
/// answered: what lies in that time is no difference, and a limit that lies in it cannot be proven to be kept.
pub(super) fn against_us(
    asked: &Asked,
    said: Said<'_>,
    between: Option<&(Timestamp, Timestamp)>,
    found: &mut Found,
) -> Result<(), String> {
    let Some(limit) = asked.span("controller") else {
        return Ok(());
    };
    let (sent, answered) = between.ok_or("it was not asked alone, so its clock cannot be compared with ours")?;
    let theirs = said.number("at")?;
    let ours = |at: &Timestamp| at.as_duration().as_secs_f64();
    let limit = limit.as_secs_f64();
    // It tells whole seconds: up to one more may have passed.
    let (lower, upper) = (theirs - ours(answered), theirs + 1.0 - ours(sent));
    let least = lower.max(0.0) + upper.min(0.0);
    if least.abs() > limit {
        found.wrong.push(format!(
            "its clock is {} s {} that of the control machine",
            shown(least.abs().floor()),
            if least > 0.0 { "ahead of" } else { "behind" }
        ));
    } else if upper > limit || lower < -limit {
        return Err(format!(
            "the answer took {} s, too long to compare its clock with ours to {} s",
            shown(ours(answered) - ours(sent)),
            shown(limit)
        ));
    }
    found
        .perfdata
        .push(format!("'apart'={}s;;{limit};0", shown(least.abs().floor())));
    Ok(())
}

struct Clock {
    /// In seconds.
    offset: Option<f64>,
    source: String,
    synced: bool,
    /// A second is to be put in or left out.
    leap: bool,
}

fn chrony(line: &str) -> Option<Clock> {
    let words: Vec<&str> = line.trim().split(',').collect();
    let leap = words.get(13)?;
    Some(Clock {
        offset: Some(number(words.get(4)?)?),
        source: (*words.get(1)?).to_owned(),
        synced: *leap != "Not synchronised" && !words.get(1)?.is_empty(),
        leap: leap.ends_with(" second"),
    })
}

fn ntpd(text: &str) -> Option<Clock> {
    let get = |key: &str| {
        text.split([',', '\n'])
            .find_map(|part| part.trim().strip_prefix(key)?.strip_prefix('='))
    };
    let ms = number(get("offset")?.trim_start_matches('+'))?;
    Some(Clock {
        offset: Some(ms / 1000.0),
        source: get("refid")?.to_owned(),
        synced: get("leap")? != "11" && get("stratum")? != "16",
        leap: matches!(get("leap")?, "01" | "10"),
    })
}

fn timesyncd(text: &str) -> Option<Clock> {
    let get = |key: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
    };
    let source = get("Server")?.trim().to_owned();
    let offset = match get("Offset") {
        Some(text) => Some(span(text.trim())?),
        None => None,
    };
    Some(Clock {
        synced: offset.is_some() && get("Leap") != Some("not synchronized") && source != "n/a (n/a)",
        leap: get("Leap").is_some_and(|leap| leap.contains("second")),
        offset,
        source,
    })
}

/// `+1.2ms`, `-132us`, `1min 2.5s`.
fn span(text: &str) -> Option<f64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut sum = 0.0;
    for part in text.split_whitespace() {
        let at = part.find(|c: char| c.is_ascii_alphabetic())?;
        let (digits, unit) = part.split_at_checked(at)?;
        let factor = match unit {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => return None,
        };
        sum += number(digits)? * factor;
    }
    (!text.is_empty()).then_some(sign * sum)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    #[test]
    fn load_is_that_of_one_processor() {
        let said = "load 8.00 4.00 2.00\nprocessors 4\n";
        for (fields, value) in [("{}", 1.0), ("{over: 1m}", 2.0), ("{over: 15m}", 0.5)] {
            assert_eq!(found("load_cpu", fields, said).value, Some(value));
        }
        assert!(unknown("load_cpu", "{}", "load 8.00 4.00 2.00\nprocessors 0\n").contains("no processor"));
        assert!(unknown("load_cpu", "{}", "load 8,00 4,00 2,00\nprocessors 1\n").contains("8,00"));
        assert!(unknown("load_cpu", "{}", "load 1 2 3\n").contains("processors"));
    }

    #[test]
    fn a_boot_and_whether_another_is_due() {
        assert_eq!(found("uptime_boot", "{}", "up 90061.55\n").words, "it is up for 1 d");
        assert!(unknown("uptime_boot", "{}", "up NaN\n").contains("no number"));
        let yes = "boot a/1\nkernel 6\nyes the host says so: linux\n";
        assert_eq!(found("reboot_pending", "{}", yes).wrong.len(), 1);
        assert!(found("reboot_pending", "{expected: true}", yes).wrong.is_empty());
        let no = "boot a/1\nkernel 6\nno needrestart\n";
        assert_eq!(found("reboot_pending", "{}", no).value, Some(0.0));
        assert!(unknown("reboot_pending", "{}", "boot a/1\nkernel 6\n").contains("needrestart"));
    }

    #[test]
    fn the_newest_kernel_is_one_of_the_hosts_own() {
        let said = "kernel 6.1.0-9\nnewest 6.1.0-10\n";
        assert_eq!(found("kernel_os", "{newest: true}", said).wrong.len(), 1);
        assert!(found("kernel_os", "{version: 6.1.0-9}", said).wrong.is_empty());
        assert!(unknown("kernel_os", "{newest: true}", "kernel 6.1\n").contains("none of those"));
        assert!(asked("kernel_os", "{}").is_err());
    }

    #[test]
    fn three_clocks_are_read_and_one_without_a_source_fails() {
        let chrony =
            "chrony C0A80001,192.168.0.1,3,1700000000.1,-0.000123456,0.1,0.2,1.0,0.0,0.1,0.01,0.02,64.0,Normal\n";
        let of = |fields: &str, said: &str| found("time_sync", fields, said);
        assert_eq!(of("{source: 192.168.0.1}", chrony).value, Some(0.000_123_456));
        assert_eq!(of("{source: other}", chrony).wrong.len(), 1);
        let none = "chrony 00000000,,0,0.0,0.000000000,0,0,0,0,0,1,1,0,Not synchronised\n";
        let lost = of("{}", none);
        assert_eq!((lost.value, lost.wrong.len()), (None, 1));
        let ntpd = "ntpd\n| offset=-1.5, stratum=2, leap=00, refid=10.0.0.1\n";
        assert_eq!(of("{}", ntpd).value, Some(0.0015));
        let own =
            "timesyncd\n|        Server: 10.0.0.1 (ntp.local)\n|          Leap: normal\n|        Offset: +1min 2.5s\n";
        assert_eq!(of("{source: ntp.local}", own).value, Some(62.5));
        assert_eq!(
            of("{}", "timesyncd\n| Server: 10.0.0.1 (ntp.local)\n| Packet count: 0\n")
                .wrong
                .len(),
            1
        );
        assert!(
            of("{}", &chrony.replace("Normal", "Insert second"))
                .words
                .contains("leap second")
        );
        let two = of("{}", &format!("by chronyd\nby systemd-timesyn\nby chronyd\n{chrony}"));
        assert_eq!(two.wrong, ["several programs set the clock: chronyd, systemd-timesyn"]);
        assert!(unknown("time_sync", "{}", "unknown neither\n").contains("neither"));
        assert!(unknown("time_sync", "{}", "chrony a,b\n").contains("cannot be read"));
        assert!(unknown("time_sync", "{}", "timesyncd\n| Server: x (y)\n| Offset: soon\n").contains("cannot be read"));
    }

    #[test]
    fn a_clock_is_compared_with_ours_as_far_as_the_time_of_the_answer_allows() {
        let of = |at: &str, sent: i64, answered: i64| {
            let check = asked("time_sync", "{controller: 5s}").unwrap();
            let text = format!("at {at}\n");
            let moment = |s| jiff::Timestamp::from_second(s).unwrap();
            let mut found = super::Found::default();
            let framed = format!("{text}end\n");
            let said = super::Said::read(&framed).unwrap();
            super::against_us(&check.asked, said, Some(&(moment(sent), moment(answered))), &mut found)
                .map(|()| found.wrong.join(""))
        };
        assert_eq!(of("1000", 1000, 1001), Ok(String::new()));
        assert_eq!(of("1004", 1000, 1001), Ok(String::new()));
        assert_eq!(
            of("1020", 1000, 1001),
            Ok("its clock is 19 s ahead of that of the control machine".to_owned())
        );
        assert!(of("980", 1000, 1001).unwrap().contains("19 s behind"));
        // It took so long that a clock that is wrong by more could hide in it.
        assert!(of("1000", 1000, 1030).unwrap_err().contains("took 30 s"));
        assert!(asked("time_sync", "{controller: 1s}").is_err());
    }
}
