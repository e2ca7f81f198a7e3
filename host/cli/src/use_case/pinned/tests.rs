use super::*;
use crate::use_case::{compile, prune};

#[test]
fn the_help_names_each_status_that_pins_a_version() {
    for status in OPEN {
        for notes in [compile::NOTES, prune::NOTES] {
            assert!(notes.contains(status.as_str()), "{status}: {notes}");
        }
    }
}
