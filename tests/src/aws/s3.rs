//! S3 objects.

use std::path::Path;

use hyper::Method;

use super::{Aws, REGION, expect};

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

    /// An object that is text.
    pub async fn get_object(&self, bucket: &str, key: &str) -> String {
        expect("GetObject", self.send(self.call("s3", Method::GET, &format!("/{bucket}/{key}"))).await)
    }

    pub async fn delete_object(&self, bucket: &str, key: &str) {
        let call = self.call("s3", Method::DELETE, &format!("/{bucket}/{key}"));
        expect("DeleteObject", self.send(call).await);
    }

    /// Puts a directory's files under a prefix, each by its path from there.
    pub async fn put_directory(&self, bucket: &str, prefix: &str, directory: &Path) {
        let mut directories = vec![directory.to_owned()];
        while let Some(next) = directories.pop() {
            for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let inside = path.strip_prefix(directory).expect("a path inside").display().to_string();
                    let content = std::fs::read(&path).expect("a file");
                    self.put_object(bucket, &format!("{prefix}/{inside}"), content).await;
                }
            }
        }
    }
}
