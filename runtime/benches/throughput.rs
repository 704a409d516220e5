//! How many calls a second go through `Predict::call` over real HTTP, 64 in flight, beside a loop by hand with `reqwest` and
//! `serde_json` that sends the same bodies to the same server. The two take turns; a round's ratio is of two runs side by side.
//!
//! The server is a process of its own, so that the processor time is that of the callers alone.
//! `cargo bench -p karat --bench throughput -- 20000 9` makes 20,000 calls in each run, and nine rounds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may stop at once")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use karat::{Lm, Module, Predict, signature};
use reqwest::{Client, Response};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::{Builder, Runtime},
    task::JoinSet,
};

/// Answer the question.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

const IN_FLIGHT: usize = 64;
const KEY: &str = "sk-bench";

/// Set in the server's process.
const SERVER: &str = "KARAT_BENCH_SERVER";

/// What a provider answers, with what nobody reads.
const ANSWER: &str = r###"{"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG","object":"chat.completion","created":1741570283,"model":"gpt-x-2026-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":157,"completion_tokens":18,"total_tokens":175,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_fc9f1d7035"}"###;

fn main() {
    if std::env::var_os(SERVER).is_some() {
        return server();
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let (calls, rounds) = (numbers.next().unwrap_or(10_000), numbers.next().unwrap_or(7));
    assert_same_bodies();
    let (_server, address) = Server::start();
    println!(
        "{calls} calls in each run, {IN_FLIGHT} in flight, over loopback; the middle of {rounds} rounds"
    );
    println!(
        "| runtime | karat | by hand | throughput by the clock | by processor time |\n|---|---|---|---|---|"
    );
    let one: fn() -> Builder = Builder::new_current_thread;
    for (name, runtime) in [("one thread", one), ("a thread for each core", Builder::new_multi_thread)] {
        let runtime = || runtime().enable_all().build().expect("a runtime");
        compare(name, runtime, &address, calls, rounds);
    }
}

/// Both in turns, and who begins takes turns too.
fn compare(name: &str, runtime: impl Fn() -> Runtime, address: &str, calls: usize, rounds: usize) {
    // One runtime and one pool of connections for each, open before the first round.
    let (of_karat, of_hand) = (runtime(), runtime());
    let (qa, by_hand) = (predict(address), ByHand::new(address));
    let karat = |calls| of_karat.block_on(measure(calls, qa.clone(), karat_call));
    let hand = |calls| of_hand.block_on(measure(calls, by_hand.clone(), ByHand::call));
    karat(calls / 4);
    hand(calls / 4);
    let rounds: Vec<(Took, Took)> = (0..rounds)
        .map(|round| {
            if round % 2 == 0 {
                let karat = karat(calls);
                (karat, hand(calls))
            } else {
                let hand = hand(calls);
                (karat(calls), hand)
            }
        })
        .collect();
    let middle = |of: fn(&(Took, Took)) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let calls = calls as f64;
    println!(
        "| {name} | {:.0}/s, {:.1} µs of processor | {:.0}/s, {:.1} µs | {:.2}x | {:.2}x |",
        calls / middle(|(karat, _)| karat.clock),
        middle(|(karat, _)| karat.processor) * 1e6 / calls,
        calls / middle(|(_, hand)| hand.clock),
        middle(|(_, hand)| hand.processor) * 1e6 / calls,
        middle(|(karat, hand)| hand.clock / karat.clock),
        middle(|(karat, hand)| hand.processor / karat.processor),
    );
}

/// Seconds.
struct Took {
    clock: f64,
    processor: f64,
}

/// The calls, as many in flight as there are tasks: each makes the next one when it has the last one's answer.
async fn measure<C, F>(calls: usize, caller: C, call: fn(C, usize) -> F) -> Took
where
    C: Clone + Send + 'static,
    F: Future<Output = String> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let (clock, processor) = (Instant::now(), ProcessTime::now());
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (next, caller) = (next.clone(), caller.clone());
        tasks.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= calls {
                    break;
                }
                let answer = call(caller.clone(), index).await;
                assert!(answer.contains("Paris"), "{answer}");
            }
        });
    }
    tasks.join_all().await;
    Took { clock: clock.elapsed().as_secs_f64(), processor: processor.elapsed().as_secs_f64() }
}

fn question(index: usize) -> String {
    format!("What is the capital of the country number {index}?")
}

fn predict(address: &str) -> Arc<Predict<Qa>> {
    let lm = Lm::new("openai/gpt-x").expect("an LM").base_url(format!("http://{address}/v1")).api_key(KEY);
    Arc::new(Predict::new().lm(&lm))
}

async fn karat_call(qa: Arc<Predict<Qa>>, index: usize) -> String {
    let input = QaInput { question: question(index) };
    qa.call(input).await.expect("an answer").into_inner().answer
}

/// What a program would write that has no need of karat.
#[derive(Clone)]
struct ByHand {
    client: Client,
    url: String,
    system: Arc<str>,
    /// What stands around the question.
    around: Arc<(String, String)>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: [Message<'a>; 2],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
}

#[derive(Deserialize)]
struct Said {
    content: String,
}

impl ByHand {
    /// With karat's own texts, so that the bodies are the same.
    fn new(address: &str) -> Self {
        let prompt = Predict::<Qa>::new().prompt(&QaInput { question: "<here>".into() }).expect("a prompt");
        let texts: Vec<_> = prompt.iter().map(|message| message.content.to_string()).collect();
        let [system, user] = &texts[..] else { panic!("two messages: {texts:?}") };
        let (before, after) = user.split_once("<here>").expect("the question's place");
        Self {
            client: Client::new(),
            url: format!("http://{address}/v1/chat/completions"),
            system: system.as_str().into(),
            around: Arc::new((before.to_owned(), after.to_owned())),
        }
    }

    async fn call(self, index: usize) -> String {
        let user = format!("{}{}{}", self.around.0, question(index), self.around.1);
        let messages =
            [Message { role: "system", content: &self.system }, Message { role: "user", content: &user }];
        let body = Body { model: "gpt-x", messages };
        let request = self.client.post(&self.url).bearer_auth(KEY).json(&body);
        let response = request.send().await.and_then(Response::error_for_status).expect("a response");
        let body = response.bytes().await.expect("a body");
        let answer: Answer = serde_json::from_slice(&body).expect("an answer");
        answer.choices.into_iter().next().expect("a choice").message.content
    }
}

/// Has one call of each answered by a server that keeps what it reads.
fn assert_same_bodies() {
    let body = |call: &dyn Fn(&Runtime, &str)| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let read = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            let body = loop {
                let count = stream.read(&mut buffer).expect("a request");
                bytes.extend_from_slice(&buffer[..count]);
                if let Some((head, length)) =
                    request(&bytes).filter(|(head, length)| bytes.len() >= head + length)
                {
                    break bytes[head..head + length].to_vec();
                }
            };
            stream.write_all(answer().as_bytes()).expect("written");
            String::from_utf8(body).expect("text")
        });
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        call(&runtime, &address);
        read.join().expect("a body")
    };
    let karat = body(&|runtime, address| {
        runtime.block_on(karat_call(predict(address), 7));
    });
    let hand = body(&|runtime, address| {
        runtime.block_on(ByHand::new(address).call(7));
    });
    assert_eq!(karat, hand, "both send the same");
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

fn answer() -> String {
    let length = ANSWER.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{ANSWER}")
}

/// The server's process; it ends with this value.
struct Server(Child);

impl Server {
    fn start() -> (Self, String) {
        let mut server = Command::new(std::env::current_exe().expect("this program"));
        server.env(SERVER, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = server.spawn().expect("a server");
        let mut address = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut address).expect("its address");
        (Self(child), address.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Reads requests, and writes the same answer to each, until nobody holds the other end of its input.
fn server() {
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream))),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    });
}

async fn serve(mut stream: tokio::net::TcpStream) {
    let _ = stream.set_nodelay(true);
    let answer = answer();
    let mut bytes = Vec::with_capacity(8 << 10);
    while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
        while let Some((head, length)) = request(&bytes).filter(|(head, length)| bytes.len() >= head + length)
        {
            bytes.drain(..head + length);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
