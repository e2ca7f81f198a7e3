//! The wheel: the program as a script of a Python package without any Python.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use postdate_toolchains::python;

use super::{Release, VERSION, emptied, read, tools, write as write_file};
use crate::{
    aws_tools::install_venv,
    step::{root, step},
};

/// Writes the wheel with `wheel pack`, which lists and hashes the files. Returns its path.
pub fn write(release: &Release, out: &Path) -> Result<PathBuf> {
    install_venv()?;
    let environment = python::environment(&tools().join("wheel"), &root().join("xtask/dist/wheel.txt"))?;
    let tag = format!("py3-none-{}", release.platform.wheel_tag(release.program)?);
    let name = format!("postdate-{VERSION}");
    let directory = emptied(&name)?;
    let (data, info) = (directory.join(format!("{name}.data")), directory.join(format!("{name}.dist-info")));
    let program = data.join("scripts/postdate");
    // A copy has the program's permissions.
    fs::create_dir_all(data.join("scripts"))?;
    fs::copy(release.program, &program).with_context(|| format!("cannot copy {}", release.program.display()))?;
    for (place, content) in &release.shared {
        write_file(&data.join("data/share").join(place), content)?;
    }
    write_file(&info.join("METADATA"), metadata(release, &String::from_utf8(read("README.md")?)?).as_bytes())?;
    write_file(&info.join("WHEEL"), format!("Wheel-Version: 1.0\nGenerator: xtask\nRoot-Is-Purelib: false\nTag: {tag}\n").as_bytes())?;
    write_file(&info.join("licenses/LICENSE"), &read("LICENSE")?)?;
    for (name, content) in &release.notices {
        // The place of an SBOM after PEP 770.
        let place = if is_sbom(name) { "sboms" } else { "licenses" };
        write_file(&info.join(place).join(name), content)?;
    }
    let mut pack = environment.program("python");
    // The oldest time that a zip can have, so that the same program gives the same bytes.
    pack.args(["-m", "wheel", "pack"]).arg(&directory).arg("--dest-dir").arg(out).env("SOURCE_DATE_EPOCH", "315532800");
    step("Packing the wheel", &mut pack)?;
    let path = out.join(format!("{name}-{tag}.whl"));
    if !path.is_file() {
        bail!("`wheel pack` has not written {}", path.display());
    }
    Ok(path)
}

fn is_sbom(name: &str) -> bool {
    name.ends_with(".cdx.json")
}

/// Returns the core metadata: <https://packaging.python.org/en/latest/specifications/core-metadata/>.
fn metadata(release: &Release, readme: &str) -> String {
    let headers = [
        ("Metadata-Version", "2.4"),
        ("Name", "postdate"),
        ("Version", VERSION),
        ("Summary", "Send an API request now, have it processed once, later, by a sandboxed plugin."),
        ("Keywords", "scheduler,webhook,webassembly,queue"),
        ("License-Expression", "Apache-2.0"),
        ("License-File", "LICENSE"),
        ("Requires-Python", ">=3.8"),
        ("Description-Content-Type", "text/markdown"),
    ];
    let licences = release.notices.iter().map(|(name, _)| name.as_str()).filter(|name| !is_sbom(name)).map(|name| ("License-File", name));
    let headers: Vec<String> = headers.into_iter().chain(licences).map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{}\n{readme}", headers.concat())
}
