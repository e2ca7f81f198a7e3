//! What builds plugins: the toolchains of Rust, JavaScript and Python, for `postdate plugin build` and for `cargo xtask`.
//!
//! Nothing is installed outside a directory that the caller names, but for [`rust::Toolchain::find_or_install`], which
//! `cargo xtask` alone calls.

pub mod javascript;
pub mod python;
pub mod rust;
pub mod step;
pub mod wit;

use std::path::Path;
use std::time::SystemTime;

/// Whether a file that was made is there, and younger than all that it was made of; directories are looked through.
pub fn is_current(made: &Path, inputs: &[&Path]) -> bool {
    let Some(made) = modified(made) else { return false };
    inputs.iter().all(|input| newest(input).is_some_and(|input| input < made))
}

/// None where something cannot be read: then nobody knows.
fn newest(path: &Path) -> Option<SystemTime> {
    if !path.is_dir() {
        return modified(path);
    }
    let mut newest = modified(path)?;
    for entry in std::fs::read_dir(path).ok()? {
        newest = newest.max(self::newest(&entry.ok()?.path())?);
    }
    Some(newest)
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|file| file.modified()).ok()
}

/// Replaces a file in one step: who watches it sees the old one or the new one, never a part.
pub(crate) fn rename_into(temporary: &Path, to: &Path) -> anyhow::Result<()> {
    use anyhow::Context as _;
    std::fs::rename(temporary, to).with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_made_is_current_until_an_input_is_younger() {
        let directory = tempfile::tempdir().unwrap();
        let (made, source) = (directory.path().join("made"), directory.path().join("src/deep/source"));
        std::fs::create_dir_all(source.parent().unwrap()).unwrap();
        std::fs::write(&source, "").unwrap();
        let inputs = [directory.path().join("src")];
        let inputs = [inputs[0].as_path()];
        assert!(!is_current(&made, &inputs), "it is not there");
        std::fs::write(&made, "").unwrap();
        let at = |file: &Path, seconds| {
            let time = SystemTime::now() + Duration::from_secs(seconds);
            std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        };
        at(&made, 10);
        assert!(is_current(&made, &inputs));
        at(&source, 20);
        assert!(!is_current(&made, &inputs));
        assert!(!is_current(&made, &[&directory.path().join("nothing")]), "an input is missing");
    }
}
