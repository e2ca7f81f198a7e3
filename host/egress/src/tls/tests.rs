use super::*;

#[test]
fn a_file_without_a_usable_certificate_is_refused_by_its_name() {
    let directory = std::env::temp_dir().join(format!("postdate-authorities-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        read_authorities(&[path]).unwrap_err().to_string()
    };
    assert!(file("empty.pem", "no certificate\n").contains("empty.pem has no certificate"));
    let nonsense = file("nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(nonsense.contains("nonsense.pem has a certificate that is not usable"), "{nonsense}");
    let missing = read_authorities(&[directory.join("missing.pem")]).unwrap_err().to_string();
    assert!(missing.contains("missing.pem is not usable"), "{missing}");
    std::fs::remove_dir_all(&directory).unwrap();
}
