//! Damaged components: whatever the bytes are, a host says no, or loads them and keeps its limits. Nothing panics, nothing hangs.
//!
//! A run of the suite takes the first few hundred damages of a fixed seed, so that it is the same each time. For a long one:
//! `POSTDATE_FUZZ_SECONDS=600 POSTDATE_FUZZ_SEED=7 cargo test -p postdate-runtime --test hostile fuzz -- --nocapture`. What fails
//! is written to `tests/hostile/corpus/`, and everything in there (`.wasm`, or `.wat` as a text) is tried in each run from then on.
//! The same under libFuzzer, which looks at the code that an input reaches, is in `fuzz/`: `cargo xtask fuzz`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use postdate_core::use_case::UseCase;
use postdate_runtime::inspect::inspect;

use crate::guest::{CLOCK, CLOCK_FIELDS, GOOD, Guest, RANDOM, RANDOM_FIELDS, STDERR, STDERR_FIELDS, WITH_HOST};
use crate::host::{Host, bundle, hosts, run, turn};

/// Far longer than the compiler takes for the largest of the corpus.
const MOST: Duration = Duration::from_secs(10);

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Refused,
    Loaded,
}

/// Tries one input. Panics where a host does, or where it says that its compiler did.
async fn one(host: &Host, bytes: &[u8]) -> Outcome {
    let started = Instant::now();
    let problems = inspect(bytes).problems(None);
    assert!(problems.iter().all(|problem| !problem.is_empty()), "a problem without words");
    let loaded = host.load(&bundle("timeout = '50ms'\nmemory = '1MiB'\n", bytes.to_vec())).await;
    assert!(started.elapsed() < MOST, "it took {:?}", started.elapsed());
    match loaded {
        Ok(loaded) => {
            // Whatever it answers: it ends.
            let _ = run(&loaded, "{}").await;
            Outcome::Loaded
        }
        Err(error) => {
            assert!(!error.contains("made the compiler panic"), "{error}");
            Outcome::Refused
        }
    }
}

fn corpus_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus")
}

/// Valid components to be damaged, and what was found before.
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

/// Small, good enough, and the same everywhere: xorshift64*.
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
        // The bytes that mean something in WebAssembly come more often than others.
        const TELLING: [u8; 12] = [0, 1, 4, 0x0b, 0x40, 0x60, 0x70, 0x7f, 0x80, 0xfc, 0xfe, 0xff];
        if self.below(2) == 0 { TELLING[self.below(TELLING.len())] } else { self.next().to_le_bytes()[0] }
    }

    /// One to four damages of different kinds.
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
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_components() {
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
        // The other host compiles with the same compiler; it differs in what it does with the result.
        let host = &hosts()[usize::from(count % 4 == 0)];
        let input = bytes.clone();
        // In a task of its own, so that its panic is caught and the input kept.
        match tokio::spawn(async move { one(host, &input).await }).await {
            Ok(outcome) => loaded += usize::from(outcome == Outcome::Loaded),
            Err(error) => {
                let path = corpus_dir().join(format!("found-{count}.wasm"));
                let kept = std::fs::create_dir_all(corpus_dir()).and_then(|()| std::fs::write(&path, &bytes));
                panic!("input {count}, kept at {} ({kept:?}): {error}", path.display());
            }
        }
        count += 1;
    }
    println!("{count} inputs, {loaded} loaded, in {:?}", started.elapsed());
    // Damages that are all refused at the first look would test nothing behind it.
    assert!(loaded > 0 && loaded < count, "{loaded} of {count} were loaded");
    for host in hosts() {
        host.serves().await;
    }
}

#[test]
fn damaged_manifests() {
    let sample = include_str!("../../../../use-cases/orders/use-case.toml");
    let corpus = [sample.as_bytes().to_vec(), b"name = 'x'\n[process]\nplugin = 'p.wasm'\nmemory = '1MiB'\ntimeout = '1s'\n".to_vec()];
    let mut random = Random(1);
    let mut good = 0;
    for _ in 0..3000 {
        let bytes = random.damage(&corpus);
        good += usize::from(UseCase::parse(&String::from_utf8_lossy(&bytes)).is_ok());
    }
    assert!(good > 0, "none was a manifest any more");
}
