use super::*;

fn each(target: &str, check: fn(&[u8])) {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        check(&std::fs::read(file).unwrap());
    }
}

#[test]
fn plugin_files_of_the_corpus_pass() {
    each("component", component);
}

#[test]
fn manifests_of_the_corpus_pass() {
    each("manifest", manifest);
}
