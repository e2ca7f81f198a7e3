//! Both layouts, versions, and a bucket that changes, breaks and is gone. Bundles have no plugins: what loading them means is
//! tested with the runtime.

mod bucket;

use std::path::Path;

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_runtime::Options;
use postdate_runtime::artifacts::Artifacts;

use super::*;
use bucket::Bucket;

fn runtime() -> Runtime {
    Runtime::new(Options { slots: 1, max_memory: 64 << 20, ..Options::default() }).unwrap()
}

/// Version and files of a bundle that only delivers.
fn bundle(name: &str, description: &str) -> (String, Vec<(String, String)>) {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:away";
    let manifest = format!(
        "name = \"{name}\"\ndescription = \"{description}\"\n[targets]\ndefault = \"away\"\naway = {{ kind = \"sqs\", arn = \"{arn}\" }}\n"
    );
    let mut source = BundleSource::default();
    source.files.insert(MANIFEST_FILE.to_owned(), Bytes::from(manifest.clone()));
    let artifacts = Artifacts::new(&source, &source.use_case().unwrap());
    let files =
        vec![(MANIFEST_FILE.to_owned(), manifest), ("compiled/artifacts.json".to_owned(), serde_json::to_string(&artifacts).unwrap())];
    (artifacts.version, files)
}

fn write_bundle(dir: &Path, files: &[(String, String)]) {
    std::fs::create_dir_all(dir.join("compiled")).unwrap();
    for (name, content) in files {
        std::fs::write(dir.join(name), content).unwrap();
    }
}

fn in_directory(root: &Path) -> AwsUseCases {
    AwsUseCases::new(Store::Directory(Directory(root.to_owned())), runtime(), Service::Processor)
}

async fn description(use_cases: &AwsUseCases, name: &str) -> Option<String> {
    use_cases.current(name).await.map(|bundle| bundle.use_case().description.clone())
}

#[tokio::test]
async fn a_directory_has_one_bundle_a_use_case_or_many_versions() {
    let root = tempfile::tempdir().unwrap();
    let (only, files) = bundle("flat", "the one");
    write_bundle(&root.path().join("flat"), &files);
    let (old, files) = bundle("many", "old");
    write_bundle(&root.path().join("many").join(&old), &files);
    let (new, files) = bundle("many", "new");
    write_bundle(&root.path().join("many").join(&new), &files);
    std::fs::write(root.path().join("many/current"), format!("{new}\n")).unwrap();
    std::fs::create_dir(root.path().join("empty")).unwrap();

    let use_cases = in_directory(root.path());
    use_cases.prefetch(&[]).await;
    assert_eq!(description(&use_cases, "flat").await.as_deref(), Some("the one"));
    assert_eq!(description(&use_cases, "many").await.as_deref(), Some("new"));
    assert_eq!(use_cases.version("many", &old).await.unwrap().use_case().description, "old");
    assert_eq!(use_cases.version("flat", &only).await.unwrap().version(), only);
    assert!(use_cases.version("flat", &old).await.unwrap_err().contains(&format!("holds version {only} alone")));
    assert!(use_cases.version("many", &only).await.unwrap_err().contains("is not there"));
    let listed: Vec<_> = use_cases.list().await.into_iter().map(|info| (info.name, info.version, info.targets, info.error)).collect();
    let away = vec!["away".to_owned()];
    assert_eq!(listed, [("flat".into(), Some(only), away.clone(), None), ("many".into(), Some(new), away, None)]);
}

#[tokio::test]
async fn what_is_broken_is_listed_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    let (_, files) = bundle("orders", "");
    write_bundle(&root.path().join("misnamed"), &files);
    write_bundle(&root.path().join("mixed").join("0123456789abcdef"), &files);
    std::fs::write(root.path().join("mixed/current"), "0123456789abcdef").unwrap();
    write_bundle(&root.path().join("wrong"), &files);
    std::fs::write(root.path().join("wrong/current"), "newest").unwrap();
    write_bundle(&root.path().join("raw"), &files);
    std::fs::remove_dir_all(root.path().join("raw/compiled")).unwrap();

    let use_cases = in_directory(root.path());
    let errors: Vec<_> = use_cases.list().await.into_iter().map(|info| (info.name, info.error.unwrap_or_default())).collect();
    for ((name, error), expected) in errors.iter().zip(["make them equal", "make them equal", "plugin compile", "16 hexadecimal digits"]) {
        assert!(error.contains(expected), "{name}: {error}");
        assert!(use_cases.current(name).await.is_none());
    }
    let (version, files) = bundle("mixed", "");
    write_bundle(&root.path().join("mixed").join("0123456789abcdef"), &files);
    let error = use_cases.version("mixed", "0123456789abcdef").await.unwrap_err();
    assert!(error.ends_with(&format!("is version {version}")), "{error}");
}

#[tokio::test]
async fn names_and_versions_never_leave_the_root() {
    let root = tempfile::tempdir().unwrap();
    let (version, files) = bundle("orders", "");
    write_bundle(&root.path().join("orders"), &files);
    let use_cases = in_directory(&root.path().join("orders"));
    for name in ["..", "../orders", "", "Orders", "a/b", "%2e%2e"] {
        assert!(use_cases.current(name).await.is_none(), "{name}");
        assert!(use_cases.version(name, &version).await.is_err(), "{name}");
    }
    for wrong in ["../../orders", "", "0123456789ABCDEF"] {
        assert!(use_cases.version("orders", wrong).await.is_err(), "{wrong}");
    }
}

fn in_bucket(bucket: &Bucket, cache: &Path, fresh: Duration) -> AwsUseCases {
    let s3 = S3 { client: bucket.client(), bucket: "bucket".into(), prefix: "use-cases".into(), cache: cache.to_owned() };
    AwsUseCases::with_fresh(Store::S3(s3), runtime(), Service::Processor, fresh)
}

fn upload(bucket: &Bucket, name: &str, description: &str) -> String {
    let (version, files) = bundle(name, description);
    for (file, content) in files {
        bucket.put(&format!("use-cases/{name}/{version}/{file}"), &content);
    }
    bucket.put(&format!("use-cases/{name}/current"), &version);
    version
}

#[tokio::test]
async fn a_bucket_is_looked_at_by_etag_and_fetched_once() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    let old = upload(&bucket, "orders", "old");
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    assert_eq!(
        bucket.taken(),
        [
            "200 use-cases/orders/current".to_owned(),
            format!("200 use-cases/orders/{old}/use-case.toml"),
            format!("200 use-cases/orders/{old}/compiled/artifacts.json"),
        ]
    );
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    assert_eq!(bucket.taken(), ["304 use-cases/orders/current"]);
    let new = upload(&bucket, "orders", "new");
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("new"));
    assert_eq!(bucket.taken().len(), 3);
    // The version that is pinned is still there, without a call; after a restart too.
    assert_eq!(use_cases.version("orders", &old).await.unwrap().use_case().description, "old");
    let again = in_bucket(&bucket, cache.path(), Duration::ZERO);
    assert_eq!(again.version("orders", &new).await.unwrap().use_case().description, "new");
    assert_eq!(bucket.taken(), Vec::<String>::new());
}

#[tokio::test]
async fn while_it_is_fresh_a_bucket_is_left_alone() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    upload(&bucket, "orders", "old");
    let use_cases = in_bucket(&bucket, cache.path(), Duration::from_hours(1));
    use_cases.prefetch(&["orders".to_owned()]).await;
    assert_eq!(bucket.taken().len(), 3);
    upload(&bucket, "orders", "new");
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    assert_eq!(description(&use_cases, "unknown").await, None);
    assert_eq!(description(&use_cases, "unknown").await, None);
    assert_eq!(bucket.taken(), ["404 use-cases/unknown/current"]);
}

#[tokio::test]
async fn what_is_loaded_serves_on_while_the_bucket_is_wrong_or_away() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    upload(&bucket, "orders", "old");
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    // A version whose files are not there.
    bucket.put("use-cases/orders/current", "0123456789abcdef");
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    let info = use_cases.list().await.remove(0);
    assert!(info.error.as_deref().is_some_and(|error| error.contains("use-case.toml")), "{info:?}");
    bucket.refuse(true);
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    // Mended: seen at the next look, since what did not load was not taken for looked at.
    bucket.refuse(false);
    upload(&bucket, "orders", "new");
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("new"));
    assert_eq!(use_cases.list().await.remove(0).error, None);
}

#[tokio::test]
async fn a_damaged_copy_is_fetched_again() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    let version = upload(&bucket, "orders", "whole");
    std::fs::create_dir_all(cache.path().join("orders").join(&version)).unwrap();
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("whole"));
}

#[tokio::test]
async fn a_list_of_a_bucket_reads_manifests_alone() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    let version = upload(&bucket, "orders", "listed");
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    let infos = use_cases.list().await;
    assert_eq!((infos.len(), infos[0].description.as_str(), infos[0].version.as_ref()), (1, "listed", Some(&version)));
    assert!(bucket.taken().iter().all(|line| !line.contains("compiled/")));
}
