//! The main function of the compiler's process. The process limits itself before it reads a byte, compiles one component from stdin
//! to stdout, and ends. It can open no file and no connection, has an empty environment, and on a server a low priority.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use serde::{Deserialize, Serialize};

use super::closed::close_in;
use super::cranelift::{CompileFailure, CompileTarget, compile};
use super::settings::CompileLimits;

/// Exit code: there is no machine code; a [`CompileFailure`] is on stderr.
pub const FAILED: u8 = 3;
/// Exit code: the limits could not be set, and nothing was read.
pub const NOT_CONFINED: u8 = 4;
/// Exit code: the parent has ended.
const LEFT_ALONE: i32 = 5;
/// Exit code: the machine code could not be written to stdout.
const UNWRITTEN: u8 = 6;

/// Most open files: three streams, and a few for the standard library.
const OPEN_FILES: u64 = 16;
/// The file by which a process of Linux changes its rank among those that the kernel kills when memory is short.
const OOM_SCORE_FILE: &str = "/proc/self/oom_score_adj";
/// The first rank: the kernel kills the compiler instead of the server, whose memory limit includes the compiler's memory.
const OOM_SCORE: &str = "1000";
/// Address space beyond the allocated memory, in bytes: for the program, stacks, and the C library's reservation for each thread.
const ADDRESS_SPACE_SLACK_BYTES: u64 = 4 << 30;

/// The one argument of a compiler's process, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileTask {
    /// Length of the component on stdin, in bytes. Stdin stays open after the component; its end means that the parent has ended.
    pub bytes: u64,
    /// Most bytes that may be allocated.
    pub memory: u64,
    pub cpu_seconds: u64,
    /// Added to the nice value of the process.
    pub niceness: u8,
    pub target: CompileTarget,
}

impl CompileTask {
    pub fn new(bytes: usize, limits: &CompileLimits, target: CompileTarget) -> Self {
        Self { bytes: bytes as u64, memory: limits.memory, cpu_seconds: limits.cpu.as_secs().max(1), niceness: limits.niceness, target }
    }
}

/// The main function of the program of a [`CompileWith::Child`](super::CompileWith::Child). `work` is the program's last argument.
pub fn compile_worker(work: &str) -> ExitCode {
    let confined = serde_json::from_str::<CompileTask>(work).map_err(io::Error::other).and_then(|work| confine(&work).map(|()| work));
    let work = match confined {
        Ok(work) => work,
        Err(error) => return end(NOT_CONFINED, &error.to_string()),
    };
    match read(work.bytes).and_then(|wasm| compile(&wasm, work.target)) {
        Ok(code) => {
            let mut stdout = io::stdout().lock();
            match stdout.write_all(&code).and_then(|()| stdout.flush()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => end(UNWRITTEN, &error.to_string()),
            }
        }
        Err(failure) => end(FAILED, &serde_json::to_string(&failure).unwrap_or_default()),
    }
}

fn end(code: u8, said: &str) -> ExitCode {
    // Ignores an error, because stderr may have no reader.
    let _ = io::stderr().write_all(said.as_bytes());
    ExitCode::from(code)
}

fn confine(work: &CompileTask) -> io::Result<()> {
    // The limits below refuse files, so this comes first. An error is ignored: the file is missing without a mounted /proc, and the limits
    // hold without it.
    let _ = std::fs::write(OOM_SCORE_FILE, OOM_SCORE);
    limit(Resource::Core, 0)?;
    // The process writes only to pipes, so it may write no file.
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, OPEN_FILES)?;
    limit(Resource::Cpu, work.cpu_seconds)?;
    // `Data` limits allocated memory. `As` limits address space as well, for kernels that do not count every mapping as data.
    limit(Resource::Data, work.memory)?;
    limit(Resource::As, work.memory.saturating_add(ADDRESS_SPACE_SLACK_BYTES))?;
    // Later threads inherit the priority. Without it, the compiler only slows other processes down.
    let _ = nice(work.niceness.into());
    // Last, because the filter refuses all of the above. The other limits hold also on a kernel without seccomp.
    if let Err(error) = close_in() {
        let _ = writeln!(io::stderr(), "the compiler's process is not closed in: {error}");
    }
    Ok(())
}

/// Lowers a limit. Never raises one, because most processes may not.
fn limit(resource: Resource, wanted: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(wanted, |maximum| wanted.min(maximum));
    // The hard limit of processor time kills a process that ignores the signal of the soft limit.
    let maximum = if resource == Resource::Cpu { most.saturating_add(1) } else { most };
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(maximum) })?)
}

fn read(bytes: u64) -> Result<Vec<u8>, CompileFailure> {
    let mut wasm = Vec::new();
    let cut_short = |error: io::Error| CompileFailure::NoEngine(format!("the component did not arrive whole: {error}"));
    io::stdin().take(bytes).read_to_end(&mut wasm).map_err(cut_short)?;
    if wasm.len() as u64 != bytes {
        return Err(cut_short(io::ErrorKind::UnexpectedEof.into()));
    }
    // The parent leaves stdin open, so the end of stdin means that the parent has ended.
    let watch = || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(LEFT_ALONE);
    };
    std::thread::Builder::new().name("parent".into()).spawn(watch).map_err(cut_short)?;
    Ok(wasm)
}

#[cfg(test)]
mod tests;
