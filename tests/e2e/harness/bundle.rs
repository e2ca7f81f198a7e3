//! Use cases on disk, made by the test from the guests that `cargo xtask plugins` built.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The main part of a manifest whose two plugins do what the body says: see `tests/guests/puppet`.
pub const PUPPET: &str = "
[validate]
plugin = 'puppet.wasm'
memory = '32MiB'
timeout = '2s'
[process]
plugin = 'puppet.wasm'
memory = '32MiB'
timeout = '2s'
";

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a directory of the repository")
}

/// A guest's component.
pub fn guest(name: &str) -> PathBuf {
    let components = std::env::var_os("POSTDATE_GUESTS").map_or_else(|| root().join("target/guests/components"), PathBuf::from);
    let path = components.join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is not built: run cargo xtask test", path.display());
    path
}

/// A directory of bundles, as `postdate serve --use-cases` takes it.
pub struct UseCases {
    dir: TempDir,
}

impl UseCases {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn bundle(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a bundle: the manifest, after its name, and the guests that it names. The manifest comes last, so that
    /// a server that looks meanwhile sees no bundle yet, or the old one.
    pub fn write(&self, name: &str, manifest: &str) {
        let bundle = self.bundle(name);
        std::fs::create_dir_all(&bundle).expect("the bundle's directory");
        for component in ["puppet", "minimal-validate", "minimal-process", "wrong-version"] {
            let file = format!("{component}.wasm");
            if manifest.contains(&file) && !bundle.join(&file).exists() {
                std::fs::copy(guest(component), bundle.join(&file)).expect("a copy of the guest");
            }
        }
        self.write_file(name, "use-case.toml", format!("name = '{name}'\n{manifest}"));
    }

    /// Replaces a file of a bundle in one step.
    pub fn write_file(&self, name: &str, file: &str, content: impl AsRef<[u8]>) {
        let draft = self.path().join(format!(".{name}-{file}"));
        std::fs::write(&draft, content).expect("the draft");
        std::fs::rename(&draft, self.bundle(name).join(file)).expect("the file's place");
    }

    /// A copy of one of the repository's sample bundles, with another port where the sample says 9000.
    pub fn copy_sample(&self, name: &str, port: u16) {
        let samples = std::env::var_os("POSTDATE_USE_CASES").map_or_else(|| root().join("use-cases"), PathBuf::from);
        copy_directory(&samples.join(name), &self.bundle(name));
        let manifest = std::fs::read_to_string(self.bundle(name).join("use-case.toml")).expect("the sample's manifest");
        self.write_file(name, "use-case.toml", manifest.replace(":9000", &format!(":{port}")));
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_dir_all(self.bundle(name)).expect("the bundle goes");
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the copy's directory");
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).expect("a copy");
        }
    }
}
