//! Use cases under a prefix of a bucket. A version is fetched into a directory of this machine once, as far as the host needs it.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_s3::primitives::ByteStream;
use postdate_core::plugin::Role;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_runtime::artifacts::{ARTIFACTS_DIR, ARTIFACTS_FILE, Arch, Artifacts};

use super::{Look, parse_current};
use crate::config::is_use_case_name;

/// More is no version.
const MAX_CURRENT_BYTES: usize = 256;
const MAX_MANIFEST_BYTES: usize = 1 << 20;

/// A prefix of a bucket, and where fetched bundles are kept: `{cache}/{name}/{version}/`.
#[derive(Debug)]
pub struct S3 {
    pub client: Client,
    pub bucket: String,
    /// Without slashes at the ends; may be empty.
    pub prefix: String,
    pub cache: PathBuf,
}

impl S3 {
    /// `GetObject` of `current`, with `If-None-Match` where there is an `ETag`.
    pub async fn look(&self, name: &str, etag: Option<&str>) -> Result<Look, String> {
        let key = self.key(&format!("{name}/current"));
        let got = self.client.get_object().bucket(&self.bucket).key(&key).set_if_none_match(etag.map(str::to_owned)).send().await;
        let object = match got {
            Ok(object) => object,
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                return match (status, error.code()) {
                    (Some(304), _) => Ok(Look::Same),
                    (_, Some("NoSuchKey")) => Ok(Look::NoSuchUseCase),
                    _ => Err(format!("cannot read s3://{}/{key}: {}", self.bucket, DisplayErrorContext(error))),
                };
            }
        };
        let etag = object.e_tag;
        let text = collect(object.body, MAX_CURRENT_BYTES).await.map_err(|error| format!("s3://{}/{key} {error}", self.bucket))?;
        let version = parse_current(&text).map_err(|error| format!("s3://{}/{key}: {error}", self.bucket))?;
        Ok(Look::Version { version, etag })
    }

    /// `ListObjectsV2`: what stands between the prefix and the next slash.
    pub async fn names(&self) -> Result<Vec<String>, String> {
        let prefix = self.key("");
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(&prefix).delimiter("/").into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| format!("cannot list s3://{}/{prefix}: {}", self.bucket, DisplayErrorContext(error)))?;
            let found = page.common_prefixes().iter().filter_map(|common| common.prefix()?.strip_prefix(&prefix)?.strip_suffix('/'));
            names.extend(found.filter(|name| is_use_case_name(name)).map(str::to_owned));
        }
        Ok(names)
    }

    /// The current version and its manifest, without its plugins.
    pub async fn describe(&self, name: &str) -> Result<(String, UseCase), String> {
        let Look::Version { version, .. } = self.look(name, None).await? else {
            return Err(format!("s3://{}/{} is not there", self.bucket, self.key(&format!("{name}/current"))));
        };
        let key = self.key(&format!("{name}/{version}/{MANIFEST_FILE}"));
        let object = self.client.get_object().bucket(&self.bucket).key(&key).send().await;
        let object = object.map_err(|error| format!("cannot read s3://{}/{key}: {}", self.bucket, DisplayErrorContext(error)))?;
        let text = collect(object.body, MAX_MANIFEST_BYTES).await.map_err(|error| format!("s3://{}/{key} {error}", self.bucket))?;
        let use_case = UseCase::parse(&text).map_err(|error| error.to_string())?;
        Ok((version, use_case))
    }

    /// Where a version is, if an earlier process fetched it.
    pub fn kept(&self, name: &str, version: &str) -> Option<PathBuf> {
        let place = self.cache.join(name).join(version);
        place.is_dir().then_some(place)
    }

    /// Fetches what these roles need of a version on this machine's architecture; it is there whole or not at all.
    pub async fn fetch(&self, name: &str, version: &str, roles: &[Role]) -> Result<PathBuf, String> {
        let place = self.cache.join(name).join(version);
        let partial = self.cache.join(name).join(format!(".{version}.{}", std::process::id()));
        let unwritable = |error: std::io::Error| format!("cannot write {}: {error}", partial.display());
        remove(&partial).map_err(unwritable)?;
        make_dir(&partial.join(ARTIFACTS_DIR)).map_err(unwritable)?;
        let fetched = self.fetch_files(&format!("{name}/{version}"), &partial, roles).await;
        if let Err(error) = fetched {
            let _ = remove(&partial);
            return Err(error);
        }
        remove(&place).and_then(|()| std::fs::rename(&partial, &place)).map_err(unwritable)?;
        Ok(place)
    }

    async fn fetch_files(&self, from: &str, dir: &Path, roles: &[Role]) -> Result<(), String> {
        let manifest = self.fetch_file(from, dir, MANIFEST_FILE).await?;
        let text = std::fs::read_to_string(&manifest).map_err(|error| format!("{MANIFEST_FILE}: {error}"))?;
        let use_case = UseCase::parse(&text).map_err(|error| error.to_string())?;
        for role in [Role::Validate, Role::Process] {
            for file in use_case.plugin(role).into_iter().flat_map(|spec| spec.config_files.values()) {
                self.fetch_file(from, dir, plain(file)?).await?;
            }
        }
        let listed = self.fetch_file(from, dir, &format!("{ARTIFACTS_DIR}/{ARTIFACTS_FILE}")).await?;
        let text = std::fs::read_to_string(&listed).map_err(|error| format!("{ARTIFACTS_FILE}: {error}"))?;
        let artifacts: Artifacts = serde_json::from_str(&text).map_err(|error| format!("{ARTIFACTS_FILE}: {error}"))?;
        // What is not compiled for this machine is told by whoever loads it.
        for artifact in roles.iter().filter_map(|role| artifacts.find(*role, Arch::HERE?)) {
            self.fetch_file(from, dir, &format!("{ARTIFACTS_DIR}/{}", plain(&artifact.file)?)).await?;
        }
        Ok(())
    }

    /// Written as it comes: machine code may have a hundred megabytes.
    async fn fetch_file(&self, from: &str, dir: &Path, file: &str) -> Result<PathBuf, String> {
        let key = self.key(&format!("{from}/{file}"));
        let shown = format!("s3://{}/{key}", self.bucket);
        let object = self.client.get_object().bucket(&self.bucket).key(&key).send().await;
        let object = object.map_err(|error| format!("cannot read {shown}: {}", DisplayErrorContext(error)))?;
        let path = dir.join(file);
        write(object.body, &path, &shown).await?;
        Ok(path)
    }

    fn key(&self, rest: &str) -> String {
        if self.prefix.is_empty() { rest.to_owned() } else { format!("{}/{rest}", self.prefix) }
    }
}

/// The name of a file and not a path: it is joined to a directory of this machine.
fn plain(file: &str) -> Result<&str, String> {
    let base = Path::new(file).file_name().and_then(|base| base.to_str());
    if base == Some(file) { Ok(file) } else { Err(format!("{file:?} is not the name of a file")) }
}

/// All of a small object, as text.
async fn collect(mut body: ByteStream, most: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| format!("did not arrive whole: {error}"))?);
        if bytes.len() > most {
            return Err(format!("has more than {most} bytes"));
        }
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

async fn write(mut body: ByteStream, path: &Path, shown: &str) -> Result<(), String> {
    let unwritable = |error| format!("cannot write {}: {error}", path.display());
    let mut file = std::fs::File::create(path).map_err(unwritable)?;
    while let Some(chunk) = body.next().await {
        file.write_all(&chunk.map_err(|error| format!("{shown} did not arrive whole: {error}"))?).map_err(unwritable)?;
    }
    Ok(())
}

/// For this user alone: machine code is run from there.
fn make_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
