use super::*;

const MIB: u64 = 1 << 20;

/// Returns the versions that go when `v9` of 40 MiB comes into a cache of 100 MiB with three others.
#[track_caller]
fn check(bytes: [u64; 3], uses: &[&str], removed: &[&str]) {
    let mut cache = VersionCache::new(100 * MIB);
    for (version, bytes) in ["v1", "v2", "v3"].into_iter().zip(bytes) {
        assert_eq!(cache.insert("orders", version, version.to_owned(), bytes * MIB), []);
    }
    for version in uses {
        assert_eq!(cache.get("orders", version).as_deref(), Some(*version));
    }
    let gone: Vec<String> = cache.insert("orders", "v9", "v9".to_owned(), 40 * MIB).into_iter().map(|(_, version)| version).collect();
    assert_eq!(gone, removed);
    for version in ["v1", "v2", "v3", "v9"] {
        assert_eq!(cache.get("orders", version).is_none(), removed.contains(&version), "{version}");
    }
}

#[test]
fn the_version_used_least_recently_goes_first() {
    check([20, 20, 20], &[], &[]);
    check([30, 30, 30], &[], &["v1"]);
    check([30, 30, 30], &["v1"], &["v2"]);
    check([30, 30, 30], &["v2", "v1"], &["v3"]);
    check([10, 10, 80], &["v3"], &["v1", "v2", "v3"]);
}

#[test]
fn a_version_beyond_the_bound_stays_alone() {
    let mut cache = VersionCache::new(MIB);
    assert_eq!(cache.insert("orders", "v1", 1, 0), []);
    assert_eq!(cache.insert("orders", "v2", 2, u64::MAX), [("orders".to_owned(), "v1".to_owned())]);
    assert_eq!((cache.get("orders", "v1"), cache.get("orders", "v2")), (None, Some(2)));
}

#[test]
fn the_number_of_small_versions_is_bounded() {
    let mut cache = VersionCache::new(100 * MIB);
    let removed: usize = (0..100).map(|n| cache.insert("orders", &n.to_string(), n, 0).len()).sum();
    assert_eq!(removed, 75);
}
