//! A use case whose plugins are closures.

use std::time::Duration;

use crate::plugin::{Acceptance, Job, JobResult, PluginError, Role, Stopped, ValidateInput, Verdict};
use crate::ports::Bundle;
use crate::use_case::UseCase;

type Validate = dyn Fn(ValidateInput) -> Result<Verdict, PluginError> + Send + Sync;
type Process = dyn Fn(Job) -> Result<JobResult, PluginError> + Send + Sync;

/// A loaded use case: a real manifest, with closures for its plugins. Unless told otherwise they say yes.
pub struct FakeBundle {
    use_case: UseCase,
    version: String,
    validate: Box<Validate>,
    process: Box<Process>,
}

impl FakeBundle {
    /// # Panics
    /// Where the manifest is faulty: the test that wrote it is.
    pub fn new(version: &str, manifest: &str) -> Self {
        let use_case = UseCase::parse(manifest).unwrap_or_else(|error| panic!("the test's manifest is faulty: {error}"));
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

    /// What a call of this bundle ends with when it is stopped, with the guest's last lines on stderr.
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
        assert!(self.use_case.validate.is_some(), "there is no validate plugin to call");
        (self.validate)(input)
    }

    async fn process(&self, job: Job, _deadline: Option<Duration>) -> Result<JobResult, PluginError> {
        assert!(self.use_case.process.is_some(), "there is no process plugin to call");
        (self.process)(job)
    }
}
