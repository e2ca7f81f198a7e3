//! The tarball, laid out so that it unpacks into `/usr/local`. The same input gives the same bytes.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};

use super::{Release, VERSION, read};

/// Writes the tarball. Returns its path.
pub fn write(release: &Release, out: &Path) -> Result<PathBuf> {
    let name = format!("postdate-{VERSION}-{}", release.platform.triple());
    let path = out.join(format!("{name}.tar.gz"));
    let write = || -> Result<()> {
        let mut tar = tar::Builder::new(GzEncoder::new(File::create(&path)?, Compression::default()));
        add(&mut tar, &format!("{name}/bin/postdate"), 0o755, &fs::read(release.program)?)?;
        for (place, content) in files(release)? {
            add(&mut tar, &format!("{name}/{place}"), 0o644, &content)?;
        }
        tar.into_inner()?.finish()?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Returns the files beside the program: paths and contents.
fn files(release: &Release) -> Result<Vec<(String, Vec<u8>)>> {
    let shared = release.shared.iter().map(|(place, content)| (format!("share/{place}"), content.clone()));
    let notices = release.notices.iter().map(|(name, content)| (format!("share/doc/postdate/{name}"), content.clone()));
    let mut files: Vec<_> = shared.chain(notices).collect();
    for name in ["LICENSE", "README.md", "CHANGELOG.md"] {
        files.push((format!("share/doc/postdate/{name}"), read(name)?));
    }
    Ok(files)
}

/// Adds a file without the time and the owner that it has here.
fn add(tar: &mut tar::Builder<impl Write>, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    tar.append_data(&mut header, path, content)?;
    Ok(())
}
