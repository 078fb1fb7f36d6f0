//! What programs inside can see and do.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use serde_json::json;

use crate::harness::{User, eventually, for_each_user, marker, write};

#[test]
fn nothing_of_the_host_but_the_system_is_there() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        assert_eq!(sandbox.sh("id"), "uid=1000(agent) gid=1000(agent) groups=1000(agent)");
        assert_eq!(sandbox.sh("ls /home /workspace; ls /run; pwd; echo $HOME"), {
            "/home:\nagent\n\n/workspace:\nsources\n/workspace/sources\n/home/agent"
        });
        assert_eq!(sandbox.sh("ls -d /root /srv /mnt /sys /boot 2>&1 | grep -vc 'No such file'"), "0");
        for secret in ["/etc/shadow", "/etc/sudoers", "/etc/ssh", "/var/lib", "/tmp/*", "/proc/1/fd/*"] {
            assert_eq!(sandbox.sh(&format!("ls -d {secret} 2>/dev/null | wc -l")), "0", "{secret}");
        }
        // The shell itself, the pipe's other end, and PID 1.
        assert!(sandbox.sh("ls -d /proc/[0-9]* | wc -l").parse::<u32>().unwrap() <= 4);
        assert_eq!(sandbox.sh("env | grep -c KDN"), "0");
        assert_eq!(sandbox.sh("hostname"), sandbox.info()["name"]);
    });
}

#[test]
fn programs_have_no_privileges_and_get_none() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let status =
            sandbox.sh("grep -E '^(Cap|NoNewPrivs|Seccomp:|SigBlk)' /proc/self/status | tr -d '\\t'");
        let none = "0000000000000000";
        let expected = ["SigBlk", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
            .map(|set| format!("{set}:{none}\n"))
            .concat();
        assert_eq!(status, expected + "NoNewPrivs:1\nSeccomp:2");
        for forbidden in [
            "touch /usr/x",
            "touch /etc/x",
            "touch /x",
            "mount -t tmpfs none /tmp",
            "unshare --user true",
            "unshare --net true",
            "chroot / true",
            "cat /proc/1/environ",
            "cat /proc/1/mem",
            "ls /proc/1/cwd/",
            "mknod /tmp/null c 1 3",
            "cp /usr/bin/true /tmp/t && chmod u+s /tmp/t",
            "prlimit --pid 1 --nofile=4",
            "kill -TERM 1; kill -STOP 1; sleep 0.05; false",
        ] {
            assert_eq!(sandbox.sh(&format!("{forbidden} >/dev/null 2>&1 && echo done")), "", "{forbidden}");
        }
        assert_eq!(sandbox.info()["state"], "running");
    });
}

#[test]
fn the_hosts_root_is_nobody_inside() {
    for_each_user(|bench| {
        if bench.user != User::Root {
            return;
        }
        let sandbox = bench.start(json!({}));
        let pid = sandbox.state_file()["init"]["pid"].to_string();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap();
        assert!(uid.split('\t').all(|uid| uid == 0x7000_0000.to_string()), "{uid}");
    });
}

#[test]
fn files_in_the_sources_belong_to_their_owner() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        assert_eq!(sandbox.sh("mkdir made && echo text > made/file && stat -c %U made/file"), "agent");
        let file = fs::metadata(bench.sources().join("made/file")).unwrap();
        assert_eq!((file.uid(), file.gid()), (bench.owner(), bench.owner()));
        write(&bench.sources().join("made/file"), "changed outside");
        assert_eq!(sandbox.sh("cat made/file"), "changed outside");
    });
}

#[test]
fn the_home_is_private_and_outlives_runs() {
    for_each_user(|bench| {
        let files = json!({"files": [
            {"path": ".config/tool/settings", "contentBase64": "aGVsbG8=", "mode": 0o640},
            {"path": "copied", "source": "/etc/hostname"},
        ]});
        let sandbox = bench.start(files);
        assert_eq!(
            sandbox.sh("cat ~/.config/tool/settings; stat -c ' %a %U' ~/.config/tool/settings"),
            "hello 640 agent"
        );
        assert_eq!(
            sandbox.sh("cmp ~/copied /etc/hostname > /dev/null || echo other; stat -c %a ~/copied"),
            "other\n600"
        );
        let other = bench.start(json!({}));
        sandbox.sh(&format!("echo mine > ~/kept; touch /tmp/{}", marker()));
        assert_eq!(other.sh("ls ~ /tmp /dev/shm"), "/dev/shm:\n\n/home/agent:\n\n/tmp:");
        sandbox.stop(5);
        sandbox.start("allow").unwrap();
        assert_eq!(sandbox.sh("cat ~/kept; ls /tmp"), "mine");
    });
}

#[test]
fn sandboxes_do_not_see_each_other() {
    for_each_user(|bench| {
        let (one, two) = (bench.start(json!({})), bench.start(json!({})));
        let seconds = marker();
        one.sh(&format!("sleep {seconds} >/dev/null 2>&1 &"));
        let seen = format!("grep -cz ^{seconds} /proc/*/cmdline 2>/dev/null | grep -c :1");
        eventually("it runs", || one.sh(&seen) == "1");
        assert_eq!(two.sh(&seen), "0");
    });
}

#[test]
fn further_mounts_are_where_they_should_be() {
    for_each_user(|bench| {
        let data = bench.sources().join("data");
        fs::create_dir(&data).unwrap();
        write(&data.join("file"), "text");
        fs::set_permissions(&data, fs::Permissions::from_mode(0o777)).unwrap();
        let sandbox = bench.start(json!({"mounts": [
            {"host": data, "target": "/data/deep", "readOnly": true},
            {"host": data, "target": "/home/agent/data"},
            {"host": data.join("file"), "target": "/workspace/file", "readOnly": true},
        ]}));
        assert_eq!(sandbox.sh("cat /data/deep/file ~/data/file /workspace/file"), "texttexttext");
        assert_eq!(sandbox.sh("touch /data/deep/x 2>/dev/null || echo refused"), "refused");
        assert_eq!(sandbox.sh("touch ~/data/x && ls /data/deep"), "file\nx");
    });
}

#[test]
fn a_link_put_in_the_place_of_a_source_is_not_followed() {
    for_each_user(|bench| {
        let (data, private) = (bench.sources().join("data"), bench.folder.path().join("private"));
        fs::create_dir(&private).unwrap();
        fs::create_dir(&data).unwrap();
        chown(&data, Some(bench.owner()), Some(bench.owner())).unwrap();
        let nested = bench.create(json!({"sourcePath": data}));
        let agent = bench.start(json!({"mounts": [{"host": data, "target": "/data"}]}));
        agent.sh(&format!("mv data old && ln -s {} data", private.display()));
        agent.stop(5);
        for sandbox in [&nested, &agent] {
            let error = sandbox.start("allow").unwrap_err();
            assert!(error["message"].as_str().unwrap().contains("symbolic link"), "{error}");
        }
    });
}

#[test]
fn links_of_the_users_own_lead_where_they_led() {
    for_each_user(|bench| {
        let link = bench.folder.path().join("link");
        symlink(bench.sources(), &link).unwrap();
        let sandbox = bench.start(json!({"sourcePath": link, "mounts": [{"host": link, "target": "/data"}]}));
        assert_eq!(sandbox.sh("touch file; ls /data"), "file");
    });
}
