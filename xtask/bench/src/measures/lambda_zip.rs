//! Sizes of the Lambdas' zips, as `cargo xtask lambda` makes them.

use anyhow::Context;

use crate::fixture::Bench;
use crate::row::{Row, Target};

/// Measures sizes in MB of one million bytes.
pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let size = |name: &str| {
        let path = bench.zips.join(name).with_extension("zip");
        let bytes =
            std::fs::metadata(&path).with_context(|| format!("there is no {}: `cargo xtask bench` makes it", path.display()))?.len();
        Ok::<_, anyhow::Error>(f64::from(u32::try_from(bytes)?) / 1e6)
    };
    let baseline = vec![("hello world", size("hello")?), ("SDK clients, no plugins", size("plain")?)];
    let target = Some(Target::AtMost(6.0));
    let row = |id, measure, value| Row { id, measure, value, unit: "MB", baseline: baseline.clone(), target };
    Ok(vec![
        row("lambda-zip-processor", "zip of the processor", size("processor")?),
        row("lambda-zip-target", "zip of the target", size("target")?),
    ])
}
