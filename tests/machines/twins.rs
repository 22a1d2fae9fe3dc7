//! `check` beside Debian's monitoring plugins and testinfra on the same machine: the same verdict, or a reason why not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::checks::{checks, found, install, prepare};
use crate::figures;
use crate::machines::Machines;

/// A question to pitstop and to another tool, and why they may disagree, if they may.
struct Twin {
    id: String,
    check: String,
    /// A plugin's command, or an expression of testinfra.
    other: Other,
    why: Option<&'static str>,
}

enum Other {
    Plugin(String),
    Testinfra(String),
}

fn plugin(id: impl Into<String>, check: impl Into<String>, command: impl Into<String>) -> Twin {
    let (id, check, other) = (id.into(), check.into(), Other::Plugin(command.into()));
    Twin {
        id,
        check,
        other,
        why: None,
    }
}

fn infra(id: impl Into<String>, check: impl Into<String>, expression: impl Into<String>) -> Twin {
    let (id, check, other) = (id.into(), check.into(), Other::Testinfra(expression.into()));
    Twin {
        id,
        check,
        other,
        why: None,
    }
}

fn differs(why: &'static str, twin: Twin) -> Twin {
    Twin { why: Some(why), ..twin }
}

/// Thresholds on both sides of what is measured, never on it.
fn numbers(machines: &Machines) -> Vec<Twin> {
    let mut twins = Vec::new();
    // A file system that nobody else writes to.
    machines.at(
        "h01",
        "mkdir /srv/quiet && mount -t tmpfs -o size=100m,nr_inodes=1000 quiet /srv/quiet && head -c 40000000 /dev/zero >/srv/quiet/large
         cd /srv/quiet && for n in $(seq 300); do : >$n; done",
    );
    let measured = |script: &str| machines.at("h01", script).parse::<f64>().unwrap();
    let disk = measured("df -Pk /srv/quiet | awk 'NR==2 {printf \"%.4f\", 100*$4/($3+$4)}'");
    let inodes = measured("df -Pi /srv/quiet | awk 'NR==2 {printf \"%.4f\", 100*$4/($3+$4)}'");
    // check_disk counts used percents in whole ones, rounded up, and its limit itself is bad: a whole one away they agree.
    let near = |value: f64| [-3.0, -1.0, 1.0, 3.0].map(|away| (value.floor() + away).clamp(0.0, 100.0));
    let between = (disk.floor() + disk) / 2.0;
    twins.push(differs(
        "check_disk knows whole percents of free space only",
        plugin(
            "disk-fraction",
            format!("disk_free: {{ path: /srv/quiet }}, crit: '{between:.2}:'"),
            format!("check_disk -w 0% -c {between:.2}% -p /srv/quiet"),
        ),
    ));
    for (n, warn) in near(disk).into_iter().enumerate() {
        for (m, crit) in near(disk).into_iter().enumerate().filter(|(_, crit)| *crit <= warn) {
            twins.push(plugin(
                format!("disk-{n}-{m}"),
                format!("disk_free: {{ path: /srv/quiet }}, warn: '{warn:.2}:', crit: '{crit:.2}:'"),
                format!("check_disk -w {warn:.2}% -c {crit:.2}% -p /srv/quiet"),
            ));
        }
    }
    for (n, crit) in near(inodes).into_iter().enumerate() {
        twins.push(plugin(
            format!("inodes-{n}"),
            format!("disk_free: {{ path: /srv/quiet, unit: inodes }}, crit: '{crit:.2}:'"),
            format!("check_disk -w 0% -c 0% -W {crit:.2}% -K {crit:.2}% -p /srv/quiet"),
        ));
    }
    // Of the swap of this machine one half is free, and its load does not move: both were pinned.
    let cpus = measured("getconf _NPROCESSORS_ONLN");
    for (n, (warn, crit)) in [(10, 5), (49, 20), (51, 20), (60, 51), (99, 90)]
        .into_iter()
        .enumerate()
    {
        twins.push(plugin(
            format!("swap-{n}"),
            format!("memory_swap: {{ of: swap }}, warn: '{warn}:', crit: '{crit}:'"),
            format!("check_swap -w {warn}% -c {crit}%"),
        ));
    }
    for (n, (over, warn, crit)) in [
        ("1m", 0.5, 9.0),
        ("1m", 9.0, 10.0),
        ("5m", 0.5, 0.9),
        ("5m", 1.5, 1.9),
        ("15m", 2.9, 5.0),
        ("15m", 3.1, 5.0),
    ]
    .into_iter()
    .enumerate()
    {
        let three = |limit: f64| match over {
            "1m" => format!("{limit},999,999"),
            "5m" => format!("999,{limit},999"),
            _ => format!("999,999,{limit}"),
        };
        twins.push(plugin(
            format!("load-{n}"),
            format!(
                "load_cpu: {{ over: {over} }}, warn: '{}', crit: '{}'",
                warn / cpus,
                crit / cpus
            ),
            format!("check_load -w {} -c {}", three(warn), three(crit)),
        ));
    }
    for (n, (name, warn, crit)) in [
        ("sshd", "1:", "1:"),
        ("systemd-journal", "1:1", "1:5"),
        ("systemd-journal", "2:", "1:"),
        ("systemd-journal", "0:9", "2:"),
        ("nowhere", "0", "0:5"),
        ("nowhere", "1:", "1:"),
        ("sleep", "3:3", "1:9"),
        ("sleep", "@3:3", "1:9"),
        ("sleep", "~:2", "~:5"),
        ("sleep", "0:5", "@3"),
    ]
    .into_iter()
    .enumerate()
    {
        twins.push(plugin(
            format!("process-{n}"),
            format!("process: {{ name: {name} }}, warn: '{warn}', crit: '{crit}'"),
            format!("check_procs -C {name} -w {warn} -c {crit}"),
        ));
    }
    for (n, (age, size, warn, crit)) in [(100, 50, 200, 300), (100, 50, 60, 300), (100, 50, 30, 60)]
        .into_iter()
        .enumerate()
    {
        let file = format!("/srv/aged-{n}");
        machines.at(
            "h01",
            &format!("head -c {size} /dev/zero >{file}; touch -d '{age} seconds ago' {file}"),
        );
        for (name, limit) in [("warn", warn), ("crit", crit)] {
            let flag = if name == "warn" {
                format!("-w {limit} -c 99999")
            } else {
                format!("-w {limit} -c {limit}")
            };
            let twin = plugin(
                format!("age-{n}-{name}"),
                format!("file: {{ path: {file}, max_age: {limit}s }}"),
                format!("check_file_age -f {file} {flag}"),
            );
            // `max_age` has no milder form.
            twins.push(if name == "warn" {
                differs("a file that is too old fails: for a warning write `expect`", twin)
            } else {
                twin
            });
        }
    }
    twins
}

/// What answers over the network.
fn network() -> Vec<Twin> {
    let http = |id: &str, check: &str, plugin_: &str| {
        plugin(
            format!("http-{id}"),
            format!("http: {{ url: 'http://127.0.0.1{check} }}"),
            format!("check_http -H 127.0.0.1 -I 127.0.0.1 {plugin_}"),
        )
    };
    vec![
        http("ok", "/up.json'", "-u /up.json"),
        http("text", "/up.json', contains: '\"up\"'", "-u /up.json -s '\"up\"'"),
        http("no-text", "/up.json', contains: 'down'", "-u /up.json -s down"),
        http("regex", "/up.json', pattern: 'st.te'", "-u /up.json -r st.te"),
        http("status", "/nowhere', status: 404", "-u /nowhere -e 404"),
        differs(
            "a client error is a warning of check_http; a status that was not asked for fails here",
            http("missing", "/nowhere'", "-u /nowhere"),
        ),
        plugin(
            "http-down",
            "http: { url: 'http://127.0.0.1:81/' }",
            "check_http -H 127.0.0.1 -p 81",
        ),
        plugin(
            "cert-good",
            "tls_cert: { address: '127.0.0.1:443' }, warn: '5:', crit: '2:'",
            "check_http -H 127.0.0.1 -S -C 5,2",
        ),
        plugin(
            "cert-warn",
            "tls_cert: { address: '127.0.0.1:443' }, warn: '30:', crit: '2:'",
            "check_http -H 127.0.0.1 -S -C 30,2",
        ),
        plugin(
            "cert-crit",
            "tls_cert: { address: '127.0.0.1:443' }, warn: '60:', crit: '30:'",
            "check_http -H 127.0.0.1 -S -C 60,30",
        ),
        plugin(
            "tcp-open",
            "tcp_connect: { host: 127.0.0.1, port: 22 }",
            "check_tcp -H 127.0.0.1 -p 22",
        ),
        plugin(
            "tcp-shut",
            "tcp_connect: { host: 127.0.0.1, port: 81 }",
            "check_tcp -H 127.0.0.1 -p 81",
        ),
        plugin(
            "ssh",
            "tcp_connect: { host: 127.0.0.1, port: 22 }",
            "check_ssh -H 127.0.0.1",
        ),
        plugin(
            "ping-good",
            "ping: { host: 127.0.0.1 }, warn: '1000', crit: '2000'",
            "check_ping -H 127.0.0.1 -w 1000,50% -c 2000,80%",
        ),
        plugin(
            "ping-slow",
            "ping: { host: 127.0.0.1 }, warn: '0.0001', crit: '2000'",
            "check_ping -H 127.0.0.1 -w 0.0001,50% -c 2000,80%",
        ),
        plugin(
            "ping-dead",
            "ping: { host: 10.98.77.77 }",
            "check_ping -H 10.98.77.77 -w 1000,50% -c 2000,80% -t 20",
        ),
        plugin(
            "dns-good",
            "dns: { name: shop.example, server: 127.0.0.1, answers: [10.1.2.3] }",
            "check_dns -H shop.example -s 127.0.0.1 -a 10.1.2.3",
        ),
        plugin(
            "dns-other",
            "dns: { name: shop.example, server: 127.0.0.1, answers: [10.1.2.4] }",
            "check_dns -H shop.example -s 127.0.0.1 -a 10.1.2.4",
        ),
        plugin(
            "dns-none",
            "dns: { name: nowhere.example, server: 127.0.0.1 }",
            "check_dns -H nowhere.example -s 127.0.0.1",
        ),
        plugin(
            "dig-good",
            "dns: { name: shop.example, server: 127.0.0.1 }",
            "check_dig -H 127.0.0.1 -l shop.example",
        ),
        differs(
            "a server that does not answer is a warning of check_dig",
            plugin(
                "dig-dead",
                "dns: { name: shop.example, server: 127.0.0.9 }",
                "check_dig -H 127.0.0.9 -l shop.example -t 8",
            ),
        ),
        plugin(
            "clock-good",
            "time_sync: { source: 127.0.0.1 }, warn: '0.5', crit: '1'",
            "check_ntp_time -H 127.0.0.1 -w 0.5 -c 1",
        ),
        plugin(
            "clock-off",
            "time_sync: {}, warn: '1000:', crit: '99999'",
            "check_ntp_time -H 127.0.0.1 -w 1000: -c 99999",
        ),
        plugin("updates", "updates_pending: {}, warn: '0'", "check_apt"),
        plugin("security", "updates_pending: { class: security }", "check_apt -o"),
        plugin(
            "log-found",
            "log_errors: { source: /var/log/shop.log, pattern: shelf }",
            "check_log -F /var/log/shop.log -O /tmp/seen -q shelf",
        ),
        plugin(
            "log-none",
            "log_errors: { source: /var/log/shop.log, pattern: dragon }",
            "check_log -F /var/log/shop.log -O /tmp/seen -q dragon",
        ),
    ]
}

/// What testinfra knows.
fn states() -> Vec<Twin> {
    let mut twins = Vec::new();
    for unit in ["ssh", "nginx", "broken", "nowhere", "systemd-journald"] {
        twins.push(infra(
            format!("runs-{unit}"),
            format!("service: {{ name: {unit} }}"),
            format!("h.service('{unit}').is_running"),
        ));
        let starts = infra(
            format!("starts-{unit}"),
            format!(
                "service: {{ name: {unit}, running: {}, enabled: true }}",
                !matches!(unit, "broken" | "nowhere")
            ),
            format!("h.service('{unit}').is_enabled"),
        );
        // `systemctl is-enabled` ends with 0 for a unit that only others start.
        let is_static = unit == "systemd-journald";
        twins.push(if is_static {
            differs("a static unit is not enabled: others start it", starts)
        } else {
            starts
        });
    }
    for name in ["lab-demo", "bash", "nowhere", "nginx-light"] {
        twins.push(infra(
            format!("package-{name}"),
            format!("package: {{ name: {name} }}"),
            format!("h.package('{name}').is_installed"),
        ));
    }
    for version in ["1.0", "1.1"] {
        twins.push(infra(
            format!("version-{version}").replace('.', "-"),
            format!("package: {{ name: lab-demo, version: '{version}' }}"),
            format!("h.package('lab-demo').version == '{version}'"),
        ));
    }
    for (n, (path, mode)) in [
        ("/etc/passwd", "0644"),
        ("/etc/shadow", "0640"),
        ("/etc/shadow", "0600"),
        ("/tmp", "1777"),
        ("/usr/bin/passwd", "4755"),
        ("/nowhere", "0644"),
    ]
    .into_iter()
    .enumerate()
    {
        twins.push(infra(
            format!("exists-{n}"),
            format!("file: {{ path: {path} }}"),
            format!("h.file('{path}').exists"),
        ));
        twins.push(infra(
            format!("mode-{n}"),
            format!("file: {{ path: {path}, mode: '{mode}' }}"),
            format!("h.file('{path}').exists and h.file('{path}').mode == 0o{mode}"),
        ));
        twins.push(infra(
            format!("directory-{n}"),
            format!("file: {{ path: {path}, type: directory }}"),
            format!("h.file('{path}').is_directory"),
        ));
        twins.push(infra(
            format!("owner-{n}"),
            format!("file: {{ path: {path}, owner: 'root:shadow' }}"),
            format!(
                "h.file('{path}').exists and h.file('{path}').user == 'root' and h.file('{path}').group == 'shadow'"
            ),
        ));
    }
    for (n, text) in ["made for", "nothing such"].into_iter().enumerate() {
        twins.push(infra(
            format!("contains-{n}"),
            format!("file: {{ path: /etc/lab-demo.conf, contains: {text} }}"),
            format!("h.file('/etc/lab-demo.conf').contains('{text}')"),
        ));
    }
    for (n, name) in ["root", "ops", "nobody", "nowhere"].into_iter().enumerate() {
        twins.push(infra(
            format!("user-{n}"),
            format!("user_group: {{ name: {name} }}"),
            format!("h.user('{name}').exists"),
        ));
        twins.push(infra(
            format!("uid-{n}"),
            format!("user_group: {{ name: {name}, uid: 0 }}"),
            format!("h.user('{name}').exists and h.user('{name}').uid == 0"),
        ));
        twins.push(infra(
            format!("group-{n}"),
            format!("user_group: {{ name: {name}, groups: [ops] }}"),
            format!("h.user('{name}').exists and 'ops' in h.user('{name}').groups"),
        ));
    }
    for (n, (path, kind)) in [
        ("/", "overlay"),
        ("/srv/small", "tmpfs"),
        ("/srv/small", "xfs"),
        ("/srv", "tmpfs"),
        ("/proc", "proc"),
    ]
    .into_iter()
    .enumerate()
    {
        twins.push(infra(
            format!("mounted-{n}"),
            format!("mount: {{ path: {path} }}"),
            format!("h.mount_point('{path}').exists"),
        ));
        twins.push(infra(
            format!("fstype-{n}"),
            format!("mount: {{ path: {path}, fstype: {kind} }}"),
            format!("h.mount_point('{path}').exists and h.mount_point('{path}').filesystem == '{kind}'"),
        ));
    }
    for (n, (key, value)) in [
        ("kernel.ostype", "Linux"),
        ("kernel.ostype", "Hurd"),
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv4.ip_forward", "1"),
    ]
    .into_iter()
    .enumerate()
    {
        twins.push(infra(
            format!("sysctl-{n}"),
            format!("config_value: {{ format: sysctl, key: {key}, value: '{value}' }}"),
            format!("str(h.sysctl('{key}')) == '{value}'"),
        ));
    }
    for (n, (port, address)) in [
        (22, "127.0.0.1"),
        (22, "0.0.0.0"),
        (5432, "127.0.0.1"),
        (5432, "10.9.9.9"),
        (81, "127.0.0.1"),
        (80, "0.0.0.0"),
    ]
    .into_iter()
    .enumerate()
    {
        twins.push(infra(
            format!("port-{n}"),
            format!("port: {{ port: {port}, address: {address} }}"),
            format!("h.socket('tcp://{address}:{port}').is_listening"),
        ));
    }
    for (n, (name, user)) in [
        ("nginx", "root"),
        ("nginx", "ops"),
        ("sshd", "root"),
        ("nowhere", "root"),
    ]
    .into_iter()
    .enumerate()
    {
        twins.push(infra(
            format!("owned-{n}"),
            format!("process: {{ name: {name}, user: {user} }}"),
            format!("len(h.process.filter(comm='{name}', user='{user}')) > 0"),
        ));
    }
    twins
}

/// Runs the other tools: `ID STATUS` a line.
fn others(machines: &Machines, twins: &[Twin]) -> BTreeMap<String, String> {
    let mut script = "PATH=$PATH:/usr/lib/nagios/plugins; LC_ALL=C; export LC_ALL\n".to_owned();
    // What testinfra cannot say of a thing that is not there, it raises.
    let mut python = "import testinfra\nh = testinfra.get_host('local://')\ndef t(f):\n  try: return f()\n  except Exception: return False\n".to_owned();
    for twin in twins {
        let id = &twin.id;
        match &twin.other {
            Other::Plugin(command) => {
                // A log that was not looked at before is only noted.
                let _ = writeln!(
                    script,
                    ": >/tmp/seen; o=$({command} 2>&1); echo \"{id} $? $o\" | head -n 1"
                );
            }
            Other::Testinfra(expression) => {
                let _ = writeln!(python, "print('{id}', 0 if t(lambda: {expression}) else 2)");
            }
        }
    }
    machines.put("h01", "/tmp/infra.py", &python);
    script.push_str("python3 /tmp/infra.py\n");
    machines.put("h01", "/tmp/others.sh", &script);
    let said = machines.at("h01", "sh /tmp/others.sh");
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (id, code) = (words.next()?.to_owned(), words.next()?);
        let status = match code {
            "0" => "ok",
            "1" => "warn",
            "2" => "fail",
            _ => "unknown",
        };
        Some((id, status.to_owned()))
    };
    said.lines().filter_map(line).collect()
}

#[test]
fn checks_agree_with_monitoring_plugins_and_testinfra_on_the_same_machine() {
    let machines = Machines::start(1);
    install(&machines, "h01");
    prepare(&machines, "h01");
    machines.at(
        "h01",
        "printf '1.00 1.00 3.00 1/99 999\\n' >/run/loadavg; mount --bind /run/loadavg /proc/loadavg
         printf 'Filename Type Size Used Priority\\n/swap file 1000000 500000 -2\\n' >/run/swaps; mount --bind /run/swaps /proc/swaps
         # A server of the time, and the client whose clock is asked about; neither may set the clock of all.
         printf 'local stratum 5\nallow\nbindaddress 127.0.0.1\ncmdport 0\nbindcmdaddress /\npidfile /run/chrony-server.pid\n' >/run/server.conf
         printf 'server 127.0.0.1 iburst\nport 0\ncmdport 0\npidfile /run/chrony-client.pid\nbindcmdaddress /run/chrony/chronyd.sock\n' >/run/client.conf
         mkdir -p -m 0750 /run/chrony; chmod 0750 /run/chrony
         chronyd -x -u root -f /run/server.conf && chronyd -x -u root -f /run/client.conf && chronyc waitsync 60 1 0 1 || exit 1
         for n in 1 2 3; do systemd-run -q --unit=sleep-$n sleep infinity; done",
    );
    let mut twins = numbers(&machines);
    twins.extend(network());
    twins.extend(states());
    let list: Vec<(String, String)> = twins.iter().map(|twin| (twin.id.clone(), twin.check.clone())).collect();
    checks(&machines, "twins", "h01", &list, "");
    let ran = machines.run(&["run", "runbooks/twins.yml", "--yes"]);
    let (ours, theirs) = (found(&machines), others(&machines, &twins));
    let (mut wrong, mut agreed, mut explained) = (Vec::new(), 0, 0);
    for twin in &twins {
        let own = ours.get(&("h01".to_owned(), twin.id.clone()));
        let (own, other) = (
            own.map(|(status, ..)| status.as_str()),
            theirs.get(&twin.id).map(String::as_str),
        );
        match (own == other && own.is_some(), twin.why) {
            (true, _) => agreed += 1,
            (false, Some(why)) => {
                println!("{}: ours {own:?}, theirs {other:?}: {why}", twin.id);
                explained += 1;
            }
            (false, None) => wrong.push(format!("{}: ours {own:?}, theirs {other:?}: {}", twin.id, twin.check)),
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), ran.said);
    assert!(
        explained <= 8 && agreed >= 100,
        "{agreed} agreed, {explained} explained"
    );
    figures::print(
        "machines: checks beside monitoring-plugins and testinfra: same verdict",
        format!("{agreed} of {}", agreed + explained),
        None,
    );
}
