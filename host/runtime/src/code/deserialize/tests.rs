use std::io::{Seek as _, Write as _};

use super::*;

#[test]
fn the_content_of_a_memory_file_cannot_be_changed() {
    let mut file = memory_file(b"machine code").unwrap();
    file.rewind().unwrap();
    assert!(file.write_all(b"M").is_err());
    assert!(file.set_len(3).is_err() && file.set_len(1000).is_err());
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let again = File::options().write(true).open(&path).and_then(|mut again| again.write_all(b"M"));
    assert!(again.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"machine code");
}
