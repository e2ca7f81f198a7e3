//! Name look-ups with a bound. The system's resolver blocks a thread until the name servers answer or its own time limit passes, which
//! takes half a minute by default. The threads are not those of the async runtime, so that look-ups delay neither file access nor a stop.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::Unreachable;

/// Look-ups of one process at the same time, those included that nobody waits for any longer.
pub const LOOK_UPS: usize = 32;
/// Look-ups of one use case at the same time. Further ones of the same use case wait.
const SHARE: usize = 8;
/// Longest wait of a caller, for its turn and for the answer together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the addresses of a name, with the given port. May block.
pub type LookUp = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Asks the system's resolver.
pub fn system(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((name, port).to_socket_addrs()?.collect())
}

pub struct Names {
    look_up: LookUp,
    patience: Duration,
    all: Arc<Semaphore>,
    /// The permits of each use case with a look-up that runs or waits.
    shares: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Names {
    pub fn new(look_up: LookUp) -> Self {
        Self { look_up, patience: PATIENCE, all: Arc::new(Semaphore::new(LOOK_UPS)), shares: Mutex::default() }
    }

    /// Looks a name up on a thread of its own. A look-up that the caller no longer waits for holds its permits until it ends.
    pub async fn look_up(&self, use_case: &str, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
        let end = Instant::now() + self.patience;
        let late = || Unreachable::Late { host: host.to_owned(), patience: self.patience };
        let failed = |error| Unreachable::LookUp { host: host.to_owned(), error };
        let share = timeout_at(end, self.share(use_case).acquire_owned()).await.map_err(|_| late())?;
        let one = timeout_at(end, Arc::clone(&self.all).acquire_owned()).await;
        let one = one.map_err(|_| Unreachable::Busy { host: host.to_owned() })?;
        let answer = self.start((share, one), host, port).map_err(failed)?;
        // The thread answers, unless it panicked.
        let found = timeout_at(end, answer).await.map_err(|_| late())?;
        found.unwrap_or_else(|_| Err(io::Error::other("the look-up was cut off"))).map_err(failed)
    }

    fn start(&self, permits: impl Send + 'static, host: &str, port: u16) -> io::Result<oneshot::Receiver<io::Result<Vec<SocketAddr>>>> {
        let (answer, receiver) = oneshot::channel();
        let (look_up, host) = (Arc::clone(&self.look_up), host.to_owned());
        std::thread::Builder::new().name("name-look-up".into()).spawn(move || {
            let found = look_up(&host, port);
            drop(permits);
            // The caller may have stopped waiting.
            let _ = answer.send(found);
        })?;
        Ok(receiver)
    }

    fn share(&self, use_case: &str) -> Arc<Semaphore> {
        // The map is valid after each step, also after a panic of a holder.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(use_case).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(SHARE));
        shares.insert(use_case.to_owned(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests;
