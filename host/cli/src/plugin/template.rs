//! The files that `postdate plugin new` writes, which are compiled in from this repository.

use clap::ValueEnum;
use postdate_toolchains::wit;

use crate::schema;

/// A language with templates and a toolchain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    #[value(alias = "py")]
    Python,
}

type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($($path:literal = $from:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../../", $from)))),*] };
}

const COMMON: Files = files! {
    "use-case.toml" = "templates/common/use-case.toml",
    "schema.json" = "templates/common/schema.json",
    "README.md" = "templates/common/README.md",
    // Renamed in the repository, where git would obey it.
    ".gitignore" = "templates/common/gitignore",
    "cases/accepts-a-message.toml" = "templates/common/cases/accepts-a-message.toml",
    "cases/fails-without-a-message.toml" = "templates/common/cases/fails-without-a-message.toml",
    "cases/rejects-a-long-message.toml" = "templates/common/cases/rejects-a-long-message.toml",
    "cases/rejects-an-empty-message.toml" = "templates/common/cases/rejects-an-empty-message.toml",
    "cases/reminds-at-its-time.toml" = "templates/common/cases/reminds-at-its-time.toml",
};

const RUST: Files = files! {
    "Cargo.toml" = "templates/rust/Cargo.toml",
    // The lock file of plugins/ has the tested versions; cargo removes the packages that the project does not need.
    "Cargo.lock" = "../../plugins/Cargo.lock",
    "src/lib.rs" = "templates/rust/src/lib.rs",
    "src/validate.rs" = "templates/rust/src/validate.rs",
    "src/process.rs" = "templates/rust/src/process.rs",
    "vendor/postdate-plugin/Cargo.toml" = "templates/rust/vendor/postdate-plugin/Cargo.toml",
    "vendor/postdate-plugin/wit/config.wit" = "../../plugins/sdk/wit/config.wit",
    "vendor/postdate-plugin/src/bindings.rs" = "../../plugins/sdk/src/bindings.rs",
    "vendor/postdate-plugin/src/config.rs" = "../../plugins/sdk/src/config.rs",
    "vendor/postdate-plugin/src/export.rs" = "../../plugins/sdk/src/export.rs",
    "vendor/postdate-plugin/src/http.rs" = "../../plugins/sdk/src/http.rs",
    "vendor/postdate-plugin/src/lib.rs" = "../../plugins/sdk/src/lib.rs",
    "vendor/postdate-plugin/src/types.rs" = "../../plugins/sdk/src/types.rs",
};

const JAVASCRIPT: Files = files! {
    // The lock file of the example has the tested versions.
    "package.json" = "../../plugins/examples/orders-js/package.json",
    "package-lock.json" = "../../plugins/examples/orders-js/package-lock.json",
    "src/guarded.js" = "../../plugins/examples/orders-js/src/guarded.js",
    "src/http.js" = "templates/javascript/src/http.js",
    "src/plugin.js" = "../../plugins/examples/orders-js/src/plugin.js",
    "src/validate.js" = "templates/javascript/src/validate.js",
    "src/process.js" = "templates/javascript/src/process.js",
};

const PYTHON: Files = files! {
    "requirements.txt" = "../../plugins/examples/orders-python/requirements.txt",
    "src/plugin.py" = "templates/python/src/plugin.py",
    "src/postdate_http.py" = "../../plugins/sdk-python/postdate_http.py",
    "src/validate.py" = "templates/python/src/validate.py",
    "src/process.py" = "templates/python/src/process.py",
};

impl Language {
    fn files(self) -> Files {
        match self {
            Self::Rust => RUST,
            Self::JavaScript => JAVASCRIPT,
            Self::Python => PYTHON,
        }
    }

    /// Returns the value of each `{{word}}` of a template.
    fn words(self, name: &str) -> [(&'static str, &str); 5] {
        let (language, extension, limits, files) = match self {
            Self::Rust => (
                "Rust",
                "rs",
                // Tight limits that the template meets; the defaults are larger.
                "memory = \"16MiB\"\ntimeout = \"200ms\"\n",
                "| `vendor/`, `wit/` | the SDK and the plugin contract, in the version of the `postdate` that wrote this project |",
            ),
            Self::JavaScript => {
                ("JavaScript", "js", "", "| `wit/` | the plugin contract; `world.wit` lists the exports and imports of the component |")
            }
            Self::Python => (
                "Python",
                "py",
                "",
                "| `src/postdate_http.py` | HTTP requests, for processors with `allow-http` in the manifest |\n\
                 | `wit/` | the plugin contract; `world.wit` lists the exports and imports of the component |",
            ),
        };
        [("name", name), ("language", language), ("extension", extension), ("limits", limits), ("files", files)]
    }
}

/// Returns the files of a new project: path inside it, and content.
pub fn project(name: &str, language: Language) -> Vec<(String, String)> {
    let words = language.words(name);
    let filled = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(&format!("{{{{{word}}}}}"), value));
    // Files from outside templates/ contain no `{{word}}`, so filling them changes nothing.
    let own = COMMON.iter().chain(language.files()).map(|(path, text)| ((*path).to_owned(), filled(text)));
    let wit = match language {
        Language::Rust => vec![("wit/postdate.wit".to_owned(), wit::CONTRACT.to_owned())],
        Language::JavaScript | Language::Python => {
            wit::FILES.iter().map(|(path, text)| (format!("wit/{path}"), (*text).to_owned())).collect()
        }
    };
    let schemas = schema::FILES.iter().map(|(file, text)| (format!("schemas/{file}"), (*text).to_owned()));
    own.chain(wit).chain(schemas).collect()
}

#[cfg(test)]
mod tests;
