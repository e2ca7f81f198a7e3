//! `postdate ledger …`: measures, compacts and resumes the ledger of a data directory.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use postdate_core::time::rfc3339;
use postdate_local::ledger::{Group, Stats};
use serde_json::json;

use crate::logging;
use crate::output::{columns, counted, json_line, out, size_text};

const NOTES: &str = "\
Examples:
  postdate ledger stats --data /var/lib/postdate            what takes the room; a server may run
  postdate ledger compact --data /var/lib/postdate          stop the server first
  postdate ledger resume --data /var/lib/postdate           after `postdate restore`; a server may run";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct LedgerCommand {
    /// Data directory of the server
    #[arg(long, env = "POSTDATE_DATA", value_name = "DIR", default_value = ".postdate", global = true)]
    data: PathBuf,

    #[command(subcommand)]
    action: LedgerAction,
}

#[derive(Debug, Subcommand)]
enum LedgerAction {
    /// Show rows and bytes by table, and by use case and status
    Stats {
        /// Print JSON, with sizes in bytes
        #[arg(long)]
        json: bool,
    },
    /// Rebuild the file without free pages, and so that a server gives later ones back to the disk
    Compact {
        /// Print JSON, with sizes in bytes
        #[arg(long)]
        json: bool,
    },
    /// Make held requests and notices due, the oldest first
    Resume {
        /// Only requests of this use case
        #[arg(long, value_name = "NAME")]
        use_case: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub fn run(command: LedgerCommand) -> anyhow::Result<ExitCode> {
    logging::init("warn")?;
    let data = &command.data;
    match command.action {
        LedgerAction::Stats { json } => {
            let stats = postdate_local::stats(data)?;
            out(&if json { json_line(&stats)? } else { text(&stats) });
        }
        LedgerAction::Compact { json } => {
            let (before, after) = postdate_local::compact(data)?;
            out(&if json {
                json_line(&json!({ "oldBytes": before, "newBytes": after }))?
            } else {
                format!("the ledger had {}, and has {}\n", size_text(before), size_text(after))
            });
        }
        LedgerAction::Resume { use_case, json } => {
            let resumed = postdate_local::resume(data, use_case.as_deref())?;
            out(&if json { json_line(&json!({ "resumed": resumed }))? } else { format!("resumed {}\n", counted(resumed, "request")) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(stats: &Stats) -> String {
    let free = if stats.gives_back { "" } else { ", kept for new requests until `postdate ledger compact`" };
    let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    let rows = [
        row(["requests", &stats.requests.rows.to_string(), &size_text(stats.requests.bytes)]),
        row(["history", &stats.history.rows.to_string(), &size_text(stats.history.bytes)]),
        row(["indexes and unused parts of pages", "", &size_text(stats.other_bytes)]),
    ];
    let mut text = format!(
        "file              {}, schema version {}\nfree pages        {}{free}\nwrite-ahead log   {}\n\n",
        size_text(stats.file_bytes),
        stats.schema,
        size_text(stats.free_bytes),
        size_text(stats.wal_bytes),
    );
    let _ = write!(text, "{}", columns(&[&[row(["TABLE", "ROWS", "BYTES"])][..], &rows].concat(), ""));
    let heading = ["USE CASE", "STATUS", "REQUESTS", "BYTES", "OF HISTORY", "OLDEST RECEIVED", "OLDEST END"].map(str::to_owned).to_vec();
    let groups = std::iter::once(heading).chain(stats.groups.iter().map(group_row)).collect::<Vec<_>>();
    text + "\n" + &columns(&groups, "")
}

fn group_row(group: &Group) -> Vec<String> {
    vec![
        group.use_case.clone(),
        group.status.clone(),
        group.requests.to_string(),
        size_text(group.bytes),
        size_text(group.history_bytes),
        rfc3339(group.oldest_received_at),
        group.oldest_finished_at.map(rfc3339).unwrap_or_default(),
    ]
}
