//! Old versions: found, marked, deleted a day later, and kept where a push or a rollback needs them again.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use chrono::TimeDelta;
use postdate_core::bundle::BundleSource;
use postdate_runtime::trust::Trust;
use postdate_store::{Child, Directory, Got, Idle, MARKED_FOR, Objects, Pruned, Put, StoreError, Versions, When};

use super::places;
use super::versions::{NAME, at, bundle, by, push};

async fn idle(store: &Versions<impl Objects>) -> Vec<Idle> {
    store.idle(NAME, at(100), 0, &BTreeSet::new()).await.unwrap()
}

/// Returns the versions that `idle` finds.
async fn found(store: &Versions<impl Objects>, keep: usize, before: i64, needed: &[&str]) -> BTreeSet<String> {
    let needed = needed.iter().map(|version| (*version).to_owned()).collect();
    store.idle(NAME, at(before), keep, &needed).await.unwrap().into_iter().map(|idle| idle.version).collect()
}

fn set(versions: &[&str]) -> BTreeSet<String> {
    versions.iter().map(|version| (*version).to_owned()).collect()
}

#[tokio::test]
async fn a_version_that_served_recently_or_is_needed_or_new_is_not_idle() {
    let store = Versions::new(places::directory().objects.clone());
    let old = push(&store, &bundle("first"), by("ann", 1)).await.unwrap();
    let new = push(&store, &bundle("second"), by("bob", 2)).await.unwrap();
    store.publish(NAME, &bundle("third"), by("ann", 3), None).await.unwrap();
    let third = bundle("third").version();
    store.roll_back(NAME, Some(&old), by("ann", 6)).await.unwrap();
    assert_eq!(found(&store, 0, 2, &[]).await, set(&[]));
    assert_eq!(found(&store, 0, 4, &[]).await, set(&[&third]), "{new} served until second 6");
    assert_eq!(found(&store, 0, 100, &[]).await, set(&[&new, &third]));
    assert_eq!(found(&store, 0, 100, &[&new]).await, set(&[&third]));
    // `keep` counts the newest versions beside the serving one, needed or not.
    assert_eq!(found(&store, 1, 100, &[]).await, set(&[&new]));
    assert_eq!(found(&store, 1, 100, &[&new]).await, set(&[]));
}

async fn deleted_a_day_later(objects: impl Objects) {
    let store = Versions::new(objects);
    let old = push(&store, &bundle("first"), by("ann", 0)).await.unwrap();
    push(&store, &bundle("second"), by("ann", 1)).await.unwrap();
    let [first] = &idle(&store).await[..] else { panic!("one version is idle") };
    assert_eq!((first.version.as_str(), first.marked), (old.as_str(), None));
    assert_eq!(store.prune(NAME, first, at(200)).await.unwrap(), Pruned::Marked { since: at(200) });
    let day = MARKED_FOR.num_seconds();
    let [marked] = &idle(&store).await[..] else { panic!("one version is idle") };
    assert_eq!(marked.marked, Some(at(200)));
    assert_eq!(store.prune(NAME, marked, at(199 + day)).await.unwrap(), Pruned::Marked { since: at(200) });
    assert_eq!(store.source(NAME, &old, &Trust::default()).await.unwrap(), bundle("first"), "a mark deletes nothing");
    assert_eq!(store.prune(NAME, marked, at(200 + day)).await.unwrap(), Pruned::Deleted);
    assert_eq!(store.versions(NAME).await.unwrap(), [bundle("second").version()]);
    assert_eq!(store.objects().children(&format!("{NAME}/unused")).await.unwrap(), [], "the mark goes with the version");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_marked_and_deleted_a_day_later() {
    deleted_a_day_later(places::directory().objects.clone()).await;
    deleted_a_day_later(places::bucket("use-cases").await.objects.clone()).await;
}

#[tokio::test]
async fn a_mark_is_cleared_by_a_push_by_a_rollback_and_by_a_need() {
    let store = Versions::new(places::directory().objects.clone());
    let old = push(&store, &bundle("first"), by("ann", 0)).await.unwrap();
    let new = push(&store, &bundle("second"), by("ann", 1)).await.unwrap();
    let mark = async || store.prune(NAME, &idle(&store).await[0], at(200)).await.unwrap();
    let is_marked =
        async |version: &str| !store.objects().children(&format!("{NAME}/unused")).await.unwrap().iter().all(|mark| mark.name != version);
    mark().await;
    store.publish(NAME, &bundle("first"), by("ann", 2), None).await.unwrap();
    assert!(!is_marked(&old).await, "pushed");
    mark().await;
    store.roll_back(NAME, Some(&old), by("ann", 3)).await.unwrap();
    assert!(!is_marked(&old).await, "rolled back to");
    mark().await;
    assert!(is_marked(&new).await);
    store.keep_all_but(NAME, &[]).await.unwrap();
    assert!(!is_marked(&new).await, "needed again");
}

#[tokio::test]
async fn versions_without_a_current_one_are_listed_and_pruned() {
    let store = Versions::new(places::directory().objects.clone());
    assert_eq!(store.current_if_any(NAME).await.unwrap_err(), StoreError::NoSuchUseCase(NAME.to_owned()));
    // A server keeps such copies of plain directories.
    store.publish(NAME, &bundle("copy"), by("directory", 0), None).await.unwrap();
    assert_eq!(store.current_if_any(NAME).await.unwrap(), None);
    let copy = bundle("copy").version();
    assert_eq!(found(&store, 0, 100, &[]).await, set(&[&copy]));
    assert_eq!(found(&store, 0, 100, &[&copy]).await, set(&[]), "the version that the server serves");
    let marked = Idle { marked: Some(at(0)), ..idle(&store).await[0].clone() };
    store.prune(NAME, &marked, at(0)).await.unwrap();
    store.prune(NAME, &idle(&store).await[0], at(0)).await.unwrap();
    assert_eq!(store.prune(NAME, &idle(&store).await[0], at(0) + MARKED_FOR).await.unwrap(), Pruned::Deleted);
    assert_eq!(store.versions(NAME).await.unwrap(), Vec::<String>::new());
}

/// A directory in which another person pushes a version at the moment of the deletion's n-th call to delete.
struct Interrupted {
    directory: Directory,
    source: BundleSource,
    deletes: AtomicUsize,
    push_at: usize,
}

impl Objects for Interrupted {
    fn describe(&self, key: &str) -> String {
        self.directory.describe(key)
    }

    async fn get(&self, key: &str, unless: Option<&str>, most: u64) -> Result<Got, StoreError> {
        self.directory.get(key, unless, most).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<Child>, StoreError> {
        self.directory.children(prefix).await
    }

    async fn put(&self, key: &str, content: Bytes, when: When<'_>) -> Result<Put, StoreError> {
        self.directory.put(key, content, when).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        if self.deletes.fetch_add(1, Ordering::SeqCst) == self.push_at {
            push(&Versions::new(self.directory.clone()), &self.source, by("bob", 300)).await.unwrap();
        }
        self.directory.delete(key).await
    }
}

#[tokio::test]
async fn a_push_of_the_files_that_are_being_deleted_ends_with_all_of_them() {
    let mut interrupted = 0;
    for push_at in 0.. {
        let directory = places::directory().objects.clone();
        let (store, source) = (Versions::new(directory.clone()), bundle("first"));
        let old = push(&store, &source, by("ann", 0)).await.unwrap();
        push(&store, &bundle("second"), by("ann", 1)).await.unwrap();
        store.prune(NAME, &idle(&store).await[0], at(200)).await.unwrap();
        let ripe = idle(&store).await.remove(0);
        let racing = Interrupted { directory, source: source.clone(), deletes: AtomicUsize::default(), push_at };
        let pruned = Versions::new(racing).prune(NAME, &ripe, at(200) + MARKED_FOR + TimeDelta::seconds(1)).await;
        if pruned == Ok(Pruned::Deleted) && store.current(NAME).await.unwrap().0.version != old {
            break;
        }
        interrupted += 1;
        // A push ends with a second look at its files.
        store.publish(NAME, &source, by("bob", 301), None).await.unwrap();
        assert_eq!(store.current(NAME).await.unwrap().0.version, old, "pushed at call {push_at}: {pruned:?}");
        assert_eq!(store.source(NAME, &old, &Trust::default()).await.unwrap(), source, "pushed at call {push_at}");
    }
    assert!(interrupted >= 5, "the statement, four files, and the mark are deleted one by one: {interrupted}");
}
