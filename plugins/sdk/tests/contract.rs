//! Tests of the contract as a WIT package: version 1.0.0 is unchanged, it can be published, and each item has a comment.

use std::path::PathBuf;

use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve};

const NAME: &str = "postdate:plugin@1.0.0";

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn contract() -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(repository().join("wit")).unwrap_or_else(|error| panic!("wit/: {error:#}"));
    (resolve, package)
}

/// Prints the types and functions of a package, without its comments.
fn printed(resolve: &Resolve, package: PackageId) -> String {
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(resolve, package, &[]).unwrap();
    printer.output.to_string()
}

#[test]
fn version_1_0_0_of_the_contract_is_unchanged() {
    let (resolve, package) = contract();
    assert_eq!(resolve.packages[package].name.to_string(), NAME);
    let now = printed(&resolve, package);
    let then = std::fs::read_to_string(repository().join("tests/fixtures/contract-1.0.0/contract.wit")).unwrap_or_default();
    assert!(
        now == then,
        "wit/postdate.wit differs from {NAME} as it was released. Plugins that were built against the release would not link any \
         more, even if only a record gets another field. Add another version beside this one instead. The file is now:\n{now}"
    );
}

/// Encodes `wit/` as `wkg build` does, and checks the keys of `wkg.toml`.
#[test]
fn the_contract_can_be_published_as_a_package() {
    let (resolve, package) = contract();
    let binary = wit_component::encode(&resolve, package).unwrap();
    let wit_component::DecodedWasm::WitPackage(decoded, id) = wit_component::decode(&binary).unwrap() else {
        panic!("the encoded contract is not a WIT package")
    };
    assert_eq!(printed(&decoded, id), printed(&resolve, package));
    let metadata = std::fs::read_to_string(repository().join("wkg.toml")).unwrap();
    for key in ["authors", "description", "licenses", "source"] {
        assert!(metadata.lines().any(|line| line.starts_with(&format!("{key} = \""))), "wkg.toml has no {key}");
    }
}

/// Requires a comment at each interface, type, field, function and world.
#[test]
fn each_item_of_the_contract_has_a_comment() {
    let text = std::fs::read_to_string(repository().join("wit/postdate.wit")).unwrap();
    let mut documented = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let defines = !line.is_empty() && !["}", "use "].iter().any(|start| line.starts_with(start));
        assert!(documented || !defines || line.starts_with("///"), "wit/postdate.wit:{}: {line} has no comment", number + 1);
        documented = line.starts_with("///");
    }
}
