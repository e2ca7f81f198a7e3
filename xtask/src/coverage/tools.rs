//! llvm-profdata and llvm-cov, of rustc's LLVM version: the format of the counters differs between versions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::step::{output, step};

pub struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    /// Finds the tools.
    ///
    /// # Errors
    /// If one is missing; the error names the package to install.
    pub fn find() -> Result<Self> {
        let about = output(Command::new("rustc").arg("-vV")).context("cannot read the version of rustc")?;
        let line = |start: &str| about.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default();
        let (host, major) = (line("host: "), line("LLVM version: ").split('.').next().unwrap_or_default());
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"])).context("cannot read the sysroot of rustc")?;
        let component = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin");
        let tool = |name: &str| {
            let places = [component.join(name), PathBuf::from(format!("{name}-{major}")), PathBuf::from(name)];
            let found = places.into_iter().find(|tool| is_of(tool, major));
            found.with_context(|| {
                format!(
                    "{name} of LLVM {major}, rustc's version, is missing: rustup component add llvm-tools, or apt-get install llvm-{major}"
                )
            })
        };
        Ok(Self { profdata: tool("llvm-profdata")?, cov: tool("llvm-cov")? })
    }

    /// Sums the counters in `directory`, writes the report of the `sources` to `lcov.info` there, and returns it.
    pub fn report(&self, directory: &Path, programs: &[&Path], sources: &[PathBuf]) -> Result<String> {
        let (merged, lcov) = (directory.join("merged.profdata"), directory.join("lcov.info"));
        let entries = fs::read_dir(directory)?.filter_map(Result::ok).map(|entry| entry.path());
        let raw: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "profraw")).collect();
        if raw.is_empty() {
            bail!("the tests left no counters in {}", directory.display());
        }
        step("Adding up the counters", Command::new(&self.profdata).args(["merge", "-sparse", "-o"]).arg(&merged).args(&raw))?;
        for file in raw {
            fs::remove_file(file)?;
        }
        let mut report = String::new();
        let mut unread = Vec::new();
        // One run for each source: llvm-cov 22 crashes on some files, and then reports no file of that run.
        for source in sources {
            let mut export = Command::new(&self.cov);
            export.args(["export", "-format=lcov"]).arg(format!("-instr-profile={}", merged.display()));
            // The first program is an argument without `-object`, before the source.
            for (number, program) in programs.iter().enumerate() {
                if number > 0 {
                    export.arg("-object");
                }
                export.arg(program);
            }
            match output(export.arg(source)) {
                Some(exported) => report.extend([&exported, "\n"]),
                None => unread.push(source.display().to_string()),
            }
        }
        if unread.len() == sources.len() {
            bail!("{} could read none of the sources", self.cov.display());
        }
        for source in unread {
            println!("not counted, because llvm-cov fails on it: {source}");
        }
        fs::write(&lcov, &report).with_context(|| format!("cannot write {}", lcov.display()))?;
        Ok(report)
    }
}

fn is_of(tool: &Path, major: &str) -> bool {
    let says = output(Command::new(tool).arg("--version")).unwrap_or_default();
    says.split_whitespace().any(|word| word.split('.').next() == Some(major))
}
