//! A store under a prefix of a bucket. What is here only reads, which is all that the functions on AWS do and may.

mod write;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};

use crate::{Child, Got, Objects, Put, StoreError, Stored, When};

/// A prefix of a bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    prefix: String,
}

impl S3 {
    /// `prefix` is without slashes at its ends, and may be empty.
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
    fn place(&self, key: &str) -> String {
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
                    _ => Err(StoreError::unavailable("read", self.place(key), DisplayErrorContext(error))),
                };
            }
        };
        let etag = object.e_tag.unwrap_or_default();
        let content = self.collect(key, object.body, most).await?;
        Ok(Got::Object(Stored { content, etag }))
    }

    async fn children(&self, prefix: &str) -> Result<Vec<Child>, StoreError> {
        let under = match self.key(prefix) {
            key if key.is_empty() => key,
            key => format!("{key}/"),
        };
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(&under).delimiter("/").into_paginator().send();
        let mut children = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| StoreError::unavailable("list", self.place(prefix), DisplayErrorContext(error)))?;
            let prefixes = page.common_prefixes().iter().filter_map(|common| common.prefix()?.strip_prefix(&under)?.strip_suffix('/'));
            children.extend(prefixes.map(|name| Child { name: name.to_owned(), is_prefix: true }));
            let objects = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&under));
            children.extend(objects.filter(|name| !name.is_empty()).map(|name| Child { name: name.to_owned(), is_prefix: false }));
        }
        Ok(children)
    }

    async fn put(&self, key: &str, content: Bytes, when: When<'_>) -> Result<Put, StoreError> {
        self.write(key, content, when).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.remove(key).await
    }
}

impl S3 {
    async fn collect(&self, key: &str, mut body: ByteStream, most: u64) -> Result<Bytes, StoreError> {
        let mut content = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| StoreError::unavailable("read all of", self.place(key), error))?;
            if (content.len() + chunk.len()) as u64 > most {
                return Err(StoreError::TooLarge { place: self.place(key), limit: most });
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content.freeze())
    }
}
