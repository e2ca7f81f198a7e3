//! Writing to a bucket: conditionally, which is S3's own (`If-None-Match: *`, `If-Match`).

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::S3;
use crate::{Objects as _, Put, StoreError, When};

impl S3 {
    pub(super) async fn write(&self, key: &str, content: Bytes, when: When<'_>) -> Result<Put, StoreError> {
        let call = self.client.put_object().bucket(&self.bucket).key(self.key(key)).body(ByteStream::from(content));
        let call = match when {
            When::Absent => call.if_none_match("*"),
            When::Is(etag) => call.if_match(etag),
        };
        match call.send().await {
            Ok(_) => Ok(Put::Done),
            Err(error) if was_refused(&error) => Ok(Put::Refused),
            Err(error) => Err(StoreError::unavailable("write", self.place(key), DisplayErrorContext(error))),
        }
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(self.key(key)).send().await;
        deleted.map(drop).map_err(|error| StoreError::unavailable("delete", self.place(key), DisplayErrorContext(error)))
    }
}

/// 412 where the condition does not hold, 409 where another write of the key came in between; 404 where there is nothing that
/// `If-Match` could be compared with.
fn was_refused(error: &SdkError<PutObjectError>) -> bool {
    let status = error.raw_response().map(|response| response.status().as_u16());
    matches!(status, Some(412 | 409)) || error.code() == Some("NoSuchKey")
}
