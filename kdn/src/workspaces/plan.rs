//! Whether the way into a workspace that a driver names can be gone.

use std::path::{Path, PathBuf};

use kdn_protocol::Plan;

use crate::{output::CommandError, runtimes::at_fault};

/// Exit code: what leads into the workspace can't be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// Exit code: what leads into the workspace is not there.
pub const NOT_FOUND: u8 = 127;

/// The program of a plan, which is the driver's own executable where it names none. A plan that can't be run is
/// refused here, where it is known whose it is.
pub(super) fn program(driver: &str, own: &Path, plan: &Plan) -> Result<PathBuf, CommandError> {
    let wrong = |what: String| at_fault(driver, format!("runtime {driver:?} returned a terminal {what}"));
    if let Some(text) = texts(plan).find(|text| text.contains('\0')) {
        return Err(wrong(format!("plan with a NUL character: {text:?}")));
    }
    if let Some(name) = plan.env.keys().find(|name| name.is_empty() || name.contains('=')) {
        return Err(wrong(format!("plan with a variable that can't be: {name:?}")));
    }
    if let Some(folder) = &plan.cwd {
        if !Path::new(folder).is_absolute() {
            return Err(wrong(format!("folder that is not an absolute path: {folder:?}")));
        }
        if !Path::new(folder).is_dir() {
            return Err(wrong(format!("folder that is not there: {folder:?}")));
        }
    }
    let Some(program) = &plan.program else { return Ok(own.to_path_buf()) };
    let path = PathBuf::from(program);
    if !path.is_absolute() {
        return Err(wrong(format!("program that is not an absolute path: {program:?}")));
    }
    if !path.exists() {
        return Err(wrong(format!("program that is not there: {program:?}")).with_exit_code(NOT_FOUND));
    }
    if !is_executable(&path) {
        return Err(
            wrong(format!("program that is not executable: {program:?}")).with_exit_code(NOT_EXECUTABLE)
        );
    }
    Ok(path)
}

/// All that a plan hands to the system.
fn texts(plan: &Plan) -> impl Iterator<Item = &String> {
    let environment = plan.env.iter().flat_map(|(name, value)| std::iter::once(name).chain(value));
    plan.program.iter().chain(&plan.args).chain(environment).chain(&plan.cwd)
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}
