use super::*;

#[test]
fn a_file_that_is_both_plugins_is_built_once_for_the_world_of_both() {
    let parse = |text: &str| UseCase::parse(&format!("name = 'a'\n{text}")).unwrap();
    let both = wanted(&parse("[validate]\nplugin = 'p.wasm'\n[process]\nplugin = 'p.wasm'"));
    assert_eq!(both, [Wanted { file: "p.wasm".into(), roles: vec![Role::Validate, Role::Process] }]);
    assert_eq!((both[0].stem(), both[0].world()), ("p", "bundle"));
    let two = wanted(&parse("[validate]\nplugin = 'v.wasm'\n[process]\nplugin = 'p.wasm'"));
    assert_eq!(two.iter().map(|one| (one.stem(), one.world())).collect::<Vec<_>>(), [("p", "processor"), ("v", "validator")]);
}

#[test]
fn only_what_has_a_granted_processor_in_it_may_call_out() {
    let calls_out = |text: &str| {
        let use_case = UseCase::parse(&format!("name = 'a'\n{text}")).unwrap();
        wanted(&use_case).iter().map(|one| one.calls_out(&use_case)).collect::<Vec<_>>()
    };
    let granted = "allow-http = ['https://example.com']";
    assert_eq!(calls_out("[process]\nplugin = 'p.wasm'"), [false]);
    assert_eq!(calls_out(&format!("[validate]\nplugin = 'v.wasm'\n[process]\nplugin = 'p.wasm'\n{granted}")), [true, false]);
    assert_eq!(calls_out(&format!("[validate]\nplugin = 'p.wasm'\n[process]\nplugin = 'p.wasm'\n{granted}")), [true]);
}

#[test]
fn the_worlds_are_those_of_the_wit() {
    let world = wit::FILES.iter().find(|(name, _)| *name == "world.wit").unwrap().1;
    for name in ["validator", "processor", wit::WORLD, "processor-http", "bundle-http"] {
        assert!(world.contains(&format!("world {name} {{")), "{name}");
    }
}

#[test]
fn the_language_is_told_by_one_file() {
    let dir = tempfile::tempdir().unwrap();
    assert!(language(dir.path()).unwrap_err().to_string().contains("none of Cargo.toml, package.json, requirements.txt"));
    std::fs::write(dir.path().join("package.json"), "{}").unwrap();
    assert_eq!(language(dir.path()).unwrap(), Language::JavaScript);
    std::fs::write(dir.path().join("Cargo.toml"), "").unwrap();
    assert!(language(dir.path()).unwrap_err().to_string().contains("has Cargo.toml and package.json"));
}
