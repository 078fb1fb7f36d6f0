//! Where the drivers of the tests are.

use std::path::PathBuf;

/// The executable of an example, which Cargo builds with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    let target = test.parent().and_then(|deps| deps.parent()).expect("a target folder");
    let path = target.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not there: run `cargo test -p kdn-protocol --no-run`", path.display());
    path
}
