use super::*;

#[test]
fn the_example_comes_from_the_test_cases_of_a_bundle() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(example(dir.path()), None);
    for (name, item) in [("aaa", "a pen"), ("orders", "ada's book")] {
        let cases = dir.path().join(name).join("cases");
        std::fs::create_dir_all(&cases).unwrap();
        std::fs::write(dir.path().join(name).join(MANIFEST_FILE), "").unwrap();
        std::fs::write(cases.join("a.toml"), "call = 'validate'\nbody = '{}'\n[expect]\nproblems = []").unwrap();
        let case = format!("call = 'validate'\n[body]\nitem = \"{item}\"\n[expect]\naccepted = {{}}");
        std::fs::write(cases.join("b.toml"), case).unwrap();
    }
    let (use_case, body) = example(dir.path()).unwrap();
    assert_eq!(use_case, "orders");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "delay": "PT5S", "item": "ada's book" }));
}

#[test]
fn a_quote_is_escaped_for_the_shell() {
    assert_eq!(quoted(r#"{"item":"ada's"}"#), r#"'{"item":"ada'\''s"}'"#);
}

#[test]
fn the_banner_has_command_lines_to_try_the_server() {
    let example = Some(("orders".to_owned(), "{}".to_owned()));
    let banner =
        Banner { data: "d".into(), use_cases: "u".into(), clock: None, has_key: true, has_page: true, has_use_case: true, example };
    let expected = "
Postdate answers on http://127.0.0.1:9
  data       d
  use cases  u
  page       http://127.0.0.1:9/ui

Try it:
  curl http://127.0.0.1:9/requests/orders -H \"authorization: Bearer $POSTDATE_API_KEY\" -H 'content-type: application/json' -d '{}'
  postdate request --url http://127.0.0.1:9 list

Ctrl-C stops it.

";
    assert_eq!(banner.text("0.0.0.0:9".parse().unwrap()), expected);
}

#[test]
fn a_server_without_a_use_case_offers_to_make_one() {
    let banner = Banner {
        data: "d".into(),
        use_cases: "u".into(),
        clock: None,
        has_key: false,
        has_page: false,
        has_use_case: false,
        example: None,
    };
    let expected = "
Postdate answers on http://127.0.0.1:8080
  data       d
  use cases  u

There is no use case yet. In this directory:
  postdate init                                                       a use case that sends a webhook; this server loads it at once
  postdate listen                                                     its receiver, in another terminal
  postdate request post webhook --in 5s --body '{\"message\":\"hello\"}'  accepted now, sent in 5 seconds
  postdate request list --use-case webhook                            what became of it

Ctrl-C stops it.

";
    assert_eq!(banner.text("127.0.0.1:8080".parse().unwrap()), expected);
    assert!(banner.text("127.0.0.1:9".parse().unwrap()).contains("  postdate request --url http://127.0.0.1:9 post webhook"));
}

#[test]
fn a_use_case_without_a_validator_accepts_the_example_without_a_case() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("hook");
    std::fs::create_dir(&bundle).unwrap();
    let manifest = "name = 'hook'\n[targets]\nhere = { kind = 'http', url = 'http://127.0.0.1:1/' }\n";
    std::fs::write(bundle.join(MANIFEST_FILE), manifest).unwrap();
    assert_eq!(example(dir.path()).unwrap(), ("hook".to_owned(), r#"{"message":"hello","delay":"PT5S"}"#.to_owned()));
    std::fs::write(bundle.join(MANIFEST_FILE), format!("{manifest}[validate]\nplugin = 'v.wasm'\n")).unwrap();
    assert_eq!(example(dir.path()), None);
}

#[test]
fn an_unspecified_address_becomes_loopback_in_the_url() {
    for (address, expected) in [("0.0.0.0:1", "http://127.0.0.1:1"), ("[::]:1", "http://[::1]:1"), ("10.0.0.1:1", "http://10.0.0.1:1")] {
        assert_eq!(url(address.parse().unwrap()), expected);
    }
}
