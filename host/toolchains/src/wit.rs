//! The WIT interfaces of plugins, as a directory that component toolchains read.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// World in [`FILES`] of a component that is both validator and processor.
pub const WORLD: &str = "bundle";

/// The plugin contract.
pub const CONTRACT: &str = include_str!("../../../wit/postdate.wit");

/// Paths inside the directory, and contents.
pub const FILES: [(&str, &str); 6] = [
    ("world.wit", include_str!("../wit/world.wit")),
    ("deps/postdate/postdate.wit", CONTRACT),
    ("deps/config/config.wit", include_str!("../../../plugins/sdk/wit/config.wit")),
    ("deps/http/http.wit", include_str!("../wit/http.wit")),
    ("deps/io/io.wit", include_str!("../wit/io.wit")),
    ("deps/clocks/clocks.wit", include_str!("../wit/clocks.wit")),
];

/// Writes the directory. Does not touch a file whose content is the same.
pub fn write(directory: &Path) -> Result<()> {
    for (name, content) in FILES {
        let path = directory.join(name);
        if fs::read_to_string(&path).is_ok_and(|existing| existing == content) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap_or(directory))
            .and_then(|()| fs::write(&path, content))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
