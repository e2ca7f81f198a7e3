use super::*;

#[test]
fn xtask_compiles_only_under_the_name_of_a_wrapper() {
    assert!(compile(OsStr::new("/x/xtask"), &["rustc".into()]).is_none());
    let compiled = compile(OsStr::new("/x/rustc-coverage"), &["true".into(), "-vV".into()]);
    assert!(compiled.expect("it compiles").is_ok());
}
