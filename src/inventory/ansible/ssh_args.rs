//! `ansible_ssh_common_args` and its like: options of the `ssh` program that pitstop can honour, and those that it cannot.
//!
//! Owns: which option means what. Must not: know which variable an option stands in.

use super::words;

/// What the options ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// `-J`, `ProxyJump`, or a `ProxyCommand` that is `ssh -W`.
    pub jump: Option<String>,
    /// `-i`, `IdentityFile`.
    pub identity: Vec<String>,
    /// `UserKnownHostsFile`.
    pub known_hosts: Vec<String>,
    /// `-l`, `User`.
    pub user: Option<String>,
    /// `-p`, `Port`.
    pub port: Option<i64>,
}

/// Options that change how it is spoken, never where or as whom; pitstop has its own way for each, or is stricter.
const HARMLESS: &[&str] = &[
    "addkeystoagent",
    "batchmode",
    "casignaturealgorithms",
    "checkhostip",
    "ciphers",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "escapechar",
    "exitonforwardfailure",
    "forwardagent",
    "forwardx11",
    "globalknownhostsfile",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "hashknownhosts",
    "hostbasedauthentication",
    "hostkeyalgorithms",
    "identitiesonly",
    "ipqos",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "loglevel",
    "macs",
    "numberofpasswordprompts",
    "passwordauthentication",
    "permitlocalcommand",
    "preferredauthentications",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "pubkeyauthentication",
    "rekeylimit",
    "requesttty",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "tcpkeepalive",
    "updatehostkeys",
    "verifyhostkeydns",
    "visualhostkey",
];

/// Reads the options.
///
/// # Errors
/// The first option that pitstop cannot honour, in words.
pub(super) fn read(text: &str) -> Result<Wanted, String> {
    let words = words::split(text).map_err(str::to_owned)?;
    let mut words = words.into_iter().map(|w| w.text);
    let mut wanted = Wanted::default();
    while let Some(word) = words.next() {
        let Some(flags) = word.strip_prefix('-').filter(|f| !f.is_empty()) else {
            return Err(format!("`{word}` is no option"));
        };
        for (at, flag) in flags.char_indices() {
            if "46ACKNTaknqtvxXYg".contains(flag) {
                continue;
            }
            if !"JoipleEcmSbDLRWFIBQO".contains(flag) {
                return Err(format!("pitstop does not know the option `-{flag}`"));
            }
            let joined = flags.get(at + flag.len_utf8()..).unwrap_or("").to_owned();
            let argument = if joined.is_empty() { words.next() } else { Some(joined) };
            let argument = argument.ok_or_else(|| format!("nothing follows `-{flag}`"))?;
            wanted.flag(flag, &argument)?;
            break;
        }
    }
    Ok(wanted)
}

impl Wanted {
    fn flag(&mut self, flag: char, argument: &str) -> Result<(), String> {
        match flag {
            'J' => self.jump_over(argument),
            'i' => {
                self.identity.push(argument.to_owned());
                Ok(())
            }
            'p' => self.at_port(argument),
            'l' => {
                self.user.get_or_insert(argument.to_owned());
                Ok(())
            }
            'o' => self.option(argument),
            // Ciphers and MACs, the escape character, the place of the control socket, a log file.
            'c' | 'm' | 'e' | 'S' | 'E' | 'O' => Ok(()),
            _ => Err(format!("pitstop cannot honour the option `-{flag}`")),
        }
    }

    fn option(&mut self, written: &str) -> Result<(), String> {
        let (key, value) = written
            .split_once('=')
            .or_else(|| written.split_once(' '))
            .map(|(k, v)| (k.trim(), v.trim().trim_matches('"')))
            .ok_or_else(|| format!("`-o {written}` has no value"))?;
        match key.to_ascii_lowercase().as_str() {
            "proxyjump" => self.jump_over(value),
            "proxycommand" => self.proxy_command(value),
            "identityfile" => {
                self.identity.push(value.to_owned());
                Ok(())
            }
            "userknownhostsfile" => {
                // Nowhere is no file of keys: the operator's own is asked, as without the option.
                let files = value.split_whitespace().filter(|f| *f != "/dev/null");
                self.known_hosts.extend(files.map(str::to_owned));
                Ok(())
            }
            "user" => {
                self.user.get_or_insert(value.to_owned());
                Ok(())
            }
            "port" => self.at_port(value),
            key if HARMLESS.contains(&key) => Ok(()),
            _ => Err(format!("pitstop cannot honour the option `{key}`")),
        }
    }

    fn at_port(&mut self, text: &str) -> Result<(), String> {
        let port = text.parse().ok().filter(|p| (1..=65535).contains(p));
        self.port = self.port.or(Some(port.ok_or_else(|| format!("`{text}` is no port"))?));
        Ok(())
    }

    /// ssh takes the first of several; a second one counts for nothing.
    fn jump_over(&mut self, text: &str) -> Result<(), String> {
        if text.eq_ignore_ascii_case("none") || self.jump.is_some() {
            return Ok(());
        }
        if text.contains(',') {
            return Err(
                "pitstop goes over one bastion; give the bastion its own `jump` in an inventory of pitstop".to_owned(),
            );
        }
        let text = text.strip_prefix("ssh://").unwrap_or(text);
        // A name alone would be looked for among the hosts of the inventory; ssh asks the name service.
        let has_port = text.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok());
        self.jump = Some(if has_port || text.contains('@') {
            text.to_owned()
        } else {
            format!("{text}:22")
        });
        Ok(())
    }

    /// `ssh -W %h:%p user@bastion`, however it is spelt.
    fn proxy_command(&mut self, command: &str) -> Result<(), String> {
        if command.eq_ignore_ascii_case("none") {
            return Ok(());
        }
        let refuse = || "pitstop honours a `ProxyCommand` only where it is `ssh -W %h:%p USER@BASTION`".to_owned();
        let words: Vec<String> = words::split(command)
            .map_err(str::to_owned)?
            .into_iter()
            .map(|w| w.text)
            .collect();
        let mut words = words.iter().map(String::as_str);
        if !words.next().is_some_and(|w| w == "ssh" || w.ends_with("/ssh")) {
            return Err(refuse());
        }
        let (mut to, mut through, mut user, mut port) = (None, false, None, None);
        while let Some(word) = words.next() {
            match word {
                "-W" => through = words.next() == Some("%h:%p") || through,
                "-p" => port = words.next(),
                "-l" => user = words.next(),
                "-q" | "-A" | "-a" | "-x" | "-T" | "-C" | "-4" | "-6" => {}
                "-o" => {
                    let option = words.next().unwrap_or("").to_ascii_lowercase();
                    if !HARMLESS.contains(&option.split('=').next().unwrap_or(""))
                        && !option.starts_with("userknownhostsfile=")
                    {
                        return Err(refuse());
                    }
                }
                "-W%h:%p" => through = true,
                _ if word.starts_with('-') || to.is_some() => return Err(refuse()),
                _ => to = Some(word),
            }
        }
        let to = to.filter(|_| through).ok_or_else(refuse)?;
        let user = user.map_or_else(String::new, |u| format!("{u}@"));
        let port = port.map_or_else(String::new, |p| format!(":{p}"));
        self.jump_over(&format!("{user}{to}{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(text: &str) -> Option<String> {
        read(text).unwrap().jump
    }

    #[test]
    fn bastions_are_found_in_every_spelling() {
        for (text, expected) in [
            ("-J ops@bastion:2222", "ops@bastion:2222"),
            ("-Jops@bastion", "ops@bastion"),
            ("-o ProxyJump=bastion -o StrictHostKeyChecking=no", "bastion:22"),
            ("-oProxyJump=ops@b", "ops@b"),
            ("-o ProxyCommand=\"ssh -W %h:%p -q ops@bastion\"", "ops@bastion"),
            (
                "-o 'ProxyCommand=ssh -o StrictHostKeyChecking=no -p 2222 -l ops -W %h:%p bastion'",
                "ops@bastion:2222",
            ),
        ] {
            assert_eq!(jump(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(jump("-C -o ControlMaster=auto -o ControlPersist=60s"), None);
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused() {
        for wrong in [
            "-F other_config",
            "-o ProxyCommand='nc -X 5 -x proxy %h %p'",
            "-J a,b",
            "-o HostName=elsewhere",
            "-L 1:a:2",
            "bastion",
            "-p x",
            "-o",
            "'open",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let wanted = read("-i ~/.ssh/k -p 2022 -l ops -o UserKnownHostsFile=/dev/null").unwrap();
        assert_eq!(
            (wanted.identity, wanted.port, wanted.user),
            (vec!["~/.ssh/k".to_owned()], Some(2022), Some("ops".to_owned()))
        );
        assert!(wanted.known_hosts.is_empty());
    }
}
