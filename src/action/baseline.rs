//! `baseline`: what a host has now, as lines that can be compared with what it had before.
//!
//! ```text
//! == packages
//! NAME REST        a line a thing, its name first
//! ```
//!
//! Owns: the looks, and what two of them differ in. Must not: judge a difference.

use std::collections::BTreeMap;

use super::packages::WHOSE;

/// The look at one kind of thing; it ends with another status than 0 where the host cannot tell.
fn look(kind: &str) -> &'static str {
    match kind {
        "packages" => {
            r#"case $manager in
apt) dpkg-query -W -f '${Package}:${Architecture} ${Version} ${db:Status-Abbrev}\n' ;;
dnf | dnf5 | zypper) rpm -qa --qf '%{NAME}.%{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n' ;;
pacman) pacman -Q ;;
apk) apk list -I 2>/dev/null | cut -d' ' -f1 | sed 's/-\([^-]*-r[0-9]*\)$/ \1/' ;;
*) if command -v rpm >/dev/null; then rpm -qa --qf '%{NAME}.%{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n'
  else no 'it has no package manager that is known here (dpkg, rpm, pacman, apk)'; fi ;;
esac"#
        }
        "services" => {
            r#"command -v systemctl >/dev/null || no 'it has no systemd'
systemctl list-unit-files --type=service --no-legend --plain | while read -r u s _; do echo "$u file: $s"; done
systemctl list-units --type=service --all --no-legend --plain | while read -r u l a s _; do echo "${u} unit: $l $a $s"; done"#
        }
        "ports" => {
            r#"command -v ss >/dev/null || no 'it has no `ss` (Debian: iproute2)'
ss -Hltun | while read -r p _ _ _ l _; do echo "$p/$l"; done"#
        }
        "mounts" => r#"while read -r d m t o _; do echo "$m $d $t $o"; done </proc/self/mounts"#,
        "kernel" => {
            r#"echo "release $(uname -r)"; echo "machine $(uname -m)"; [ -r /proc/cmdline ] && echo "cmdline $(cat /proc/cmdline)""#
        }
        "users" => {
            r#"getent passwd | while IFS=: read -r n _ u g _ h s; do echo "user:$n $u $g $h $s"; done
getent group | while IFS=: read -r n _ g m; do echo "group:$n $g $m"; done"#
        }
        _ => {
            r#"command -v sha256sum >/dev/null || no 'it has no `sha256sum`'
find /etc -xdev -type f -exec sha256sum {} + 2>/dev/null | while read -r d f; do echo "$f $d"; done
find /etc -xdev '(' -type f -o -type l ')' -exec stat -c '%n#owner %U:%G %a %N' {} + 2>/dev/null; :"#
        }
    }
}

/// Prints all of it. `kinds` as they are written.
pub fn script(kinds: &[String]) -> String {
    let mut text = format!(
        ": pitstop looks at baseline {}\nLC_ALL=C; export LC_ALL\nno() {{ echo \"$1\" >&2; exit 3; }}\n",
        kinds.join(" ")
    );
    if kinds.iter().any(|kind| kind == "packages") {
        text.push_str(WHOSE);
    }
    for kind in kinds {
        text.push_str(&format!(
            "x=$(\n{}\n) || exit 3\necho '== {kind}'; echo \"$x\" | sort\n",
            look(kind)
        ));
    }
    text
}

/// What differs: one line a thing, in the order of their names.
pub fn changes(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (things(before), things(after));
    let mut lines = Vec::new();
    let mut names: Vec<&(&str, &str)> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (kind, thing) = name;
        match (before.get(name), after.get(name)) {
            (Some(was), Some(is)) if was != is => {
                lines.push(format!("{kind}: {thing} {} -> {}", was.join(", "), is.join(", ")))
            }
            (Some(was), None) => lines.push(format!("{kind}: {thing} {} is gone", was.join(", ")).replace("  ", " ")),
            (None, Some(is)) => lines.push(format!("{kind}: {thing} {} is new", is.join(", ")).replace("  ", " ")),
            _ => {}
        }
    }
    lines
}

/// What stands behind each name of each kind: several where a name stands there several times.
fn things(text: &str) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut things: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut kind = "";
    for line in text.lines() {
        if let Some(next) = line.strip_prefix("== ") {
            kind = next;
            continue;
        }
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        things.entry((kind, name)).or_default().push(rest);
    }
    things
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn what_differs_is_told_by_kind_and_name() {
        let before = "== packages\na:all 1 ii\nb:all 1 ii\n== ports\ntcp/0.0.0.0:22\n== mounts\n/ x ext4 rw\n";
        let after =
            "== packages\na:all 2 ii\nc:all 1 ii\n== ports\ntcp/0.0.0.0:22\ntcp/0.0.0.0:80\n== mounts\n/ x ext4 rw\n";
        assert_eq!(
            changes(before, after),
            [
                "packages: a:all 1 ii -> 2 ii",
                "packages: b:all 1 ii is gone",
                "packages: c:all 1 ii is new",
                "ports: tcp/0.0.0.0:80 is new",
            ]
        );
        assert!(changes(before, before).is_empty());
    }
}
