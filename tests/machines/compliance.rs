//! `patch-compliance.yml` on a real apt: who lacks what, since when, and of whom nobody knows.

use std::collections::BTreeMap;

use crate::machines::Machines;
use crate::packages::TOOLS;

/// Of each host: its state, the package, what is offered, since when, and the note.
fn told(machines: &Machines) -> BTreeMap<String, [String; 5]> {
    let csv = machines.run(&["report", "last", "--format", "updates-csv"]);
    assert_eq!(csv.code, 0, "{}", csv.said);
    let row = |line: &str| {
        let cells: Vec<&str> = line.splitn(10, ',').collect();
        let of = [2, 3, 5, 7, 9].map(|n| cells[n].to_owned());
        (cells[1].to_owned(), of)
    };
    csv.said.lines().skip(1).map(row).collect()
}

#[test]
fn what_is_missing_is_told_with_the_scan_that_saw_it_first_and_a_dead_source_is_not_up_to_date() {
    let machines = Machines::start(2);
    machines.log_in(|_| "user: root, labels: { role: web }".to_owned());
    machines.library();
    machines.at("h02", "apt-get -q -y install lab-demo=1.1 >/dev/null 2>&1");
    let said = machines.follow("docs/runbooks/patch-compliance.md");
    assert!(
        said.contains("1 host lacks other updates only; 1 host is up to date."),
        "{said}"
    );
    let first = told(&machines);
    let since = first["h01"][3].clone();
    assert_eq!(first["h01"][..3], ["missing", "lab-demo", "1.1"]);
    assert!(!since.is_empty());
    assert_eq!(first["h02"], ["up_to_date", "", "", "", ""]);
    assert_eq!(machines.at("h01", "lab-demo"), "lab-demo 1.0", "nothing was installed");

    // A newer version comes into both archives: one lacks an update since before, the other since now.
    for host in ["h01", "h02"] {
        machines.at(host, &format!("{TOOLS}\ndeb lab-demo 1.2 :; index"));
    }
    let scan = "pitstop run runbooks/patch-compliance.yml --set select=role=web";
    let ran = machines.types(scan);
    assert_eq!(ran.code, 0, "{}", ran.said);
    let second = told(&machines);
    assert_eq!(second["h01"][..4], ["missing", "lab-demo", "1.2", since.as_str()]);
    assert_eq!(second["h02"][..3], ["missing", "lab-demo", "1.2"]);
    assert!(second["h02"][3] > since, "{second:?}");
    let record = std::fs::read_to_string(
        machines
            .path(".pitstop/runs")
            .read_dir()
            .unwrap()
            .map(|run| run.unwrap().path())
            .max_by_key(|run| std::fs::metadata(run.join("plan.json")).and_then(|m| m.modified()).ok())
            .unwrap()
            .join("report/record.json"),
    )
    .unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(
        record["scanned"][0]["missing"][0]["since"],
        since.as_str(),
        "the record that the run wrote has it"
    );

    // One source dies: nothing is known of that host. The other is brought up to date.
    machines.at(
        "h02",
        "echo 'deb [trusted=yes] http://127.0.0.1:9 ./' >>/etc/apt/sources.list",
    );
    machines.at("h01", "apt-get -q -y install lab-demo >/dev/null 2>&1");
    let ran = machines.types(scan);
    assert_eq!(ran.code, 3, "{}", ran.said);
    let third = told(&machines);
    assert_eq!(third["h01"][0], "up_to_date");
    assert_eq!(third["h02"][0], "not_known");
    assert!(third["h02"][4].contains("127.0.0.1:9"), "{third:?}");
    // And when it answers again, it lacks the update since it was first seen so.
    machines.at("h02", "sed -i '/127.0.0.1:9/d' /etc/apt/sources.list");
    let ran = machines.types(scan);
    assert_eq!(ran.code, 0, "{}", ran.said);
    assert_eq!(told(&machines)["h02"], second["h02"]);
}
