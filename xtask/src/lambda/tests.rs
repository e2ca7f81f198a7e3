use super::*;

fn parsed(arguments: &[&str]) -> Result<(Arch, PathBuf)> {
    parse(arguments.iter().map(OsString::from).collect())
}

#[test]
fn default_architecture_and_paths_are_those_of_the_template() {
    let (arch, out) = parsed(&[]).unwrap();
    let template = std::fs::read_to_string(root().join("infra/template.yaml")).unwrap();
    assert!(template.contains(&format!("    Default: {arch}\n    AllowedValues: [arm64, x86_64]")));
    for function in FUNCTIONS {
        let zip = out.join(function).with_extension("zip");
        assert!(template.contains(&format!("CodeUri: ../{}\n", shown(&zip))), "{}", zip.display());
    }
}

#[test]
fn unknown_and_incomplete_arguments_are_refused() {
    assert_eq!(parsed(&["--arch", "x86_64"]).unwrap().0, Arch::X86_64);
    assert_eq!(parsed(&["--arch", "mips"]).unwrap_err().to_string(), "--arch is `mips`: give `arm64` or `x86_64`");
    assert!(parsed(&["--output"]).is_err());
    assert!(parsed(&["--out"]).is_err());
}

#[test]
fn the_error_for_another_architecture_names_the_one_that_can_be_built() {
    let message = cannot_build(Arch::Arm64, Some(Arch::X86_64));
    assert!(message.contains("--arch x86_64") && message.contains("Architecture=x86_64"), "{message}");
}
