//! Loads in progress. They run concurrently, so a load that compiles for minutes delays no other.

use std::sync::Arc;

use chrono::Utc;
use postdate_core::ports::{Update, UpdateState};
use postdate_core::time::rfc3339;
use postdate_runtime::LoadedBundle;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::Found;

type Loaded = anyhow::Result<Arc<LoadedBundle>>;

/// All loads in progress. Dropping this value cancels them and stops the compilers that they wait for.
#[derive(Default)]
pub struct Loads(JoinSet<Loaded>);

/// A handle on one load, kept with its use case.
pub struct Loading {
    /// The upload for which the load was started.
    pub of: Found,
    /// Start of the load, in RFC 3339.
    since: String,
    task: AbortHandle,
}

impl Loading {
    pub fn id(&self) -> Id {
        self.task.id()
    }

    /// Cancels the load.
    pub fn give_up(&self) {
        self.task.abort();
    }

    pub fn update(&self) -> Update {
        Update { state: UpdateState::Loading, since: self.since.clone() }
    }
}

impl Loads {
    pub fn start(&mut self, of: Found, load: impl Future<Output = Loaded> + Send + 'static) -> Loading {
        Loading { of, since: rfc3339(Utc::now()), task: self.0.spawn(load) }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the next load that ends, or `None` if none is in progress. Cancel-safe.
    pub async fn next(&mut self) -> Option<(Id, Loaded)> {
        loop {
            match self.0.join_next_with_id().await? {
                Ok(ended) => return Some(ended),
                Err(error) if error.is_panic() => {
                    let what = "loading it made the host panic, which is a defect of the host: please report it with the bundle";
                    return Some((error.id(), Err(anyhow::anyhow!(what))));
                }
                // The load was cancelled.
                Err(_) => {}
            }
        }
    }
}
