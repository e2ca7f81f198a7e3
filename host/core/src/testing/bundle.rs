//! Fake of a loaded use case: its plugins are closures.

use std::time::Duration;

use crate::plugin::{Acceptance, Job, JobResult, PluginError, Role, Stopped, ValidateInput, Verdict};
use crate::ports::Bundle;
use crate::use_case::UseCase;

type Validate = dyn Fn(ValidateInput) -> Result<Verdict, PluginError> + Send + Sync;
type Process = dyn Fn(Job) -> Result<JobResult, PluginError> + Send + Sync;

/// A loaded use case with a real manifest and closures as plugins. By default the validator accepts and the processor succeeds.
pub struct FakeBundle {
    use_case: UseCase,
    version: String,
    validate: Box<Validate>,
    process: Box<Process>,
}

impl FakeBundle {
    /// Creates a bundle from the text of a manifest.
    ///
    /// # Panics
    /// If the manifest is not valid.
    pub fn new(version: &str, manifest: &str) -> Self {
        let use_case = UseCase::parse_stored(manifest).unwrap_or_else(|error| panic!("the test's manifest is not valid: {error}"));
        Self {
            use_case,
            version: version.to_owned(),
            validate: Box::new(|_| Ok(Ok(Acceptance::default()))),
            process: Box::new(|_| Ok(Ok(None))),
        }
    }

    #[must_use]
    pub fn on_validate(mut self, validate: impl Fn(ValidateInput) -> Result<Verdict, PluginError> + Send + Sync + 'static) -> Self {
        self.validate = Box::new(validate);
        self
    }

    #[must_use]
    pub fn on_process(mut self, process: impl Fn(Job) -> Result<JobResult, PluginError> + Send + Sync + 'static) -> Self {
        self.process = Box::new(process);
        self
    }

    /// Returns the error of a call that the host stopped, with the guest's last lines on stderr.
    pub fn stopped(&self, role: Role, reason: Stopped, stderr: &[&str]) -> PluginError {
        PluginError {
            use_case: self.use_case.name.clone(),
            role,
            version: self.version.clone(),
            reason,
            stderr: stderr.iter().map(|line| (*line).to_owned()).collect(),
        }
    }
}

impl Bundle for FakeBundle {
    fn use_case(&self) -> &UseCase {
        &self.use_case
    }

    fn version(&self) -> &str {
        &self.version
    }

    async fn validate(&self, input: ValidateInput) -> Result<Verdict, PluginError> {
        assert!(self.use_case.validate.is_some(), "the use case has no validate plugin");
        (self.validate)(input)
    }

    async fn process(&self, job: Job, _deadline: Option<Duration>) -> Result<JobResult, PluginError> {
        assert!(self.use_case.process.is_some(), "the use case has no process plugin");
        (self.process)(job)
    }
}
