use super::*;
use postdate_core::plugin::Role;

fn component(file: &str) -> PluginFile {
    PluginFile { name: file.to_owned(), roles: vec![Role::Validate] }
}

#[test]
fn components_are_read_from_cargos_messages() {
    let messages = r#"
{"reason":"compiler-artifact","target":{"name":"serde","crate_types":["lib"]},"filenames":["/t/libserde.rlib"]}
{"reason":"compiler-artifact","target":{"name":"orders_validate","crate_types":["cdylib"]},"filenames":["/t/orders_validate.wasm"]}
{"reason":"build-finished","success":true}
"#;
    assert_eq!(built(messages), [("orders_validate".to_owned(), PathBuf::from("/t/orders_validate.wasm"))]);
}

#[test]
fn a_component_is_chosen_by_its_name() {
    let built: Vec<Built> = ["orders-validate", "orders_process"].map(|name| (name.to_owned(), PathBuf::from(name))).into();
    assert_eq!(choose(&component("process.wasm"), 2, &built).unwrap(), Path::new("orders_process"));
    assert_eq!(choose(&component("orders-validate.wasm"), 1, &built).unwrap(), Path::new("orders-validate"));
    assert_eq!(choose(&component("plugin.wasm"), 1, &built[..1]).unwrap(), Path::new("orders-validate"));
    let error = choose(&component("plugin.wasm"), 1, &built).unwrap_err().to_string();
    assert!(error.ends_with("no crate has such a name; cargo built orders-validate, orders_process"), "{error}");
    assert!(choose(&component("plugin.wasm"), 1, &[]).unwrap_err().to_string().contains("cdylib"));
}
