//! The attackers. Each repeats one attack until the end, and reconnects after a kill.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::harness::{Client, guest, large, slow, text};

/// Numbers of concurrent attackers of each kind.
const SLOW_CLIENTS: usize = 120;
const VALIDATIONS: usize = 24;
const REQUESTS: usize = 24;
const LISTS: usize = 4;
/// More than one key may have at a time.
const LONG_POLLS: usize = 400;
/// Pause of an attacker between two attacks.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of an upload that is not an archive.
const NOISE_BYTES: usize = 8 << 20;
/// Number of slow functions of the plugin that compiles for long: many times [`COMPILE_TIME`].
const SLOW_FUNCTIONS: usize = 60;
/// Value of `--compile-time`.
pub const COMPILE_TIME: &str = "2s";
/// Bytes of each of the two plugins of a large archive. A file may have 64 MiB, and an archive 160 MiB.
const LARGE_BYTES: usize = 62 << 20;

/// Numbers of attacks that took place, by kind and answer.
#[derive(Debug, Default)]
pub struct Attacks(Mutex<BTreeMap<String, u64>>);

impl Attacks {
    fn add(&self, kind: &str, answer: &str) {
        *self.0.lock().expect("the counters").entry(format!("{kind}{answer}")).or_default() += 1;
    }

    pub fn all_happened(&self) -> bool {
        let counts = self.0.lock().expect("the counters");
        let uploads = ["no archive", "repeated file", "long compile", "large archive"];
        let mut kinds = ["slow client", "validation", "request", "list", "long poll 200", "long poll 503"].into_iter().chain(uploads);
        kinds.all(|kind| counts.keys().any(|key| key.starts_with(kind)))
    }
}

pub struct Attackers {
    server: watch::Sender<Client>,
    attacks: Arc<Attacks>,
    tasks: JoinSet<()>,
}

impl Attackers {
    pub fn start(api: &Client, key: &str, uploads: [Upload; 4]) -> Self {
        let (server, _) = watch::channel(api.clone());
        let attacks = Arc::<Attacks>::default();
        let mut tasks = JoinSet::new();
        for number in 0..SLOW_CLIENTS {
            tasks.spawn(slow_client(server.subscribe(), Arc::clone(&attacks), head(number, key)));
        }
        for number in 0..VALIDATIONS {
            let body = json!({ "delay": "PT1H", "validate": script(number) });
            tasks.spawn(poster(server.subscribe(), Arc::clone(&attacks), "validation", "hostile", body));
        }
        for number in 0..REQUESTS {
            let use_case = ["hostile", "slow", "endless"][number % 3];
            let body = json!({ "delay": "PT0S", "process": script(number / 3) });
            tasks.spawn(poster(server.subscribe(), Arc::clone(&attacks), "request", use_case, body));
        }
        for number in 0..LISTS {
            tasks.spawn(lister(server.subscribe(), Arc::clone(&attacks), number));
        }
        for number in 0..LONG_POLLS {
            tasks.spawn(poller(server.subscribe(), Arc::clone(&attacks), if number % 10 == 0 { "1s" } else { "30s" }));
        }
        for upload in uploads {
            tasks.spawn(uploader(server.subscribe(), Arc::clone(&attacks), upload));
        }
        Self { server, attacks, tasks }
    }

    pub fn all_happened(&self) -> bool {
        self.attacks.all_happened()
    }

    pub fn server_is_at(&self, api: &Client) {
        self.server.send_replace(api.clone());
    }

    /// Ends all attacks. Returns how many took place.
    pub async fn finish(mut self) -> Attacks {
        self.tasks.shutdown().await;
        Arc::into_inner(self.attacks).expect("all attackers have ended")
    }
}

/// Returns what a plugin does: sleep, loop, allocate up to its limit or beyond, or write to its log.
fn script(number: usize) -> Value {
    match number % 5 {
        0 => json!({ "do": "sleep", "ms": 20_000 }),
        1 => json!({ "do": "loop" }),
        2 => json!({ "do": "memory", "mib": 90 }),
        3 => json!({ "do": "memory", "mib": 200 }),
        _ => json!({ "do": "stderr", "lines": 10_000 }),
    }
}

/// Returns the start of a request that never ends: half of a head, or a head and one byte of its body.
fn head(number: usize, key: &str) -> String {
    let line = "POST /requests/good HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    match number % 3 {
        0 => line.to_owned(),
        1 => format!("{line}content-length: 100\r\n\r\n{{"),
        _ => format!("{line}authorization: Bearer {key}\r\ncontent-length: 100\r\n\r\n{{"),
    }
}

/// Sends a head, then one byte a second, until the server closes the connection.
async fn slow_client(server: watch::Receiver<Client>, attacks: Arc<Attacks>, head: String) {
    loop {
        let address = server.borrow().url.trim_start_matches("http://").to_owned();
        if let Ok(mut stream) = TcpStream::connect(address).await
            && stream.write_all(head.as_bytes()).await.is_ok()
        {
            attacks.add("slow client", "");
            let mut answer = [0; 1_024];
            loop {
                match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
                    Err(_) if stream.write_all(b" ").await.is_ok() => {}
                    Ok(Ok(read)) if read > 0 => {}
                    _ => break,
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Posts the body again and again, whatever the answer is.
async fn poster(server: watch::Receiver<Client>, attacks: Arc<Attacks>, kind: &str, use_case: &str, body: Value) {
    loop {
        let api = server.borrow().clone();
        let call = api.call(Method::POST, &format!("/requests/{use_case}")).json(&body);
        if let Ok(answer) = api.try_send(call).await {
            let code = answer.body["code"].as_str().unwrap_or_default();
            attacks.add(kind, &format!(" {} {code}", answer.status));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Filters of lists that select most requests, or read most of them and select none.
const WIDE: [&str; 6] = [
    "",
    "status=scheduled&",
    "from=2000-01-01T00:00:00Z&to=2200-01-01T00:00:00Z&",
    "dueFrom=2000-01-01T00:00:00Z&",
    "endedFrom=2000-01-01T00:00:00Z&",
    "endedFrom=2000-01-01T00:00:00Z&label.customer=nobody&",
];

/// Reads all pages of one list after the other, from the list with this number on. Does not check them, which would take the processors
/// of the good use case.
async fn lister(server: watch::Receiver<Client>, attacks: Arc<Attacks>, first: usize) {
    for filters in WIDE.iter().cycle().skip(first) {
        let mut next = Some(String::new());
        while let Some(cursor) = &next {
            let api = server.borrow().clone();
            let page = api.call(Method::GET, &format!("/requests?{filters}limit=500{cursor}")).send().await;
            if let Ok(answer) = page {
                attacks.add("list", &format!(" {}", answer.status().as_u16()));
                let page: Value = answer.json().await.unwrap_or_default();
                next = page["nextCursor"].as_str().map(|cursor| format!("&cursor={cursor}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Waits again and again for the end of a request that is due in an hour.
async fn poller(server: watch::Receiver<Client>, attacks: Arc<Attacks>, wait: &str) {
    let mut id = None;
    loop {
        let api = server.borrow().clone();
        if let Some(id) = &id {
            if let Ok(answer) = api.try_send(api.call(Method::GET, &format!("/requests/{id}?wait={wait}"))).await {
                let code = answer.body["code"].as_str().unwrap_or_default();
                attacks.add("long poll", &format!(" {} {code}", answer.status));
            }
        } else if let Ok(answer) = api.try_send(api.call(Method::POST, "/requests/slow").json(&json!({ "delay": "PT1H" }))).await {
            id = (answer.status == 202).then(|| text(&answer.body, "correlationId").to_owned());
        }
        tokio::time::sleep(10 * PAUSE).await;
    }
}

/// An upload that costs the server much and is refused.
pub struct Upload {
    kind: &'static str,
    body: Bytes,
    /// Parts of the reasons for which the bundle is refused.
    reasons: &'static [&'static str],
}

/// Makes as many uploads as a server takes at the same time.
pub fn uploads() -> [Upload; 4] {
    let keys: Vec<String> = (0..200).map(|key| format!("k{key} = 'text.txt'")).collect();
    let repeated = format!("[process]\nplugin = 'p.wasm'\nconfig-files = {{ {} }}\n", keys.join(", "));
    let read = |name: &str| std::fs::read(guest(name)).expect("a guest");
    let processor = "[process]\nplugin = 'p.wasm'\n";
    let validator = "[validate]\nplugin = 'v.wasm'\n";
    // Everything is read, compiled and loaded before this case fails.
    let case = b"call = 'process'\nbody = {}\nexpect = { result = 'never' }\n".to_vec();
    [
        Upload { kind: "no archive", body: vec![0x5a; NOISE_BYTES].into(), reasons: &["not a tar archive"] },
        Upload {
            kind: "repeated file",
            body: archive(&repeated, vec![("text.txt", vec![b'x'; 19 << 20]), ("p.wasm", read("minimal-process"))]),
            reasons: &["config"],
        },
        Upload {
            kind: "long compile",
            body: archive(processor, vec![("p.wasm", slow("minimal-process", SLOW_FUNCTIONS))]),
            reasons: &["POSTDATE_COMPILE_TIME"],
        },
        Upload {
            kind: "large archive",
            body: archive(
                &format!("{validator}{processor}"),
                vec![
                    ("v.wasm", large("minimal-validate", LARGE_BYTES)),
                    ("p.wasm", large("minimal-process", LARGE_BYTES)),
                    ("cases/never.toml", case),
                ],
            ),
            // On a busy machine, its compilation takes too long.
            reasons: &["cases failed", "POSTDATE_COMPILE_TIME"],
        },
    ]
}

/// Returns the bundle `bomb` as an archive.
fn archive(manifest: &str, files: Vec<(&str, Vec<u8>)>) -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    let manifest = ("use-case.toml", format!("name = 'bomb'\n{manifest}").into_bytes());
    for (path, content) in std::iter::once(manifest).chain(files) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, content.as_slice()).expect("an archive in memory");
    }
    archive.into_inner().expect("an archive in memory").into()
}

async fn uploader(server: watch::Receiver<Client>, attacks: Arc<Attacks>, upload: Upload) {
    let Upload { kind, body, reasons } = upload;
    loop {
        let api = server.borrow().clone();
        let call = api.call(Method::PUT, "/use-cases/bomb").header("content-type", "application/x-tar").body(body.clone());
        if let Ok(answer) = api.try_send(call).await {
            assert!(answer.status >= 400, "{kind}: a bomb was taken: {}", answer.body);
            // A busy server may have another reason.
            let is_meant = answer.body["detail"].as_str().is_some_and(|detail| reasons.iter().any(|reason| detail.contains(reason)));
            attacks.add(if is_meant { kind } else { "other refusal" }, &format!(" {}", answer.status));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A receiver whose answers never end.
pub struct EndlessReceiver {
    port: u16,
    task: AbortHandle,
}

impl EndlessReceiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let task = tokio::spawn(async move {
            // The set ends all connections when it is dropped with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(answer_for_ever(stream));
            }
        });
        Self { port, task: task.abort_handle() }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/endless", self.port)
    }
}

impl Drop for EndlessReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers with chunks of 16 KiB until the client disconnects.
async fn answer_for_ever(mut stream: TcpStream) {
    let mut request = [0; 4_096];
    let _ = stream.read(&mut request).await;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    if stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.is_ok() {
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
