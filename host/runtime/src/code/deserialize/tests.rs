use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn the_content_of_a_memory_file_cannot_be_changed() {
    let mut file = memory_file(&b"machine code"[..]).unwrap();
    file.rewind().unwrap();
    assert!(file.write_all(b"M").is_err());
    assert!(file.set_len(3).is_err() && file.set_len(1000).is_err());
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let again = File::options().write(true).open(&path).and_then(|mut again| again.write_all(b"M"));
    assert!(again.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"machine code");
}

#[test]
fn a_file_that_others_can_change_is_copied_before_it_is_read() {
    let place = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(place.path(), "machine code").unwrap();
    for (mode, is_copied) in [(0o600, false), (0o644, false), (0o664, true), (0o646, true)] {
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let file = unchanging(File::open(place.path()).unwrap(), 1000).unwrap();
        std::fs::write(place.path(), "other code!!").unwrap();
        let expected = if is_copied { "machine code" } else { "other code!!" };
        assert_eq!(std::fs::read_to_string(path_of(&file)).unwrap(), expected, "mode {mode:o}");
        std::fs::write(place.path(), "machine code").unwrap();
    }
}
