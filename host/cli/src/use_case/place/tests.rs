use super::*;

#[test]
fn places_are_told_apart_by_how_they_begin() {
    assert_eq!("use-cases".parse(), Ok(Place::Directory("use-cases".into())));
    assert_eq!("s3://b".parse(), Ok(Place::S3 { bucket: "b".into(), prefix: String::new() }));
    assert_eq!("s3://b/a/c/".parse(), Ok(Place::S3 { bucket: "b".into(), prefix: "a/c".into() }));
    assert!(matches!("http://127.0.0.1:8080".parse(), Ok(Place::Server(_))));
    for wrong in ["", "s3://", "s3:///x", "gs://b/x", "http://"] {
        assert!(wrong.parse::<Place>().is_err(), "{wrong}");
    }
    assert!(store("http://127.0.0.1:8080").is_err());
}
