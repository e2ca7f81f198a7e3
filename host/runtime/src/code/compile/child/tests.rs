//! Uses common programs of Linux instead of the compiler. `tests/e2e` tests the real compiler.

use std::time::{Duration, Instant};

use super::*;
use crate::engine::config::Metering;

/// Upper bound of a step's duration, far longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(30);
const HERE: CompileTarget = CompileTarget::Here(Metering::On);

fn limits() -> CompileLimits {
    CompileLimits { output: 1 << 20, ..CompileLimits::default() }.within(PATIENCE)
}

/// Runs a shell script as the compiler. Its `$0` is the work.
async fn shell(script: &str, limits: &CompileLimits) -> Result<Vec<u8>, CompileError> {
    let arguments = ["-c", script].map(OsString::from);
    compile(Path::new("/bin/sh"), &arguments, limits, &Bytes::from_static(b"component"), HERE).await
}

#[track_caller]
fn crashed(error: CompileError) -> (String, String) {
    let CompileError::Crashed { how, said } = error else { panic!("{error:?}") };
    (how, said)
}

#[tokio::test]
async fn a_child_gets_the_component_on_stdin_and_returns_the_code_on_stdout() {
    assert_eq!(shell("head -c 9", &limits()).await, Ok(b"component".to_vec()));
    let work = shell("printf %s \"$0\"", &limits()).await.unwrap();
    let work: CompileTask = serde_json::from_slice(&work).unwrap();
    assert_eq!(work, CompileTask { bytes: 9, memory: 4 << 30, cpu_seconds: 30, niceness: 15, target: HERE });
}

#[tokio::test]
async fn a_child_inherits_no_environment_directory_or_files() {
    assert!(std::env::vars_os().count() > 1, "this process has no environment to hide");
    let file = tempfile::NamedTempFile::new().unwrap();
    let environment = shell("cat /proc/$$/environ; pwd; ls -l /proc/$$/fd", &limits()).await;
    let text = String::from_utf8(environment.unwrap()).unwrap();
    let (environment, rest) = text.rsplit_once('\0').unwrap();
    assert!(environment.starts_with("RAYON_NUM_THREADS=") && !environment.contains('\0'), "{text:?}");
    assert_eq!(rest.lines().next(), Some("/"), "its directory");
    assert!(rest.contains("pipe:") && !rest.contains(file.path().to_str().unwrap()), "its open files: {rest}");
}

#[tokio::test]
async fn a_child_that_takes_too_long_is_killed() {
    let limits = CompileLimits { time: Duration::from_millis(300), ..limits() };
    let begun = Instant::now();
    assert_eq!(shell("exec sleep 1000", &limits).await, Err(CompileError::Time { limit: limits.time }));
    assert!(begun.elapsed() < PATIENCE);
    // A child that does not read its stdin is killed as well.
    let large = Bytes::from(vec![0; 4 << 20]);
    let arguments = ["-c", "exec sleep 1000"].map(OsString::from);
    let error = compile(Path::new("/bin/sh"), &arguments, &limits, &large, HERE).await.unwrap_err();
    assert_eq!(error, CompileError::Time { limit: limits.time });
}

#[tokio::test]
async fn a_child_that_writes_more_than_the_limit_is_stopped() {
    let limit = limits().output;
    assert_eq!(shell("exec cat /dev/zero", &limits()).await, Err(CompileError::Output { limit }));
    let whole = shell(&format!("head -c {limit} /dev/zero"), &limits()).await.unwrap();
    assert_eq!(whole.len() as u64, limit);
    let (how, said) = crashed(shell("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 9", &limits()).await.unwrap_err());
    assert_eq!((how.as_str(), said.len()), ("exit code 9", SHOWN_CHARS));
}

#[tokio::test]
async fn each_way_to_end_has_its_own_error() {
    let fault = |text: &str| format!("printf %s '{text}' >&2; exit {}", worker::FAILED);
    let invalid = shell(&fault(r#"{"invalid":"no \"good\""}"#), &limits()).await;
    assert_eq!(invalid, Err(CompileError::Invalid("no \"good\"".into())));
    let memory = Err(CompileError::Memory { limit: 4 << 30 });
    assert_eq!(shell(&fault("\"out-of-memory\""), &limits()).await, memory);
    assert_eq!(shell("echo memory allocation of 8 bytes failed >&2; kill -ABRT $$", &limits()).await, memory);
    let noisy = format!("echo a message before it >&2; {}", fault(r#"{"invalid":"no"}"#));
    assert_eq!(shell(&noisy, &limits()).await, Err(CompileError::Invalid("no".into())), "the failure is the last line");
    assert_eq!(shell("kill -XCPU $$", &limits()).await, Err(CompileError::Cpu { limit: PATIENCE }));
    for signal in [9, 15, 2] {
        // A background job of a shell ignores SIGINT, and its children inherit that unless they reset it.
        let script = format!("exec env --default-signal=INT sh -c 'kill -{signal} $$'");
        assert_eq!(shell(&script, &limits()).await, Err(CompileError::Killed { signal }));
    }
    assert_eq!(crashed(shell("echo boo >&2; kill -SEGV $$", &limits()).await.unwrap_err()), ("signal 11".into(), "boo".into()));
    assert_eq!(crashed(shell("printf 'a\\033b' >&2; exit 101", &limits()).await.unwrap_err()), ("exit code 101".into(), "a b".into()));
    // A text that is not a `CompileFailure` is shown as it is.
    assert_eq!(crashed(shell(&fault("nonsense"), &limits()).await.unwrap_err()), ("exit code 3".into(), "nonsense".into()));
    let missing = compile(Path::new("/no/such/program"), &[], &limits(), &Bytes::new(), HERE).await.unwrap_err();
    assert!(matches!(&missing, CompileError::NotStarted { program, .. } if program == "/no/such/program"), "{missing:?}");
}

#[tokio::test]
async fn a_child_is_killed_when_its_waiter_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 1000", pid_file.display());
    let limits = limits();
    let mut compiling = Box::pin(shell(&script, &limits));
    let pid = loop {
        tokio::select! {
            ended = &mut compiling => panic!("{ended:?}"),
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
        if let Some(pid) = std::fs::read_to_string(&pid_file).ok().filter(|text| text.ends_with('\n')) {
            break pid.trim().to_owned();
        }
    };
    let alive = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(alive());
    drop(compiling);
    let begun = Instant::now();
    while alive() {
        assert!(begun.elapsed() < PATIENCE, "the process still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
