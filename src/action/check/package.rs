//! Packages: what is installed, and what could be newer.
//!
//! Owns: these looks. Must not: refresh lists, or count with lists that are too old to count with.

use super::Asked;
use super::said::{Said, short};
use super::verdict::Found;
use crate::runbook::expr::quote::sh_word as quote;

/// Lists that are older say nothing of today's updates.
const OLDEST_DAYS: f64 = 7.0;

/// `updates_pending`.
pub(super) fn updates(_: &Asked) -> Result<String, String> {
    Ok(r#"if has apt-get && has dpkg-query; then
  set -- /var/lib/apt/lists/*_Packages*; [ -e "$1" ] || set -- /var/lib/apt/lists/*_InRelease /var/lib/apt/lists/*_Release
  [ -e "$1" ] || no 'it has no package lists: `apt-get update` was never run'
  t=0; for f in /var/lib/apt/lists /var/lib/apt/lists/partial /var/lib/apt/periodic/update-success-stamp; do
    s=$(stat -c %Y "$f" 2>/dev/null) && [ "$s" -gt "$t" ] && t=$s
  done
  echo "age $(($(date +%s) - t))"
  o=$(within 100 apt-get -s -q -o Debug::NoLocking=1 upgrade --with-new-pkgs 2>&1) || no "apt: $(echo "$o" | sed -n 's/^E: //p' | head -n 1)"
  echo "by apt"; echo "$o" | grep '^Inst ' | sed 's/^/| /'
elif has dnf; then
  for c in '' --security; do
    o=$(within 100 dnf -q $c check-update 2>/dev/null); r=$?
    case $r in 0 | 100) ;; *) no "dnf check-update ends with $r" ;; esac
    [ "$c" ] && w=security || w=all
    echo "$o" | sed '/^Obsoleting/,$d' | while read -r n v s x; do [ "$s" ] && [ -z "$x" ] && echo "$w $n $v"; done
  done
  echo "by dnf"
else
  for m in yum zypper pacman apk; do has $m && no "its updates are those of $m: this build knows only apt and dnf"; done
  no 'it has no package manager that is known here'
fi"#
    .to_owned())
}

pub(super) fn read_updates(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let security = asked.text("class") == Some("security");
    let items: Vec<String> = match said.need("by")? {
        "apt" => {
            let days = said.number("age")? / 86_400.0;
            if days > OLDEST_DAYS {
                return Err(format!(
                    "its package lists are {} days old: run `apt-get update`",
                    days.floor()
                ));
            }
            let text = said.text()?;
            let is_asked = |line: &&str| {
                !security
                    || line
                        .split_once('(')
                        .is_some_and(|(_, of)| of.to_lowercase().contains("security"))
            };
            let name = |line: &str| line.split(' ').nth(1).map(str::to_owned);
            text.lines().filter(is_asked).filter_map(name).collect()
        }
        _ => {
            let of = said.all(if security { "security" } else { "all" });
            of.filter_map(|line| line.split(' ').next())
                .map(str::to_owned)
                .collect()
        }
    };
    let kind = if security { "security updates" } else { "updates" };
    Ok(Found {
        value: Some(super::process::count(items.len())),
        words: match items.len() {
            0 => format!("no {kind} are pending"),
            1 => format!("1 {} is pending: {}", kind.trim_end_matches('s'), items.join("")),
            many => format!("{many} {kind} are pending: {}", short(&items.join(", "))),
        },
        limit: Some("0"),
        items,
        ..Found::default()
    })
}

/// `package`.
pub(super) fn package(asked: &Asked) -> Result<String, String> {
    let name = asked.word("name")?;
    let good = |c: char| c.is_ascii_alphanumeric() || "._+:~-".contains(c);
    if !name.chars().all(good) {
        return Err(format!("`{name}` is no name of a package"));
    }
    Ok(format!(
        r#"n={}
if has dpkg-query; then echo "by dpkg"; dpkg-query -W -f 'is ${{db:Status-Abbrev}} ${{Version}}\n' "$n" 2>/dev/null
elif has rpm; then echo "by rpm"; rpm -q --qf 'is ii %|EPOCH?{{%{{EPOCH}}:}}:{{}}|%{{VERSION}}-%{{RELEASE}}\n' "$n" 2>/dev/null | grep '^is '
elif has pacman; then echo "by pacman"; pacman -Q "$n" 2>/dev/null | sed 's/^[^ ]*/is ii/'
elif has apk; then echo "by apk"; apk info -e "$n" >/dev/null 2>&1 && apk list -I "$n" 2>/dev/null | head -n 1 | sed "s/ .*//; s/^$n-/is ii /"
else no 'it has no package manager that is known here (dpkg, rpm, pacman, apk)'; fi"#,
        quote(name)
    ))
}

pub(super) fn read_package(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let name = asked.need("name")?;
    let by = said.need("by")?;
    // Of a removed one its settings may be left: `rc`. Several architectures, or kernels, may be there: one that fits is enough.
    let state = |line: &'_ str| {
        line.trim()
            .split_once(' ')
            .map(|(state, version)| (state.to_owned(), version.trim().to_owned()))
    };
    let all: Vec<(String, String)> = said.all("is").filter_map(state).collect();
    let installed: Vec<&(String, String)> = all.iter().filter(|(state, _)| state.get(1..2) == Some("i")).collect();
    let versions: Vec<&str> = installed.iter().map(|(_, version)| version.as_str()).collect();
    let broken = all
        .iter()
        .find(|(state, _)| matches!(state.get(1..2), Some("U" | "F" | "H" | "W" | "t")));
    let mut found = Found {
        words: match versions.as_slice() {
            [] => format!("{name} is not installed"),
            versions => format!("{name} {} is installed", versions.join(" and ")),
        },
        ..Found::default()
    };
    let wanted = asked.flag("installed").unwrap_or(true);
    if let Some((state, _)) = broken {
        found.wrong.push(format!("{name} is half installed ({state})"));
    } else if installed.is_empty() == wanted {
        found.wrong.push(found.words.clone());
    }
    if let (Some(version), false) = (asked.text("version"), installed.is_empty())
        && !versions.contains(&version)
    {
        found
            .wrong
            .push(format!("{name} is {}, not {version}", versions.join(" and ")));
    }
    if let (Some(wanted), false) = (asked.flag("held"), installed.is_empty()) {
        if by != "dpkg" {
            return Err(format!("whether it is held is known of dpkg only, not of {by}"));
        }
        let held = installed.iter().any(|(state, _)| state.starts_with('h'));
        if held != wanted {
            found
                .wrong
                .push(format!("{name} is {}held", if held { "" } else { "not " }));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    #[test]
    fn updates_are_counted_with_lists_of_this_week() {
        let said = "age 3600\nby apt\n| Inst bash [5.1] (5.2 Debian:12/stable [amd64])\n| Inst libc6 [2.36-9] (2.36-9+deb12u1 Debian-Security:12/stable-security [amd64])\n";
        assert_eq!(found("updates_pending", "{}", said).items, ["bash", "libc6"]);
        assert_eq!(found("updates_pending", "{class: security}", said).items, ["libc6"]);
        let old = said.replace("age 3600", "age 700000");
        assert!(unknown("updates_pending", "{}", &old).contains("8 days old"));
        assert!(unknown("updates_pending", "{}", "unknown it has no package lists\n").contains("no package lists"));
        assert!(unknown("updates_pending", "{}", "age 1\n").contains("by"));
        let dnf = "all bash.x86_64 5.2\nsecurity openssl.x86_64 3\nall openssl.x86_64 3\nby dnf\n";
        assert_eq!(
            found("updates_pending", "{class: security}", dnf).items,
            ["openssl.x86_64"]
        );
    }

    #[test]
    fn a_package_is_installed_when_it_is_whole() {
        let of = |fields: &str, said: &str| found("package", fields, &format!("by dpkg\n{said}")).wrong;
        assert!(of("{name: bash, version: 5.2-1}", "is ii  5.2-1\n").is_empty());
        assert_eq!(
            of("{name: bash, version: 5.1-1}", "is ii  5.2-1\n"),
            ["bash is 5.2-1, not 5.1-1"]
        );
        assert_eq!(of("{name: bash}", ""), ["bash is not installed"]);
        assert_eq!(of("{name: bash}", "is rc  5.2-1\n"), ["bash is not installed"]);
        assert!(of("{name: bash, installed: false}", "is un  \n").is_empty());
        assert_eq!(of("{name: bash}", "is iF  5.2-1\n"), ["bash is half installed (iF)"]);
        assert_eq!(of("{name: bash, held: true}", "is ii  5.2-1\n"), ["bash is not held"]);
        assert!(of("{name: bash, held: true}", "is hi  5.2-1\n").is_empty());
        assert!(unknown("package", "{name: bash, held: true}", "by rpm\nis ii 5.2-1\n").contains("dpkg only"));
        assert!(unknown("package", "{name: bash}", "").contains("by"));
        for name in ["bash;id", "-x", "a b", "bash*"] {
            assert!(asked("package", &format!("{{name: {name:?}}}")).is_err(), "{name}");
        }
    }
}
