use super::headers;

#[test]
fn the_published_example_gets_its_published_signature() {
    // From the documents of Svix and Standard Webhooks.
    let body = br#"{"test": 2432232314}"#;
    let signed = headers("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
    assert_eq!(signed[0].1, "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_eq!(signed[1].1, "1614265330");
    assert_eq!(signed[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn the_bytes_of_a_secret_without_prefix_are_the_key() {
    // `secret` is `c2VjcmV0` in Base64.
    assert_eq!(headers("secret", "i", 1, b"{}"), headers("whsec_c2VjcmV0", "i", 1, b"{}"));
    assert_ne!(headers("secret", "i", 1, b"{}"), headers("secret", "i", 2, b"{}"));
}

#[test]
fn an_error_about_a_bad_secret_does_not_contain_it() {
    assert_eq!(headers("whsec_%%%", "i", 1, b""), Err("the text after `whsec_` is not Base64"));
    assert_eq!(headers("", "i", 1, b""), Err("the key is empty"));
}
