use super::*;

fn parsed(arguments: &[&str]) -> Result<Arguments> {
    parse(arguments.iter().map(OsString::from).collect())
}

#[test]
fn parts_and_platforms_are_known_names() {
    assert_eq!(parts("wheel,notices").unwrap(), [Part::Wheel, Part::Notices]);
    assert!(parts("wheels").unwrap_err().to_string().contains("give notices, tarball, wheel, image"));
    assert!(parsed(&["--target", "riscv64gc-unknown-linux-gnu"]).is_err());
    let mac = parsed(&["--target", "aarch64-apple-darwin", "--binary", "a"]).unwrap();
    assert_eq!(mac.platform.triple(), "aarch64-apple-darwin");
    assert_eq!(mac.parts, [Part::Notices, Part::Tarball, Part::Wheel]);
}

#[test]
fn a_wheel_of_a_program_for_linux_names_the_glibc_that_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("postdate");
    fs::write(&program, "GLIBC_2.2.5\0GLIBC_2.34\0").unwrap();
    let platform = |triple| Platform::parse(triple).unwrap();
    assert_eq!(platform("x86_64-unknown-linux-gnu").wheel_tag(&program).unwrap(), "manylinux_2_34_x86_64");
    assert_eq!(platform("aarch64-apple-darwin").wheel_tag(&program).unwrap(), "macosx_11_0_arm64");
    assert!(platform("x86_64-unknown-linux-gnu").check(&program).is_err());
    platform("aarch64-apple-darwin").check(&program).unwrap();
    fs::write(&program, "GLIBC_2.2.5\0").unwrap();
    assert_eq!(platform("aarch64-unknown-linux-gnu").wheel_tag(&program).unwrap(), "manylinux_2_17_aarch64");
}

#[test]
fn a_tarball_is_the_same_for_the_same_input() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("postdate");
    fs::write(&program, "program").unwrap();
    let shared = vec![("man/man1/postdate.1".to_owned(), b".TH".to_vec())];
    let release = Release { program: &program, platform: Platform::own().unwrap(), shared, notices: Vec::new() };
    let first = fs::read(tarball::write(&release, directory.path()).unwrap()).unwrap();
    fs::write(&program, "program").unwrap();
    assert_eq!(first, fs::read(tarball::write(&release, directory.path()).unwrap()).unwrap());
}
