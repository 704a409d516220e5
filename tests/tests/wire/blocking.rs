//! Callers without async, over real HTTP. The servers run on threads and runtimes of their own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use karat::{BestOfN, Module, Predict, Refine, batch::BatchStop, blocking, signature};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::lm;

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn ask(text: &str) -> QaInput {
    QaInput { question: text.into() }
}

/// Answers every question with the number of the request, from 0.
fn counting_server() -> (Runtime, MockServer) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(async {
        let server = MockServer::start().await;
        let count = AtomicUsize::new(0);
        let answer = move |_: &wiremock::Request| {
            let content = format!("[[ ## answer ## ]]\n{}", count.fetch_add(1, Ordering::SeqCst));
            ResponseTemplate::new(200).set_body_json(json!({"choices": [{"message": {"content": content}}]}))
        };
        Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
        server
    });
    (runtime, server)
}

#[test]
fn calls_wrappers_and_batches_reach_the_server_from_many_threads() {
    let (runtime, server) = counting_server();
    let module = Predict::<Qa>::new().lm(&lm(&server.uri()));
    let number = |_: &QaInput, p: &karat::Prediction<QaOutput>| p.answer.parse().unwrap_or(f64::NAN);
    assert_eq!(blocking::call(&module, ask("first?")).unwrap().answer, "0");
    let best = BestOfN::new(module.clone(), 3, number).concurrency(3);
    assert_eq!(blocking::call(&best, ask("best?")).unwrap().answer, "3");
    let refine = Refine::new(module.clone(), 2, move |input, p| (number(input, p), "more"));
    assert_eq!(blocking::call(&refine, ask("refined?")).unwrap().answer, "5");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let inputs = (0..10).map(|index| ask(&index.to_string()));
                let done =
                    blocking::batch(module.batch(inputs).concurrency(3).timeout(Duration::from_secs(60)));
                let done = done.unwrap();
                assert_eq!((done.stop_reason(), done.errors().count()), (BatchStop::Completed, 0));
            });
        }
    });
    let requests = runtime.block_on(server.received_requests()).unwrap();
    assert_eq!(requests.len(), 6 + 40);
}

/// Answers one request and then closes the connection like a server with a short idle limit.
fn answer_once(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let body: Value = json!({"choices": [{"message": {"content": "[[ ## answer ## ]]\nhello"}}]});
    let body = body.to_string();
    // Without `connection: close`, so that the client keeps the connection for the next request.
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
}

#[test]
fn a_connection_that_the_server_closed_between_two_calls_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/v1", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            answer_once(stream);
        }
    });
    let module = Predict::<Qa>::new().lm(&lm(&uri));
    for expected in 1..=3 {
        assert_eq!(blocking::call(&module, ask("again?")).unwrap().answer, "hello");
        assert_eq!(connections.load(Ordering::SeqCst), expected);
        // Between two calls the runtime sees the server's close, since a thread of its own drives it.
        thread::sleep(Duration::from_millis(200));
    }
}
