use super::*;

fn limits(time: Option<&str>, memory: Option<&str>) -> Result<CompileLimits, String> {
    let limits = Limits { compile_time: time.map(super::time).transpose()?, compile_memory: memory.map(super::memory).transpose()? };
    let CompileWith::Child { limits, .. } = limits.compiler() else { panic!("not in this process") };
    Ok(limits)
}

#[test]
fn limits_have_defaults() {
    assert_eq!(limits(None, None), Ok(CompileLimits::default()));
    let given = limits(Some("90s"), Some("256MiB")).unwrap();
    assert_eq!((given.cpu, given.time, given.memory), (Duration::from_secs(90), Duration::from_mins(18), 256 << 20));
    assert!(limits(Some("0s"), None).is_err());
    assert!(limits(None, Some("4 gigs")).unwrap_err().contains("4GiB"));
}
