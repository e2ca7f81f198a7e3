use super::*;
use crate::testing::{bundle, runtime};

async fn compile_into(dir: &Path, source: &BundleSource, arch: Arch) -> Artifacts {
    let use_case = source.use_case().unwrap();
    let compiled = runtime().precompile(source, &use_case, arch).await.unwrap();
    write_artifacts(dir, source, &use_case, &compiled, None).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn code_for_another_architecture_is_kept_until_the_version_changes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/compiled");
    let mut source = bundle("[process]\nplugin = 'minimal-process.wasm'\n", &["minimal-process"]);
    compile_into(&dir, &source, Arch::Arm64).await;
    let both = compile_into(&dir, &source, Arch::X86_64).await;
    assert_eq!(both.version, source.version());
    assert_eq!(both.artifacts.iter().map(|artifact| artifact.arch).collect::<Vec<_>>(), [Arch::Arm64, Arch::X86_64]);
    assert_eq!(names(&dir), ["artifacts.json", "process.arm64.cwasm", "process.x86_64.cwasm"]);
    let envelope = SignedEnvelope::parse(&fs::read(dir.join(ARTIFACTS_FILE)).unwrap()).unwrap();
    assert_eq!(Artifacts::open(&envelope, &Trust::default()).unwrap(), both);
    for artifact in &both.artifacts {
        let code = fs::read(dir.join(&artifact.file)).unwrap();
        assert_eq!((artifact.bytes, &artifact.digest), (code.len() as u64, &digest(&code)));
        // The field `e_machine` of an ELF file: 62 is x86_64, 183 is AArch64.
        assert_eq!(code[18], if artifact.arch == Arch::X86_64 { 62 } else { 183 }, "{}", artifact.file);
    }

    let manifest = "name = 'tested'\n[process]\nplugin = 'minimal-process.wasm'\ntimeout = '3s'\n";
    source.files.insert(postdate_core::use_case::MANIFEST_FILE.into(), manifest.into());
    let one = compile_into(&dir, &source, Arch::X86_64).await;
    assert_ne!(one.version, both.version);
    assert_eq!(one.artifacts.len(), 1, "the list has no code of the old version");
    assert_eq!(names(&dir), ["artifacts.json", "process.x86_64.cwasm"]);
}

#[tokio::test]
async fn a_plugin_that_could_not_be_loaded_is_not_compiled() {
    let source = bundle("[process]\nplugin = 'minimal-validate.wasm'\n", &["minimal-validate"]);
    let use_case = source.use_case().unwrap();
    let error = runtime().precompile(&source, &use_case, Arch::Arm64).await.err().unwrap().to_string();
    assert!(error.contains("(minimal-validate.wasm) does not export postdate:plugin/process@1.0.0"), "{error}");
}

#[tokio::test]
async fn a_component_that_is_both_plugins_is_compiled_once() {
    let source = bundle("[validate]\nplugin = 'puppet.wasm'\n[process]\nplugin = 'puppet.wasm'\n", &["puppet"]);
    let compiled = runtime().precompile(&source, &source.use_case().unwrap(), Arch::Arm64).await.unwrap();
    let [validate, process] = &compiled[..] else { panic!("{}", compiled.len()) };
    assert_eq!((validate.artifact.role, process.artifact.role), (Role::Validate, Role::Process));
    assert_eq!(validate.artifact.digest, process.artifact.digest);
    // Both roles share the same bytes in memory, so there was one compile.
    assert_eq!(validate.code.as_ptr(), process.code.as_ptr());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let source = bundle("[targets]\ndefault = 'out'\nout = { kind = 'http', url = 'https://example.com/' }\n", &[]);
    let error = write_artifacts(&file.path().join("compiled"), &source, &source.use_case().unwrap(), &[], None).unwrap_err();
    assert!(error.to_string().contains("compiled cannot be written"), "{error}");
}
