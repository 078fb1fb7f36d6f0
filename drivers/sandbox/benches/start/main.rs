//! Start and first command of a sandbox against bubblewrap running that command once with the same mounts.
//!
//! `cargo bench -p kdn-runtime-sandbox`; without bubblewrap only the first half is measured.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {}
