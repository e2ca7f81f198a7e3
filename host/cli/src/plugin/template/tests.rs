use std::path::{Path, PathBuf};

use postdate_core::use_case::UseCase;

use super::*;
use postdate_cases::cases;

const ALL: [Language; 3] = [Language::Rust, Language::JavaScript, Language::Python];

fn file<'a>(project: &'a [(String, String)], path: &str) -> &'a str {
    project.iter().find(|(candidate, _)| candidate == path).map(|(_, text)| text.as_str()).expect(path)
}

#[test]
fn manifest_and_cases_of_every_language_are_valid() {
    for language in ALL {
        let project = project("tickets-2", language);
        let use_case = UseCase::parse(file(&project, "use-case.toml")).unwrap();
        assert_eq!(use_case.name, "tickets-2");
        let read = project.iter().filter(|(path, _)| path.starts_with("cases/")).map(|(path, text)| cases::parse(path, text).unwrap());
        assert_eq!(read.count(), 5);
        assert!(project.iter().all(|(_, text)| !text.contains("{{name}}") && !text.contains("{{limits}}")), "a word is not replaced");
    }
}

#[test]
fn paths_are_unique_and_inside_the_project() {
    for language in ALL {
        let mut paths: Vec<String> = project("a", language).into_iter().map(|(path, _)| path).collect();
        assert!(paths.iter().all(|path| !path.starts_with('/') && !path.contains("..")), "{paths:?}");
        let count = paths.len();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), count, "{paths:?}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_source_of_the_sdk_is_vendored() {
    let project = project("a", Language::Rust);
    for entry in std::fs::read_dir(root().join("plugins/sdk/src")).unwrap() {
        let entry = entry.unwrap();
        // A directory holds the unit tests of the module beside it.
        if entry.file_type().unwrap().is_dir() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        file(&project, &format!("vendor/postdate-plugin/src/{name}"));
    }
}

/// The SDK's manifest inherits each dependency from its workspace; the vendored manifest must spell it out.
#[test]
fn the_vendored_sdk_has_the_dependencies_of_the_sdk() {
    let project = project("a", Language::Rust);
    let vendored: toml::Table = file(&project, "vendor/postdate-plugin/Cargo.toml").parse().unwrap();
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap().parse::<toml::Table>().unwrap();
    let (sdk, workspace) = (read("plugins/sdk/Cargo.toml"), read("plugins/Cargo.toml"));
    assert_eq!(vendored["features"], sdk["features"]);
    let table = |value: &toml::Value| match value {
        toml::Value::String(version) => toml::Table::from_iter([("version".to_owned(), version.clone().into())]),
        other => other.as_table().unwrap().clone(),
    };
    let needed: toml::Table = sdk["dependencies"]
        .as_table()
        .unwrap()
        .iter()
        .map(|(name, own)| {
            let mut whole = table(&workspace["workspace"]["dependencies"][name]);
            whole.extend(own.as_table().unwrap().clone().into_iter().filter(|(key, _)| key != "workspace"));
            (name.clone(), toml::Value::Table(whole))
        })
        .collect();
    let named: toml::Table =
        vendored["dependencies"].as_table().unwrap().iter().map(|(name, value)| (name.clone(), table(value).into())).collect();
    assert_eq!(named, needed);
    assert_eq!(vendored["package"]["version"], workspace["workspace"]["package"]["version"]);
    assert_eq!(vendored["package"]["edition"], workspace["workspace"]["package"]["edition"]);
}
