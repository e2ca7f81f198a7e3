use super::*;

#[test]
fn a_file_that_is_both_plugins_is_built_once_for_the_world_of_both() {
    let parse = |text: &str| UseCase::parse(&format!("name = 'a'\n{text}")).unwrap();
    let both = plugin_files(&parse("[validate]\nplugin = 'p.wasm'\n[process]\nplugin = 'p.wasm'"));
    assert_eq!(both, [PluginFile { name: "p.wasm".into(), roles: vec![Role::Validate, Role::Process] }]);
    assert_eq!((both[0].stem(), both[0].world()), ("p", "bundle"));
    let two = plugin_files(&parse("[validate]\nplugin = 'v.wasm'\n[process]\nplugin = 'p.wasm'"));
    assert_eq!(two.iter().map(|one| (one.stem(), one.world())).collect::<Vec<_>>(), [("p", "processor"), ("v", "validator")]);
}

#[test]
fn only_a_component_with_a_granted_processor_calls_out() {
    let calls_out = |text: &str| {
        let use_case = UseCase::parse(&format!("name = 'a'\n{text}")).unwrap();
        plugin_files(&use_case).iter().map(|one| one.calls_out(&use_case)).collect::<Vec<_>>()
    };
    let granted = "allow-http = ['https://example.com']";
    assert_eq!(calls_out("[process]\nplugin = 'p.wasm'"), [false]);
    assert_eq!(calls_out(&format!("[validate]\nplugin = 'v.wasm'\n[process]\nplugin = 'p.wasm'\n{granted}")), [true, false]);
    assert_eq!(calls_out(&format!("[validate]\nplugin = 'p.wasm'\n[process]\nplugin = 'p.wasm'\n{granted}")), [true]);
}

#[test]
fn every_world_is_in_the_wit_files() {
    let world = wit::FILES.iter().find(|(name, _)| *name == "world.wit").unwrap().1;
    for name in ["validator", "processor", wit::WORLD, "processor-http", "bundle-http"] {
        assert!(world.contains(&format!("world {name} {{")), "{name}");
    }
}
