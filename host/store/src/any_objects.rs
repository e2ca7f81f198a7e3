//! A store whose kind is chosen at run time.

use bytes::Bytes;

use crate::directory::Directory;
use crate::error::StoreError;
use crate::objects::{Child, Got, Objects, Put, When};
use crate::s3::S3;

/// A directory or a prefix of a bucket.
#[derive(Debug, Clone)]
pub enum AnyObjects {
    Directory(Directory),
    S3(S3),
}

/// Makes a call on the contained store.
macro_rules! each {
    ($any:expr, $objects:ident => $call:expr) => {
        match $any {
            AnyObjects::Directory($objects) => $call,
            AnyObjects::S3($objects) => $call,
        }
    };
}

impl Objects for AnyObjects {
    fn describe(&self, key: &str) -> String {
        each!(self, objects => objects.describe(key))
    }

    async fn get(&self, key: &str, unless: Option<&str>, most: u64) -> Result<Got, StoreError> {
        each!(self, objects => objects.get(key, unless, most).await)
    }

    async fn children(&self, prefix: &str) -> Result<Vec<Child>, StoreError> {
        each!(self, objects => objects.children(prefix).await)
    }

    async fn put(&self, key: &str, content: Bytes, when: When<'_>) -> Result<Put, StoreError> {
        each!(self, objects => objects.put(key, content, when).await)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        each!(self, objects => objects.delete(key).await)
    }
}
