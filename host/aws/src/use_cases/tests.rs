//! Tests both layouts of a directory, and a bucket that changes or fails. The bundles have no plugins; the runtime's tests load
//! plugins.

mod bucket;
mod bundles;

use postdate_runtime::artifacts::{Arch, engine_hash};
use postdate_runtime::trust::{SecretKey, Trust};
use postdate_runtime::{Options, Runtime, Secrets};
use postdate_store::{AnyObjects, Directory, S3};
use std::path::Path;

use super::*;
use bucket::Bucket;
use bundles::{files, publish, write_flat};

fn loader(objects: AnyObjects, trust: Trust, cache: &Path) -> VersionLoader {
    let runtime = Runtime::new(Options { slots: 1, max_memory: 64 << 20, ..Options::default() }).unwrap();
    VersionLoader::new(objects, trust, cache.to_owned(), runtime, Secrets::none(), Service::Processor)
}

fn key() -> SecretKey {
    SecretKey::from_pem(&SecretKey::generate().unwrap()).unwrap()
}

/// Returns the use cases of a directory. Versions are unpacked into a directory beside `root`.
fn in_directory(root: &Path) -> AwsUseCases {
    trusting(root, Trust::default())
}

fn trusting(root: &Path, trust: Trust) -> AwsUseCases {
    AwsUseCases::new(loader(AnyObjects::Directory(Directory::new(root)), trust, &root.with_extension("unpacked")), Service::Processor)
}

async fn description(use_cases: &AwsUseCases, name: &str) -> Option<String> {
    use_cases.current(name).await.map(|bundle| bundle.use_case().description.clone())
}

#[tokio::test]
async fn a_use_case_of_a_directory_is_one_bundle_or_a_store_of_versions() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("use-cases");
    let only = write_flat(&root.join("flat"), "flat", None);
    let (old, new) = (publish(&root, "many", "old", None).await, publish(&root, "many", "new", None).await);
    std::fs::write(root.join("many/current"), format!("{new}\n")).unwrap();
    std::fs::create_dir(root.join("empty")).unwrap();

    let use_cases = in_directory(&root);
    use_cases.prefetch(&[]).await;
    assert_eq!(description(&use_cases, "flat").await.as_deref(), Some("the one"));
    assert_eq!(description(&use_cases, "many").await.as_deref(), Some("new"));
    assert_eq!(use_cases.version("many", &old).await.unwrap().use_case().description, "old");
    assert_eq!(use_cases.version("flat", &only).await.unwrap().version(), only);
    assert!(use_cases.version("flat", &old).await.unwrap_err().to_string().contains(&format!("is version {only}")));
    assert!(use_cases.version("many", &only).await.unwrap_err().to_string().contains("has not been compiled for this host"));
    let listed: Vec<_> = use_cases.list().await.into_iter().map(|info| (info.name, info.version, info.targets, info.error)).collect();
    let away = vec!["away".to_owned()];
    assert_eq!(listed, [("flat".into(), Some(only), away.clone(), None), ("many".into(), Some(new), away, None)]);
}

#[tokio::test]
async fn a_use_case_that_does_not_load_is_listed_with_the_reason() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("use-cases");
    write_flat(&root.join("misnamed"), "orders", None);
    let version = publish(&root, "mixed", "", None).await;
    std::fs::rename(root.join("mixed").join(&version), root.join("mixed/0123456789abcdef")).unwrap();
    std::fs::write(root.join("mixed/current"), "0123456789abcdef").unwrap();
    write_flat(&root.join("raw"), "raw", None);
    std::fs::remove_dir_all(root.join("raw/compiled")).unwrap();
    publish(&root, "wrong", "", None).await;
    std::fs::write(root.join("wrong/current"), "newest").unwrap();

    let use_cases = in_directory(&root);
    let errors: Vec<_> = use_cases.list().await.into_iter().map(|info| (info.name, info.error.unwrap_or_default())).collect();
    let expected = ["make them equal", &format!("is version {version}"), "plugin compile", "16 hexadecimal digits"];
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for ((name, error), expected) in errors.iter().zip(expected) {
        assert!(error.contains(expected), "{name}: {error}");
        assert!(use_cases.current(name).await.is_none());
    }
}

#[tokio::test]
async fn a_name_or_version_that_leaves_the_root_is_not_loaded() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("orders");
    let version = write_flat(&root, "orders", None);
    let use_cases = in_directory(&root);
    for name in ["..", "../orders", "", "Orders", "a/b", "%2e%2e"] {
        assert!(use_cases.current(name).await.is_none(), "{name}");
        assert!(use_cases.version(name, &version).await.is_err(), "{name}");
    }
    for wrong in ["../../orders", "", "0123456789ABCDEF"] {
        assert!(use_cases.version("orders", wrong).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn with_trusted_keys_only_signed_bundles_load() {
    let scratch = tempfile::tempdir().unwrap();
    let (root, ours, theirs) = (scratch.path().join("use-cases"), key(), key());
    write_flat(&root.join("flat-signed"), "flat-signed", Some(&ours));
    write_flat(&root.join("flat-unsigned"), "flat-unsigned", None);
    for (name, key) in [("signed", Some(&ours)), ("stranger", Some(&theirs)), ("unsigned", None)] {
        let version = publish(&root, name, "", key).await;
        std::fs::write(root.join(name).join("current"), version).unwrap();
    }
    let trust = Trust::new(vec![ours.public()]);
    let check = async |expected: &[(&str, &str)]| {
        let listed: Vec<_> =
            trusting(&root, trust.clone()).list().await.into_iter().map(|info| (info.name, info.error.unwrap_or_default())).collect();
        assert_eq!(listed.len(), expected.len(), "{listed:?}");
        for ((name, error), (expected_name, said)) in listed.iter().zip(expected) {
            assert!(name == expected_name && error.contains(said) && error.is_empty() == said.is_empty(), "{name}: {error}");
        }
    };
    let stranger = format!("is signed by the key {}", theirs.public().id());
    let expected = [
        ("flat-signed", ""),
        ("flat-unsigned", "is not signed"),
        ("signed", ""),
        ("stranger", stranger.as_str()),
        ("unsigned", "is not signed"),
    ];
    check(&expected).await;

    // A version that an earlier process unpacked is checked again. A changed copy is fetched again.
    let unpacked = root.with_extension("unpacked").join("signed");
    let place = std::fs::read_dir(&unpacked).unwrap().next().unwrap().unwrap().path();
    std::fs::write(place.join("use-case.toml"), "name = \"signed\"").unwrap();
    check(&expected).await;
    // A version that was changed in the store is not loaded.
    let current = std::fs::read_to_string(root.join("signed/current")).unwrap();
    std::fs::write(root.join("signed").join(current.trim()).join("use-case.toml"), "name = \"signed\"").unwrap();
    std::fs::remove_dir_all(root.with_extension("unpacked")).unwrap();
    let changed = [expected[0], expected[1], ("signed", "is not what was pushed"), expected[3], expected[4]];
    check(&changed).await;
}

fn in_bucket(bucket: &Bucket, cache: &Path, fresh: Duration) -> AwsUseCases {
    let objects = AnyObjects::S3(S3::new(bucket.client(), "bucket", "use-cases"));
    AwsUseCases::with_fresh(loader(objects, Trust::default(), cache), Service::Processor, fresh)
}

async fn upload(bucket: &Bucket, name: &str, description: &str) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let version = publish(scratch.path(), name, description, None).await;
    for (file, content) in files(scratch.path()) {
        bucket.put(&format!("use-cases/{file}"), &content);
    }
    bucket.put(&format!("use-cases/{name}/current"), &version);
    version
}

#[tokio::test]
async fn a_look_at_a_bucket_uses_the_etag_and_a_version_is_fetched_once() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    let old = upload(&bucket, "orders", "old").await;
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    assert_eq!(
        bucket.taken(),
        [
            "200 use-cases/orders/current".to_owned(),
            format!("200 use-cases/orders/{old}/compiled/{}-{}/artifacts.json", Arch::HERE.unwrap(), engine_hash()),
            format!("200 use-cases/orders/{old}/use-case.toml"),
        ]
    );
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    assert_eq!(bucket.taken(), ["304 use-cases/orders/current"]);
    let new = upload(&bucket, "orders", "new").await;
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("new"));
    assert_eq!(bucket.taken().len(), 3);
    // An old version stays loaded, and after a restart the unpacked version is used: neither makes a call.
    assert_eq!(use_cases.version("orders", &old).await.unwrap().use_case().description, "old");
    let again = in_bucket(&bucket, cache.path(), Duration::ZERO);
    assert_eq!(again.version("orders", &new).await.unwrap().use_case().description, "new");
    assert_eq!(bucket.taken(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_is_not_read_again_while_the_last_look_is_fresh() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    upload(&bucket, "orders", "old").await;
    let use_cases = in_bucket(&bucket, cache.path(), Duration::from_hours(1));
    use_cases.prefetch(&["orders".to_owned()]).await;
    assert_eq!(bucket.taken().len(), 3);
    upload(&bucket, "orders", "new").await;
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    assert_eq!(description(&use_cases, "unknown").await, None);
    assert_eq!(description(&use_cases, "unknown").await, None);
    assert_eq!(bucket.taken(), ["404 use-cases/unknown/current"]);
}

#[tokio::test]
async fn a_loaded_version_stays_in_use_while_the_bucket_is_broken_or_unreachable() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    upload(&bucket, "orders", "old").await;
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    // `current` names a version that has no files.
    bucket.put("use-cases/orders/current", "0123456789abcdef");
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    let info = use_cases.list().await.remove(0);
    assert!(info.error.as_deref().is_some_and(|error| error.contains("has not been compiled for this host")), "{info:?}");
    bucket.refuse(true);
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("old"));
    // The repaired bucket is seen at the next look, because a version that did not load left no tag.
    bucket.refuse(false);
    upload(&bucket, "orders", "new").await;
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("new"));
    assert_eq!(use_cases.list().await.remove(0).error, None);
}

#[tokio::test]
async fn a_use_case_that_was_never_loaded_is_listed_with_its_error_while_the_bucket_is_unreachable() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    upload(&bucket, "orders", "old").await;
    let use_cases = in_bucket(&bucket, cache.path(), Duration::from_mins(1));
    bucket.refuse(true);
    assert_eq!(description(&use_cases, "orders").await, None);
    let infos = use_cases.list().await;
    assert!(infos.len() == 1 && infos[0].name == "orders" && infos[0].error.is_some(), "{infos:?}");
    // An incomplete list is not cached.
    bucket.refuse(false);
    assert_eq!(use_cases.list().await.len(), 1);
}

#[tokio::test]
async fn each_reason_for_a_failed_load_has_its_own_error() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    let version = upload(&bucket, "orders", "whole").await;
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    let load = async |name: &str, version: &str| use_cases.load(name, version).await.err();
    bucket.refuse(true);
    assert!(matches!(load("orders", &version).await, Some(VersionError::Unreachable(text)) if text.contains("AccessDenied")));
    bucket.refuse(false);
    assert!(matches!(load("orders", "0123456789abcdef").await, Some(VersionError::Gone(_))));
    assert!(matches!(load("orders", "no version").await, Some(VersionError::Gone(_))));
    bucket.put("use-cases/orders/0123456789abcdef/bundle.json", "{}");
    assert!(matches!(load("orders", "0123456789abcdef").await, Some(VersionError::NotPrecompiled(_))));
    bucket.put(&format!("use-cases/orders/{version}/use-case.toml"), "name = \"orders\"");
    assert!(matches!(load("orders", &version).await, Some(VersionError::Broken(text)) if text.contains("is not what was pushed")));
    upload(&bucket, "orders", "whole").await;
    assert_eq!(load("orders", &version).await, None);
}

#[tokio::test]
async fn a_damaged_copy_is_fetched_again() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    let version = upload(&bucket, "orders", "whole").await;
    std::fs::create_dir_all(cache.path().join("orders").join(&version)).unwrap();
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    assert_eq!(description(&use_cases, "orders").await.as_deref(), Some("whole"));
}

#[tokio::test]
async fn a_list_of_a_bucket_reads_only_manifests() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    let version = upload(&bucket, "orders", "listed").await;
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    let infos = use_cases.list().await;
    assert_eq!((infos.len(), infos[0].description.as_str(), infos[0].version.as_ref()), (1, "listed", Some(&version)));
    assert!(bucket.taken().iter().all(|line| !line.contains("compiled/")));
}

#[tokio::test]
async fn a_manifest_of_a_bucket_is_read_without_its_plugins_and_once() {
    let (bucket, cache) = (Bucket::start(), tempfile::tempdir().unwrap());
    let old = upload(&bucket, "orders", "old").await;
    let new = upload(&bucket, "orders", "new").await;
    let use_cases = in_bucket(&bucket, cache.path(), Duration::ZERO);
    let described = async |version: &str| use_cases.manifest("orders", version).await.map(|use_case| use_case.description.clone());
    assert_eq!(described(&old).await.as_deref(), Ok("old"));
    let reads = bucket.taken();
    assert_eq!(reads, [format!("200 use-cases/orders/{old}/bundle.json"), format!("200 use-cases/orders/{old}/use-case.toml")]);
    assert_eq!(described(&old).await.as_deref(), Ok("old"));
    assert_eq!(bucket.taken(), Vec::<String>::new());
    let (version, manifest) = use_cases.current_manifest("orders").await.unwrap();
    assert_eq!((version, manifest.description.as_str()), (new.clone(), "new"));
    assert!(bucket.taken().iter().all(|line| !line.contains("compiled/")));
    assert!(described("0123456789abcdef").await.is_err_and(|error| matches!(error, UseCaseError::Unusable(_))));
    assert_eq!(use_cases.current_manifest("unknown").await, None);
    // A loaded version needs no further read.
    use_cases.load("orders", &new).await.unwrap();
    bucket.taken();
    assert_eq!(described(&new).await.as_deref(), Ok("new"));
    assert_eq!(bucket.taken(), Vec::<String>::new());
    bucket.refuse(true);
    assert!(matches!(use_cases.manifest("orders", "fedcba9876543210").await, Err(UseCaseError::Host(_))));
}

#[tokio::test]
async fn a_manifest_of_a_directory_is_that_of_its_version() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("use-cases");
    let version = publish(&root, "orders", "published", None).await;
    std::fs::write(root.join("orders/current"), &version).unwrap();
    let only = write_flat(&root.join("flat"), "flat", None);
    let use_cases = in_directory(&root);
    let (current, manifest) = use_cases.current_manifest("orders").await.unwrap();
    assert_eq!((&current, manifest.description.as_str()), (&version, "published"));
    assert_eq!(use_cases.manifest("orders", &version).await.unwrap().description, "published");
    assert_eq!(use_cases.current_manifest("flat").await.map(|(version, _)| version), Some(only.clone()));
    assert_eq!(use_cases.manifest("flat", &only).await.unwrap().description, "the one");
    assert!(matches!(use_cases.manifest("flat", &version).await, Err(UseCaseError::Unusable(text)) if text.contains(&only)));
}

#[tokio::test]
async fn a_version_that_an_older_engine_compiled_is_a_host_fault_whose_manifest_can_be_read() {
    let scratch = tempfile::tempdir().unwrap();
    let (root, key) = (scratch.path().join("use-cases"), key());
    let compiled = |version: &str| root.join("orders").join(version).join("compiled");
    let here = format!("{}-{}", Arch::HERE.unwrap(), engine_hash());
    let older = publish(&root, "orders", "older engine", Some(&key)).await;
    std::fs::rename(compiled(&older).join(&here), compiled(&older).join("x86_64-0123456789abcdef")).unwrap();
    let unsigned = publish(&root, "orders", "list of machine code without a signature", Some(&key)).await;
    let list = compiled(&unsigned).join(&here).join("artifacts.json");
    let mut envelope: serde_json::Value = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
    envelope["signatures"] = serde_json::json!([]);
    std::fs::write(&list, envelope.to_string()).unwrap();
    std::fs::write(root.join("orders/current"), &older).unwrap();

    let use_cases = trusting(&root, Trust::new(vec![key.public()]));
    for (version, said) in [(&older, "use-case compile --to STORE"), (&unsigned, "is not signed")] {
        let Err(UseCaseError::Host(fault)) = use_cases.version("orders", version).await else { panic!("{version} is not a host fault") };
        assert_eq!(fault.waits_for, format!("machine code of version {version}"));
        assert!(fault.detail.contains(said), "{}", fault.detail);
    }
    assert_eq!(use_cases.manifest("orders", &older).await.unwrap().description, "older engine");
    let gone = use_cases.manifest("orders", "0123456789abcdef").await;
    assert!(matches!(gone, Err(UseCaseError::Unusable(_))), "{gone:?}");
    assert!(matches!(use_cases.manifest("orders", "../older").await, Err(UseCaseError::Unusable(_))));
}
