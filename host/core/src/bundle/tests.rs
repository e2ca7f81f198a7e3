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
    assert_eq!(whole.config(&use_case, Role::Process).unwrap()["schema"], "{}");
    assert_eq!(bundle(&[]).use_case().unwrap_err(), BundleError::NoManifest);
}
