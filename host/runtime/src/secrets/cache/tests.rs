//! The cache of secrets, with a clock that the test moves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use secrecy::ExposeSecret as _;

use super::*;

/// The state of the fake source and the clock, which a test changes while a host runs.
#[derive(Default)]
struct Vault {
    values: Mutex<BTreeMap<String, String>>,
    broken: Mutex<Option<String>>,
    hangs: Mutex<bool>,
    passed: Mutex<Duration>,
    fetches: AtomicUsize,
}

impl Vault {
    fn set(&self, name: &str, value: &str) {
        self.values.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

struct Source(Arc<Vault>);

#[async_trait]
impl SecretSource for Source {
    async fn fetch(&self, use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        if *self.0.hangs.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        if let Some(reason) = self.0.broken.lock().unwrap().clone() {
            return Err(reason);
        }
        let values = self.0.values.lock().unwrap();
        let found = |name: &&str| Some(((*name).to_owned(), values.get(*name)?.clone().into()));
        assert_eq!(use_case, "orders");
        Ok(names.iter().filter_map(found).collect())
    }

    fn missing(&self, use_case: &str, name: &str) -> String {
        format!("is not set: put it at {use_case}/{name}")
    }
}

fn vault() -> (Arc<Vault>, Secrets) {
    let vault = Arc::new(Vault::default());
    vault.set("KEY", "one");
    let (begun, clock) = (Instant::now(), Arc::clone(&vault));
    let now = move || begun + *clock.passed.lock().unwrap();
    let secrets = Secrets::with_clock(Source(Arc::clone(&vault)), Lifetime::default(), Duration::from_millis(20), now);
    (vault, secrets)
}

async fn key_of(secrets: &Secrets) -> Result<String, SecretError> {
    secrets.get("orders", &["KEY".to_owned()]).await.map(|values| values["KEY"].expose_secret().to_owned())
}

#[tokio::test]
async fn a_fresh_value_is_fetched_once_and_a_rotated_one_arrives_after_the_lifetime() {
    let (vault, secrets) = vault();
    assert_eq!(key_of(&secrets).await.unwrap(), "one");
    vault.set("KEY", "two");
    vault.advance(Duration::from_secs(299));
    assert_eq!((key_of(&secrets).await.unwrap().as_str(), vault.fetches()), ("one", 1));
    vault.advance(Duration::from_secs(1));
    assert_eq!((key_of(&secrets).await.unwrap().as_str(), vault.fetches()), ("two", 2));
}

#[tokio::test]
async fn concurrent_calls_share_one_fetch() {
    let (vault, secrets) = vault();
    let both = tokio::join!(key_of(&secrets), key_of(&secrets), key_of(&secrets));
    assert_eq!((both.0.unwrap(), both.2.unwrap(), vault.fetches()), ("one".to_owned(), "one".to_owned(), 1));
}

#[tokio::test]
async fn while_the_source_fails_the_last_good_value_serves_for_an_hour_between_retries() {
    let (vault, secrets) = vault();
    key_of(&secrets).await.unwrap();
    *vault.broken.lock().unwrap() = Some("cannot be read: it is down".to_owned());
    vault.advance(Duration::from_mins(5));
    assert_eq!(key_of(&secrets).await.unwrap(), "one");
    assert_eq!(key_of(&secrets).await.unwrap(), "one");
    assert_eq!(vault.fetches(), 2, "the second call makes no fetch");
    vault.advance(RETRY);
    key_of(&secrets).await.unwrap();
    assert_eq!(vault.fetches(), 3);
    vault.advance(Duration::from_hours(1));
    let error = key_of(&secrets).await.unwrap_err();
    assert_eq!(error.to_string(), "KEY, which cannot be read: it is down");
    *vault.broken.lock().unwrap() = None;
    vault.set("KEY", "three");
    assert_eq!(key_of(&secrets).await.unwrap(), "three", "the source has recovered");
}

#[tokio::test]
async fn a_fetch_that_does_not_answer_times_out() {
    let (vault, secrets) = vault();
    *vault.hangs.lock().unwrap() = true;
    assert_eq!(key_of(&secrets).await.unwrap_err().to_string(), "KEY, which cannot be read: no answer within 20ms");
}

#[tokio::test]
async fn the_error_of_a_removed_secret_has_its_remedy_and_a_restored_one_is_found() {
    let (vault, secrets) = vault();
    key_of(&secrets).await.unwrap();
    vault.values.lock().unwrap().clear();
    vault.advance(Duration::from_mins(5));
    let error = key_of(&secrets).await.unwrap_err();
    assert_eq!(error.to_string(), "KEY, which is not set: put it at orders/KEY");
    vault.set("KEY", "back");
    assert_eq!(key_of(&secrets).await.unwrap(), "back");
}

#[tokio::test]
async fn debug_output_contains_no_secret_value() {
    let (vault, secrets) = vault();
    vault.set("KEY", "planted-value");
    let values = secrets.get("orders", &["KEY".to_owned()]).await.unwrap();
    let config = super::super::PluginConfig { settings: Arc::default(), secrets: values.clone() };
    let dump = format!("{secrets:?} {values:?} {config:?} {config:#?}");
    assert!(dump.contains("KEY") && !dump.contains("planted"), "{dump}");
}
