//! Arguments that several of the commands share: the store with the versions, and the name that a change is recorded with.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;
use clap::Args;
use postdate_store::{AnyObjects, By, Directory, S3, Versions};
use reqwest::Url;

/// The destination of a push, as written on the command line: a store, or a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    Directory(PathBuf),
    S3 { bucket: String, prefix: String },
    Server(Url),
}

impl FromStr for StoreLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err("write it as s3://bucket/prefix".to_owned());
            }
            return Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() });
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Url::parse(text).map(Self::Server).map_err(|error| format!("{text:?} is not a URL: {error}"));
        }
        match text.split_once("://") {
            Some((scheme, _)) => Err(format!("a store is a directory or s3://bucket/prefix, not {scheme}://")),
            None if text.is_empty() => Err("name a directory, or s3://bucket/prefix".to_owned()),
            None => Ok(Self::Directory(PathBuf::from(text))),
        }
    }
}

/// Parses the location of a store. Refuses a server.
pub fn store(text: &str) -> Result<StoreLocation, String> {
    match text.parse()? {
        StoreLocation::Server(_) => {
            Err("that is a server: name its store, such as .postdate/store, or s3://bucket/prefix, or name the server with --url"
                .to_owned())
        }
        location => Ok(location),
    }
}

impl StoreLocation {
    /// Opens the store without a call to it. Fails for a server, and where no AWS region is set.
    pub async fn open(&self) -> anyhow::Result<Versions<AnyObjects>> {
        Ok(Versions::new(match self {
            Self::Directory(root) => AnyObjects::Directory(Directory::new(root)),
            Self::S3 { bucket, prefix } => AnyObjects::S3(S3::new(crate::aws::s3().await?, bucket, prefix)),
            Self::Server(url) => bail!("{url} is a server, not a store"),
        }))
    }
}

/// The required argument `--store`.
#[derive(Debug, Args)]
pub struct StoreArgument {
    #[arg(
        long = "store",
        env = "POSTDATE_STORE",
        value_name = "STORE",
        value_parser = store,
        help = "Store with the versions: s3://bucket/prefix, or a directory"
    )]
    pub location: StoreLocation,
}

impl StoreArgument {
    pub async fn open(&self) -> anyhow::Result<Versions<AnyObjects>> {
        self.location.open().await
    }
}

/// The name that a change is recorded with.
#[derive(Debug, Args)]
pub struct ByArgument {
    /// Your name, which `list` shows
    #[arg(long, env = "POSTDATE_BY", value_name = "NAME", default_value_t = user_at_host())]
    by: String,
}

impl ByArgument {
    pub fn now(&self) -> By<'_> {
        By { name: &self.by, now: chrono::Utc::now() }
    }
}

fn user_at_host() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

#[cfg(test)]
mod tests;
