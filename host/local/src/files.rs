//! Files that are there whole or not at all, also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Makes a directory with these files; it appears, complete, at the end.
pub fn write_directory<'a>(place: &Path, files: impl Iterator<Item = (&'a str, &'a [u8])>) -> io::Result<()> {
    let parent = place.parent().ok_or_else(|| io::Error::other("no parent directory"))?;
    fs::create_dir_all(parent)?;
    let draft = parent.join(format!(".{}.{}", place.file_name().unwrap_or_default().to_string_lossy(), std::process::id()));
    // Left over from a crash of a process of the same number.
    let _ = fs::remove_dir_all(&draft);
    fs::create_dir(&draft)?;
    for (name, content) in files {
        let mut file = File::create(draft.join(name))?;
        file.write_all(content)?;
        file.sync_all()?;
    }
    File::open(&draft)?.sync_all()?;
    fs::rename(&draft, place)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_appears_whole_and_replaces_a_draft() {
        let temporary = tempfile::tempdir().unwrap();
        let place = temporary.path().join("orders/abc");
        write_directory(&place, [("a", b"1".as_slice()), ("b", b"2")].into_iter()).unwrap();
        assert_eq!(fs::read(place.join("b")).unwrap(), b"2");
        assert_eq!(fs::read_dir(temporary.path().join("orders")).unwrap().count(), 1, "no draft is left");
    }
}
