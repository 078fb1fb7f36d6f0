//! The starters: drivers to begin with, one in each language.

use super::new::Language;
use crate::output::word;

/// What the type is called in the starters.
const PLACEHOLDER: &str = "kdn-runtime-starter";

/// A driver to begin with.
pub(super) struct Starter {
    /// The name to write a file under, its content, and whether it is the driver itself.
    files: &'static [(&'static str, &'static str, bool)],
    /// The command that builds the driver in its folder, where there is something to build.
    build: Option<&'static str>,
    /// Where the driver is in its folder.
    driver: &'static str,
}

/// A file to write.
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) executable: bool,
}

macro_rules! text {
    ($path:literal) => {
        include_str!(concat!("../../../../drivers/starters/", $path))
    };
}

pub(super) fn of(language: Language) -> Starter {
    match language {
        Language::Python => Starter {
            files: &[
                ("README.md", text!("python/README.md"), false),
                (PLACEHOLDER, text!("python/driver.py"), true),
            ],
            build: None,
            driver: PLACEHOLDER,
        },
        Language::Sh => Starter {
            files: &[("README.md", text!("sh/README.md"), false), (PLACEHOLDER, text!("sh/driver.sh"), true)],
            build: None,
            driver: PLACEHOLDER,
        },
        Language::Typescript => Starter {
            files: &[
                ("README.md", text!("typescript/README.md"), false),
                ("driver.cjs", text!("typescript/driver.cjs"), true),
            ],
            build: Some("ln -s driver.cjs kdn-runtime-starter"),
            driver: PLACEHOLDER,
        },
        Language::Go => Starter {
            files: &[
                ("README.md", text!("go/README.md"), false),
                ("go.mod", text!("go/go.mod"), false),
                ("main.go", text!("go/main.go"), false),
                ("wire.go", text!("go/wire.go"), false),
            ],
            build: Some("go build -o kdn-runtime-starter ."),
            driver: PLACEHOLDER,
        },
        Language::Rust => Starter {
            files: &[
                ("README.md", text!("rust/README.md"), false),
                ("Cargo.toml", text!("rust/Cargo.toml"), false),
                ("src/main.rs", text!("rust/src/main.rs"), false),
                ("src/instance.rs", text!("rust/src/instance.rs"), false),
            ],
            build: Some("cargo build --release"),
            driver: "target/release/kdn-runtime-starter",
        },
    }
}

impl Starter {
    /// The files, for a driver of this type.
    pub(super) fn files(&self, kind: &str) -> Vec<File> {
        let file = |(name, text, executable): &(&str, &str, bool)| File {
            name: named(name, kind),
            text: named(text, kind),
            executable: *executable,
        };
        self.files.iter().map(file).collect()
    }

    /// What to do with the files, which are in `dir`, to have kdn find the driver in the folder `drivers`.
    pub(super) fn next_steps(&self, kind: &str, dir: &str, drivers: &str) -> String {
        let driver = named(self.driver, kind);
        let (dir, drivers) = (word(dir), word(drivers));
        let build = self.build.map(|build| format!("\n  {}", named(build, kind))).unwrap_or_default();
        format!(
            "Next:
  cd {dir}{build}
  kdn runtime test ./{driver}
  mkdir -p {drivers} && ln -s \"$PWD/{driver}\" {drivers}/
  kdn init --runtime {kind}"
        )
    }
}

fn named(text: &str, kind: &str) -> String {
    text.replace(PLACEHOLDER, &format!("kdn-runtime-{kind}"))
        .replace("--runtime starter", &format!("--runtime {kind}"))
}
