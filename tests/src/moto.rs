//! moto, which answers as AWS would: a process of its own.

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

/// An AWS account of one test, with nothing in it: moto behind a fault proxy of its own.
pub struct Account {
    pub clock: Clock,
    pub proxy: FaultProxy,
    /// The test's own calls, which no fault meets.
    pub aws: Aws,
    /// The server runs at least as long as this is held.
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

/// An AWS account that nobody has used: 12 digits.
fn new_account() -> String {
    static ACCOUNTS: AtomicU32 = AtomicU32::new(1);
    format!("{:012}", 500_000_000_000_u64 + u64::from(ACCOUNTS.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}
