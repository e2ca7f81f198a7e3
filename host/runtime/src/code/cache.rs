//! Caches compiled components on disk, so that a restart compiles nothing.
//!
//! The host runs the machine code in this directory, so only the host's user may write to it: the directory is made with mode 0700,
//! and refused if others can write to it. The digest beside each file detects accidents, such as a full disk or a bad block. It does not
//! protect against an attacker, who can change the digest together with the file.

use std::fs::{self, FileTimes, Metadata};
use std::hash::{Hash, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use postdate_core::bundle::hex;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::code::deserialize;

/// Extension of a file with machine code.
const CODE: &str = "cwasm";
/// Begin of the name of a file that is not in its place yet.
const DRAFT: &str = ".tmp-";
/// Age from which a draft is left over. A process that runs has one for seconds.
const LEFT_OVER: Duration = Duration::from_hours(1);

/// A cache in a private directory.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// Digest of the compiler's settings and wasmtime's full version.
    engine: [u8; 32],
    /// Most bytes of machine code.
    quota: u64,
}

/// A directory cannot be the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("the cache directory {} cannot be used: {reason}", dir.display())]
    Io { dir: PathBuf, reason: std::io::Error },
    #[error("the cache directory {} is not a directory", dir.display())]
    NotADirectory { dir: PathBuf },
    #[error(
        "the cache directory {} can be written by others (mode {mode:o}), who could make this host run their code: `chmod 700` it, or name another",
        dir.display()
    )]
    NotPrivate { dir: PathBuf, mode: u32 },
    #[error("the cache directory {} belongs to user {owner}, who could make this host run their code: name one of your own", dir.display())]
    NotOurs { dir: PathBuf, owner: u32 },
}

impl Cache {
    /// Opens a cache. Creates the directory, or checks the existing one.
    pub fn open(dir: &Path, engine: &Engine, quota: u64) -> Result<Self, CacheError> {
        let io = |reason| CacheError::Io { dir: dir.to_owned(), reason };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let metadata = fs::metadata(dir).map_err(io)?;
        if !metadata.is_dir() {
            return Err(CacheError::NotADirectory { dir: dir.to_owned() });
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(CacheError::NotPrivate { dir: dir.to_owned(), mode });
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(CacheError::NotOurs { dir: dir.to_owned(), owner: metadata.uid() });
        }
        let mut hasher = StableHasher(Sha256::new());
        // Wasmtime's full version is part of this hash.
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir: dir.to_owned(), engine: hasher.0.finalize().into(), quota })
    }

    /// Returns the component that these bytes compile to, if it is cached and undamaged.
    pub fn get(&self, engine: &Engine, wasm: &[u8]) -> Option<Component> {
        let path = self.path(wasm);
        let mut file = fs::File::open(&path).ok()?;
        let mut code = Vec::new();
        file.read_to_end(&mut code).ok()?;
        let noted = fs::read_to_string(digest_path(&path)).ok()?;
        if noted.trim_end() != hex(&Sha256::digest(&code)) {
            tracing::warn!(path = %path.display(), "a compiled plugin in the cache is damaged, and is compiled again");
            return None;
        }
        match deserialize::load_file(engine, &file) {
            Ok(component) => {
                // For `evict`. Set here, because most file systems are mounted so that a read seldom sets it.
                let _ = file.set_times(FileTimes::new().set_accessed(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled plugin in the cache cannot be loaded, and is compiled again");
                None
            }
        }
    }

    /// Loads the code to which these bytes were just compiled, and stores it if it loads. The compiler's process never has the file
    /// open, because the code comes through a pipe.
    pub fn keep(&self, engine: &Engine, wasm: &[u8], code: &[u8]) -> std::io::Result<wasmtime::Result<Component>> {
        let path = self.path(wasm);
        let draft = self.draft(code)?;
        let component = match deserialize::load_file(engine, &fs::File::open(&draft.0)?) {
            Ok(component) => component,
            Err(error) => return Ok(Err(error)),
        };
        draft.keep_as(&path)?;
        // The digest is written last: code without a digest is ignored.
        self.draft(hex(&Sha256::digest(code)).as_bytes())?.keep_as(&digest_path(&path))?;
        if let Err(error) = self.evict(&path) {
            tracing::warn!(%error, dir = %self.dir.display(), "the cache of compiled plugins could not be made smaller");
        }
        Ok(Ok(component))
    }

    /// Deletes the code that was used least recently, until the rest is within the quota. Keeps `new`. Code that is in use stays mapped.
    /// Also deletes the drafts of processes that were killed.
    fn evict(&self, new: &Path) -> std::io::Result<()> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            // Another process may have deleted the file meanwhile.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if path.extension().is_some_and(|extension| extension == CODE) {
                all.push((metadata.accessed()?, metadata.len(), path));
            } else if is_left_over(&path, &metadata) {
                remove(&path)?;
            }
        }
        all.sort();
        let mut bytes: u64 = all.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, freed, path) in all.iter().filter(|(_, _, path)| path != new) {
            if bytes <= self.quota {
                break;
            }
            tracing::debug!(path = %path.display(), "deleting a compiled plugin, since the cache is beyond its quota");
            // The digest goes first: code without one is ignored.
            for file in [&digest_path(path), path] {
                remove(file)?;
            }
            bytes -= freed;
        }
        Ok(())
    }

    /// Writes a draft under another name, so that no reader sees half a file, and a process that has the old file mapped keeps it. The name
    /// is random: the process id is 1 in each of several containers that share the cache. Fails instead of opening a file that is there.
    fn draft(&self, content: &[u8]) -> std::io::Result<Draft> {
        let mut random = [0; 16];
        SystemRandom::new().fill(&mut random).map_err(|_| std::io::Error::other("the operating system gives no random bytes"))?;
        let path = self.dir.join(format!("{DRAFT}{}", hex(&random)));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let draft = Draft(path);
        file.write_all(content)?;
        Ok(draft)
    }

    fn path(&self, wasm: &[u8]) -> PathBuf {
        let mut key = Sha256::new();
        key.update(self.engine);
        key.update(Sha256::digest(wasm));
        self.dir.join(format!("{}.{CODE}", hex(&key.finalize())))
    }
}

/// A file that is deleted unless it is renamed into its place.
struct Draft(PathBuf);

impl Draft {
    fn keep_as(self, path: &Path) -> std::io::Result<()> {
        fs::rename(&self.0, path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the rename there is nothing to delete.
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns true for a draft whose process was killed.
fn is_left_over(path: &Path, metadata: &Metadata) -> bool {
    let is_draft = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(DRAFT.as_bytes()));
    let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
    is_draft && age.is_some_and(|age| age > LEFT_OVER)
}

/// Deletes a file that another process may have deleted meanwhile.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn digest_path(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

/// Hashes with SHA-256. The standard library's hasher may differ between Rust releases.
struct StableHasher(Sha256);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests;
