use std::os::unix::fs::PermissionsExt as _;

use super::*;

const PLANTED: &str = "planted-value";

fn written(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    (dir, path)
}

#[track_caller]
fn check_refused(text: &str, mode: u32, expected: &str) {
    let (_dir, path) = written(text.as_bytes(), mode);
    let error = open(Some(path), Vec::new(), Duration::from_secs(1)).unwrap_err().to_string();
    assert!(error.contains("secrets.toml ") && error.contains(expected), "{error}");
    assert!(!error.contains("planted"), "{error}");
}

#[tokio::test]
async fn a_use_cases_own_secret_shadows_a_shared_one_and_is_hidden_from_other_use_cases() {
    let text = "SHARED = 'all'\nKEY = 'all'\n[orders]\nKEY = 'own'\nOWN = 'own'\n";
    let (_dir, path) = written(text.as_bytes(), 0o600);
    let source = FileSecrets { path };
    let of = async |use_case: &str| {
        let values = source.fetch(use_case, &["SHARED", "KEY", "OWN", "NONE"]).await.unwrap();
        values.into_iter().map(|(name, value)| format!("{name}={}", value.expose_secret())).collect::<Vec<_>>()
    };
    assert_eq!(of("orders").await, ["KEY=own", "OWN=own", "SHARED=all"]);
    assert_eq!(of("webhook").await, ["KEY=all", "SHARED=all"]);
    assert!(source.missing("orders", "NONE").contains("under [orders]"));
}

#[test]
fn errors_name_the_key_and_never_quote_the_value() {
    check_refused("KEY = 'planted-value'", 0o640, "may be read or written by others (mode 640): chmod 600");
    check_refused("KEY = 'planted-value'", 0o604, "(mode 604)");
    check_refused("A = 'x'\nKEY = planted-value\n", 0o600, "is not TOML at line 2");
    check_refused("KEY = 'planted-value'\nKEY = 'planted-value'\n", 0o600, "is not TOML at line 2");
    check_refused("KEY = 'planted-value", 0o600, "is not TOML at line 1");
    check_refused("KEY = ['planted-value']", 0o600, "has a list for KEY");
    check_refused("KEY = 20270101", 0o600, "has a number for KEY");
    check_refused("KEY = ''", 0o400, "has nothing for KEY");
    check_refused("[orders]\nKEY = { a = 'planted-value' }", 0o600, "has a table for orders.KEY");
    let big = format!("KEY = '{}'", PLANTED.repeat(100_000));
    check_refused(&big, 0o600, "has more than 1048576 bytes");
    let (dir, path) = written(b"KEY = '\xff'", 0o600);
    assert!(open(Some(path), Vec::new(), Duration::from_secs(1)).unwrap_err().to_string().contains("is not UTF-8"));
    assert!(open(Some(dir.path().into()), Vec::new(), Duration::from_secs(1)).unwrap_err().to_string().contains("is not a file"));
    let gone = open(Some(dir.path().join("gone")), Vec::new(), Duration::from_secs(1)).unwrap_err().to_string();
    assert!(gone.contains("gone cannot be read"), "{gone}");
}

#[tokio::test]
async fn a_file_that_becomes_unusable_fails_the_refresh_and_is_no_missing_secret() {
    let (_dir, path) = written(b"KEY = 'planted-value'", 0o600);
    let source = FileSecrets { path: path.clone() };
    assert!(source.fetch("orders", &["KEY"]).await.is_ok());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = source.fetch("orders", &["KEY"]).await.unwrap_err();
    assert!(error.starts_with("cannot be read: the secrets file") && error.contains("chmod 600"), "{error}");
}
