//! kdn at a terminal: a real pty with somebody who reads and types.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use super::wait_until;

pub(crate) struct Pty {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen has been expected so far.
    seen: usize,
    reader: JoinHandle<()>,
}

impl Pty {
    /// Starts a command whose terminal has 24 lines of 80 columns. `setsid` is the tool that gives it the terminal.
    pub(crate) fn start(setsid: &Path, command: &Command) -> Self {
        let (mut master, slave) = open_pair();
        let mut at_terminal = Command::new(setsid);
        at_terminal.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        at_terminal.env_clear().current_dir(command.get_current_dir().unwrap());
        at_terminal.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        let child = at_terminal.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();

        let keyboard = master.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end is an error here: the last process has closed the terminal.
            while let Ok(read @ 1..) = master.read(&mut buffer) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        Self { child, keyboard, screen, seen: 0, reader }
    }

    /// Waits until one of these texts is on the screen, after what was expected before.
    pub(crate) fn expect(&mut self, texts: &[&str]) -> &mut Self {
        let screen = Arc::clone(&self.screen);
        let from = self.seen;
        self.seen = wait_until(&format!("one of {texts:?} on the screen"), || {
            let screen = screen.lock().unwrap();
            let end = |text: &&str| screen[from..].find(*text).map(|at| from + at + text.len());
            texts.iter().filter_map(end).min()
        });
        self
    }

    pub(crate) fn send(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits for the end; the exit code and all that was on the screen.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.reader.join().unwrap();
        let screen = self.screen.lock().unwrap().clone();
        (code, screen)
    }
}

fn open_pair() -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave =
        open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master.as_fd(), size).unwrap();
    (File::from(master), slave)
}
