use super::*;

#[test]
fn an_arn_has_six_parts_and_the_last_may_hold_colons() {
    let arn = Arn::parse("arn:aws:lambda:eu-west-1:123456789012:function:f:live").unwrap();
    assert_eq!((arn.service, arn.region, arn.account, arn.resource), ("lambda", "eu-west-1", "123456789012", "function:f:live"));
    assert_eq!(Arn::parse("arn:aws:iam::123456789012:role/r").unwrap().region, "");
    for wrong in [
        "",
        "postdate",
        "arn:aws:sqs:eu-west-1:123456789012",
        "arn:aws:sqs:eu-west-1:123456789012:",
        "urn:aws:sqs:r:1:q",
        "arn:x:sqs:r:1:q",
    ] {
        assert_eq!(Arn::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn only_queues_have_a_queue_url() {
    let url = |arn| Arn::parse(arn).and_then(Arn::queue_url);
    let expected = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo";
    assert_eq!(url("arn:aws:sqs:eu-west-1:123456789012:orders.fifo").as_deref(), Some(expected));
    let china = url("arn:aws-cn:sqs:cn-north-1:123456789012:orders");
    assert_eq!(china.as_deref(), Some("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders"));
    assert_eq!(url("arn:aws:sns:eu-west-1:123456789012:t"), None);
}

#[test]
fn an_arn_is_compared_with_a_pattern_part_by_part() {
    let queue = "arn:aws:sqs:eu-west-1:123456789012:orders-new";
    for (pattern, fits) in [
        (queue, true),
        ("arn:aws:sqs:eu-west-1:123456789012:orders-*", true),
        ("arn:aws:sqs:*:*:*", true),
        ("arn:aws:s?s:eu-west-1:1234*9012:*-*", true),
        ("arn:aws:sqs:eu-west-1:123456789012:orders", false),
        ("arn:aws:sqs:eu-west-1:123456789012:*-old", false),
        ("arn:aws:sns:*:*:*", false),
        // A star stays within its part, unlike in a text without parts.
        ("*", false),
        ("arn:*", false),
        ("arn:aws:*:orders-new", false),
        ("", false),
    ] {
        assert_eq!(is_like(queue, pattern), fits, "{pattern}");
    }
    assert!(is_like("arn:aws:lambda:r:1:function:f:live", "arn:aws:lambda:r:1:function:f*"));
    assert!(!is_like("arn:aws:sqs:r:1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", &format!("arn:aws:sqs:r:1:{}c", "*a".repeat(20))));
}
