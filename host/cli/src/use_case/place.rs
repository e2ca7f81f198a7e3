//! Where versions of use cases are: `s3://bucket/prefix`, or a directory; for a push also a server.

use std::path::PathBuf;
use std::str::FromStr;

use postdate_store::{AnyObjects, Directory, S3, Versions};
use reqwest::Url;

/// A place as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Directory(PathBuf),
    S3 { bucket: String, prefix: String },
    Server(Url),
}

impl FromStr for Place {
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
            Some((scheme, _)) => Err(format!("a store is a directory or s3://bucket/prefix, and not {scheme}://")),
            None if text.is_empty() => Err("name a directory, or s3://bucket/prefix".to_owned()),
            None => Ok(Self::Directory(PathBuf::from(text))),
        }
    }
}

/// A store, and no server: what only a store can tell.
pub fn store(text: &str) -> Result<Place, String> {
    match text.parse()? {
        Place::Server(_) => {
            Err("a server is asked in another way: name its store, such as .postdate/store, or s3://bucket/prefix".to_owned())
        }
        place => Ok(place),
    }
}

impl Place {
    /// Calls nothing yet. `None` for a server.
    pub async fn open(&self) -> anyhow::Result<Option<Versions<AnyObjects>>> {
        Ok(match self {
            Self::Directory(root) => Some(Versions::new(AnyObjects::Directory(Directory::new(root)))),
            Self::S3 { bucket, prefix } => Some(Versions::new(AnyObjects::S3(S3::new(crate::aws::s3().await?, bucket, prefix)))),
            Self::Server(_) => None,
        })
    }
}

#[cfg(test)]
mod tests;
