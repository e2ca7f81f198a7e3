//! Checks that each name of a public type in `host/` has one meaning.

use std::collections::BTreeMap;

use postdate_tests::files::texts;

use crate::harness::root;

const ARGUMENTS: &str = "the arguments of a command have its name";
const FEATURE: &str = "stands for the other one in a program without a compiler";
/// Names that several types have, each with the reason.
const ALLOWED: [(&str, &str); 9] = [
    ("CacheError", FEATURE),
    ("Clock", "the host's clock implements the core's port"),
    ("Compile", ARGUMENTS),
    ("Compiler", FEATURE),
    ("Component", "the same for two languages"),
    ("Health", ARGUMENTS),
    ("List", ARGUMENTS),
    ("Pause", ARGUMENTS),
    ("Restore", ARGUMENTS),
];

/// Returns the names of the types that a source defines with `pub` or `pub(…)`.
fn public_types(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let after = line.trim_start().strip_prefix("pub")?;
        let after = after.strip_prefix('(').map_or(after, |rest| rest.split_once(')').map_or("", |(_, after)| after));
        let (kind, after) = after.strip_prefix(' ')?.split_once(' ')?;
        let end = after.find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len());
        ["struct", "enum", "trait", "type"].contains(&kind).then_some(&after[..end])
    })
}

#[test]
fn no_two_public_types_of_the_hosts_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in texts(&root().join("host"), &["rs"]) {
        let path = path.strip_prefix(root()).expect("below the root");
        if path.iter().any(|part| ["tests", "tests.rs", "testing", "fakes.rs", "templates"].iter().any(|other| part == *other)) {
            continue;
        }
        public_types(&text).for_each(|name| places.entry(name.to_owned()).or_default().push(path.display().to_string()));
    }
    assert!(places.len() > 300, "only {} types were found", places.len());
    let twice: BTreeMap<&str, String> =
        places.iter().filter(|(_, places)| places.len() > 1).map(|(name, places)| (name.as_str(), places.join(", "))).collect();
    let new: Vec<_> = twice.iter().filter(|(name, _)| !ALLOWED.iter().any(|(allowed, _)| *name == allowed)).collect();
    assert!(new.is_empty(), "types of one name; rename one, or add the name to the list with the reason: {new:#?}");
    let single: Vec<_> = ALLOWED.iter().filter(|(name, _)| !twice.contains_key(name)).collect();
    assert!(single.is_empty(), "names in the list that only one type has: {single:?}");
}

#[test]
fn public_types_of_each_kind_and_visibility_are_found() {
    let text = "pub struct A<T> {\n    pub(super) enum B\n  pub(in crate::x) trait C: D {\npub type E = F;\nstruct G;\npub fn h() {}\npub use i::J;";
    assert_eq!(public_types(text).collect::<Vec<_>>(), ["A", "B", "C", "E"]);
}
