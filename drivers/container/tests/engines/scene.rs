//! A small world in whose surroundings something is different.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};

use crate::support::{Engine, World, text};

/// A world in whose surroundings something is wrong: variables of its environment say what.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) wrong: Vec<(&'static str, String)>,
}

impl Scene {
    pub(crate) fn on(engine: Engine) -> Option<Self> {
        Some(Self { world: World::on(engine)?, wrong: Vec::new() })
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.wrong.push((name, value.into()));
    }

    /// A program that is found before all others.
    pub(crate) fn shim(&mut self, name: &str, script: &str) {
        let path = self.world.write(&format!("shims/{name}"), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", path.parent().unwrap().display(), std::env::var("PATH").unwrap());
        self.set("PATH", path);
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.world.engine.command(program);
        command.envs(self.wrong.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn kdn(&self, args: &[&str]) -> Command {
        let mut kdn = self.world.command(args);
        kdn.envs(self.wrong.iter().map(|(name, value)| (name, value)));
        kdn
    }

    /// What kdn says on stderr, and with which exit code it ends.
    pub(crate) fn says(&self, command: &str) -> String {
        let silent = ["--progress", "none"].into_iter().filter(|_| command != "list");
        let args: Vec<&str> = command.split(' ').filter(|arg| !arg.is_empty()).chain(silent).collect();
        let output = self.kdn(&args).output().unwrap();
        let code = output.status.code().unwrap();
        self.masked(&format!("$ kdn {command}\n{}[{code}]\n", text(&output.stderr)))
    }

    pub(crate) fn init(&self, more: &str) -> String {
        let kind = self.world.engine.kind();
        self.says(&format!("init --runtime {kind} --agent shell {more}"))
    }

    /// The same with what differs from run to run left out.
    fn masked(&self, said: &str) -> String {
        let kind = self.world.engine.kind();
        let said = said.replace(&*self.world.root().to_string_lossy(), "WORLD");
        let said = said.replace(&format!("init --runtime {kind} --agent shell"), "init");
        let mut masked = String::new();
        let mut hex = String::new();
        for c in said.chars().chain(['\n']) {
            if c.is_ascii_hexdigit() {
                hex.push(c);
                continue;
            }
            masked += if hex.len() == 64 { "ID" } else { &hex };
            hex.clear();
            masked.push(c);
        }
        masked.trim_end().to_owned() + "\n"
    }

    /// How many containers the engine has.
    pub(crate) fn count(&self) -> usize {
        let output =
            self.command(self.world.engine.kind()).args(["ps", "--all", "--quiet"]).output().unwrap();
        text(&output.stdout).lines().count()
    }

    /// That neither a container nor a file is left of an `init` that failed.
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.world.containers(), [] as [String; 0]);
        let storage = self.world.root().join("storage");
        let left = ["instances", "known", "locks"].map(|folder| self.world.storage().join(folder).exists());
        assert_eq!(left, [false; 3]);
        let pending = fs::read_dir(storage.join("pending")).map_or(0, Iterator::count);
        assert_eq!((pending, self.world.list().len()), (0, 0));
    }
}

/// Ends a process of a scene.
pub(crate) fn end(process: &mut Child) {
    let id = rustix::process::Pid::from_child(process);
    let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    let _ = process.wait();
}
