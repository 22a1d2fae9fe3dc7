//! `rolling-restart-cluster.yml` on a real etcd of three members, with a client that writes the whole time.

use crate::figures;
use crate::machines::Machines;

const PAGE: &str = "docs/runbooks/rolling-restart-cluster.md";
const MEMBERS: [&str; 3] = ["h01", "h02", "h03"];
/// etcd elects when it has heard of no leader for so long: 1 s as it is shipped, and it may take two rounds.
const ELECTION: f64 = 5.0;

fn etcd() -> Machines {
    let machines = Machines::start_with_more(MEMBERS.len());
    machines.log_in(|_| "user: deploy, labels: { role: etcd }".to_owned());
    machines.library();
    let peers = MEMBERS
        .map(|host| format!("{host}=http://{}:2380", machines.hosts[host]))
        .join(",");
    for host in MEMBERS {
        let at = &machines.hosts[host];
        machines.put(
            host,
            "/etc/default/etcd",
            &format!(
                "ETCD_NAME={host}\nETCD_LISTEN_PEER_URLS=http://{at}:2380\nETCD_INITIAL_ADVERTISE_PEER_URLS=http://{at}:2380\n\
                 ETCD_LISTEN_CLIENT_URLS=http://{at}:2379,http://127.0.0.1:2379\nETCD_ADVERTISE_CLIENT_URLS=http://{at}:2379\n\
                 ETCD_INITIAL_CLUSTER={peers}\nETCD_INITIAL_CLUSTER_STATE=new"
            ),
        );
        machines.at(host, "systemctl -q enable etcd; systemctl start --no-block etcd");
    }
    machines.until("the cluster is healthy", || {
        machines
            .try_at("h01", "etcdctl endpoint health --cluster >/dev/null 2>&1")
            .code
            == 0
    });
    machines
}

fn leader(machines: &Machines) -> &'static str {
    let leads = "etcdctl endpoint status | cut -d, -f5 | tr -d ' '";
    MEMBERS
        .into_iter()
        .find(|host| machines.at(host, leads) == "true")
        .unwrap()
}

/// The hosts on which the service was restarted, in their order.
fn order(machines: &Machines) -> Vec<String> {
    let events = machines.events();
    let restarts = events
        .iter()
        .filter(|e| e["type"] == "intended" && e["key"]["step"] == "restart");
    restarts
        .map(|e| e["key"]["host"].as_str().unwrap().to_owned())
        .collect()
}

fn writes(machines: &Machines) -> String {
    let members = MEMBERS.map(|host| format!("{}:2379", machines.hosts[host])).join(",");
    format!("http://{members}")
}

#[test]
fn the_leader_goes_last_and_writes_go_on() {
    let machines = etcd();
    // Not the last of the inventory, so that it is no accident.
    let first = machines.at("h01", "etcdctl endpoint status | cut -d, -f2 | tr -d ' '");
    let leading = leader(&machines);
    if leading != "h01" {
        machines.at(leading, &format!("etcdctl move-leader {first}"));
    }
    assert_eq!(leader(&machines), "h01");
    let before = MEMBERS.map(|host| machines.shows(host, "etcd", "MainPID"));
    let client = machines.asks("put", &writes(&machines));
    let said = machines.follow(PAGE);
    let asked = client.ends();
    assert_eq!(asked.failed, Vec::<String>::new(), "{said}");
    assert!(asked.longest < ELECTION, "{} s: {said}", asked.longest);
    assert_eq!(order(&machines), ["h02", "h03", "h01"], "{said}");
    for (host, before) in MEMBERS.into_iter().zip(before) {
        assert_ne!(machines.shows(host, "etcd", "MainPID"), before, "{host}");
    }
    figures::print(
        "machines: writes to etcd while its members restarted, the leader last",
        format!(
            "{} written, 0 failed, the longest took {:.1} s",
            asked.got.len(),
            asked.longest
        ),
        None,
    );
}

#[test]
fn a_member_that_does_not_come_back_is_the_only_one_that_is_lost() {
    let machines = etcd();
    let run = "pitstop run runbooks/rolling-restart-cluster.yml --yes --set select=role=etcd --set service=etcd \
               --set health='etcdctl endpoint health --cluster'";
    let leads = "--set leader=\"etcdctl endpoint status | cut -d, -f5 | tr -d ' '\"";

    // A wrong command must not look like "another one leads".
    let ran = machines.types(&format!("{run} --set leader='etcdctl no-such-command && echo true'"));
    assert!(ran.code == 3 && order(&machines).is_empty(), "{ran:?}");

    // What the service reads when it starts is spoilt on one: it stays down.
    let victim = MEMBERS.into_iter().find(|host| *host != leader(&machines)).unwrap();
    machines.at(victim, "echo ETCD_LISTEN_PEER_URLS=nonsense >>/etc/default/etcd");
    let client = machines.asks("put", &writes(&machines));
    let ran = machines.types(&format!("{run} {leads}"));
    let asked = client.ends();
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert_eq!(asked.failed, Vec::<String>::new(), "{}", ran.said);
    let states = machines.states();
    assert!(
        ["broken", "held"].contains(&states[victim].as_str()),
        "{states:?}: {}",
        ran.said
    );
    assert_eq!(order(&machines), [victim], "no other was touched: {}", ran.said);
    assert!(asked.longest < ELECTION, "{} s", asked.longest);

    // With a member down nothing begins, and nothing is touched.
    machines.at(victim, "systemctl stop etcd");
    let ran = machines.types(&format!("{run} {leads} --limit host!={victim}"));
    assert!(ran.code == 3 && order(&machines).is_empty(), "{ran:?}");
    assert!(ran.said.contains("whole"), "{}", ran.said);
}
