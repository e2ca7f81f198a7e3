use super::*;

#[test]
fn objects_lists_and_long_numbers_keep_their_text() {
    for json in [
        r#"{"n":18446744073709551616, "f" : 117.633311394000171234,"e":1.50e+3,"s":"\u00e4\/"}"#,
        "[123456789012345678901234567890123456789012345, [], {}]",
        "0.1234567890123456789012345",
    ] {
        let value = value(json).unwrap();
        assert_eq!((text(&value), value.to_string().as_str()), (Some(json), json));
    }
    assert_eq!(text(&value(" [1 , 2]\n").unwrap()), Some("[1 , 2]"));
}

#[test]
fn a_number_of_the_template_language_is_used_where_it_is_exact() {
    for (json, expected) in [
        ("7", Value::from(7)),
        ("-1", Value::from(-1)),
        ("18446744073709551616", Value::from(18_446_744_073_709_551_616_u128)),
        ("123456789012345678901234567890", Value::from(123_456_789_012_345_678_901_234_567_890_i128)),
        ("1.10", Value::from(1.1)),
        ("1.5e3", Value::from(1500.0)),
        ("117.63331139400017", Value::from(117.633_311_394_000_17)),
        ("-0.0", Value::from(-0.0)),
    ] {
        let value = value(json).unwrap();
        assert!(value.is_number() && value == expected && !has_number(&value), "{json}");
    }
    for json in ["0.1234567890123456789", "1e400", "100000000000000000000000000000000000000000000001"] {
        assert!(has_number(&value(&format!("[{{\"a\":{json}}}]")).unwrap()), "{json}");
    }
}

#[test]
fn members_and_elements_are_found_and_counted() {
    let body = value(r#"{"b":[10,20],"a":null,"b2":{}}"#).unwrap();
    assert_eq!(body.get_attr("b").unwrap().get_item_by_index(1).unwrap(), Value::from(20));
    assert_eq!(body.len(), Some(3));
    let names: Vec<String> = body.try_iter().unwrap().map(|name| name.to_string()).collect();
    assert_eq!(names, ["a", "b", "b2"]);
    assert!(body.get_attr("a").unwrap().is_none() && !body.get_attr("b2").unwrap().is_true());
}

#[test]
fn a_text_that_is_not_json_is_refused() {
    for json in ["", "{", "[1,]", "{\"a\":}", "nul"] {
        assert!(value(json).is_err(), "{json}");
    }
}
