use super::*;

#[track_caller]
fn check(error: &CompileError, says: &str, transient: bool) {
    assert_eq!((error.to_string().as_str(), error.is_transient()), (says, transient));
}

#[test]
fn each_compile_error_says_what_to_do() {
    check(
        &CompileError::Time { limit: Duration::from_mins(2) },
        "was not compiled within 120s, and compiling it was stopped: make it smaller, or raise the limit with POSTDATE_COMPILE_TIME",
        false,
    );
    check(
        &CompileError::Memory { limit: 4 << 30 },
        "takes more than 4096 MiB of memory to compile, and was stopped: make it smaller, or raise the limit with POSTDATE_COMPILE_MEMORY",
        false,
    );
    check(
        &CompileError::Killed { signal: 9 },
        "was not compiled: the compiler's process was killed (signal 9); if nobody did it, the machine may be short of memory",
        true,
    );
    let crashed = |said: &str| CompileError::Crashed { how: "exit code 101".into(), said: said.into() }.to_string();
    assert!(crashed("").ends_with("please report it with the plugin"), "{}", crashed(""));
    assert!(crashed("index out of bounds").ends_with("with the plugin; stderr: index out of bounds"));
}
