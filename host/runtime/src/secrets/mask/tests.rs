use super::*;

fn masked(secrets: &[(&str, &str)], text: &str) -> String {
    let values = secrets.iter().map(|(name, value)| ((*name).to_owned(), Arc::new((*value).into()))).collect();
    let mut text = text.to_owned();
    Mask::new(&values).apply(&mut text);
    text
}

#[test]
fn every_secret_is_replaced_by_its_name() {
    let secrets = [("A", "hush-hush"), ("B", "hush-hush-hush"), ("PEM", "-----BEGIN-----\nMIIBVgIB\n"), ("SHORT", "abc")];
    assert_eq!(masked(&secrets, "a hush-hush, b=hush-hush-hush"), "a [secret A], b=[secret B]");
    assert_eq!(masked(&secrets, "key: MIIBVgIB"), "key: [secret PEM]");
    assert_eq!(masked(&secrets, "abc"), "abc", "a short secret is not replaced, because it occurs in any text");
    assert_eq!(masked(&[], "hush-hush"), "hush-hush");
}
