//! The names of the contract between host and plugin: the interface that a plugin must export, the imports that it may have, and the
//! remedy for any other import.

pub mod inspect;
mod surface;

use std::fmt;

use postdate_core::plugin::Role;

/// Package of the interfaces that plugins export, and the version that this host speaks.
pub const PACKAGE: &str = "postdate:plugin";
pub const VERSION: &str = "1.0.0";
/// The interface for outgoing HTTP, without its version.
const HTTP: &str = "wasi:http";

/// The host's decision about an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportVerdict {
    /// Every plugin has it.
    Given { note: &'static str },
    /// Every plugin may import it, but it works only with this key in the plugin's table of the manifest.
    NeedsGrant { key: &'static str, note: &'static str },
    /// A plugin that imports it is not loaded.
    Refused { why: String, fix: String },
}

/// The name of an interface: `package/interface@version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface<'a> {
    pub package: &'a str,
    pub name: &'a str,
    pub version: Option<&'a str>,
}

impl<'a> Interface<'a> {
    /// Parses the name of an interface. Returns `None` for a plain name, such as that of a function.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let (package, name) = path.split_once('/')?;
        package.contains(':').then_some(Self { package, name, version })
    }
}

impl fmt::Display for Interface<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.package, self.name)?;
        self.version.map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

/// Returns the full name of the interface that a plugin of this role exports.
pub fn required_export(role: Role) -> String {
    format!("{PACKAGE}/{role}@{VERSION}")
}

/// Returns the role that an export fills, and whether this host supports its version. Returns `None` for an export that is not of the
/// contract.
pub fn role_of_export(export: &str) -> Option<(Role, bool)> {
    let interface = Interface::parse(export)?;
    let role = [Role::Validate, Role::Process].into_iter().find(|role| interface.name == role.to_string())?;
    (interface.package == PACKAGE).then(|| (role, same_major(interface.version, VERSION)))
}

/// Returns the host's decision about an import. `roles` are the roles that the component fills. If one component is both plugins of a
/// use case, it may import HTTP, and the host refuses each request of the validator.
pub fn judge(import: &str, roles: &[Role]) -> ImportVerdict {
    let Some(interface) = Interface::parse(import) else {
        return refused(
            "is not an interface of WASI 0.2",
            "a plugin imports interfaces only; look for an `import` of a plain function in its WIT",
        );
    };
    if interface.package == PACKAGE {
        return if interface.name == "types" && same_major(interface.version, VERSION) {
            ImportVerdict::Given { note: "the types of the plugin contract" }
        } else {
            refused(format!("is not in version {VERSION} of the contract"), format!("build the plugin against {PACKAGE}@{VERSION}"))
        };
    }
    if !interface.package.starts_with("wasi:") {
        return refused(
            "is not an interface that this host has",
            "remove the import, or compose the plugin with a component that exports it",
        );
    }
    if interface.package == "wasi:config" {
        return config(&interface);
    }
    if !interface.version.is_some_and(|version| version.starts_with("0.2.") && !version.contains('-')) {
        return refused("is of another version of WASI", "build the plugin for WASI 0.2 (in Rust: the target wasm32-wasip2)");
    }
    match (interface.package, interface.name) {
        ("wasi:cli", "stdout" | "stderr") => ImportVerdict::Given { note: "each line is a log line" },
        ("wasi:io" | "wasi:clocks" | "wasi:random", _) => ImportVerdict::Given { note: "" },
        (
            "wasi:cli",
            "environment" | "exit" | "stdin" | "terminal-input" | "terminal-output" | "terminal-stdin" | "terminal-stdout"
            | "terminal-stderr",
        )
        | ("wasi:filesystem", "preopens" | "types") => ImportVerdict::Given { note: "empty: standard libraries import it" },
        ("wasi:sockets", "instance-network" | "ip-name-lookup" | "network" | "tcp" | "tcp-create-socket" | "udp" | "udp-create-socket") => {
            ImportVerdict::Given { note: "every operation is denied: standard libraries import it" }
        }
        (HTTP, "outgoing-handler" | "types") => http(roles),
        (HTTP, "incoming-handler") => {
            refused("makes the plugin depend on another component", "a plugin is not an HTTP server: export a Postdate world")
        }
        _ => refused("is not an interface that this host has", "remove what uses it from the plugin"),
    }
}

/// Accepts only the host's own version of `wasi:config`: it is a draft, and a draft is compatible with no other.
fn config(interface: &Interface<'_>) -> ImportVerdict {
    const DRAFT: &str = "0.2.0-rc.1";
    match (interface.name, interface.version) {
        ("store", Some(DRAFT)) => ImportVerdict::NeedsGrant { key: "config, config-files, secrets", note: "without them it has no keys" },
        _ => refused("is another draft of wasi:config", format!("build the plugin against wasi:config/store@{DRAFT}")),
    }
}

fn http(roles: &[Role]) -> ImportVerdict {
    if roles == [Role::Validate] {
        return refused("is for processors: a validator has no network", "do the request in the process plugin");
    }
    ImportVerdict::NeedsGrant { key: "allow-http", note: "without it every request is refused" }
}

fn refused(why: impl Into<String>, fix: impl Into<String>) -> ImportVerdict {
    ImportVerdict::Refused { why: why.into(), fix: fix.into() }
}

fn same_major(version: Option<&str>, ours: &str) -> bool {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    version.is_some_and(|version| major(version) == major(ours) && !version.contains('-'))
}

#[cfg(all(test, feature = "compile"))]
mod compatibility;

#[cfg(test)]
mod tests;
