use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::*;

#[test]
fn a_restored_copy_without_a_store_has_null_for_what_it_does_not_know() {
    let done = Restored { made_at: None, requests: 3, held: 0, files: None, former: None };
    let expected = json!({ "data": "d", "madeAt": null, "requests": 3, "held": 0, "storeFiles": null, "former": null });
    assert_eq!(document(Path::new("d"), &done), expected);
    assert_eq!(text(Path::new("d"), &done), "d: restored 3 requests from the backup\n  store:  not in the backup, so it is as before\n");
}

#[test]
fn a_path_that_is_not_utf_8_is_shown_in_both_forms() {
    let odd = Path::new(OsStr::from_bytes(b"d\xff"));
    let done = Restored { made_at: None, requests: 0, held: 2, files: Some(4), former: Some(odd.join("replaced")) };
    let document = document(odd, &done);
    assert_eq!((&document["data"], &document["former"]), (&json!("d\u{fffd}"), &json!("d\u{fffd}/replaced")));
    assert!(text(odd, &done).contains("  then:   postdate ledger resume --data d\u{fffd}, for the others and for notices"));
}
