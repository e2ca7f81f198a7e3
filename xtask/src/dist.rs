//! `cargo xtask dist`: `postdate` as it ships: a tarball, a wheel and an image of one program, with licences, SBOM and checksums.

mod build;
mod image;
mod notices;
mod pages;
mod platform;
mod tarball;
mod wheel;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::step::{asks_for_help, root, target};
use platform::Platform;

const HELP: &str = "\
cargo xtask dist [--target TRIPLE] [--binary FILE] [--only PARTS] [--out DIR]

Builds `postdate` with the profile `dist`, and writes to DIR (default target/dist):
  postdate-VERSION-TRIPLE.tar.gz       program, completions, man pages, licences and SBOM
  postdate-VERSION-py3-none-TAG.whl    the program for pip and uv
  postdate-VERSION-ARCH-image.tar.gz   an image for docker and podman; on Linux as root, for this machine's architecture
  SHA256SUMS                           checksums of all packages of this version in DIR

--target is x86_64-unknown-linux-gnu, aarch64-unknown-linux-gnu, x86_64-apple-darwin or aarch64-apple-darwin; this machine's by
  default. A build for Linux runs on glibc 2.28 and later: zig links it. Another architecture than this machine's needs
  `rustup target add TRIPLE`, and a build for macOS a Mac.
--binary packs this program, and builds none.
--only makes some of the parts, with commas between them: notices (licences and SBOM), tarball, wheel, image. Without `notices`, the
  tarball and the wheel have none, and must not be published.

Tools come from the package indexes of Python and Rust at pinned versions, into target/dist-tools, and from Debian's packages.
The first run takes about an hour on two cores; cargo-about and cargo-cyclonedx are compiled too.";

/// A part of the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Notices,
    Tarball,
    Wheel,
    Image,
}

const PARTS: [(&str, Part); 4] = [("notices", Part::Notices), ("tarball", Part::Tarball), ("wheel", Part::Wheel), ("image", Part::Image)];

struct Arguments {
    platform: Platform,
    binary: Option<PathBuf>,
    parts: Vec<Part>,
    out: PathBuf,
}

/// The content of the packages.
struct Release<'a> {
    /// The program, stripped.
    program: &'a Path,
    platform: Platform,
    /// Files for `share/`: paths below it, and contents.
    shared: Vec<(String, Vec<u8>)>,
    /// Licences of the dependencies and the SBOM: names and contents.
    notices: Vec<(String, Vec<u8>)>,
}

/// Version of all packages: that of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    if asks_for_help(&arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let Arguments { platform, binary, parts, out } = parse(arguments)?;
    let has = |part| parts.contains(&part);
    let program = match binary {
        Some(binary) => binary,
        None => build::program(platform)?,
    };
    let notices = if has(Part::Notices) { notices::all(platform)? } else { Vec::new() };
    if notices.is_empty() {
        eprintln!("==> The packages have neither the licences of the dependencies nor an SBOM: do not publish them");
    }
    let release = Release { program: &program, platform, shared: pages::of(&program)?, notices };
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut made = Vec::new();
    if has(Part::Tarball) {
        made.push(tarball::write(&release, &out)?);
    }
    if has(Part::Wheel) {
        made.push(wheel::write(&release, &out)?);
    }
    if has(Part::Image) {
        made.push(image::write(&release, &out)?);
    }
    let sums = packages(&out)?.iter().map(|file| sum(file)).collect::<Result<String>>()?;
    fs::write(out.join("SHA256SUMS"), &sums).with_context(|| format!("cannot write to {}", out.display()))?;
    println!("{:<60} {:>12}", format!("In {}", out.display()), "bytes");
    for file in [program.as_path()].into_iter().chain(made.iter().map(PathBuf::as_path)) {
        let bytes = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
        println!("{:<60} {bytes:>12}", file.file_name().unwrap_or_default().display());
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(arguments: Vec<OsString>) -> Result<Arguments> {
    let (mut platform, mut binary, mut only, mut out) = (None, None, None, target().join("dist"));
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("target") => platform = Some(Platform::parse(&parser.value()?.to_string_lossy())?),
            lexopt::Arg::Long("binary") => binary = Some(env::current_dir()?.join(parser.value()?)),
            lexopt::Arg::Long("only") => only = Some(parts(&parser.value()?.to_string_lossy())?),
            lexopt::Arg::Long("out") => out = env::current_dir()?.join(parser.value()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let platform = platform.map_or_else(Platform::own, Ok)?;
    let parts = match only {
        Some(parts) => parts,
        None => PARTS.iter().map(|(_, part)| *part).filter(|part| *part != Part::Image || image::is_possible(platform)).collect(),
    };
    Ok(Arguments { platform, binary, parts, out })
}

/// Parses the value of `--only`.
fn parts(list: &str) -> Result<Vec<Part>> {
    let part = |name: &str| {
        let known = PARTS.iter().find(|(known, _)| *known == name);
        known.map(|(_, part)| *part).with_context(|| format!("there is no part `{name}`: give {}", PARTS.map(|(name, _)| name).join(", ")))
    };
    list.split(',').map(part).collect()
}

/// Returns the packages of this version in a directory, also those of earlier runs, in the order of their names.
fn packages(out: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<PathBuf>, _>>()?;
    let is_of_version =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("postdate-{VERSION}-")));
    let mut packages: Vec<PathBuf> = paths.into_iter().filter(is_of_version).collect();
    packages.sort();
    Ok(packages)
}

/// Returns a line of `SHA256SUMS`, which `sha256sum --check` reads.
fn sum(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let digest: Vec<String> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}  {}\n", digest.concat(), file.file_name().unwrap_or_default().display()))
}

/// Returns an emptied directory below `target/dist-work`.
fn emptied(name: &str) -> Result<PathBuf> {
    let directory = target().join("dist-work").join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot empty {}", directory.display()))?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// Returns the directory of the tools.
fn tools() -> PathBuf {
    target().join("dist-tools")
}

/// Reads a file of the repository.
fn read(path: &str) -> Result<Vec<u8>> {
    fs::read(root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// Writes a file, and makes the directories above it.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(path, content)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Fails unless a part can be made on this system.
fn require(is_possible: bool, reason: &str) -> Result<()> {
    if is_possible { Ok(()) } else { bail!("{reason}") }
}

#[cfg(test)]
mod tests;
