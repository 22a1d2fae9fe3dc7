//! Room: file systems and memory.
//!
//! Owns: these looks. Must not: hang on a file system that does not answer where the host can prevent it.

use super::Asked;
use super::range::{number, shown};
use super::said::{Said, short};
use super::verdict::Found;
use crate::runbook::expr::quote::sh_word as quote;

/// `disk_free`.
pub(super) fn disk(asked: &Asked) -> Result<String, String> {
    let option = if asked.text("unit") == Some("inodes") {
        "-Pi"
    } else {
        "-Pk"
    };
    Ok(format!(
        "has df || no 'it has no `df`'\no=$(within 20 df {option} -- {} 2>&1); r=$?\n\
         [ $r = 124 ] && no 'its file system does not answer'\n[ $r = 0 ] || no \"$(echo \"$o\" | tail -n 1)\"\n\
         echo \"$o\" | sed 's/^/| /'",
        quote(asked.word("path")?)
    ))
}

pub(super) fn read_disk(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let path = asked.need("path")?;
    let text = said.text()?;
    // Names may hold blanks, on both sides of the numbers: total, used, free, and a percentage.
    let line = text.lines().last().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let numbers = words.windows(4).find_map(|four| match four {
        [total, used, free, share] if share.ends_with('%') || *share == "-" => {
            Some((number(total)?, number(used)?, number(free)?))
        }
        _ => None,
    });
    let (_, used, free) = numbers.ok_or_else(|| format!("`df` says `{}`", short(line)))?;
    // What is kept for root counts for nobody else: neither as free nor as used.
    let room = used + free.max(0.0);
    if room <= 0.0 {
        return Err(format!("the file system of {path} counts nothing there"));
    }
    let percent = 100.0 * free.max(0.0) / room;
    let (value, unit, words) = match asked.text("unit") {
        Some("bytes") => (
            free * 1024.0,
            "B",
            format!("{path} has {} MiB free", shown((free / 1024.0).round())),
        ),
        Some("inodes") => (
            percent,
            "%",
            format!("{path} has {} % of its inodes free", shown(percent)),
        ),
        _ => (percent, "%", format!("{path} has {} % free", shown(percent))),
    };
    Ok(Found {
        value: Some(value),
        unit,
        words,
        ..Found::default()
    })
}

/// `mount`.
pub(super) fn mount(asked: &Asked) -> Result<String, String> {
    asked.word("path")?;
    Ok("[ -r /proc/self/mounts ] || no 'it has no /proc/self/mounts'\nsed 's/^/m /' /proc/self/mounts".to_owned())
}

pub(super) fn read_mount(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let path = asked.need("path")?;
    if said.first("m").is_none() {
        return Err("its table of mounts is empty".to_owned());
    }
    let wanted = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    // The last one at a place hides those below it.
    let mut at = None;
    for line in said.all("m") {
        let mut words = line.split(' ');
        if let (Some(source), Some(place), Some(kind), Some(options)) =
            (words.next(), words.next(), words.next(), words.next())
            && unescaped(place) == wanted
        {
            at = Some((unescaped(source), kind, options));
        }
    }
    let mut found = Found::default();
    let Some((source, kind, options)) = at else {
        found.words = format!("nothing is mounted at {path}");
        found.wrong.push(found.words.clone());
        return Ok(found);
    };
    found.words = format!("{path} is {source} ({kind}: {options})");
    if let Some(wanted) = asked.text("fstype").filter(|wanted| *wanted != kind) {
        found.wrong.push(format!("{path} is of type {kind}, not {wanted}"));
    }
    if let Some(wanted) = asked.text("source").filter(|wanted| **wanted != source) {
        found
            .wrong
            .push(format!("{path} comes from {source}, not from {wanted}"));
    }
    let has: Vec<&str> = options.split(',').collect();
    let missing: Vec<&str> = asked
        .list("options")
        .unwrap_or_default()
        .into_iter()
        .filter(|o| !has.contains(o))
        .collect();
    if !missing.is_empty() {
        found
            .wrong
            .push(format!("{path} is mounted without {} ({options})", missing.join(", ")));
    }
    Ok(found)
}

/// `\040` is a blank.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (code, part.get(3..)) {
            (Some(code), Some(rest)) => {
                out.push(char::from(code));
                out.push_str(rest);
            }
            _ => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out
}

/// `memory_swap`.
pub(super) fn memory(_: &Asked) -> Result<String, String> {
    Ok("[ -r /proc/meminfo ] || no 'it has no /proc/meminfo'\n\
        while read -r n v rest; do case $n in Mem*: | Swap*: | Buffers: | Cached:) echo \"${n%:} $v\" ;; esac; done </proc/meminfo"
        .to_owned())
}

pub(super) fn read_memory(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let swap = asked.text("of") == Some("swap");
    let (total, free) = match swap {
        true => (said.number("SwapTotal")?, said.number("SwapFree")?),
        false => {
            // Kernels before 3.14 do not say what is available.
            let sum = || Ok::<f64, String>(said.number("MemFree")? + said.number("Buffers")? + said.number("Cached")?);
            let free = match said.first("MemAvailable") {
                Some(_) => said.number("MemAvailable")?,
                None => sum()?,
            };
            (said.number("MemTotal")?, free)
        }
    };
    if total <= 0.0 {
        return Err(if swap {
            "it has no swap"
        } else {
            "it says that it has no memory"
        }
        .to_owned());
    }
    let percent = 100.0 * free / total;
    Ok(Found {
        value: Some(percent),
        unit: "%",
        words: format!(
            "{} % of {} MiB of {} is free",
            shown(percent),
            shown((total / 1024.0).round()),
            if swap { "swap" } else { "memory" }
        ),
        ..Found::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, unknown};

    #[test]
    fn free_room_is_what_everybody_may_use() {
        let said =
            "| Filesystem 1024-blocks Used Available Capacity Mounted on\n| /dev/my disk 1000 600 200 75% /srv/a b\n";
        let of = |fields: &str| found("disk_free", fields, said);
        assert_eq!(of("{path: /srv}").value, Some(25.0));
        assert_eq!(of("{path: /srv, unit: bytes}").value, Some(204_800.0));
        assert_eq!(
            of("{path: /srv, unit: inodes}").words,
            "/srv has 25 % of its inodes free"
        );
        // More is used than everybody may use: root has taken of its own part.
        let full = "| x 1000 980 -20 102% /\n";
        assert_eq!(found("disk_free", "{path: /}", full).value, Some(0.0));
        assert!(unknown("disk_free", "{path: /}", "| proc 0 0 0 - /proc\n").contains("counts nothing"));
        assert!(unknown("disk_free", "{path: /}", "| x 1,000 600 200 75% /\n").contains("df"));
        assert!(unknown("disk_free", "{path: /}", "unknown df: /x: No such file or directory\n").contains("No such"));
        let huge = "| x 99999999999999999999999 0 99999999999999999999999 0% /\n";
        assert!(unknown("disk_free", "{path: /}", huge).contains("df"));
    }

    #[test]
    fn the_uppermost_mount_is_the_one_that_counts() {
        let said =
            "m /dev/a / ext4 rw 0 0\nm /dev/b /a\\040b xfs rw,noexec 0 0\nm tmpfs /a\\040b tmpfs ro,nosuid 0 0\n";
        let of = |fields: &str| found("mount", fields, said).wrong;
        assert!(of("{path: '/a b', fstype: tmpfs, options: [ro]}").is_empty());
        assert_eq!(
            of("{path: '/a b/', fstype: xfs, source: /dev/b, options: [ro, noexec]}").len(),
            3
        );
        assert_eq!(of("{path: /srv}"), ["nothing is mounted at /srv"]);
        assert!(of("{path: /}").is_empty());
        assert!(unknown("mount", "{path: /}", "").contains("empty"));
    }

    #[test]
    fn memory_is_what_could_be_had() {
        let said = "MemTotal 1000000\nMemFree 100000\nMemAvailable 250000\nSwapTotal 0\nSwapFree 0\n";
        assert_eq!(found("memory_swap", "{}", said).value, Some(25.0));
        assert_eq!(unknown("memory_swap", "{of: swap}", said), "it has no swap");
        let old = "MemTotal 1000\nMemFree 100\nBuffers 50\nCached 50\nSwapTotal 10\nSwapFree 5\n";
        assert_eq!(found("memory_swap", "{}", old).value, Some(20.0));
        assert_eq!(found("memory_swap", "{of: swap}", old).value, Some(50.0));
        assert!(unknown("memory_swap", "{}", "MemTotal 1000\n").contains("MemFree"));
        assert!(unknown("memory_swap", "{}", "MemTotal 0\nMemAvailable 0\n").contains("no memory"));
        assert!(unknown("memory_swap", "{}", "MemTotal lots\nMemAvailable 0\n").contains("no number"));
    }
}
