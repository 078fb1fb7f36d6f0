//! Terminals and pipes into a running sandbox.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;

use crate::harness::{Sandbox, eventually, for_each_user, marker, processes};

#[test]
fn exit_codes_arrive() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let code = |command: &[&str]| sandbox.run(command).status.code();
        assert_eq!(code(&["true"]), Some(0));
        assert_eq!(code(&["sh", "-c", "exit 43"]), Some(43));
        assert_eq!(code(&["sh", "-c", "kill -KILL $$"]), Some(137));
        assert_eq!(code(&["/usr"]), Some(126));
        let missing = sandbox.run(&["no-such-program"]);
        assert_eq!(missing.status.code(), Some(127));
        assert_eq!(String::from_utf8_lossy(&missing.stderr).trim(), "no-such-program: command not found");
        sandbox.stop(5);
        let error = bench.fail("terminal", json!({"id": sandbox.id, "command": ["true"]}));
        assert_eq!(error["data"]["kind"], "invalid_state");
    });
}

#[test]
fn pipes_carry_everything() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let mut child = sandbox.client(false, &["sh", "-c", "test -t 0 || cat; echo over >&2"]);
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let (mut stdin, to_send) = (child.stdin.take().unwrap(), sent.clone());
        let sender = std::thread::spawn(move || stdin.write_all(&to_send).unwrap());
        let output = child.wait_with_output().unwrap();
        sender.join().unwrap();
        assert!(output.stdout == sent, "{} bytes of {} came back", output.stdout.len(), sent.len());
        assert_eq!(output.stderr, b"over\n");
        // Longer than any message between client and sandbox.
        let long = "x".repeat(120_000);
        assert_eq!(sandbox.run(&["printf", "%s", &long]).stdout, long.as_bytes());
    });
}

#[test]
fn signals_are_passed_on_and_a_lost_client_ends_its_program() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let mut child = sandbox
            .client(false, &["sh", "-c", "trap 'exit 7' INT; echo ready; while :; do sleep 0.01; done"]);
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        kill_process(pid(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7));

        let seconds = marker();
        let mut child = sandbox.client(false, &["sleep", &seconds]).spawn().unwrap();
        let inside = format!("sleep\0{seconds}");
        eventually("the program runs", || processes(&inside) == 1);
        child.kill().unwrap();
        child.wait().unwrap();
        eventually("the program has ended", || processes(&inside) == 0);
    });
}

#[test]
fn a_folder_does_not_go_in_as_a_stream() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let output = sandbox
            .client(false, &["ls", "/proc/self/fd/0/"])
            .stdin(File::open("/").unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(125));
        assert_eq!(output.stdout, b"");
    });
}

#[test]
fn a_terminal_is_a_terminal() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let mut terminal = Terminal::open(&sandbox, &["sh"]);
        terminal.say("test -t 0 && test -t 1 && test -t 2 && echo is''-a-tty; stty size; tty");
        terminal.expect("is-a-tty");
        terminal.expect("33 101");
        terminal.expect("/dev/pts/");
        tcsetwinsize(&terminal.master, size(44, 90)).unwrap();
        kill_process(pid(&terminal.child), Signal::WINCH).unwrap();
        // The resize and the keys travel by different ways.
        terminal.say("until [ \"$(stty size)\" = '44 90' ]; do :; done; echo re''sized; echo $TERM");
        terminal.expect("resized");
        terminal.expect("test-terminal");
        terminal.say("sh -c 'echo run\"\"ning; exec sleep 1000'");
        terminal.expect("running");
        terminal.type_bytes(b"\x03");
        terminal.say("echo code=$?");
        terminal.expect("code=130");
        assert!(!terminal.echoes(), "raw mode is off");
        terminal.say("exit 9");
        assert_eq!(terminal.child.wait().unwrap().code(), Some(9));
        assert!(terminal.echoes(), "the terminal was not put back");
    });
}

#[test]
fn the_hosts_terminal_never_goes_in() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let mut terminal = Terminal::open_with(
            &sandbox,
            false,
            &["sh", "-c", "for i in 0 1 2; do test -t $i && echo tty; done; read x; echo got-$x"],
        );
        terminal.say("typed");
        terminal.expect("got-typed");
        assert!(!terminal.seen.contains("tty"), "{}", terminal.seen);
        assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    });
}

#[test]
fn a_program_that_ignores_the_hang_up_ends_with_its_terminal() {
    for_each_user(|bench| {
        let sandbox = bench.start(json!({}));
        let seconds = marker();
        let script = format!("trap '' HUP; echo ready; while :; do sleep {seconds}; done");
        let mut terminal = Terminal::open(&sandbox, &["sh", "-c", &script]);
        terminal.expect("ready");
        let Terminal { master, slave, mut child, .. } = terminal;
        drop((master, slave));
        assert_eq!(child.wait().unwrap().code(), Some(129));
        eventually("the program has ended", || processes(&format!("sleep\0{seconds}")) == 0);
    });
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// A user at a terminal.
struct Terminal {
    master: File,
    slave: OwnedFd,
    child: Child,
    seen: String,
}

impl Terminal {
    fn open(sandbox: &Sandbox<'_>, command: &[&str]) -> Self {
        Self::open_with(sandbox, true, command)
    }

    fn open_with(sandbox: &Sandbox<'_>, tty: bool, command: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&master, size(33, 101)).unwrap();
        let mut client = sandbox.client(tty, command);
        let stream = || Stdio::from(slave.try_clone().unwrap());
        let child = client
            .env("TERM", "test-terminal")
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .unwrap();
        Self { master: master.into(), slave, child, seen: String::new() }
    }

    fn type_bytes(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }

    fn say(&mut self, line: &str) {
        self.type_bytes(line.as_bytes());
        self.type_bytes(b"\r");
    }

    fn expect(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.seen.contains(text) {
            let read = self.master.read(&mut buffer).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    fn echoes(&self) -> bool {
        tcgetattr(self.slave.as_fd()).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}
