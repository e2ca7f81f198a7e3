use super::*;

#[track_caller]
fn check(import: &str, roles: &[Role], expected: &str) {
    let verdict = match judge(import, roles) {
        ImportVerdict::Given { .. } => "given".to_owned(),
        ImportVerdict::NeedsGrant { key, .. } => key.to_owned(),
        ImportVerdict::Refused { why, .. } => why,
    };
    assert!(verdict.contains(expected), "{import}: {verdict}");
}

#[test]
fn an_import_is_accepted_or_refused_by_its_name() {
    use Role::{Process, Validate};
    check("wasi:cli/stderr@0.2.3", &[Validate], "given");
    check("wasi:filesystem/types@0.2.6", &[Validate], "given");
    check("wasi:sockets/tcp@0.2.0", &[Process], "given");
    check("wasi:http/types@0.2.4", &[Process], "allow-http");
    check("wasi:http/types@0.2.4", &[Validate, Process], "allow-http");
    check("wasi:http/outgoing-handler@0.2.4", &[Validate], "no network");
    check("wasi:http/incoming-handler@0.2.4", &[Process], "another component");
    check("wasi:config/store@0.2.0-rc.1", &[Validate], "config");
    check("wasi:config/store@0.2.0-draft", &[Validate], "another draft");
    check("wasi:clocks/monotonic-clock@0.3.0", &[Validate], "another version of WASI");
    check("wasi:keyvalue/store@0.2.0", &[Validate], "not an interface that this host has");
    check("acme:bank/ledger@1.0.0", &[Validate], "not an interface that this host has");
    check("postdate:plugin/types@1.0.0", &[Validate], "given");
    check("postdate:plugin/types@2.0.0", &[Validate], "1.0.0 of the contract");
    check("do-it", &[Validate], "not an interface");
}

#[test]
fn an_export_of_another_major_version_is_not_supported() {
    assert_eq!(role_of_export("postdate:plugin/validate@1.0.0"), Some((Role::Validate, true)));
    assert_eq!(role_of_export("postdate:plugin/process@1.4.2"), Some((Role::Process, true)));
    assert_eq!(role_of_export("postdate:plugin/validate@2.0.0"), Some((Role::Validate, false)));
    assert_eq!(role_of_export("postdate:plugin/validate"), Some((Role::Validate, false)));
    assert_eq!(role_of_export("wasi:cli/run@0.2.0"), None);
}
