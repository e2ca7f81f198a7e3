use std::collections::BTreeSet;

use super::*;

/// Returns the package, target and features of each registry crate that cargo would build, as comparable text.
fn units(targets: &[&str]) -> BTreeSet<String> {
    let mut plan = cargo("build");
    plan.args(HOSTS).args(targets).args(["--locked", "--offline", "--unit-graph", "-Zunstable-options"]);
    let output = plan.env("RUSTC_BOOTSTRAP", "1").output().unwrap();
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The text of a unit from its package to its dependencies.
    let units = plan.split("{\"pkg_id\":").skip(1).filter_map(|unit| unit.split_once(",\"dependencies\"")).map(|(unit, _)| unit.to_owned());
    units.filter(|unit| unit.starts_with("\"registry+")).collect()
}

#[test]
fn serve_builds_each_dependency_as_the_tests_do() {
    let (server, tests) = (units(&SERVER), units(&PROGRAMS_AND_TESTS));
    assert!(server.iter().any(|unit| unit.contains("#wasmtime@")) && server.len() > 100, "{} units", server.len());
    assert_eq!(server.difference(&tests).collect::<Vec<_>>(), Vec::<&String>::new());
}
