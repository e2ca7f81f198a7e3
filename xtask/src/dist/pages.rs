//! Completions and man pages, which the program writes itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::emptied;
use crate::{
    build::{self, SERVER},
    step::{output, step},
};

/// Shells, and the places where each looks for completions below `share/`.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/postdate"),
    ("zsh", "zsh/site-functions/_postdate"),
    ("fish", "fish/vendor_completions.d/postdate.fish"),
];

/// Returns the files for `share/`. If the program does not run here, since it is for another platform, a development build of the same
/// sources writes them.
pub fn of(program: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let runs = output(Command::new(program).arg("--version")).is_some();
    let program = if runs {
        program.to_owned()
    } else {
        build::server(&SERVER)?;
        build::host()
    };
    let mut files = Vec::new();
    for (shell, place) in COMPLETIONS {
        files.push((place.to_owned(), completions(&program, shell)?));
    }
    let directory = emptied("man")?;
    step("Writing the man pages", Command::new(&program).arg("man-pages").arg(&directory))?;
    let mut pages: Vec<PathBuf> = fs::read_dir(&directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    pages.sort();
    for page in pages {
        let name = page.file_name().unwrap_or_default().display().to_string();
        files.push((format!("man/man1/{name}"), fs::read(&page)?));
    }
    Ok(files)
}

fn completions(program: &Path, shell: &str) -> Result<Vec<u8>> {
    let output = Command::new(program).args(["completions", shell]).output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() || output.stdout.is_empty() {
        bail!("{} completions {shell}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
