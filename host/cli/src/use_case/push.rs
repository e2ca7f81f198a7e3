//! `postdate use-case push DIR --to STORE`: nothing is visible before all of it is there, and right.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_cases::{Ran, cases};
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_runtime::artifacts::Arch;
use postdate_runtime::trust::{SecretKey, Trust};
use postdate_runtime::{Runtime, read_bundle_dir};
use postdate_store::{AnyObjects, Look, PrecompiledCode, Published, Statement, Versions, tarball};
use reqwest::Url;

use super::Who;
use super::place::Place;
use crate::compiler::Limits;
use crate::output::{out, printable};
use crate::plugin::size_text;
use crate::request::client::{Client, Connection, Upload};
use crate::{key, plugin};

const NOTES: &str = "\
What is done, in this order: the plugins are checked and loaded as a host would; the cases are run;
the plugins are compiled for each --arch; all files are brought to the store; and the use case is
moved to the new version, if nobody has moved it meanwhile. A host on AWS takes it within 10 s and
needs --arch; `postdate serve` takes it within a second and compiles for itself.
With --key, what was pushed and compiled is signed. Without cases there is nothing to run, and that
is said.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Push {
    /// The bundle: a directory with use-case.toml, its plugins and cases/*.toml
    dir: PathBuf,

    #[arg(
        long,
        env = "POSTDATE_STORE",
        value_name = "STORE",
        help = "Where to: s3://bucket/prefix, a directory, or the URL of a `postdate serve` with an API key"
    )]
    to: Place,

    #[arg(long, help = "Architecture of hosts without a compiler, as AWS Lambda calls it: x86_64 or arm64; may be given twice")]
    arch: Vec<Arch>,

    /// Sign with this private key: see `postdate key new`
    #[arg(long, env = "POSTDATE_KEY_FILE", value_name = "FILE")]
    key: Option<PathBuf>,

    #[command(flatten)]
    who: Who,

    #[command(flatten)]
    limits: Limits,

    /// Do all of it but the last: bring nothing, move nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is pushed, and what it is tried on.
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
    let bundle = Bundle { version: source.version(), source, use_case, runtime: plugin::runtime(arguments.limits)? };
    if let Place::Directory(store) = &arguments.to
        && let plain = store.join(&bundle.use_case.name)
        && plain.join(MANIFEST_FILE).exists()
    {
        bail!(
            "{} is a plain bundle, which a server takes before any version: change it there, or push to another directory",
            plain.display()
        );
    }
    match (arguments.to.open().await?, &arguments.to) {
        (Some(store), _) => to_store(&arguments, &bundle, key.as_ref(), &store).await?,
        (None, Place::Server(url)) => to_server(&arguments, &bundle, key.as_ref(), url, connection).await?,
        (None, _) => bail!("{:?} is neither a store nor a server", arguments.to),
    }
    Ok(ExitCode::SUCCESS)
}

async fn to_store(arguments: &Push, bundle: &Bundle, key: Option<&SecretKey>, store: &Versions<AnyObjects>) -> anyhow::Result<()> {
    let Bundle { source, use_case, version, .. } = bundle;
    let name = &use_case.name;
    // Before anything that takes time: who pushes meanwhile is noticed.
    let before = match store.look(name, None).await? {
        Look::Current { current, etag } => Some((current, etag)),
        Look::Same | Look::NoSuchUseCase => None,
    };
    check(arguments, bundle).await?;
    let trust = Trust::new(key.map(SecretKey::public).into_iter().collect());
    let mut compiled = Vec::new();
    for arch in &arguments.arch {
        if store.is_precompiled(use_case, version, *arch, &trust).await? {
            say("compiled", &format!("{arch}: is there already"));
        } else {
            compiled.push((*arch, compile(bundle, *arch).await?));
        }
    }
    let was = before.as_ref().map_or_else(|| "nothing".to_owned(), |(current, _)| current.version.clone());
    if arguments.dry_run {
        say("dry run", &format!("nothing was brought to the store; {name} serves {was}, and would serve {version}"));
        return Ok(());
    }
    let published = store.publish(name, source, arguments.who.now(), key).await?;
    for (arch, code) in &compiled {
        store.publish_precompiled(use_case, source, *arch, code, key).await?;
    }
    let known = if published == Published::Known { ", which the store had" } else { "" };
    say("pushed", &format!("version {version}{known}{}", signed_by(key)));
    let moved = store.move_current(name, version, before, arguments.who.now()).await?;
    match moved.from {
        Some(from) if from == moved.to => say("serves", &format!("{name} serves {from} already")),
        _ => say("serves", &format!("{name} serves {version}; before it {was}")),
    }
    Ok(())
}

async fn to_server(arguments: &Push, bundle: &Bundle, key: Option<&SecretKey>, url: &Url, connection: &Connection) -> anyhow::Result<()> {
    let Bundle { source, use_case, version, .. } = bundle;
    if !arguments.arch.is_empty() {
        bail!("--arch is for stores: a server compiles for itself");
    }
    check(arguments, bundle).await?;
    let mut statement = Statement::new(&use_case.name, source, arguments.who.now()).to_envelope();
    if let Some(key) = key {
        statement.sign(key);
    }
    let archive = tarball::write(source, Some(&statement.to_json())).context("cannot make the archive")?;
    if arguments.dry_run {
        say("dry run", &format!("nothing was sent to {url}: {} as a tar archive", size_text(archive.len() as u64)));
        return Ok(());
    }
    say("sending", &format!("{} to {url}{}", size_text(archive.len() as u64), signed_by(key)));
    let upload = Upload { path: &["use-cases", &use_case.name], content_type: "application/x-tar", body: archive };
    let answer = Client::of(url.clone(), connection)?.upload(upload, "the server checks and compiles").await?;
    let former = answer.json["former"].as_str().unwrap_or("nothing");
    say(
        "serves",
        &if former == version {
            format!("{} serves {former} already", use_case.name)
        } else {
            format!("{} serves {version}; before it {former}", use_case.name)
        },
    );
    Ok(())
}

/// As a host would load it, and as its author says that it answers.
async fn check(arguments: &Push, bundle: &Bundle) -> anyhow::Result<()> {
    let Bundle { source, use_case, version, runtime } = bundle;
    let plugins = [Role::Validate, Role::Process].into_iter().filter_map(|role| {
        let spec = use_case.plugin(role)?;
        Some(format!("{role} {}", size_text(source.files.get(&spec.plugin)?.len() as u64)))
    });
    let plugins: Vec<String> = plugins.collect();
    let cases = cases::of_bundle(source)?;
    let ran = postdate_cases::run_all(&postdate_cases::load(runtime, source, &cases).await?, use_case, &cases).await;
    let what = if plugins.is_empty() { "no plugins".to_owned() } else { plugins.join(", ") };
    say("checked", &format!("{} version {version}: {what}", use_case.name));
    let failed: Vec<&Ran> = ran.iter().filter(|ran| !ran.complaints.is_empty()).collect();
    if let Some(first) = failed.first() {
        let complaint = printable(&first.complaints.join("; "));
        bail!(
            "{} of {} cases failed, and nothing was pushed; {}: {complaint}\n  next: postdate plugin test {}",
            failed.len(),
            ran.len(),
            printable(&first.name),
            arguments.dir.display()
        );
    }
    say("cases", &if ran.is_empty() { "there are none".to_owned() } else { format!("{} passed", ran.len()) });
    Ok(())
}

async fn compile(bundle: &Bundle, arch: Arch) -> anyhow::Result<Vec<PrecompiledCode>> {
    let mut compiled = Vec::new();
    let mut told = Vec::new();
    for new in bundle.runtime.precompile(&bundle.source, &bundle.use_case, arch).await? {
        told.push(format!("{} {} in {} ms", new.artifact.role, size_text(new.artifact.bytes), new.elapsed.as_millis()));
        compiled.push(PrecompiledCode { artifact: new.artifact, code: new.code });
    }
    say("compiled", &format!("{arch}: {}", if told.is_empty() { "no plugins".to_owned() } else { told.join(", ") }));
    Ok(compiled)
}

fn signed_by(key: Option<&SecretKey>) -> String {
    key.map_or_else(String::new, |key| format!(", signed by {}", key.public().id()))
}

/// One step, done.
fn say(step: &str, what: &str) {
    out(&format!("{step:<9}  {what}\n"));
}
