//! `karat::blocking`: calls from programs without async.

use std::{sync::mpsc, thread, time::Duration};

use karat::{BestOfN, Module, Refine, Reply, ScriptedLm, batch::Parallel, blocking};

use crate::{
    batch::{answers, echo, questions},
    support::{self, ask, millis, number, qa, question, reply},
};

#[test]
fn calls_batches_and_wrappers_work_without_async() {
    let lm = support::answers(["4", "1", "9", "3", "5", "7"]);
    let module = qa(&lm);
    assert_eq!(blocking::call(&module, ask()).unwrap().answer, "4");
    let best = BestOfN::new(module.clone(), 3, number).concurrency(2).deadline(Duration::from_secs(60));
    let best = blocking::call(&best, ask()).unwrap();
    assert_eq!((best.answer.as_str(), best.usage().calls, best.trace().steps().len()), ("9", 3, 1));
    let refined = Refine::new(module, 2, |input, p| (number(input, p), "more"));
    assert_eq!(blocking::call(&refined, ask()).unwrap().answer, "7");

    let done = blocking::batch(qa(&echo()).batch(questions(20)).timeout(Duration::from_secs(60))).unwrap();
    assert_eq!(answers(&done), (0..20).map(Some).collect::<Vec<_>>());
    let side_by_side =
        Parallel::new().with(&qa(&echo()), question("#1#")).with(&qa(&echo()), question("#2#"));
    assert_eq!(blocking::run(side_by_side).unwrap().len(), 2);
}

#[test]
fn an_error_of_the_call_comes_as_it_is() {
    let lm = ScriptedLm::new([support::server_error()]);
    let error = blocking::call(&qa(&lm), ask()).unwrap_err();
    assert!(error.is_server());
    assert_eq!(error.usage().calls, 1);
}

#[test]
fn many_threads_may_call_at_once() {
    let lm = ScriptedLm::computed(|request| {
        reply(&crate::batch::asked(request).to_string())
            .delay(millis(crate::batch::asked(request) as u64 % 5))
    });
    let module = qa(&lm);
    thread::scope(|scope| {
        for index in 0..32 {
            let module = &module;
            scope.spawn(move || {
                let answer = blocking::call(module, question(&format!("#{index}#"))).unwrap();
                assert_eq!(answer.answer, index.to_string());
                let done = blocking::batch(module.batch(questions(10))).unwrap();
                assert_eq!(done.errors().count(), 0);
            });
        }
    });
    assert_eq!(lm.calls(), 32 * 11);
}

fn assert_refused(error: &karat::Error) {
    assert!(error.is_config(), "{error}");
    let text = error.to_string();
    assert!(text.contains("`.await`") && text.contains("Handle::current().block_on(..)"), "{text}");
}

#[tokio::test]
async fn inside_of_a_current_thread_runtime_it_is_a_config_error_before_any_lm_call() {
    let lm = echo();
    assert_refused(&blocking::call(&qa(&lm), ask()).unwrap_err());
    assert_refused(&blocking::batch(qa(&lm).batch(questions(3))).unwrap_err());
    assert_refused(&blocking::run(async {}).unwrap_err());
    assert_eq!(lm.calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn inside_of_a_multi_thread_runtime_and_spawn_blocking_it_is_a_config_error_too() {
    assert_refused(&blocking::run(async {}).unwrap_err());
    let (inside, way_out) = tokio::task::spawn_blocking(|| {
        let inside = blocking::call(&qa(&echo()), question("#1#")).unwrap_err();
        let way_out = tokio::runtime::Handle::current().block_on(qa(&echo()).call(question("#1#")));
        (inside, way_out)
    })
    .await
    .unwrap();
    assert_refused(&inside);
    assert_eq!(way_out.unwrap().answer, "1");
}

#[test]
fn inside_of_itself_it_is_a_config_error() {
    let error = blocking::run(async { blocking::run(async { 1 }) }).unwrap().unwrap_err();
    assert_refused(&error);
}

#[test]
fn a_reward_may_wait_for_another_threads_call() {
    // The reward holds its own call's thread until another call is done, timers included.
    let judge = ScriptedLm::computed(|_| reply("1").delay(millis(5)));
    let judge = qa(&judge);
    let best = BestOfN::new(qa(&echo()), 1, move |_, _| {
        let judge = judge.clone();
        thread::spawn(move || blocking::call(&judge, ask()).is_ok()).join().unwrap()
    });
    let best = blocking::call(&best, question("#1#")).unwrap();
    assert_eq!(best.reward(), Some(1.0));
}

#[test]
fn a_call_that_waits_for_ever_holds_up_no_other() {
    let (start, started) = mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let waiting = thread::spawn(move || {
        blocking::run(async move {
            start.send(()).unwrap();
            ended.await
        })
    });
    started.recv().unwrap();
    let lm = ScriptedLm::computed(|_| reply("1").delay(millis(2)));
    assert_eq!(blocking::call(&qa(&lm), ask()).unwrap().answer, "1");
    end.send(()).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap(), Ok(()));
}

#[test]
fn a_panic_reaches_the_caller_and_the_next_call_works() {
    let caught = std::panic::catch_unwind(|| {
        blocking::run(async {
            tokio::task::yield_now().await;
            panic!("user code")
        })
    });
    assert!(caught.is_err());
    let lm = ScriptedLm::computed(|_| Reply::fields([("answer", "1")]).delay(millis(1)));
    assert_eq!(blocking::call(&qa(&lm), ask()).unwrap().answer, "1");
}

/// Calls in its destructor, which for a thread's own values runs when the thread ends.
struct AtEnd(mpsc::Sender<bool>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        let outcome = blocking::call(&qa(&echo()), question("#1#"));
        // Either works or is refused; what it never does is to panic.
        self.0.send(outcome.is_ok() || outcome.is_err_and(|error| error.is_config())).unwrap();
    }
}

#[test]
fn in_a_thread_that_is_ending_it_never_panics() {
    thread_local!(static AT_END: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) });
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        AT_END.with(|place| *place.borrow_mut() = Some(AtEnd(sender)));
        blocking::run(async {}).unwrap();
    })
    .join()
    .unwrap();
    assert!(receiver.recv().unwrap());
}
