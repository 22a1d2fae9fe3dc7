//! `check` on whole machines: each kind in each result, what hangs, and what is only as bad as before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::figures;
use crate::machines::{Machines, base, lab_command, ran};

/// What a check found on a host: its status, its message, and how its step ended.
pub type Found = BTreeMap<(String, String), (String, String, String)>;

/// Gives a machine what checks look at and are compared with.
pub fn install(machines: &Machines, host: &str) {
    unpack(
        machines,
        host,
        &["-C", "{}", "-c", "."],
        "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends /opt/monitoring/*.deb",
    );
}

/// Of that only these packages: what they need is among them, or in the tree.
pub fn install_only(machines: &Machines, host: &str, packages: &[&str]) {
    let list: Vec<String> = packages.iter().map(|p| format!("./{p}_*.deb")).collect();
    let pack = format!("cd {{}}; ls -d {} 2>/dev/null | tar -c -T -", list.join(" "));
    unpack(
        machines,
        host,
        &[&pack],
        "DEBIAN_FRONTEND=noninteractive dpkg -i --force-depends /opt/monitoring/*.deb",
    );
}

/// `pack`: arguments of tar, or a script that is tar; `{}` is the folder with the packages.
fn unpack(machines: &Machines, host: &str, pack: &[&str], install: &str) {
    let tree = ran(lab_command(&["base", base().to_str().unwrap()])).said;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/monitoring.sh");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/monitoring");
    let mut fetch = Command::new("bash");
    fetch.args([script, folder, tree.trim()]);
    let fetched = ran(fetch);
    assert_eq!(fetched.code, 0, "{}", fetched.said);
    let pack: Vec<String> = pack.iter().map(|w| w.replace("{}", fetched.said.trim())).collect();
    let mut command = match pack.as_slice() {
        [script] => {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            shell
        }
        words => {
            let mut tar = Command::new("tar");
            tar.args(words);
            tar
        }
    };
    let mut pack = command.stdout(Stdio::piped()).spawn().unwrap();
    let lab = machines.path("lab");
    let unpack = format!(
        "mkdir /opt/monitoring && tar -x -C /opt/monitoring && printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d \
         && chmod 755 /usr/sbin/policy-rc.d && {install} >/opt/dpkg.log 2>&1 \
         || {{ tail -n 20 /opt/dpkg.log; exit 1; }}; rm -r /opt/monitoring /opt/dpkg.log"
    );
    let mut command = lab_command(&["at", lab.to_str().unwrap(), host, "sh", "-c", &unpack]);
    command
        .stdin(pack.stdout.take().unwrap())
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let unpacked = ran(command);
    assert_eq!(unpacked.code, 0, "{}", unpacked.said);
    assert!(pack.wait().unwrap().success());
}

/// A runbook of these checks, all of them in one list.
pub fn checks(machines: &Machines, name: &str, hosts: &str, checks: &[(String, String)], keys: &str) {
    let mut steps = String::new();
    for (id, check) in checks {
        let _ = writeln!(
            steps,
            "      - {{ id: {id}, name: Look at {id}, {keys} check: {{ {check} }} }}"
        );
    }
    machines.file(
        &format!("runbooks/{name}.yml"),
        &format!(
            "schema: 1\nrunbook: {name}\ntitle: Look at these machines\nkind: check\n\
             targets:\n  all: {{ hosts: [{hosts}] }}\nphases:\n  - phase: look\n    title: Look\n    targets: all\n    steps:\n{steps}"
        ),
    );
}

pub fn found(machines: &Machines) -> Found {
    let mut all = Found::new();
    for event in machines.events() {
        if event["type"] != "settled" {
            continue;
        }
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let (key, more) = (&event["key"], &event["result"]["more"]);
        all.insert(
            (text(&key["host"]), text(&key["step"])),
            (text(&more["status"]), text(&more["message"]), text(&event["outcome"])),
        );
    }
    all
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(id, check)| ((*id).to_owned(), (*check).to_owned()))
        .collect()
}

/// Every kind, and what it comes to on a machine that was made so.
const KINDS: &[(&str, &str, &str)] = &[
    ("service-ok", "service: { name: nginx, enabled: false }", "ok"),
    ("service-warn", "service: { name: nginx }, warn: '10000000:'", "warn"),
    ("service-fail", "service: { name: broken }", "fail"),
    ("service-gone", "service: { name: nowhere }", "fail"),
    ("failed-ok", "services_failed: { ignore: [broken] }", "ok"),
    ("failed-warn", "services_failed: {}, warn: '0', crit: '5'", "warn"),
    ("failed-fail", "services_failed: {}", "fail"),
    ("process-ok", "process: { name: nginx, user: root }", "ok"),
    (
        "process-warn",
        "process: { pattern: 'nginx: (master|worker)' }, warn: '500:', crit: '1:'",
        "warn",
    ),
    ("process-fail", "process: { name: nowhere }", "fail"),
    ("port-ok", "port: { port: 80, process: nginx }", "ok"),
    ("port-fail", "port: { port: 81 }", "fail"),
    ("port-address", "port: { port: 5432, address: 10.1.2.3 }", "fail"),
    ("tcp-ok", "tcp_connect: { host: 127.0.0.1, port: 80 }", "ok"),
    (
        "tcp-warn",
        "tcp_connect: { host: 127.0.0.1, port: 80 }, warn: '100000:'",
        "warn",
    ),
    (
        "tcp-fail",
        "tcp_connect: { host: 127.0.0.1, port: 81, timeout: 2s }",
        "fail",
    ),
    (
        "tcp-tls",
        "tcp_connect: { host: 127.0.0.1, port: 443, tls: true }",
        "ok",
    ),
    (
        "tcp-no-tls",
        "tcp_connect: { host: 127.0.0.1, port: 80, tls: true, timeout: 2s }",
        "fail",
    ),
    (
        "tcp-from-here",
        "tcp_connect: { host: '{{ host.address }}', port: 22, from: controller }",
        "ok",
    ),
    ("ping-ok", "ping: { host: 127.0.0.1, loss: 0, rtt: 5s }", "ok"),
    ("ping-warn", "ping: { host: 127.0.0.1 }, warn: '100000:'", "warn"),
    ("ping-fail", "ping: { host: 10.98.77.77 }", "fail"),
    (
        "http-ok",
        "http: { url: 'http://127.0.0.1/up.json', json: \"json.state == 'up'\", header: 'Content-Type: application/json', max_ms: 5000 }",
        "ok",
    ),
    (
        "http-warn",
        "http: { url: 'http://127.0.0.1/up.json' }, warn: '100000:'",
        "warn",
    ),
    (
        "http-fail",
        "http: { url: 'http://127.0.0.1/nowhere', contains: up }",
        "fail",
    ),
    (
        "http-status",
        "http: { url: 'http://127.0.0.1/nowhere', status: 404, method: HEAD }",
        "ok",
    ),
    ("http-untrusted", "http: { url: 'https://127.0.0.1/up.json' }", "fail"),
    (
        "tls-ok",
        "tls_cert: { address: '127.0.0.1:443', san: shop.example, issuer: Lab }, warn: '5:'",
        "ok",
    ),
    (
        "tls-warn",
        "tls_cert: { file: /etc/ssl/shop.crt }, warn: '30:', crit: '5:'",
        "warn",
    ),
    (
        "tls-fail",
        "tls_cert: { file: /etc/ssl/shop.crt, san: other.example }",
        "fail",
    ),
    ("tls-unknown", "tls_cert: { file: /etc/hostname }", "unknown"),
    (
        "dns-ok",
        "dns: { name: shop.example, server: 127.0.0.1, answers: [10.1.2.3] }",
        "ok",
    ),
    ("dns-own", "dns: { name: localhost }", "ok"),
    (
        "dns-warn",
        "dns: { name: shop.example, server: 127.0.0.1 }, warn: '2:'",
        "warn",
    ),
    ("dns-fail", "dns: { name: nowhere.example, server: 127.0.0.1 }", "fail"),
    ("disk-ok", "disk_free: { path: / }, warn: '0.001:'", "ok"),
    (
        "disk-warn",
        "disk_free: { path: /, unit: bytes }, warn: '9000000000000000:'",
        "warn",
    ),
    ("disk-fail", "disk_free: { path: / }, crit: '99.9999:'", "fail"),
    ("disk-unknown", "disk_free: { path: /nowhere }", "unknown"),
    (
        "mount-ok",
        "mount: { path: /srv/small, fstype: tmpfs, options: [ro] }",
        "ok",
    ),
    ("mount-fail", "mount: { path: /srv/small, options: [noexec] }", "fail"),
    ("memory-ok", "memory_swap: {}, crit: '0.0001:'", "ok"),
    ("memory-warn", "memory_swap: {}, warn: '99.9999:'", "warn"),
    ("memory-fail", "memory_swap: { of: swap }, crit: '60:'", "fail"),
    ("load-ok", "load_cpu: { over: 15m }, crit: '100000'", "ok"),
    ("load-warn", "load_cpu: { over: 5m }, warn: '100000:'", "warn"),
    ("load-fail", "load_cpu: { over: 1m }, crit: '100000:'", "fail"),
    ("uptime-ok", "uptime_boot: {}, warn: '1:'", "ok"),
    ("uptime-fail", "uptime_boot: {}, crit: '1'", "fail"),
    ("reboot-fail", "reboot_pending: {}", "fail"),
    ("reboot-ok", "reboot_pending: { expected: true }", "ok"),
    ("kernel-fail", "kernel_os: { version: 0.0.1 }", "fail"),
    ("kernel-unknown", "kernel_os: { newest: true }", "unknown"),
    ("updates-warn", "updates_pending: {}, warn: '0'", "warn"),
    ("updates-fail", "updates_pending: {}", "fail"),
    ("updates-ok", "updates_pending: { class: security }", "ok"),
    (
        "package-ok",
        "package: { name: lab-demo, version: '1.0', held: false }",
        "ok",
    ),
    ("package-fail", "package: { name: nowhere }", "fail"),
    ("package-absent", "package: { name: nowhere, installed: false }", "ok"),
    (
        "file-ok",
        "file: { path: /etc/lab-demo.conf, mode: '0644', owner: 'root:root', contains: made for, absent: secret }",
        "ok",
    ),
    (
        "file-warn",
        "file: { path: /etc/lab-demo.conf }, warn: '100000:'",
        "warn",
    ),
    ("file-fail", "file: { path: /etc/shadow, mode: '0777' }", "fail"),
    ("file-link", "file: { path: /etc/os-release, type: link }", "ok"),
    (
        "setting-ok",
        "config_value: { file: /etc/ssh/sshd_config.d/lab.conf, key: UseDNS, value: 'no' }",
        "ok",
    ),
    (
        "setting-kernel",
        "config_value: { format: sysctl, key: kernel.pid_max, value: '1' }",
        "fail",
    ),
    (
        "setting-twice",
        "config_value: { file: /etc/twice.conf, key: A, value: '1' }",
        "unknown",
    ),
    (
        "user-ok",
        "user_group: { name: ops, groups: [ops], locked: false }",
        "ok",
    ),
    ("user-fail", "user_group: { name: ops, uid: 1, locked: true }", "fail"),
    ("clock-unknown", "time_sync: {}", "unknown"),
    (
        "log-ok",
        "log_errors: { source: /var/log/shop.log, since: 10m, pattern: 'error', ignore: [harmless] }, warn: '1', crit: '5'",
        "ok",
    ),
    (
        "log-warn",
        "log_errors: { source: /var/log/shop.log, pattern: 'error|older' }, warn: '1', crit: '5'",
        "warn",
    ),
    (
        "log-fail",
        "log_errors: { pattern: 'the shop is (shut|closed)', since: 1h }",
        "fail",
    ),
    ("log-gone", "log_errors: { source: /var/log/nowhere.log }", "unknown"),
    (
        "command-ok",
        "command: { run: 'echo \"FINE | a=1\"', format: nagios }",
        "ok",
    ),
    (
        "command-warn",
        "command: { run: 'echo SLOW; exit 1', format: nagios }",
        "warn",
    ),
    (
        "command-fail",
        "command: { run: 'echo BAD; exit 2', format: nagios }",
        "fail",
    ),
    (
        "command-unknown",
        "command: { run: 'exit 0', format: nagios }",
        "unknown",
    ),
    (
        "command-syntax",
        "command: { run: 'if then', format: nagios }",
        "unknown",
    ),
    (
        "command-gone",
        "command: { run: check_nowhere, format: nagios }",
        "unknown",
    ),
    ("tap-ok", "command: { run: 'echo 1..1; echo ok 1', format: tap }", "ok"),
    ("tap-empty", "command: { run: 'echo 1..0', format: tap }", "unknown"),
    (
        "junit-fail",
        "command: { run: 'echo \"<testsuite><testcase name=\\\"a\\\"><failure/></testcase></testsuite>\"; exit 1', format: junit }",
        "fail",
    ),
    (
        "goss-unknown",
        "command: { run: 'echo {}', format: goss_json }",
        "unknown",
    ),
    (
        "sql-ok",
        "sql: { engine: postgres, query: 'select 1+1', value: '2' }",
        "ok",
    ),
    (
        "sql-warn",
        "sql: { engine: postgres, query: 'select 7' }, warn: '5'",
        "warn",
    ),
    (
        "sql-fail",
        "sql: { engine: postgres, query: 'select * from generate_series(1,3)', rows: 2 }",
        "fail",
    ),
    (
        "mysql-ok",
        "sql: { engine: mysql, query: 'select 1+1', value: '2' }",
        "ok",
    ),
    (
        "mysql-rows",
        "sql: { engine: mysql, query: 'show databases', rows: 1 }",
        "fail",
    ),
    (
        "mysql-writes",
        "sql: { engine: mysql, query: 'create database pitstop' }",
        "unknown",
    ),
    (
        "sql-writes",
        "sql: { engine: postgres, query: 'create table pitstop(a int)' }",
        "unknown",
    ),
];

/// Makes a machine as [`KINDS`] says.
pub fn prepare(machines: &Machines, host: &str) {
    machines.unit(host, "broken", "", "exit 7");
    machines.put(
        host,
        "/etc/nginx/sites-enabled/default",
        "server { listen 80; listen 443 ssl; ssl_certificate /etc/ssl/shop.crt; ssl_certificate_key /etc/ssl/shop.key; root /srv/www; default_type application/json; }",
    );
    machines.put(host, "/etc/twice.conf", "A=1\nA=2");
    machines.at(
        host,
        "set -e
        mkdir -p /srv/www /srv/small && echo '{\"state\": \"up\"}' >/srv/www/up.json
        mount -t tmpfs -o ro small /srv/small
        openssl req -x509 -newkey rsa:2048 -nodes -days 10 -subj /O=Lab/CN=shop.example -addext subjectAltName=DNS:shop.example \\
          -keyout /etc/ssl/shop.key -out /etc/ssl/shop.crt 2>/dev/null
        rm /usr/sbin/policy-rc.d
        systemctl -q disable nginx mariadb; systemctl start nginx mariadb
        systemctl start broken || true
        until [ \"$(systemctl is-failed broken)\" = failed ]; do :; done
        dnsmasq --no-resolv --no-hosts --local=/example/ --host-record=shop.example,10.1.2.3 --listen-address=127.0.0.1 --bind-interfaces
        pg_ctlcluster $(ls /etc/postgresql) main start
        su postgres -c 'createuser -s root && createdb root'
        touch /run/reboot-required; apt-get update -qq
        echo \"$(date -d '1 hour ago' +%FT%T%:z) older error\" >/var/log/shop.log
        echo \"$(date +%FT%T%:z) error: the shelf is empty\" >>/var/log/shop.log
        echo \"$(date +%FT%T%:z) error: harmless\" >>/var/log/shop.log
        logger -t shop 'the shop is closed'; journalctl --sync
        sed 's/^SwapTotal:.*/SwapTotal: 1000000 kB/; s/^SwapFree:.*/SwapFree: 500000 kB/' /proc/meminfo >/run/meminfo
        mount --bind /run/meminfo /proc/meminfo",
    );
}

/// One question of each kind where what measures it is missing.
const TOOLLESS: &[(&str, &str)] = &[
    ("service", "service: { name: ssh, running: false }"),
    ("services-failed", "services_failed: {}"),
    ("process", "process: { name: sshd }, warn: '0:'"),
    ("port", "port: { port: 22, process: sshd }"),
    ("tcp-tls", "tcp_connect: { host: 127.0.0.1, port: 22, tls: true }"),
    ("ping", "ping: { host: 127.0.0.1 }"),
    ("http", "http: { url: 'http://127.0.0.1/' }"),
    ("tls", "tls_cert: { address: '127.0.0.1:443' }"),
    ("dns", "dns: { name: localhost }"),
    ("dns-server", "dns: { name: localhost, server: 127.0.0.1 }"),
    ("disk", "disk_free: { path: / }"),
    ("memory", "memory_swap: {}"),
    ("load", "load_cpu: {}"),
    ("uptime", "uptime_boot: {}"),
    ("reboot", "reboot_pending: {}"),
    ("kernel", "kernel_os: { newest: true }"),
    ("updates", "updates_pending: {}"),
    ("package", "package: { name: nowhere, installed: false }"),
    ("file", "file: { path: /etc/hostname }"),
    ("user", "user_group: { name: nobody-here, exists: false }"),
    ("clock", "time_sync: {}"),
    ("log", "log_errors: {}"),
    ("sql", "sql: { engine: postgres, query: 'select 1' }"),
    ("mysql", "sql: { engine: mysql, query: 'select 1' }"),
    ("command", "command: { run: check_disk, format: nagios }"),
];

#[test]
fn every_kind_comes_to_each_of_its_results() {
    let machines = Machines::start(1);
    // What the control machine asks, it asks by its own programs.
    machines.file("policy.yml", "schema: 1\nallow_local: true\n");
    machines.file(
        "pitstop.yml",
        "schema: 1\ninventory: inventory.yml\npolicy: policy.yml\n",
    );
    install(&machines, "h01");
    prepare(&machines, "h01");
    let list: Vec<(String, String)> = KINDS
        .iter()
        .map(|(id, check, _)| ((*id).to_owned(), (*check).to_owned()))
        .collect();
    checks(&machines, "kinds", "h01", &list, "");
    let all = machines.run(&["run", "runbooks/kinds.yml", "--yes"]);
    let came = found(&machines);
    let mut wrong = Vec::new();
    for (id, _, wanted) in KINDS {
        let found = came.get(&("h01".to_owned(), (*id).to_owned()));
        if found.is_none_or(|(status, ..)| status != wanted) {
            wrong.push(format!("{id}: {found:?}, not {wanted}"));
        }
        let ended = found.map(|(.., outcome)| outcome.as_str());
        let passes = matches!(*wanted, "ok" | "warn");
        if ended != Some(if passes { "ok" } else { "failed" }) {
            wrong.push(format!("{id} is {wanted}, and its step ended {ended:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), all.said);
    assert_eq!(machines.states()["h01"], "failed");
    assert!(!machines.path("x").exists());
    assert_eq!(
        machines.at(
            "h01",
            "su postgres -c \"psql -Atc \\\"select count(*) from pg_tables where tablename = 'pitstop'\\\" root\""
        ),
        "0"
    );
    assert_eq!(machines.at("h01", "mysql -NBe \"show databases like 'pitstop'\""), "");
    figures::print(
        "machines: checks in each of their results",
        format!("{0} of {0}", KINDS.len()),
        None,
    );
}

#[test]
fn without_its_tools_no_check_passes_and_what_hangs_or_is_silent_is_bounded() {
    let machines = Machines::start(3);
    machines.log_in(|_| "user: root, connect_timeout: 5s".to_owned());
    machines.at(
        "h01",
        "cd /usr/bin && chmod -x ps ss getent df stat journalctl timedatectl apt-get dpkg-query id systemctl
         for f in meminfo loadavg uptime; do mount --bind /dev/null /proc/$f; done",
    );
    let list = pairs(TOOLLESS);
    checks(&machines, "bare", "h01", &list, "");
    let all = machines.run(&["run", "runbooks/bare.yml", "--yes"]);
    let came = found(&machines);
    assert_eq!(list.len(), 25);
    for (id, check) in &list {
        let (status, message, outcome) = &came[&("h01".to_owned(), id.clone())];
        assert_eq!(
            (status.as_str(), outcome.as_str()),
            ("unknown", "failed"),
            "{check}: {message}\n{}",
            all.said
        );
    }
    assert_ne!(all.code, 0);
    // All of them were on their way before the first had answered: one write, and one round trip.
    let events = machines.events();
    let at = |kind: &str| {
        events
            .iter()
            .enumerate()
            .filter(|(_, e)| e["type"] == kind)
            .map(|(n, _)| n)
            .collect::<Vec<_>>()
    };
    let (sent, ended) = (at("intended"), at("settled"));
    assert_eq!((sent.len(), ended.len()), (25, 25));
    assert!(sent.last() < ended.first(), "{sent:?} {ended:?}");
    // The report says so to people and to machines.
    let junit = machines.run(&["report", "--format", "junit"]).said;
    assert_eq!(junit.matches("<error").count(), 25, "{junit}");

    machines.power("freeze", "h03");
    let hangs = pairs(&[
        ("hangs", "command: { run: 'sleep 98761', format: nagios }"),
        (
            "ignores",
            "command: { run: \"trap '' TERM; sleep 98762 & sleep 98763; wait\", format: nagios }",
        ),
        (
            "floods",
            "command: { run: 'yes flood | head -c 50000000', format: nagios }",
        ),
        ("after", "mount: { path: /proc, fstype: proc }"),
    ]);
    checks(&machines, "hangs", "h02, h03", &hangs, "timeout: 3s,");
    let all = machines.run(&["run", "runbooks/hangs.yml", "--yes"]);
    let came = found(&machines);
    let of = |id: &str| came[&("h02".to_owned(), id.to_owned())].clone();
    for id in ["hangs", "ignores"] {
        let (status, _, outcome) = of(id);
        assert_eq!(
            (status.as_str(), outcome.as_str()),
            ("unknown", "timed_out"),
            "{id}: {}",
            all.said
        );
    }
    assert_eq!(of("floods").0, "unknown", "{}", all.said);
    assert_eq!(of("after").0, "ok", "{}", all.said);
    let states = machines.states();
    assert_eq!(
        (states["h02"].as_str(), states["h03"].as_str()),
        ("failed", "refused"),
        "{}",
        all.said
    );
    machines.power("thaw", "h03");
    assert_eq!(
        machines.try_at("h02", "pgrep -f '[s]leep 9876|[y]es flood'").said,
        "",
        "left behind"
    );
    assert_eq!(
        machines.at("h02", "find / -xdev -name .pitstop -not -empty 2>/dev/null"),
        ""
    );
}

#[test]
fn a_check_holds_for_its_time_is_waited_for_and_only_regressions_fail_a_change() {
    let machines = Machines::start(3);
    // h01 is sick before, h02 becomes so by the change, h03 is well.
    for host in ["h01", "h02", "h03"] {
        machines.unit(host, "shop", "", "exec sleep infinity");
        machines.unit(host, "old", "", "exit 7");
    }
    machines.at(
        "h01",
        "systemctl start old; until [ \"$(systemctl is-failed old)\" = failed ]; do :; done",
    );
    machines.runbook(
        "compared",
        r#"    precheck:
      - { id: before, name: What has failed, check: { services_failed: {} }, may_fail: It is compared with afterwards }
    steps:
      - { id: change, name: Something changes, run: "[ {{ host.name | sh }} != h02 ] || { systemctl start old; until [ \"$(systemctl is-failed old)\" = failed ]; do :; done; }", undo: [{ name: Back, run: systemctl reset-failed old }] }
    verify:
      - { id: after, name: Nothing more has failed, check: { services_failed: {}, compare_to: before } }
"#,
    );
    let ran = machines.apply("compared");
    let states = machines.states();
    assert_eq!(
        (states["h01"].as_str(), states["h02"].as_str(), states["h03"].as_str()),
        ("warned", "rolled_back", "ok"),
        "{}",
        ran.said
    );
    let page = machines.run(&["report", "--format", "md"]).said;
    assert!(page.contains("? unknown") && page.contains("as before"), "{page}");

    machines.at(
        "h03",
        "systemd-run -q --on-active=3s --timer-property=AccuracySec=100ms systemctl start shop",
    );
    machines.runbook(
        "waited",
        r#"    steps:
      - { id: comes, name: The shop comes, wait_for: { check: { service: { name: shop } }, every: 200ms }, timeout: 30s }
      - { id: plugin, name: What a plugin says, read_only: true, run: "echo 'DISK OK - fine | /=3.5MB;8;9'", as: nagios, expect: "value.perf['/'].value == 3.5 and value.text == 'DISK OK - fine'" }
      - { id: never, name: It never does, wait_for: { check: { service: { name: nowhere } }, every: 200ms }, timeout: 2s }
"#,
    );
    machines.file(
        "changes/one.yml",
        "schema: 1\nchange: C1\nrunbook: runbooks/waited.yml\nlimit: host=h03\n",
    );
    let ran = machines.run(&["run", "changes/one.yml", "--yes"]);
    assert!(ran.said.contains("the host has no unit nowhere after"), "{}", ran.said);
    let ended = |step: &str| {
        let of = machines
            .events()
            .into_iter()
            .rfind(|e| e["type"] == "settled" && e["key"]["step"] == step);
        of.map(|e| {
            (
                e["outcome"].as_str().unwrap().to_owned(),
                e["result"]["more"]["status"].as_str().unwrap_or_default().to_owned(),
            )
        })
    };
    assert_eq!(ended("comes"), Some(("ok".to_owned(), "ok".to_owned())), "{}", ran.said);
    assert_eq!(
        ended("never"),
        Some(("failed".to_owned(), "fail".to_owned())),
        "{}",
        ran.said
    );

    // Good at three looks, and bad at the fourth.
    machines.unit(
        "h03",
        "flap",
        "",
        "n=$(cat /run/looks 2>/dev/null || echo 1); echo $((n + 1)) >/run/looks; [ $n -le 3 ] && { echo there; exit 0; }; echo gone; exit 2",
    );
    let flaps = pairs(&[
        ("steady", "service: { name: shop }, for: 1s, every: 200ms"),
        (
            "flaps",
            "command: { run: /usr/local/bin/flap, format: nagios }, for: 30s, every: 100ms",
        ),
    ]);
    checks(&machines, "flaps", "h03", &flaps, "timeout: 40s,");
    let ran = machines.run(&["run", "runbooks/flaps.yml", "--yes"]);
    assert_eq!(
        ended("steady"),
        Some(("ok".to_owned(), "ok".to_owned())),
        "{}",
        ran.said
    );
    assert_eq!(
        ended("flaps"),
        Some(("failed".to_owned(), "fail".to_owned())),
        "{}",
        ran.said
    );
    assert_eq!(
        machines.at("h03", "cat /run/looks"),
        "5",
        "it is bad once, and not looked at again"
    );
}

#[test]
fn the_shipped_runbook_asks_a_fleet_and_tells_what_it_could_not_measure() {
    let machines = Machines::start(2);
    let file = |name: &str| std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    machines.file("runbooks/check-servers.yml", &file("runbooks/check-servers.yml"));
    let inventory = std::fs::read_to_string(machines.path("inventory.yml")).unwrap();
    let hosts: Vec<&str> = machines.hosts.keys().map(String::as_str).collect();
    let labelled = inventory.replace(
        &format!("all: [{}]", hosts.join(", ")),
        &format!("all: {{ hosts: [{}], labels: {{ role: web }} }}", hosts.join(", ")),
    );
    assert_ne!(inventory, labelled);
    machines.file("inventory.yml", &labelled);
    for host in &hosts {
        machines.at(host, "apt-get update -qq");
    }
    // Every command of its page, with what the page shows of its answer.
    let page = file("docs/runbooks/check-servers.md");
    let block = page.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let mut said = String::new();
    for line in block.lines() {
        match line.strip_prefix("$ pitstop ") {
            Some(command) => {
                let words: Vec<&str> = command.split(" > ").next().unwrap().split(' ').collect();
                let ran = machines.run(&words);
                // No machine of the lab has a clock that is set, or says whether it needs a restart.
                assert_eq!(
                    ran.code,
                    if words[0] == "run" { 3 } else { 0 },
                    "{command}: {}",
                    ran.said
                );
                said = ran.said;
            }
            None => assert!(said.contains(line.trim()), "{line}: {said}"),
        }
    }
    for sign in [
        "✓ ok",
        "? unknown",
        "neither chronyd, ntpd nor systemd-timesyncd answers",
    ] {
        assert!(said.contains(sign), "{sign}: {said}");
    }
    assert!(page.contains("`neither chronyd, ntpd nor systemd-timesyncd answers`"));
    let came = found(&machines);
    for host in &hosts {
        let of = |step: &str| came[&((*host).to_owned(), step.to_owned())].0.clone();
        assert_eq!(
            (of("clock"), of("restart"), of("ssh"), of("root-disk")),
            ("unknown".into(), "unknown".into(), "ok".into(), "ok".into())
        );
    }
    let csv = machines.run(&["report", "--format", "csv"]).said;
    assert!(csv.lines().next().unwrap().contains("status,value,unit"), "{csv}");
}
