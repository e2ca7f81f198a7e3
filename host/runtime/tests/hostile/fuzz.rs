//! Damaged components and manifests. For any bytes, a host refuses the component, or loads it and enforces its limits. No input
//! may cause a panic or a hang.
//!
//! By default a run tries 3000 mutations of a fixed seed, so that every run is the same. For a longer run:
//! `POSTDATE_FUZZ_SECONDS=600 POSTDATE_FUZZ_SEED=7 cargo test -p postdate-runtime --test hostile fuzz -- --nocapture`. A failing
//! input is written to `tests/hostile/corpus/`, whose files (`.wasm`, or `.wat` as text) every later run tries first.
//! `cargo xtask fuzz` runs the targets in `fuzz/` under libFuzzer, which is guided by code coverage.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use postdate_core::use_case::UseCase;
use postdate_runtime::inspect::inspect;

use crate::guest::{CLOCK, CLOCK_FIELDS, GOOD, Guest, RANDOM, RANDOM_FIELDS, STDERR, STDERR_FIELDS, WITH_HOST};
use crate::host::{Host, bundle, hosts, run, turn};

/// Longest duration of a load, far longer than the compile of the largest input of the corpus.
const MOST: Duration = Duration::from_secs(10);

/// The outcome of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadResult {
    Refused,
    Loaded,
}

/// Loads and calls one input. Panics if the host or its compiler panics, or if the load takes longer than `MOST`.
async fn one(host: &Host, bytes: &[u8]) -> LoadResult {
    let started = Instant::now();
    let problems = inspect(bytes).problems(None);
    assert!(problems.iter().all(|problem| !problem.is_empty()), "a problem without a text");
    let loaded = host.load(&bundle("timeout = '50ms'\nmemory = '1MiB'\n", bytes.to_vec())).await;
    assert!(started.elapsed() < MOST, "the load took {:?}", started.elapsed());
    match loaded {
        Ok(loaded) => {
            // Any answer is fine, as long as the call ends.
            let _ = run(&loaded, "{}").await;
            LoadResult::Loaded
        }
        Err(error) => {
            assert!(!error.contains("made the compiler panic"), "{error}");
            LoadResult::Refused
        }
    }
}

fn corpus_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus")
}

/// Returns valid components to mutate, and the inputs that failed in former runs.
fn corpus() -> Vec<Vec<u8>> {
    let host = |imports, fields| Guest { imports, fields, with: WITH_HOST, ..GOOD };
    let fields = "(table $t 4 funcref) (elem (i32.const 0) $f) (func $f) (global (mut i64) (i64.const 7)) (data (i32.const 128) \"data\")";
    let code = "(local.set $n (i32.const 9))
        (block $out (loop $again
          (br_if $out (i32.eqz (local.get $n)))
          (i32.store (i32.const 256) (i32.load8_u (local.get $n)))
          (memory.copy (i32.const 512) (i32.const 0) (i32.const 64))
          (call_indirect $t (i32.const 0))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $again)))
        (i32.const 0)";
    let made = [GOOD, Guest { fields, code, ..GOOD }, host(RANDOM, RANDOM_FIELDS), host(CLOCK, CLOCK_FIELDS), host(STDERR, STDERR_FIELDS)];
    let mut corpus: Vec<Vec<u8>> = made.iter().map(Guest::wasm).collect();
    let entries = std::fs::read_dir(corpus_dir()).into_iter().flatten();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("wasm") => corpus.push(std::fs::read(&path).expect("an input")),
            Some("wat") => corpus.push(wat::parse_file(&path).expect("an input's text")),
            _ => {}
        }
    }
    corpus
}

/// The generator xorshift64*: small, and reproducible on every platform.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        // Half of the bytes are ones with a meaning in WebAssembly, such as opcodes, types and lengths.
        const TELLING: [u8; 12] = [0, 1, 4, 0x0b, 0x40, 0x60, 0x70, 0x7f, 0x80, 0xfc, 0xfe, 0xff];
        if self.below(2) == 0 { TELLING[self.below(TELLING.len())] } else { self.next().to_le_bytes()[0] }
    }

    /// Returns an input of the corpus with one to four random mutations.
    fn damage(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(16)).min(bytes.len());
            match self.below(8) {
                0..3 if !bytes.is_empty() => bytes[at] = self.byte(),
                3 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                4 => drop(bytes.drain(at.min(end)..end)),
                5 => bytes.insert(at, self.byte()),
                6 => {
                    let piece = bytes[at.min(end)..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ => {
                    let other = &corpus[self.below(corpus.len())];
                    let from = self.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
            }
        }
        bytes
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}: set a whole number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_components_are_refused_or_run_within_their_limits() {
    let _turn = turn().await;
    let corpus = corpus();
    for bytes in &corpus {
        for host in hosts() {
            one(host, bytes).await;
        }
    }
    let seconds = number("POSTDATE_FUZZ_SECONDS");
    let mut random = Random(number("POSTDATE_FUZZ_SEED").unwrap_or(1).max(1));
    let (started, mut count, mut loaded) = (Instant::now(), 0, 0);
    while seconds.map_or(count < 3000, |seconds| started.elapsed() < Duration::from_secs(seconds)) {
        let bytes = random.damage(&corpus);
        // The hosts share the compiler and differ in the loading of its output, so one of them gets three inputs of four.
        let host = &hosts()[usize::from(count % 4 == 0)];
        let input = bytes.clone();
        // A task of its own catches a panic, so that the input can be saved.
        match tokio::spawn(async move { one(host, &input).await }).await {
            Ok(outcome) => loaded += usize::from(outcome == LoadResult::Loaded),
            Err(error) => {
                let path = corpus_dir().join(format!("found-{count}.wasm"));
                let kept = std::fs::create_dir_all(corpus_dir()).and_then(|()| std::fs::write(&path, &bytes));
                panic!("input {count}, saved to {} ({kept:?}): {error}", path.display());
            }
        }
        count += 1;
    }
    println!("{count} inputs, {loaded} loaded, in {:?}", started.elapsed());
    // Some mutations must load. If all were refused at the first check, nothing behind that check would be tested.
    assert!(loaded > 0 && loaded < count, "{loaded} of {count} were loaded");
    for host in hosts() {
        host.serves().await;
    }
}

#[test]
fn damaged_manifests_do_not_make_the_parser_panic() {
    let sample = include_str!("../../../../use-cases/orders/use-case.toml");
    let corpus = [sample.as_bytes().to_vec(), b"name = 'x'\n[process]\nplugin = 'p.wasm'\nmemory = '1MiB'\ntimeout = '1s'\n".to_vec()];
    let mut random = Random(1);
    let mut good = 0;
    for _ in 0..3000 {
        let bytes = random.damage(&corpus);
        good += usize::from(UseCase::parse(&String::from_utf8_lossy(&bytes)).is_ok());
    }
    assert!(good > 0, "no mutated manifest was valid");
}
