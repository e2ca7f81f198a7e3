use super::*;

fn limits(time: Option<&str>, memory: Option<&str>) -> Result<CompileLimits, String> {
    let limits =
        CompileArguments { compile_time: time.map(super::time).transpose()?, compile_memory: memory.map(super::memory).transpose()? };
    let CompileWith::Child { limits, .. } = limits.compiler() else { panic!("not in this process") };
    Ok(limits)
}

#[test]
fn the_compiler_of_an_author_has_the_priority_of_the_command() {
    let author = AuthorCompiler { limits: CompileArguments::default(), compile_cache: Some("".into()), compile_cache_quota: 0 };
    let CompileWith::Child { limits, .. } = author.compiler() else { panic!("not in this process") };
    assert_eq!(limits, CompileLimits { niceness: 0, ..CompileLimits::default() });
    assert_ne!(author.cache_dir(), Some(PathBuf::new()), "an empty variable counts as unset");
    let named = AuthorCompiler { compile_cache: Some("/x/y".into()), ..author };
    assert_eq!(named.cache_dir(), Some(PathBuf::from("/x/y")));
}

#[test]
fn limits_have_defaults() {
    assert_eq!(limits(None, None), Ok(CompileLimits::default()));
    let given = limits(Some("90s"), Some("256MiB")).unwrap();
    assert_eq!((given.cpu, given.time, given.memory), (Duration::from_secs(90), Duration::from_mins(18), 256 << 20));
    assert!(limits(Some("0s"), None).is_err());
    assert!(limits(None, Some("4 gigs")).unwrap_err().contains("4GiB"));
}
