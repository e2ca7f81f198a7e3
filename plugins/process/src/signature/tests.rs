use super::headers;

#[test]
fn signs_the_example_of_the_scheme() {
    // The example of the Svix and Standard Webhooks documents.
    let body = br#"{"test": 2432232314}"#;
    let signed = headers("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
    assert_eq!(signed[0].1, "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_eq!(signed[1].1, "1614265330");
    assert_eq!(signed[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn a_secret_without_prefix_is_its_own_bytes() {
    // `secret` is `c2VjcmV0` in Base64.
    assert_eq!(headers("secret", "i", 1, b"{}"), headers("whsec_c2VjcmV0", "i", 1, b"{}"));
    assert_ne!(headers("secret", "i", 1, b"{}"), headers("secret", "i", 2, b"{}"));
}

#[test]
fn a_secret_that_is_none_is_an_error_that_does_not_repeat_it() {
    assert_eq!(headers("whsec_%%%", "i", 1, b""), Err("the text after `whsec_` is not Base64"));
    assert_eq!(headers("", "i", 1, b""), Err("it is empty"));
}
