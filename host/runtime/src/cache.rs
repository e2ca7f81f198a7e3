//! Compiled components on disk, so that a restart compiles nothing.
//!
//! What is in the directory is machine code that the host runs, so nobody but the host's user may write to it: it is
//! made with mode 0700, and refused when others can write. The digest kept beside each file finds accidents, such as a
//! full disk or a bad block; against malice it is no help, for who can change the one can change the other.

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

use crate::artifact;

/// A cache directory that was found to be private.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// The compiler's settings and wasmtime's full version, as a digest.
    engine: [u8; 32],
}

/// Why a directory cannot be the cache.
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
    /// Makes the directory, or checks the one that is there.
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

    /// The component that these bytes compile to, if it is there and whole.
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
        match artifact::load_file(engine, &file) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled plugin in the cache cannot be loaded, and is compiled again");
                None
            }
        }
    }

    /// Loads what these bytes have just been compiled to, and keeps it if it can be loaded. The compiler's process never has the
    /// file open: the code came from it through a pipe.
    pub fn keep(&self, engine: &Engine, wasm: &[u8], code: &[u8]) -> std::io::Result<wasmtime::Result<Component>> {
        let path = self.path(wasm);
        let draft = self.draft(code)?;
        let component = match artifact::load_file(engine, &fs::File::open(&draft.0)?) {
            Ok(component) => component,
            Err(error) => return Ok(Err(error)),
        };
        draft.place(&path)?;
        // The digest last: without it, the code does not count.
        self.draft(hex(&Sha256::digest(code)).as_bytes())?.place(&digest_path(&path))?;
        Ok(Ok(component))
    }

    /// Writes under another name, so that no reader sees half a file, and one who has the old one mapped keeps it.
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

/// A file that goes away unless it gets its place.
struct Draft(PathBuf);

impl Draft {
    fn place(self, path: &Path) -> std::io::Result<()> {
        fs::rename(&self.0, path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Where it has its place, there is nothing here any more.
        let _ = fs::remove_file(&self.0);
    }
}

fn digest_path(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

/// Feeds what is hashed to SHA-256: unlike the standard library's hasher it is the same in every Rust release.
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
mod tests {
    use super::*;
    use crate::config::{Allocation, Metering, engine_config};
    use crate::testing::guest;

    fn engine() -> Engine {
        Engine::new(&engine_config(Allocation::OnDemand, Metering::Off)).unwrap()
    }

    fn only_file(dir: &Path, extension: &str) -> PathBuf {
        let paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        let mut fitting = paths.iter().filter(|path| path.extension().is_some_and(|found| found == extension));
        let found = fitting.next().unwrap_or_else(|| panic!("no .{extension} among {paths:?}")).clone();
        assert_eq!(fitting.next(), None);
        found
    }

    #[test]
    fn what_was_put_is_found_until_it_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("made/by/open");
        let engine = engine();
        let cache = Cache::open(&dir, &engine).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);

        let wasm = guest("minimal-validate");
        assert!(cache.get(&engine, &wasm).is_none());
        let code = engine.precompile_component(&wasm).unwrap();
        cache.keep(&engine, &wasm, &code).unwrap().unwrap();
        assert!(cache.get(&engine, &wasm).is_some());
        assert!(cache.get(&engine, &guest("minimal-process")).is_none(), "another plugin has another key");

        let file = only_file(&dir, "cwasm");
        let mut bytes = fs::read(&file).unwrap();
        assert_eq!(bytes, code);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, &bytes).unwrap();
        assert!(cache.get(&engine, &wasm).is_none(), "one bit is wrong");

        // Damage that the digest does not tell, because it matches: wasmtime's own check refuses it.
        fs::write(&file, b"nonsense").unwrap();
        fs::write(digest_path(&file), hex(&Sha256::digest(b"nonsense"))).unwrap();
        assert!(cache.get(&engine, &wasm).is_none());

        cache.keep(&engine, &wasm, &code).unwrap().unwrap();
        assert!(cache.get(&engine, &wasm).is_some(), "to keep it again mends it");

        assert!(cache.keep(&engine, b"other", b"nonsense").unwrap().is_err());
        assert!(cache.get(&engine, b"other").is_none());
        let drafts = fs::read_dir(&dir).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        assert_eq!(drafts.count(), 0, "what is not kept goes away");
    }

    #[test]
    fn code_that_counts_instructions_lies_beside_code_that_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("cache");
        let [plain, metered] =
            [Metering::Off, Metering::On].map(|metering| Engine::new(&engine_config(Allocation::OnDemand, metering)).unwrap());
        let wasm = guest("minimal-validate");
        for (engine, other) in [(&plain, &metered), (&metered, &plain)] {
            let cache = Cache::open(&dir, engine).unwrap();
            assert!(cache.get(engine, &wasm).is_none(), "what is there is of the other kind");
            let code = engine.precompile_component(&wasm).unwrap();
            cache.keep(engine, &wasm, &code).unwrap().unwrap();
            assert!(cache.keep(other, b"other", &code).unwrap().is_err());
        }
        for engine in [&plain, &metered] {
            assert!(Cache::open(&dir, engine).unwrap().get(engine, &wasm).is_some(), "one has replaced the other");
        }
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, good) in [(0o700, true), (0o755, true), (0o770, false), (0o777, false), (0o1777, false)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let opened = Cache::open(dir.path(), &engine());
            assert_eq!(opened.is_ok(), good, "{mode:o}: {opened:?}");
        }
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Cache::open(&file, &engine()), Err(CacheError::Io { .. } | CacheError::NotADirectory { .. })));
    }
}
