//! What users do with kdn, on each engine.

mod container;
mod image;
mod life;
mod outside;

use super::support::{Engine, World};

/// A test of each scenario on each engine.
macro_rules! scenarios {
    ($($group:ident: $names:tt)*) => {
        scenarios!(podman Engine::Podman; $($group: $names)*);
        scenarios!(podman_rootless Engine::Rootless; $($group: $names)*);
        scenarios!(docker Engine::Docker; $($group: $names)*);
    };
    ($module:ident $engine:expr; $($group:ident: [$($name:ident),* $(,)?])*) => {
        mod $module {
            use super::{Engine, World};
            $($(#[test] fn $name() {
                if let Some(world) = World::on($engine) {
                    super::$group::$name(&world);
                }
            })*)*
        }
    };
}

scenarios! {
    life: [life, exec, terminal_starts, terminal_closed, force_remove, names, unknown, apart]
    container: [environment, secret, owner, mounts, files, ports, limits, out_of_memory]
    image: [image_is_shared, shows_logs, tells_how_far, agents, sudo, features, dashboard, interrupted, interrupted_between_commands, killed]
    outside: [killed_outside, renamed, deleted, paused]
}
