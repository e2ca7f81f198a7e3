//! The plugin contract, `wit/postdate.wit`, as Rust: one module for each world.

pub mod validator {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "validator",
        exports: { default: async },
    });
}

pub mod processor {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "processor",
        exports: { default: async },
    });
}
