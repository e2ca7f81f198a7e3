//! Reads the kind of a file and the names of a component's imports and exports from its bytes, without compiling.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentInstanceSectionReader, ComponentTypeRef, Encoding, Parser, Payload,
};

use crate::limits::{COMPONENT_INSTANCES, NESTED_COMPONENTS};

/// The kind of a plugin file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A component, with the names of its imports and exports in their order.
    Component { imports: Vec<String>, exports: Vec<String> },
    /// A core module, as compilers make for targets such as `wasm32-wasip1`.
    Module,
    /// Zero bytes.
    Empty,
    /// WebAssembly in its text format.
    Text,
    /// Starts like WebAssembly, but is not valid at the byte `offset`.
    Damaged { offset: usize, message: String },
    /// Expands to more instances than a compiler can finish.
    Bomb { message: String },
    /// Machine code in an object file, the form to which plugins are compiled.
    MachineCode,
    /// Not WebAssembly.
    Unknown,
}

/// Reads the outermost structure of a file. The compiler checks the code inside.
pub fn read(bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        return Kind::Empty;
    }
    if !bytes.starts_with(b"\0asm") {
        let text = bytes.trim_ascii_start();
        let is_text = [&b"(component"[..], b"(module", b";;"].iter().any(|start| text.starts_with(start));
        return match is_text {
            true => Kind::Text,
            false if bytes.starts_with(b"\x7fELF") => Kind::MachineCode,
            false => Kind::Unknown,
        };
    }
    walk(bytes).unwrap_or_else(|error| Kind::Damaged { offset: error.offset(), message: error.message().to_owned() })
}

fn walk(bytes: &[u8]) -> Result<Kind, wasmparser::BinaryReaderError> {
    let mut kind = Kind::Unknown;
    let mut instances = Instances::default();
    // Nesting depth of components and modules. Only the imports and exports of the outermost one count.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } if depth == 0 => {
                kind = match encoding {
                    Encoding::Component => Kind::Component { imports: Vec::new(), exports: Vec::new() },
                    Encoding::Module => Kind::Module,
                };
            }
            Payload::ModuleSection { .. } => {
                depth += 1;
                instances.open.push(0);
            }
            Payload::ComponentSection { .. } => {
                depth += 1;
                instances.open.push(0);
                if depth > NESTED_COMPONENTS {
                    let message = format!("has components inside each other more than {NESTED_COMPONENTS} deep");
                    return Ok(Kind::Bomb { message });
                }
            }
            Payload::End(_) => {
                depth = depth.saturating_sub(1);
                instances.close();
            }
            Payload::InstanceSection(section) => instances.add(section.count().into()),
            Payload::ComponentInstanceSection(section) => instances.section(section)?,
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    instances.lent |= matches!(alias?, ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. });
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    instances.lent |= matches!(import.ty, ComponentTypeRef::Component(_));
                    if let (0, Kind::Component { imports, .. }) = (depth, &mut kind) {
                        imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export?.name.name.to_owned();
                    if let Kind::Component { exports, .. } = &mut kind {
                        exports.push(name);
                    }
                }
            }
            _ => {}
        }
        if let Some(message) = instances.problem() {
            return Ok(Kind::Bomb { message });
        }
    }
    Ok(kind)
}

/// Computes an upper bound of the instances in a component. The compiler expands each instance of an inner component with all its
/// parts, so ten instances on each of many levels would never finish.
struct Instances {
    /// Number of instances in each open component, outermost first.
    open: Vec<u64>,
    /// Largest number of instances in a closed component. Only a closed component can be instantiated.
    most: u64,
    /// The component is imported, so its instances cannot be counted.
    lent: bool,
}

impl Default for Instances {
    fn default() -> Self {
        Self { open: vec![0], most: 0, lent: false }
    }
}

impl Instances {
    fn add(&mut self, count: u64) {
        if let Some(open) = self.open.last_mut() {
            *open = open.saturating_add(count);
        }
    }

    fn section(&mut self, section: ComponentInstanceSectionReader<'_>) -> Result<(), wasmparser::BinaryReaderError> {
        for instance in section {
            let inner = if matches!(instance?, ComponentInstance::Instantiate { .. }) { self.most } else { 0 };
            self.add(inner.saturating_add(1));
        }
        Ok(())
    }

    fn close(&mut self) {
        self.most = self.most.max(self.open.pop().unwrap_or_default());
    }

    fn problem(&self) -> Option<String> {
        if self.lent {
            return Some("takes a whole component from an import or from another component".to_owned());
        }
        let total = self.open.iter().copied().max().unwrap_or_default().max(self.most);
        (total > COMPONENT_INSTANCES).then(|| format!("comes to more than the {COMPONENT_INSTANCES} instances that a plugin may have"))
    }
}

#[cfg(test)]
mod tests;
