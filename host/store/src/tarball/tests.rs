//! Valid archives in the forms that tools make, and hostile archives.

use std::io::Write as _;

use super::*;

const MANIFEST: &str =
    "name = 'tickets'\n[validate]\nplugin = 'v.wasm'\n[targets]\ndefault = 'out'\nout = { kind = 'http', url = 'http://h/' }\n";

/// Returns an archive of these entries, with any names.
fn archive(entries: &[(&[u8], EntryType, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in entries {
        let mut header = Header::new_gnu();
        // Writes the name's bytes directly, because the library refuses names that lead out of the archive.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(*kind);
        if let Some(gnu) = header.as_gnu_mut() {
            gnu.set_real_size(content.len() as u64);
        }
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.write_all(header.as_bytes()).unwrap();
        bytes.write_all(content).unwrap();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn file<'a>(name: &'a str, content: &'a str) -> (&'a [u8], EntryType, &'a [u8]) {
    (name.as_bytes(), EntryType::Regular, content.as_bytes())
}

#[track_caller]
fn check_refused(entries: &[(&[u8], EntryType, &[u8])], expected: &str) {
    let error = read(&*archive(entries)).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_written_archive_is_read() {
    let mut source = BundleSource::default();
    for (name, content) in [("use-case.toml", MANIFEST), ("v.wasm", "\0asm"), ("cases/one.toml", "call = 'validate'")] {
        source.files.insert(name.to_owned(), Bytes::copy_from_slice(content.as_bytes()));
    }
    let upload = read(&*write(&source, Some("{}")).unwrap()).unwrap();
    assert_eq!(upload, Unpacked { source: source.clone(), statement: Some(Bytes::from_static(b"{}")) });
    assert_eq!(read(&*write(&source, None).unwrap()).unwrap().statement, None);
}

/// Reads an archive as made by `tar -C tickets -cf - .` from a directory with sources.
#[test]
fn entries_that_are_not_part_of_the_bundle_are_dropped() {
    let upload = read(&*archive(&[
        (b"./", EntryType::Directory, b""),
        file("./use-case.toml", MANIFEST),
        file("./v.wasm", "\0asm"),
        file("./README.md", "hello"),
        (b"./src/", EntryType::Directory, b""),
        file("./src/lib.rs", "fn main() {}"),
        (b"./node_modules/.bin/tsc", EntryType::Symlink, b""),
        file("./cases/one.toml", ""),
    ]));
    let names: Vec<_> = upload.unwrap().source.files.into_keys().collect();
    assert_eq!(names, ["cases/one.toml", "use-case.toml", "v.wasm"]);
}

#[test]
fn an_entry_outside_the_bundle_is_refused() {
    for name in ["../use-case.toml", "/etc/passwd", "cases/../../x.toml", "a/.."] {
        check_refused(&[file("use-case.toml", MANIFEST), file(name, "")], "leads out of the bundle");
    }
    for (kind, said) in [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device"),
        (EntryType::Fifo, "a named pipe"),
        (EntryType::GNUSparse, "a sparse file"),
    ] {
        check_refused(&[file("use-case.toml", MANIFEST), (b"v.wasm", kind, b"")], said);
    }
    check_refused(&[(b"\xff.wasm", EntryType::Regular, b"")], "not UTF-8");
}

#[test]
fn duplicate_excess_or_missing_entries_are_refused() {
    check_refused(&[file("use-case.toml", MANIFEST), file("v.wasm", "a"), file("./v.wasm", "b")], "\"v.wasm\" twice");
    let long = "#".repeat(usize::try_from(MAX_MANIFEST_BYTES).unwrap() + 1);
    check_refused(&[file("use-case.toml", &long)], "more than 1048576 bytes");
    check_refused(&[file("use-case.toml", MANIFEST), file("cases/long.toml", &long)], "\"cases/long.toml\"");
    check_refused(&[file("tickets/use-case.toml", MANIFEST)], "tar -C BUNDLE_DIR");
    check_refused(&[file("use-case.toml", MANIFEST)], "names the file v.wasm");
    check_refused(&[], "no use-case.toml");
    let many: Vec<String> = (0..=MAX_ENTRIES).map(|n| format!("src/{n}")).collect();
    check_refused(&many.iter().map(|name| file(name, "")).collect::<Vec<_>>(), "10000 entries");
    let many: Vec<String> = (0..=MAX_CASES).map(|n| format!("cases/{n}.toml")).collect();
    let mut entries: Vec<_> = many.iter().map(|name| file(name, "")).collect();
    entries.extend([file("use-case.toml", MANIFEST), file("v.wasm", "")]);
    check_refused(&entries, "1000 test cases");
}

#[test]
fn an_entry_name_beyond_the_limit_is_refused_and_cut_in_the_error() {
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(0);
    builder.append_data(&mut header, "a/".repeat(MAX_NAME_BYTES) + "b", &[][..]).unwrap();
    let error = read(&*builder.into_inner().unwrap()).unwrap_err().to_string();
    assert!(error.contains("more than 4096 bytes") && error.len() < 300, "{error}");
}

#[test]
fn an_entry_with_a_huge_stated_size_is_refused_early() {
    let mut header = Header::new_gnu();
    header.set_path("v.wasm").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    assert!(matches!(read(header.as_bytes().as_slice()), Err(TarballError::NotTar(_) | TarballError::Bundle(_))));
    let endless = header.as_bytes().as_slice().chain(io::repeat(0));
    assert!(matches!(read(endless), Err(TarballError::TooLarge { limit: MAX_FILE_BYTES, .. })));
}

#[test]
fn a_truncated_archive_or_no_archive_is_refused() {
    let whole = archive(&[file("use-case.toml", MANIFEST), file("v.wasm", &"x".repeat(2000))]);
    assert!(read(&whole[..1500]).is_err());
    assert!(read(&b"PK\x03\x04 this is a zip"[..]).is_err());
    assert!(read(&vec![b'x'; 4096][..]).is_err());
}
