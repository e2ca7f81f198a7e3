//! `postdate backup` and `postdate restore`: a data directory in one file, and back.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use postdate_local::{BackedUp, Restored};
use serde_json::{Value, json};

use crate::logging;
use crate::output::{counted, json_line, out, path_text, size_text};

const BACKUP_NOTES: &str = "\
Example:
  postdate backup --data /var/lib/postdate --to /backup/postdate-2027-03-01.sqlite

The file has the ledger and the store with all versions of use cases. It has every payload and result:
keep it as safe as the server. It has no plain directories of --use-cases, no keys and no secrets.
A server may run meanwhile, and is not delayed. A command that is killed leaves .postdate-backup-* beside
the file, which the first backup a day later deletes.";

const RESTORE_NOTES: &str = "\
Example:
  postdate restore --from /backup/postdate-2027-03-01.sqlite --data /var/lib/postdate
  postdate serve --data /var/lib/postdate
  postdate ledger resume --data /var/lib/postdate

The backup does not know which requests ran after it was made. By default, those that ran or were due
are therefore held, and do not expire any more: each waits until it is retried, moved or cancelled, or
until `postdate ledger resume`. Held notices are in no list, so finish with that command. Requests for
later run at their times.";

#[derive(Debug, Args)]
#[command(after_help = BACKUP_NOTES)]
pub struct Backup {
    /// Data directory of the server
    #[arg(long, env = "POSTDATE_DATA", value_name = "DIR", default_value = ".postdate")]
    data: PathBuf,

    /// File to write; it must not exist
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Print JSON, with the size in bytes
    #[arg(long)]
    json: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command")]
#[derive(Debug, Args)]
#[command(after_help = RESTORE_NOTES)]
pub struct Restore {
    /// Backup to restore, or a copy of a ledger
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// Data directory to restore; no server may use it
    #[arg(long, env = "POSTDATE_DATA", value_name = "DIR", default_value = ".postdate")]
    data: PathBuf,

    /// Move a ledger and a store that are there already to DIR/replaced-TIME
    #[arg(long)]
    overwrite: bool,

    /// Hold requests that ran or were due, which is the default
    #[arg(long, conflicts_with = "run_due")]
    hold: bool,

    /// Start requests that ran or were due, although they may have run since the backup
    #[arg(long)]
    run_due: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Backup) -> anyhow::Result<ExitCode> {
    logging::init("warn")?;
    let Backup { data, to, json } = arguments;
    let BackedUp { requests, files, bytes } = postdate_local::back_up(data, to)?;
    out(&if *json {
        json_line(&json!({ "to": path_text(to), "requests": requests, "storeFiles": files, "bytes": bytes }))?
    } else {
        let (requests, files) = (counted(requests, "request"), counted(files, "file"));
        format!("{}: {requests} and {files} of the store, {}, checked\n", to.display(), size_text(bytes))
    });
    Ok(ExitCode::SUCCESS)
}

pub fn run_restore(arguments: Restore) -> anyhow::Result<ExitCode> {
    logging::init("warn")?;
    let Restore { from, data, overwrite, run_due, json, hold: _ } = arguments;
    let restore = postdate_local::Restore { from, data, overwrite, run_due };
    let done = postdate_local::restore(&restore)?;
    out(&if json { json_line(&document(&restore.data, &done))? } else { text(&restore.data, &done) });
    Ok(ExitCode::SUCCESS)
}

fn document(data: &Path, done: &Restored) -> Value {
    json!({
        "data": path_text(data),
        "madeAt": done.made_at,
        "requests": done.requests,
        "held": done.held,
        "storeFiles": done.files,
        "former": done.former.as_deref().map(path_text),
    })
}

fn text(data: &Path, done: &Restored) -> String {
    let place = data.display();
    let made = done.made_at.as_ref().map(|at| format!(" of {at}")).unwrap_or_default();
    let mut text = format!("{place}: restored {} from the backup{made}\n", counted(done.requests, "request"));
    match done.files {
        Some(files) => drop(writeln!(text, "  store:  {}", counted(files, "file"))),
        None => text += "  store:  not in the backup, so it is as before\n",
    }
    if let Some(former) = &done.former {
        let _ = writeln!(text, "  before: moved to {}; delete it when it is not needed any more", former.display());
    }
    if done.held > 0 {
        let _ =
            writeln!(text, "  held:   {} that ran or were due, since they may have run after the backup", counted(done.held, "request"));
        text += "  next:   cancel or move what is not to run now with `postdate request`\n";
        let _ = writeln!(text, "  then:   postdate ledger resume --data {place}, for the others and for notices, which are in no list");
    }
    text
}

#[cfg(test)]
mod tests;
