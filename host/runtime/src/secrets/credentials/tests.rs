use postdate_core::use_case::UseCase;

use super::*;

async fn credentials(keys: &str, values: &'static [(&'static str, &'static str)]) -> Result<Credentials, String> {
    let manifest = format!("name = 'a'\ntargets = {{ hook = {{ kind = 'http', url = 'http://h/', {keys} }} }}");
    let use_case = UseCase::parse(&manifest).unwrap();
    let secrets = Secrets::of(|name| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
    let target = use_case.target(None).unwrap().1;
    let made = secrets.credentials("a", target).await.map_err(|error| error.to_string());
    // The check at the load finds what a delivery would find.
    assert_eq!(secrets.check_credentials("a", target).await.map_err(|error| error.to_string()).err(), made.as_ref().err().cloned());
    made
}

#[tokio::test]
async fn secrets_stand_in_headers_without_white_space_around_them() {
    let keys = "headers = { authorization = 'Bearer ${secret:TOKEN}', x-plain = 'text' }, sign = ['NEW', 'OLD']";
    let made = credentials(keys, &[("TOKEN", " abc\n"), ("NEW", "v1,whsec_c2VjcmV0\n"), ("OLD", "secret")]).await.unwrap();
    assert_eq!(made.headers["authorization"], "Bearer abc");
    assert_eq!(made.headers["x-plain"], "text");
    assert_eq!(made.keys.len(), 2);
    let shown = format!("{made:?}");
    assert!(!shown.contains("abc") && !shown.contains("c2VjcmV0"), "{shown}");
    let texts: Vec<&str> = made.texts().collect();
    assert!(texts.contains(&"Bearer abc") && texts.contains(&"abc") && texts.contains(&"v1,whsec_c2VjcmV0"));
}

#[tokio::test]
async fn an_error_names_the_secret_and_never_its_value() {
    let header = "headers = { x-key = '${secret:KEY}' }";
    assert_eq!(credentials(header, &[]).await.unwrap_err(), "KEY, which is not set: give it a value");
    let error = credentials(header, &[("KEY", "hunter2\nx: y")]).await.unwrap_err();
    assert_eq!(error, "KEY, which has a character that the header x-key cannot have: use visible ASCII and spaces");
    let error = credentials("sign = 'KEY'", &[("KEY", "whsec_hunter2!")]).await.unwrap_err();
    assert_eq!(error, "KEY, which cannot sign: the text after `whsec_` is not Base64");
    assert_eq!(credentials("timeout = '1s'", &[]).await.unwrap().headers.len(), 0);
}

#[tokio::test]
async fn an_empty_secret_passes_the_check_of_a_load_and_fails_the_delivery() {
    let use_case = UseCase::parse("name = 'a'\ntargets = { hook = { kind = 'http', url = 'http://h/', sign = 'KEY' } }").unwrap();
    let (secrets, target) = (Secrets::of(|_| Some(String::new())), use_case.target(None).unwrap().1);
    assert_eq!(secrets.check_credentials("a", target).await, Ok(()));
    assert_eq!(secrets.credentials("a", target).await.unwrap_err().to_string(), "KEY, which cannot sign: the key is empty");
}
