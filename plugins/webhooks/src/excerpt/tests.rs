use super::*;

const URL: &str = "https://api.example.com/services/T%C3%B6KEN12?sig=abcdef&v=1#top";

#[track_caller]
fn check(answer: &str, expected: &str) {
    assert_eq!(excerpt(answer, URL, ["Bearer s3cr3t", "x"]), expected);
}

#[test]
fn parts_of_the_url_are_hidden_as_written_and_decoded() {
    check("Cannot POST /services/T%C3%B6KEN12?sig=abcdef&v=1", "Cannot POST [hidden]");
    check("Cannot POST /services/TöKEN12", "Cannot POST [hidden]");
    check("no token TöKEN12, T%C3%B6KEN12", "no token [hidden], [hidden]");
    check("sig abcdef&amp;v is not valid", "sig [hidden]&amp;v is not valid");
    check("v1 of https://api.example.com/ is gone", "v1 of https://api.example.com/ is gone");
}

#[test]
fn secrets_are_hidden_before_the_text_is_cut() {
    check("no such token: Bearer s3cr3t", "no such token: [hidden]");
    let answer = format!("{}Bearer s3cr3t", "ä".repeat(195));
    check(&answer, &format!("{}[hidd", "ä".repeat(195)));
}

#[test]
fn an_answer_is_trimmed_and_cut_to_200_characters() {
    check(" why \n", "why");
    check(&"ä".repeat(500), &"ä".repeat(200));
}

#[test]
fn a_url_without_a_path_hides_nothing() {
    assert_eq!(excerpt("a / b", "http://h", []), "a / b");
    assert_eq!(excerpt("a / b", "http://h/", []), "a / b");
}
