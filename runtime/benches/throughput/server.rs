//! The server: reads requests on connections that stay open, and writes the same answer to each.

use std::{
    sync::{LazyLock, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::load;

/// What the model writes.
pub(crate) const REPLY: &str = "[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]";

/// What a provider answers, with what nobody reads.
static ANSWER: LazyLock<String> = LazyLock::new(|| {
    let reply = REPLY.replace('\n', "\\n");
    let body = format!(
        r#"{{"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG","object":"chat.completion","created":1741570283,"model":"gpt-x-2026-08-06","choices":[{{"index":0,"message":{{"role":"assistant","content":"{reply}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":157,"completion_tokens":18,"total_tokens":175,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}},"service_tier":"default","system_fingerprint":"fp_fc9f1d7035"}}"#
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
});

/// Serves until its input ends; answers each line with the first body of the newest connection.
pub(crate) fn run() {
    static NEWEST: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let runtime = load::runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    runtime.spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, &NEWEST))),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    });
    for _ in std::io::stdin().lines().map_while(Result::ok) {
        println!("{:?}", String::from_utf8_lossy(&NEWEST.lock().expect("a body")));
    }
}

/// Keeps the first body of a connection.
async fn serve(mut stream: TcpStream, first: &Mutex<Vec<u8>>) {
    let _ = stream.set_nodelay(true);
    let mut bytes = Vec::with_capacity(8 << 10);
    let mut is_first = true;
    while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
        while let Some((head, length)) = request(&bytes).filter(|(head, length)| bytes.len() >= head + length)
        {
            if std::mem::take(&mut is_first) {
                *first.lock().expect("a body") = bytes[head..head + length].to_vec();
            }
            bytes.drain(..head + length);
            if stream.write_all(ANSWER.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Where the body begins and how long it is, once the head is there.
fn request(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((head, length?))
}
