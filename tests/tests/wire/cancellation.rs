//! Cancellation: dropping a call, on any surface, closes its connections at once, so that the server stops working.

use std::{io::Read, thread, time::Duration};

use karat::{BestOfN, ChainOfThought, Module, Predict, Refine, signature};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, timeout},
};

use super::{
    connection::{listen, read_request},
    lm,
};

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn ask() -> QaInput {
    QaInput { question: "?".into() }
}

/// A server that never answers; it signals each request and each closed connection.
fn silent() -> (String, UnboundedReceiver<()>, UnboundedReceiver<()>) {
    let (asked, was_asked) = unbounded_channel();
    let (closed, was_closed) = unbounded_channel();
    let address = listen(move |stream| {
        let (asked, closed) = (asked.clone(), closed.clone());
        thread::spawn(move || {
            read_request(&stream);
            let _ = asked.send(());
            assert!(matches!((&stream).read(&mut [0; 64]), Ok(0) | Err(_)), "nothing more is sent");
            let _ = closed.send(());
        });
    });
    (format!("http://{address}"), was_asked, was_closed)
}

/// Drops a future once the server has got this number of its requests.
async fn drop_when_asked(name: &str, requests: usize, run: impl AsyncFnOnce(Predict<Qa>)) {
    let (address, mut was_asked, mut was_closed) = silent();
    let run = run(Predict::new().lm(&lm(&address)));
    let all_asked = async {
        for _ in 0..requests {
            was_asked.recv().await;
        }
    };
    tokio::select! {
        () = run => panic!("{name} ended without an answer"),
        () = all_asked => {}
    }
    // The future is dropped. The time is printed; on a busy machine it may be long.
    let dropped = Instant::now();
    for _ in 0..requests {
        let closed = timeout(Duration::from_secs(10), was_closed.recv()).await;
        assert_eq!(closed, Ok(Some(())), "{name} keeps a connection");
    }
    println!("{name}: {requests} connections closed after {:?}", dropped.elapsed());
}

#[tokio::test]
async fn a_dropped_call_closes_its_connections_on_every_surface() {
    drop_when_asked("a call", 1, async |qa| drop(qa.call(ask()).await)).await;
    drop_when_asked("a stream", 1, async |qa| drop(qa.stream(ask()).finish().await)).await;
    drop_when_asked("a batch", 4, async |qa| {
        drop(qa.batch((0..9).map(|_| ask())).concurrency(4).await);
    })
    .await;
    drop_when_asked("BestOfN", 3, async |qa| {
        drop(BestOfN::new(qa, 5, |_, _| 0.0).concurrency(3).call(ask()).await);
    })
    .await;
    drop_when_asked("Refine", 1, async |qa| drop(Refine::new(qa, 2, |_, _| 0.0).call(ask()).await)).await;
    drop_when_asked("a chain of thought", 1, async |qa| {
        let lm = qa.get_lm().unwrap().unwrap();
        drop(ChainOfThought::<Qa>::new().lm(&lm).call(ask()).await);
    })
    .await;
}
