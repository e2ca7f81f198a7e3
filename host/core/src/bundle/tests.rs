use super::*;

fn bundle(files: &[(&str, &str)]) -> BundleSource {
    BundleSource { files: files.iter().map(|(name, text)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes()))).collect() }
}

#[test]
fn the_version_depends_on_names_and_contents() {
    let one = bundle(&[("a", "bc")]);
    assert_eq!(one.version().len(), 16);
    assert_eq!(one.version(), bundle(&[("a", "bc")]).version());
    assert_ne!(one.version(), bundle(&[("ab", "c")]).version());
    assert_ne!(one.version(), bundle(&[("a", "bd")]).version());
}

#[test]
fn file_names_and_versions_cannot_lead_out_of_the_bundle() {
    for good in ["use-case.toml", "validate.wasm", "a b", "cases/one.toml", ".hidden", "é.json"] {
        assert!(is_file_name(good), "{good}");
    }
    for wrong in
        ["", ".", "..", "../a", "/a", "a/b", "cases/", "cases/..", "cases/../a.toml", "cases/a/b.toml", "cases/a.json", "a\\b", "a\n"]
    {
        assert!(!is_file_name(wrong), "{wrong:?}");
    }
    assert!(is_version("0123456789abcdef") && !is_version("0123456789ABCDEF") && !is_version("..") && !is_version(""));
}

#[test]
fn a_file_that_the_manifest_names_must_exist() {
    let manifest = "name = 'x'\n[process]\nplugin = 'p.wasm'\nconfig-files = { schema = 's.json' }\n";
    let error = bundle(&[(MANIFEST_FILE, manifest), ("p.wasm", "")]).use_case().unwrap_err();
    assert_eq!(error, BundleError::MissingFile { key: "process.config-files.schema".into(), file: "s.json".into() });
    let whole = bundle(&[(MANIFEST_FILE, manifest), ("p.wasm", ""), ("s.json", "{}")]);
    let use_case = whole.use_case().unwrap();
    assert_eq!(&*whole.config(&use_case, Role::Process).unwrap()["schema"], "{}");
    assert_eq!(bundle(&[]).use_case().unwrap_err(), BundleError::NoManifest);
}

/// Returns a bundle whose process plugin has `keys` config keys that all name one file of `bytes` bytes.
fn with_config_files(memory: &str, keys: usize, bytes: usize) -> BundleSource {
    let keys: String = (0..keys).map(|n| format!("k{n:03} = 's.txt'")).collect::<Vec<_>>().join("\n");
    let manifest = format!("name = 'x'\n[process]\nplugin = 'p.wasm'\nmemory = '{memory}'\n[process.config-files]\n{keys}");
    bundle(&[(MANIFEST_FILE, &manifest), ("p.wasm", ""), ("s.txt", &"x".repeat(bytes))])
}

#[test]
fn keys_that_name_one_file_share_its_text() {
    let source = with_config_files("64MiB", 2, 1000);
    let config = source.config(&source.use_case().unwrap(), Role::Process).unwrap();
    assert!(Arc::ptr_eq(&config["k000"], &config["k001"]));
}

#[test]
fn a_file_counts_once_for_each_key_that_names_it() {
    assert!(with_config_files("64MiB", 4, (1 << 20) - 4).use_case().is_ok(), "exactly 4 MiB with the keys");
    let error = with_config_files("64MiB", 200, 20 << 20).use_case().unwrap_err();
    assert!(matches!(&error, BundleError::Manifest(ManifestError::Value { key, .. }) if key == "process.config-files"), "{error}");
    let (asked, limit) = (200_u64 * ((20 << 20) + 4), 4 << 20);
    assert!(
        error.to_string().contains(&format!("has {asked} bytes")) && error.to_string().contains(&format!("the {limit} bytes")),
        "{error}"
    );
}

#[test]
fn a_config_that_is_larger_than_the_memory_of_the_plugin_is_refused() {
    let error = with_config_files("1MiB", 2, 1 << 19).use_case().unwrap_err().to_string();
    assert!(error.contains("process.config-files") && error.contains("the 1048576 bytes of process.memory"), "{error}");
    assert!(with_config_files("2MiB", 2, 1 << 19).use_case().is_ok());
}
