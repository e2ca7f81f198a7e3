use super::*;

#[test]
fn only_a_complete_head_is_parsed() {
    let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
    assert_eq!(parse_head(answer).unwrap(), Some(Head { status: 202, content_length: 2, end: answer.len() - 2 }));
    assert_eq!(parse_head(&answer[..30]).unwrap(), None);
    assert!(parse_head(b"SSH-2.0\r\n\r\n").is_err());
    assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
}

#[tokio::test]
async fn an_answer_in_pieces_is_reassembled_and_the_connection_is_kept() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for pieces in [
            ["HTTP/1.1 202 Accepted\r\ncontent-le", "ngth: 5\r\n\r\nhe", "llo"],
            ["HTTP/1.1 404 No", "t Found\r\n", "content-length: 0\r\n\r\n"],
        ] {
            let mut request = [0; 512];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let mut connection = Connection::open(address).await.unwrap();
    let answer = connection.call(&get("/")).await.unwrap();
    assert_eq!((answer.status, answer.body), (202, b"hello".as_slice()));
    let answer = connection.call(&post("/", "{}")).await.unwrap();
    assert!(answer.expect(202).unwrap_err().to_string().contains("404"));
    server.await.unwrap();
    assert!(connection.call(&get("/")).await.is_err());
}
