use super::*;
use crate::testing::guest;

#[test]
fn the_exports_of_a_component_are_read() {
    let Kind::Component { exports, .. } = read(&guest("minimal-validate")) else { panic!("not a component") };
    assert!(exports.iter().any(|name| name == "postdate:plugin/validate@1.0.0"), "{exports:?}");
}

#[test]
fn each_kind_of_other_file_is_recognized() {
    assert_eq!(read(b""), Kind::Empty);
    assert_eq!(read(b"  (component)"), Kind::Text);
    assert_eq!(read(b"#!/bin/sh\n"), Kind::Unknown);
    assert_eq!(read(b"\x7fELF\x02\x01"), Kind::MachineCode);
    assert_eq!(read(b"\0asm\x01\0\0\0"), Kind::Module);
}

#[test]
fn a_truncated_component_is_damaged_and_causes_no_panic() {
    let whole = guest("minimal-validate");
    for length in (5..whole.len()).step_by(whole.len() / 97 + 1) {
        let kind = read(&whole[..length]);
        // A cut between two sections leaves a smaller component that is well-formed.
        assert!(matches!(kind, Kind::Damaged { .. } | Kind::Component { .. }), "{length}: {kind:?}");
    }
    assert!(matches!(read(&whole[..whole.len() / 2]), Kind::Damaged { .. }));
}
