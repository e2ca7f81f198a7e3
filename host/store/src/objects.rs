//! The port of a store: named objects, each of which is read and written as a whole.

use std::future::Future;

use bytes::Bytes;

use crate::error::StoreError;

/// A store of objects. The parts of a key are separated by `/` and are checked names, so that no key leads out of the store.
pub trait Objects: Send + Sync {
    /// Returns the path or `s3://` address of a key, or of the store if the key is empty.
    fn describe(&self, key: &str) -> String;

    /// Reads an object. Fails if it has more than `most` bytes. Returns [`Got::Same`] without its content if its tag is `unless`.
    fn get(&self, key: &str, unless: Option<&str>, most: u64) -> impl Future<Output = Result<Got, StoreError>> + Send;

    /// Lists the names directly below a prefix, in any order. The prefix has no slash at its end.
    fn children(&self, prefix: &str) -> impl Future<Output = Result<Vec<Child>, StoreError>> + Send;

    /// Writes an object if `when` holds. The write is durable and atomic.
    fn put(&self, key: &str, content: Bytes, when: When<'_>) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Deletes an object; idempotent.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// An answer of [`Objects::get`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Object(StoredObject),
    /// The object still has the given tag.
    Same,
    Missing,
}

/// An object's content, and its tag, which changes with the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    pub content: Bytes,
    pub etag: String,
}

/// A name directly below a prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Child {
    pub name: String,
    /// True for a prefix of further names, false for an object.
    pub is_prefix: bool,
}

/// The condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When<'a> {
    /// The object does not exist.
    Absent,
    /// The object exists and has this tag.
    Is(&'a str),
}

impl<'a> When<'a> {
    /// Returns the condition that the object has not changed. `etag` is its last known tag; `None` if it did not exist.
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
