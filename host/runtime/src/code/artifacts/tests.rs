use super::*;

#[test]
fn a_listed_file_outside_the_bundle_is_refused() {
    let artifacts =
        Artifacts { version: "0123456789abcdef".to_owned(), files: [("../x".to_owned(), String::new())].into(), artifacts: Vec::new() };
    let error = Artifacts::open(&artifacts.into_envelope().unwrap(), &Trust::default()).unwrap_err().to_string();
    assert!(error.contains("\"../x\" is not the name of a file"), "{error}");
}

#[test]
fn a_list_in_the_documented_form_is_read() {
    let text = r#"{
            "version": "0123456789abcdef",
            "files": {"use-case.toml": "blake3:00"},
            "artifacts": [{"role": "validate", "arch": "x86_64", "wasmtime": "48.0.8", "engine": "0011223344556677",
                           "file": "validate.x86_64.cwasm", "bytes": 7, "digest": "blake3:ff", "later": "ignored"}]
        }"#;
    let artifacts: Artifacts = serde_json::from_str(text).unwrap();
    let found = artifacts.find(Role::Validate, Arch::X86_64).unwrap();
    assert_eq!((found.file.as_str(), found.bytes), ("validate.x86_64.cwasm", 7));
    assert_eq!(artifacts.find(Role::Validate, Arch::Arm64), None);
    assert_eq!(artifacts.find(Role::Process, Arch::X86_64), None);
    let envelope = artifacts.clone().into_envelope().unwrap();
    assert_eq!(Artifacts::open(&SignedEnvelope::parse(envelope.to_json().as_bytes()).unwrap(), &Trust::default()).unwrap(), artifacts);
    for (from, to) in [("0123456789abcdef", "../0123456789abc"), ("validate.x86_64.cwasm", "../validate.cwasm")] {
        let wrong: Artifacts = serde_json::from_str(&text.replace(from, to)).unwrap();
        let error = Artifacts::open(&wrong.into_envelope().unwrap(), &Trust::default()).unwrap_err().to_string();
        assert!(error.contains(to), "{error}");
    }
}

#[test]
fn metering_changes_the_engine_hash() {
    assert_eq!(engine_hash_with(Metering::Off), engine_hash());
    assert_ne!(engine_hash_with(Metering::On), engine_hash());
}

#[test]
fn architectures_have_the_names_of_aws_lambda() {
    assert_eq!("arm64".parse(), Ok(Arch::Arm64));
    assert_eq!("x86_64".parse(), Ok(Arch::X86_64));
    assert_eq!(
        "amd64".parse::<Arch>().unwrap_err().to_string(),
        "\"amd64\" is not an architecture that plugins are compiled for: x86_64 or arm64"
    );
}
