//! The server: a separate process that answers quickly, and lets one request in twenty fail.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// Set in the server's process.
const SERVER: &str = "KARAT_SOAK_SERVER";

/// How long an unanswered request stays open.
pub const STALL: Duration = Duration::from_secs(10);

/// The least time of each answer: so long that a thousand are in flight at once even on a slow machine.
const LATENCY: Duration = Duration::from_millis(300);

const BODY: &str = r###"{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]","refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":157,"completion_tokens":18,"total_tokens":175}}"###;

const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"[[ ## answer ## ]]\\nPa\"}}]}\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ris\\n\\n[[ ## completed ## ]]\"},\"finish_reason\":\"stop\"}]}\n\n\
    data: [DONE]\n\n";

/// The kinds of failures, in the order of the counters.
const NAMES: [&str; 7] = ["500", "429", "reset", "cut body", "slow", "garbage", "no answer"];

/// The number of requests, and of failures of each kind.
#[derive(Default)]
pub struct Faults {
    pub requests: u64,
    by_name: [u64; NAMES.len()],
}

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static FAULTS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

impl Faults {
    pub fn failed(&self) -> u64 {
        self.by_name.iter().sum()
    }

    pub fn words(&self) -> String {
        let words: Vec<_> =
            NAMES.iter().zip(&self.by_name).map(|(name, count)| format!("{count} {name}")).collect();
        words.join(", ")
    }
}

pub fn is_this_process() -> bool {
    std::env::var_os(SERVER).is_some()
}

/// Starts the server; returns it with its address.
pub fn start() -> (Child, String) {
    let mut server = Command::new(std::env::current_exe().unwrap());
    server.env(SERVER, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = server.spawn().unwrap();
    let mut address = String::new();
    // Byte by byte: the bytes after the line are for `faults`.
    let out = child.stdout.as_mut().unwrap();
    BufReader::with_capacity(1, out).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

/// Ends the server; returns its counts.
pub fn faults(mut server: Child) -> Faults {
    drop(server.stdin.take());
    let mut counts = String::new();
    server.stdout.take().unwrap().read_to_string(&mut counts).unwrap();
    server.wait().unwrap();
    let mut counts = counts.split_whitespace().map(|count| count.parse().unwrap());
    Faults { requests: counts.next().unwrap(), by_name: std::array::from_fn(|_| counts.next().unwrap()) }
}

/// The server's `main`: runs until its input is closed.
pub fn run() {
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        let counts = FAULTS.iter().map(|count| count.load(Ordering::Relaxed).to_string());
        let counts = counts.collect::<Vec<_>>().join(" ");
        // If the other side was killed, nobody reads it.
        let _ = writeln!(std::io::stdout(), "{} {counts}", REQUESTS.load(Ordering::Relaxed));
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // The backlog is for a thousand connections at once.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener: TcpListener = socket.listen(4_096).unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream))),
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    });
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

async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut bytes = Vec::with_capacity(4 << 10);
    while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
        while let Some((head, length)) = request(&bytes).filter(|(head, length)| bytes.len() >= head + length)
        {
            let body = &bytes[head..head + length];
            let is_stream = body.windows(13).any(|part| part == b"\"stream\":true");
            bytes.drain(..head + length);
            if !answer(&mut stream, is_stream).await {
                return;
            }
        }
    }
}

/// True if the connection goes on.
async fn answer(stream: &mut TcpStream, is_stream: bool) -> bool {
    sleep(LATENCY).await;
    let index = REQUESTS.fetch_add(1, Ordering::Relaxed);
    // Spread like random, and the same in every run.
    let mixed = (index ^ 0x5DEE_CE66).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_right(32);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32;
    if mixed % 1_000 >= 50 {
        let (kind, body) = if is_stream { ("text/event-stream", STREAM) } else { ("application/json", BODY) };
        return write(stream, &whole("200 OK", kind, "", body)).await;
    }
    // Of the 50 in 1,000: one that is never answered, 14 failures of the server, and so on.
    let kind = match mixed % 1_000 {
        0 => 6,
        1..=14 => 0,
        15..=19 => 1,
        20..=29 => 2,
        30..=39 => 3,
        40..=44 => 4,
        _ => 5,
    };
    FAULTS[kind].fetch_add(1, Ordering::Relaxed);
    match kind {
        0 => {
            write(stream, &whole("500 Internal Server Error", "application/json", "", "{\"error\":\"down\"}"))
                .await
        }
        1 => {
            write(stream, &whole("429 Too Many Requests", "application/json", "retry-after-ms: 2\r\n", "{}"))
                .await
        }
        2 => {
            let _ = stream.set_zero_linger();
            false
        }
        3 => {
            let whole = whole("200 OK", "application/json", "", BODY);
            write(stream, &whole[..whole.len() - 40]).await;
            false
        }
        4 => {
            // In three parts, with 100 ms between them; it is still an answer.
            let whole = whole("200 OK", "application/json", "", BODY);
            for part in whole.as_bytes().chunks(whole.len() / 3 + 1) {
                if stream.write_all(part).await.is_err() {
                    return false;
                }
                sleep(Duration::from_millis(100)).await;
            }
            true
        }
        5 => {
            write(stream, "SSH-2.0-OpenSSH_9.6\r\n").await;
            false
        }
        _ => {
            // Until the client closes, or gives up.
            let _ = tokio::time::timeout(STALL, stream.read(&mut [0])).await;
            false
        }
    }
}

fn whole(status: &str, kind: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

async fn write(stream: &mut TcpStream, text: &str) -> bool {
    stream.write_all(text.as_bytes()).await.is_ok()
}
