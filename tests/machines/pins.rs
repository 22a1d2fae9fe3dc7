//! `pin-package.yml` and `unpin-package.yml` on a real apt.

use crate::machines::Machines;

fn state(machines: &Machines, host: &str) -> String {
    machines.at(host, "dpkg-query -W -f '${Version} ${db:Status-Want}' lab-demo")
}

#[test]
fn a_package_is_brought_to_a_version_and_kept_there_until_it_is_let_go() {
    let machines = Machines::start_with_more(3);
    machines.log_in(|_| "user: deploy, labels: { role: web }".to_owned());
    machines.library();
    let all = || ["h01", "h02", "h03"].map(|host| state(&machines, host));
    // One is newer already, one is held at what it has.
    machines.at("h02", "apt-get -q -y install lab-demo=1.1 >/dev/null 2>&1");
    machines.at("h03", "apt-mark hold lab-demo");
    let pin = "pitstop run runbooks/pin-package.yml --yes --set select=role=web --set package=lab-demo";

    let ran = machines.types(&format!("{pin} --set version=7"));
    assert!(
        ran.code == 3 && ran.said.contains("the sources have: 1.1 1.0"),
        "{ran:?}"
    );
    let ran = machines.types(&format!("{pin} --set version='1.1 -o x=y'"));
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = machines.types(&format!(
        "{} --set version=1.0",
        pin.replace("package=lab-demo", "package=nowhere")
    ));
    assert!(
        ran.code == 3 && ran.said.contains("nowhere is not installed"),
        "{ran:?}"
    );
    // The application of the first is not good with it: it gets back what it had, mark included, and no other is touched.
    let ran = machines.types(&format!(
        "{pin} --set version=1.1 --set health='lab-demo | grep 1.0' --limit host=h03"
    ));
    assert_eq!(ran.code, 4, "{}", ran.said);
    assert_eq!(all(), ["1.0 install", "1.1 install", "1.0 hold"], "{}", ran.said);

    let said = machines.follow("docs/runbooks/pin-package.md");
    assert_eq!(
        all(),
        ["1.0 install", "1.0 install", "1.0 install"],
        "pinned to 1.0, and let go: {said}"
    );
    let pinned = said.find("steps/let-go").unwrap();
    assert!(said[..pinned].contains("verify/left-alone  ok"), "{said}");
}
