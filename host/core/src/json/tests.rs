use super::*;

#[track_caller]
fn refused(text: &[u8]) -> JsonError {
    parse_object(text).expect_err("the text is refused")
}

#[test]
fn an_object_is_read_as_serde_json_reads_it() {
    let text = r#" {"b":[1,-2,2.5,1e3,null,true,"ü\ud83d\ude00"],"a":{"":{}}} "#;
    let read = parse_object(text.as_bytes()).unwrap();
    assert_eq!(Value::Object(read.clone()), serde_json::from_str::<Value>(text).unwrap());
    let private = parse_object(br#"{"$serde_json::private::RawValue":"1"}"#).unwrap();
    assert_eq!(private["$serde_json::private::RawValue"], "1", "serde_json's own key is no special one");
    assert_eq!(read.keys().collect::<Vec<_>>(), ["b", "a"], "members keep their order");
}

#[test]
fn a_duplicate_key_at_any_depth_is_named_with_its_place() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"b":[{"c":{"a":null,"x":1,"a":{}}}]}"#, r#"{"a":1,"a":"#] {
        match refused(text.as_bytes()) {
            JsonError::DuplicateKey(reason) => assert!(reason.contains("\"a\" twice") && reason.contains("line 1 column"), "{reason}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(parse_object(br#"{"a":{"a":1},"b":{"a":1}}"#).unwrap().len(), 2);
    let long = "k".repeat(100_000);
    assert!(refused(format!("{{\"{long}\":1,\"{long}\":1}}").as_bytes()).to_string().len() < 200);
}

#[test]
fn a_byte_order_mark_is_refused() {
    for text in [&b"\xef\xbb\xbf{}"[..], b"\xff\xfe{\0}\0", b"\xfe\xff\0{\0}", b"\xef\xbb\xbf"] {
        assert_eq!(refused(text), JsonError::ByteOrderMark);
    }
    parse_object("{\"a\":\"\u{feff}\"}".as_bytes()).expect("a mark inside a string is a character");
}

#[test]
fn text_that_is_no_object_is_refused() {
    for text in ["[]", "1", "\"a\"", "null", "true"] {
        assert_eq!(refused(text.as_bytes()), JsonError::NotAnObject, "{text}");
    }
    for text in [&b""[..], b"{", b"{}{}", b"{'a':1}", b"{\"a\":\"\xff\"}", br#"{"a":"\ud800"}"#, br#"{"a":1e999}"#, b"{\"a\":01}"] {
        assert!(matches!(refused(text), JsonError::Malformed(_)), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn deep_texts_are_refused_and_wide_ones_are_read() {
    let nested = |open: &str, close: &str, depth: usize| format!("{{\"a\":{}1{}}}", open.repeat(depth), close.repeat(depth));
    assert!(parse_object(nested("[", "]", 126).as_bytes()).is_ok());
    for text in [nested("[", "]", 127), nested("[", "]", 120_000), nested("{\"a\":", "}", 40_000), "[".repeat(250_000)] {
        assert!(matches!(refused(text.as_bytes()), JsonError::Malformed(_)));
    }
    let keys: Vec<String> = (0..25_000).map(|n| format!("\"{n:x}\":0")).collect();
    assert_eq!(parse_object(format!("{{{}}}", keys.join(",")).as_bytes()).unwrap().len(), 25_000);
    assert!(parse_object(format!("{{\"a\":\"{}\"}}", "\\u0000".repeat(40_000)).as_bytes()).is_ok());
}
