use super::*;
use crate::engine::config::{Allocation, Metering, engine_config};
use crate::testing::guest;

const QUOTA: u64 = 1 << 30;

fn engine() -> Engine {
    Engine::new(&engine_config(Allocation::OnDemand, Metering::Off)).unwrap()
}

fn only_file(dir: &Path, extension: &str) -> PathBuf {
    let paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut fitting = paths.iter().filter(|path| path.extension().is_some_and(|found| found == extension));
    let found = fitting.next().unwrap_or_else(|| panic!("no .{extension} among {paths:?}")).clone();
    assert_eq!(fitting.next(), None);
    found
}

#[test]
fn cached_code_is_used_until_it_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/by/open");
    let engine = engine();
    let cache = Cache::open(&dir, &engine, QUOTA).unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);

    let wasm = guest("minimal-validate");
    assert!(cache.get(&engine, &wasm).is_none());
    let code = engine.precompile_component(&wasm).unwrap();
    cache.keep(&engine, &wasm, &code).unwrap().unwrap();
    assert!(cache.get(&engine, &wasm).is_some());
    assert!(cache.get(&engine, &guest("minimal-process")).is_none(), "another plugin has another key");

    let file = only_file(&dir, "cwasm");
    let mut bytes = fs::read(&file).unwrap();
    assert_eq!(bytes, code);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert!(cache.get(&engine, &wasm).is_none(), "one bit is wrong");

    // The digest of this damaged code matches, so only wasmtime's own check refuses it.
    fs::write(&file, b"nonsense").unwrap();
    fs::write(digest_path(&file), hex(&Sha256::digest(b"nonsense"))).unwrap();
    assert!(cache.get(&engine, &wasm).is_none());

    cache.keep(&engine, &wasm, &code).unwrap().unwrap();
    assert!(cache.get(&engine, &wasm).is_some(), "keeping the code again repairs the cache");

    assert!(cache.keep(&engine, b"other", b"nonsense").unwrap().is_err());
    assert!(cache.get(&engine, b"other").is_none());
    let drafts = fs::read_dir(&dir).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(drafts.count(), 0, "a refused file is deleted");
}

#[test]
fn code_with_and_without_metering_is_cached_separately() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    let [plain, metered] =
        [Metering::Off, Metering::On].map(|metering| Engine::new(&engine_config(Allocation::OnDemand, metering)).unwrap());
    let wasm = guest("minimal-validate");
    for (engine, other) in [(&plain, &metered), (&metered, &plain)] {
        let cache = Cache::open(&dir, engine, QUOTA).unwrap();
        assert!(cache.get(engine, &wasm).is_none(), "the cached code is of the other kind");
        let code = engine.precompile_component(&wasm).unwrap();
        cache.keep(engine, &wasm, &code).unwrap().unwrap();
        assert!(cache.keep(other, b"other", &code).unwrap().is_err());
    }
    for engine in [&plain, &metered] {
        assert!(Cache::open(&dir, engine, QUOTA).unwrap().get(engine, &wasm).is_some(), "one kind of code has replaced the other");
    }
}

#[test]
fn a_cache_directory_that_others_can_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (mode, good) in [(0o700, true), (0o755, true), (0o770, false), (0o777, false), (0o1777, false)] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let opened = Cache::open(dir.path(), &engine(), QUOTA);
        assert_eq!(opened.is_ok(), good, "{mode:o}: {opened:?}");
    }
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Cache::open(&file, &engine(), QUOTA), Err(CacheError::Io { .. } | CacheError::NotADirectory { .. })));
}

#[test]
fn the_least_recently_used_code_is_deleted_beyond_the_quota() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine();
    let compiled = ["minimal-validate", "minimal-process", "wrong-version"].map(|name| {
        let wasm = guest(name);
        let code = engine.precompile_component(&wasm).unwrap();
        (wasm, code)
    });
    let sizes = compiled.each_ref().map(|(_, code)| code.len() as u64);
    let quota = sizes[0] + sizes[2];
    assert!(quota < sizes.iter().sum(), "room for two");
    let cache = Cache::open(dir.path(), &engine, quota.max(sizes[0] + sizes[1])).unwrap();
    let keep = |index: usize| drop(cache.keep(&engine, &compiled[index].0, &compiled[index].1).unwrap().unwrap());
    let is_there = |index: usize| cache.path(&compiled[index].0).exists();
    keep(0);
    keep(1);
    assert!(is_there(0) && is_there(1));
    assert!(cache.get(&engine, &compiled[0].0).is_some(), "the first is now the last used");
    keep(2);
    assert!(is_there(0) && !is_there(1) && is_there(2));
    assert!(!digest_path(&cache.path(&compiled[1].0)).exists());
    // Code that alone is beyond the quota is kept until the next one comes.
    let small = Cache::open(dir.path(), &engine, 1).unwrap();
    small.keep(&engine, &compiled[1].0, &compiled[1].1).unwrap().unwrap();
    assert!(!is_there(0) && is_there(1) && !is_there(2));
}

#[test]
fn a_draft_leaves_those_of_a_process_with_the_same_id_alone() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine();
    let cache = Cache::open(dir.path(), &engine, QUOTA).unwrap();
    // The process of another container: its id may be the same, and it may have made as many drafts.
    let others: Vec<_> = (0..1000).map(|n| dir.path().join(format!(".tmp-{}-{n}", std::process::id()))).collect();
    for other in &others {
        fs::write(other, "of another process").unwrap();
    }
    let wasm = guest("minimal-validate");
    let code = engine.precompile_component(&wasm).unwrap();
    cache.keep(&engine, &wasm, &code).unwrap().unwrap();
    for other in &others {
        assert_eq!(fs::read_to_string(other).ok().as_deref(), Some("of another process"), "{}", other.display());
    }
    let [one, two] = ["one", "two"].map(|text| cache.draft(text.as_bytes()).unwrap());
    assert_eq!([&one, &two].map(|draft| fs::read_to_string(&draft.0).unwrap()), ["one", "two"]);
}

#[test]
fn drafts_of_killed_processes_are_deleted_after_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine();
    let cache = Cache::open(dir.path(), &engine, QUOTA).unwrap();
    let write = |name: &str, age: Duration| {
        let path = dir.path().join(name);
        let file = fs::File::create(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(SystemTime::now() - age)).unwrap();
        path
    };
    let [minute, hours] = [Duration::from_mins(1), Duration::from_hours(2)];
    let left_over = [write(".tmp-1-0", hours), write(".tmp-0f", hours)];
    let kept = [write(".tmp-2-0", minute), write("another", hours)];
    let wasm = guest("minimal-validate");
    let code = engine.precompile_component(&wasm).unwrap();
    cache.keep(&engine, &wasm, &code).unwrap().unwrap();
    assert!(cache.get(&engine, &wasm).is_some());
    assert_eq!(left_over.each_ref().map(|path| path.exists()), [false, false]);
    assert_eq!(kept.each_ref().map(|path| path.exists()), [true, true]);
}

#[test]
fn engines_with_other_slots_share_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let key = |allocation| {
        let engine = Engine::new(&engine_config(allocation, Metering::Off)).unwrap();
        Cache::open(dir.path(), &engine, QUOTA).unwrap().engine
    };
    let on_demand = key(Allocation::OnDemand);
    for slots in [1, 4] {
        assert_eq!(key(Allocation::Pooling { slots, max_memory: 64 << 20 }), on_demand, "{slots}");
    }
}
