use std::os::unix::fs::MetadataExt as _;

use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    command: ApiKeyCommand,
}

fn api_key(file: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let file = file.to_str().unwrap();
    let line = Line::try_parse_from([&["api-key", "--keys-file", file], arguments].concat())?;
    run(line.command).map(drop)
}

fn names(file: &Path) -> Vec<String> {
    read(file).unwrap().into_iter().map(|key| key.name).collect()
}

#[test]
fn a_new_key_is_in_a_file_that_only_its_owner_reads() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    api_key(&file, &["new", "shop"]).unwrap();
    api_key(&file, &["new", "ci", "--may", "deploy,operate", "--use-cases", "orders,mail", "--sees", "all", "--expires", "90d"]).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let keys = read(&file).unwrap();
    assert_eq!((keys[0].name.as_str(), keys[0].sees), ("shop", Sees::Own));
    assert_eq!(keys[0].may, [Scope::Submit, Scope::Read, Scope::Change].into());
    assert_eq!((&keys[1].may, keys[1].sees), (&[Scope::Deploy, Scope::Operate].into(), Sees::All));
    assert_eq!(keys[1].use_cases, Some(["orders".to_owned(), "mail".to_owned()].into()));
    let days = (keys[1].expires.unwrap() - Utc::now()).num_hours();
    assert!((89 * 24..=90 * 24).contains(&days), "{days}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no other file is left");
    let list = table(&keys, keys[1].expires.unwrap());
    assert!(
        list.contains("shop") && list.contains("does not expire") && list.contains("expired at") && list.contains("mail,orders"),
        "{list}"
    );
    let document = document(&keys[1], keys[1].expires.unwrap());
    assert_eq!((&document["useCases"], &document["hasExpired"]), (&json!(["mail", "orders"]), &json!(true)));
    let digest = postdate_core::bundle::hex(&keys[1].sha256);
    assert!(!document.to_string().contains(&digest), "the digest is not shown");
}

#[test]
fn a_key_is_revoked_and_the_rest_of_the_file_stays() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    for name in ["shop", "mail", "ci"] {
        api_key(&file, &["new", name]).unwrap();
    }
    let text =
        format!("# keys of the server\n{}", std::fs::read_to_string(&file).unwrap().replace("name = \"ci\"", "name = \"ci\" # nightly"));
    std::fs::write(&file, &text).unwrap();
    api_key(&file, &["revoke", "mail"]).unwrap();
    assert_eq!(names(&file), ["shop", "ci"]);
    let left = std::fs::read_to_string(&file).unwrap();
    assert!(left.starts_with("# keys of the server\n[[key]]\nname = \"shop\"") && left.contains("# nightly"), "{left}");
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert!(api_key(&file, &["revoke", "mail"]).unwrap_err().to_string().contains("has no key \"mail\""));
    api_key(&file, &["revoke", "shop"]).unwrap();
    api_key(&file, &["revoke", "ci"]).unwrap();
    assert_eq!(names(&file), [""; 0]);
}

#[test]
fn a_name_is_taken_once_and_faults_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.toml");
    api_key(&file, &["new", "shop"]).unwrap();
    let before = std::fs::read_to_string(&file).unwrap();
    for (arguments, expected) in [
        (&["new", "shop"][..], "has a key \"shop\" already"),
        (&["new", "a b"], "cannot name a key"),
        (&["new", "x", "--may", "write"], "is no scope"),
        (&["new", "x", "--use-cases", "Orders"], "not the name of a use case"),
        (&["new", "x", "--expires", "2020-01-01T00:00:00Z"], "must be in the future"),
        (&["new", "x", "--expires", "tomorrow"], "tomorrow"),
    ] {
        let error = format!("{:#}", api_key(&file, arguments).unwrap_err());
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    let broken = format!("{before}\n[[key]]\n");
    std::fs::write(&file, &broken).unwrap();
    assert!(api_key(&file, &["new", "y"]).unwrap_err().to_string().contains("is not valid at line"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), broken);
}
