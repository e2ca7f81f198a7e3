//! The plugin files that a manifest names, and the worlds that their components have.

use std::collections::BTreeMap;

use postdate_core::plugin::Role;
use postdate_core::use_case::UseCase;
use postdate_toolchains::wit;

/// A component to build.
#[derive(Debug, PartialEq)]
pub struct PluginFile {
    /// Name of the file in the bundle.
    pub name: String,
    pub roles: Vec<Role>,
}

impl PluginFile {
    /// Returns the file's name without `.wasm`.
    pub fn stem(&self) -> &str {
        self.name.strip_suffix(".wasm").unwrap_or(&self.name)
    }

    /// Returns the world of [`wit::FILES`] with these roles, without `wasi:http`.
    pub fn world(&self) -> &'static str {
        match self.roles.as_slice() {
            [Role::Validate] => "validator",
            [Role::Process] => "processor",
            _ => wit::WORLD,
        }
    }

    /// Returns `true` if the manifest lets the component send HTTP requests.
    pub fn calls_out(&self, use_case: &UseCase) -> bool {
        self.roles.contains(&Role::Process) && use_case.process.as_ref().is_some_and(|process| !process.allow_http.is_empty())
    }
}

/// Returns each file that the manifest names, once.
pub fn plugin_files(use_case: &UseCase) -> Vec<PluginFile> {
    let mut files = BTreeMap::<String, Vec<Role>>::new();
    for role in [Role::Validate, Role::Process] {
        if let Some(spec) = use_case.plugin(role) {
            files.entry(spec.plugin.clone()).or_default().push(role);
        }
    }
    files.into_iter().map(|(name, roles)| PluginFile { name, roles }).collect()
}

#[cfg(test)]
mod tests;
