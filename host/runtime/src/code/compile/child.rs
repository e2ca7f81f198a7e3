//! The parent's side of the compiler's process: starts it, sends it the component, waits for it, and stops it at its time limit.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread::available_parallelism;

use bytes::Bytes;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::cranelift::{CompileFailure, CompileTarget};
use super::error::CompileError;
use super::settings::CompileLimits;
use super::worker::{self, CompileTask};

/// Most bytes of the process's stderr that are kept. The rest is dropped.
const SAID_BYTES: u64 = 16 << 10;
/// Number of characters at the end of stderr that an error shows.
const SHOWN_CHARS: usize = 400;
/// Most threads of the process. Each costs memory, and more are not faster.
const MAX_THREADS: usize = 8;
/// The standard library's message before it aborts for lack of memory.
const NO_MEMORY: &str = "memory allocation of ";

/// Compiles in a separate process. Dropping this future kills the process.
pub async fn compile(
    program: &Path,
    arguments: &[OsString],
    limits: &CompileLimits,
    wasm: &Bytes,
    target: CompileTarget,
) -> Result<Vec<u8>, CompileError> {
    let not_started = |reason| CompileError::NotStarted { program: program.display().to_string(), reason };
    let work = serde_json::to_string(&CompileTask::new(wasm.len(), limits, target)).map_err(|error| not_started(error.to_string()))?;
    let mut child = command(program, arguments, &work).spawn().map_err(|error| not_started(error.to_string()))?;
    let ended = tokio::time::timeout(limits.time, talk(&mut child, wasm, limits.output)).await;
    if let Ok(Ok((status, code, said))) = ended {
        return judge(status, code, &said, limits);
    }
    // Sends SIGKILL and waits; an error means that the process has ended already.
    let _ = child.kill().await;
    match ended {
        Err(_) => Err(CompileError::Time { limit: limits.time }),
        Ok(Err(Cut::Output)) => Err(CompileError::Output { limit: limits.output }),
        Ok(Err(Cut::Io(error))) => Err(not_started(format!("it does not answer: {error}"))),
        Ok(Ok(_)) => unreachable!("judged above"),
    }
}

/// Returns the command, without this process's environment, which has secrets, in another directory and in its own process group, so
/// that Ctrl-C reaches only this process, which then stops the child.
fn command(program: &Path, arguments: &[OsString], work: &str) -> Command {
    let threads = available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let mut command = Command::new(program);
    command.args(arguments).arg(work).env_clear().env("RAYON_NUM_THREADS", threads.to_string());
    command.current_dir("/").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The reasons why the parent stopped waiting.
enum Cut {
    Output,
    Io(std::io::Error),
}

impl From<std::io::Error> for Cut {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Returns the process's exit status, stdout and stderr.
async fn talk(child: &mut Child, wasm: &Bytes, output: u64) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), Cut> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return Err(Cut::Io(std::io::ErrorKind::BrokenPipe.into()));
    };
    let give = async {
        // If the process ends before it has read everything, its exit status says why.
        let _ = stdin.write_all(wasm).await;
        // Stdin stays open until the process has ended, because the process exits at the end of stdin.
        Ok(stdin)
    };
    let take = async {
        let code = read(stdout, output + 1).await?.0;
        if code.len() as u64 > output { Err(Cut::Output) } else { Ok(code) }
    };
    let listen = async {
        let (said, mut rest) = read(stderr, SAID_BYTES).await?;
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        Ok(said)
    };
    let (_stdin, code, said) = tokio::try_join!(give, take, listen)?;
    Ok((child.wait().await?, code, said))
}

async fn read<R: AsyncRead + Unpin>(from: R, most: u64) -> std::io::Result<(Vec<u8>, R)> {
    let mut content = Vec::new();
    let mut from = from.take(most);
    from.read_to_end(&mut content).await?;
    Ok((content, from.into_inner()))
}

fn judge(status: ExitStatus, code: Vec<u8>, said: &[u8], limits: &CompileLimits) -> Result<Vec<u8>, CompileError> {
    let CompileLimits { cpu, memory, .. } = *limits;
    let text = String::from_utf8_lossy(said);
    if status.success() {
        if !text.is_empty() {
            tracing::warn!(said = last_words(&text), "message of the compiler's process");
        }
        return Ok(code);
    }
    let failure = || serde_json::from_str::<CompileFailure>(text.lines().last()?).ok();
    if status.code() == Some(worker::FAILED.into())
        && let Some(failure) = failure()
    {
        return Err(failure.into_error(memory));
    }
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    if is(Signal::XCPU) {
        return Err(CompileError::Cpu { limit: cpu });
    }
    if is(Signal::ABORT) && text.contains(NO_MEMORY) {
        return Err(CompileError::Memory { limit: memory });
    }
    match status.signal() {
        // These signals are sent by a person or the system. A defect causes other signals.
        Some(signal)
            if [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT].iter().any(|outside| outside.as_raw() == signal) =>
        {
            Err(CompileError::Killed { signal })
        }
        Some(signal) => Err(CompileError::Crashed { how: format!("signal {signal}"), said: last_words(&text) }),
        None => Err(CompileError::Crashed { how: format!("exit code {}", status.code().unwrap_or(-1)), said: last_words(&text) }),
    }
}

fn last_words(text: &str) -> String {
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(SHOWN_CHARS);
    text.chars().skip(skipped).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
