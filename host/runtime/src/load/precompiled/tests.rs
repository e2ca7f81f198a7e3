//! Loads precompiled bundles. They answer like a bundle that is compiled at load, and an error names each mismatch.

use std::fs;
use std::path::{Path, PathBuf};

use postdate_core::bundle::BundleSource;
use postdate_core::ports::Bundle;
use postdate_core::use_case::MANIFEST_FILE;
use tempfile::TempDir;

use super::*;
use crate::code::artifacts::{ARTIFACTS_FILE, Artifacts, digest};
use crate::code::compile::ahead_config;
use crate::engine::config::{Allocation, Metering, engine_config};
use crate::testing::{bundle, guest, input, job, runtime, wait};
use crate::trust::{SecretKey, SignedEnvelope, Trust};
use crate::{Secrets, read_precompiled_dir, write_artifacts};

const HERE: Arch = Arch::HERE.unwrap();
const OTHER: Arch = if matches!(HERE, Arch::X86_64) { Arch::Arm64 } else { Arch::X86_64 };
const MANIFEST: &str = "[validate]\nplugin = 'minimal-validate.wasm'\n\
                        [process]\nplugin = 'puppet.wasm'\nsecrets = ['KEY']\nconfig-files = { schema = 's.json' }\n";

/// Returns a directory with the files that a host gets: a precompiled bundle without its `.wasm` files.
fn compiled(source: &BundleSource, archs: &[Arch]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let use_case = source.use_case().unwrap();
    let runtime = runtime();
    let code: Vec<_> = archs.iter().flat_map(|arch| wait(runtime.precompile(source, &use_case, *arch)).unwrap()).collect();
    write_artifacts(&dir.path().join(ARTIFACTS_DIR), source, &use_case, &code, None).unwrap();
    let wasm = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "wasm");
    for (name, content) in source.files.iter().filter(|(name, _)| !wasm(name)) {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn whole() -> BundleSource {
    let mut source = bundle(MANIFEST, &["minimal-validate", "puppet"]);
    source.files.insert("s.json".into(), "{}".into());
    source
}

fn small() -> TempDir {
    compiled(&bundle("[process]\nplugin = 'minimal-process.wasm'\n", &["minimal-process"]), &[HERE])
}

fn code_path(dir: &TempDir) -> PathBuf {
    dir.path().join(format!("{ARTIFACTS_DIR}/process.{HERE}.cwasm"))
}

/// Changes the list of machine code, and keeps it well-formed.
fn relist(dir: &TempDir, change: impl FnOnce(&mut Artifacts)) {
    let path = dir.path().join(ARTIFACTS_DIR).join(ARTIFACTS_FILE);
    let envelope = SignedEnvelope::parse(&fs::read(&path).unwrap()).unwrap();
    let payload = envelope.open("application/vnd.postdate.artifacts+json", &Trust::default()).unwrap();
    let mut artifacts = serde_json::from_slice(payload).unwrap();
    change(&mut artifacts);
    fs::write(path, artifacts.into_envelope().unwrap().to_json()).unwrap();
}

/// Replaces the machine code by other bytes, and lists their correct digest, as a faulty compiler would.
fn replace_code(dir: &TempDir, code: &[u8]) {
    fs::write(code_path(dir), code).unwrap();
    relist(dir, |artifacts| {
        artifacts.artifacts[0].bytes = code.len() as u64;
        artifacts.artifacts[0].digest = digest(code);
    });
}

#[track_caller]
fn check_refused(dir: &TempDir, expected: &str) {
    let load = async {
        let bundle = read_precompiled_dir(dir.path(), &Trust::default()).map_err(|error| error.to_string())?;
        runtime().load_precompiled(&bundle, &Secrets::none()).await.map_err(|error| error.to_string())
    };
    let error = tokio::runtime::Runtime::new().unwrap().block_on(load).expect_err("the bundle was loaded");
    assert!(error.contains(expected), "{expected:?} is not in: {error}");
    let name = dir.path().file_name().unwrap().to_string_lossy();
    let fix = format!(": compile it with: postdate plugin compile {name} --arch {HERE}");
    assert!(error.ends_with(&fix), "the error does not say what to do: {error}");
}

#[tokio::test]
async fn a_precompiled_bundle_answers_like_a_bundle_compiled_at_load() {
    let source = whole();
    let dir = compiled(&source, &[Arch::X86_64, Arch::Arm64]);
    let secrets = Secrets::of(|name| (name == "KEY").then(|| "hush".to_owned()));
    let runtime = runtime();
    let here = runtime.load(&source, &secrets).await.unwrap();
    let ahead = runtime.load_precompiled(&read_precompiled_dir(dir.path(), &Trust::default()).unwrap(), &secrets).await.unwrap();
    assert_eq!(ahead.version(), source.version());
    assert_eq!(ahead.version(), here.version());
    for body in ["{}", r#"{"quantity":0}"#, "[1,2]"] {
        assert_eq!(ahead.validate(input(body)).await, here.validate(input(body)).await, "{body}");
    }
    for script in [
        r#"{"do":"config","key":"schema"}"#,
        r#"{"do":"config","key":"KEY"}"#,
        r#"{"do":"job"}"#,
        r#"{"do":"fail","message":"no"}"#,
        r#"{"do":"trap","message":"trapped"}"#,
        r#"{"do":"memory","mib":100}"#,
    ] {
        let body = &format!(r#"{{"process":{script}}}"#);
        assert_eq!(ahead.process(job(body), None).await, here.process(job(body), None).await, "{body}");
    }
}

#[tokio::test]
async fn a_host_loads_only_the_plugin_that_it_calls() {
    let dir = compiled(&whole(), &[HERE]);
    fs::remove_file(code_path(&dir)).unwrap();
    // The host reads neither the processor's code nor its secret.
    let bundle = read_precompiled_dir(dir.path(), &Trust::default()).unwrap().only(Role::Validate);
    let loaded = runtime().load_precompiled(&bundle, &Secrets::none()).await.unwrap();
    assert!(loaded.validate(input("{}")).await.is_ok());
    assert!(loaded.process(job("{}"), None).await.is_err());
}

/// Loads code of an engine without processor features in engines that infer them, and in the other direction.
#[test]
fn code_with_and_without_processor_features_loads_on_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("code");
    let baseline = wasmtime::Engine::new(&ahead_config(HERE).unwrap()).unwrap();
    let native = [Allocation::OnDemand, Allocation::Pooling { slots: 1, max_memory: 64 << 20 }]
        .map(|allocation| wasmtime::Engine::new(&engine_config(allocation, Metering::Off)).unwrap());
    let load = |from: &wasmtime::Engine, to: &wasmtime::Engine| {
        fs::write(&path, from.precompile_component(&guest("puppet")).unwrap()).unwrap();
        deserialize::load_file(to, &fs::File::open(&path).unwrap()).map(|_| ())
    };
    for host in &native {
        load(&baseline, host).unwrap();
        load(host, &baseline).unwrap();
    }
}

#[test]
fn machine_code_with_one_changed_bit_is_refused() {
    let dir = small();
    let mut code = fs::read(code_path(&dir)).unwrap();
    let (whole, middle) = (code.len(), code.len() / 2);
    code[middle] ^= 1;
    fs::write(code_path(&dir), &code).unwrap();
    check_refused(&dir, "has the digest blake3:");
    code.truncate(middle);
    fs::write(code_path(&dir), &code).unwrap();
    check_refused(&dir, &format!("has {middle} bytes, and not the {whole} that were compiled"));
}

#[test]
fn code_for_another_architecture_is_refused() {
    let source = bundle("[process]\nplugin = 'minimal-process.wasm'\n", &["minimal-process"]);
    check_refused(&compiled(&source, &[OTHER]), &format!("has not been compiled for {HERE}"));
    // The list gives this machine's architecture for code of another one.
    let dir = compiled(&source, &[OTHER]);
    relist(&dir, |artifacts| artifacts.artifacts[0].arch = HERE);
    check_refused(&dir, "cannot be loaded from compiled/process");
}

#[test]
fn code_of_another_engine_is_refused() {
    let dir = small();
    relist(&dir, |artifacts| artifacts.artifacts[0].engine = "0011223344556677".into());
    check_refused(&dir, "other engine settings (0011223344556677)");
    relist(&dir, |artifacts| artifacts.artifacts[0].wasmtime = "48.0.0".into());
    check_refused(&dir, &format!("was compiled by wasmtime 48.0.0, and this host runs {WASMTIME_VERSION}"));

    // The list gives this host's engine for code of another one: wasmtime's own check refuses it.
    let dir = small();
    let stranger = wasmtime::Engine::default().precompile_component(&guest("minimal-process")).unwrap();
    replace_code(&dir, &stranger);
    check_refused(&dir, "cannot be loaded from compiled/process");
}

#[test]
fn the_error_names_missing_machine_code_or_a_missing_list() {
    let dir = small();
    fs::remove_file(code_path(&dir)).unwrap();
    check_refused(&dir, &format!("cannot be read from compiled/process.{HERE}.cwasm (entity not found)"));
    relist(&dir, |artifacts| artifacts.artifacts.clear());
    check_refused(&dir, &format!("has not been compiled for {HERE}: compiled/artifacts.json has no process for it"));
    fs::write(dir.path().join("compiled/artifacts.json"), "{").unwrap();
    check_refused(&dir, "compiled/artifacts.json is not a signed document");
    fs::remove_dir_all(dir.path().join(ARTIFACTS_DIR)).unwrap();
    check_refused(&dir, "has not been compiled");
}

#[test]
fn a_file_that_is_not_machine_code_is_refused() {
    let dir = small();
    // A listed file that is WebAssembly must not be loaded as machine code.
    replace_code(&dir, &guest("minimal-process"));
    check_refused(&dir, "cannot be loaded from compiled/process");
    replace_code(&dir, b"");
    check_refused(&dir, "cannot be loaded from compiled/process");
}

#[tokio::test]
async fn with_trusted_keys_only_signed_machine_code_loads() {
    let key = SecretKey::from_pem(&SecretKey::generate().unwrap()).unwrap();
    let trust = Trust::new(vec![key.public()]);
    let source = bundle("[process]\nplugin = 'minimal-process.wasm'\n", &["minimal-process"]);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(MANIFEST_FILE), &source.files[MANIFEST_FILE]).unwrap();
    let (runtime, use_case) = (runtime(), source.use_case().unwrap());
    let code = runtime.precompile(&source, &use_case, HERE).await.unwrap();
    let place = dir.path().join(ARTIFACTS_DIR);
    write_artifacts(&place, &source, &use_case, &code, Some(&key)).unwrap();
    let none = Secrets::none();
    runtime.load_precompiled(&read_precompiled_dir(dir.path(), &trust).unwrap(), &none).await.unwrap();
    let other = Trust::new(vec![SecretKey::from_pem(&SecretKey::generate().unwrap()).unwrap().public()]);
    let error = read_precompiled_dir(dir.path(), &other).unwrap_err().to_string();
    assert!(error.contains(&format!("is signed by the key {}", key.public().id())), "{error}");

    // One changed bit of the code: the signed list is accepted, but the digest does not match.
    let bundle = read_precompiled_dir(dir.path(), &trust).unwrap();
    let mut bytes = fs::read(code_path(&dir)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(code_path(&dir), &bytes).unwrap();
    let error = runtime.load_precompiled(&bundle, &none).await.unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
    // A list that was changed to match the code has no signature.
    replace_code(&dir, &bytes);
    assert!(read_precompiled_dir(dir.path(), &trust).unwrap_err().to_string().contains("is not signed"));
}

#[test]
fn machine_code_of_an_unsuitable_plugin_is_refused_like_its_wasm() {
    // The list says that the code is a processor's.
    let source = bundle("[process]\nplugin = 'minimal-process.wasm'\n", &["minimal-process"]);
    let dir = compiled(&source, &[HERE]);
    let engine = wasmtime::Engine::new(&ahead_config(HERE).unwrap()).unwrap();
    replace_code(&dir, &engine.precompile_component(&guest("minimal-validate")).unwrap());
    check_refused(&dir, "does not export postdate:plugin/process@1.0.0; it exports postdate:plugin/validate@1.0.0");
    replace_code(&dir, &engine.precompile_component(&guest("wrong-version")).unwrap());
    check_refused(&dir, "does not export postdate:plugin/process@1.0.0");
}

#[tokio::test]
async fn a_metering_runtime_refuses_code_without_metering() {
    let bundle = read_precompiled_dir(small().path(), &Trust::default()).unwrap();
    let runtime = crate::Runtime::new(crate::Options { slots: 1, metering: Metering::On, ..crate::Options::default() }).unwrap();
    let error = runtime.load_precompiled(&bundle, &Secrets::none()).await.unwrap_err().to_string();
    assert!(error.contains("was compiled by a Postdate with other engine settings"), "{error}");
}

#[test]
fn a_bundle_whose_manifest_changed_after_compiling_is_refused() {
    let dir = small();
    let path = dir.path().join(MANIFEST_FILE);
    let changed = fs::read_to_string(&path).unwrap() + "timeout = '3s'\n";
    fs::write(path, changed).unwrap();
    check_refused(&dir, "has changed since its bundle was compiled");
}

#[test]
fn a_listed_file_outside_the_bundle_is_not_opened() {
    let dir = small();
    let outside = tempfile::tempdir().unwrap();
    let elsewhere = outside.path().join("code");
    fs::copy(code_path(&dir), &elsewhere).unwrap();
    for name in [elsewhere.to_string_lossy().as_ref(), "../s.json", ".."] {
        relist(&dir, |artifacts| artifacts.artifacts[0].file = name.into());
        check_refused(&dir, "is not the name of a file");
    }
    std::os::unix::fs::symlink(&elsewhere, dir.path().join("compiled/link")).unwrap();
    relist(&dir, |artifacts| artifacts.artifacts[0].file = "link".into());
    check_refused(&dir, "is a link to a file outside the bundle");
}

#[tokio::test]
async fn machine_code_keeps_the_names_of_the_components_imports_and_exports() {
    let dir = compiled(&whole(), &[HERE]);
    let runtime = runtime();
    let code = fs::File::open(code_path(&dir)).unwrap();
    let component = deserialize::load_file(&runtime.inner.engine, &code).unwrap();
    let mut from_code = inspect_component(&runtime.inner.engine, &component);
    let mut from_wasm = crate::contract::inspect::inspect(&guest("puppet"));
    for inspection in [&mut from_code, &mut from_wasm] {
        inspection.imports.sort_by(|a, b| a.name.cmp(&b.name));
        inspection.exports.sort_by(|a, b| a.name.cmp(&b.name));
    }
    assert_eq!((from_code.imports, from_code.exports), (from_wasm.imports, from_wasm.exports));
}
