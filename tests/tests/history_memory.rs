//! The memory of a history, counted by the allocator, in a test binary of its own: no other test allocates meanwhile.

use karat::{
    LanguageModel, Lm, Module, Predict, Result,
    lm::{BoxFuture, Completion, Message, Prompt, Request, Response},
    signature,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// Answers at once, and keeps nothing.
struct AtOnce;

impl LanguageModel for AtOnce {
    fn name(&self) -> &str {
        "at-once"
    }

    fn call<'a>(
        &'a self,
        _: &'a Request,
        _: Option<&'a mut karat::lm::Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        let completion = Completion::new("[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]");
        Box::pin(async { Ok(Response::new([completion])) })
    }
}

/// What may come and go beside the history, e.g. in the test's own thread.
const SLACK: usize = 4 << 10;

/// Makes the calls from `from` on up to `to`, and gives the bytes that are then in use.
async fn in_use_after(qa: &Predict<Qa>, from: usize, to: usize) -> usize {
    for index in from..to {
        qa.call(QaInput { question: format!("What is {index:09} + 1?") }).await.unwrap();
    }
    ALLOCATOR.current_usage()
}

/// A call with a prompt whose prefix no other has, of a size that changes.
async fn call_with_a_prefix(lm: &Lm, index: usize) {
    let mut prompt = Prompt::new([Message::system("s".repeat(index * 389 % 4_000))].into());
    prompt.push(Message::user("u".repeat(index * 97 % 1_000)));
    lm.complete(Request::new(prompt)).await.unwrap();
}

// One test: there is one allocator.
#[tokio::test]
async fn a_full_history_takes_no_more_memory_and_never_more_than_its_bytes() {
    // 100,000 calls with the usual bounds.
    let lm = Lm::custom(AtOnce);
    let qa = Predict::<Qa>::new().lm(&lm);
    let few = in_use_after(&qa, 0, 20_000).await;
    assert_eq!(lm.history().len(), 1_000);
    ALLOCATOR.reset_peak_usage();
    let many = in_use_after(&qa, 20_000, 100_000).await;
    let peak = ALLOCATOR.peak_usage();
    println!("in use after 20,000 calls: {few} bytes, after 100,000: {many}, at most between: {peak}");
    assert!(many.abs_diff(few) <= SLACK, "{few} bytes after 20,000 calls, {many} after 100,000");
    assert!(peak - few <= 16 << 10, "{few} bytes after 20,000 calls, at most {peak} later");
    drop((lm, qa));

    // The bound in bytes, with prompts that share nothing: what is counted is what the allocator gives.
    const BOUND: usize = 1 << 20;
    let before = ALLOCATOR.current_usage();
    let lm = Lm::custom(AtOnce).history_limits(usize::MAX, BOUND);
    for index in 0..20_000 {
        call_with_a_prefix(&lm, index).await;
        if index % 1_000 == 999 {
            let taken = ALLOCATOR.current_usage() - before;
            assert!(taken <= BOUND + SLACK, "{taken} bytes are more than the bound");
            assert!(taken >= BOUND * 3 / 4, "{taken} bytes: more is counted than is taken");
        }
    }

    // Switched off, nothing is left of a call.
    let off = Predict::<Qa>::new().lm(&Lm::custom(AtOnce).without_history());
    let few = in_use_after(&off, 0, 100).await;
    let many = in_use_after(&off, 100, 2_000).await;
    assert!(many.abs_diff(few) <= SLACK, "{few} bytes after 100 calls, {many} after 2,000");
}
