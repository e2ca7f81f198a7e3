//! Lists the files of the built page, for `include_bytes!`. The list is empty if the page is not built.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

/// The files that `page/build.mjs` writes.
const FILES: [&str; 5] = ["index.html", "app.js", "app.css", "icon.svg", "LICENSES.txt"];

fn main() -> io::Result<()> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let dist = Path::new(&manifest).join("../../page/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut list = String::new();
    if FILES.iter().all(|name| dist.join(name).is_file()) {
        for name in FILES {
            let path = dist.join(name).canonicalize()?;
            let path = path.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))?;
            let _ = write!(list, "({name:?}, include_bytes!({path:?}).as_slice()), ");
        }
    }
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(Path::new(&out).join("files.rs"), format!("[{list}]"))
}
