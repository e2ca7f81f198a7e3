use super::*;

fn bundle(max_ahead: &str, plugin: &'static [u8]) -> BundleSource {
    let manifest = format!(
        "name = 'x'\n[validate]\nplugin = 'v.wasm'\n[schedule]\nmax-ahead = '{max_ahead}'\n[targets]\ndefault = 'o'\no = {{ kind = 'http', url = 'http://h/' }}\n"
    );
    let files = [(MANIFEST_FILE.to_owned(), manifest.into()), ("v.wasm".to_owned(), bytes::Bytes::from_static(plugin))];
    BundleSource { files: files.into() }
}

#[test]
fn manifests_are_compared_by_line_and_plugins_by_size() {
    let text = text("old", &bundle("1d", b"\0asm"), "new", &bundle("2d", b"\0asm\xff")).unwrap();
    for line in ["--- old/use-case.toml", "+++ new/use-case.toml", "-max-ahead = '1d'", "+max-ahead = '2d'", "v.wasm: 4 bytes → 5 bytes"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(super::text("a", &bundle("1d", b""), "b", &bundle("1d", b"")).unwrap(), "a and b are the same\n");
}

#[test]
fn imports_that_came_and_went_are_marked() {
    let (was, is) = (["a", "b"].map(str::to_owned), ["b", "c"].map(str::to_owned));
    assert_eq!(changes(&was, &is), BTreeMap::from([("a".to_owned(), '-'), ("c".to_owned(), '+')]));
}

#[test]
fn a_document_names_only_files_that_differ() {
    let document = document("a", &bundle("1d", b"\0asm"), "b", &bundle("1d", b"\0asm\xff")).unwrap();
    let files = json!([{ "name": "v.wasm", "oldBytes": 4, "newBytes": 5 }]);
    assert_eq!(document, json!({ "old": "a", "new": "b", "files": files, "imports": [] }));
}
