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
