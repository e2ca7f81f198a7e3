//! Versions: pushed, made current, rolled back, signed, unpacked and deleted, in both stores.

use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::testing::join_all;
use postdate_core::use_case::MANIFEST_FILE;
use postdate_runtime::artifacts::{ARTIFACTS_FILE, Arch, Artifact, digest, engine_hash};
use postdate_runtime::read_precompiled_dir;
use postdate_runtime::trust::{SecretKey, Trust};
use postdate_store::{By, Look, Objects, PrecompiledCode, Published, Statement, StoreError, Versions, When};

use super::places;

pub const NAME: &str = "orders";

pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub fn by(name: &str, seconds: i64) -> By<'_> {
    By { name, now: at(seconds) }
}

/// Returns a bundle whose plugin is not valid, because no test here loads it.
pub fn bundle(description: &str) -> BundleSource {
    let manifest = format!(
        "name = '{NAME}'\ndescription = '{description}'\n[process]\nplugin = 'process.wasm'\nconfig-files = {{ schema = 'schema.json' }}\n"
    );
    let files =
        [(MANIFEST_FILE, manifest.as_str()), ("process.wasm", "\0asm"), ("schema.json", "{}"), ("cases/one.toml", "call = 'process'")];
    BundleSource { files: files.into_iter().map(|(name, text)| (name.to_owned(), Bytes::copy_from_slice(text.as_bytes()))).collect() }
}

fn key() -> SecretKey {
    SecretKey::from_pem(&SecretKey::generate().unwrap()).unwrap()
}

fn only(key: &SecretKey) -> Trust {
    Trust::new(vec![key.public()])
}

pub async fn push(store: &Versions<impl Objects>, source: &BundleSource, by: By<'_>) -> Result<String, StoreError> {
    let before = match store.look(NAME, None).await? {
        Look::Current { current, etag } => Some((current, etag)),
        _ => None,
    };
    store.publish(NAME, source, by, None).await?;
    Ok(store.move_current(NAME, &source.version(), before, by).await?.to)
}

async fn life(objects: impl Objects) {
    let store = Versions::new(objects);
    assert_eq!(store.look(NAME, None).await.unwrap(), Look::NoSuchUseCase);
    assert_eq!(store.current(NAME).await.unwrap_err(), StoreError::NoSuchUseCase(NAME.into()));

    let (first, second) = (bundle("first"), bundle("second"));
    let old = push(&store, &first, by("ann", 1)).await.unwrap();
    assert_eq!(old, first.version());
    let Look::Current { current, etag } = store.look(NAME, None).await.unwrap() else { panic!("nothing is current") };
    assert_eq!((current.version.as_str(), current.by.as_str(), current.since), (old.as_str(), "ann", Some(at(1))));
    assert_eq!(store.look(NAME, Some(&etag)).await.unwrap(), Look::Same);
    assert_eq!(store.source(NAME, &old, &Trust::default()).await.unwrap(), first);
    assert_eq!(store.use_case(NAME, &old, &Trust::default()).await.unwrap().description, "first");

    // Two pushers saw the same current version: the first moves it, and the second gets the name of the first.
    store.publish(NAME, &second, by("bob", 2), None).await.unwrap();
    let new = second.version();
    store.move_current(NAME, &new, Some((current.clone(), etag.clone())), by("bob", 2)).await.unwrap();
    store.publish(NAME, &bundle("third"), by("ann", 3), None).await.unwrap();
    let beaten = store.move_current(NAME, &bundle("third").version(), Some((current, etag)), by("ann", 3)).await.unwrap_err();
    assert!(matches!(&beaten, StoreError::Moved { now, by, .. } if *now == new && by == "bob"), "{beaten:?}");
    assert_eq!(store.current(NAME).await.unwrap().0.version, new);

    // A push of a known version changes nothing, not even the pusher's name.
    assert_eq!(store.publish(NAME, &second, by("eve", 9), None).await.unwrap(), Published::Known);
    assert_eq!(store.statement(NAME, &new, &Trust::default()).await.unwrap().0.pushed_by, "bob");

    let moved = store.roll_back(NAME, None, by("ann", 4)).await.unwrap();
    assert_eq!((moved.from.as_deref(), moved.to.as_str()), (Some(new.as_str()), old.as_str()));
    assert_eq!(store.roll_back(NAME, None, by("ann", 5)).await.unwrap().to, new, "a second rollback undoes the first");
    assert_eq!(store.roll_back(NAME, Some(&old), by("ann", 6)).await.unwrap().to, old);
    let unknown = store.roll_back(NAME, Some("0123456789abcdef"), by("ann", 7)).await.unwrap_err();
    assert!(matches!(unknown, StoreError::NoSuchVersion { .. }), "{unknown:?}");
    assert_eq!(store.current(NAME).await.unwrap().0.version, old);

    let mut versions = vec![old.clone(), new.clone(), bundle("third").version()];
    versions.sort();
    assert_eq!(store.versions(NAME).await.unwrap(), versions);
    assert_eq!(store.names().await.unwrap(), [NAME]);

    // A version whose statement is gone at the move, since it is being deleted, is not made current.
    let statement = format!("{NAME}/{new}/bundle.json");
    store.objects().delete(&statement).await.unwrap();
    let before = store.current(NAME).await.unwrap();
    let gone = store.move_current(NAME, &new, Some(before.clone()), by("ann", 8)).await.unwrap_err();
    assert!(matches!(gone, StoreError::NoSuchVersion { .. }), "{gone:?}");
    assert_eq!(store.current(NAME).await.unwrap().0, before.0);
    // A rollback to a version that lacks a file changes nothing.
    store.publish(NAME, &second, by("bob", 8), None).await.unwrap();
    store.objects().delete(&format!("{NAME}/{new}/process.wasm")).await.unwrap();
    let lacking = store.roll_back(NAME, Some(&new), by("ann", 8)).await.unwrap_err();
    assert!(matches!(&lacking, StoreError::Missing { location } if location.ends_with("process.wasm")), "{lacking:?}");
    assert_eq!(store.current(NAME).await.unwrap().0, before.0);
    // A push of the version that the pusher saw as current fails if another version serves by then.
    let before = store.current(NAME).await.unwrap();
    store.roll_back(NAME, Some(&bundle("third").version()), by("bob", 9)).await.unwrap();
    let beaten = store.move_current(NAME, &old, Some(before), by("ann", 10)).await.unwrap_err();
    assert!(matches!(beaten, StoreError::Moved { .. }), "{beaten:?}");
}

async fn many_at_once(objects: impl Objects) {
    let store = Versions::new(objects);
    push(&store, &bundle("first"), by("ann", 0)).await.unwrap();
    let (current, etag) = store.current(NAME).await.unwrap();
    let sources: Vec<BundleSource> = (0..6).map(|n| bundle(&format!("number {n}"))).collect();
    let pushes = sources.iter().map(async |source| {
        store.publish(NAME, source, by("bob", 1), None).await?;
        store.move_current(NAME, &source.version(), Some((current.clone(), etag.clone())), by("bob", 1)).await
    });
    let ended = join_all(pushes).await;
    let won: Vec<_> = ended.iter().filter_map(|push| push.as_ref().ok()).collect();
    assert_eq!(won.len(), 1, "{ended:?}");
    assert!(ended.iter().all(|push| push.is_ok() || matches!(push, Err(StoreError::Moved { .. }))), "{ended:?}");
    assert_eq!(store.current(NAME).await.unwrap().0.version, won[0].to);
    // Concurrent pushes of one bundle leave a complete version.
    let same = bundle("same");
    for published in join_all((0..6).map(|_| store.publish(NAME, &same, by("bob", 2), None))).await {
        published.unwrap();
    }
    assert_eq!(store.source(NAME, &same.version(), &Trust::default()).await.unwrap(), same);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_in_a_directory_are_pushed_moved_rolled_back_and_deleted() {
    life(places::directory().objects.clone()).await;
    many_at_once(places::directory().objects.clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_in_a_bucket_are_pushed_moved_rolled_back_and_deleted() {
    life(places::bucket("use-cases").await.objects.clone()).await;
    many_at_once(places::bucket("").await.objects.clone()).await;
}

#[tokio::test]
async fn a_store_with_trusted_keys_returns_only_files_that_match_a_signed_list() {
    let location = places::directory();
    let store = Versions::new(location.objects.clone());
    let (source, ours, theirs) = (bundle("signed"), key(), key());
    let version = source.version();
    store.publish(NAME, &source, by("ann", 0), None).await.unwrap();
    let refused = async |trust: &Trust, said: &str| {
        let error = store.source(NAME, &version, trust).await.unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { .. }) && error.to_string().contains(said), "{error}");
    };
    refused(&only(&ours), "is not signed").await;
    store.publish(NAME, &source, by("bob", 1), Some(&theirs)).await.unwrap();
    refused(&only(&ours), &theirs.public().id()).await;
    // A push with a key adds its signature to the known version and keeps the first pusher's name.
    assert_eq!(store.publish(NAME, &source, by("cyd", 2), Some(&ours)).await.unwrap(), Published::Known);
    for trust in [only(&ours), only(&theirs), Trust::default()] {
        assert_eq!(store.source(NAME, &version, &trust).await.unwrap(), source);
    }
    assert_eq!(store.statement(NAME, &version, &only(&ours)).await.unwrap().0.pushed_by, "ann");

    // A signed list is refused under another use case and under another version.
    let other = bundle("other").version();
    let root = location.path().join("store");
    copy(&root.join(NAME).join(&version), &root.join(NAME).join(&other));
    copy(&root.join(NAME).join(&version), &root.join("refunds").join(&version));
    let error = store.source(NAME, &other, &only(&ours)).await.unwrap_err().to_string();
    assert!(error.contains(&format!("is of version {version}")), "{error}");
    let error = store.source("refunds", &version, &only(&ours)).await.unwrap_err().to_string();
    assert!(error.contains("is of use case \"orders\""), "{error}");

    // A file that was changed after signing.
    std::fs::write(root.join(NAME).join(&version).join("process.wasm"), "\0asm!").unwrap();
    refused(&only(&ours), "is not what was pushed").await;
    refused(&Trust::default(), "is not what was pushed").await;
    store.publish(NAME, &source, by("ann", 3), None).await.unwrap();
    assert_eq!(store.source(NAME, &version, &only(&ours)).await.unwrap(), source, "a push repairs a damaged version");
    std::fs::write(root.join(NAME).join(&version).join("bundle.json"), "{}").unwrap();
    refused(&Trust::default(), "is not a signed document").await;
    store.publish(NAME, &source, by("ann", 4), Some(&ours)).await.unwrap();
    assert_eq!(store.source(NAME, &version, &only(&ours)).await.unwrap(), source);
}

#[tokio::test]
async fn a_signed_statement_replaces_an_unsigned_one_and_not_the_reverse() {
    let store = Versions::new(places::directory().objects.clone());
    let (source, key, nobody) = (bundle("signed later"), key(), Trust::default());
    let version = source.version();
    let unsigned = Statement::new(NAME, &source, by("ann", 0)).to_envelope();
    store.publish_as(NAME, &source, &unsigned, &nobody).await.unwrap();
    let mut signed = Statement::new(NAME, &source, by("bob", 1)).for_audience("production").to_envelope();
    signed.sign(&key);
    store.publish_as(NAME, &source, &signed, &nobody).await.unwrap();
    let (statement, envelope) = store.statement(NAME, &version, &only(&key)).await.unwrap();
    assert_eq!((statement.pushed_by.as_str(), statement.audience.as_deref()), ("bob", Some("production")));
    assert_eq!(envelope.signers(), [key.public().id()]);
    store.publish_as(NAME, &source, &unsigned, &nobody).await.unwrap();
    assert_eq!(store.statement(NAME, &version, &only(&key)).await.unwrap().1, signed);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { std::fs::copy(entry.path(), target).map(drop).unwrap() }
    }
}

/// Returns text instead of machine code, because a store does not inspect the content.
fn code(text: &str, arch: Arch) -> PrecompiledCode {
    let code = Bytes::copy_from_slice(text.repeat(1000).as_bytes());
    let artifact = Artifact {
        role: Role::Process,
        arch,
        wasmtime: "48.0.0".to_owned(),
        engine: engine_hash(),
        file: format!("process.{arch}.cwasm"),
        bytes: code.len() as u64,
        digest: digest(&code),
    };
    PrecompiledCode { artifact, code }
}

async fn unpacked(store: &Versions<impl Objects>, version: &str, arch: Arch, trust: &Trust) -> Result<tempfile::TempDir, StoreError> {
    let dir = tempfile::tempdir().unwrap();
    store.unpack_precompiled(NAME, version, arch, &[Role::Validate, Role::Process], trust, dir.path()).await?;
    Ok(dir)
}

async fn compiled(objects: impl Objects) {
    let store = Versions::new(objects);
    let (source, key) = (bundle("compiled"), key());
    let (use_case, version) = (source.use_case().unwrap(), source.version());
    store.publish(NAME, &source, by("ann", 0), Some(&key)).await.unwrap();
    assert!(!store.is_precompiled(&use_case, &version, Arch::Arm64, &Trust::default()).await.unwrap());
    let error = unpacked(&store, &version, Arch::Arm64, &Trust::default()).await.unwrap_err().to_string();
    assert!(error.contains("but for nothing: compile it") && error.contains("--arch arm64"), "{error}");

    let arm = code("arm", Arch::Arm64);
    store.publish_precompiled(&use_case, &source, Arch::Arm64, std::slice::from_ref(&arm), None).await.unwrap();
    assert!(store.is_precompiled(&use_case, &version, Arch::Arm64, &Trust::default()).await.unwrap());
    assert!(!store.is_precompiled(&use_case, &version, Arch::Arm64, &only(&key)).await.unwrap(), "an unsigned list counts as not compiled");
    let error = unpacked(&store, &version, Arch::Arm64, &only(&key)).await.unwrap_err().to_string();
    assert!(error.contains("is not signed"), "{error}");

    store.publish_precompiled(&use_case, &source, Arch::Arm64, std::slice::from_ref(&arm), Some(&key)).await.unwrap();
    store.publish_precompiled(&use_case, &source, Arch::X86_64, &[code("intel", Arch::X86_64)], Some(&key)).await.unwrap();
    let machines = store.precompiled_for(NAME, &version).await.unwrap();
    assert_eq!(machines, [format!("arm64-{}", engine_hash()), format!("x86_64-{}", engine_hash())]);
    let dir = unpacked(&store, &version, Arch::Arm64, &only(&key)).await.unwrap();
    assert_eq!(std::fs::read(dir.path().join("compiled/process.arm64.cwasm")).unwrap(), arm.code);
    assert!(!dir.path().join("process.wasm").exists(), "the component is not fetched, since only a compiler needs it");
    let bundle = read_precompiled_dir(dir.path(), &only(&key)).unwrap();
    assert_eq!((bundle.version(), bundle.use_case().description.as_str()), (version.as_str(), "compiled"));

    // A version whose list exists but misses a listed file counts as not compiled.
    let location = format!("{NAME}/{version}/compiled/arm64-{}", engine_hash());
    let files = store.objects().children(&location).await.unwrap();
    let packed = files.iter().find(|file| file.name != ARTIFACTS_FILE).unwrap();
    store.objects().delete(&format!("{location}/{}", packed.name)).await.unwrap();
    assert!(!store.is_precompiled(&use_case, &version, Arch::Arm64, &only(&key)).await.unwrap());
}

#[tokio::test]
async fn machine_code_is_unpacked_unchanged() {
    compiled(places::directory().objects.clone()).await;
    compiled(places::bucket("use-cases").await.objects.clone()).await;
}

#[tokio::test]
async fn machine_code_that_unpacks_beyond_its_stated_size_is_refused() {
    let store = Versions::new(places::directory().objects.clone());
    let source = bundle("bomb");
    let mut bomb = code("x", Arch::Arm64);
    bomb.artifact.bytes = 10;
    store.publish(NAME, &source, by("ann", 0), None).await.unwrap();
    store.publish_precompiled(&source.use_case().unwrap(), &source, Arch::Arm64, &[bomb], None).await.unwrap();
    let error = unpacked(&store, &source.version(), Arch::Arm64, &Trust::default()).await.unwrap_err().to_string();
    assert!(error.contains("more than the 10 bytes"), "{error}");
}

#[tokio::test]
async fn an_invalid_current_is_named_in_the_error() {
    let location = places::directory();
    let store = Versions::new(location.objects.clone());
    store.objects().put("orders/current", Bytes::from_static(b"../../etc"), When::Absent).await.unwrap();
    let error = store.look(NAME, None).await.unwrap_err().to_string();
    assert!(error.contains("orders/current should hold a version"), "{error}");
}
