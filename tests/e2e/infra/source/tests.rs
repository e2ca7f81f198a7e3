use super::*;

#[test]
fn files_are_reached_by_the_module_paths_in_the_code() {
    let sources = [
        source("lib.rs", "pub mod ledger;\npub mod rules;\npub mod unused;"),
        source("bin/one.rs", "use postdate_aws::{ledger::{self, Ledger}, other as x, rules};\nfn main() {}"),
        source("ledger.rs", "mod claim;\nimpl Ledger {}\n// crate::unused\n#[cfg(test)]\nmod tests { use crate::unused; }"),
        source("ledger/claim.rs", "use super::super::nothing;\nuse super::Ledger;"),
        source("rules.rs", "use crate::rules_by_name::find;"),
        source("rules_by_name.rs", "not_crate::unused"),
        source("unused.rs", "use crate::ledger;"),
    ];
    let found: Vec<&str> = reachable("bin/one.rs", &sources).iter().map(|source| source.path.as_str()).collect();
    assert_eq!(found, ["bin/one.rs", "ledger.rs", "ledger/claim.rs", "rules.rs", "rules_by_name.rs"]);
}
