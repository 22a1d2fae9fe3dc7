//! `restart-hosts.yml` and `restart-services.yml`: real boots, and services that really go on with libraries that were replaced.

use crate::figures;
use crate::machines::Machines;

fn web(n: usize) -> Machines {
    let machines = Machines::start_with_more(n);
    machines.log_in(|_| "user: deploy, labels: { role: web }".to_owned());
    machines.library();
    for host in machines.hosts.keys() {
        machines.at(
            host,
            "echo 'server { listen 80; root /srv; }' >/etc/nginx/conf.d/shop.conf; echo here >/srv/index.html; systemctl -q enable --now nginx",
        );
    }
    machines
}

/// Replaces a library by a copy of itself, as an update does: who runs has the former one mapped.
const REPLACE: &str =
    r#"f=$(readlink -f "$(ldconfig -p | sed -n 's/.*libpcre2-8.so.0 .*=> //p')"); cp "$f" "$f.new"; mv "$f.new" "$f""#;

#[test]
fn hosts_restart_one_first_and_those_that_prove_that_they_need_not_are_left_alone() {
    let machines = web(3);
    machines.at(
        "h01",
        "touch /run/reboot-required; echo linux-image >/run/reboot-required.pkgs",
    );
    machines.at(
        "h02",
        "mkdir -p /usr/share/update-notifier; touch /usr/share/update-notifier/notify-reboot-required",
    );
    let boots = || ["h01", "h02", "h03"].map(|host| machines.boots(host).len());
    let said = machines.follow("docs/runbooks/restart-hosts.md");
    assert_eq!(boots(), [2, 1, 2], "{said}");
    let states = machines.states();
    assert_eq!(
        (states["h01"].as_str(), states["h02"].as_str()),
        ("ok", "not_needed"),
        "{said}"
    );
    assert!(said.contains("Left behind: nothing"), "{said}");

    // Nothing restarts where packages are half-installed; and one whose application does not come back stays out of service.
    machines.at(
        "h03",
        "mkdir -p /tmp/t/DEBIAN; printf 'Package: torn\\nVersion: 1\\nArchitecture: all\\nMaintainer: T <t@localhost>\\nDescription: t\\n' \
         >/tmp/t/DEBIAN/control; printf '#!/bin/sh\\nexit 1\\n' >/tmp/t/DEBIAN/postinst; chmod 755 /tmp/t /tmp/t/DEBIAN /tmp/t/DEBIAN/postinst; \
         dpkg-deb -b /tmp/t /tmp/t.deb >/dev/null; dpkg -i /tmp/t.deb >/dev/null 2>&1 || true",
    );
    let run = "pitstop run runbooks/restart-hosts.yml --yes --set select=role=web --set restart=always \
               --set health='curl -fsS http://localhost/' --set drain='touch /root/out' --set undrain='rm /root/out'";
    let ran = machines.types(&format!("{run} --limit host=h03"));
    assert!(ran.code == 3 && ran.said.contains("half-installed"), "{ran:?}");
    machines.at("h01", "systemctl -q disable nginx");
    let ran = machines.types(&format!("{run} --limit host=h01,h02"));
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert_eq!(boots(), [3, 1, 2], "{}", ran.said);
    assert_eq!(machines.states()["h01"], "held", "{}", ran.said);
    assert_eq!(machines.at("h01", "ls /root/out"), "/root/out");
    // A person puts it right; the run goes on where it was, and asks before the next.
    machines.at("h01", "systemctl start nginx");
    let ran = machines.types("pitstop resume last");
    assert_eq!(
        machines.at("h01", "ls /root/out 2>/dev/null || echo in"),
        "in",
        "{}",
        ran.said
    );
    assert_eq!(boots(), [3, 1, 2], "nothing restarts twice: {}", ran.said);
}

#[test]
fn services_with_replaced_libraries_are_found_restarted_and_proven() {
    let machines = web(3);
    // On one needrestart is asked.
    machines.at("h02", "dpkg -i /opt/needrestart/*.deb >/root/log 2>&1; systemctl restart nginx ssh dbus systemd-logind systemd-journald");
    for host in ["h01", "h02"] {
        machines.at(host, REPLACE);
    }
    let pid = |host: &str| machines.shows(host, "nginx", "MainPID");
    let before = ["h01", "h02", "h03"].map(pid);
    let said = machines.follow("docs/runbooks/restart-services.md");
    let states = machines.states();
    // What may not be restarted by itself still uses it: dbus, and the first process.
    assert_eq!(
        ["h01", "h02", "h03"].map(|host| states[host].as_str()),
        ["warned", "warned", "not_needed"],
        "{said}"
    );
    for (host, (before, changed)) in ["h01", "h02", "h03"].iter().zip(before.iter().zip([true, true, false])) {
        assert_eq!(pid(host) != *before, changed, "{host}: {said}");
        let maps = format!("grep -c 'pcre2.*deleted' /proc/{}/maps || true", pid(host));
        assert_eq!(machines.at(host, &maps), "0", "{host}");
    }
    figures::print(
        "machines: services that used a replaced library",
        "found without and with needrestart, restarted, proven",
        None,
    );

    // A service that cannot start again: it is said, and the next host is not touched.
    for host in ["h01", "h02"] {
        machines.at(host, REPLACE);
    }
    machines.at("h01", "echo nonsense >/etc/nginx/conf.d/broken.conf");
    let ran = machines.types(
        "pitstop run runbooks/restart-services.yml --yes --set select=role=web --set leave='dbus.service,s*.service'",
    );
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert_eq!(machines.states()["h01"], "broken", "{}", ran.said);
    let after = pid("h02");
    assert!(
        machines.at("h02", &format!("grep -c 'pcre2.*deleted' /proc/{after}/maps")) != "0",
        "{}",
        ran.said
    );
}
