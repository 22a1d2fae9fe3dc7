//! What `front.rs` measures: one site of 10,000 hosts and work of 1 MB, as pitstop's files and as Ansible's.
//!
//! Owns: the texts. Must not: run anything.
//! Both sides say the same: the same hosts, groups, variables; a play for each phase, a task for each step, with Ansible's
//! `block`, `rescue` and `register` where the runbook has `undo` and `register`.

use std::fmt::Write as _;
use std::path::Path;

pub const HOSTS: usize = 10_000;
const RACKS: usize = 100;
const ROLES: [&str; 5] = ["web", "app", "db", "cache", "queue"];
const SIZE: usize = 1_000_000;

/// Where the phases of a runbook work.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Each on the hosts of a rack.
    Sites,
    /// Each on all hosts.
    All,
    /// Each on the hosts of a rack, which are drained and brought back by the host that a label of each names.
    Apart,
}

/// Writes all of it.
pub fn write_all(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let files = [
        ("pitstop.yml", "schema: 1\ninventory: inventory.yml\n".to_owned()),
        ("inventory.yml", inventory()),
        ("sites.yml", runbook("sites", Shape::Sites)),
        ("all.yml", runbook("all", Shape::All)),
        ("apart.yml", runbook("apart", Shape::Apart)),
        ("ansible.cfg", String::new()),
        ("hosts.ini", ini()),
        ("site.yml", playbook()),
    ];
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

/// Name, rack, role and address of each host.
fn hosts() -> impl Iterator<Item = (String, usize, &'static str, String)> {
    (0..HOSTS).map(|n| {
        let (rack, unit) = (n % RACKS, n / RACKS);
        let role = ROLES.get(n % ROLES.len()).unwrap();
        (
            format!("{role}{n:05}"),
            rack,
            *role,
            format!("10.{}.{rack}.{unit}", n % 7),
        )
    })
}

fn inventory() -> String {
    let mut text = "schema: 1\ndefaults: { user: ops, connect_timeout: 10s }\nhosts:\n".to_owned();
    for (n, (name, rack, role, address)) in hosts().enumerate() {
        let balancer = if n + 1 < HOSTS { n + 1 } else { 0 };
        let balancer = format!("{}{balancer:05}", ROLES.get(balancer % ROLES.len()).unwrap());
        let _ = writeln!(
            text,
            "  {name}:\n    address: {address}\n    labels: {{ role: {role}, rack: r{rack:02}, env: prod, lb: {balancer} }}\n    vars: {{ serial: \"S-{n:06}\", slots: {} }}",
            n % 16
        );
    }
    text.push_str("groups:\n");
    let mut racks = vec![Vec::new(); RACKS];
    for (name, rack, ..) in hosts() {
        racks.get_mut(rack).unwrap().push(name);
    }
    for (rack, members) in racks.iter().enumerate() {
        let _ = writeln!(
            text,
            "  rack{rack:02}:\n    hosts: [{}]\n    vars: {{ switch: sw{rack:02}.example.net, ntp: [10.0.0.1, 10.0.0.2] }}",
            members.join(", ")
        );
    }
    let all: Vec<String> = (0..RACKS).map(|rack| format!("rack{rack:02}")).collect();
    let _ = writeln!(
        text,
        "  site:\n    hosts: [{}]\n    vars: {{ release: \"2.4\", domain: example.net }}",
        all.join(", ")
    );
    text
}

fn ini() -> String {
    let mut text = String::new();
    let mut racks = vec![String::new(); RACKS];
    for (n, (name, rack, role, address)) in hosts().enumerate() {
        let _ = writeln!(
            racks.get_mut(rack).unwrap(),
            "{name} ansible_host={address} role={role} rack=r{rack:02} env=prod serial=S-{n:06} slots={}",
            n % 16
        );
    }
    for (rack, members) in racks.iter().enumerate() {
        let _ = write!(
            text,
            "[rack{rack:02}]\n{members}\n[rack{rack:02}:vars]\nswitch=sw{rack:02}.example.net\nntp=['10.0.0.1', '10.0.0.2']\n\n"
        );
    }
    text.push_str("[site:children]\n");
    for rack in 0..RACKS {
        let _ = writeln!(text, "rack{rack:02}");
    }
    text.push_str("\n[site:vars]\nansible_user=ops\nrelease=2.4\ndomain=example.net\n");
    text
}

fn runbook(name: &str, shape: Shape) -> String {
    let mut text = format!(
        "schema: 1\nrunbook: {name}\ntitle: A new release for the whole site, rack by rack\nkind: change\nowner: platform-team\n\
         parameters:\n  release: {{ type: string, default: \"2.4\", pattern: \"[0-9.]+\" }}\n  \
         room_mb: {{ type: int, default: 2000, min: 200 }}\n  health: {{ type: string, default: \"true\" }}\ntargets:\n  \
         site: {{ select: \"group=site\" }}\n"
    );
    for rack in 0..RACKS {
        let _ = writeln!(text, "  rack{rack:02}: {{ select: \"group=rack{rack:02}\" }}");
    }
    text.push_str(
        "rollouts:\n  careful:\n    batches: [1, \"10%\", \"25%\"]\n    parallel: 10\n    soak: 1m\ndefaults:\n  timeout: 5m\nphases:\n",
    );
    let mut n = 0;
    while text.len() < SIZE {
        phase(&mut text, n, shape);
        n += 1;
    }
    text
}

/// One phase: a look, out of service, six services changed, proof, back into service.
fn phase(text: &mut String, n: usize, shape: Shape) {
    let rack = n % RACKS;
    let targets = if shape != Shape::All {
        format!("rack{rack:02}")
    } else {
        "site".to_owned()
    };
    let elsewhere = if shape == Shape::Apart {
        "        delegate_to: \"{{ host.labels.lb }}\"\n"
    } else {
        ""
    };
    let _ = write!(
        text,
        "  - phase: part-{n}
    title: Part {n} of the release on rack {rack}
    targets: {targets}
    rollout: careful
    on_failure: rollback_host
    precheck:
      - id: room-{n}
        name: The system disk has room
        run: df -Pm / | awk 'NR == 2 {{ print $4 }}'
        as: number
        expect: value >= params.room_mb
      - id: good-{n}
        name: The application is good before anything happens
        run: sh -c {{{{ params.health | sh }}}}
        timeout: 1m
    drain:
      - name: Take the host out of the load balancer
        run: lbctl disable {{{{ host.name }}}} --pool pool-{rack}
{elsewhere}"
    );
    text.push_str("    steps:\n");
    for service in 0..6 {
        let _ = write!(
            text,
            "      - id: was-{n}-{service}
        name: Note the version of service {service}
        read_only: true
        run: readlink /srv/part-{n}/service-{service}/current
        register: was_{n}_{service}
      # The link is switched in one go, so that no request sees half of it.
      - id: switch-{n}-{service}
        name: Switch service {service} to the new release
        when: was_{n}_{service}.stdout != params.release
        run: |
          set -e
          cd /srv/part-{n}/service-{service}
          ln -sfn releases/{{{{ params.release | sh }}}} next
          mv -T next current
          systemctl restart service-{service}@{{{{ host.name }}}}
        env: {{ LC_ALL: C, RELEASE: \"{{{{ params.release }}}}\" }}
        undo:
          - name: Switch service {service} back
            run: ln -sfn {{{{ was_{n}_{service}.stdout | sh }}}} /srv/part-{n}/service-{service}/current
"
        );
    }
    let _ = write!(
        text,
        "    verify:
      - name: The services answer with the new release
        run: curl -fsS http://{{{{ host.address | sh }}}}:8080/part-{n}/version
        expect: stdout | trim == params.release
        retry: {{ attempts: 10, delay: 3s }}
    undrain:
      - name: Put the host back
        run: lbctl enable {{{{ host.name }}}} --pool pool-{rack}
{elsewhere}"
    );
}

fn playbook() -> String {
    let mut text = String::new();
    let mut n = 0;
    while text.len() < SIZE {
        play(&mut text, n);
        n += 1;
    }
    text
}

fn play(text: &mut String, n: usize) {
    let rack = n % RACKS;
    let _ = write!(
        text,
        "- name: Part {n} of the release on rack {rack}
  hosts: rack{rack:02}
  gather_facts: false
  serial: [1, \"10%\", \"25%\"]
  vars: {{ release: \"2.4\", room_mb: 2000, health: \"true\" }}
  tasks:
    - name: The system disk has room
      ansible.builtin.shell: df -Pm / | awk 'NR == 2 {{ print $4 }}'
      register: room
      changed_when: false
      failed_when: room.stdout | int < room_mb
    - name: The application is good before anything happens
      ansible.builtin.command: sh -c {{{{ health | quote }}}}
      changed_when: false
    - name: Take the host out of the load balancer
      ansible.builtin.command: lbctl disable {{{{ inventory_hostname }}}} --pool pool-{rack}
"
    );
    for service in 0..6 {
        let _ = write!(
            text,
            "    - name: Note the version of service {service}
      ansible.builtin.command: readlink /srv/part-{n}/service-{service}/current
      register: was_{n}_{service}
      changed_when: false
    # The link is switched in one go, so that no request sees half of it.
    - name: Switch service {service} to the new release
      when: was_{n}_{service}.stdout != release
      block:
        - name: Switch service {service} to the new release
          ansible.builtin.shell: |
            set -e
            cd /srv/part-{n}/service-{service}
            ln -sfn releases/{{{{ release | quote }}}} next
            mv -T next current
            systemctl restart service-{service}@{{{{ inventory_hostname }}}}
          environment: {{ LC_ALL: C, RELEASE: \"{{{{ release }}}}\" }}
      rescue:
        - name: Switch service {service} back
          ansible.builtin.command: ln -sfn {{{{ was_{n}_{service}.stdout | quote }}}} /srv/part-{n}/service-{service}/current
"
        );
    }
    let _ = write!(
        text,
        "    - name: The services answer with the new release
      ansible.builtin.command: curl -fsS http://{{{{ ansible_host }}}}:8080/part-{n}/version
      register: answer
      until: answer.stdout | trim == release
      retries: 10
      delay: 3
      changed_when: false
    - name: Put the host back
      ansible.builtin.command: lbctl enable {{{{ inventory_hostname }}}} --pool pool-{rack}
"
    );
}
