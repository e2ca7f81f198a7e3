//! Overhead of the host in a plugin call: limits, deadline, output capture, error mapping.

use std::time::Instant;

use chrono::Utc;
use postdate_core::plugin::ValidateInput;
use postdate_core::ports::Bundle;
use postdate_core::time::rfc3339;
use postdate_runtime::{Allocation, LoadedBundle, Metering, Options, Runtime, Secrets, engine_config, read_bundle_dir};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::fixture::{Bench, VALIDATED, body, far_ahead};
use crate::row::{Row, Target};
use crate::sample::Sample;
use bindings::ValidatorPre;
use bindings::exports::postdate::plugin::validate::Request;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "validator",
        exports: { default: async },
    });
}

/// Calls of one kind before the other's turn. Small, so that changes of the machine's speed affect both.
const BATCH: usize = 250;

/// Measures the median of the host's call and of wasmtime's.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let rounds = bench.effort.of(1, 20, 100);
    let scratch = bench.scratch()?;
    let source = read_bundle_dir(&bench.use_cases(scratch.path())?.join(VALIDATED))?;
    let options = Options::default();
    let bare = Bare::new(&options, &source.files["validate.wasm"])?;
    let host = Runtime::new(options)?.load(&source, &Secrets::none()).await?;
    let (mut host_us, mut bare_us) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (host_batch, bare_batch) = (host_batch(&host).await?, bare.batch().await?);
        // The first round warms up.
        if round > 0 {
            host_us.extend(host_batch);
            bare_us.extend(bare_batch);
        }
    }
    Ok(vec![Row {
        id: "validate-call",
        measure: "host's whole validate call, median",
        value: Sample::new("validate-call", host_us)?.median(),
        unit: "µs",
        baseline: vec![("bare wasmtime", Sample::new("bare wasmtime", bare_us)?.median())],
        target: Some(Target::TimesBaseline(1.3)),
    }])
}

/// Returns the input of a call. Making it is not part of the measured time.
pub fn input() -> ValidateInput {
    ValidateInput {
        id: "019a0000-0000-7000-8000-000000000000".to_owned(),
        use_case: VALIDATED.to_owned(),
        received_at: rfc3339(Utc::now()),
        trigger_at: rfc3339(far_ahead()),
        target: None,
        caller: Vec::new(),
        headers: Vec::new(),
        body: body(far_ahead(), 1),
    }
}

/// Calls the validator through the core's port. Returns the microseconds of each call.
async fn host_batch(bundle: &LoadedBundle) -> anyhow::Result<Vec<f64>> {
    let mut times = Vec::with_capacity(BATCH);
    let input = input();
    for _ in 0..BATCH {
        let input = input.clone();
        let started = Instant::now();
        let verdict = bundle.validate(input).await?;
        times.push(micros(started));
        anyhow::ensure!(verdict.is_ok(), "the validator refused the request: {verdict:?}");
    }
    Ok(times)
}

/// The baseline: the same component with the same engine settings, without the host's limits, deadline and output capture.
struct Bare {
    engine: Engine,
    plugin: ValidatorPre<State>,
}

/// State for wasmtime's WASI. The context is made at its first use, as in the host. This guest does not use it, so that the baseline
/// does not pay for a context that the host does not make either.
#[derive(Default)]
struct State {
    wasi: Option<WasiCtx>,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: self.wasi.get_or_insert_with(|| WasiCtx::builder().build()), table: &mut self.table }
    }
}

impl Bare {
    fn new(options: &Options, wasm: &[u8]) -> anyhow::Result<Self> {
        let config = engine_config(Allocation::Pooling { slots: options.slots, max_memory: options.max_memory }, Metering::Off);
        Self::link(&config, wasm).map_err(|error| anyhow::anyhow!("bare wasmtime cannot load the guest: {error:#}"))
    }

    fn link(config: &Config, wasm: &[u8]) -> wasmtime::Result<Self> {
        let engine = Engine::new(config)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let plugin = ValidatorPre::new(linker.instantiate_pre(&Component::new(&engine, wasm)?)?)?;
        Ok(Self { engine, plugin })
    }

    async fn batch(&self) -> anyhow::Result<Vec<f64>> {
        let mut times = Vec::with_capacity(BATCH);
        let ValidateInput { id, use_case, received_at, trigger_at, target, caller, headers, body } = input();
        let request = Request { id, use_case, received_at, trigger_at, target, caller, headers, body };
        for _ in 0..BATCH {
            let started = Instant::now();
            self.call(&request).await.map_err(|error| anyhow::anyhow!("bare wasmtime: {error:#}"))?;
            times.push(micros(started));
        }
        Ok(times)
    }

    async fn call(&self, request: &Request) -> wasmtime::Result<()> {
        let mut store = Store::new(&self.engine, State::default());
        // The compiled code checks the deadline. Nothing advances this engine's epoch.
        store.set_epoch_deadline(1);
        let instance = self.plugin.instantiate_async(&mut store).await?;
        let verdict = instance.postdate_plugin_validate().call_validate(&mut store, request).await?;
        verdict.map(drop).map_err(|_| wasmtime::Error::msg("the validator refused the request"))
    }
}

fn micros(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e6
}
