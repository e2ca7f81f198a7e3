//! A loaded bundle that measures its plugins.

use std::time::{Duration, Instant};

use postdate_core::plugin::{Job, JobResult, PluginError, ValidateInput, Verdict};
use postdate_core::ports::Bundle;
use postdate_core::use_case::UseCase;
use postdate_runtime::LoadedBundle;

use crate::metrics::{self, Service, Unit};

/// A [`LoadedBundle`] that writes the metric `PluginMs` for each call.
#[derive(Debug)]
pub struct TimedBundle {
    loaded: LoadedBundle,
    service: Service,
}

impl TimedBundle {
    pub fn new(loaded: LoadedBundle, service: Service) -> Self {
        Self { loaded, service }
    }

    fn measure(&self, since: Instant) {
        let milliseconds = since.elapsed().as_secs_f64() * 1000.0;
        metrics::emit(self.service, Some(&self.use_case().name), &[("PluginMs", milliseconds, Unit::Milliseconds)]);
    }
}

impl Bundle for TimedBundle {
    fn use_case(&self) -> &UseCase {
        self.loaded.use_case()
    }

    fn version(&self) -> &str {
        self.loaded.version()
    }

    async fn validate(&self, input: ValidateInput) -> Result<Verdict, PluginError> {
        let since = Instant::now();
        let verdict = self.loaded.validate(input).await;
        self.measure(since);
        verdict
    }

    async fn process(&self, job: Job, deadline: Option<Duration>) -> Result<JobResult, PluginError> {
        let since = Instant::now();
        let result = self.loaded.process(job, deadline).await;
        self.measure(since);
        result
    }
}
