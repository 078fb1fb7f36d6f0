//! Unpacks an archive that nobody trusts.

use std::{
    io::{self, Cursor, Read},
    path::{Component, Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::{Problem, error::Result, stage, tally::Tally};

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Unpacks a tar archive, plain or compressed by gzip, into a folder that holds no links. Of modes only the right to
/// be executed stays; links and devices are refused, so that no path leads out of the folder.
pub(super) fn unpack(archive: &[u8], folder: &Path, tally: &mut Tally) -> Result<()> {
    let cursor = Cursor::new(archive);
    if archive.starts_with(&GZIP) {
        unpack_from(MultiGzDecoder::new(cursor), folder, tally)
    } else {
        unpack_from(cursor, folder, tally)
    }
}

fn unpack_from(reader: impl Read, folder: &Path, tally: &mut Tally) -> Result<()> {
    // Headers count too: a few compressed bytes can hold endless ones.
    let mut archive = Archive::new(Bounded { reader, left: tally.largest() });
    for entry in archive.entries().map_err(Problem::Archive)? {
        let mut entry = entry.map_err(|error| unusable(error, tally))?;
        let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        match kind {
            EntryType::XGlobalHeader => continue,
            EntryType::Symlink | EntryType::Link => return Err(Problem::ArchiveLink(shown)),
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
            _ => return Err(Problem::ArchiveEntry(shown)),
        }
        tally.entry()?;
        let inside = entry.path().ok().and_then(|path| inside(&path));
        let path = folder.join(inside.ok_or_else(|| Problem::ArchivePath(shown.clone()))?);
        if kind == EntryType::Directory {
            stage::create_folder(&path)?;
        } else if path == folder {
            return Err(Problem::ArchivePath(shown));
        } else {
            write(&mut entry, &path, tally)?;
        }
    }
    Ok(())
}

fn write(entry: &mut Entry<'_, impl Read>, path: &Path, tally: &mut Tally) -> Result<()> {
    if let Some(parent) = path.parent() {
        stage::create_folder(parent)?;
    }
    let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
    let size = entry.size();
    let copied = tally
        .copy(entry, &mut stage::create_file(path, executable)?)
        .map_err(|error| unusable(error, tally))??;
    if copied == size { Ok(()) } else { Err(Problem::Archive(io::ErrorKind::UnexpectedEof.into())) }
}

/// The path without what means nothing; `None` if it leads, or could lead, elsewhere.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) if !name.as_encoded_bytes().contains(&0) => clean.push(name),
            _ => return None,
        }
    }
    Some(clean)
}

fn unusable(error: io::Error, tally: &Tally) -> Problem {
    if error.kind() == io::ErrorKind::FileTooLarge { tally.too_large() } else { Problem::Archive(error) }
}

/// Gives an error once more has been read than there may be.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use tar::{Builder, Header};

    use super::*;

    /// An entry with any name at all, as `Builder` would refuse some.
    fn add(archive: &mut Builder<Vec<u8>>, kind: EntryType, name: &[u8], content: &[u8], mode: u32) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        let length = name.len().min(100);
        header.as_mut_bytes()[..length].copy_from_slice(&name[..length]);
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        archive.append(&header, content).unwrap();
    }

    fn one(kind: EntryType, name: &str, content: &[u8]) -> Vec<u8> {
        let mut archive = Builder::new(Vec::new());
        add(&mut archive, kind, name.as_bytes(), content, 0o644);
        archive.into_inner().unwrap()
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn refused(archive: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        unpack(archive, dir.path(), &mut Tally::default()).unwrap_err().to_string()
    }

    #[test]
    fn plain_and_compressed_archives_are_told_apart() {
        let mut archive = Builder::new(Vec::new());
        add(&mut archive, EntryType::Directory, b"./", b"", 0o777);
        add(&mut archive, EntryType::Regular, b"./install.sh", b"old", 0o644);
        add(&mut archive, EntryType::Regular, b"./install.sh", b"new", 0o644);
        add(&mut archive, EntryType::Regular, b"lib/tool", b"tool", 0o4777);
        let plain = archive.into_inner().unwrap();
        for archive in [gzip(&plain), plain] {
            let dir = tempfile::tempdir().unwrap();
            unpack(&archive, dir.path(), &mut Tally::default()).unwrap();
            assert_eq!(fs::read(dir.path().join("install.sh")).unwrap(), b"new");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = |name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o7777;
                assert_eq!((mode("install.sh"), mode("lib/tool")), (0o644, 0o755));
            }
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for name in ["../x", "a/../../x", "/etc/x", "a/../b", "."] {
            let error = refused(&one(EntryType::Regular, name, b"x"));
            assert_eq!(error, format!("invalid path in tar archive: {name}"));
        }
        for kind in [EntryType::Symlink, EntryType::Link] {
            assert_eq!(refused(&one(kind, "a", b"")), "unsupported link in tar archive: a");
        }
        for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
            assert_eq!(refused(&one(kind, "a", b"")), "unsupported entry in tar archive: a");
        }
    }

    #[test]
    fn what_grows_too_large_is_stopped() {
        let refused = |archive: &[u8]| {
            let dir = tempfile::tempdir().unwrap();
            unpack(archive, dir.path(), &mut Tally::limited(1 << 16, 10)).unwrap_err().to_string()
        };
        let bomb = |kind, size| {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_path("bomb").unwrap();
            header.set_size(size);
            header.set_cksum();
            gzip(&[&header.as_bytes()[..], &vec![b'0'; 1 << 20]].concat())
        };
        for (kind, size) in [
            (EntryType::Regular, 1 << 40),
            (EntryType::Regular, 1 << 18),
            (EntryType::GNULongName, 1 << 40),
            (EntryType::XHeader, 1 << 40),
        ] {
            assert_eq!(refused(&bomb(kind, size)), "feature is larger than 65536 bytes", "{kind:?}");
        }
        let mut many = Builder::new(Vec::new());
        for _ in 0..=10 {
            add(&mut many, EntryType::Directory, b"d", b"", 0o755);
        }
        assert_eq!(refused(&many.into_inner().unwrap()), "feature has more than 10 files and folders");
    }

    #[test]
    fn an_archive_that_is_cut_short_is_refused() {
        let whole = one(EntryType::Regular, "a", &[b'x'; 3000]);
        for end in [100, 600, 2000] {
            let error = refused(&whole[..end]);
            assert!(error.starts_with("unusable tar archive: "), "{error}");
        }
        let packed = gzip(&whole);
        assert!(refused(&packed[..packed.len() / 2]).starts_with("unusable tar archive: "));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn nothing_ever_leaves_the_folder(
            entries in prop::collection::vec((
                prop_oneof![
                    Just(EntryType::Regular), Just(EntryType::Directory), Just(EntryType::Symlink),
                    Just(EntryType::Link), Just(EntryType::Fifo),
                ],
                "(/|\\./|\\.\\./|[ab]/|\\\\|\u{fc}){0,4}[ab.]{0,3}",
            ), 1..6),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("deep/target");
            fs::create_dir_all(&target).unwrap();
            let mut archive = Builder::new(Vec::new());
            for (kind, name) in &entries {
                add(&mut archive, *kind, name.as_bytes(), b"", 0o644);
            }
            let _ = unpack(&archive.into_inner().unwrap(), &target, &mut Tally::default());
            let names = |folder: &Path| -> Vec<_> {
                fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
            };
            prop_assert_eq!(names(dir.path()), ["deep"]);
            prop_assert_eq!(names(&dir.path().join("deep")), ["target"]);
            prop_assert!(!names(&target).iter().any(|name| target.join(name).is_symlink()));
        }
    }
}
