use super::*;

#[test]
fn the_prefix_of_a_location_decides_its_kind() {
    assert_eq!("use-cases".parse(), Ok(StoreLocation::Directory("use-cases".into())));
    assert_eq!("s3://b".parse(), Ok(StoreLocation::S3 { bucket: "b".into(), prefix: String::new() }));
    assert_eq!("s3://b/a/c/".parse(), Ok(StoreLocation::S3 { bucket: "b".into(), prefix: "a/c".into() }));
    for wrong in ["", "s3://", "s3:///x", "gs://b/x", "http://127.0.0.1:8080"] {
        assert!(wrong.parse::<StoreLocation>().is_err(), "{wrong}");
    }
}
