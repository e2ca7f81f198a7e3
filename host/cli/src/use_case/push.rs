//! `postdate use-case push DIR --to STORE`: checks a bundle, copies it, and only then makes it the current version.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_cases::{Ran, cases};
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_runtime::artifacts::Arch;
use postdate_runtime::trust::{SecretKey, Trust};
use postdate_runtime::{Runtime, read_bundle_dir};
use postdate_store::{AnyObjects, Look, Published, Statement, StoreLocation, Versions, tarball};
use reqwest::Url;
use serde_json::{Value, json};

use super::arguments::{ByArgument, Destination, open};
use super::compile::{codes, details};
use crate::client::{Client, Connection, UploadCall};
use crate::compiler::AuthorCompiler;
use crate::key;
use crate::output::{json_line, out, printable, progress, size_text};
use crate::plugin::diff;
use crate::plugin::runtime::runtime;

const NOTES: &str = "\
A push checks and loads the plugins as a host does, runs the test cases, compiles the plugins for
each --arch, copies all files to the store, and then makes the new version the current one, unless
another push has changed the current version meanwhile. Hosts on AWS need --arch, and serve the new
version within 10 s; `postdate serve` compiles by itself, and serves it within a second.
With --key, the files and the machine code are signed. A bundle without test cases is pushed as well.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Push {
    /// The bundle: a directory with use-case.toml, its plugins and cases/*.toml
    dir: PathBuf,

    #[arg(
        long,
        env = "POSTDATE_STORE",
        value_name = "STORE",
        help = "Destination: s3://bucket/prefix, a directory, or the URL of a `postdate serve` with an API key"
    )]
    to: Destination,

    #[arg(long, help = "Architecture of hosts without a compiler, as AWS Lambda names it: x86_64 or arm64; may be given twice")]
    arch: Vec<Arch>,

    /// Sign with this private key: see `postdate key new`
    #[arg(long, env = "POSTDATE_KEY_FILE", value_name = "FILE")]
    key: Option<PathBuf>,

    #[arg(
        long,
        value_name = "NAME",
        help = "Name of the server that the signature is for: its --store-name [default: the origin of its URL]"
    )]
    audience: Option<String>,

    #[command(flatten)]
    by: ByArgument,

    #[command(flatten)]
    compiler: AuthorCompiler,

    /// Check, test and compile only: copy nothing, and leave the current version
    #[arg(long)]
    dry_run: bool,

    /// Print JSON: the version that serves, and the former one
    #[arg(long)]
    json: bool,
}

/// The bundle to push, and the runtime that its test cases run in.
struct Bundle {
    source: BundleSource,
    use_case: UseCase,
    version: String,
    runtime: Runtime,
}

pub async fn run(mut arguments: Push, connection: &Connection) -> anyhow::Result<ExitCode> {
    arguments.arch.sort_unstable();
    arguments.arch.dedup();
    let key = arguments.key.as_deref().map(key::read).transpose()?;
    let source = read_bundle_dir(&arguments.dir)?;
    let use_case = source.use_case()?;
    let bundle = Bundle { version: source.version(), source, use_case, runtime: runtime(&arguments.compiler)? };
    if let Destination::Store(StoreLocation::Directory(store)) = &arguments.to
        && let plain = store.join(&bundle.use_case.name)
        && plain.join(MANIFEST_FILE).exists()
    {
        bail!(
            "{} is a plain bundle, and a server prefers it to any version in a store: change the bundle there, or push to another directory",
            plain.display()
        );
    }
    let pushed = match &arguments.to {
        Destination::Server(url) => to_server(&arguments, &bundle, key.as_ref(), url, connection).await?,
        Destination::Store(store) => to_store(&arguments, &bundle, key.as_ref(), &open(store).await?).await?,
    };
    if arguments.json {
        out(&json_line(&pushed.document(&arguments, &bundle, key.as_ref()))?);
    }
    Ok(ExitCode::SUCCESS)
}

/// The result of a push, or of its dry run.
#[derive(Default)]
struct Pushed {
    /// Number of test cases.
    passed: usize,
    /// The version that served before; the pushed one if it served already. `None` also for a dry run to a server.
    former: Option<String>,
    /// Id of the server's answer.
    correlation_id: Option<String>,
}

impl Pushed {
    fn document(&self, arguments: &Push, bundle: &Bundle, key: Option<&SecretKey>) -> Value {
        let mut document = json!({
            "useCase": bundle.use_case.name,
            "version": bundle.version,
            "former": self.former,
            "passed": self.passed,
            "architectures": arguments.arch,
            "signedBy": key.iter().map(|key| key.public().id()).collect::<Vec<_>>(),
            "dryRun": arguments.dry_run,
        });
        if let Some(id) = &self.correlation_id {
            document["correlationId"] = json!(id);
        }
        document
    }
}

async fn to_store(arguments: &Push, bundle: &Bundle, key: Option<&SecretKey>, store: &Versions<AnyObjects>) -> anyhow::Result<Pushed> {
    let Bundle { source, use_case, version, runtime } = bundle;
    let name = &use_case.name;
    let say = |step, what: &str| say(arguments, step, what);
    // First of all, so that a push by somebody else is detected, however long the next steps take.
    let before = match store.look(name, None).await? {
        Look::Current { current, etag } => Some((current, etag)),
        Look::Same | Look::NoSuchUseCase => None,
    };
    let passed = check(arguments, bundle).await?;
    let trust = Trust::new(key.map(SecretKey::public).into_iter().collect());
    let mut compiled = Vec::new();
    for arch in &arguments.arch {
        if store.is_precompiled(use_case, version, *arch, &trust).await? {
            say("compiled", &format!("{arch}: the store has it already"));
        } else {
            let new = runtime.precompile(source, use_case, *arch).await?;
            say("compiled", &format!("{arch}: {}", details(&new)));
            compiled.push((*arch, codes(&new)));
        }
    }
    let former = before.as_ref().map(|(current, _)| current.version.clone());
    let was = former.as_deref().unwrap_or("nothing");
    if arguments.dry_run {
        say("dry run", &format!("nothing was copied; {name} serves {was}, and would serve {version}"));
        return Ok(Pushed { passed, former, correlation_id: None });
    }
    let begun = Instant::now();
    let published = store.publish(name, source, arguments.by.now(), key).await?;
    for (arch, code) in &compiled {
        store.publish_precompiled(use_case, source, *arch, code, key).await?;
    }
    let known = if published == Published::Known { ", which the store had already" } else { "" };
    say("pushed", &format!("version {version}{known}{}{}", signed_by(key), took(begun)));
    let moved = store.move_current(name, version, before, arguments.by.now()).await?;
    // A deletion that began before this push may have removed files meanwhile.
    store.publish(name, source, arguments.by.now(), key).await?;
    for arch in &arguments.arch {
        if !store.is_precompiled(use_case, version, *arch, &trust).await? {
            let new = runtime.precompile(source, use_case, *arch).await?;
            store.publish_precompiled(use_case, source, *arch, &codes(&new), key).await?;
        }
    }
    match &moved.from {
        Some(from) if *from == moved.to => say("serves", &format!("{name} serves {from} already")),
        _ => say("serves", &format!("{name} serves {version}; before it {was}")),
    }
    Ok(Pushed { passed, former: moved.from, correlation_id: None })
}

async fn to_server(
    arguments: &Push,
    bundle: &Bundle,
    key: Option<&SecretKey>,
    url: &Url,
    connection: &Connection,
) -> anyhow::Result<Pushed> {
    let Bundle { source, use_case, version, .. } = bundle;
    if !arguments.arch.is_empty() {
        bail!("--arch is for stores: a server compiles by itself");
    }
    let say = |step, what: &str| say(arguments, step, what);
    let passed = check(arguments, bundle).await?;
    let audience = arguments.audience.clone().unwrap_or_else(|| url.origin().ascii_serialization());
    let mut statement = Statement::new(&use_case.name, source, arguments.by.now()).for_audience(&audience).to_envelope();
    if let Some(key) = key {
        statement.sign(key);
    }
    let archive = tarball::write(source, Some(&statement.to_json())).context("cannot make the archive")?;
    if arguments.dry_run {
        say("dry run", &format!("nothing was sent to {url}: {} as a tar archive", size_text(archive.len() as u64)));
        return Ok(Pushed { passed, ..Pushed::default() });
    }
    say("sending", &format!("{} to {url}{}", size_text(archive.len() as u64), signed_by(key)));
    let begun = Instant::now();
    let upload = UploadCall { path: &["use-cases", &use_case.name], content_type: "application/x-tar", body: archive };
    let answer = Client::for_url(url.clone(), connection)?.upload(upload, "the server checks and compiles").await?;
    let member = |name: &str| answer.json[name].as_str().map(str::to_owned);
    let pushed = Pushed { passed, former: member("former"), correlation_id: member("correlationId") };
    let former = pushed.former.as_deref().unwrap_or("nothing");
    say(
        "serves",
        &if former == version {
            format!("{} serves {former} already{}", use_case.name, took(begun))
        } else {
            format!("{} serves {version}; before it {former}{}", use_case.name, took(begun))
        },
    );
    Ok(pushed)
}

/// Loads the bundle as a host does, and runs its test cases. Returns their number. Fails if a case fails.
async fn check(arguments: &Push, bundle: &Bundle) -> anyhow::Result<usize> {
    let Bundle { source, use_case, version, runtime } = bundle;
    let plugins = [Role::Validate, Role::Process].into_iter().filter_map(|role| {
        let spec = use_case.plugin(role)?;
        Some(format!("{role} {}", size_text(source.files.get(&spec.plugin)?.len() as u64)))
    });
    let plugins: Vec<String> = plugins.collect();
    let cases = cases::of_bundle(source)?;
    let begun = Instant::now();
    let loaded = postdate_cases::load(runtime, source, &cases).await?;
    let what = if plugins.is_empty() { "no plugins".to_owned() } else { plugins.join(", ") };
    say(arguments, "checked", &format!("{} version {version}: {what}{}", use_case.name, took(begun)));
    let begun = Instant::now();
    let ran = postdate_cases::run_all(&loaded, use_case, &cases).await;
    let failed: Vec<&Ran> = ran.iter().filter(|ran| !ran.complaints.is_empty()).collect();
    if let Some(first) = failed.first() {
        let complaint = printable(&first.complaints.join("; "));
        bail!(
            "{} of {} cases failed, so nothing was pushed; {}: {complaint}\n{}  next: postdate plugin test {}",
            failed.len(),
            ran.len(),
            printable(&first.name),
            diff(first),
            arguments.dir.display()
        );
    }
    say(arguments, "cases", &if ran.is_empty() { "none".to_owned() } else { format!("{} passed{}", ran.len(), took(begun)) });
    Ok(ran.len())
}

fn signed_by(key: Option<&SecretKey>) -> String {
    key.map_or_else(String::new, |key| format!(", signed by {}", key.public().id()))
}

/// Returns the time of a step, as the end of its line.
fn took(begun: Instant) -> String {
    format!(" ({:.2} s)", begun.elapsed().as_secs_f64())
}

/// Prints a step that is done.
fn say(arguments: &Push, step: &str, what: &str) {
    progress(arguments.json, &format!("{step:<9}  {what}\n"));
}
