//! The storage folder, which is nobody else's business.

use std::{fs::DirBuilder, io, path::Path};

/// Makes a folder, and those above it, for the user alone; one that is there stays as it is.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}
