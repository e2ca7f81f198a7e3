//! The files that `postdate plugin new` writes, which are compiled in from this repository.

use anyhow::bail;
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

/// The kind of a new project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Sends a reminder: a validator with a limit from config, a processor with a result
    Reminder,
    /// Sends an event to a webhook with a secret header, for clients that have a key
    WebhookWithAuth,
    /// The reference pair, in Rust: a validator by a JSON Schema, and one HTTP request from templates, without code of yours
    JsonSchema,
    /// Accepts every body, and does nothing
    Blank,
}

type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($($path:literal = $from:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../../", $from)))),*] };
}

/// Files of every project. `.gitignore` has another name in the repository, where git would obey it.
const COMMON: Files = files! { ".gitignore" = "templates/common/gitignore" };

/// The README of every template with sources.
const README: Files = files! { "README.md" = "templates/common/README.md" };

const REMINDER: Files = files! {
    "use-case.toml" = "templates/reminder/use-case.toml",
    "schema.json" = "templates/reminder/schema.json",
    "cases/accepts-a-message.toml" = "templates/reminder/cases/accepts-a-message.toml",
    "cases/fails-without-a-message.toml" = "templates/reminder/cases/fails-without-a-message.toml",
    "cases/rejects-a-long-message.toml" = "templates/reminder/cases/rejects-a-long-message.toml",
    "cases/rejects-an-empty-message.toml" = "templates/reminder/cases/rejects-an-empty-message.toml",
    "cases/reminds-at-its-time.toml" = "templates/reminder/cases/reminds-at-its-time.toml",
};

const WEBHOOK_WITH_AUTH: Files = files! {
    "use-case.toml" = "templates/webhook-with-auth/use-case.toml",
    "schema.json" = "templates/webhook-with-auth/schema.json",
    "cases/accepts-an-event.toml" = "templates/webhook-with-auth/cases/accepts-an-event.toml",
    "cases/asks-for-a-retry-when-told-to-wait.toml" = "templates/webhook-with-auth/cases/asks-for-a-retry-when-told-to-wait.toml",
    "cases/gives-up-on-a-refusal.toml" = "templates/webhook-with-auth/cases/gives-up-on-a-refusal.toml",
    "cases/rejects-a-missing-key.toml" = "templates/webhook-with-auth/cases/rejects-a-missing-key.toml",
    "cases/rejects-a-wrong-key.toml" = "templates/webhook-with-auth/cases/rejects-a-wrong-key.toml",
    "cases/rejects-an-empty-key-that-is-not-set.toml" = "templates/webhook-with-auth/cases/rejects-an-empty-key-that-is-not-set.toml",
    "cases/rejects-an-event-without-a-name.toml" = "templates/webhook-with-auth/cases/rejects-an-event-without-a-name.toml",
    "cases/sends-the-event.toml" = "templates/webhook-with-auth/cases/sends-the-event.toml",
};

const BLANK: Files = files! {
    "use-case.toml" = "templates/blank/use-case.toml",
    "schema.json" = "templates/blank/schema.json",
    "cases/accepts-a-body.toml" = "templates/blank/cases/accepts-a-body.toml",
    "cases/succeeds.toml" = "templates/blank/cases/succeeds.toml",
};

/// The reference pair is a workspace of the crates of plugins/. The unit tests of a crate are not part of it.
const JSON_SCHEMA: Files = files! {
    "use-case.toml" = "templates/json-schema/use-case.toml",
    "schema.json" = "templates/json-schema/schema.json",
    "README.md" = "templates/json-schema/README.md",
    "cases/accepts-an-event.toml" = "templates/json-schema/cases/accepts-an-event.toml",
    "cases/fails-without-a-variable.toml" = "templates/json-schema/cases/fails-without-a-variable.toml",
    "cases/rejects-what-does-not-fit.toml" = "templates/json-schema/cases/rejects-what-does-not-fit.toml",
    "cases/sends-the-event.toml" = "templates/json-schema/cases/sends-the-event.toml",
    "Cargo.toml" = "templates/json-schema/Cargo.toml",
    "vendor/postdate-validate/Cargo.toml" = "../../plugins/validate/Cargo.toml",
    "vendor/postdate-validate/src/lib.rs" = "../../plugins/validate/src/lib.rs",
    "vendor/postdate-validate/src/problems.rs" = "../../plugins/validate/src/problems.rs",
    "vendor/postdate-validate/src/schema.rs" = "../../plugins/validate/src/schema.rs",
    "vendor/postdate-process/Cargo.toml" = "../../plugins/process/Cargo.toml",
    "vendor/postdate-process/src/lib.rs" = "../../plugins/process/src/lib.rs",
    "vendor/postdate-process/src/outcome.rs" = "../../plugins/process/src/outcome.rs",
    "vendor/postdate-process/src/request.rs" = "../../plugins/process/src/request.rs",
    "vendor/postdate-process/src/template.rs" = "../../plugins/process/src/template.rs",
    "vendor/postdate-process/src/template/body.rs" = "../../plugins/process/src/template/body.rs",
    "vendor/postdate-webhooks/Cargo.toml" = "../../plugins/webhooks/Cargo.toml",
    "vendor/postdate-webhooks/src/lib.rs" = "../../plugins/webhooks/src/lib.rs",
    "vendor/postdate-webhooks/src/excerpt.rs" = "../../plugins/webhooks/src/excerpt.rs",
    "vendor/postdate-webhooks/src/retry_after.rs" = "../../plugins/webhooks/src/retry_after.rs",
    "vendor/postdate-webhooks/src/signature.rs" = "../../plugins/webhooks/src/signature.rs",
};

/// Files of every project in Rust.
const RUST_SDK: Files = files! {
    // The lock file of plugins/ has the tested versions; cargo removes the packages that the project does not need.
    "Cargo.lock" = "../../plugins/Cargo.lock",
    "vendor/postdate-plugin/Cargo.toml" = "templates/rust/vendor/postdate-plugin/Cargo.toml",
    // A link to the contract.
    "vendor/postdate-plugin/wit/postdate.wit" = "../../plugins/sdk/wit/postdate.wit",
    "vendor/postdate-plugin/wit/config.wit" = "../../plugins/sdk/wit/config.wit",
    "vendor/postdate-plugin/src/bindings.rs" = "../../plugins/sdk/src/bindings.rs",
    "vendor/postdate-plugin/src/config.rs" = "../../plugins/sdk/src/config.rs",
    "vendor/postdate-plugin/src/export.rs" = "../../plugins/sdk/src/export.rs",
    "vendor/postdate-plugin/src/http.rs" = "../../plugins/sdk/src/http.rs",
    "vendor/postdate-plugin/src/lib.rs" = "../../plugins/sdk/src/lib.rs",
    "vendor/postdate-plugin/src/types.rs" = "../../plugins/sdk/src/types.rs",
};

const RUST: Files = files! {
    "Cargo.toml" = "templates/rust/Cargo.toml",
    "src/lib.rs" = "templates/rust/src/lib.rs",
};

const JAVASCRIPT: Files = files! {
    // The lock file of the example has the tested versions.
    "package.json" = "../../plugins/examples/orders-js/package.json",
    "package-lock.json" = "../../plugins/examples/orders-js/package-lock.json",
    "src/guarded.js" = "../../plugins/sdk-js/guarded.js",
    "src/http.js" = "../../plugins/sdk-js/http.js",
    "src/plugin.js" = "../../plugins/examples/orders-js/src/plugin.js",
};

const PYTHON: Files = files! {
    "requirements.txt" = "../../plugins/examples/orders-python/requirements.txt",
    "src/plugin.py" = "templates/python/src/plugin.py",
    "src/postdate_http.py" = "../../plugins/sdk-python/postdate_http.py",
};

impl Template {
    /// Returns the manifest, the schema and the cases; for the reference pair its sources, too.
    fn files(self) -> Files {
        match self {
            Self::Reminder => REMINDER,
            Self::WebhookWithAuth => WEBHOOK_WITH_AUTH,
            Self::JsonSchema => JSON_SCHEMA,
            Self::Blank => BLANK,
        }
    }

    /// Returns the sources of both plugins in a language.
    fn sources(self, language: Language) -> Files {
        match (self, language) {
            (Self::Reminder, Language::Rust) => files! {
                "src/validate.rs" = "templates/reminder/rust/validate.rs",
                "src/process.rs" = "templates/reminder/rust/process.rs",
            },
            (Self::Reminder, Language::JavaScript) => files! {
                "src/validate.js" = "templates/reminder/javascript/validate.js",
                "src/process.js" = "templates/reminder/javascript/process.js",
            },
            (Self::Reminder, Language::Python) => files! {
                "src/validate.py" = "templates/reminder/python/validate.py",
                "src/process.py" = "templates/reminder/python/process.py",
            },
            (Self::WebhookWithAuth, Language::Rust) => files! {
                "src/validate.rs" = "templates/webhook-with-auth/rust/validate.rs",
                "src/process.rs" = "templates/webhook-with-auth/rust/process.rs",
            },
            (Self::WebhookWithAuth, Language::JavaScript) => files! {
                "src/validate.js" = "templates/webhook-with-auth/javascript/validate.js",
                "src/process.js" = "templates/webhook-with-auth/javascript/process.js",
            },
            (Self::WebhookWithAuth, Language::Python) => files! {
                "src/validate.py" = "templates/webhook-with-auth/python/validate.py",
                "src/process.py" = "templates/webhook-with-auth/python/process.py",
            },
            (Self::Blank, Language::Rust) => files! {
                "src/validate.rs" = "templates/blank/rust/validate.rs",
                "src/process.rs" = "templates/blank/rust/process.rs",
            },
            (Self::Blank, Language::JavaScript) => files! {
                "src/validate.js" = "templates/blank/javascript/validate.js",
                "src/process.js" = "templates/blank/javascript/process.js",
            },
            (Self::Blank, Language::Python) => files! {
                "src/validate.py" = "templates/blank/python/validate.py",
                "src/process.py" = "templates/blank/python/process.py",
            },
            (Self::JsonSchema, _) => &[],
        }
    }

    /// Returns commands of the README: a call of the validator, the server, and a request.
    fn commands(self, name: &str) -> [(&'static str, String); 3] {
        let [run, serve, post] = match self {
            Self::Reminder => simple(name, r#"{"message": "Water the plants"}"#),
            Self::Blank => simple(name, r#"{"id": 7}"#),
            Self::JsonSchema => simple(name, r#"{"event": "order.paid", "data": {"order": 17}}"#),
            Self::WebhookWithAuth => [
                "SECRET_CLIENT_KEY=letmein postdate plugin run validate . --header x-client-key:letmein --body '{\"event\": \"order.paid\"}'"
                    .to_owned(),
                "SECRET_CLIENT_KEY=letmein SECRET_WEBHOOK_TOKEN=s3cret postdate serve --use-cases ../use-cases &\npostdate listen &    # a receiver"
                    .to_owned(),
                format!(
                    "curl http://127.0.0.1:8080/requests/{name} -H 'x-client-key: letmein' --json '{{\"delay\": \"PT5S\", \"event\": \"order.paid\"}}'"
                ),
            ],
        };
        [("run", run), ("serve", serve), ("post", post)]
    }
}

fn simple(name: &str, body: &str) -> [String; 3] {
    [
        format!("postdate plugin run validate . --body '{body}'"),
        "postdate serve --use-cases ../use-cases &".to_owned(),
        format!("postdate request post {name} --in 5s --body '{body}'"),
    ]
}

impl Language {
    /// Returns the files of every project with sources in this language.
    fn files(self) -> [Files; 2] {
        match self {
            Self::Rust => [RUST, RUST_SDK],
            Self::JavaScript => [JAVASCRIPT, &[]],
            Self::Python => [PYTHON, &[]],
        }
    }

    /// Returns the value of each `{{word}}` of a template.
    fn words(self, template: Template) -> [(&'static str, &'static str); 5] {
        let (language, extension, limits, files) = match self {
            Self::Rust => (
                "Rust",
                "rs",
                // Tight limits that the template meets; the defaults are larger.
                "memory = \"16MiB\"\ntimeout = \"200ms\"\n",
                "| `vendor/` | the SDK with the plugin contract, in the version of the `postdate` that wrote this project |",
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
        let features = if template == Template::WebhookWithAuth { ", features = [\"http\"]" } else { "" };
        [("language", language), ("extension", extension), ("limits", limits), ("files", files), ("features", features)]
    }
}

/// Returns the files of a new project: path inside it, and content. Fails if the template is not there in that language.
pub fn project(name: &str, language: Language, template: Template) -> anyhow::Result<Vec<(String, String)>> {
    let shared = match (template, language) {
        (Template::JsonSchema, Language::Rust) => vec![RUST_SDK],
        (Template::JsonSchema, _) => bail!("the template json-schema is the reference pair, which is in Rust only: add --lang rust"),
        _ => [&language.files()[..], &[README]].concat(),
    };
    let own = language.words(template).map(|(word, value)| (word, value.to_owned()));
    let words = own.into_iter().chain(template.commands(name)).chain([("name", name.to_owned())]);
    let words: Vec<(String, String)> = words.map(|(word, value)| (format!("{{{{{word}}}}}"), value)).collect();
    let filled = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    // Files from outside templates/ contain no `{{word}}`, so filling them changes nothing.
    let own = shared.into_iter().chain([COMMON, template.files(), template.sources(language)]).flatten();
    let own = own.map(|(path, text)| ((*path).to_owned(), filled(text)));
    let wit = match language {
        Language::Rust => Vec::new(),
        Language::JavaScript | Language::Python => {
            wit::FILES.iter().map(|(path, text)| (format!("wit/{path}"), (*text).to_owned())).collect()
        }
    };
    let schemas = schema::FILES.iter().map(|(file, text)| (format!("schemas/{file}"), (*text).to_owned()));
    Ok(own.chain(wit).chain(schemas).collect())
}

#[cfg(test)]
mod tests;
