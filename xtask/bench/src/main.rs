//! `cargo xtask bench`: measures Postdate, each measure with a baseline of the same run.
//!
//! Prints a table, and writes `target/bench/summary.json` (an array, see [`row::Row`]) and `target/bench/chart.svg`.
//! A missed target is a line in the table and no failure. The program fails only if a measure could not be taken.

mod chart;
mod client;
mod fixture;
mod lambda;
mod ledger;
mod load;
mod measures;
mod peers;
mod row;
mod sample;
mod schedule;
mod server;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Parser, ValueEnum};

use fixture::{Bench, Effort, Programs};
use measures::Measure;
use measures::lateness::bare_timer;
use postdate_tests::tools::root;
use schedule::Schedule;

/// Measures Postdate on this machine, each measure with a baseline of the same run
#[derive(Parser)]
#[command(name = "cargo xtask bench", after_help = AFTER)]
struct Arguments {
    /// Take these measures only, in this order
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<Measure>,
    /// Shorter runs, with noisier results
    #[arg(long)]
    quick: bool,
    /// Shortest runs, to check that each measure works; prints no values, since they would mean nothing
    #[arg(long, conflicts_with = "quick")]
    smoke: bool,
    /// Compare with Restate, bunqueue and BullMQ in place of the measures; installs them from npm, and Redis from Debian
    #[arg(long, conflicts_with = "only")]
    peers: bool,
    /// File of the chart of --peers [default: peers.svg beside the other results]
    #[arg(long, value_name = "FILE", requires = "peers")]
    chart: Option<PathBuf>,
    /// Directory for summary.json and chart.svg; set it to compare runs
    #[arg(long, value_name = "DIR", default_value_os_t = target().join("bench"))]
    out: PathBuf,
    /// Host binary to measure: a release build
    #[arg(long, env = "POSTDATE_BIN", value_name = "FILE", default_value_os_t = target().join("release/postdate"))]
    bin: PathBuf,
    /// Directory of the test guests
    #[arg(long, env = "POSTDATE_GUESTS", value_name = "DIR", default_value_os_t = target().join("guests/components"))]
    guests: PathBuf,
    /// Directory of the Lambdas and their baselines, built with the profile `lambda`
    #[arg(long, env = "POSTDATE_LAMBDAS", value_name = "DIR", default_value_os_t = own_lambdas())]
    lambdas: PathBuf,
    /// Run as the bare timer of the measure `lateness`: sleep until this many times, print the lateness of each
    #[arg(long, hide = true, requires = "bare_timer_millis")]
    bare_timer_count: Option<u32>,
    #[arg(long, hide = true)]
    bare_timer_millis: Option<u64>,
}

const AFTER: &str = "\
Writes target/bench/summary.json and target/bench/chart.svg, or with --peers peers.json and peers.svg. Measures over loopback, with files below target/bench.
A missed target is a NO in the table, and no failure. Run nothing else meanwhile: load generator and server share the
machine, and other programs distort the results.";

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let (Some(count), Some(millis)) = (arguments.bare_timer_count, arguments.bare_timer_millis) {
        anyhow::ensure!(count > 0, "--bare-timer-count is 0: give at least 1");
        println!("{}", serde_json::to_string(&bare_timer(Schedule { count, span: Duration::from_millis(millis) })?)?);
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::ensure!(arguments.bin.is_file(), "there is no {}: `cargo xtask bench` builds it", arguments.bin.display());
    let Arguments { bin, guests, lambdas, quick, smoke, out, only, peers, chart, .. } = arguments;
    let effort = if smoke {
        Effort::Smoke
    } else if quick {
        Effort::Quick
    } else {
        Effort::Full
    };
    let directory = target().join("bench");
    let bench = Bench { bin, guests, programs: Programs(lambdas), zips: directory.join("lambda"), directory, effort };
    for directory in [&bench.directory, &out] {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    // One thread, so that the load generator leaves the other cores to the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the async runtime")?;
    eprintln!("{}", machine());
    if peers {
        return runtime.block_on(peers::compare(&bench, &out, &chart.unwrap_or_else(|| out.join("peers.svg"))));
    }
    run(&runtime, &bench, if only.is_empty() { Measure::value_variants() } else { &only }, &out)
}

fn run(runtime: &tokio::runtime::Runtime, bench: &Bench, wanted: &[Measure], out: &Path) -> anyhow::Result<ExitCode> {
    let (mut rows, mut failed) = (Vec::new(), false);
    for measure in wanted {
        let name = measure.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        eprintln!("==> {name}");
        let started = Instant::now();
        match runtime.block_on(measure.take(bench)) {
            Ok(more) => rows.extend(more),
            Err(error) => {
                eprintln!("error: {name} could not be measured: {error:#}");
                failed = true;
            }
        }
        eprintln!("    {name}: {:.1} s", started.elapsed().as_secs_f64());
    }
    if bench.effort == Effort::Smoke {
        println!("{} measures taken, {} values", wanted.len(), rows.len());
    } else {
        print!("{}", table::table(&rows));
        write(&out.join("summary.json"), &(serde_json::to_string_pretty(&rows)? + "\n"))?;
        write(&out.join("chart.svg"), &chart::chart(&rows))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Returns a description of the machine: cores and load average.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown");
    format!("{cores} cores; load average of the last minute: {load}")
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// Returns the directory in which `cargo xtask bench` builds the Lambdas on Linux.
fn own_lambdas() -> PathBuf {
    target().join(format!("{}-unknown-linux-gnu/lambda", std::env::consts::ARCH))
}

/// Returns the repository's target directory.
fn target() -> PathBuf {
    root().join("target")
}
