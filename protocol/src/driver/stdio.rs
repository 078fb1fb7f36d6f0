//! Taking stdin and stdout away from the rest of the process, so that no stray print and no child can touch the
//! protocol.

use std::{fs::File, io};

/// The two ends of the wire.
pub(super) struct Stdio {
    pub(super) input: File,
    pub(super) output: File,
}

/// Moves stdin and stdout to private, close-on-exec descriptors. From then on stdin is empty, and what is printed
/// on stdout goes to stderr.
#[cfg(unix)]
pub(super) fn claim() -> io::Result<Stdio> {
    use rustix::{
        fs::{Mode, OFlags, open},
        io::fcntl_dupfd_cloexec,
        stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout},
    };

    let input = fcntl_dupfd_cloexec(stdin(), 3)?;
    let output = fcntl_dupfd_cloexec(stdout(), 3)?;
    dup2_stdin(open("/dev/null", OFlags::RDONLY, Mode::empty())?)?;
    dup2_stdout(stderr())?;
    Ok(Stdio { input: input.into(), output: output.into() })
}

/// Takes stdin and stdout as they are: a handle can't be moved away from `println!` here without unsafe code.
#[cfg(windows)]
pub(super) fn claim() -> io::Result<Stdio> {
    use std::os::windows::io::{AsHandle, OwnedHandle};

    let own = |handle: std::os::windows::io::BorrowedHandle<'_>| -> io::Result<OwnedHandle> {
        handle.try_clone_to_owned()
    };
    Ok(Stdio { input: own(io::stdin().as_handle())?.into(), output: own(io::stdout().as_handle())?.into() })
}
