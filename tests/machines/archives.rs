//! `restore-restic.yml`, `restore-borg.yml` and `restore-file-tree.yml` with the real tools: what comes back is compared with the list that
//! was made when the backup was taken, and no bad backup passes, whatever its tool says.

use crate::figures;
use crate::machines::Machines;
use crate::restores::{carry, judged, lab, nothing_is_left};

/// Everything that a backup may lose of a tree, and its list.
const SHOP: &str = "mkdir -p /srv/shop/part1 /srv/shop/empty /var/backups; cd /srv/shop; \
    for n in 1 2 3 4 5 6 7 8; do head -c 300000 /dev/urandom >part1/file$n; done; \
    echo key >secret; chmod 600 secret; chown 1001:1002 secret; ln part1/file1 part1/second; ln -s part1/file2 link; ln -s /etc/passwd out; \
    setcap cap_net_bind_service=ep part1/file3; setfacl -m u:1001:r part1/file4; touch 'two words'; chmod 2750 empty; \
    sh /root/tree.sh manifest /srv/shop >/var/backups/shop.list; mkdir /backup; ";

fn shop(backup: &str) -> Machines {
    let machines = lab("shop1");
    let script = std::fs::read_to_string(machines.path("files/tree.sh")).unwrap();
    machines.put("h01", "/root/tree.sh", &script);
    machines.at("h01", &format!("{SHOP} {backup}"));
    carry(&machines, "/backup");
    machines
}

/// A byte of the largest file below this folder is another.
fn rot(folder: &str) -> String {
    format!(
        "f=$(find {folder} -type f -size +500k | head -n 1); printf '\\377\\377\\377\\377' | dd of=$f bs=1 seek=200000 conv=notrunc 2>/dev/null"
    )
}

const RESTIC: &str =
    "export XDG_CACHE_HOME=/tmp/cache RESTIC_PASSWORD=repository-17 RESTIC_REPOSITORY=/backup/restic; ";
const RUN_RESTIC: &str = "RESTIC_PASSWORD=repository-17 pitstop run runbooks/restore-restic.yml --yes --set lab=lab1 \
    --set repository=/backup/restic --set folder=/srv/shop --set list=/var/backups/shop.list";

#[test]
fn a_snapshot_of_restic_comes_back_as_it_was_and_no_bad_one_passes() {
    let backup = "restic -q backup --host shop1 --tag nightly /srv/shop /var/backups/shop.list";
    let machines = shop(&format!("{RESTIC} restic -q init; {backup}"));
    machines.follow("docs/runbooks/restore-restic.md");
    nothing_is_left(&machines, "the page");
    // It was only read, and the operator's tool remembers nothing of it on the host.
    assert_eq!(
        machines.at("h02", "ls /backup/restic/locks; ls -A /root | grep cache || true"),
        ""
    );
    machines.at(
        "h02",
        "cp -a /backup/restic /backup/good; mkdir -p /srv/shop/part1 /var/backups",
    );
    // What is wrong, what makes it so (the last word it prints is what the tool says), how it is asked for, and what is said.
    let cases: &[(&str, &str, &str, i32, &str)] = &[
        (
            "bit rot",
            &format!(
                "{}; restic check >/dev/null 2>&1; echo check ends with $?",
                rot("restic/data")
            ),
            "",
            1,
            "ciphertext verification failed",
        ),
        (
            "the folder was not mounted when the backup was taken",
            "restic -q backup --host shop1 /srv/shop >/dev/null; echo backup ends with $?",
            "",
            3,
            "the snapshot has no list /var/backups/shop.list",
        ),
        (
            "the list is there, the files are not",
            "touch /srv/shop/part1/other; restic -q dump latest /var/backups/shop.list >/var/backups/shop.list; \
             restic -q backup --host shop1 /srv/shop /var/backups/shop.list; echo backup ends with $?",
            "",
            1,
            "missing: ./part1/file1",
        ),
        (
            "a mode is another",
            "restic -q restore latest --target /try; chmod 644 /try/srv/shop/secret; cd /try; mount --bind /try/srv/shop /srv/shop; \
             cp /try/var/backups/shop.list /var/backups; restic -q backup --host shop1 /srv/shop /var/backups/shop.list; \
             echo backup ends with $?; umount /srv/shop; rm -rf /try",
            "",
            1,
            "1 difference: mode 600, now 644: ./secret",
        ),
        (
            "the list is of last week, and so is the backup",
            "restic -q restore latest --target /try; sed -i \"s/^# taken .*/# taken $(date -u -d '-8 days' +%FT%TZ)/\" /try/var/backups/shop.list; \
             mount --bind /try/srv/shop /srv/shop; cp /try/var/backups/shop.list /var/backups; \
             restic -q backup --host shop1 /srv/shop /var/backups/shop.list; echo backup ends with $?; umount /srv/shop; rm -rf /try",
            "",
            8,
            "Objective rpo",
        ),
        (
            "a prune died and left its lock",
            "(exec restic check >/dev/null 2>&1) & p=$!; while [ -z \"$(ls restic/locks)\" ]; do :; done; kill -9 $p; ls restic/locks | wc -l",
            "",
            3,
            "the repository is locked by process",
        ),
        (
            "nobody took a snapshot of it",
            "true",
            "--set tag=weekly",
            3,
            "the repository has no snapshot of any host with the tag weekly",
        ),
        (
            "there is no repository",
            "true",
            "--set repository=/backup/nothing",
            3,
            "unable to open config file",
        ),
        (
            "it is gone in the middle",
            "printf '#!/bin/sh\\ncase \" $* \" in *\" restore \"*) rm -rf /backup/restic ;; esac\\nexec /usr/bin/restic \"$@\"\\n' \
             >/usr/local/bin/restic; chmod 755 /usr/local/bin/restic",
            "",
            1,
            "unable to open config file",
        ),
        (
            "the tool is missing",
            "mv /usr/bin/restic /root/",
            "",
            3,
            "restic is not installed on the restore host",
        ),
    ];
    for (what, make, with, code, why) in cases {
        let tool = machines.at(
            "h02",
            &format!("{RESTIC} cd /backup; rm -rf restic; cp -a good restic; {make}"),
        );
        let ran = machines.types(&format!("{RUN_RESTIC} {with}"));
        machines.at(
            "h02",
            "rm -f /usr/local/bin/restic; mv /root/restic /usr/bin/ 2>/dev/null || true",
        );
        judged(
            &machines,
            what,
            tool.lines().last().unwrap_or_default(),
            &ran,
            *code,
            why,
        );
        assert!(
            !tool.contains("ends with") || tool.ends_with("ends with 0"),
            "{what}: {tool}"
        );
    }
    machines.at("h02", "cd /backup; rm -rf restic; cp -a good restic");
    let ran = machines.types(&RUN_RESTIC.replacen("repository-17", "repository-18", 1));
    judged(
        &machines,
        "another password",
        "",
        &ran,
        3,
        "wrong password or no key found",
    );
    figures::print(
        "machines: snapshots of restic that must not pass",
        format!("{0} of {0} found", cases.len() + 1),
        None,
    );
}

/// restic asks again and again for what is gone, for most of a minute: beside the others this one has machines of its own.
#[test]
fn a_pack_of_restic_that_was_pruned_is_named() {
    let machines = shop(&format!(
        "{RESTIC} restic -q init; restic -q backup --host shop1 /srv/shop; restic -q backup --host shop1 /var/backups/shop.list; \
         f=$(find /backup/restic/data -type f -size +500k | head -n 1); \
         restic -q backup --host shop1 /srv/shop /var/backups/shop.list; rm $f"
    ));
    let ran = machines.types(RUN_RESTIC);
    judged(
        &machines,
        "a pack is gone",
        "",
        &ran,
        1,
        "StreamPack: open /backup/restic/data/",
    );
}

const BORG: &str = "export BORG_PASSPHRASE=repository-17 BORG_REPO=/backup/borg BORG_BASE_DIR=/tmp/borg BORG_RELOCATED_REPO_ACCESS_IS_OK=yes; ";
const RUN_BORG: &str = "BORG_PASSPHRASE=repository-17 pitstop run runbooks/restore-borg.yml --yes --set lab=lab1 \
    --set repository=/backup/borg --set folder=/srv/shop --set list=/var/backups/shop.list";

#[test]
fn an_archive_of_borg_comes_back_as_it_was_and_no_bad_one_passes() {
    let machines = shop(&format!(
        "{BORG} borg init -e repokey-blake2 2>/dev/null; borg create ::shop-1 /srv/shop /var/backups/shop.list"
    ));
    machines.follow("docs/runbooks/restore-borg.md");
    nothing_is_left(&machines, "the page");
    assert_eq!(machines.at("h02", "ls -A /root | grep -E 'cache|config' || true"), "");
    // Bad archives of the source, in the same repository.
    machines.at(
        "h01",
        &format!(
            "{BORG} rm -rf /srv/shop/part1/file8; borg create ::gone-1 /srv/shop /srv/photos /var/backups/shop.list 2>/dev/null; \
             [ $? = 1 ] && borg create ::hollow-1 /srv/shop/empty /var/backups/shop.list"
        ),
    );
    carry(&machines, "/backup");
    machines.at("h02", "cp -a /backup/borg /backup/good");
    let cases: &[(&str, &str, &str, i32, &str)] = &[
        (
            "bit rot",
            &format!(
                "{}; borg check --archives-only >/dev/null 2>&1; echo check --archives-only ends with $?",
                rot("borg/data")
            ),
            "--set names=shop-*",
            1,
            "borg extract ended with 2: Data integrity error",
        ),
        (
            "borg create warned of a folder that is not there, and made the archive",
            "borg list ::gone-1 >/dev/null; echo list ends with $?",
            "--set names=gone-*",
            1,
            "1 difference: missing: ./part1/file8",
        ),
        (
            "hardly anything in it",
            "borg list ::hollow-1 >/dev/null; echo list ends with $?",
            "--set names=hollow-*",
            1,
            "the application cannot use it: find . -type f",
        ),
        (
            "no archive of that name",
            "true",
            "--set names=weekly-*",
            3,
            "the repository has no archive whose name fits weekly-*",
        ),
        (
            "it is gone in the middle",
            "printf '#!/bin/sh\\n[ \"$1 $4\" != \"extract --numeric-ids\" ] || rm -rf /backup/borg\\nexec /usr/bin/borg \"$@\"\\n' >/usr/local/bin/borg; \
             chmod 755 /usr/local/bin/borg",
            "--set names=shop-*",
            1,
            "Repository /backup/borg does not exist",
        ),
        (
            "the tool is missing",
            "mv /usr/bin/borg /root/",
            "",
            3,
            "borg is not installed on the restore host",
        ),
    ];
    for (what, make, with, code, why) in cases {
        let tool = machines.at(
            "h02",
            &format!("{BORG} cd /backup; rm -rf borg; cp -a good borg; {make}"),
        );
        let ran = machines.types(&format!("{RUN_BORG} {with}"));
        machines.at(
            "h02",
            "rm -f /usr/local/bin/borg; mv /root/borg /usr/bin/ 2>/dev/null || true",
        );
        judged(
            &machines,
            what,
            tool.lines().last().unwrap_or_default(),
            &ran,
            *code,
            why,
        );
        assert!(
            !tool.contains("ends with") || tool.ends_with("ends with 0"),
            "{what}: {tool}"
        );
    }
    machines.at("h02", "cd /backup; rm -rf borg; cp -a good borg");
    let ran = machines.types(&RUN_BORG.replacen("repository-17", "repository-18", 1));
    judged(&machines, "another passphrase", "", &ran, 3, "passphrase supplied in");
    figures::print(
        "machines: archives of borg that must not pass",
        format!("{0} of {0} found", cases.len() + 1),
        None,
    );
}

const RUN_TAR: &str = "pitstop run runbooks/restore-file-tree.yml --yes --set host=lab1";

#[test]
fn a_tree_comes_back_as_it_was_and_no_bad_archive_passes() {
    let machines = shop(
        "cp /var/backups/shop.list /backup; tar --xattrs --acls -czf /backup/shop.tar.gz .; tar --xattrs --acls -cf /backup/plain.tar .; \
         find . -type f -exec sha256sum {} + >/backup/old.sha256; cp /backup/shop.tar.gz /backup/old.tar.gz; \
         tar -tvRf /backup/plain.tar | sed -n 's/^block \\([0-9]*\\):.*file6$/\\1/p' >/backup/block; \
         rm secret; touch secret; chown 1001:1002 secret; chmod 600 secret; tar --xattrs --acls -czf /backup/emptied.tar.gz .; \
         rm -r /srv/shop/*; tar -czf /backup/hollow.tar.gz .; truncate -s 60M big; tar -czf /backup/big.tar.gz .",
    );
    machines.follow("docs/runbooks/restore-file-tree.md");
    nothing_is_left(&machines, "the page");
    let list = "/backup/shop.list";
    let cases: &[(&str, &str, &str, i32, &str)] = &[
        (
            "cut between two files",
            "head -c $(($(cat block) * 512)) plain.tar >bad.tar; tar -tf bad.tar >/dev/null; echo tar ends with $?",
            "archive=/backup/bad.tar",
            1,
            "missing: ./part1/file",
        ),
        (
            "cut in a file",
            "head -c 1000000 plain.tar >bad.tar",
            "archive=/backup/bad.tar",
            1,
            "Unexpected EOF in archive",
        ),
        (
            "packed and cut",
            "head -c 1000000 shop.tar.gz >bad.tar.gz",
            "archive=/backup/bad.tar.gz",
            1,
            "unexpected end of file",
        ),
        (
            "a byte of a file is another",
            "cp plain.tar bad.tar; printf '\\377\\377' | dd of=bad.tar bs=1 seek=$(($(cat block) * 512 + 5000)) conv=notrunc 2>/dev/null; \
             tar -tf bad.tar >/dev/null; echo tar ends with $?",
            "archive=/backup/bad.tar",
            1,
            "1 difference: another content: ./part1/file6",
        ),
        (
            "a file is empty",
            "true",
            "archive=/backup/emptied.tar.gz",
            1,
            "1 difference: another content: ./secret",
        ),
        (
            "nothing in it",
            "tar -tf hollow.tar.gz >/dev/null; echo tar ends with $?",
            "archive=/backup/hollow.tar.gz",
            1,
            "the application cannot use it: find . -type f",
        ),
        (
            "made without attributes",
            "mkdir x; tar -C x --xattrs --xattrs-include='*' --acls -xpf shop.tar.gz; tar -C x -cf bad.tar .; echo tar ends with $?; rm -r x",
            "archive=/backup/bad.tar",
            1,
            "attribute missing: part1/file3: security.capability",
        ),
        (
            "of last week",
            "sed \"s/^# taken .*/# taken $(date -u -d '-8 days' +%FT%TZ)/\" shop.list >bad.list",
            "archive=/backup/shop.tar.gz --set digests=/backup/bad.list",
            8,
            "Objective rpo",
        ),
        (
            "its list is cut",
            "head -n 12 shop.list >bad.list",
            "archive=/backup/shop.tar.gz --set digests=/backup/bad.list",
            3,
            "the list /backup/bad.list is not whole",
        ),
        (
            "too little room",
            "mkdir -p /small; mount -t tmpfs -o size=4M,mode=755 tmpfs /small",
            "archive=/backup/shop.tar.gz --set scratch=/small",
            3,
            "free 4096 KiB",
        ),
        (
            "the disk is full in the middle",
            "umount /small; mount -t tmpfs -o size=16M,mode=755 tmpfs /small",
            "archive=/backup/big.tar.gz --set scratch=/small",
            1,
            "tar ended with 2, 0 KiB are free: ",
        ),
        (
            "the archive is gone in the middle",
            "umount /small; printf '#!/bin/sh\\nrm -f /backup/bad.tar\\nexec /usr/bin/tar \"$@\"\\n' >/usr/local/bin/tar; chmod 755 /usr/local/bin/tar; \
             cp plain.tar bad.tar",
            "archive=/backup/bad.tar",
            1,
            "bad.tar: Cannot open: No such file or directory",
        ),
    ];
    for (what, make, with, code, why) in cases {
        let tool = machines.at("h02", &format!("cd /backup; {make}"));
        let list = if with.contains("digests=") {
            String::new()
        } else {
            format!("--set digests={list}")
        };
        let ran = machines.types(&format!("{RUN_TAR} --set {with} {list}"));
        machines.at("h02", "rm -f /usr/local/bin/tar");
        judged(
            &machines,
            what,
            tool.lines().last().unwrap_or_default(),
            &ran,
            *code,
            why,
        );
        assert!(
            !tool.contains("ends with") || tool.ends_with("ends with 0"),
            "{what}: {tool}"
        );
    }
    // A plain list says nothing of whose files they are, and of the age only what the newest file does.
    let ran = machines.types(&format!("{RUN_TAR} --set archive=/backup/old.tar.gz"));
    judged(&machines, "a list of sha256sum", "", &ran, 0, "Left behind: nothing");
    let old = machines.types(&format!(
        "{RUN_TAR} --set archive=/backup/emptied.tar.gz --set digests=/backup/old.sha256"
    ));
    judged(
        &machines,
        "a list of sha256sum, and another file",
        "",
        &old,
        1,
        "1 difference: another content: ./secret",
    );
    // A host that nobody marked, and one where that is meant.
    machines.at("h02", "rm /etc/pitstop-restore-target");
    let ran = machines.types(&format!("{RUN_TAR} --set archive=/backup/shop.tar.gz"));
    judged(
        &machines,
        "nobody marked the host",
        "",
        &ran,
        3,
        "this host has no /etc/pitstop-restore-target",
    );
    let ran = machines.types(&format!(
        "{RUN_TAR} --set archive=/backup/shop.tar.gz --set marked=false"
    ));
    judged(&machines, "and that is meant", "", &ran, 0, "Left behind: nothing");
    figures::print(
        "machines: archives of tar that must not pass",
        format!("{0} of {0} found", cases.len() + 2),
        None,
    );
}
