use wasmtime::Engine;

use super::*;
use crate::testing::guest;

#[test]
fn an_instruction_counts_as_one_regardless_of_its_bytes() {
    let engine = Engine::new(&engine_config(Allocation::OnDemand, Metering::On)).unwrap();
    let module = r#"(module (memory 1) (func (export "run") (param i32)
        (memory.fill (i32.const 0) (i32.const 0) (local.get 0)) (memory.copy (i32.const 0) (i32.const 8) (local.get 0))))"#;
    let module = wasmtime::Module::new(&engine, wat::parse_str(module).unwrap()).unwrap();
    let count = |bytes: i32| {
        let mut store = wasmtime::Store::new(&engine, ());
        store.set_epoch_deadline(1);
        store.set_fuel(1_000_000).unwrap();
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
        instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap().call(&mut store, bytes).unwrap();
        1_000_000 - store.get_fuel().unwrap()
    };
    assert_eq!((count(1), count(60_000)), (9, 9), "eight instructions, and one for the function's start");
}

#[test]
fn code_loads_in_every_engine_with_the_same_settings() {
    let engine = |allocation| Engine::new(&engine_config(allocation, Metering::Off)).unwrap();
    let engines = [
        engine(Allocation::OnDemand),
        engine(Allocation::Pooling { slots: 2, max_memory: 64 << 20 }),
        engine(Allocation::Pooling { slots: 4, max_memory: 1 << 30 }),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("code");
    for from in &engines {
        std::fs::write(&path, from.precompile_component(&guest("minimal-validate")).unwrap()).unwrap();
        for to in &engines {
            crate::code::deserialize::load_file(to, &std::fs::File::open(&path).unwrap()).unwrap();
        }
    }
    // Code of an engine with other settings does not load. Code with metering does not load in an engine without.
    let metered = Engine::new(&engine_config(Allocation::OnDemand, Metering::On)).unwrap();
    assert!(crate::code::deserialize::load_file(&metered, &std::fs::File::open(&path).unwrap()).is_err());
    std::fs::write(&path, metered.precompile_component(&guest("minimal-validate")).unwrap()).unwrap();
    crate::code::deserialize::load_file(&metered, &std::fs::File::open(&path).unwrap()).unwrap();
    assert!(engines.iter().all(|to| crate::code::deserialize::load_file(to, &std::fs::File::open(&path).unwrap()).is_err()));
    let stranger = Engine::default().precompile_component(&guest("minimal-validate")).unwrap();
    std::fs::write(&path, stranger).unwrap();
    assert!(crate::code::deserialize::load_file(&engines[0], &std::fs::File::open(&path).unwrap()).is_err());
}
