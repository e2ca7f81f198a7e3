//! AWS's own models of its services, as botocore has them: the operations, and the input that each takes. Every call of a test is
//! read and checked by them.
//!
//! Not checked, because the models do not state it or the project sends none: bodies in XML (S3 sends objects only), headers
//! beyond those of the model, the size of binary values, patterns with look-ahead (see `uncheckable` in the tests), and answers.
//! `lawful` has the rules that stand only in the documentation.

mod check;
mod read;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::tools;

pub use read::{Call, read};

/// Service of the signature's scope, and its directory in botocore's data.
const SERVICES: [(&str, &str); 11] = [
    ("cloudformation", "cloudformation"),
    ("dynamodb", "dynamodb"),
    ("events", "events"),
    ("lambda", "lambda"),
    ("s3", "s3"),
    ("scheduler", "scheduler"),
    ("secretsmanager", "secretsmanager"),
    ("sns", "sns"),
    ("sqs", "sqs"),
    ("ssm", "ssm"),
    ("states", "stepfunctions"),
];

/// The model of one service.
#[derive(Debug)]
pub struct Model(Value);

impl Model {
    /// Returns a service's model by the name in the signature's scope. `None` for a service that no test used so far: add it to
    /// `SERVICES`.
    pub fn of(service: &str) -> Option<&'static Self> {
        static MODELS: Mutex<BTreeMap<&str, &Model>> = Mutex::new(BTreeMap::new());
        let (name, directory) = SERVICES.iter().find(|(name, _)| *name == service)?;
        let mut models = MODELS.lock().unwrap_or_else(PoisonError::into_inner);
        // Each model is read once in the life of the process.
        Some(models.entry(name).or_insert_with(|| Box::leak(Box::new(Self::load(directory)))))
    }

    #[track_caller]
    fn load(directory: &str) -> Self {
        let versions = tools::site_packages().join("botocore/data").join(directory);
        let all = std::fs::read_dir(&versions).unwrap_or_else(|error| panic!("{}: {error}", versions.display()));
        let newest = all.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).max().expect("a version");
        let file = std::fs::File::open(newest.join("service-2.json.gz")).expect("the model");
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    /// Returns `json`, `query`, `rest-json` or `rest-xml`.
    fn protocol(&self) -> &str {
        self.metadata("protocol")
    }

    fn metadata(&self, name: &str) -> &str {
        self.0["metadata"][name].as_str().unwrap_or_default()
    }

    fn operation(&self, name: &str) -> Option<&Value> {
        self.0["operations"].get(name)
    }

    /// Returns the shape of an operation's input. Null for an operation without input.
    fn input(&self, operation: &Value) -> &Value {
        operation["input"]["shape"].as_str().map_or(&Value::Null, |name| self.shape(name))
    }

    fn shape(&self, name: &str) -> &Value {
        &self.0["shapes"][name]
    }

    /// Returns the shape that a member, an element, a key or a value refers to.
    fn shape_of(&self, reference: &Value) -> &Value {
        reference["shape"].as_str().map_or(&Value::Null, |name| self.shape(name))
    }
}

#[cfg(test)]
mod tests;
