//! A store under a prefix of a bucket. Writes use S3's own conditions (`If-None-Match: *`, `If-Match`).

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};

use crate::error::StoreError;
use crate::objects::{Child, Got, Objects, Put, StoredObject, When};

/// A prefix of a bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    prefix: String,
}

impl S3 {
    /// `prefix` has no slash at either end, and may be empty.
    pub fn new(client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into(), prefix: prefix.into() }
    }

    fn key(&self, key: &str) -> String {
        match (self.prefix.as_str(), key) {
            ("", key) => key.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, key) => format!("{prefix}/{key}"),
        }
    }
}

impl Objects for S3 {
    fn describe(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(key))
    }

    async fn get(&self, key: &str, unless: Option<&str>, most: u64) -> Result<Got, StoreError> {
        let call = self.client.get_object().bucket(&self.bucket).key(self.key(key)).set_if_none_match(unless.map(str::to_owned));
        let object = match call.send().await {
            Ok(object) => object,
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                return match (status, error.code()) {
                    (Some(304), _) => Ok(Got::Same),
                    (_, Some("NoSuchKey")) => Ok(Got::Missing),
                    _ => Err(StoreError::unavailable("read", self.describe(key), DisplayErrorContext(error))),
                };
            }
        };
        let etag = object.e_tag.unwrap_or_default();
        let content = self.collect(key, object.body, most).await?;
        Ok(Got::Object(StoredObject { content, etag }))
    }

    async fn children(&self, prefix: &str) -> Result<Vec<Child>, StoreError> {
        let under = match self.key(prefix) {
            key if key.is_empty() => key,
            key => format!("{key}/"),
        };
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(&under).delimiter("/").into_paginator().send();
        let mut children = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| StoreError::unavailable("list", self.describe(prefix), DisplayErrorContext(error)))?;
            let prefixes = page.common_prefixes().iter().filter_map(|common| common.prefix()?.strip_prefix(&under)?.strip_suffix('/'));
            children.extend(prefixes.map(|name| Child { name: name.to_owned(), is_prefix: true }));
            let objects = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&under));
            children.extend(objects.filter(|name| !name.is_empty()).map(|name| Child { name: name.to_owned(), is_prefix: false }));
        }
        Ok(children)
    }

    async fn put(&self, key: &str, content: Bytes, when: When<'_>) -> Result<Put, StoreError> {
        let call = self.client.put_object().bucket(&self.bucket).key(self.key(key)).body(ByteStream::from(content));
        let call = match when {
            When::Absent => call.if_none_match("*"),
            When::Is(etag) => call.if_match(etag),
        };
        match call.send().await {
            Ok(_) => Ok(Put::Done),
            Err(error) if was_refused(&error) => Ok(Put::Refused),
            Err(error) => Err(StoreError::unavailable("write", self.describe(key), DisplayErrorContext(error))),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(self.key(key)).send().await;
        deleted.map(drop).map_err(|error| StoreError::unavailable("delete", self.describe(key), DisplayErrorContext(error)))
    }
}

impl S3 {
    async fn collect(&self, key: &str, mut body: ByteStream, most: u64) -> Result<Bytes, StoreError> {
        let mut content = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| StoreError::unavailable("read all of", self.describe(key), error))?;
            if (content.len() + chunk.len()) as u64 > most {
                return Err(StoreError::TooLarge { location: self.describe(key), limit: most });
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content.freeze())
    }
}

/// Returns whether a write was refused by its condition: 412 if it does not hold, 409 if another write to the key came in between, 404
/// if `If-Match` has no object to compare with.
fn was_refused(error: &SdkError<PutObjectError>) -> bool {
    let status = error.raw_response().map(|response| response.status().as_u16());
    matches!(status, Some(412 | 409)) || error.code() == Some("NoSuchKey")
}
