use std::path::{Path, PathBuf};

use postdate_core::use_case::UseCase;

use super::*;
use postdate_cases::cases;

/// Returns every project that there is, with its template.
fn all() -> Vec<(Template, Vec<(String, String)>)> {
    let languages = [Language::Rust, Language::JavaScript, Language::Python];
    let pairs = Template::value_variants().iter().flat_map(|template| languages.map(|language| (*template, language)));
    pairs.filter_map(|(template, language)| Some((template, project("tickets-2", language, template).ok()?))).collect()
}

fn file<'a>(project: &'a [(String, String)], path: &str) -> &'a str {
    project.iter().find(|(candidate, _)| candidate == path).map(|(_, text)| text.as_str()).expect(path)
}

#[test]
fn manifest_and_cases_of_every_project_are_valid() {
    assert_eq!(all().len(), 3 * 3 + 1);
    for (template, project) in all() {
        let use_case = UseCase::parse(file(&project, "use-case.toml")).unwrap();
        assert_eq!(use_case.name, "tickets-2");
        let read = project.iter().filter(|(path, _)| path.starts_with("cases/")).map(|(path, text)| cases::parse(path, text).unwrap());
        let count = match template {
            Template::Reminder => 5,
            Template::WebhookWithAuth => 8,
            Template::JsonSchema => 4,
            Template::Blank => 2,
        };
        assert_eq!(read.count(), count, "{template:?}");
        let schema: serde_json::Value = serde_json::from_str(file(&project, "schema.json")).unwrap();
        assert_eq!(schema["type"], "object", "{template:?}");
    }
}

#[test]
fn every_word_of_every_project_is_replaced() {
    for (template, project) in all() {
        // A template of the reference processor has a space after its braces.
        let words = project.iter().filter(|(path, _)| !path.starts_with("vendor/")).flat_map(|(_, text)| text.split("{{").skip(1));
        let left: Vec<&str> = words.filter(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase())).collect();
        assert!(left.is_empty(), "{template:?}: {left:?}");
        let readme = file(&project, "README.md");
        assert!(readme.contains("# tickets-2\n") && readme.contains("postdate plugin run validate .") && readme.contains("/tickets-2"));
    }
}

#[test]
fn every_case_of_a_template_is_in_its_project() {
    for (template, project) in all() {
        let name = template.to_possible_value().unwrap().get_name().to_owned();
        for entry in std::fs::read_dir(root().join("host/cli/templates").join(&name).join("cases")).unwrap() {
            file(&project, &format!("cases/{}", entry.unwrap().file_name().into_string().unwrap()));
        }
    }
}

#[test]
fn the_reference_pair_is_refused_in_another_language_and_explains_its_config() {
    for language in [Language::JavaScript, Language::Python] {
        let error = project("a", language, Template::JsonSchema).unwrap_err().to_string();
        assert!(error.contains("add --lang rust"), "{error}");
    }
    let project = project("a", Language::Rust, Template::JsonSchema).unwrap();
    let manifest = file(&project, "use-case.toml");
    // The keys that the sources of the pair read.
    for key in ["schema", "url", "method", "headers", "body", "signing-secret"] {
        assert!(manifest.lines().any(|line| line.starts_with(&format!("#   {key} "))), "{key} is not explained");
        let read = ["validate/src/lib.rs", "process/src/request.rs"]
            .iter()
            .any(|source| std::fs::read_to_string(root().join("plugins").join(source)).unwrap().contains(&format!("config(\"{key}\")")));
        assert!(read, "{key} is no key of the pair");
    }
}

#[test]
fn paths_are_unique_and_inside_the_project() {
    for (_, project) in all() {
        let mut paths: Vec<String> = project.into_iter().map(|(path, _)| path).collect();
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

/// Returns the sources of a crate of plugins/, without its unit tests: paths below `src/`.
fn sources(of: &str) -> Vec<String> {
    let src = root().join("plugins").join(of).join("src");
    let (mut found, mut directories) = (Vec::new(), vec![src.clone()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.file_name().is_some_and(|name| name != "tests.rs") {
                found.push(path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn every_source_of_a_vendored_crate_is_in_the_project() {
    let project = project("a", Language::Rust, Template::JsonSchema).unwrap();
    for (of, name) in [("sdk", "plugin"), ("validate", "validate"), ("process", "process"), ("webhooks", "webhooks")] {
        for source in sources(of) {
            file(&project, &format!("vendor/postdate-{name}/src/{source}"));
        }
    }
}

fn read(path: &str) -> toml::Table {
    std::fs::read_to_string(root().join(path)).unwrap().parse().unwrap()
}

/// The workspace of the reference pair has a manifest of its own, with fewer dependencies.
#[test]
fn the_workspace_of_the_reference_pair_has_the_settings_of_plugins() {
    let project = project("a", Language::Rust, Template::JsonSchema).unwrap();
    let own: toml::Table = file(&project, "Cargo.toml").parse().unwrap();
    let plugins = read("plugins/Cargo.toml");
    assert_eq!(own["profile"], plugins["profile"]);
    for key in ["resolver", "package", "lints"] {
        assert_eq!(own["workspace"][key], plugins["workspace"][key], "{key}");
    }
    for (name, dependency) in own["workspace"]["dependencies"].as_table().unwrap() {
        if name.starts_with("postdate-") {
            assert_eq!(dependency["path"].as_str(), Some(&*format!("vendor/{name}")));
        } else {
            assert_eq!(dependency, &plugins["workspace"]["dependencies"][name], "{name}");
        }
    }
    for of in ["validate", "process", "webhooks"] {
        for name in read(&format!("plugins/{of}/Cargo.toml"))["dependencies"].as_table().unwrap().keys() {
            assert!(own["workspace"]["dependencies"].get(name).is_some(), "{of} needs {name}");
        }
    }
}

/// The SDK's manifest inherits each dependency from its workspace; the vendored manifest must spell it out.
#[test]
fn the_vendored_sdk_has_the_dependencies_of_the_sdk() {
    let project = project("a", Language::Rust, Template::Reminder).unwrap();
    let vendored: toml::Table = file(&project, "vendor/postdate-plugin/Cargo.toml").parse().unwrap();
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

/// componentize-js reads relative paths below the project only, so the example has a copy.
#[test]
fn the_example_in_javascript_has_the_guard_of_the_sdk() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    assert_eq!(read("plugins/examples/orders-js/src/guarded.js"), read("plugins/sdk-js/guarded.js"));
}
