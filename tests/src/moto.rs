//! moto, a mock of AWS's services, as a process.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::fault_proxy::FaultProxy;
use crate::process::{Lines, Process, free_port};
use crate::tools;
use crate::wait::eventually;

/// A moto server on 127.0.0.1. Stops with the last reference.
#[derive(Debug)]
pub struct Moto {
    pub port: u16,
    _process: Process,
}

impl Moto {
    /// Returns the server that the running tests of this process share, since moto takes seconds to start. Each test has an
    /// account of its own, see [`new_account`]; moto isolates accounts.
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

    /// Starts a new server.
    pub async fn start() -> Self {
        let port = free_port();
        let lines = Lines::default();
        let mut command = Command::new(tools::tool("python"));
        command.arg(tools::root().join("tests/aws_server.py")).args(["-H", "127.0.0.1", "-p", &port.to_string()]);
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

/// An empty AWS account of one test: moto behind a fault proxy of its own.
pub struct Account {
    pub clock: Clock,
    pub proxy: FaultProxy,
    /// The test's own client, whose calls get no faults.
    pub aws: Aws,
    /// Keeps the server running.
    pub moto: Arc<Moto>,
}

impl Account {
    pub async fn new() -> Self {
        let (moto, account, clock) = (Moto::shared().await, new_account(), Clock::new());
        let proxy = FaultProxy::start(&moto.url(), &account, clock.clone()).await;
        let aws = Aws::new(&proxy.url(), &account);
        Self { clock, proxy, aws, moto }
    }
}

/// Returns an unused AWS account id of 12 digits.
fn new_account() -> String {
    static ACCOUNTS: AtomicU32 = AtomicU32::new(1);
    format!("{:012}", 500_000_000_000_u64 + u64::from(ACCOUNTS.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}
