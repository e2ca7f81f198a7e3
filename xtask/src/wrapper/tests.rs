use super::*;

#[test]
fn only_a_wrapper_s_name_makes_a_compiler() {
    assert!(compile(OsStr::new("/x/xtask"), &["rustc".into()]).is_none());
    let compiled = compile(OsStr::new("/x/rustc-coverage"), &["true".into(), "-vV".into()]);
    assert!(compiled.expect("it compiles").is_ok());
}
