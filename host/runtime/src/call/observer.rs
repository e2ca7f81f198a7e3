//! Notifies a host of the calls of plugins, for its metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use postdate_core::plugin::{Role, Stopped};

/// A call that began, after its end.
#[derive(Debug, Clone, Copy)]
pub struct EndedCall<'a> {
    pub use_case: &'a str,
    pub role: Role,
    /// Time from taking the slot to the answer.
    pub elapsed: Duration,
    /// Largest total of linear memory during the call, in bytes.
    pub peak_memory: u64,
    /// The reason why the call ended without an answer.
    pub stopped: Option<&'a Stopped>,
}

/// The observer, notified at the end of each call that began.
#[derive(Clone, Default)]
pub struct CallObserver(Option<Arc<Observer>>);

type Observer = dyn Fn(EndedCall<'_>) + Send + Sync;

impl CallObserver {
    pub fn to(observer: impl Fn(EndedCall<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    pub(super) fn tell(&self, called: EndedCall<'_>) {
        if let Some(observer) = &self.0 {
            observer(called);
        }
    }
}

impl fmt::Debug for CallObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "CallObserver(observed)" } else { "CallObserver" })
    }
}
