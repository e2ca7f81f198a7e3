use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use postdate_runtime::CompileWith;

use super::*;
use crate::{ServeOptions, serve};

async fn failure(fatal: &Fatal) -> String {
    tokio::time::timeout(Duration::from_secs(10), fatal.reported()).await.expect("a failure was reported")
}

#[tokio::test]
async fn the_panic_of_a_thread_or_task_is_fatal() {
    let fatal = Fatal::default();
    fatal.thread("ledger-x", || panic!("on purpose")).unwrap();
    assert_eq!(failure(&fatal).await, "the thread ledger-x panicked");

    let (fatal, stop) = (Fatal::default(), CancellationToken::new());
    fatal.task("x", &stop, async { panic!("on purpose") });
    assert_eq!(failure(&fatal).await, "the x panicked");
}

#[tokio::test]
async fn the_end_of_a_task_is_fatal_before_the_stop_and_not_after_it() {
    let (fatal, stop) = (Fatal::default(), CancellationToken::new());
    fatal.task("x", &stop, async {});
    assert_eq!(failure(&fatal).await, "the x ended by itself");

    let (fatal, stop) = (Fatal::default(), CancellationToken::new());
    stop.cancel();
    fatal.task("x", &stop, async {}).await.unwrap();
    assert_eq!(fatal.get(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_which_a_task_panics_ends_with_an_error() {
    for name in ["timer", "watcher of the use cases", "HTTP server", "retention"] {
        let directory = tempfile::tempdir().unwrap();
        let use_cases = directory.path().join("use-cases");
        std::fs::create_dir(&use_cases).unwrap();
        let options = ServeOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data: directory.path().join("data"),
            use_cases,
            trust: postdate_runtime::trust::Trust::default(),
            store_names: Vec::new(),
            test_clock: None,
            api_key: None,
            keys_file: None,
            hosts: Vec::new(),
            allow_public: false,
            concurrency: 1,
            memory: None,
            grace: Duration::from_secs(10),
            allow_egress: None,
            ca_files: Vec::new(),
            compiler: CompileWith::default(),
            max_use_cases: usize::MAX,
            store_quota: u64::MAX,
            cache_quota: u64::MAX,
            secrets_file: None,
            allow_secret: Vec::new(),
            secrets_lifetime: Duration::from_mins(1),
            disk_reserve: 0,
            retention: None,
            traces: crate::Traces::default(),
        };
        *SABOTAGED.lock().unwrap() = Some(name);
        let served = tokio::time::timeout(Duration::from_mins(1), serve(options, |_| {}, std::future::pending())).await;
        *SABOTAGED.lock().unwrap() = None;
        let error = served.expect("the server ends").expect_err("the server fails").to_string();
        assert!(error.contains(&format!("the {name} panicked")), "{error}");
    }
}
