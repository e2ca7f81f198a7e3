//! `postdate key …`: makes and reads the keys that sign bundles and machine code.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use postdate_runtime::trust::SecretKey;
use serde_json::json;

use crate::new_file;
use crate::output::{err, json_line, out, path_text};

const NOTES: &str = "\
Examples:
  postdate key new postdate.key                       writes the private key, prints the public key
  postdate use-case push use-cases/orders --to s3://bucket/use-cases --arch arm64 --key postdate.key
  POSTDATE_TRUSTED_KEYS=ed25519:... postdate serve    loads only bundles that this key signed

The owner of the private key decides what runs on the hosts that trust it. Keep it only where it
is used to push, such as in the secrets of a CI.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct KeyCommand {
    #[command(subcommand)]
    action: KeyAction,
}

#[derive(Debug, Subcommand)]
enum KeyAction {
    /// Make a key pair: write the private key to a file, and print the public key
    New {
        /// File for the private key, which must not exist yet
        #[arg(default_value = "postdate.key")]
        file: PathBuf,
        /// Print JSON: the public key, its id, and the file
        #[arg(long)]
        json: bool,
    },
    #[command(about = "Print the public key of a private key, in the form of POSTDATE_TRUSTED_KEYS")]
    Show {
        /// File with the private key
        #[arg(default_value = "postdate.key")]
        file: PathBuf,
        /// Print JSON: the public key, its id, and the file
        #[arg(long)]
        json: bool,
    },
}

pub fn run(command: KeyCommand) -> anyhow::Result<ExitCode> {
    let (file, key, json) = match command.action {
        KeyAction::New { file, json } => {
            let text = SecretKey::generate()?;
            new_file::write_private(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
            let key = SecretKey::from_pem(&text)?.public();
            err(&format!("wrote the private key to {} (key id {})\n", file.display(), key.id()));
            (file, key, json)
        }
        KeyAction::Show { file, json } => {
            let key = read(&file)?.public();
            (file, key, json)
        }
    };
    out(&if json {
        json_line(&json!({ "publicKey": key.to_string(), "keyId": key.id(), "file": path_text(&file) }))?
    } else {
        format!("{key}\n")
    });
    Ok(ExitCode::SUCCESS)
}

/// Reads a private key. Fails if other users can read or write the file.
pub fn read(file: &Path) -> anyhow::Result<SecretKey> {
    let metadata = std::fs::metadata(file).with_context(|| format!("cannot read the key {}", file.display()))?;
    if metadata.mode() & 0o077 != 0 {
        bail!("other users can read or write the key {}: run chmod 600 {}", file.display(), file.display());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the key {}", file.display()))?;
    SecretKey::from_pem(&text).with_context(|| file.display().to_string())
}
