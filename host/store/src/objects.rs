//! The port of a store: named objects, each read and written whole.

use std::future::Future;

use bytes::Bytes;

use crate::error::StoreError;

/// Keys have `/` between their parts, and are made of names that were checked: none leads out of the store.
pub trait Objects: Send + Sync {
    /// Returns the path or `s3://` address of a key, or of the store if the key is empty.
    fn describe(&self, key: &str) -> String;

    /// Reads at most `most` bytes; more is an error. With `unless`, an object that still has this tag is not read.
    fn get(&self, key: &str, unless: Option<&str>, most: u64) -> impl Future<Output = Result<Got, StoreError>> + Send;

    /// Names directly beneath a prefix, which has no slash at its end; in any order.
    fn children(&self, prefix: &str) -> impl Future<Output = Result<Vec<Child>, StoreError>> + Send;

    /// Writes an object, durably, whole or not at all; unless `when` does not hold.
    fn put(&self, key: &str, content: Bytes, when: When<'_>) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Idempotent.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// An answer of [`Objects::get`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Object(Stored),
    /// The object has the tag that was given.
    Same,
    Missing,
}

/// An object's content, and its tag: another content has another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub content: Bytes,
    pub etag: String,
}

/// A name directly beneath a prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Child {
    pub name: String,
    /// True for a prefix of further names, false for an object.
    pub is_prefix: bool,
}

/// When an object may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When<'a> {
    /// There is none of this key.
    Absent,
    /// There is one, and it has this tag.
    Is(&'a str),
}

impl<'a> When<'a> {
    /// The object has not changed since it had this tag, or since it was not there.
    pub fn still(etag: Option<&'a str>) -> Self {
        etag.map_or(Self::Absent, Self::Is)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Done,
    /// `when` did not hold, and nothing was written.
    Refused,
}
