//! The system calls that no safe library offers; the only unsafe code of this crate.
#![expect(unsafe_code, reason = "raw system calls; each block says why it is sound")]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::{Pid, Signal};

#[expect(clippy::cast_possible_truncation, reason = "the kernel's flags fit; libc declares them wider")]
mod short {
    pub(super) const UP: libc::c_short = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    pub(super) const WRITE_LOCK: libc::c_short = libc::F_WRLCK as libc::c_short;
    pub(super) const NO_LOCK: libc::c_short = libc::F_UNLCK as libc::c_short;
}
use short::{NO_LOCK, UP, WRITE_LOCK};

/// Which side of a fork one is on.
#[derive(Debug)]
pub enum Forked<T> {
    Child,
    Parent(T),
}

/// A child of [`clone_into`], and a descriptor that stays true when its pid is reused.
#[derive(Debug)]
pub struct Cloned {
    pub pid: Pid,
    pub pidfd: OwnedFd,
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Forks into new namespaces (`CLONE_NEW*`). The caller must have one thread only: the child goes on running Rust code.
pub fn clone_into(namespaces: u64) -> io::Result<Forked<Cloned>> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all zeroes is a valid `clone_args`.
    let mut args: libc::clone_args = unsafe { zeroed() };
    args.flags = namespaces | u64::from(libc::CLONE_PIDFD.cast_unsigned());
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: without CLONE_VM the child has its own copy of memory and stack, and `pidfd` outlives the call.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) })?;
    match Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?) {
        None => Ok(Forked::Child),
        // SAFETY: the kernel has just made this descriptor for us.
        Some(pid) => Ok(Forked::Parent(Cloned { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })),
    }
}

/// Plain `fork`, which the sandbox's own system call filter lets through. The caller must have one thread only.
pub fn fork() -> io::Result<Forked<Pid>> {
    // SAFETY: the callers are single-threaded, so no lock of another thread is held for ever in the child.
    let pid = check(libc::c_long::from(unsafe { libc::fork() }))?;
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    Ok(Pid::from_raw(pid).map_or(Forked::Child, Forked::Parent))
}

/// How a detached mount is changed by [`mount_setattr`].
#[derive(Debug, Default)]
pub struct MountChange<'a> {
    /// `MOUNT_ATTR_*` flags to set.
    pub set: u64,
    /// Take the mount out of its peer group, so that later mounts of the host do not show up in it.
    pub private: bool,
    /// A user namespace whose mapping the mount applies to the owners of its files.
    pub idmap: Option<&'a OwnedFd>,
    /// Leave the mounts below it as they are.
    pub alone: bool,
}

/// Changes the mount behind `tree` and all mounts below it.
pub fn mount_setattr(tree: impl AsFd, change: &MountChange<'_>) -> io::Result<()> {
    #[repr(C)]
    struct MountAttr {
        attr_set: u64,
        attr_clr: u64,
        propagation: u64,
        userns_fd: u64,
    }
    let attr = MountAttr {
        attr_set: change.set
            | change.idmap.map_or(0, |_| u64::from(linux_raw_sys::general::MOUNT_ATTR_IDMAP)),
        attr_clr: 0,
        propagation: if change.private { libc::MS_PRIVATE } else { 0 },
        userns_fd: change.idmap.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    };
    // SAFETY: the path is a static C string, `attr` is the kernel's struct and its size is told.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | if change.alone { 0 } else { libc::AT_RECURSIVE },
            &raw const attr,
            size_of::<MountAttr>(),
        )
    })?;
    Ok(())
}

/// Closes every descriptor but the standard streams and those in `keep`. For the start of a process and for the
/// child of a fork, where whatever owns the others is never dropped.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) {
    let mut keep: Vec<_> =
        keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).filter(|fd| *fd > 2).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if first < fd {
            // SAFETY: see above, no owner of these descriptors will use them again.
            let _ = unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0) };
        }
        first = fd.saturating_add(1);
    }
}

/// Marks every descriptor from `first` on to be closed by `execve`.
pub fn close_on_exec_from(first: RawFd) {
    // SAFETY: changes a flag of descriptors, closes none.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// Gives every signal its default action and unblocks it, whatever was inherited.
pub fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL is a valid action; signals that can't be changed are refused by the kernel.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    unblock_signals();
}

/// Unblocks every signal.
pub fn unblock_signals() {
    // SAFETY: an empty, initialised set.
    unsafe {
        let mut set = zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// A signal read from [`signal_fd`].
#[derive(Debug, Clone, Copy)]
pub struct Caught {
    pub signal: i32,
    /// Whether its sender is outside of our pid namespace.
    pub from_outside: bool,
}

/// Blocks `signals` and returns a non-blocking descriptor that tells of them instead.
pub fn signal_fd(signals: &[Signal]) -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised before it is used; the descriptor returned is ours.
    unsafe {
        let mut set = zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, signal.as_raw());
        }
        check(libc::c_long::from(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut())))?;
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(libc::c_long::from(fd))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The next signal that waits in a descriptor of [`signal_fd`].
pub fn next_signal(fd: &OwnedFd) -> Option<Caught> {
    // SAFETY: plain old data, filled by the kernel.
    let mut info: libc::signalfd_siginfo = unsafe { zeroed() };
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: `info` is `size` bytes long.
    let read = unsafe { libc::read(fd.as_raw_fd(), (&raw mut info).cast(), size) };
    (read.cast_unsigned() == size).then(|| Caught {
        signal: info.ssi_signo.cast_signed(),
        // The kernel fills in the sender's pid, unless the signal comes with data of the sender's own (SI_QUEUE).
        from_outside: info.ssi_code == libc::SI_USER && info.ssi_pid == 0,
    })
}

/// Sends a signal to every process of the pid namespace but the caller, its PID 1.
pub fn kill_everyone(signal: Signal) {
    // SAFETY: no memory is involved.
    unsafe { libc::kill(-1, signal.as_raw()) };
}

/// Brings up the loopback interface of the network namespace.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: all zeroes is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = UP;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`.
    check(libc::c_long::from(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request)
    }))?;
    Ok(())
}

fn whole_file_lock() -> libc::flock {
    // SAFETY: all zeroes is a valid `flock`: the whole file, pid 0 as open file description locks need.
    let mut lock: libc::flock = unsafe { zeroed() };
    // `l_whence` is zero, which is SEEK_SET.
    lock.l_type = WRITE_LOCK;
    lock
}

/// Takes the lock on an open file; false when someone else has it. It lasts until the file is closed everywhere.
pub fn try_lock(file: impl AsFd) -> io::Result<bool> {
    let lock = whole_file_lock();
    // SAFETY: F_OFD_SETLK reads a `flock`.
    let done = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    match check(libc::c_long::from(done)) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the lock on an open file, waiting for whoever has it.
pub fn lock(file: impl AsFd) -> io::Result<()> {
    let lock = whole_file_lock();
    // SAFETY: F_OFD_SETLKW reads a `flock`.
    let done = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_OFD_SETLKW, &raw const lock) };
    check(libc::c_long::from(done)).map(drop)
}

/// Whether someone holds the lock on an open file. Asking takes nothing, so it disturbs nobody.
pub fn is_locked(file: impl AsFd) -> io::Result<bool> {
    let mut lock = whole_file_lock();
    // SAFETY: F_OFD_GETLK reads and writes a `flock`.
    let done = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    check(libc::c_long::from(done))?;
    Ok(lock.l_type != NO_LOCK)
}
