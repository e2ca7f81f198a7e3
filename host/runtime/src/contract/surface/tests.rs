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
    assert_eq!(read(b"\x7fELF\x02\x01"), Kind::MachineCode);
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
