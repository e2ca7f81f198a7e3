//! The location of a store, as commands and the configuration of a host name it.

use std::path::PathBuf;
use std::str::FromStr;

/// A directory, or a prefix of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    Directory(PathBuf),
    /// Keys are `{prefix}/{use case}/…`; the prefix has no slash at either end, and may be empty.
    S3 {
        bucket: String,
        prefix: String,
    },
}

impl FromStr for StoreLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err("write it as s3://bucket/prefix".to_owned());
                }
                Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
            }
            Some((scheme, _)) => Err(format!("a store is a directory or s3://bucket/prefix, not {scheme}://")),
            None if text.is_empty() => Err("name a directory, or s3://bucket/prefix".to_owned()),
            None => Ok(Self::Directory(PathBuf::from(text))),
        }
    }
}

#[cfg(test)]
mod tests;
