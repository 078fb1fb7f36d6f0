//! Real sandboxes, driven as kdn drives them: as root where the tests run as root, and as an ordinary user.
#![cfg(target_os = "linux")]

mod exec;
mod harness;
mod isolation;
mod lifecycle;
mod limits;
mod network;
mod refusals;
