use std::path::Path;

use super::*;

#[test]
fn the_secrets_file_comes_from_the_argument_or_else_from_the_variable() {
    let check = |arguments: &[&str], variable: Option<&str>, expected: Option<&str>| {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        assert_eq!(secrets_file(&arguments, variable.map(OsString::from)).as_deref(), expected.map(Path::new), "{arguments:?}");
    };
    check(&[], None, None);
    check(&["--listen", "127.0.0.1:1", "--secrets-lifetime", "1s"], None, None);
    check(&["--secrets-file", "a.toml"], None, Some("a.toml"));
    check(&["--listen", "127.0.0.1:1", "--secrets-file=a.toml"], Some("b.toml"), Some("a.toml"));
    check(&[], Some("b.toml"), Some("b.toml"));
}
