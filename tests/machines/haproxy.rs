//! `patch-behind-haproxy.yml` on a real HAProxy before real web servers, with clients that ask the whole time.

use crate::figures;
use crate::machines::Machines;

const PAGE: &str = "docs/runbooks/patch-behind-haproxy.md";
const POOL: [&str; 4] = ["h02", "h03", "h04", "h05"];

/// HAProxy on h01, nginx on the others. It tries no request again: one that meets a server that is away has failed.
fn pool() -> Machines {
    let machines = Machines::start_with_more(POOL.len() + 1);
    machines.log_in(|host| {
        let role = if host == "h01" { "lb" } else { "web" };
        format!("user: deploy, labels: {{ role: {role} }}")
    });
    machines.library();
    let mut servers = String::new();
    for host in POOL {
        machines.put(
            host,
            "/etc/nginx/conf.d/shop.conf",
            "server { listen 80; root /srv; location /slow { limit_rate 60k; } location /crawl { limit_rate 3k; } }",
        );
        machines.at(
            host,
            &format!("echo {host} >/srv/index.html; (echo {host}; head -c 180000 /dev/zero) >/srv/slow; cp /srv/slow /srv/crawl; systemctl -q enable --now nginx"),
        );
        servers.push_str(&format!("  server {host} {}:80\n", machines.hosts[host]));
    }
    machines.put(
        "h01",
        "/etc/haproxy/haproxy.cfg",
        &format!(
            "global\n  stats socket /run/haproxy/admin.sock mode 660 level admin\n\
             defaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n  retries 0\n\
             frontend shop\n  bind :80\n  default_backend shop\n\
             backend shop\n  balance roundrobin\n  option httpchk GET /\n  use-server h02 if {{ url_param(to) h02 }}\n  default-server check inter 300ms rise 2 fall 2\n{servers}"
        ),
    );
    machines.at("h01", "systemctl start haproxy");
    machines.until("HAProxy has its servers", || shown(&machines) == all("UP"));
    machines
}

/// How HAProxy shows each server.
fn shown(machines: &Machines) -> Vec<String> {
    let stat = machines.at(
        "h01",
        "echo show stat | socat -t5 stdio unix-connect:/run/haproxy/admin.sock",
    );
    let rows = stat.lines().map(|line| line.split(',').collect::<Vec<_>>());
    rows.filter(|row| row.first() == Some(&"shop") && row[1].starts_with('h'))
        .map(|row| format!("{} {}", row[1], row[17]))
        .collect()
}

fn all(status: &str) -> Vec<String> {
    POOL.map(|host| format!("{host} {status}")).to_vec()
}

fn versions(machines: &Machines) -> Vec<String> {
    POOL.map(|host| machines.at(host, "lab-demo")).to_vec()
}

#[test]
fn a_pool_is_patched_and_restarted_and_no_request_fails() {
    let machines = pool();
    // Two prove that they need no restart.
    for host in ["h03", "h04"] {
        machines.at(
            host,
            "mkdir -p /etc/kernel/postinst.d; touch /etc/kernel/postinst.d/unattended-upgrades",
        );
    }
    let url = format!("http://{}/", machines.hosts["h01"]);
    let (quick, slow) = (machines.asks("get", &url), machines.asks("get", &format!("{url}slow")));
    let said = machines.follow(PAGE);
    let (quick, slow) = (quick.ends(), slow.ends());
    assert_eq!((quick.failed, slow.failed), (Vec::new(), Vec::new()), "{said}");
    for host in POOL {
        assert!(
            quick.got.iter().any(|got| got == host),
            "{host} was never asked: {said}"
        );
    }
    assert_eq!(versions(&machines), vec!["lab-demo 1.1"; 4]);
    assert_eq!(POOL.map(|host| machines.boots(host).len()), [2, 1, 1, 2], "{said}");
    assert_eq!(machines.boots("h01").len(), 1);
    assert_eq!(shown(&machines), all("UP"));
    assert!(
        said.contains("Left behind: nothing") || !said.contains("Owed:"),
        "{said}"
    );
    figures::print(
        "machines: requests through HAProxy while its pool was patched and restarted",
        format!(
            "{} asked, of these {} slow ones, 0 failed",
            quick.got.len() + slow.got.len(),
            slow.got.len()
        ),
        None,
    );
}

#[test]
fn a_canary_that_is_not_good_goes_back_and_a_pool_that_is_not_whole_is_left_alone() {
    let machines = pool();
    let run = "pitstop run runbooks/patch-behind-haproxy.yml --yes --set select=role=web --set balancers=role=lb --set backend=shop";
    let order = |what: &str| {
        machines.at(
            "h01",
            &format!("echo set server shop/{what} | socat -t5 stdio unix-connect:/run/haproxy/admin.sock"),
        )
    };
    let url = format!("http://{}/", machines.hosts["h01"]);
    let client = machines.asks("get", &url);

    // Somebody has taken h03 out: the pool is not whole. Told that this may be, it leaves h03 where it is.
    order("h03 state maint");
    let ran = machines.types(run);
    assert!(ran.code == 3 && ran.said.contains("pool-whole"), "{ran:?}");
    let ran = machines.types(&format!("{run} --set away=1 --limit host=h03"));
    assert!(
        ran.code == 3
            && ran
                .said
                .contains("HAProxy shows h03 as MAINT, not UP: somebody took it out"),
        "{ran:?}"
    );
    let ran = machines.types(&format!("{run} --set away=1 --set keep=3 --limit host=h02"));
    assert!(
        ran.code == 3
            && ran
                .said
                .contains("without h02 only 2 servers of shop would be in service, 3 must be"),
        "{ran:?}"
    );
    order("h03 state ready");
    machines.until("the pool is whole", || shown(&machines) == all("UP"));

    // A request that does not end in time: the host goes back into service, nothing else was done.
    let long = machines.asks("get", &format!("{url}slow"));
    machines.at(
        "h01",
        "systemd-run -q --unit crawl curl -s -N -o /root/got 'http://127.0.0.1/crawl?to=h02'; until [ -s /root/got ]; do sleep 0.05; done",
    );
    let ran = machines.types(&format!("{run} --set drain_seconds=1"));
    assert!(
        ran.code == 4 && ran.said.contains("requests are still under way on h02"),
        "{ran:?}"
    );
    machines.at("h01", "systemctl stop crawl");
    machines.until("the pool is whole", || shown(&machines) == all("UP"));

    // The application of the first host is not good on the new packages.
    let ran = machines.types(&format!(
        "{run} --set health='curl -fsS http://localhost/ && lab-demo | grep -q 1.0'"
    ));
    assert_eq!(ran.code, 4, "{}", ran.said);
    assert_eq!(machines.states()["h02"], "rolled_back", "{}", ran.said);
    assert_eq!(versions(&machines), vec!["lab-demo 1.0"; 4]);
    assert_eq!(
        POOL.map(|host| machines.boots(host).len()),
        [2, 1, 1, 1],
        "{}",
        ran.said
    );
    assert_eq!(shown(&machines), all("UP"));
    let (asked, long) = (client.ends(), long.ends());
    assert_eq!((asked.failed, long.failed), (Vec::new(), Vec::new()), "{}", ran.said);
    figures::print(
        "machines: requests through HAProxy while a canary was patched and taken back",
        format!("{} asked, 0 failed", asked.got.len() + long.got.len()),
        None,
    );
}
