use super::*;
use crate::testing::guest;

#[test]
fn a_good_plugin_has_no_problems() {
    let inspection = inspect(&guest("minimal-validate"));
    assert_eq!(inspection.roles(), [Role::Validate]);
    assert_eq!(inspection.problems(Some(Role::Validate)), Vec::<String>::new());
    assert_eq!(
        inspection.problems(Some(Role::Process)),
        ["does not export postdate:plugin/process@1.0.0; it exports postdate:plugin/validate@1.0.0"]
    );
}

#[test]
fn a_plugin_of_another_contract_version_has_a_problem_that_names_it() {
    let problems = inspect(&guest("wrong-version")).problems(None);
    assert!(problems[0].contains("exports postdate:plugin/validate@2.0.0; this host speaks 1.0.0"), "{problems:?}");
}

#[test]
fn a_guest_with_both_roles_may_import_http() {
    let inspection = inspect(&guest("puppet"));
    assert_eq!(inspection.roles().len(), 2);
    assert_eq!(inspection.problems(None), Vec::<String>::new());
    let http = inspection.imports.iter().find(|import| import.name.starts_with("wasi:http/outgoing-handler")).unwrap();
    assert!(matches!(http.verdict, ImportVerdict::NeedsGrant { key: "allow-http", .. }));
}

#[test]
fn the_problem_of_a_file_that_is_not_a_component_says_what_to_do() {
    assert!(inspect(b"").problems(None)[0].contains("is empty"));
    assert!(inspect(b"\0asm\x01\0\0\0").problems(None)[0].contains("wasm32-wasip2"));
    assert!(inspect(b"hello").problems(None)[0].contains("is not WebAssembly"));
    assert!(inspect(&guest("puppet")[..1000]).problems(None)[0].contains("cut short"));
}
