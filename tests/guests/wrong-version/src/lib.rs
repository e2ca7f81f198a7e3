//! A validator that exports `postdate:plugin/validate@2.0.0`. The host must refuse it by version before it runs.
#![allow(unsafe_code, clippy::all, clippy::pedantic, reason = "the canonical ABI; generated")]

wit_bindgen::generate!({ path: "wit", world: "validator" });

struct Plugin;

impl exports::postdate::plugin::validate::Guest for Plugin {
    fn validate(
        _: exports::postdate::plugin::validate::Request,
    ) -> Result<exports::postdate::plugin::validate::Acceptance, Vec<exports::postdate::plugin::validate::Problem>> {
        Err(Vec::new())
    }
}

#[cfg(target_arch = "wasm32")]
export!(Plugin);
