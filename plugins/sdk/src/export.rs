//! The macros that turn a function into a plugin.

/// Exports `fn(Request) -> Result<Acceptance, Vec<Problem>>` as the plugin's validator.
#[macro_export]
macro_rules! validator {
    ($validate:path) => {
        // The type is checked on every target, so that tests run natively; the export exists only in a component.
        const _: fn($crate::Request) -> Result<$crate::Acceptance, Vec<$crate::Problem>> = $validate;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Plugin;
            impl $crate::validator::exports::postdate::plugin::validate::Guest for Plugin {
                fn validate(request: $crate::Request) -> Result<$crate::Acceptance, Vec<$crate::Problem>> {
                    $validate(request)
                }
            }
    $crate::validator::export!(Plugin with_types_in $crate::validator);
        };
    };
}

/// Exports `fn(Job) -> Result<Option<String>, Failure>` as the plugin's processor.
#[macro_export]
macro_rules! processor {
    ($process:path) => {
        const _: fn($crate::Job) -> Result<Option<String>, $crate::Failure> = $process;

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Plugin;
            impl $crate::processor::exports::postdate::plugin::process::Guest for Plugin {
                fn process(job: $crate::Job) -> Result<Option<String>, $crate::Failure> {
                    $process(job)
                }
            }
    $crate::processor::export!(Plugin with_types_in $crate::processor);
        };
    };
}
