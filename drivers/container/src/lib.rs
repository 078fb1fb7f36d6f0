//! Workspaces as containers of podman or docker.
//!
//! `driver` answers kdn. `instances` is what it does with a container, `image` how it gets the image for one, `config` what
//! users may say about both. All of them talk to the `engine`, which knows what differs between podman and docker, and which
//! runs their programs through `process`.

pub mod config;
pub mod driver;
pub mod engine;
pub mod env;
pub mod error;
pub mod files;
pub mod image;
pub mod instances;
pub mod process;
pub mod role;
pub mod shell;
