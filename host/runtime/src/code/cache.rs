//! Caches compiled components on disk, so that a restart compiles nothing.
//!
//! The host runs the machine code in this directory, so only the host's user may write to it: the directory is made with mode 0700,
//! and refused if others can write to it. The digest beside each file detects accidents, such as a full disk or a bad block. It does not
//! protect against an attacker, who can change the digest together with the file.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use postdate_core::bundle::hex;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::code::deserialize;

/// A cache in a private directory.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// Digest of the compiler's settings and wasmtime's full version.
    engine: [u8; 32],
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
    pub fn open(dir: &Path, engine: &Engine) -> Result<Self, CacheError> {
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
        Ok(Self { dir: dir.to_owned(), engine: hasher.0.finalize().into() })
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
            Ok(component) => Some(component),
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
        Ok(Ok(component))
    }

    /// Writes a draft under another name, so that no reader sees half a file, and a process that has the old file mapped keeps it.
    fn draft(&self, content: &[u8]) -> std::io::Result<Draft> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let draft = Draft(self.dir.join(format!(".tmp-{}-{unique}", std::process::id())));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft.0)?;
        file.write_all(content)?;
        Ok(draft)
    }

    fn path(&self, wasm: &[u8]) -> PathBuf {
        let mut key = Sha256::new();
        key.update(self.engine);
        key.update(Sha256::digest(wasm));
        self.dir.join(format!("{}.cwasm", hex(&key.finalize())))
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
