//! From a store to a directory of the host, for plugins that were compiled ahead of time.

use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use postdate_core::plugin::Role;
use postdate_runtime::artifacts::{ARTIFACTS_DIR, ARTIFACTS_FILE, Arch, Artifact, Artifacts, digest};
use postdate_runtime::trust::{Envelope, Trust};
use postdate_runtime::{MAX_FILE_BYTES, MAX_MANIFEST_BYTES};

use crate::compress::unpack;
use crate::publish::{compiled_dir, packed_key};
use crate::{Got, Objects, StoreError, Stored, Versions};

/// Largest machine code in a store, compressed; and unpacked, in bytes. A Python plugin's is about 100 MiB.
pub(crate) const MAX_PACKED_BYTES: u64 = 256 << 20;
const MAX_CODE_BYTES: u64 = 512 << 20;

impl<S: Objects> Versions<S> {
    /// Writes what a host of this architecture needs to load these roles into an empty directory, for
    /// [`read_compiled_dir`](postdate_runtime::read_compiled_dir).
    pub async fn unpack_compiled(
        &self,
        name: &str,
        version: &str,
        arch: Arch,
        roles: &[Role],
        trust: &Trust,
        dir: &Path,
    ) -> Result<(), StoreError> {
        let compiled = compiled_dir(name, version, arch);
        let key = format!("{compiled}/{ARTIFACTS_FILE}");
        let Got::Object(Stored { content: list, .. }) = self.objects.get(&key, None, MAX_MANIFEST_BYTES).await? else {
            return Err(self.not_compiled(name, version, arch).await);
        };
        let opened = Envelope::parse(&list).map_err(|error| error.to_string());
        let opened = opened.and_then(|envelope| Artifacts::open(&envelope, trust).map_err(|error| error.to_string()));
        let artifacts = opened.map_err(|reason| StoreError::damaged(self.objects.place(&key), reason))?;
        write(dir, &format!("{ARTIFACTS_DIR}/{ARTIFACTS_FILE}"), list).await?;
        let texts = async {
            for (file, expected) in &artifacts.files {
                let key = format!("{name}/{version}/{file}");
                let content = self.existing(&key, MAX_FILE_BYTES).await?.content;
                if digest(&content) != *expected {
                    return Err(StoreError::damaged(self.objects.place(&key), "is not what was pushed: push the bundle again to mend it"));
                }
                write(dir, file, content).await?;
            }
            Ok(())
        };
        let code = async {
            for artifact in roles.iter().filter_map(|role| artifacts.find(*role, arch)) {
                self.unpack_artifact(&compiled, artifact, dir).await?;
            }
            Ok(())
        };
        tokio::try_join!(texts, code).map(|_| ())
    }

    async fn unpack_artifact(&self, compiled: &str, artifact: &Artifact, dir: &Path) -> Result<(), StoreError> {
        let key = packed_key(compiled, artifact);
        let place = self.objects.place(&key);
        if artifact.bytes > MAX_CODE_BYTES {
            return Err(StoreError::TooLarge { place, limit: MAX_CODE_BYTES });
        }
        let packed = self.existing(&key, MAX_PACKED_BYTES).await?.content;
        let (bytes, path) = (artifact.bytes, dir.join(ARTIFACTS_DIR).join(&artifact.file));
        let unpacked = tokio::task::spawn_blocking(move || unpack(&packed, bytes, &mut File::create(path)?)).await;
        unpacked.map_err(std::io::Error::other).flatten().map_err(|error| StoreError::unavailable("unpack", place, error))
    }

    /// Says what there is in place of what is not.
    async fn not_compiled(&self, name: &str, version: &str, arch: Arch) -> StoreError {
        let place = self.objects.place(&format!("{name}/{version}"));
        match self.compiled_for(name, version).await {
            Ok(machines) => {
                let there = if machines.is_empty() { "nothing".to_owned() } else { machines.join(", ") };
                let ours = compiled_dir("", "", arch);
                let ours = ours.rsplit('/').next().unwrap_or_default();
                StoreError::NotCompiled {
                    place,
                    reason: format!(
                        "has not been compiled for this host ({ours}), but for {there}: push the bundle again, with the version of \
                         Postdate that the host has: postdate use-case push BUNDLE_DIR --arch {arch} --to STORE"
                    ),
                }
            }
            Err(error) => error,
        }
    }
}

async fn write(dir: &Path, file: &str, content: Bytes) -> Result<(), StoreError> {
    let path = dir.join(file);
    let place = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)
    });
    written.await.map_err(std::io::Error::other).flatten().map_err(|error| StoreError::unavailable("write", place, error))
}
