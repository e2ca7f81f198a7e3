use super::*;

#[test]
fn a_url_is_a_server_for_a_push_and_no_store() {
    assert!(matches!("http://127.0.0.1:8080".parse(), Ok(Destination::Server(_))));
    assert_eq!("use-cases".parse(), Ok(Destination::Store(StoreLocation::Directory("use-cases".into()))));
    assert!("http://".parse::<Destination>().is_err());
    assert!(store("http://127.0.0.1:8080").is_err());
}
