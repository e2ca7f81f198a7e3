use postdate_core::use_case::Target;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn the_manifest_is_valid_and_has_the_url() {
    let to = url("https://example.com/a%22b?c='d'&e={{url}}");
    let use_case = UseCase::parse(&manifest(&to)).unwrap();
    assert_eq!(use_case.name, NAME);
    let (_, target) = use_case.target(None).unwrap();
    assert!(matches!(target, Target::Http { url, .. } if url == to.as_str()), "{target:?}");
}

#[test]
fn the_examples_of_the_manifest_are_valid_without_their_comment_signs() {
    let manifest = manifest(&url("https://example.com/"));
    let with_examples = manifest.replace("# headers =", "headers =").replace("# sign =", "sign =");
    assert_ne!(with_examples, manifest);
    UseCase::parse(&with_examples).unwrap();
}

#[test]
fn listen_is_shown_for_a_receiver_on_this_machine_only() {
    for (to, expected) in [
        ("http://127.0.0.1:9000/hook", Some("postdate listen")),
        ("http://localhost:9001/", Some("postdate listen --port 9001")),
        ("https://127.0.0.1:9000/", None),
        ("http://example.com/", None),
    ] {
        let shown = commands(DEFAULT_URL, listen_port(&url(to)));
        let first = &shown[0].0;
        assert_eq!(Some(first.as_str()).filter(|command| command.starts_with("postdate listen")), expected, "{to}");
        assert_eq!(shown.len(), if expected.is_some() { 3 } else { 2 }, "{to}");
    }
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let init = || run(Init { use_cases: dir.path().join("deep"), to: url("http://127.0.0.1:9000/hook"), json: false });
    init().unwrap();
    let manifest = dir.path().join("deep/webhook/use-case.toml");
    std::fs::write(&manifest, "mine").unwrap();
    let error = init().unwrap_err().to_string();
    assert!(error.contains("is there already, and no file is overwritten"), "{error}");
    assert_eq!(std::fs::read_to_string(manifest).unwrap(), "mine");
}
