//! `free-disk-space.yml` on a disk that is really full, with everything in the way that may lie there.

use crate::figures;
use crate::machines::Machines;
use crate::packages::TOOLS;

/// A file system of its own for /var, of 128 MiB, nearly full: half of it may go. And what must stay.
const FULL: &str = r#"
mount -t tmpfs -o size=128m,mode=755 tmpfs /mnt; cp -a /var/. /mnt/; mount --move /mnt /var
mib() { head -c "$1"M /dev/zero >"$2"; }
mkdir -p /var/crash /root/far /var/log/app
mib 9 /var/cache/apt/archives/lab-demo_0.9_all.deb; mib 1 /var/cache/apt/archives/lock.other
mib 9 /var/log/app/app.log.1; mib 1 /var/log/app/app.log; mib 9 "/var/log/app/two words.gz"; mib 9 /var/log/-rf.gz
mib 9 "/var/log/line
break.gz"; mib 9 '/var/log/$(touch x);*.gz'; mib 9 /var/crash/core.17
echo keep >/root/far/precious.gz; ln -s /root/far/precious.gz /var/log/link.gz; ln -s /root/far /var/log/folder
echo keep >/var/lib/second-name; ln /var/lib/second-name /var/log/second-name.gz
mkdir /var/log/other; mount -t tmpfs tmpfs /var/log/other; mib 1 /var/log/other/not-here.gz
mv /var/lib/systemd/coredump /root/coredump 2>/dev/null; mkdir -p /root/coredump; mib 1 /root/coredump/core; ln -s /root/coredump /var/lib/systemd/coredump
sleep 0.1; journalctl --rotate
"#;

/// Holds dpkg's lock, as a package manager at work does.
const LOCK: &str = "use Fcntl; my $lock = pack('ssx4qqix4', F_WRLCK, 0, 0, 0, 0);\n\
                    open(F, '+<', '/var/lib/dpkg/lock-frontend') && fcntl(F, F_SETLK, $lock) or die;\n\
                    open(D, '>', '/root/locked'); sleep 600;";

/// Everything that must be there afterwards as it was.
const STAYS: &str = "cat /root/far/precious.gz /var/lib/second-name; ls /var/log/link.gz /var/log/folder/precious.gz /var/log/second-name.gz \
                     /var/log/other/not-here.gz /var/log/app/app.log /root/coredump/core /var/cache/apt/archives/lock.other";

fn gone(machines: &Machines, host: &str) -> usize {
    let left = machines.at(
        host,
        "find /var/log /var/crash /var/cache/apt/archives -xdev -size +8M -print0 | tr -cd '\\0' | wc -c; \
         find /var/log/journal -name '*@*' | wc -l",
    );
    left.lines().map(|n| n.parse::<usize>().unwrap()).sum()
}

#[test]
fn room_is_made_and_nothing_goes_that_was_not_listed() {
    let machines = Machines::start_with_more(2);
    machines.log_in(|_| "user: deploy, labels: { env: prod }".to_owned());
    machines.library();
    let runs = machines.at("h01", "uname -r");
    for host in ["h01", "h02"] {
        machines.at(host, FULL);
        let kernels = format!(
            "{TOOLS}\nfor v in 5.10.0-1-amd64 6.1.0-9-amd64 {runs} 99.0.0-1-amd64; do deb linux-image-$v 1 :; done; index"
        );
        machines.at(host, &kernels);
        machines.at(host, "apt-get install -q -y 'linux-image-[0-9]*' >/dev/null 2>&1; mkdir -p /root/before; dpkg-query -W >/root/before/list");
    }
    let stays = machines.at("h01", STAYS);
    let run = "pitstop run runbooks/free-disk-space.yml --yes --set select=env=prod --set path=/var";
    let kernels = |host: &str| {
        machines.at(
            host,
            "dpkg-query -W -f '${db:Status-Status} ${Package}\\n' 'linux-image-*' | sort -V",
        )
    };
    let all = kernels("h01");

    // More than this mode may remove; a kind that there is not; files that are young.
    let ran = machines.types(&format!(
        "{run} --mode unattended --set days=0 --set free_mb=40 --set most_mb=20"
    ));
    assert!(
        ran.code == 3 && ran.said.contains("h01  free/precheck/little  failed"),
        "{}",
        ran.said
    );
    let ran = machines.types(&format!("{run} --mode unattended --set what=/home"));
    assert_eq!(ran.code, 2, "{}", ran.said);
    let young = format!("{run} --mode unattended --set what=logs,crashes --limit host=h01");
    machines.at("h01", "touch -d '90 days ago' /var/log/-rf.gz"); // an old date, on a file of today
    let ran = machines.types(&format!("{young} --set free_mb=40"));
    assert_eq!(
        (ran.code, machines.states()["h01"].as_str()),
        (1, "held"),
        "too little came of it: {}",
        ran.said
    );
    assert!(gone(&machines, "h01") >= 8, "nothing went: {}", ran.said);
    let settled = machines.types("pitstop owed --clean last");
    assert_eq!(settled.code, 0, "{}", settled.said);

    // What comes after the list stays, also where people say yes to the list later.
    let ran = machines.types(&format!(
        "{run} --mode asked --set days=0 --set free_mb=40 --limit host=h02"
    ));
    assert_eq!(ran.code, 5, "{}", ran.said);
    machines.at("h02", "head -c 1M /dev/zero >/var/log/later.gz");
    let ran = machines
        .types("pitstop approve last --key ~/.ssh/id_ed25519 --operator anna@example.com && pitstop resume last");
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert_eq!(machines.at("h02", "ls /var/log/later.gz"), "/var/log/later.gz");
    assert_eq!(gone(&machines, "h02"), 0, "{}", ran.said);

    // While somebody installs packages nothing is removed.
    machines.put("h01", "/root/lock.pl", LOCK);
    machines.at("h01", "systemd-run -q --unit dpkg-lock perl /root/lock.pl");
    machines.until("dpkg is locked", || {
        machines.try_at("h01", "test -e /root/locked").code == 0
    });
    let ran = machines.types(&format!("{run} --mode unattended --set days=0 --set free_mb=40"));
    assert!(
        ran.code == 3 && ran.said.contains("Unable to acquire the dpkg frontend lock"),
        "{}",
        ran.said
    );
    assert_eq!(machines.states()["h01"], "refused", "{}", ran.said);
    machines.at("h01", "systemctl stop dpkg-lock");

    // No byte is free. A program holds one of them open: it is named, and its room does not come.
    machines.at(
        "h01",
        "systemd-run -q --unit holder sh -c 'exec sleep infinity 7</var/log/app/app.log.1'",
    );
    machines.at(
        "h01",
        "cat /dev/zero >/var/lib/filler 2>/dev/null; ! echo x >/var/lib/one-more 2>/dev/null",
    );
    let said = machines.follow("docs/runbooks/free-disk-space.md");
    let states = machines.states();
    assert_eq!(
        (states["h01"].as_str(), states["h02"].as_str()),
        ("warned", "not_needed"),
        "{said}"
    );
    for host in ["h01", "h02"] {
        assert_eq!(gone(&machines, host), 0, "{host}: {said}");
        assert_eq!(machines.at(host, STAYS), stays, "{host}: {said}");
        assert_eq!(
            kernels(host),
            all.replace(
                "installed linux-image-5.10.0-1-amd64\ninstalled linux-image-6.1.0-9-amd64\n",
                ""
            ),
            "{host}: {said}"
        );
        assert!(kernels(host).contains(&runs), "the kernel that runs stays");
    }
    let held = machines.types("pitstop logs last h01");
    assert!(held.said.contains("9 MiB held by sleep"), "{}", held.said);
    assert!(held.said.contains("line?break.gz"), "{}", held.said);
    let free = machines.at("h01", "df -Pk /var | awk 'NR == 2 { print int($4 / 1024) }'");
    figures::print(
        "machines: a full disk",
        format!("{free} of 128 MiB free again, nothing gone that was not listed"),
        None,
    );
}
