//! Random configs, the same for the same seed: blocks, negations, matches, first values, includes, a few mistakes.

use std::fmt::Write as _;

struct Dice(u64);

impl Dice {
    /// Less than `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }
}

const HOSTS: &[&str] = &[
    "web1",
    "web22",
    "db.example.com",
    "WEB1",
    "10.0.0.7",
    "2001:db8::1",
    "a.b",
    "jump",
    "x-1",
];
const PATTERNS: &[&str] = &[
    "*",
    "web*",
    "web?",
    "!web1",
    "!web*",
    "db.*",
    "10.0.*",
    "*.example.com",
    "web1",
    "10.9.8.7",
    "!*.b",
    "j*p",
    "real*",
    "*1",
];
const LISTS: &[&str] = &[
    "web*,db*",
    "*,!web1",
    "!*,*",
    "ops,tess,root",
    "real-*",
    "web1",
    "*.EXAMPLE.com",
    "10.*",
    "nobody",
    "root",
];

pub fn hosts(seed: u64) -> Vec<&'static str> {
    let mut dice = Dice(seed.wrapping_mul(31).wrapping_add(7));
    (0..3).map(|_| dice.pick(HOSTS)).collect()
}

pub fn config(seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_add(0x5eed));
    let mut out = String::new();
    for _ in 0..dice.roll(3) {
        option(&mut out, &mut dice);
    }
    for _ in 0..1 + dice.roll(6) {
        block(&mut out, &mut dice);
        for _ in 0..dice.roll(5) {
            option(&mut out, &mut dice);
        }
    }
    if dice.roll(40) == 0 {
        out.push_str(dice.pick(&[
            "Bogus x\n",
            "Port 0\n",
            "Host \"a\n",
            "User\n",
            "ConnectTimeout 1x\n",
            "User a b\n",
        ]));
    }
    out
}

fn block(out: &mut String, dice: &mut Dice) {
    if dice.roll(5) < 3 {
        out.push_str(dice.pick(&["Host", "host", "Host ", "HOST="]));
        for _ in 0..1 + dice.roll(3) {
            let _ = write!(out, " {}", dice.pick(PATTERNS));
        }
    } else {
        out.push_str("Match");
        if dice.roll(8) == 0 {
            out.push_str(dice.pick(&[" all", " canonical all", " final all", " !all"]));
        } else {
            for _ in 0..1 + dice.roll(2) {
                let not = dice.pick(&["", "", "!"]);
                match dice.roll(6) {
                    0 => out.push_str(dice.pick(&[" final", " canonical", " !canonical"])),
                    _ => {
                        let name = dice.pick(&["host", "originalhost", "user", "localuser", "Host"]);
                        let _ = write!(out, " {not}{name} {}", dice.pick(LISTS));
                    }
                }
            }
        }
    }
    out.push_str(dice.pick(&["\n", "\r\n", " # why\n", "\t\n"]));
}

fn option(out: &mut String, dice: &mut Dice) {
    let (name, values): (&str, &[&str]) = match dice.roll(20) {
        0 => (
            "HostName",
            &[
                "real-%h",
                "10.1.2.3",
                "Real.Example.com",
                "%h.example.com",
                "100%%",
                "127.1",
                "::1",
            ],
        ),
        1 => ("Port", &["22", "2222", "65535"]),
        2 => ("User", &["anna", "ops", "root", "\"anna\""]),
        3 => (
            "IdentityFile",
            &["/k/one", "~/.ssh/two", "/k/three", "none", "\"/k/with space\""],
        ),
        4 => ("IdentitiesOnly", &["yes", "no", "TRUE"]),
        5 => (
            "IdentityAgent",
            &["none", "/run/agent-%r-%h", "SSH_AUTH_SOCK", "${PITSTOP_TEST}/s"],
        ),
        6 => ("HostKeyAlias", &["Alias-One", "alias2"]),
        7 => (
            "UserKnownHostsFile",
            &[
                "/kh/%h-%p-%r-%n-%k",
                "/kh/a /kh/b",
                "none",
                "~/.ssh/kh_%u_%i_%L_%l",
                "/kh/${PITSTOP_TEST}%%",
            ],
        ),
        8 => ("GlobalKnownHostsFile", &["/gk/a", "none", "/gk/a /gk/b"]),
        9 => (
            "ProxyJump",
            &[
                "none",
                "jump",
                "anna@jump:2022",
                "j1,j2@x,j3:99",
                "ssh://u@j4:5",
                "[2001:db8::9]:2200",
            ],
        ),
        10 => ("ProxyCommand", &["none", "NONE", "nc %h %p", "ssh -W %h:%p %r@gate"]),
        11 => ("ConnectTimeout", &["5", "1m30s", "none", "0", "2h"]),
        12 => ("AddressFamily", &["inet", "inet6", "any", "INET"]),
        13 => ("BindAddress", &["10.0.0.1", "::1"]),
        14 => ("PubkeyAuthentication", &["yes", "no", "unbound", "host-bound"]),
        15 => ("PasswordAuthentication", &["yes", "no"]),
        16 => ("KbdInteractiveAuthentication", &["yes", "no"]),
        17 => (
            "Include",
            &[
                "@DIR@/inc/*.conf",
                "@DIR@/inc/one.conf",
                "@DIR@/nothing-*",
                "@DIR@/inc/[a-n]*.conf",
                "@DIR@/inc/t?o.conf",
            ],
        ),
        18 => ("CanonicalizeHostname", &["no", "yes", "always"]),
        _ => ("ForwardAgent", &["yes", "no"]),
    };
    let joint = dice.pick(&[" ", " ", "=", " = ", "\t"]);
    let indent = dice.pick(&["", "  ", "\t"]);
    let value = dice.pick(values);
    let end = dice.pick(&["\n", "\n", "\r\n", "  \n"]);
    let comment = if name.starts_with("Proxy") {
        ""
    } else {
        dice.pick(&["", "", " # note"])
    };
    let _ = write!(out, "{indent}{name}{joint}{value}{comment}{end}");
}
