//! Writes `schema/` anew from the types: `just schema`.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for (name, text) in kdn_protocol::schema::files() {
        write(&folder.join(name), &text)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "generated files can be generated again")]
fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
}
