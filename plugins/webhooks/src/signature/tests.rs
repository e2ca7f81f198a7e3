use super::*;

fn signature(secrets: &[&str]) -> String {
    let keys: Vec<Key> = secrets.iter().map(|secret| Key::parse(secret).unwrap()).collect();
    let [_, _, (_, signature)] = headers(&keys, "i", 1, b"{}");
    signature
}

#[track_caller]
fn refused(secret: &str, error: KeyError) {
    assert_eq!(Key::parse(secret).unwrap_err(), error, "{secret:?}");
}

#[test]
fn the_published_example_gets_its_published_signature() {
    // From the documents of Svix and Standard Webhooks.
    let body = br#"{"test": 2432232314}"#;
    let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signed = headers(&[key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
    assert_eq!(signed[0], ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()));
    assert_eq!(signed[1], ("webhook-timestamp", "1614265330".to_owned()));
    assert_eq!(signed[2], ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()));
}

#[test]
fn a_secret_as_people_paste_it_is_the_same_key() {
    // The bytes fb ff fe 01: every form of Base64 writes them differently.
    let expected = signature(&["whsec_+//+AQ=="]);
    for secret in
        ["v1,whsec_+//+AQ==", "whsec_+//+AQ==\n", " \r\nwhsec_+//+AQ==\r\n", "whsec_+//+AQ", "whsec_-__-AQ==", "v1,whsec_-__-AQ\n"]
    {
        assert_eq!(signature(&[secret]), expected, "{secret:?}");
    }
}

#[test]
fn the_bytes_of_a_secret_without_prefix_are_the_key() {
    // `secret` is `c2VjcmV0` in Base64.
    assert_eq!(signature(&["secret\n"]), signature(&["whsec_c2VjcmV0"]));
    assert_ne!(signature(&["secret"]), signature(&["Secret"]));
}

#[test]
fn two_keys_give_two_signatures_in_their_order() {
    assert_eq!(signature(&["new", "old"]), format!("{} {}", signature(&["new"]), signature(&["old"])));
}

#[test]
fn a_secret_that_is_not_what_it_seems_to_be_is_refused() {
    for secret in ["", " \n", "whsec_", "v1,whsec_\n"] {
        refused(secret, KeyError::Empty);
    }
    for secret in ["whsec_%%%", "whsec_A", "whsec_c2Vj cmV0", "whsec_c2Vj\ncmV0", "whsec_c2VjcmV0="] {
        refused(secret, KeyError::NotBase64);
    }
    for secret in
        ["whsec_whsec_c2VjcmV0", "WHSEC_c2VjcmV0", "whsec-c2VjcmV0", "whsecc2VjcmV0", "\"whsec_c2VjcmV0\"", "'secret'", "v1,c2VjcmV0"]
    {
        refused(secret, KeyError::Misspelt);
    }
    refused("whsk_c2VjcmV0", KeyError::Asymmetric);
    assert!(!format!("{:?}", Key::parse("secret").unwrap()).contains("115"), "a key does not show its bytes");
}
