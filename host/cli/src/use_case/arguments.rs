//! Arguments that several of the commands share: the store with the versions, and the name that a change is recorded with.

use std::str::FromStr;

use clap::Args;
use postdate_store::{AnyObjects, By, Directory, S3, StoreLocation, Versions};
use reqwest::Url;

/// The destination of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Store(StoreLocation),
    Server(Url),
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !is_server(text) {
            return text.parse().map(Self::Store);
        }
        Url::parse(text).map(Self::Server).map_err(|error| format!("{text:?} is not a URL: {error}"))
    }
}

fn is_server(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// Parses the location of a store. Refuses a server.
pub fn store(text: &str) -> Result<StoreLocation, String> {
    if is_server(text) {
        return Err(
            "that is a server: name its store, such as .postdate/store, or s3://bucket/prefix, or name the server with --url".to_owned()
        );
    }
    text.parse()
}

/// Opens a store without a call to it. Fails where no AWS region is set.
pub async fn open(location: &StoreLocation) -> anyhow::Result<Versions<AnyObjects>> {
    Ok(Versions::new(match location {
        StoreLocation::Directory(root) => AnyObjects::Directory(Directory::new(root)),
        StoreLocation::S3 { bucket, prefix } => AnyObjects::S3(S3::new(crate::aws::s3().await?, bucket, prefix)),
    }))
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
        open(&self.location).await
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
