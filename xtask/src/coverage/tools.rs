//! LLVM's own tools, of the version that rustc's LLVM has: the counters' format changes with it.

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
    /// # Errors
    /// Where they are missing: says what was looked for, and how to get it.
    pub fn find() -> Result<Self> {
        let about = output(Command::new("rustc").arg("-vV")).context("rustc does not say its version")?;
        let line = |start: &str| about.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default();
        let (host, major) = (line("host: "), line("LLVM version: ").split('.').next().unwrap_or_default());
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"])).context("rustc does not say its sysroot")?;
        let component = Path::new(&sysroot).join("lib/rustlib").join(host).join("bin");
        let tool = |name: &str| {
            let places = [component.join(name), PathBuf::from(format!("{name}-{major}")), PathBuf::from(name)];
            let found = places.into_iter().find(|tool| is_of(tool, major));
            found.with_context(|| {
                format!("no {name} of LLVM {major}, which rustc has: rustup component add llvm-tools, or apt-get install llvm-{major}")
            })
        };
        Ok(Self { profdata: tool("llvm-profdata")?, cov: tool("llvm-cov")? })
    }

    /// Adds up the counters in `directory`; leaves `lcov.info` and `html/` there, and returns the former.
    pub fn report(&self, directory: &Path, programs: &[&Path], sources: &[PathBuf], ignored: &str) -> Result<String> {
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
        let cov = |subcommand: &str| {
            let mut cov = Command::new(&self.cov);
            cov.arg(subcommand).arg(format!("-instr-profile={}", merged.display())).arg(format!("-ignore-filename-regex={ignored}"));
            for program in programs {
                cov.arg("-object").arg(program);
            }
            cov
        };
        let exported = cov("export").arg("-format=lcov").args(sources).output().context("cannot start llvm-cov")?;
        if !exported.status.success() {
            bail!("llvm-cov failed ({}): {}", exported.status, String::from_utf8_lossy(&exported.stderr));
        }
        fs::write(&lcov, &exported.stdout).with_context(|| format!("cannot write {}", lcov.display()))?;
        let html = format!("-output-dir={}", directory.join("html").display());
        let mut show = cov("show");
        step("Writing the pages", show.args(["-format=html", "-show-branches=count", &html]).args(sources))?;
        Ok(String::from_utf8_lossy(&exported.stdout).into_owned())
    }
}

fn is_of(tool: &Path, major: &str) -> bool {
    let says = output(Command::new(tool).arg("--version")).unwrap_or_default();
    says.split_whitespace().any(|word| word.split('.').next() == Some(major))
}
