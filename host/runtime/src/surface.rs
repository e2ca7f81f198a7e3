//! Reads what a file is and, of a component, what it imports and exports: by name, from the bytes, without compiling.

use wasmparser::{Encoding, Parser, Payload};

/// What a plugin file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A component, with the names of its imports and exports in their order.
    Component { imports: Vec<String>, exports: Vec<String> },
    /// A core module: what a compiler makes for targets such as `wasm32-wasip1`.
    Module,
    /// Zero bytes.
    Empty,
    /// WebAssembly in its text format.
    Text,
    /// Starts like WebAssembly and goes wrong at the byte `offset`.
    Damaged { offset: usize, message: String },
    /// Not WebAssembly.
    Unknown,
}

/// Reads the outermost structure; the code inside is checked when it is compiled.
pub fn read(bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        return Kind::Empty;
    }
    if !bytes.starts_with(b"\0asm") {
        let text = bytes.trim_ascii_start();
        let is_text = [&b"(component"[..], b"(module", b";;"].iter().any(|start| text.starts_with(start));
        return if is_text { Kind::Text } else { Kind::Unknown };
    }
    match walk(bytes) {
        Ok(kind) => kind,
        Err(error) => Kind::Damaged { offset: error.offset(), message: error.message().to_owned() },
    }
}

fn walk(bytes: &[u8]) -> Result<Kind, wasmparser::BinaryReaderError> {
    let mut kind = Kind::Unknown;
    // How many components, or modules, deep the parser is: only the outermost one's imports and exports count.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } if depth == 0 => {
                kind = match encoding {
                    Encoding::Component => Kind::Component { imports: Vec::new(), exports: Vec::new() },
                    Encoding::Module => Kind::Module,
                };
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import?.name.name.to_owned();
                    if let Kind::Component { imports, .. } = &mut kind {
                        imports.push(name);
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
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::guest;

    #[test]
    fn a_component_tells_its_exports() {
        let Kind::Component { exports, .. } = read(&guest("minimal-validate")) else { panic!("not a component") };
        assert!(exports.iter().any(|name| name == "postdate:plugin/validate@1.0.0"), "{exports:?}");
    }

    #[test]
    fn whatever_is_not_a_component_is_named() {
        assert_eq!(read(b""), Kind::Empty);
        assert_eq!(read(b"  (component)"), Kind::Text);
        assert_eq!(read(b"#!/bin/sh\n"), Kind::Unknown);
        assert_eq!(read(b"\0asm\x01\0\0\0"), Kind::Module);
    }

    #[test]
    fn every_truncation_is_damage_and_none_a_panic() {
        let whole = guest("minimal-validate");
        for length in (5..whole.len()).step_by(whole.len() / 97 + 1) {
            let kind = read(&whole[..length]);
            // A cut between two sections leaves a component that is well-formed, with less in it.
            assert!(matches!(kind, Kind::Damaged { .. } | Kind::Component { .. }), "{length}: {kind:?}");
        }
        assert!(matches!(read(&whole[..whole.len() / 2]), Kind::Damaged { .. }));
    }
}
