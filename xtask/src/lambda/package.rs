//! The zip of a function, whose only file is the program, `bootstrap`.

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::shown;
use crate::glibc::newest_glibc;

/// Minor version of glibc 2 in Amazon Linux 2023: <https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html>.
const LAMBDA_GLIBC: u32 = 34;

/// Target triples, and their `e_machine` in an ELF header, from the System V ABI.
const MACHINES: [(&str, u16); 2] = [("x86_64-unknown-linux-gnu", 62), ("aarch64-unknown-linux-gnu", 183)];

/// Effort of the compression, as a level of the crate `zip`.
#[derive(Debug, Clone, Copy)]
pub enum Effort {
    /// zlib's best: a second for each function.
    Quick = 9,
    /// Five rounds of zopfli, which takes most of a minute for each function and saves 2 % of the zip.
    Smallest = 14,
}

/// Sizes in bytes.
pub struct Size {
    pub program: usize,
    pub zip: usize,
}

/// Writes `NAME.zip` to `out` for each program, all at the same time. Returns their sizes in the same order.
///
/// # Errors
/// If a program would not start on Lambda: it is for another architecture, or needs a newer glibc.
pub fn package(programs: &[(&str, PathBuf)], out: &Path, triple: &str, effort: Effort) -> Result<Vec<Size>> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    thread::scope(|scope| {
        let pack = |name: &str, program| package_one(program, &out.join(name).with_extension("zip"), triple, effort);
        let packing: Vec<_> = programs.iter().map(|(name, program)| scope.spawn(move || pack(name, program))).collect();
        packing.into_iter().map(|zip| zip.join().map_err(|_| anyhow!("the packing of a zip panicked"))?).collect()
    })
}

fn package_one(program: &Path, zip: &Path, triple: &str, effort: Effort) -> Result<Size> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", shown(program)))?;
    check(&bytes, triple).with_context(|| format!("{} would not start on Lambda", shown(program)))?;
    let packed = packed(&bytes, effort)?;
    fs::write(zip, &packed).with_context(|| format!("cannot write {}", shown(zip)))?;
    Ok(Size { program: bytes.len(), zip: packed.len() })
}

/// Returns the bytes of the zip. The zip has no time and no owner, so that the same program gives the same bytes, and a deployment
/// detects no change.
fn packed(program: &[u8], effort: Effort) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(effort as i64))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options)?;
    zip.write_all(program)?;
    Ok(zip.finish()?.into_inner())
}

fn check(program: &[u8], triple: &str) -> Result<()> {
    let machine = MACHINES.iter().find(|(known, _)| *known == triple).map(|(_, machine)| *machine);
    let found = program.strip_prefix(b"\x7fELF").and_then(|rest| rest.get(14..16)).map(|two| u16::from_le_bytes([two[0], two[1]]));
    if found.is_none() || found != machine {
        bail!("it is no program for {triple}: build it for that target");
    }
    let newest = newest_glibc(program);
    if newest > LAMBDA_GLIBC {
        bail!(
            "it needs glibc 2.{newest}, and provided.al2023 has 2.{LAMBDA_GLIBC}: build it through `cargo lambda`, or on an older system"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
