//! S3 objects.

use std::path::Path;

use hyper::Method;

use super::{Aws, REGION, expect};
use crate::files;

impl Aws {
    pub async fn create_bucket(&self, name: &str) {
        let place = format!("<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>");
        let call = self.call("s3", Method::PUT, &format!("/{name}")).body(place);
        expect("CreateBucket", self.send(call).await);
    }

    pub async fn put_object(&self, bucket: &str, key: &str, content: Vec<u8>) {
        let call = self.call("s3", Method::PUT, &format!("/{bucket}/{key}")).body(content);
        expect("PutObject", self.send(call).await);
    }

    /// Returns an object as text.
    pub async fn get_object(&self, bucket: &str, key: &str) -> String {
        expect("GetObject", self.send(self.call("s3", Method::GET, &format!("/{bucket}/{key}"))).await)
    }

    /// Returns the keys that begin with a prefix, at most 1,000.
    pub async fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let call = self.call("s3", Method::GET, &format!("/{bucket}?list-type=2&prefix={prefix}"));
        let listed = expect("ListObjectsV2", self.send(call).await);
        listed.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned())).collect()
    }

    /// Moves an object to another key.
    pub async fn move_object(&self, bucket: &str, from: &str, to: &str) {
        let call = self.call("s3", Method::PUT, &format!("/{bucket}/{to}")).header("x-amz-copy-source", format!("/{bucket}/{from}"));
        expect("CopyObject", self.send(call).await);
        self.delete_object(bucket, from).await;
    }

    pub async fn delete_object(&self, bucket: &str, key: &str) {
        let call = self.call("s3", Method::DELETE, &format!("/{bucket}/{key}"));
        expect("DeleteObject", self.send(call).await);
    }

    /// Uploads all files below a directory. A key is `PREFIX/` and the path inside the directory.
    pub async fn put_directory(&self, bucket: &str, prefix: &str, directory: &Path) {
        for path in files::below(directory) {
            let inside = path.strip_prefix(directory).expect("a path inside").display().to_string();
            self.put_object(bucket, &format!("{prefix}/{inside}"), std::fs::read(&path).expect("a file")).await;
        }
    }
}
