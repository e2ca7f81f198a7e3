//! Inspects a plugin file: its kind, roles, versions, imports, and problems. For `postdate plugin check`, and for the host before it
//! loads a plugin. Compiles and runs nothing.

use postdate_core::plugin::Role;

pub use crate::contract::ImportVerdict;
use crate::contract::surface;
pub use crate::contract::surface::Kind;
use crate::contract::{self, required_export};

/// The findings about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub kind: Kind,
    pub exports: Vec<Export>,
    pub imports: Vec<Import>,
}

/// One export of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub name: String,
    /// The role that the export fills; `None` for an export that Postdate does not use.
    pub role: Option<Role>,
    /// True if this host supports the export's version.
    pub supported: bool,
}

/// One import of a component, with the host's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub name: String,
    pub verdict: ImportVerdict,
}

/// Inspects the bytes of a plugin file.
pub fn inspect(wasm: &[u8]) -> Inspection {
    inspect_kind(surface::read(wasm))
}

/// Inspects a compiled component, which has only the names of its imports and exports.
pub(crate) fn inspect_names(imports: Vec<String>, exports: Vec<String>) -> Inspection {
    inspect_kind(Kind::Component { imports, exports })
}

fn inspect_kind(kind: Kind) -> Inspection {
    let Kind::Component { imports, exports } = &kind else { return Inspection { kind, exports: Vec::new(), imports: Vec::new() } };
    let exports: Vec<Export> = exports
        .iter()
        .map(|name| {
            let ours = contract::role_of_export(name);
            Export { name: name.clone(), role: ours.map(|(role, _)| role), supported: ours.is_some_and(|(_, supported)| supported) }
        })
        .collect();
    let roles: Vec<Role> = exports.iter().filter_map(|export| export.role).collect();
    let imports = imports.iter().map(|name| Import { name: name.clone(), verdict: contract::judge(name, &roles) }).collect();
    Inspection { kind, exports, imports }
}

impl Inspection {
    /// Returns the roles that the exports fill.
    pub fn roles(&self) -> Vec<Role> {
        self.exports.iter().filter(|export| export.supported).filter_map(|export| export.role).collect()
    }

    /// Returns every problem that prevents a load for `role`, or for any role if it is `None`; each with its remedy.
    pub fn problems(&self, role: Option<Role>) -> Vec<String> {
        if let Some(problem) = self.kind_problem() {
            return vec![problem];
        }
        let mut problems: Vec<String> = self.export_problem(role).into_iter().collect();
        for import in &self.imports {
            if let ImportVerdict::Refused { why, fix } = &import.verdict {
                problems.push(format!("imports {}, which {why}: {fix}", import.name));
            }
        }
        problems
    }

    fn kind_problem(&self) -> Option<String> {
        let problem = match &self.kind {
            Kind::Component { .. } => return None,
            Kind::Module => "is a core WebAssembly module, not a component: build it for the target wasm32-wasip2, or wrap it with `wasm-tools component new`".into(),
            Kind::Empty => "is empty: copy the built component again".into(),
            Kind::Text => "is WebAssembly text: turn it into a binary with `wasm-tools parse`".into(),
            Kind::Damaged { offset, message } => format!("is damaged or cut short, at byte {offset} ({message}): copy the built component again"),
            Kind::Bomb { message } => format!("{message}: build it of fewer parts"),
            Kind::MachineCode => "is not WebAssembly, but machine code, as of a plugin that was compiled, which is taken from nobody \
                                  but who compiled it here or signed it; copy the .wasm file that it was made of"
                .into(),
            Kind::Unknown => "is not WebAssembly: it does not start with the bytes 00 61 73 6d".into(),
        };
        Some(problem)
    }

    fn export_problem(&self, role: Option<Role>) -> Option<String> {
        let fits = |export: &&Export| role.map_or(export.role.is_some(), |role| export.role == Some(role));
        if self.exports.iter().filter(fits).any(|export| export.supported) {
            return None;
        }
        let wanted = match role {
            Some(role) => required_export(role),
            None => format!("{} or {}", required_export(Role::Validate), required_export(Role::Process)),
        };
        Some(match self.exports.iter().find(fits) {
            Some(other) => {
                format!(
                    "exports {}; this host speaks {}: build it against {}@{}",
                    other.name,
                    contract::VERSION,
                    contract::PACKAGE,
                    contract::VERSION
                )
            }
            None if self.exports.is_empty() => format!("exports nothing; it must export {wanted}"),
            None => {
                let names: Vec<&str> = self.exports.iter().map(|export| export.name.as_str()).collect();
                format!("does not export {wanted}; it exports {}", names.join(", "))
            }
        })
    }
}

#[cfg(test)]
mod tests;
