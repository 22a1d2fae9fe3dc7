//! `PS0431` to `PS0436`: the ways to hosts, and what a project may read for them.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0431",
        title: "a list of inventories where a command is wanted",
        text: "`inventory` of pitstop.yml is one path, or a list: the list is a command, a program and its arguments, that prints the inventory. A list whose first word is a folder or a file that nobody may execute was meant as paths. There is one inventory: write its path without brackets.",
        wrong: r"# file: pitstop.yml
schema: 1
inventory: [prod.yml, test.yml]
# file: prod.yml
all:
  hosts: { web1: {} }
",
        right: r"# file: pitstop.yml
schema: 1
inventory: prod.yml
# file: prod.yml
all:
  hosts: { web1: {} }
",
    },
    Code {
        code: "PS0432",
        title: "a setting of another way to the host",
        text: "`scheme`, `auth`, `domain`, `ca`, `pin`, `certificate` and `key` are settings of `transport: winrm`; `identity`, `known_hosts`, `jump` and `shell` are none of it. A setting that no host it stands for can use is a mistake: somebody believes that it protects or leads somewhere. In `defaults` and groups it may stand where one of their hosts can use it.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  web1: { key: ~/.ssh/id_ed25519 }
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  web1: { identity: ~/.ssh/id_ed25519 }
"#,
    },
    Code {
        code: "PS0433",
        title: "settings of WinRM that contradict each other",
        text: "`certificate` and `key` come together, and only with `auth: certificate`, which needs both. `ca`, `pin`, `auth: certificate` and `auth: basic` need `scheme: https`, which is the default. `domain` goes with `auth: ntlm` (the default) or `kerberos`.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  win1: { transport: winrm, scheme: http, ca: company.pem }
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  win1: { transport: winrm, ca: company.pem }
"#,
    },
    Code {
        code: "PS0434",
        title: "a pin that is no SHA-256",
        text: "`pin` holds the SHA-256 of the certificate that the server shows: 64 hexadecimal digits, with or without colons. `openssl x509 -in server.pem -noout -fingerprint -sha256` prints it.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  win1: { transport: winrm, pin: "12:34" }
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  win1: { transport: winrm, pin: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
"#,
    },
    Code {
        code: "PS0435",
        title: "a host that is answered from a file",
        text: "`transport: script` has its answers from a test file: `pitstop test` plays them. `run` and `approve` refuse a plan with such a host. In a test every host is answered so, whatever the inventory says: an inventory needs it nowhere.",
        wrong: r"# file: inventory.yml
schema: 1
hosts:
  web1: { transport: script }
",
        right: r"# file: inventory.yml
schema: 1
hosts:
  web1: {}
",
    },
    Code {
        code: "PS0436",
        title: "too many freeze calendars, or too many freezes in them",
        text: "At most 100 calendars are read, each of at most 4 MiB, and together they have at most 500,000 freezes in the 400 days that are looked ahead. Nothing is left out to stay below that: an event that is passed over would be a change in the middle of a freeze.",
        wrong: "",
        right: "",
    },
];
