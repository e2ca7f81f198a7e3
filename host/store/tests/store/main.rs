//! The two stores of objects, held to one contract: a directory, and S3. moto stands in for S3, behind a proxy that makes
//! conditional writes atomic.

mod places;
mod prune;
mod versions;

use bytes::Bytes;
use postdate_core::testing::join_all;
use postdate_store::{Child, Got, Objects, Put, StoreError, StoredObject, When};

/// Size limit of a read, in bytes.
const MOST: u64 = 1000;

fn content(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn read(objects: &impl Objects, key: &str) -> StoredObject {
    match objects.get(key, None, MOST).await.unwrap() {
        Got::Object(stored) => stored,
        other => panic!("{key}: {other:?}"),
    }
}

/// Checks the contract of every store of objects. Panics if the store violates it.
async fn contract(objects: &impl Objects) {
    assert_eq!(objects.get("a/b", None, MOST).await.unwrap(), Got::Missing);
    assert_eq!(objects.put("a/b", content("x"), When::Is("tag")).await.unwrap(), Put::Refused, "no object has this tag");
    assert_eq!(objects.put("a/b", content("one"), When::Absent).await.unwrap(), Put::Done);
    assert_eq!(objects.put("a/b", content("two"), When::Absent).await.unwrap(), Put::Refused);
    let one = read(objects, "a/b").await;
    assert_eq!(one.content, "one");
    assert_eq!(objects.get("a/b", Some(&one.etag), MOST).await.unwrap(), Got::Same);

    assert_eq!(objects.put("a/b", content("two"), When::Is("tag")).await.unwrap(), Put::Refused);
    assert_eq!(objects.put("a/b", content("two"), When::Is(&one.etag)).await.unwrap(), Put::Done);
    assert_eq!(objects.put("a/b", content("three"), When::Is(&one.etag)).await.unwrap(), Put::Refused, "a write changes the tag");
    let two = read(objects, "a/b").await;
    assert_eq!((&two.content[..], two.etag == one.etag), (&b"two"[..], false));
    assert_eq!(objects.get("a/b", Some(&one.etag), MOST).await.unwrap(), Got::Object(two));

    objects.put("a/c/d", content(""), When::Absent).await.unwrap();
    objects.put("a/c/e", content("e"), When::Absent).await.unwrap();
    let mut children = objects.children("a").await.unwrap();
    children.sort();
    assert_eq!(children, [Child { name: "b".into(), is_prefix: false }, Child { name: "c".into(), is_prefix: true }]);
    assert_eq!(objects.children("").await.unwrap(), [Child { name: "a".into(), is_prefix: true }]);
    assert_eq!(objects.children("nothing").await.unwrap(), []);
    assert_eq!(objects.get("a", None, MOST).await.unwrap(), Got::Missing, "a prefix of keys is no object");

    let large = vec![7; usize::try_from(MOST).unwrap() + 1];
    objects.put("a/large", large.into(), When::Absent).await.unwrap();
    assert!(matches!(objects.get("a/large", None, MOST).await, Err(StoreError::TooLarge { limit: MOST, .. })));
    assert!(objects.describe("a/large").ends_with("/a/large"), "{}", objects.describe("a/large"));

    let racing = join_all((0..16).map(|_| objects.put("race", content("new"), When::Absent))).await;
    assert_eq!(racing.into_iter().filter(|put| *put == Ok(Put::Done)).count(), 1, "one of the concurrent creations succeeds");
    let before = read(objects, "race").await.etag;
    let words = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let racing = join_all(words.map(|word| objects.put("race", content(word), When::Is(&before)))).await;
    assert_eq!(racing.into_iter().filter(|put| *put == Ok(Put::Done)).count(), 1, "one of the concurrent replacements succeeds");

    for key in ["a/b", "a/c/d", "a/c/e", "a/large", "race", "race"] {
        objects.delete(key).await.unwrap();
    }
    assert_eq!(objects.children("").await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_the_contract_of_stores() {
    contract(&places::directory().objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_the_contract_of_stores() {
    for prefix in ["", "some/prefix"] {
        Box::pin(contract(&places::bucket(prefix).await.objects)).await;
    }
}

#[tokio::test]
async fn a_store_whose_path_is_a_file_is_empty_and_a_write_names_the_path() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let directory = postdate_store::Directory::new(file.path());
    assert_eq!(directory.children("").await.unwrap(), []);
    let error = directory.put("a", content("x"), When::Absent).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot write ") && error.contains(file.path().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_bucket_that_denies_access_is_named_in_the_error() {
    let location = places::bucket("use-cases").await;
    location.refuse();
    let error = location.objects.get("orders/current", None, MOST).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable { location, reason, .. } if location.ends_with("/use-cases/orders/current") && reason.contains("AccessDenied")),
        "{error:?}"
    );
    assert!(matches!(location.objects.put("x", content("x"), When::Absent).await, Err(StoreError::Unavailable { .. })));
}
