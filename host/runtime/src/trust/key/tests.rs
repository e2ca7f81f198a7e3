use super::*;

#[test]
fn a_key_is_read_back_from_its_text() {
    let text = SecretKey::generate().unwrap();
    let key = SecretKey::from_pem(&text).unwrap();
    assert_eq!(key.public().to_string().parse(), Ok(key.public()));
    assert!(key.public().verifies(b"message", &key.sign(b"message")));
    assert!(!key.public().verifies(b"massage", &key.sign(b"message")));
    assert!(!format!("{key:?}").contains("PRIVATE"));
    assert_ne!(SecretKey::generate().unwrap(), text);
}

/// Reads a key file without the public key, as `openssl genpkey -algorithm ed25519` writes it.
#[test]
fn a_key_without_its_public_part_is_read() {
    let text = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let key = SecretKey::from_pem(text).unwrap();
    // From RFC 8032, section 7.1, test 1.
    assert_eq!(hex(&key.public().0), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert!(hex(&key.sign(b"")).starts_with("e5564300c360ac729086e2cc806e828a"));
}

#[test]
fn a_text_that_is_not_a_key_is_refused_without_quoting_it() {
    let private = SecretKey::generate().unwrap();
    for wrong in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", &private] {
        let error = wrong.parse::<PublicKey>().unwrap_err().to_string();
        assert!(error.contains("postdate key show") && !error.contains("AAAA") && !error.contains("BEGIN"), "{error}");
    }
    for wrong in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "ed25519:AAAA"] {
        let error = SecretKey::from_pem(wrong).unwrap_err().to_string();
        assert!(error.contains("PKCS #8") && !error.contains("AAAA"), "{error}");
    }
}
