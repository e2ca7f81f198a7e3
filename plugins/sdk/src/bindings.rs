//! Bindings that `wit-bindgen` generates from `wit/postdate.wit`: one module for each world. In the repository, that file is a link to the
//! contract.

// Not `expect`: on other targets than wasm32 the bindings contain less unsafe code, and the lint may not fire.
#![allow(unsafe_code, reason = "the canonical ABI; generated")]
#![allow(clippy::pedantic, reason = "generated")]
#![allow(missing_docs, reason = "documented in the WIT")]

/// The world of a plugin that accepts or rejects requests.
pub mod validator {
    wit_bindgen::generate!({
        path: "wit/postdate.wit",
        world: "validator",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "postdate_plugin::validator",
        additional_derives: [PartialEq, Eq, Default],
    });
}

/// The world of a plugin that processes accepted requests.
pub mod processor {
    wit_bindgen::generate!({
        path: "wit/postdate.wit",
        world: "processor",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "postdate_plugin::processor",
        additional_derives: [PartialEq, Eq, Default],
    });
}

/// The interfaces that a plugin may import. The built component names only those that its code uses.
pub mod imports {
    wit_bindgen::generate!({ path: "wit/config.wit", world: "imports" });
}

pub use processor::postdate::plugin::types::{Failure, Job};
pub use validator::postdate::plugin::types::{Acceptance, Problem, Request};
