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
fn a_guest_with_both_roles_may_import_http() {
    let inspection = inspect(&guest("puppet"));
    assert_eq!(inspection.roles().len(), 2);
    assert_eq!(inspection.problems(None), Vec::<String>::new());
    let http = inspection.imports.iter().find(|import| import.name.starts_with("wasi:http/outgoing-handler")).unwrap();
    assert!(matches!(http.verdict, Verdict::NeedsGrant { key: "allow-http", .. }));
}
