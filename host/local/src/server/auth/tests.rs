use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use postdate_core::api::CORRELATION_HEADER;
use postdate_core::testing::sample_id;
use tempfile::TempDir;

use super::*;

fn entry(name: &str, token: &str, more: &str) -> String {
    let digest = postdate_core::bundle::hex(&keys::digest(token));
    format!("[[key]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nmay = [\"read\"]\n{more}\n")
}

fn write(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Returns the keys of a file, and the file.
fn with_file(text: &str) -> (Auth, TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    write(&path, text);
    (Auth::open(Some("master-token"), Some(path.clone()), true).unwrap(), directory, path)
}

fn parts(path: &str, authorization: Option<&str>) -> Parts {
    let mut request = http::Request::builder().uri(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    request.body(()).unwrap().into_parts().0
}

/// Returns the caller's name, or the error's status and code.
async fn caller(auth: &Auth, path: &str, authorization: Option<&str>) -> Found {
    let found = auth.authenticate(&parts(path, authorization)).await;
    found.map(|caller| caller.name).map_err(|error| {
        let code = error.code();
        format!("{} {code}", error.into_response(sample_id(1)).status().as_u16())
    })
}

type Found = Result<Option<String>, String>;

#[expect(clippy::unnecessary_wraps, reason = "the type that tests compare")]
fn name(name: &str) -> Found {
    Ok(Some(name.to_owned()))
}

fn wrong() -> Found {
    Err("401 unauthorized".to_owned())
}

#[tokio::test]
async fn a_token_finds_its_key() {
    let text =
        [entry("shop", "shop-token", ""), entry("mail", "mail-token", ""), entry("old", "old-token", "expires = 2020-01-01T00:00:00Z")];
    let (auth, _directory, _path) = with_file(&text.concat());
    for (authorization, expected) in [
        (Some("Bearer shop-token"), name("shop")),
        (Some("bearer   mail-token"), name("mail")),
        (Some("Bearer master-token"), name(MASTER)),
        (Some("Bearer old-token"), Err("401 key-expired".to_owned())),
        (Some("Bearer shop-token2"), wrong()),
        (Some("Basic shop-token"), wrong()),
        (Some("Bearer "), wrong()),
        (Some("shop-token"), wrong()),
        (None, wrong()),
    ] {
        assert_eq!(caller(&auth, "/requests", authorization).await, expected, "{authorization:?}");
    }
    assert_eq!(caller(&auth, "/health", None).await, Ok(None));
    assert_eq!(caller(&auth, "/openapi.json", None).await, Ok(None));
    assert_eq!(caller(&auth, "/health", Some("Bearer wrong")).await, Ok(None));
    assert_eq!(caller(&auth, "/health", Some("Bearer shop-token")).await, name("shop"));
    assert!(!auth.authenticate(&parts("/health", None)).await.unwrap().may(Scope::Operate));
    let expired = auth.authenticate(&parts("/requests", Some("Bearer old-token"))).await.unwrap_err().into_response(sample_id(1));
    let body = String::from_utf8_lossy(expired.body()).into_owned();
    assert!(body.contains("expired at 2020-01-01") && !body.contains("old-token"), "{body}");
    assert!(expired.headers().contains_key(CORRELATION_HEADER) && expired.headers()["www-authenticate"] == "Bearer");
}

#[tokio::test]
async fn a_changed_file_is_read_again_and_a_broken_one_keeps_the_former_keys() {
    let (auth, directory, path) = with_file(&entry("shop", "shop-token", ""));
    let (shop, mail) = (Some("Bearer shop-token"), Some("Bearer mail-token"));
    assert_eq!((caller(&auth, "/x", shop).await, caller(&auth, "/x", mail).await), (name("shop"), wrong()));
    write(&path, &entry("mail", "mail-token", ""));
    assert_eq!((caller(&auth, "/x", shop).await, caller(&auth, "/x", mail).await), (wrong(), name("mail")));
    for break_it in [
        (|path| write(path, "[[key]]\nname = ")) as fn(&Path),
        |path| {
            write(path, &entry("shop", "shop-token", ""));
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        },
        |path| std::fs::remove_file(path).unwrap(),
    ] {
        break_it(&path);
        assert_eq!((caller(&auth, "/x", shop).await, caller(&auth, "/x", mail).await), (wrong(), name("mail")));
    }
    let new = directory.path().join("new.toml");
    write(&new, &entry("shop", "shop-token", ""));
    std::fs::rename(&new, &path).unwrap();
    assert_eq!((caller(&auth, "/x", shop).await, caller(&auth, "/x", mail).await), (name("shop"), wrong()));
}

#[test]
fn an_unusable_file_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    let refused = |path: &Path| Auth::open(None, Some(path.to_owned()), true).err().expect("the file is refused").to_string();
    assert!(refused(&path).contains("cannot be read"));
    write(&path, "");
    assert!(Auth::open(None, Some(path.clone()), true).unwrap().has_keys(), "a file without keys lets nobody in");
    for mode in [0o640, 0o602, 0o604] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(refused(&path).contains("read or written by others"), "{mode:o}");
    }
}

#[tokio::test]
async fn a_server_without_keys_lets_everybody_post_and_nobody_deploy() {
    for loopback in [true, false] {
        let auth = Auth::open(Some("  "), None, loopback).unwrap();
        let caller = auth.authenticate(&parts("/requests", None)).await.unwrap();
        let expected =
            [Scope::Submit, Scope::Read, Scope::Change, Scope::Deploy, Scope::Operate].into_iter().take(if loopback { 5 } else { 3 });
        assert_eq!((caller.scopes, caller.name, auth.has_keys()), (expected.collect(), None, false));
    }
}

#[test]
fn failures_of_one_client_are_answered_one_after_the_other_and_few_wait() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    let peer: IpAddr = "192.0.2.1".parse().unwrap();
    let delays: Vec<Option<Duration>> = (0..22).map(|_| failures.delay(peer, now)).collect();
    assert_eq!(delays[..20], (1..=20).map(|n| Some(STEP * n)).collect::<Vec<_>>());
    assert_eq!(delays[20..], [None, None], "a client may not hold more connections");
    assert_eq!(failures.delay("192.0.2.2".parse().unwrap(), now), Some(STEP), "another client is not delayed by the first");
    assert_eq!(failures.delay(peer, now + STEP), Some(MAX_DELAY));
    assert_eq!(failures.delay(peer, now + Duration::from_secs(10)), Some(STEP), "old failures are forgotten");
}

#[test]
fn a_client_has_one_place_and_the_number_of_places_is_bounded() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    for (peer, delay) in [("2001:db8::1", 1), ("2001:db8::2", 2), ("2001:db8:0:1::1", 1), ("::ffff:192.0.2.1", 1), ("192.0.2.1", 2)] {
        assert_eq!(failures.delay(peer.parse().unwrap(), now), Some(STEP * delay), "{peer}");
    }
    for n in 0..2 * u32::try_from(MAX_CLIENTS).unwrap() {
        failures.delay(Ipv4Addr::from_bits(n).into(), now);
    }
    assert!(failures.next.len() <= MAX_CLIENTS + 1, "{}", failures.next.len());
    failures.delay(Ipv4Addr::from_bits(u32::MAX).into(), now + MAX_DELAY);
    assert_eq!(failures.next.len(), 1, "clients whose delay has ended are forgotten");
}

#[test]
fn a_key_of_the_file_is_refused_as_the_key_that_may_do_everything() {
    let (_auth, _directory, path) = with_file(&entry("shop", "shop-token", ""));
    let error = Auth::open(Some("shop-token"), Some(path.clone()), true).err().unwrap().to_string();
    assert!(error.contains("the key \"shop\"") && error.ends_with("unset it"), "{error}");
    Auth::open(Some("another-token"), Some(path), true).unwrap();
}
