use super::*;

fn parsed(arguments: &[&str]) -> Result<(Arch, PathBuf)> {
    parse(arguments.iter().map(OsString::from).collect())
}

#[test]
fn the_default_is_what_the_template_takes() {
    let (arch, out) = parsed(&[]).unwrap();
    let template = std::fs::read_to_string(root().join("infra/template.yaml")).unwrap();
    assert!(template.contains(&format!("    Default: {arch}\n    AllowedValues: [arm64, x86_64]")));
    for function in FUNCTIONS {
        let zip = out.join(function).with_extension("zip");
        assert!(template.contains(&format!("CodeUri: ../{}\n", shown(&zip))), "{}", zip.display());
    }
}

#[test]
fn arguments_are_checked() {
    assert_eq!(parsed(&["--arch", "x86_64"]).unwrap().0, Arch::X86_64);
    assert_eq!(parsed(&["--arch", "mips"]).unwrap_err().to_string(), "--arch is `mips`: it can be `arm64` or `x86_64`");
    assert!(parsed(&["--output"]).is_err());
    assert!(parsed(&["--out"]).is_err());
}

#[test]
fn what_cannot_be_built_here_says_what_can() {
    let message = cannot_build(Arch::Arm64, Some(Arch::X86_64));
    assert!(message.contains("--arch x86_64") && message.contains("Architecture=x86_64"), "{message}");
}
