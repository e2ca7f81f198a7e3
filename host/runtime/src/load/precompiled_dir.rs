//! Reads a precompiled bundle: its manifest, its config files, and the list of its machine code. The `.wasm` files may be
//! missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postdate_core::bundle::{BundleError, BundleSource};
use postdate_core::plugin::Role;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};

use super::bundle_dir::{MAX_FILE_BYTES, MAX_MANIFEST_BYTES, ReadBundleError, read_file};
use crate::code::artifacts::{ARTIFACTS_DIR, ARTIFACTS_FILE, Artifacts, ArtifactsError, digest, text_files};
use crate::trust::{SignedEnvelope, Trust};

/// A bundle with machine code, for [`Runtime::load_precompiled`](crate::Runtime::load_precompiled). The machine code itself is
/// still in the directory, which must exist until the bundle is loaded.
#[derive(Debug, Clone)]
pub struct PrecompiledBundle {
    pub(crate) dir: PathBuf,
    /// The bundle's files without the plugins.
    pub(crate) source: BundleSource,
    pub(crate) use_case: Arc<UseCase>,
    pub(crate) artifacts: Artifacts,
    pub(crate) roles: Vec<Role>,
}

impl PrecompiledBundle {
    pub fn use_case(&self) -> &UseCase {
        &self.use_case
    }

    /// The version of the bundle that was compiled.
    pub fn version(&self) -> &str {
        &self.artifacts.version
    }

    /// Restricts the bundle to one plugin, for a host that calls no other. The host then reads neither the other plugin's code nor its
    /// secrets.
    #[must_use]
    pub fn only(mut self, role: Role) -> Self {
        self.roles.retain(|other| *other == role);
        self
    }
}

/// Reads a bundle's manifest, config files, and list of machine code. Fails if `trust` does not accept the list, or if a file does not
/// match it. Blocks on the file system.
pub fn read_precompiled_dir(dir: &Path, trust: &Trust) -> Result<PrecompiledBundle, ReadBundleError> {
    let bundle = |reason| ReadBundleError::Bundle { dir: dir.to_owned(), reason };
    let manifest = read_file(dir, MANIFEST_FILE, MAX_MANIFEST_BYTES)?.ok_or_else(|| ReadBundleError::without_manifest(dir))?;
    let text = std::str::from_utf8(&manifest).map_err(|_| bundle(BundleError::NotUtf8))?;
    let use_case = UseCase::parse_stored(text).map_err(|error| bundle(error.into()))?;
    let artifacts = read_artifacts(dir, trust)?;
    let mut source = BundleSource::default();
    for (key, file) in text_files(&use_case) {
        if source.files.contains_key(&file) {
            continue;
        }
        let content = match file.as_str() {
            MANIFEST_FILE => manifest.clone(),
            _ => read_file(dir, &file, MAX_FILE_BYTES)?.ok_or_else(|| bundle(BundleError::MissingFile { key, file: file.clone() }))?,
        };
        if artifacts.files.get(&file) != Some(&digest(&content)) {
            return Err(ReadBundleError::ChangedSince { path: dir.join(file), dir: dir.to_owned() });
        }
        source.files.insert(file, content);
    }
    source.check_config(&use_case).map_err(|error| bundle(error.into()))?;
    Ok(PrecompiledBundle {
        dir: dir.to_owned(),
        source,
        use_case: Arc::new(use_case),
        artifacts,
        roles: vec![Role::Validate, Role::Process],
    })
}

fn read_artifacts(dir: &Path, trust: &Trust) -> Result<Artifacts, ReadBundleError> {
    let name = format!("{ARTIFACTS_DIR}/{ARTIFACTS_FILE}");
    let content = read_file(dir, &name, MAX_MANIFEST_BYTES)?.ok_or_else(|| ReadBundleError::NotPrecompiled { dir: dir.to_owned() })?;
    let opened = SignedEnvelope::parse(&content).map_err(ArtifactsError::from).and_then(|envelope| Artifacts::open(&envelope, trust));
    opened.map_err(|reason| ReadBundleError::Artifacts { path: dir.join(name), dir: dir.to_owned(), reason })
}
