use super::*;
use crate::trust::PublicKey;

const TYPE: &str = "application/vnd.postdate.test+json";

fn key() -> SecretKey {
    SecretKey::from_pem(&SecretKey::generate().unwrap()).unwrap()
}

fn only(key: &SecretKey) -> Trust {
    Trust::new(vec![key.public()])
}

#[test]
fn the_signed_encoding_is_that_of_the_dsse_specification() {
    // From the specification of DSSE, "Test vectors".
    let bytes = signed_bytes("http://example.com/HelloWorld", b"hello world");
    assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn a_single_trusted_signature_is_enough_and_without_keys_none_is_required() {
    let (ours, theirs) = (key(), key());
    let mut envelope = SignedEnvelope::new(TYPE, b"{}".to_vec());
    assert_eq!(envelope.open(TYPE, &Trust::default()).unwrap(), b"{}");
    assert_eq!(envelope.open(TYPE, &only(&ours)), Err(SignedEnvelopeError::NotSigned));
    envelope.sign(&theirs);
    assert_eq!(envelope.open(TYPE, &only(&ours)), Err(SignedEnvelopeError::NotTrusted(vec![theirs.public().id()])));
    envelope.sign(&ours);
    envelope.sign(&ours);
    assert_eq!(envelope.signers(), [theirs.public().id(), ours.public().id()]);
    let read = SignedEnvelope::parse(envelope.to_json().as_bytes()).unwrap();
    assert_eq!(read, envelope);
    assert_eq!(read.open(TYPE, &only(&ours)).unwrap(), b"{}");
    let both: Vec<PublicKey> = vec![key().public(), theirs.public()];
    assert!(read.open(TYPE, &Trust::new(both)).is_ok());
}

#[test]
fn an_envelope_that_was_changed_is_refused() {
    let key = key();
    let mut envelope = SignedEnvelope::new(TYPE, b"{\"a\":1}".to_vec());
    envelope.sign(&key);
    let mut changed = envelope.clone();
    changed.payload[5] = b'2';
    assert_eq!(changed.open(TYPE, &only(&key)), Err(SignedEnvelopeError::Forged(key.public().id())));
    let mut renamed = envelope.clone();
    renamed.payload_type = "application/vnd.postdate.other+json".to_owned();
    assert!(matches!(renamed.open(TYPE, &only(&key)), Err(SignedEnvelopeError::WrongType { .. })));
    assert_eq!(renamed.open("application/vnd.postdate.other+json", &only(&key)), Err(SignedEnvelopeError::Forged(key.public().id())));
    let mut borrowed = SignedEnvelope::new(TYPE, b"{}".to_vec());
    borrowed.signatures.clone_from(&envelope.signatures);
    assert_eq!(borrowed.open(TYPE, &only(&key)), Err(SignedEnvelopeError::Forged(key.public().id())));
    let mut empty = envelope.clone();
    empty.signatures[0].sig.clear();
    assert_eq!(empty.open(TYPE, &only(&key)), Err(SignedEnvelopeError::Forged(key.public().id())));
}

#[test]
fn a_document_that_is_not_an_envelope_is_refused() {
    for wrong in ["", "{}", "[]", "{\"payloadType\":\"\",\"payload\":\"?\",\"signatures\":[]}"] {
        assert!(matches!(SignedEnvelope::parse(wrong.as_bytes()), Err(SignedEnvelopeError::Malformed(_))), "{wrong}");
    }
}
