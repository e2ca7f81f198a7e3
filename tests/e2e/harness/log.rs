//! What a server wrote to stderr: JSON lines.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::{PAYLOAD, SECRET};

/// Lines so far, over all starts of one server.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Collects lines on a thread until the process closes its end.
    pub fn collect(&self, from: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                log.lock().push(line);
            }
        });
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn text(&self) -> String {
        self.lock().join("\n")
    }

    /// The lines from the `skip`th on, each of which has to be a JSON object.
    #[track_caller]
    pub fn lines(&self, skip: usize) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("not a JSON line ({error}): {line}"));
        self.lock().iter().skip(skip).map(parse).collect()
    }

    /// The address that the server says it got, once it says so.
    pub fn url(&self, skip: usize) -> Option<String> {
        let parse = |line: &String| serde_json::from_str::<Value>(line).ok();
        let lines = self.lock();
        let mut ready = lines.iter().skip(skip).filter_map(parse).filter(|line| line["message"] == "ready");
        ready.find_map(|line| line["url"].as_str().map(str::to_owned))
    }

    /// Fails where a line holds what no line may hold.
    pub fn assert_discreet(&self) {
        for line in self.lock().iter() {
            assert!(!line.contains(PAYLOAD), "a payload is in the log: {line}");
            assert!(!line.contains(SECRET), "a secret is in the log: {line}");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
