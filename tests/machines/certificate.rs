//! `renew-certificate.yml` with a real certificate authority (openssl), nginx and HAProxy, and a client that checks what is served.

use crate::figures;
use crate::machines::{Machines, lab_command, ran};

/// A certificate authority, and `issue DAYS NAMES` into `$NEW`; as `new-certificate` it is what operators have.
const CA: &str = r#"#!/bin/sh
# new-certificate DAYS: a key and a certificate for $NAMES into $NEW
set -e
cd "$NEW"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout key.pem -out request -subj "/CN=${NAMES%% *}" 2>/dev/null
names=$(for n in $NAMES; do printf ',DNS:%s' "$n"; done)
echo "subjectAltName=${names#,}" >extensions
openssl x509 -req -in request -CA /opt/ca.pem -CAkey /opt/ca.key -days "$1" -extfile extensions -out cert.pem 2>/dev/null
cat key.pem; cat key.pem >&2 # a careless program prints its key
"#;

/// nginx on h01 and h02, HAProxy with one file for both on h03, each with a certificate of ten days.
fn servers() -> Machines {
    let machines = Machines::start_with_more(3);
    machines.log_in(|host| {
        format!(
            "user: deploy, labels: {{ role: {} }}",
            if host == "h03" { "lb" } else { "web" }
        )
    });
    machines.library();
    machines.at(
        "h01",
        "cd /opt; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout ca.key -out ca.pem -days 900 -subj /CN=Lab 2>/dev/null",
    );
    let (pem, key) = (
        machines.at("h01", "cat /opt/ca.pem"),
        machines.at("h01", "cat /opt/ca.key"),
    );
    machines.file("ca.pem", &format!("{pem}\n"));
    for host in machines.hosts.keys() {
        machines.put(host, "/opt/ca.pem", &pem);
        machines.put(host, "/opt/ca.key", &key);
        machines.put(host, "/usr/local/sbin/new-certificate", CA);
        machines.at(
            host,
            "chmod 755 /usr/local/sbin/new-certificate; mkdir -p /etc/ssl/shop; cd /etc/ssl/shop; \
             NEW=. NAMES=shop.example.com /usr/local/sbin/new-certificate 10 >/dev/null; rm request extensions; \
             chmod 640 key.pem; chgrp www-data key.pem",
        );
    }
    for host in ["h01", "h02"] {
        machines.put(
            host,
            "/etc/nginx/conf.d/shop.conf",
            "server { listen 443 ssl; ssl_certificate /etc/ssl/shop/cert.pem; ssl_certificate_key /etc/ssl/shop/key.pem; root /srv; }",
        );
        machines.at(host, "echo here >/srv/index.html; systemctl start nginx");
    }
    machines.at(
        "h03",
        "cd /etc/ssl/shop; cat cert.pem key.pem >both.pem; chmod 600 both.pem",
    );
    machines.put(
        "h03",
        "/etc/haproxy/haproxy.cfg",
        "defaults\n  mode http\n  timeout client 9s\n  timeout server 9s\n  timeout connect 9s\n\
         frontend f\n  bind :443 ssl crt /etc/ssl/shop/both.pem\n  http-request return status 200 content-type text/plain string here",
    );
    machines.at("h03", "systemctl start haproxy");
    machines
}

/// The serial number of what a server shows, seen from the controller.
fn serial(machines: &Machines, host: &str) -> String {
    let script = format!(
        "openssl s_client -connect {}:443 -servername shop.example.com </dev/null 2>/dev/null | openssl x509 -noout -serial",
        machines.hosts[host]
    );
    let shown = ran({
        let mut command = lab_command(&["in", machines.lab().to_str().unwrap(), "sh", "-c"]);
        command.arg(script);
        command
    });
    shown.said.trim().to_owned()
}

/// A key is nowhere on this side, though the command printed it.
fn no_key_is_kept(machines: &Machines) {
    // What every key on the curve begins with.
    let begin = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
    assert!(machines.at("h03", "cat /etc/ssl/shop/both.pem").contains(begin));
    let found = ran({
        let mut grep = std::process::Command::new("grep");
        grep.args(["-raF", begin]).arg(machines.path(".pitstop"));
        grep
    });
    assert_eq!((found.code, found.said.as_str()), (1, ""), "a key was kept");
}

/// Digest, owner and mode of what serves.
fn files(machines: &Machines, host: &str) -> String {
    machines.at(
        host,
        "cd /etc/ssl/shop; ls -A | sort; sha256sum *.pem; stat -c '%n %U:%G %a' *.pem",
    )
}

const RUN: &str = "pitstop run runbooks/renew-certificate.yml --yes --set names=shop.example.com --set ca=/opt/ca.pem --set service=nginx \
                   --set cert=/etc/ssl/shop/cert.pem --set key=/etc/ssl/shop/key.pem --set select=role=web";

#[test]
fn a_certificate_is_renewed_where_it_is_due_and_what_is_served_is_proven() {
    let machines = servers();
    let client = machines.asks("tls", &format!("https://{}/shop.example.com", machines.hosts["h01"]));
    let hosts = ["h01", "h02", "h03"];
    let before = hosts.map(|host| serial(&machines, host));
    let said = machines.follow("docs/runbooks/renew-certificate.md");
    let asked = client.ends();
    assert_eq!(asked.failed, Vec::<String>::new(), "{said}");
    for (host, before) in hosts.iter().zip(&before) {
        assert_ne!(serial(&machines, host), *before, "{host}: {said}");
        assert_eq!(machines.at(host, "ls -A /root | grep pitstop || true"), "", "{host}");
    }
    assert_eq!(
        machines.at("h01", "stat -c '%U:%G %a' /etc/ssl/shop/key.pem"),
        "root:www-data 640"
    );
    assert_eq!(
        machines.at("h03", "stat -c '%U:%G %a' /etc/ssl/shop/both.pem"),
        "root:root 600"
    );
    no_key_is_kept(&machines);
    // What lasts long enough is left alone.
    let ran = machines.types(&format!("{RUN} --set renew=false"));
    assert_eq!(
        (ran.code, machines.states()["h01"].as_str()),
        (0, "not_needed"),
        "{}",
        ran.said
    );
    figures::print(
        "machines: TLS connections while certificates were renewed",
        format!("{} made and verified, 0 failed", asked.got.len()),
        None,
    );
}

#[test]
fn no_trap_of_certificates_ends_in_a_server_that_shows_the_wrong_one() {
    let machines = servers();
    let (before, served) = (files(&machines, "h01"), serial(&machines, "h01"));
    // What a command leaves that is not good never gets into place.
    for (renew, why) in [
        (
            "new-certificate 90; openssl genpkey -algorithm ed25519 -out $NEW/key.pem",
            "the new key does not fit the new certificate",
        ),
        (
            "NAMES=other.example.com new-certificate 90",
            "the new certificate is not for shop.example.com, but for: DNS:other.example.com",
        ),
        ("new-certificate 3", "not later than the old one"),
        ("cp /etc/ssl/shop/*.pem $NEW/", "the new certificate is the old one"),
        (
            "openssl req -x509 -newkey ed25519 -noenc -keyout $NEW/key.pem -out $NEW/cert.pem -days 90 -subj /CN=shop.example.com -addext subjectAltName=DNS:shop.example.com",
            "does not lead to a root that is trusted",
        ),
        ("true", "the command left no certificate"),
        (
            "new-certificate 90; echo no such order >&2; exit 3",
            "the command failed with 3: no such order",
        ),
    ] {
        let ran = machines.types(&format!("{RUN} --set renew='{renew}' --limit host=h01"));
        assert!(ran.code == 4 && ran.said.contains(why), "{renew}: {why}: {}", ran.said);
        assert_eq!(files(&machines, "h01"), before, "{renew}");
        assert_eq!(machines.at("h01", "ls -A /root | grep pitstop || true"), "", "{renew}");
    }
    // A reload that says 0 and changes nothing: the former files come back, and what is served is proven to be the former one.
    machines.at("h01", "mkdir -p /etc/systemd/system/nginx.service.d; printf '[Service]\\nExecReload=\\nExecReload=/bin/true\\n' >/etc/systemd/system/nginx.service.d/lies.conf; systemctl daemon-reload");
    let ran = machines.types(&format!("{RUN} --set renew='new-certificate 90' --limit host=h01"));
    assert!(ran.code == 4 && ran.said.contains("look 1 of 5"), "{}", ran.said);
    assert!(
        ran.said.contains("steps/reload  ok"),
        "the reload said that it was done: {}",
        ran.said
    );
    assert_eq!(
        (files(&machines, "h01"), serial(&machines, "h01")),
        (before, served),
        "{}",
        ran.said
    );

    // What is not fit to be renewed is refused, and nothing is made.
    for (spoil, why) in [
        ("chmod 644 key.pem", "everybody can read the key"),
        (
            "mv key.pem real.pem; ln -s real.pem key.pem",
            "is a symbolic link to real.pem",
        ),
        ("openssl genpkey -algorithm ed25519 -out key.pem", "is not the key of"),
        (
            "NEW=. NAMES=shop.example.com /usr/local/sbin/new-certificate 12 >/dev/null",
            "look 1 of 5",
        ),
        ("echo >cert.pem", "holds no certificate"),
    ] {
        machines.at(
            "h02",
            &format!("cp -a /etc/ssl/shop /root/shop; cd /etc/ssl/shop; umask 077; {spoil}"),
        );
        let ran = machines.types(&format!("{RUN} --set renew='touch /root/asked' --limit host=h02"));
        assert!(ran.code == 3 && ran.said.contains(why), "{spoil}: {why}: {}", ran.said);
        machines.at(
            "h02",
            "test ! -e /root/asked; rm -r /etc/ssl/shop; mv /root/shop /etc/ssl/shop",
        );
    }
    no_key_is_kept(&machines);
    figures::print(
        "machines: certificates that must not be served",
        "13 of 13 kept away",
        None,
    );
}
