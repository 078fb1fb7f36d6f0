//! The filter of system calls that every program inside runs under.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use linux_raw_sys::general::{
    __NR_clone, __NR_ioctl, __NR_prlimit64, __NR_sched_setaffinity, __NR_socket, CLONE_NEWCGROUP,
    CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::syscalls::{ALLOWED, ALLOWED_HERE, FORBIDDEN};
use crate::error::{Error, Result};

/// Namespaces that no program may make: each is new ground for attacks on the kernel.
const NAMESPACES: [u32; 7] =
    [CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS];

/// Requests that write into a terminal's input, as if its user had typed.
const TYPING: [u64; 2] = [linux_raw_sys::ioctl::TIOCSTI as u64, TIOCLINUX];
const TIOCLINUX: u64 = 0x541c;

/// The calls that change a file's mode, and which argument it is. A file that runs as its owner would be a way out
/// into the sources, for whoever starts it on the host. Setting that bit when a file is made is no danger: the
/// kernel takes it away when the file is written.
const MODES: &[(u32, u8)] = &[
    #[cfg(target_arch = "x86_64")]
    (linux_raw_sys::general::__NR_chmod, 1),
    (linux_raw_sys::general::__NR_fchmod, 1),
    (linux_raw_sys::general::__NR_fchmodat, 2),
    (linux_raw_sys::general::__NR_fchmodat2, 2),
];

/// The kinds of socket that are left; among those gone are raw packets, virtual machine and kernel crypto sockets.
const SOCKETS: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Installs the filters, for good. `pins_cpus`: the processor limit rests on affinity, so nobody may change it.
pub(super) fn install(pins_cpus: bool) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::internal(format!("filter system calls: {error}"));
    let arch = TargetArch::try_from(ARCH).map_err(|error| failed(&error))?;
    let known = known(arch).map_err(|error| failed(&error))?;
    let forbidden = forbidden(arch, pins_cpus).map_err(|error| failed(&error))?;
    // Both answer with an error for a forbidden call; the kernel takes the one that was installed last.
    apply_filter(&known).map_err(|error| failed(&error))?;
    apply_filter(&forbidden).map_err(|error| failed(&error))
}

/// Everything outside the list does not exist. `clone3` is outside, because its flags are out of a filter's sight;
/// C libraries fall back to `clone`. So are the numbers of other ABIs of the machine.
fn known(arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let rules: Rules = ALLOWED.iter().chain(ALLOWED_HERE).map(|number| (*number, Vec::new())).collect();
    SeccompFilter::new(rules, SeccompAction::Errno(errno(libc::ENOSYS)), SeccompAction::Allow, arch)?
        .try_into()
}

fn forbidden(arch: TargetArch, pins_cpus: bool) -> Result<BpfProgram, BackendError> {
    let mut rules: Rules = FORBIDDEN.iter().map(|number| (*number, Vec::new())).collect();
    if pins_cpus {
        rules.insert(i64::from(__NR_sched_setaffinity), Vec::new());
    }
    let namespaces = NAMESPACES
        .map(|flag| argument(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag.into()), flag.into()))
        .map(|condition| SeccompRule::new(vec![condition?]));
    rules.insert(__NR_clone.into(), namespaces.into_iter().collect::<Result<_, _>>()?);
    for (number, index) in MODES {
        let set_user_id = u64::from(libc::S_ISUID);
        let condition =
            argument(*index, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(set_user_id), set_user_id)?;
        rules.insert((*number).into(), vec![SeccompRule::new(vec![condition])?]);
    }
    // Nobody may take descriptors or memory from PID 1, which would end the service of terminals.
    let init = argument(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 1)?;
    rules.insert(__NR_prlimit64.into(), vec![SeccompRule::new(vec![init])?]);
    let typing = TYPING
        .map(|request| argument(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request))
        .map(|condition| SeccompRule::new(vec![condition?]));
    rules.insert(__NR_ioctl.into(), typing.into_iter().collect::<Result<_, _>>()?);
    let others = SOCKETS
        .map(|family| argument(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family.unsigned_abs().into()));
    let others = SeccompRule::new(others.into_iter().collect::<Result<_, _>>()?)?;
    rules.insert(__NR_socket.into(), vec![others]);
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno(libc::EPERM)), arch)?
        .try_into()
}

fn argument(
    index: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, length, operator, value)
}

fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}
