//! `baseline-drift.yml` and `clocks-and-certificates.yml` on whole machines: what differs is found, what cannot be read is never equal.

use crate::checks::{found, install_only};
use crate::figures;
use crate::machines::Machines;

const COMPARE: &str =
    "pitstop run runbooks/baseline-drift.yml --set select=role=web --set-file baseline=baselines/web.txt";

/// What a check of the last run said on a host: its status, and its whole output.
fn said(machines: &Machines, host: &str, step: &str) -> (String, String) {
    let status = found(machines)
        .get(&(host.to_owned(), step.to_owned()))
        .map_or_else(String::new, |(status, ..)| status.clone());
    let logs = machines.types(&format!("pitstop logs last {host} {step}"));
    assert_eq!(logs.code, 0, "{}", logs.said);
    (status, logs.said)
}

/// A way to spoil a machine, and what must be said of it.
const DRIFT: &[(&str, &str)] = &[
    (
        "chmod 444 /etc/sudoers.d/README",
        "file /etc/sudoers.d/README: mode 0444, not 0440",
    ),
    (
        "echo '# more' >>/etc/ssh/sshd_config",
        "file /etc/ssh/sshd_config: its content is another",
    ),
    (
        "chown deploy /etc/fstab",
        "file /etc/fstab: owner deploy:root, not root:root",
    ),
    (
        "rm /etc/cron.d/e2scrub_all",
        "file /etc/cron.d/e2scrub_all: is not there",
    ),
    (
        "echo 'ops ALL=NOPASSWD: ALL' >/etc/sudoers.d/zz; chmod 440 /etc/sudoers.d/zz",
        "file /etc/sudoers.d/zz: is new",
    ),
    ("useradd -m -u 1777 intruder", "user intruder: is new: 1777 1777"),
    ("usermod -aG sudo ops", "user ops: groups=ops,sudo, not groups=ops"),
    (
        "usermod -s /bin/sh games",
        "user games: shell /bin/sh, not /usr/sbin/nologin",
    ),
    (
        "apt-get -q -y remove lab-demo >/dev/null 2>&1",
        "package lab-demo: is not there",
    ),
    (
        "systemctl -q enable systemd-pstore debug-shell",
        "unit debug-shell.service: is new: enabled",
    ),
    (
        "echo 1 >/proc/sys/net/ipv4/ip_forward",
        "sysctl net.ipv4.ip_forward: 1, not 0",
    ),
    (
        "mkdir -p /srv/x; mount -t tmpfs none /srv/x",
        "mount /srv/x: is new: none tmpfs rw",
    ),
    (
        "systemd-run -q --unit listens --socket-property=ListenStream=0.0.0.0:8080 sleep 1000",
        "port tcp/0.0.0.0:8080: is new: listening",
    ),
];

#[test]
fn what_differs_from_the_baseline_is_named_what_is_accepted_ends_and_what_cannot_be_read_is_never_equal() {
    let machines = Machines::start(2);
    machines.log_in(|_| "user: deploy, labels: { role: web }".to_owned());
    machines.library();
    for host in machines.hosts.keys() {
        machines.at(host, "echo 0 >/proc/sys/net/ipv4/ip_forward; echo >/etc/fstab");
    }
    machines.follow("docs/runbooks/baseline-drift.md");

    // Everything that drifts on one host is named there, and on the other nothing.
    let began = std::time::Instant::now();
    for (spoil, _) in DRIFT {
        machines.at("h02", spoil);
    }
    let ran = machines.types(COMPARE);
    assert_eq!(ran.code, 3, "{}", ran.said);
    let (status, all) = said(&machines, "h02", "drift");
    assert_eq!(status, "fail");
    for (spoil, words) in DRIFT {
        assert!(all.contains(&format!("- {words}")), "{spoil}: {words}: {all}");
    }
    assert_eq!(machines.states()["h01"], "ok", "{}", ran.said);
    let page = machines.types("pitstop report last --format md").said;
    assert!(
        page.contains("user intruder: is new") && page.contains("port tcp/0.0.0.0:8080"),
        "{page}"
    );
    figures::print(
        "machines: ways in which a server drifts from its baseline",
        format!(
            "{} of {} named, in {} s",
            DRIFT.len(),
            DRIFT.len(),
            began.elapsed().as_secs()
        ),
        None,
    );

    // The reference host says the same without a baseline.
    let ran = machines.types("pitstop run runbooks/baseline-drift.yml --set select=role=web --set reference=h01");
    assert!(
        ran.code == 3 && said(&machines, "h02", "drift").1.contains("- user intruder: is new"),
        "{}",
        ran.said
    );
    assert_eq!(machines.states()["h01"], "ok");

    // Accepted, one by one and for a time; the last day counts, the day after does not.
    let today = machines.at("h01", "date -u +%F");
    let day = |word: &str| machines.at("h01", &format!("date -u -d '{word}' +%F"));
    let except = |until: &str| {
        machines.file(
            "baselines/accepted.txt",
            &format!("# what is known\nh02 * *: until {until}, the new shop\n"),
        );
        let ran = machines.types(&format!("{COMPARE} --set-file exceptions=baselines/accepted.txt"));
        (
            ran.code,
            machines.states()["h02"].clone(),
            said(&machines, "h02", "drift").1,
        )
    };
    let (code, state, words) = except("2099-12-31");
    assert!(
        (code, state.as_str()) == (0, "ok") && words.contains("accepted until 2099-12-31: the new shop"),
        "{words}"
    );
    let (code, state, words) = except(&today);
    assert!(
        (code, state.as_str()) == (0, "warned") && words.contains("ends"),
        "{words}"
    );
    let (code, state, words) = except(&day("yesterday"));
    assert!(
        (code, state.as_str()) == (3, "failed") && words.contains("its exception ended"),
        "{words}"
    );
    for (line, why) in [
        ("h02 user intruder: until soon, x", "an exception says"),
        ("h02 user intruder: until 2099-12-31", "an exception says"),
        ("", "differ"),
    ] {
        machines.file("baselines/accepted.txt", line);
        let ran = machines.types(&format!("{COMPARE} --set-file exceptions=baselines/accepted.txt"));
        let (_, words) = said(&machines, "h02", "drift");
        assert!(ran.code == 3 && words.contains(why), "{line}: {words}");
    }

    // What cannot be read: a tool that is missing, a file that only root may read, a baseline that says nothing or nonsense.
    machines.at("h01", "mv /usr/bin/ss /usr/bin/ss.gone");
    let ran = machines.types(COMPARE);
    let (status, words) = said(&machines, "h01", "drift");
    assert!(
        ran.code == 3 && status == "unknown" && words.contains("it has no `ss`"),
        "{words}"
    );
    let ran = machines.types("pitstop run runbooks/note-baseline.yml --set select=host=h01");
    assert_eq!(ran.code, 3, "a baseline with a hole: {}", ran.said);
    machines.at("h01", "mv /usr/bin/ss.gone /usr/bin/ss");
    let runbook = std::fs::read_to_string(machines.path("runbooks/baseline-drift.yml")).unwrap();
    machines.file(
        "runbooks/baseline-drift.yml",
        &runbook
            .replace("become: true, ", "")
            .replace("        become: true\n", ""),
    );
    let ran = machines.types(COMPARE);
    let (status, words) = said(&machines, "h01", "drift");
    assert!(ran.code == 3 && status == "unknown", "{words}");
    assert!(
        words.contains("4 cannot be read")
            && words.contains("not known: file /etc/sudoers: its content cannot be read"),
        "{words}"
    );
    for text in ["", "# nothing\n", "only everything\n", "file etc/passwd: absent\n"] {
        machines.file("baselines/odd.txt", text);
        let ran = machines.types(&COMPARE.replace("web.txt", "odd.txt"));
        let code = if text.is_empty() { 2 } else { 3 };
        assert_eq!(ran.code, code, "{text:?}: {}", ran.said);
        if code == 3 {
            assert_eq!(said(&machines, "h01", "drift").0, "unknown", "{text:?}");
        }
    }
    assert_eq!(
        machines.at("h01", "ls -d /tmp/tmp.* 2>/dev/null || true"),
        "",
        "left behind"
    );
}

const LOOK: &str = "pitstop run runbooks/clocks-and-certificates.yml --set ca=/opt/ca.pem --set select=role=web";

/// A certificate authority on h01, whose `issue NAME BEGIN END [KEY]` makes certificates of any time.
const CA: &str = r#"#!/bin/sh
set -e
cd /opt
[ -e ca.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout ca.key -out ca.pem -days 900 -subj /CN=Lab 2>/dev/null
mkdir -p new certs; [ -e index ] || { : >index; echo 01 >serial; }
printf '[ca]\ndefault_ca=l\n[l]\ndatabase=/opt/index\nserial=/opt/serial\nnew_certs_dir=/opt/new\ncertificate=/opt/ca.pem\nprivate_key=/opt/ca.key\ndefault_md=%s\npolicy=p\nunique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:%s\n' "${MD:-sha256}" "$1" >ca.cnf
openssl req -newkey ${4:-ec -pkeyopt ec_paramgen_curve:prime256v1} -noenc -keyout "certs/$1.key" -out request -subj "/CN=$1" 2>/dev/null
openssl ca -batch -config ca.cnf -in request -out "certs/$1.pem" -notext -startdate "$(date -u -d "$2" +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$3" +%Y%m%d%H%M%SZ)" 2>/dev/null
"#;

#[test]
fn clocks_that_are_wrong_and_certificates_that_end_are_found_and_what_cannot_be_read_is_no_pass() {
    let machines = Machines::start(3);
    machines.log_in(|host| {
        let role = if host == "h03" { "time" } else { "web" };
        format!("user: deploy, labels: {{ role: {role} }}")
    });
    machines.library();
    let began = std::time::Instant::now();
    let client = format!(
        "server {} iburst minpoll 0 maxpoll 1\nmakestep 1 3",
        machines.hosts["h03"]
    );
    for (host, conf) in [("h03", "local stratum 3\nallow"), ("h01", &client), ("h02", &client)] {
        install_only(&machines, host, &["chrony", "openssl", "libssl3"]);
        // It may not set the clock of the machine under the test.
        machines.put(host, "/etc/chrony/chrony.conf", conf);
        machines.at(
            host,
            "install -d -m 750 /run/chrony; systemd-run -q --unit timekeeper chronyd -x -d -u root",
        );
    }
    machines.until("both have a clock", || {
        ["h01", "h02"].iter().all(|host| {
            let said = machines.try_at(host, "chronyc -n -c tracking").said;
            said.trim_end().ends_with("Normal")
        })
    });
    machines.put("h01", "/usr/sbin/issue", CA);
    machines.at("h01", "chmod 755 /usr/sbin/issue; issue shop '1 day ago' '60 days'; mkdir -p /etc/ssl; cp /opt/certs/shop.pem /etc/ssl/shop.pem");
    let pem = machines.at("h01", "cat /opt/ca.pem");
    machines.put("h02", "/opt/ca.pem", &pem);
    let shop = machines.at("h01", "cat /opt/certs/shop.pem");
    machines.put("h02", "/etc/ssl/shop.pem", &shop);
    machines.at("h01", "systemd-run -q --unit tls openssl s_server -accept 443 -cert /opt/certs/shop.pem -key /opt/certs/shop.key -quiet");
    machines.until("a port speaks TLS", || {
        machines
            .try_at(
                "h01",
                "openssl s_client -connect 127.0.0.1:443 </dev/null 2>&1 | grep -q BEGIN.CERT",
            )
            .code
            == 0
    });
    let text = machines.follow("docs/runbooks/clocks-and-certificates.md");
    let (_, words) = said(&machines, "h01", "certificates");
    assert!(
        words.contains("port 127.0.0.1:443: CN=shop") || words.contains("2 certificates"),
        "{words} {text}"
    );

    // Clocks.
    machines.put(
        "h02",
        "/opt/date",
        "#!/bin/sh\ncase $* in *+%s*) echo $(($(/usr/bin/date +%s) + 40)) ;; *) exec /usr/bin/date \"$@\" ;; esac",
    );
    let clock = |spoil: &str, mend: &str, status: &str, why: &str| {
        machines.at("h02", spoil);
        let ran = machines.types(LOOK);
        let found = found(&machines)[&("h02".to_owned(), "clock".to_owned())].clone();
        machines.at("h02", mend);
        assert!(
            found.0 == status && found.1.contains(why),
            "{spoil}: {found:?} {}",
            ran.said
        );
        assert_eq!(machines.states()["h01"], "ok", "{}", ran.said);
        assert_eq!(ran.code, 3, "{}", ran.said);
    };
    clock(
        "cp /opt/date /usr/local/bin/date; chmod 755 /usr/local/bin/date",
        "rm /usr/local/bin/date",
        "fail",
        "ahead of that of the control machine",
    );
    clock(
        "cp /usr/bin/sleep /opt/ntpd; systemd-run -q --unit second /opt/ntpd 1000",
        "systemctl stop second",
        "fail",
        "several programs set the clock: chronyd, ntpd",
    );
    clock(
        "systemctl stop timekeeper",
        "systemctl reset-failed timekeeper 2>/dev/null; echo >/etc/chrony/chrony.conf; systemd-run -q --unit timekeeper chronyd -x -d -u root; until chronyc -n -c tracking >/dev/null 2>&1; do sleep 0.05; done",
        "unknown",
        "neither chronyd, ntpd nor systemd-timesyncd answers",
    );
    clock("true", "true", "fail", "the clock is not set by any source");

    // Certificates, each in a file and one at a port.
    for (issue, status, why) in [
        (
            "issue old '90 days ago' '3 days ago'",
            "fail",
            "CN=old is over since 3 days",
        ),
        ("issue soon '1 day ago' '5 days'", "fail", "CN=soon is over in "),
        ("issue later '1 day ago' '20 days'", "warn", "CN=later is over in "),
        (
            "issue early '20 minutes' '60 days'",
            "fail",
            "is the clock of this host or of the issuer wrong?",
        ),
        (
            "issue short '1 day ago' '60 days' rsa:1024",
            "fail",
            "weak key: RSA of 1024 bits",
        ),
        ("MD=sha1 issue sha '1 day ago' '60 days'", "fail", "weak signature: "),
    ] {
        let name = issue.split(' ').skip_while(|w| *w != "issue").nth(1).unwrap();
        machines.at("h01", &format!("{issue}; cp /opt/certs/{name}.pem /etc/ssl/"));
        let ran = machines.types(&format!("{LOOK} --limit host=h01"));
        let (got, words) = said(&machines, "h01", "certificates");
        machines.at("h01", &format!("rm /etc/ssl/{name}.pem"));
        assert!(
            got == status && words.contains(why),
            "{issue}: {got} {words} {}",
            ran.said
        );
    }
    machines.at("h01", "echo long-enough >/root/pw");
    for (spoil, places, status, why) in [
        (
            "true",
            "port 127.0.0.1:443 other",
            "fail",
            "the certificate is not for other, but for DNS:shop",
        ),
        (
            "true",
            "port 127.0.0.1:22",
            "fail",
            "port 127.0.0.1:22 shows no certificate",
        ),
        (
            "true",
            "file /etc/nowhere.pem",
            "unknown",
            "there is no file /etc/nowhere.pem",
        ),
        (
            "true",
            "file /etc/hostname",
            "unknown",
            "/etc/hostname holds no certificate",
        ),
        ("true", "file /etc/nowhere/*.pem", "unknown", "nothing was looked at"),
        (
            "openssl req -x509 -newkey rsa:2048 -noenc -keyout /dev/null -out /etc/self.pem -days 60 -subj /CN=self 2>/dev/null",
            "file /etc/self.pem",
            "fail",
            "does not lead to a root that is trusted here: self-signed certificate",
        ),
        (
            "cd /opt/certs; openssl pkcs12 -export -in shop.pem -inkey shop.key -passout pass:other -out /etc/shop.p12",
            "keystore /etc/shop.p12",
            "unknown",
            "the password does not open it",
        ),
        (
            "printf '\\376\\355\\376\\355more' >/etc/shop.jks",
            "keystore /etc/*.jks",
            "unknown",
            "Java's own (JKS)",
        ),
    ] {
        machines.at("h01", spoil);
        let ran = machines.types(&format!(
            "{LOOK} --limit host=h01 --set password=/root/pw --set 'places={places}'"
        ));
        let step = "certificates";
        let (got, words) = said(&machines, "h01", step);
        assert!(
            ran.code == 3 && got == status && words.contains(why),
            "{places}: {got} {words} {}",
            ran.said
        );
    }
    machines.at("h01", "cd /opt/certs; openssl pkcs12 -export -in shop.pem -inkey shop.key -passout pass:long-enough -out /etc/shop.p12");
    let ran = machines.types(&format!(
        "{LOOK} --limit host=h01 --set password=/root/pw --set 'places=keystore /etc/*.p12'"
    ));
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert_eq!(
        machines.at("h01", "ls -d /tmp/tmp.* 2>/dev/null || true"),
        "",
        "left behind"
    );
    figures::print(
        "machines: clocks and certificates that are not good",
        format!("18 of 18 found, in {} s", began.elapsed().as_secs()),
        None,
    );
}
