//! Cost of checking signatures and digests.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use postdate_runtime::artifacts::digest;
use postdate_runtime::trust::{SecretKey, SignedEnvelope, Trust};

use crate::fixture::Bench;
use crate::row::Row;
use crate::sample::Sample;

const TYPE: &str = "application/vnd.postdate.bench+json";
/// Size of a list of two plugins for two architectures, in bytes.
const LIST_BYTES: usize = 2000;
/// Size of a JavaScript plugin's machine code, in bytes.
const CODE_BYTES: usize = 32 << 20;

/// Measures reading a list with and without a check of its signature, and the digest of machine code.
pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let key = SecretKey::from_pem(&SecretKey::generate()?)?;
    let mut envelope = SignedEnvelope::new(TYPE, vec![b'x'; LIST_BYTES]);
    envelope.sign(&key);
    let (text, trust) = (envelope.to_json(), Trust::new(vec![key.public()]));
    let rounds = bench.effort.of(10, 200, 2000);
    let read = |trust: &Trust| -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let envelope = SignedEnvelope::parse(text.as_bytes()).context("cannot parse the list")?;
        black_box(envelope.open(TYPE, trust).context("cannot verify the signature")?);
        Ok(begun.elapsed())
    };
    let (mut checked, mut unchecked) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        checked.push(read(&trust)?);
        unchecked.push(read(&Trust::default())?);
    }
    let code = vec![7_u8; CODE_BYTES];
    let mut digests = Vec::new();
    for _ in 0..(rounds / 100).max(3) {
        let begun = Instant::now();
        black_box(digest(black_box(&code)));
        digests.push(begun.elapsed());
    }
    Ok(vec![
        Row {
            id: "signature-check",
            measure: "reading a signed list of machine code",
            value: Sample::of_durations("signature-check", &checked)?.median(),
            unit: "ms",
            baseline: vec![("unchecked", Sample::of_durations("unchecked", &unchecked)?.median())],
            target: None,
        },
        Row {
            id: "signature-digest",
            measure: "digest of 32 MiB of machine code, which every load takes",
            value: Sample::of_durations("signature-digest", &digests)?.median(),
            unit: "ms",
            baseline: vec![],
            target: None,
        },
    ])
}
