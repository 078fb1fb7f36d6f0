//! Whether sandboxes can be made here: one is made, and if that fails, the machine is asked why.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};

use kdn_protocol::{Limits, NetworkMode, Status};
use rustix::net::{AddressFamily, SocketType, socket};

use crate::error::{Doing, Error, Result};
use crate::plan::{Access, Entry, Plan, SOURCES};
use crate::supervisor::launch::launch;
use crate::{layout, process};

/// The first argument that makes this executable a probe: the sandbox is made from a process with one thread.
pub const ROLE: &str = "__probe";

/// Tries to make a sandbox.
pub fn status() -> Status {
    match attempt() {
        Ok(()) => Status::ready(),
        Err(error) => diagnose(&error.message),
    }
}

fn attempt() -> Result<()> {
    let mut command = process::own(ROLE);
    command.arg0("kdn-sandbox probe").stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().doing("start a probe")?;
    serde_json::from_slice::<Result<()>>(&output.stdout)
        .unwrap_or_else(|_| Err(Error::internal(format!("the probe ended with {}", output.status))))
}

/// The probe itself.
pub fn main() -> ExitCode {
    let outcome = probe();
    let _ = serde_json::to_writer(io::stdout(), &outcome);
    ExitCode::SUCCESS
}

fn probe() -> Result<()> {
    let mut entries = layout::system("probe", NetworkMode::Deny);
    entries.push(Entry::Bind {
        source: "/usr".to_owned(),
        target: SOURCES.to_owned(),
        access: Access::System,
    });
    let plan = Plan {
        label: "probe".to_owned(),
        hostname: "probe".to_owned(),
        entries,
        env: Vec::new(),
        share_network: false,
        forwards: Vec::new(),
        limits: Limits::default(),
    };
    let listener = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).doing("make a socket")?;
    // It ends when its control socket closes.
    launch(plan, listener).map(drop)
}

/// Finds the switch that forbids user namespaces.
fn diagnose(error: &str) -> Status {
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let is = |path: &str, value: &str| setting(path).is_some_and(|text| text == value);
    let unavailable =
        |reason: &str, hints: &[String]| Status::unavailable(format!("{reason} ({error})"), hints.to_vec());
    let sysctl = |name: &str, value: &str| {
        vec![
            format!("run: sudo sysctl -w {name}={value}"),
            format!("to keep it: echo '{name} = {value}' | sudo tee /etc/sysctl.d/60-kdn.conf"),
        ]
    };
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return unavailable("user namespaces are switched off", &sysctl("user.max_user_namespaces", "15000"));
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return unavailable(
            "user namespaces are switched off for ordinary users",
            &sysctl("kernel.unprivileged_userns_clone", "1"),
        );
    }
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return unavailable("AppArmor restricts user namespaces", &apparmor());
    }
    if version().is_some_and(|version| version < (5, 12)) {
        return unavailable("the kernel is too old", &["use Linux 5.12 or newer".to_owned()]);
    }
    if error.starts_with("make a new proc") {
        let hint = "in a container, run it with --security-opt systempaths=unconfined (Docker) or \
                    --security-opt unmask=ALL (Podman)";
        return unavailable("parts of /proc are covered, as in a container", &[hint.to_owned()]);
    }
    let filtered = setting("/proc/self/status").is_some_and(|text| !text.contains("\nSeccomp:\t0\n"));
    if filtered && error.starts_with("make the namespaces") {
        let hint = "in a container, run it with --security-opt seccomp=unconfined";
        return unavailable(
            "a filter of system calls forbids namespaces, as in a container",
            &[hint.to_owned()],
        );
    }
    let hint = "kdn-runtime-sandbox needs user namespaces; choose another runtime with --runtime where there are none";
    unavailable("a sandbox can't be made", &[hint.to_owned()])
}

fn apparmor() -> Vec<String> {
    let program =
        std::env::current_exe().map_or("kdn-runtime-sandbox".into(), |path| path.display().to_string());
    vec![
        format!(
            "allow it for this program: printf 'abi <abi/4.0>,\\nprofile kdn-runtime-sandbox {program} \
             flags=(unconfined) {{ userns, }}\\n' | sudo tee /etc/apparmor.d/kdn-runtime-sandbox && \
             sudo apparmor_parser -r /etc/apparmor.d/kdn-runtime-sandbox"
        ),
        "or for all programs: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".to_owned(),
    ]
}

fn version() -> Option<(u32, u32)> {
    let uname = rustix::system::uname();
    let mut parts = uname.release().to_str().ok()?.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
