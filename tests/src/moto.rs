//! moto, which answers as AWS would: a process of its own.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::process::{Lines, Process};
use crate::tools;
use crate::wait::eventually;

/// A moto server on 127.0.0.1; ends with the last of those who hold it.
#[derive(Debug)]
pub struct Moto {
    pub port: u16,
    _process: Process,
}

impl Moto {
    /// The server that the running tests of this program share. Each has an account of its own, see [`new_account`]:
    /// moto keeps accounts apart, and it takes seconds to load all its services.
    pub async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Moto>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(moto) = shared.upgrade() {
            return moto;
        }
        let moto = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&moto);
        moto
    }

    /// A new server.
    pub async fn start() -> Self {
        let port = free_port();
        let lines = Lines::default();
        let mut command = Command::new(tools::tool("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut process = Process::start(&mut command, &lines);
        eventually("moto to listen", async || {
            assert!(process.exited().is_none(), "moto ended:\n{}", lines.text());
            listens(port).then_some(())
        })
        .await;
        Self { port, _process: process }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// An AWS account that nobody has used: 12 digits.
pub fn new_account() -> String {
    static ACCOUNTS: AtomicU32 = AtomicU32::new(1);
    format!("{:012}", 500_000_000_000_u64 + u64::from(ACCOUNTS.fetch_add(1, Ordering::Relaxed)))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}
