//! What `postdate plugin new` writes: files of this repository, compiled in.

use clap::ValueEnum;
use postdate_toolchains::wit;

use crate::schema;

/// A language that there are templates and a toolchain for.
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
    // Under another name in the repository, where it would be one.
    ".gitignore" = "templates/common/gitignore",
    "cases/accepts-a-message.toml" = "templates/common/cases/accepts-a-message.toml",
    "cases/fails-without-a-message.toml" = "templates/common/cases/fails-without-a-message.toml",
    "cases/rejects-a-long-message.toml" = "templates/common/cases/rejects-a-long-message.toml",
    "cases/rejects-an-empty-message.toml" = "templates/common/cases/rejects-an-empty-message.toml",
    "cases/reminds-at-its-time.toml" = "templates/common/cases/reminds-at-its-time.toml",
};

const RUST: Files = files! {
    "Cargo.toml" = "templates/rust/Cargo.toml",
    // The plugins' own: cargo takes out what is not needed, and keeps the versions that Postdate is tested with.
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
    // The example's own, so that the versions are those that Postdate is tested with.
    "package.json" = "../../plugins/examples/orders-js/package.json",
    "package-lock.json" = "../../plugins/examples/orders-js/package-lock.json",
    "src/guarded.js" = "../../plugins/examples/orders-js/src/guarded.js",
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

    /// What stands for each `{{word}}` of a template.
    fn words(self, name: &str) -> [(&'static str, &str); 5] {
        let (language, extension, limits, files) = match self {
            Self::Rust => (
                "Rust",
                "rs",
                // Enough for it, and little else: the defaults are generous.
                "memory = \"16MiB\"\ntimeout = \"200ms\"\n",
                "| `vendor/`, `wit/` | the SDK and the plugin contract, as of the `postdate` that made this project |",
            ),
            Self::JavaScript => {
                ("JavaScript", "js", "", "| `wit/` | the plugin contract; `world.wit` says what the component exports and imports |")
            }
            Self::Python => (
                "Python",
                "py",
                "",
                "| `src/postdate_http.py` | HTTP requests, for processors with `allow-http` in the manifest |\n\
                 | `wit/` | the plugin contract; `world.wit` says what the component exports and imports |",
            ),
        };
        [("name", name), ("language", language), ("extension", extension), ("limits", limits), ("files", files)]
    }
}

/// Every file of a new project, by its path inside it.
pub fn project(name: &str, language: Language) -> Vec<(String, String)> {
    let words = language.words(name);
    let filled = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(&format!("{{{{{word}}}}}"), value));
    // The files of this language are templates only where they come from the templates' directory, but none of the others
    // holds such a word.
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
