//! What can be reached: ports, machines, names.
//!
//! Owns: these looks. Must not: hang (each has a limit of its own, beside the step's).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Asked;
use super::range::{number, shown};
use super::said::{Said, short};
use super::verdict::Found;
use crate::runbook::expr::quote::sh_word as quote;

/// `port`. The kernel's own tables say what listens, to everybody; only whose it is needs `ss` and a right.
pub(super) fn port(asked: &Asked) -> Result<String, String> {
    let port = asked.port()?;
    let udp = asked.text("proto") == Some("udp");
    let (table, state) = if udp { ("udp", "07") } else { ("tcp", "0A") };
    let whose = match asked.text("process") {
        None => String::new(),
        Some(_) => format!(
            "has ss || no 'it has no `ss` (Debian: iproute2)'\nss -Hln{}p 2>/dev/null | sed 's/^/ss /'\n",
            if udp { "u" } else { "t" }
        ),
    };
    Ok(format!(
        "[ -r /proc/net/{table} ] || no 'it has no /proc/net/{table}'\n\
         for t in /proc/net/{table} /proc/net/{table}6; do [ -r \"$t\" ] && grep -i ':{port:04X} [0-9A-F]*:0000 {state} ' \"$t\" | while read -r n l rest; do echo \"at $l\"; done; done\n\
         {whose}echo \"looked yes\""
    ))
}

pub(super) fn read_port(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    said.need("looked")?;
    let port = asked.port()?;
    let mut at = Vec::new();
    for text in said.all("at") {
        at.push(address(text).ok_or_else(|| format!("its table says `{}`", short(text)))?);
    }
    let what = format!("port {port}/{}", asked.text("proto").unwrap_or("tcp"));
    let listed = at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut found = Found {
        words: match at.is_empty() {
            true => format!("{what} does not listen"),
            false => format!("{what} listens on {listed}"),
        },
        ..Found::default()
    };
    let mut listens = !at.is_empty();
    if let (Some(wanted), true) = (asked.text("address"), listens) {
        let address: IpAddr = wanted.parse().map_err(|_| format!("`{wanted}` is no address"))?;
        let any = match address {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        listens = at.iter().any(|one| *one == address || *one == any);
        if !listens {
            found.words = format!("{what} does not listen on {wanted}, only on {listed}");
        }
    }
    if let (Some(process), true) = (asked.text("process"), listens) {
        let suffix = format!(":{port}");
        let rows = said
            .all("ss")
            .filter(|row| row.split_whitespace().any(|word| word.ends_with(&suffix)));
        let owners: Vec<&str> = rows
            .flat_map(|row| row.split("((\"").skip(1).chain(row.split("),(\"").skip(1)))
            .filter_map(|part| part.split('"').next())
            .collect();
        if owners.is_empty() {
            return Err("it does not show whose the port is: that takes root".to_owned());
        }
        if !owners.contains(&process) {
            listens = false;
            found.words = format!("{what} is that of {}, not of {process}", owners.join(", "));
        }
    }
    if listens != asked.flag("listening").unwrap_or(true) {
        found.wrong.push(found.words.clone());
    }
    Ok(found)
}

/// `0100007F:0016`, as the kernel writes it: words of four bytes in the machine's order.
fn address(text: &str) -> Option<IpAddr> {
    let (hex, _) = text.split_once(':')?;
    let words: Option<Vec<u32>> = (0..hex.len() / 8)
        .map(|n| u32::from_str_radix(hex.get(n * 8..n * 8 + 8)?, 16).ok())
        .collect();
    // Every processor that Linux servers have today keeps the least byte first.
    let bytes: Vec<u8> = words?.into_iter().flat_map(u32::to_le_bytes).collect();
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

fn seconds(asked: &Asked) -> u64 {
    asked
        .span("timeout")
        .unwrap_or(Duration::from_secs(10))
        .as_secs()
        .clamp(1, 600)
}

/// `tcp_connect`.
pub(super) fn connect(asked: &Asked) -> Result<String, String> {
    let (host, port, limit) = (quote(asked.word("host")?), asked.port()?, seconds(asked));
    let look = match asked.flag("tls") {
        Some(true) => {
            "has openssl || no 'it has no `openssl`'\n\
             e=$(within $t openssl s_client -connect \"$h:$p\" </dev/null 2>&1 >/dev/null); r=$?"
        }
        _ => {
            r#"if has bash && has timeout; then e=$(timeout $t bash -c 'exec 3<>"/dev/tcp/$1/$2"' - "$h" "$p" 2>&1); r=$?
elif has nc; then e=$(nc -z -w $t "$h" "$p" 2>&1); r=$?
elif has python3; then e=$(python3 -c 'import socket,sys; socket.create_connection((sys.argv[1],int(sys.argv[2])),int(sys.argv[3]))' "$h" "$p" $t 2>&1 | tail -n 1; exit 0); r=0; [ -z "$e" ] || r=1
else no 'it has nothing that opens a connection (bash, nc, python3)'; fi"#
        }
    };
    Ok(format!(
        "h={host}; p={port}; t={limit}\na=$(date +%s%N)\n{look}\nb=$(date +%s%N)\necho \"rc $r\"\n\
         case $a$b in *N*) ;; *) echo \"ms $(((b - a) / 1000000))\" ;; esac\nprintf '%s\\n' \"$e\" | tail -n 1 | sed 's/^/| /'"
    ))
}

pub(super) fn read_connect(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let (host, port) = (asked.need("host")?, asked.port()?);
    let rc = said.number("rc")?;
    let ms = said.first("ms").and_then(number);
    let tls = if asked.flag("tls") == Some(true) {
        " with TLS"
    } else {
        ""
    };
    let mut found = Found {
        value: ms.filter(|ms| *ms >= 0.0 && rc == 0.0),
        unit: "ms",
        words: match ms {
            Some(ms) => format!("{host}:{port} accepts{tls} after {} ms", shown(ms)),
            None => format!("{host}:{port} accepts{tls}"),
        },
        ..Found::default()
    };
    if rc != 0.0 {
        let text = said.text()?;
        let last = text.rsplit(": ").next().unwrap_or_default();
        let why = match (rc == 124.0, last) {
            (true, _) => format!("no answer in {} s", seconds(asked)),
            (false, "") => "refused".to_owned(),
            (false, last) => short(last),
        };
        found.words = format!("{host}:{port} cannot be reached{tls}: {why}");
        found.wrong.push(found.words.clone());
    }
    Ok(found)
}

/// `ping`.
pub(super) fn ping(asked: &Asked) -> Result<String, String> {
    Ok(format!(
        "has ping || no 'it has no `ping` (Debian: iputils-ping)'\n\
         o=$(within 20 ping -n -q -c 4 -w 8 {} 2>&1); echo \"rc $?\"; printf '%s\\n' \"$o\" | sed 's/^/| /'",
        quote(asked.word("host")?)
    ))
}

pub(super) fn read_ping(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let host = asked.need("host")?;
    let text = said.text()?;
    let lost = text.lines().find(|line| line.contains("packet loss")).and_then(|line| {
        let (head, _) = line.split_once("% packet loss")?;
        number(head.rsplit([' ', ',']).next()?)
    });
    let Some(lost) = lost else {
        // A name that nobody knows is a machine that does not answer; a right that is missing is nothing measured.
        let last = short(text.lines().last().unwrap_or_default());
        let nobody = ["not known", "bad address", "unknown host", "No address", "unreachable"];
        return match nobody.iter().any(|word| text.contains(word)) {
            true => Ok(Found {
                words: format!("{host} does not answer: {last}"),
                wrong: vec![format!("{host} does not answer: {last}")],
                ..Found::default()
            }),
            false => Err(format!("`ping` measured nothing: {last}")),
        };
    };
    let times = text.lines().find_map(|line| {
        line.split_once("min/avg/max")
            .and_then(|(_, rest)| rest.split_once(" = "))
    });
    let rtt = times.and_then(|(_, times)| number(times.split('/').nth(1)?.trim()));
    let mut found = Found {
        value: rtt,
        unit: "ms",
        words: match rtt {
            Some(rtt) => format!("{host} answers after {} ms, {} % are lost", shown(rtt), shown(lost)),
            None => format!("{host} does not answer"),
        },
        perfdata: vec![format!(
            "'lost'={}%;;{};0;100",
            shown(lost),
            asked.number("loss").map(shown).unwrap_or_default()
        )],
        ..Found::default()
    };
    match asked.number("loss") {
        Some(most) if lost > most => {
            found
                .wrong
                .push(format!("{host}: {} % are lost, more than {}", shown(lost), shown(most)))
        }
        None if lost >= 100.0 => found.wrong.push(format!("{host} does not answer")),
        _ => {}
    }
    if let Some(most) = asked.span("rtt") {
        let most = most.as_secs_f64() * 1000.0;
        match rtt {
            Some(rtt) if rtt > most => found.wrong.push(format!(
                "{host} answers after {} ms, later than {}",
                shown(rtt),
                shown(most)
            )),
            Some(_) => {}
            None if found.wrong.is_empty() => found.wrong.push(format!("{host} does not answer")),
            None => {}
        }
    }
    Ok(found)
}

/// `dns`.
pub(super) fn dns(asked: &Asked) -> Result<String, String> {
    let name = quote(asked.word("name")?);
    let kind = asked.text("type").unwrap_or("A");
    let dig = |server: &str| {
        format!(
            "has dig || no 'it has no `dig` (Debian: bind9-dnsutils)'\n\
             o=$(within 20 dig +noall +comments +answer +time=3 +tries=2{server} -t {kind} -q {name} 2>&1); echo \"rc $?\"; echo \"by dig\"; printf '%s\\n' \"$o\" | sed 's/^/| /'"
        )
    };
    match (asked.text("server"), kind) {
        (Some(_), _) => Ok(dig(&format!(" {}", quote(&format!("@{}", asked.word("server")?))))),
        // The way that the host's own programs ask.
        (None, "A" | "AAAA") => Ok(format!(
            "has getent || no 'it has no `getent`'\n\
             o=$(within 20 getent ahostsv{} {name} 2>&1); echo \"rc $?\"; echo \"by getent\"; printf '%s\\n' \"$o\" | sed 's/^/| /'",
            if kind == "A" { 4 } else { 6 }
        )),
        (None, "PTR") => Ok(dig("").replace(&format!("-t {kind} -q {name}"), &format!("-x {name}"))),
        (None, _) => Ok(dig("")),
    }
}

pub(super) fn read_dns(asked: &Asked, said: Said<'_>) -> Result<Found, String> {
    let (name, kind) = (asked.need("name")?, asked.text("type").unwrap_or("A"));
    let (rc, text) = (said.number("rc")?, said.text()?);
    let mut answers: Vec<String> = Vec::new();
    let mut bad = None;
    if said.need("by")? == "getent" {
        match rc {
            0.0 => answers.extend(
                text.lines()
                    .filter_map(|line| line.split_whitespace().next())
                    .map(str::to_owned),
            ),
            2.0 => bad = Some("there is no such name".to_owned()),
            124.0 => bad = Some("the name service does not answer".to_owned()),
            rc => return Err(format!("`getent` ended with {rc}")),
        }
    } else {
        let status = text
            .lines()
            .find_map(|line| line.split_once("status: ")?.1.split(',').next());
        match status {
            Some("NOERROR") => {}
            Some("NXDOMAIN") => bad = Some("there is no such name".to_owned()),
            Some(status) => bad = Some(format!("the server says {status}")),
            None if matches!(rc, 9.0 | 124.0) => bad = Some("the server does not answer".to_owned()),
            None => return Err(format!("`dig` measured nothing: {}", short(&text))),
        }
        for line in text.lines().filter(|line| !line.starts_with(';')) {
            let mut words = line.split_whitespace();
            let of = words.nth(3);
            if of == Some(kind) {
                answers.push(words.collect::<Vec<_>>().join(" "));
            }
        }
    }
    answers.sort_unstable();
    answers.dedup();
    let shown = if answers.is_empty() {
        "nothing".to_owned()
    } else {
        answers.join(", ")
    };
    let mut found = Found {
        value: Some(super::process::count(answers.len())),
        words: format!("{name} {kind} is {}", short(&shown)),
        ..Found::default()
    };
    if let Some(why) = bad {
        found.wrong.push(format!("{name} {kind}: {why}"));
    } else if answers.is_empty() {
        found.wrong.push(format!("{name} has no {kind}"));
    }
    if let (Some(wanted), true) = (asked.list("answers"), found.wrong.is_empty()) {
        let plain = |text: &str| text.trim_end_matches('.').trim_matches('"').to_lowercase();
        let mut wanted: Vec<String> = wanted.into_iter().map(plain).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut got: Vec<String> = answers.iter().map(|answer| plain(answer)).collect();
        got.sort_unstable();
        if got != wanted {
            found
                .wrong
                .push(format!("{name} {kind} is {}, not {}", short(&shown), wanted.join(", ")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, found, unknown};

    #[test]
    fn a_port_listens_where_the_kernel_says() {
        let of = |fields: &str, said: &str| found("port", fields, said);
        let both = "at 00000000:0016\nat 00000000000000000000000000000000:0016\nlooked yes\n";
        let good = of("{port: 22}", both);
        assert_eq!(
            (good.words.as_str(), good.wrong.len()),
            ("port 22/tcp listens on 0.0.0.0, ::", 0)
        );
        assert_eq!(of("{port: 22, listening: false}", both).wrong.len(), 1);
        let local = "at 0100007F:0016\nlooked yes\n";
        assert!(of("{port: 22, address: 127.0.0.1}", local).wrong.is_empty());
        assert_eq!(
            of("{port: 22, address: 10.0.0.1}", local).wrong,
            ["port 22/tcp does not listen on 10.0.0.1, only on 127.0.0.1"]
        );
        assert!(of("{port: 22, address: '::1'}", both).wrong.is_empty());
        assert_eq!(of("{port: 22}", "looked yes\n").wrong, ["port 22/tcp does not listen"]);
        let owned = "at 00000000:0016\nlooked yes\nss LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=1,fd=3),(\"systemd\",pid=1,fd=9))\n";
        assert!(of("{port: 22, process: sshd}", owned).wrong.is_empty());
        assert_eq!(of("{port: 22, process: nginx}", owned).wrong.len(), 1);
        assert!(unknown("port", "{port: 22, process: sshd}", both).contains("root"));
        assert!(unknown("port", "{port: 22}", "").contains("looked"));
        assert!(unknown("port", "{port: 22}", "at 00:16\nlooked yes\n").contains("table"));
        assert!(asked("port", "{port: '{{ x }}'}").is_err());
    }

    #[test]
    fn a_connection_is_made_or_why_not() {
        let of = |said: &str| found("tcp_connect", "{host: db, port: 5432, timeout: 3s}", said);
        assert_eq!((of("rc 0\nms 12\n").value, of("rc 0\n").value), (Some(12.0), None));
        assert_eq!(
            of("rc 124\nms 3000\n").wrong,
            ["db:5432 cannot be reached: no answer in 3 s"]
        );
        let refused = "rc 1\n| bash: line 1: /dev/tcp/db/5432: Connection refused\n";
        assert_eq!(of(refused).wrong, ["db:5432 cannot be reached: Connection refused"]);
        assert!(asked("tcp_connect", "{host: '-x', port: 1}").is_err());
    }

    #[test]
    fn two_dialects_of_ping_are_read() {
        let linux = "rc 0\n| 4 packets transmitted, 4 received, 0% packet loss, time 3004ms\n| rtt min/avg/max/mdev = 0.045/0.052/0.061/0.005 ms\n";
        let busy = "rc 0\n| 4 packets transmitted, 3 packets received, 25% packet loss\n| round-trip min/avg/max = 0.1/20.5/30.3 ms\n";
        let of = |fields: &str, said: &str| found("ping", fields, said);
        assert_eq!(of("{host: a}", linux).value, Some(0.052));
        assert!(of("{host: a, rtt: 25ms, loss: 25}", busy).wrong.is_empty());
        assert_eq!(of("{host: a, rtt: 20ms, loss: 10}", busy).wrong.len(), 2);
        let lost = "rc 1\n| 4 packets transmitted, 0 received, 100% packet loss, time 3000ms\n";
        assert_eq!(of("{host: a}", lost).wrong, ["a does not answer"]);
        let more = "rc 1\n| 4 packets transmitted, 0 received, +4 errors, 100% packet loss, time 3000ms\n";
        assert_eq!(of("{host: a, loss: 100, rtt: 1s}", more).wrong, ["a does not answer"]);
        assert_eq!(
            of("{host: a}", "rc 2\n| ping: a: Name or service not known\n")
                .wrong
                .len(),
            1
        );
        assert!(
            unknown("ping", "{host: a}", "rc 2\n| ping: socket: Operation not permitted\n").contains("not permitted")
        );
    }

    #[test]
    fn names_are_asked_of_the_host_or_of_a_server() {
        let of = |fields: &str, said: &str| found("dns", fields, said);
        let own = "rc 0\nby getent\n| 10.0.0.1  STREAM db\n| 10.0.0.1  DGRAM\n| 10.0.0.2  STREAM\n";
        assert!(of("{name: db, answers: [10.0.0.2, 10.0.0.1]}", own).wrong.is_empty());
        assert_eq!(
            of("{name: db, answers: [10.0.0.1]}", own).wrong,
            ["db A is 10.0.0.1, 10.0.0.2, not 10.0.0.1"]
        );
        assert_eq!(
            of("{name: db}", "rc 2\nby getent\n").wrong,
            ["db A: there is no such name"]
        );
        let dig = "rc 0\nby dig\n| ;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n| a.example. 60 IN MX 10 Mail.example.\n| a.example. 60 IN RRSIG MX 8\n";
        assert!(
            of(
                "{name: a.example, type: MX, server: 127.0.0.1, answers: ['10 mail.example']}",
                dig
            )
            .wrong
            .is_empty()
        );
        let servfail = "rc 0\nby dig\n| ;; ->>HEADER<<- opcode: QUERY, status: SERVFAIL, id: 1\n";
        assert_eq!(
            of("{name: a, server: x}", servfail).wrong,
            ["a A: the server says SERVFAIL"]
        );
        assert_eq!(
            of(
                "{name: a, server: x}",
                "rc 9\nby dig\n| ;; no servers could be reached\n"
            )
            .wrong
            .len(),
            1
        );
        assert_eq!(
            of("{name: a, type: TXT}", &dig.replace("a.example. 60", "; x")).wrong,
            ["a has no TXT"]
        );
        assert!(
            unknown(
                "dns",
                "{name: a, server: x}",
                "rc 10\nby dig\n| dig: couldn't get address\n"
            )
            .contains("measured nothing")
        );
    }
}
