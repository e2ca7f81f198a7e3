//! The compiler process (`CompileWith::Child`), as a runtime uses it. The process ends within its limits on any input, the error
//! names the limit, and the next component compiles.

use std::path::PathBuf;
use std::time::Duration;

use postdate_core::bundle::BundleSource;
use postdate_runtime::{CompileError, CompileLimits, CompileWith, LoadError, Options, Runtime};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{child_of, cli_with, eventually, guest, host, slow, with_module};

/// Number of functions in the slow component: minutes of compile time on two processors.
const ENDLESS: usize = 400;

fn runtime(compiler: CompileWith) -> Runtime {
    Runtime::new(Options { slots: 1, compiler, ..Options::default() }).expect("a runtime")
}

fn child(limits: CompileLimits) -> CompileWith {
    CompileWith::Child { program: host(), arguments: vec!["compile-plugin".into()], limits }
}

async fn load(runtime: &Runtime, wasm: Vec<u8>) -> Result<(), LoadError> {
    let manifest = "name = 'tested'\n[process]\nplugin = 'p.wasm'\n".to_owned();
    let files = [("use-case.toml".to_owned(), manifest.into()), ("p.wasm".to_owned(), wasm.into())];
    runtime.load(&BundleSource { files: files.into() }, &postdate_runtime::Secrets::none()).await.map(drop)
}

#[track_caller]
fn reason(result: Result<(), LoadError>) -> CompileError {
    match result {
        Err(LoadError::Compile { use_case, file, reason, .. }) => {
            assert_eq!((use_case.as_str(), file.as_str()), ("tested", "p.wasm"));
            reason
        }
        other => panic!("{other:?}"),
    }
}

async fn compiles_good_ones(runtime: &Runtime) {
    load(runtime, std::fs::read(guest("minimal-process")).unwrap()).await.expect("a good plugin");
}

fn processor(functions: usize) -> Vec<u8> {
    slow("minimal-process", functions)
}

#[tokio::test]
async fn a_component_beyond_the_time_limit_is_refused_and_the_next_one_compiles() {
    let limit = Duration::from_secs(20);
    let runtime = runtime(child(CompileLimits { time: limit, ..CompileLimits::default() }));
    assert_eq!(reason(load(&runtime, processor(ENDLESS)).await), CompileError::Time { limit });
    compiles_good_ones(&runtime).await;
}

#[tokio::test]
async fn a_component_beyond_the_processor_time_limit_is_refused_and_the_next_one_compiles() {
    let limit = Duration::from_secs(1);
    let runtime = runtime(child(CompileLimits { cpu: limit, ..CompileLimits::default() }));
    assert_eq!(reason(load(&runtime, processor(ENDLESS + 1)).await), CompileError::Cpu { limit });
    compiles_good_ones(&runtime).await;
}

#[tokio::test]
async fn a_component_beyond_the_memory_limit_is_refused_and_the_next_one_compiles() {
    let limit = 64 << 20;
    let runtime = runtime(child(CompileLimits { memory: limit, ..CompileLimits::default() }));
    assert_eq!(reason(load(&runtime, processor(8)).await), CompileError::Memory { limit });
    compiles_good_ones(&runtime).await;
}

#[tokio::test]
async fn machine_code_beyond_the_output_limit_is_refused() {
    let limit = 10_000;
    let runtime = runtime(child(CompileLimits { output: limit, ..CompileLimits::default() }));
    assert_eq!(reason(load(&runtime, std::fs::read(guest("minimal-process")).unwrap()).await), CompileError::Output { limit });
}

#[tokio::test]
async fn a_compiler_killed_from_outside_is_a_transient_error_of_its_own() {
    let runtime = runtime(child(CompileLimits::default()));
    let wasm = processor(ENDLESS + 2);
    let length = wasm.len();
    let loading = tokio::spawn({
        let runtime = runtime.clone();
        async move { load(&runtime, wasm).await }
    });
    let place = eventually("the compiler's process", async || child_of(std::process::id(), length)).await;

    let read = |file: &str| std::fs::read_to_string(place.join(file)).unwrap_or_default();
    // The process sets its own limits before it reads the component. Wait until they are in place.
    eventually("its limits", async || read("limits").contains("Max data size             4294967296           4294967296").then_some(()))
        .await;
    for limit in ["Max core file size        0", "Max file size             0", "Max cpu time              300 "] {
        assert!(read("limits").contains(limit), "{limit:?} is not in {}", read("limits"));
    }
    // The last one. Mode 2 is a filter, under which the process opens no file and no socket.
    eventually("its filter", async || read("status").lines().any(|line| line == "Seccomp:\t2").then_some(())).await;
    let environment = read("environ");
    assert!(environment.starts_with("RAYON_NUM_THREADS=") && environment.matches('\0').count() == 1, "{environment:?}");
    assert_eq!(read("oom_score_adj").trim(), "1000", "the kernel would kill this process instead of the compiler");

    let pid: i32 = place.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a process id");
    kill_process(Pid::from_raw(pid).expect("a process id"), Signal::KILL).expect("the compiler's process is killed");
    let error = reason(loading.await.expect("no panic"));
    assert_eq!((&error, error.is_transient()), (&CompileError::Killed { signal: 9 }, true));
    compiles_good_ones(&runtime).await;
}

#[tokio::test]
async fn an_invalid_component_is_refused_with_the_same_error_as_in_process() {
    let (here, there) = (runtime(CompileWith::InProcess), runtime(child(CompileLimits::default())));
    // A function that declares an `i32` result and leaves no value.
    let untrue = [&[1, 5, 1, 0x60, 0, 1, 0x7f][..], &[3, 2, 1, 0], &[10, 4, 1, 2, 0, 0x0b]].concat();
    let wasm = with_module("minimal-process", &untrue);
    let error = load(&there, wasm.clone()).await.unwrap_err().to_string();
    assert!(error.starts_with("the process plugin of use case tested (p.wasm) is not valid: "), "{error}");
    assert_eq!(error, load(&here, wasm).await.unwrap_err().to_string());
    compiles_good_ones(&there).await;
}

#[tokio::test]
async fn a_missing_compiler_program_is_a_transient_error_with_its_path() {
    let program = PathBuf::from("/no/such/program");
    let runtime = runtime(CompileWith::Child { program, arguments: Vec::new(), limits: CompileLimits::default() });
    let error = reason(load(&runtime, std::fs::read(guest("minimal-process")).unwrap()).await);
    assert!(error.to_string().contains("/no/such/program") && error.is_transient(), "{error}");
}

#[tokio::test]
async fn plugin_check_applies_the_compile_limits_and_names_the_variable_that_raises_each() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("slow.wasm");
    std::fs::write(&file, processor(ENDLESS + 3)).unwrap();
    let check = ["plugin", "check", file.to_str().unwrap()];
    let run = cli_with(&[("POSTDATE_COMPILE_TIME", "1s")], &check).await.expect(1);
    run.complains(&["(plugin.wasm) took more than 1s of processor time to compile", "POSTDATE_COMPILE_TIME"]);
    let run = cli_with(&[("POSTDATE_COMPILE_MEMORY", "64MiB")], &check).await.expect(1);
    run.complains(&["takes more than 64 MiB of memory to compile", "POSTDATE_COMPILE_MEMORY"]);
    cli_with(&[("POSTDATE_COMPILE_MEMORY", "much")], &check).await.expect(2).complains(&["write it as 512MiB or 4GiB"]);
}
