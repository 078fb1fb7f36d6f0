//! Real sandboxes, driven as kdn drives them: as root where the tests run as root, and as an ordinary user.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

mod exec;
mod harness;
mod isolation;
mod lifecycle;
mod limits;
mod network;
mod refusals;
