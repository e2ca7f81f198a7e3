//! A fake bucket on the loopback address, with the calls that these tests make.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};

#[derive(Default)]
struct Objects {
    by_key: BTreeMap<String, String>,
    taken: Vec<String>,
    refuses: bool,
}

pub struct Bucket {
    objects: Arc<Mutex<Objects>>,
    endpoint: String,
}

impl Bucket {
    /// Starts a bucket that answers until the test's process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let objects = Arc::<Mutex<Objects>>::default();
        let served = Arc::clone(&objects);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                std::thread::spawn(move || serve(&stream, &served));
            }
        });
        Self { objects, endpoint }
    }

    pub fn client(&self) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        Client::from_conf(config.build())
    }

    pub fn put(&self, key: &str, content: &str) {
        self.objects.lock().unwrap().by_key.insert(key.to_owned(), content.to_owned());
    }

    /// Sets whether every call is answered with "access denied".
    pub fn refuse(&self, refuses: bool) {
        self.objects.lock().unwrap().refuses = refuses;
    }

    /// Returns the calls for objects since the last time, each as status and key.
    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.objects.lock().unwrap().taken)
    }
}

/// Serves one connection until it is closed.
fn serve(stream: &TcpStream, objects: &Mutex<Objects>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let headers: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let known = headers.iter().find_map(|line| line.to_lowercase().strip_prefix("if-none-match: ").map(str::to_owned));
        let target = request.split(' ').nth(1).unwrap_or_default();
        let (status, etag, body) = objects.lock().unwrap().answer(target, known.as_deref());
        let etag = etag.map(|etag| format!("etag: {etag}\r\n")).unwrap_or_default();
        let length = if status == 304 { 0 } else { body.len() };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{etag}\r\n{body}");
        if { stream }.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

impl Objects {
    fn answer(&mut self, target: &str, known: Option<&str>) -> (u16, Option<String>, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key = path.strip_prefix("/bucket").unwrap_or(path).trim_start_matches('/').to_owned();
        if self.refuses {
            return self.told(403, &key, None, "<Error><Code>AccessDenied</Code></Error>".to_owned());
        }
        if query.contains("list-type=2") {
            return (200, None, self.list());
        }
        let Some(content) = self.by_key.get(&key).cloned() else {
            return self.told(404, &key, None, "<Error><Code>NoSuchKey</Code></Error>".to_owned());
        };
        let etag =
            format!("\"{}\"", content.len() + usize::from(content.bytes().fold(0_u16, |sum, byte| sum.wrapping_mul(31) ^ u16::from(byte))));
        if known == Some(etag.as_str()) {
            return self.told(304, &key, Some(etag), String::new());
        }
        self.told(200, &key, Some(etag), content)
    }

    fn told(&mut self, status: u16, key: &str, etag: Option<String>, body: String) -> (u16, Option<String>, String) {
        self.taken.push(format!("{status} {key}"));
        (status, etag, body)
    }

    /// Returns the answer to `ListObjectsV2`: the names directly under `use-cases/`.
    fn list(&self) -> String {
        let mut names: Vec<&str> = self.by_key.keys().filter_map(|key| key.strip_prefix("use-cases/")?.split('/').next()).collect();
        names.dedup();
        let prefixes: Vec<String> =
            names.iter().map(|name| format!("<CommonPrefixes><Prefix>use-cases/{name}/</Prefix></CommonPrefixes>")).collect();
        format!("<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>", prefixes.concat())
    }
}
