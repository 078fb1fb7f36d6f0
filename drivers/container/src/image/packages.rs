//! Installing packages with whatever package manager a base image has.

use super::Recipe;
use crate::shell;

/// A package manager: its program, what goes before the names, and what after.
struct Manager {
    program: &'static str,
    install: &'static str,
    clean: &'static str,
    /// Which of the default lists is in its names.
    list: usize,
}

const MANAGERS: [Manager; 4] = [
    Manager { program: "dnf", install: "dnf install -y", clean: "dnf clean all", list: 0 },
    Manager {
        program: "apt-get",
        install: "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends",
        clean: "rm -rf /var/lib/apt/lists/*",
        list: 1,
    },
    Manager { program: "apk", install: "apk add --no-cache", clean: "true", list: 2 },
    Manager { program: "microdnf", install: "microdnf install -y", clean: "microdnf clean all", list: 0 },
];

/// The instruction that installs the packages, if there are any.
pub(super) fn instruction(recipe: &Recipe) -> Option<String> {
    let Recipe { image, agent, .. } = recipe;
    let list = |manager: &Manager| {
        let own = image.own_packages().map(<[String]>::to_vec);
        let names = own.unwrap_or_else(|| {
            crate::config::PACKAGES[manager.list].iter().map(|&name| name.to_owned()).collect()
        });
        shell::join(names.iter().chain(&agent.packages))
    };
    if MANAGERS.iter().all(|manager| list(manager).is_empty()) {
        return None;
    }
    let run = |manager: &Manager| format!("{} {} && {}", manager.install, list(manager), manager.clean);
    // Nothing has to be found out about the image that nobody chose.
    if image.base_image.is_none() {
        return Some(format!("RUN {}", run(&MANAGERS[0])));
    }
    let branch = |manager: &Manager| {
        format!("if command -v {} >/dev/null; then {}; \\\n    el", manager.program, run(manager))
    };
    let branches: String = MANAGERS.iter().map(branch).collect();
    let asked_for = shell::join(image.own_packages().into_iter().flatten().chain(&agent.packages));
    let or_else = if asked_for.is_empty() {
        "echo 'The image has no package manager that is known: nothing is installed.'".to_owned()
    } else {
        let message = format!("The image has no package manager that is known, to install: {asked_for}");
        format!("echo {} >&2; exit 1", shell::quote(&message))
    };
    Some(format!("RUN {branches}se {or_else}; fi"))
}
