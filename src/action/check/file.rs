//! Files and users.
//!
//! Owns: these looks. Must not: say that a thing is not there where it may not look.

use super::Asked;
use super::range::number;
use super::said::Said;
use super::verdict::Found;
use crate::runbook::expr::quote::sh_word as quote;

/// `file`.
pub(super) fn file(asked: &Asked) -> Result<String, String> {
    let path = asked.need("path")?;
    if !path.starts_with('/') || path.contains(['\n', '\0']) {
        return Err(format!("`path` is no absolute path: `{}`", path.escape_debug()));
    }
    let mut text = format!(
        r#"f={}
e=$(ls -d -- "$f" 2>&1 >/dev/null) || case $e in *'ermission denied'*) no "$e" ;; esac
if [ ! -e "$f" ] && [ ! -L "$f" ]; then echo 'there no'; echo end; exit 0; fi
echo "there yes"; [ -L "$f" ] && echo 'link yes'
has stat || no 'it has no `stat`'
[ -e "$f" ] && echo "stat $(stat -L -c '%a %s %Y %U:%G %F' -- "$f")"; echo "now $(date +%s)"
"#,
        quote(path)
    );
    if asked.text("sha256").is_some() {
        text.push_str("has sha256sum || no 'it has no `sha256sum`'\nd=$(sha256sum <\"$f\" 2>&1) || no \"$d\"; echo \"sha256 ${d%% *}\"\n");
    }
    for key in ["contains", "absent"] {
        if let Some(wanted) = asked.text(key) {
            if wanted.is_empty() || wanted.contains('\n') {
                return Err(format!("`{key}` is one line of text"));
            }
            text.push_str(&format!(
                "e=$(grep -qF -e {} -- \"$f\" 2>&1); r=$?; [ $r -le 1 ] || no \"$e\"; echo \"{key} $r\"\n",
                quote(wanted)
            ));
        }
    }
    Ok(text)
}

pub(super) fn read_file(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let path = asked.need("path")?;
    let wanted = asked.flag("exists").unwrap_or(true);
    let mut found = Found::default();
    if said.need("there")? == "no" {
        found.words = format!("{path} does not exist");
        if wanted {
            found.wrong.push(found.words.clone());
        }
        return Ok(found);
    }
    if !wanted {
        found.wrong.push(format!("{path} exists"));
        return Ok(found);
    }
    let is_link = said.first("link").is_some();
    let Some(stat) = said.first("stat") else {
        found.words = format!("{path} is a link to nothing");
        if asked.text("type") != Some("link") {
            found.wrong.push(found.words.clone());
        }
        return Ok(found);
    };
    let mut words = stat.splitn(5, ' ');
    let mut next = || words.next().ok_or_else(|| "`stat` says too little".to_owned());
    let (mode, size, changed, owner, kind) = (next()?, next()?, next()?, next()?, next()?);
    let size = number(size).ok_or("its size is no number")?;
    let age = said.number("now")? - number(changed).ok_or("its time is no number")?;
    found.value = Some(size);
    found.unit = "B";
    found.words = format!(
        "{path} is a {kind} of {size} B, mode {mode}, {owner}, {} s old",
        age.max(0.0)
    );
    found.perfdata.push(format!("'age'={age}s"));
    let mut wrong = |what: String| found.wrong.push(format!("{path} {what}"));
    match asked.text("type") {
        Some("link") if !is_link => wrong(format!("is a {kind}, no link")),
        Some("directory") if kind != "directory" => wrong(format!("is a {kind}, no directory")),
        Some("file") if !kind.starts_with("regular") => wrong(format!("is a {kind}, no file")),
        _ => {}
    }
    let octal = |text: &str| u32::from_str_radix(text, 8).ok();
    if let Some(wanted) = asked.text("mode")
        && octal(wanted) != octal(mode)
    {
        wrong(format!("has mode {mode}, not {wanted}"));
    }
    if let Some(wanted) = asked.text("owner") {
        let seen = if wanted.contains(':') {
            owner
        } else {
            owner.split(':').next().unwrap_or_default()
        };
        if seen != wanted {
            wrong(format!("belongs to {owner}, not to {wanted}"));
        }
    }
    if let Some(most) = asked.span("max_age").filter(|most| age > most.as_secs_f64()) {
        wrong(format!("is {age} s old, older than {} s", most.as_secs()));
    }
    if let Some(wanted) = asked.text("sha256") {
        let digest = said.need("sha256")?;
        if !digest.eq_ignore_ascii_case(wanted) {
            wrong(format!("has the digest {digest}"));
        }
    }
    if asked.text("contains").is_some() && said.number("contains")? != 0.0 {
        wrong("does not hold the text that it must".to_owned());
    }
    if asked.text("absent").is_some() && said.number("absent")? != 1.0 {
        wrong("holds the text that it must not".to_owned());
    }
    Ok(found)
}

/// `user_group`.
pub(super) fn user(asked: &Asked) -> Result<String, String> {
    let name = asked.word("name")?;
    if name.contains([':', '/', '*']) {
        return Err(format!("`{name}` is no name of a user"));
    }
    Ok(format!(
        r#"n={}
has id || no 'it has no `id`'
if has getent; then u=$(getent passwd "$n"); r=$?; else id -u -- "$n" >/dev/null 2>&1; r=$?; fi
case $r in 0) ;; 1 | 2) echo 'there no'; echo end; exit 0 ;; *) no "the list of users cannot be read ($r)" ;; esac
echo "there yes"; echo "uid $(id -u -- "$n")"; echo "groups $(id -Gn -- "$n")"
if p=$(passwd -S "$n" 2>/dev/null); then set -- $p; echo "password $2"
elif [ -r /etc/shadow ]; then
  while IFS=: read -r a s rest; do [ "$a" = "$n" ] && case $s in '!'* | '*'*) echo 'password L' ;; *) echo 'password P' ;; esac; done </etc/shadow
fi"#,
        quote(name)
    ))
}

pub(super) fn read_user(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let name = asked.need("name")?;
    let there = said.need("there")? == "yes";
    let wanted = asked.flag("exists").unwrap_or(true);
    let mut found = Found {
        words: format!("{name} {}", if there { "exists" } else { "does not exist" }),
        ..Found::default()
    };
    if there != wanted {
        found.wrong.push(found.words.clone());
    }
    if !there || !wanted {
        return Ok(found);
    }
    let uid = said.number("uid")?;
    if let Some(wanted) = asked.number("uid").filter(|wanted| *wanted != uid) {
        found.wrong.push(format!("{name} has the number {uid}, not {wanted}"));
    }
    let groups: Vec<&str> = said.need("groups")?.split(' ').collect();
    let missing: Vec<&str> = asked
        .list("groups")
        .unwrap_or_default()
        .into_iter()
        .filter(|g| !groups.contains(g))
        .collect();
    if !missing.is_empty() {
        found.wrong.push(format!("{name} is not in {}", missing.join(", ")));
    }
    if let Some(wanted) = asked.flag("locked") {
        let state = said
            .first("password")
            .ok_or("whether the password is locked is known to root only")?;
        let locked = state.starts_with('L');
        if locked != wanted {
            found
                .wrong
                .push(format!("{name} is {}locked", if locked { "" } else { "not " }));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    const THERE: &str = "there yes\nstat 644 120 1000 root:adm regular file\nnow 1060\n";

    #[test]
    fn a_file_is_what_the_host_says_of_it() {
        let of = |fields: &str, said: &str| found("file", fields, said).wrong;
        assert!(of("{path: /a, mode: '0644', owner: root, type: file, max_age: 1m}", THERE).is_empty());
        assert_eq!(
            of(
                "{path: /a, mode: '0600', owner: 'root:root', type: directory, max_age: 59s}",
                THERE
            )
            .len(),
            4
        );
        assert_eq!(of("{path: /a, type: link}", THERE), ["/a is a regular file, no link"]);
        assert_eq!(of("{path: /a}", "there no\n"), ["/a does not exist"]);
        assert!(of("{path: /a, exists: false}", "there no\n").is_empty());
        assert_eq!(of("{path: /a, exists: false}", THERE), ["/a exists"]);
        assert_eq!(
            of("{path: /a}", "there yes\nlink yes\nnow 1\n"),
            ["/a is a link to nothing"]
        );
        let digest = format!("{THERE}sha256 abc\ncontains 1\nabsent 0\n");
        assert_eq!(of("{path: /a, sha256: ABC, contains: x, absent: y}", &digest).len(), 2);
        assert!(unknown("file", "{path: /a, contains: x}", THERE).contains("contains"));
        assert!(unknown("file", "{path: /a}", "unknown ls: cannot access: Permission denied\n").contains("denied"));
        assert!(
            unknown(
                "file",
                "{path: /a}",
                "there yes\nstat 644 big 1000 root:adm file\nnow 1\n"
            )
            .contains("size")
        );
        for fields in ["{path: a}", "{path: /a, contains: ''}", "{path: /a, absent: \"x\\ny\"}"] {
            assert!(asked("file", fields).is_err(), "{fields}");
        }
    }

    #[test]
    fn a_user_is_there_or_not_and_only_root_knows_of_passwords() {
        let said = "there yes\nuid 1000\ngroups ops sudo\npassword P\n";
        let of = |fields: &str, said: &str| found("user_group", fields, said).wrong;
        assert!(of("{name: ops, uid: 1000, groups: [sudo], locked: false}", said).is_empty());
        assert_eq!(of("{name: ops, uid: 0, groups: [adm], locked: true}", said).len(), 3);
        assert_eq!(of("{name: ops}", "there no\n"), ["ops does not exist"]);
        assert!(of("{name: ops, exists: false}", "there no\n").is_empty());
        assert!(
            unknown(
                "user_group",
                "{name: ops, locked: true}",
                "there yes\nuid 1\ngroups a\n"
            )
            .contains("root only")
        );
        assert!(asked("user_group", "{name: 'a:b'}").is_err());
    }
}
