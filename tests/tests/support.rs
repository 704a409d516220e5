//! The scripted server and its clock: what the tests that use them rely on.

use std::time::Duration;

use karat::{
    Lm, Retry,
    lm::{Message, Request, Timeouts},
};
use karat_tests::{
    Act, Reply, Server,
    clock::{run, settle},
    server::Greeting,
};
use tokio::time::{Instant, sleep};

fn lm(server: &Server) -> Lm {
    let lm = Lm::new("openai/x").unwrap().base_url(format!("http://{}", server.address())).api_key("sk-x");
    lm.retry(Retry::new().random(|| 1.0))
}

fn hi() -> Request {
    Request::new(vec![Message::user("hi")])
}

#[test]
fn the_clock_moves_only_when_all_wait_for_it() {
    for _ in 0..20 {
        let took = run(async {
            let server = Server::start(Greeting::Plain, |request| match request.index {
                0 => Reply::status(503),
                1 => Act::Pause(Duration::from_secs(5)).into(),
                _ => Reply::text("hello"),
            });
            let start = Instant::now();
            let lm = lm(&server).timeouts(Timeouts::new().first_byte(Duration::from_secs(20)));
            lm.complete(hi()).await.unwrap();
            assert_eq!(server.count(), 3);
            start.elapsed()
        });
        // A wait of 0.5 s, the silence that ends after 20 s, and a wait of 1 s.
        assert_eq!(took, Duration::from_millis(21_500));
    }
}

#[test]
fn a_client_that_goes_is_seen() {
    run(async {
        let server = Server::start(Greeting::Plain, |_| Act::Silence.into());
        let lm = lm(&server);
        {
            let call = lm.complete(hi());
            tokio::select! {
                _ = call => panic!("nobody answers"),
                () = sleep(Duration::from_secs(1)) => {}
            }
        }
        settle().await;
        assert_eq!((server.count(), server.accepted(), server.open(), server.idle()), (1, 1, 0, 0));
    });
}

#[test]
fn a_server_that_is_gone_comes_back_at_its_address() {
    run(async {
        let server = Server::start(Greeting::Plain, |request| match request.index {
            0 => Reply::text("a").then_gone(Duration::from_secs(1)),
            _ => Reply::text("b"),
        });
        let lm = lm(&server);
        lm.complete(hi()).await.unwrap();
        let start = Instant::now();
        // Refused at once, after 0.5 s, and answered after 1.5 s.
        assert_eq!(lm.complete(hi()).await.unwrap().usage.calls, 3);
        assert_eq!((server.accepted(), start.elapsed()), (2, Duration::from_millis(1_500)));
    });
}
