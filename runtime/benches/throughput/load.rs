//! Many calls, a number of them in flight at a time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

/// The runtime of a program with a thread for each core.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Makes the calls, as many in flight as there are tasks: each makes the next one when it has the last one's answer.
pub(crate) async fn make<C, F>(in_flight: usize, calls: usize, caller: C, call: fn(C, usize) -> F)
where
    C: Clone + Send + 'static,
    F: Future<Output = String> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
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
}

pub(crate) fn question(index: usize) -> String {
    format!("What is the capital of the country number {index}?")
}
