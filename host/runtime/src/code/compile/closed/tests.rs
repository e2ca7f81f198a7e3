use std::fs::{self, File};
use std::io::ErrorKind::PermissionDenied;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use super::close_in;

/// Runs the test in a thread of its own, since the filter holds for that thread and its children, and for ever.
fn closed_in<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(|| {
        close_in().expect("this kernel has seccomp");
        test()
    })
    .join()
    .unwrap()
}

#[test]
fn a_closed_in_process_opens_no_file_socket_or_process() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (path, place) = (file.path().to_owned(), dir.path().to_owned());
    let outcomes = closed_in(move || {
        [
            ("read a file", File::open(&path).map(drop)),
            ("make a file", File::create(place.join("new")).map(drop)),
            ("stat a file", fs::metadata(&path).map(drop)),
            ("delete a file", fs::remove_file(&path)),
            ("make a directory", fs::create_dir(place.join("dir"))),
            ("link a file", fs::hard_link(&path, place.join("link"))),
            ("list a directory", fs::read_dir(&place).map(drop)),
            ("connect", TcpStream::connect(address).map(drop)),
            ("listen", TcpListener::bind("127.0.0.1:0").map(drop)),
            ("open a UDP socket", UdpSocket::bind("127.0.0.1:0").map(drop)),
            ("connect to a Unix socket", UnixStream::connect("/run/any.sock").map(drop)),
            ("start a process", Command::new("/bin/true").status().map(drop)),
        ]
    });
    for (what, outcome) in outcomes {
        assert_eq!(outcome.unwrap_err().kind(), PermissionDenied, "{what}");
    }
    assert!(file.path().exists() && fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[test]
fn a_closed_in_process_starts_threads_which_are_closed_in_and_reads_what_is_open() {
    let mut open = File::open("/proc/self/cmdline").unwrap();
    let (text, inner) = closed_in(move || {
        let mut text = Vec::new();
        open.read_to_end(&mut text).unwrap();
        let inner = thread::Builder::new().name("inner".into()).spawn(|| {
            let memory = vec![1_u8; 64 << 20];
            (memory.iter().map(|byte| usize::from(*byte)).sum::<usize>(), File::open("/proc/self/cmdline").map(drop))
        });
        (text, inner.unwrap().join().unwrap())
    });
    assert!(!text.is_empty());
    assert_eq!(inner.0, 64 << 20);
    assert_eq!(inner.1.unwrap_err().kind(), PermissionDenied);
}
