//! karat without async: for scripts, command lines and programs whose threads may wait.
//!
//! Everything runs on one small runtime that belongs to the process and starts at the first use. It may be used from many
//! threads at once; each waits for its own call alone. The wrappers are modules, so that [`call`] runs them too:
//!
//! ```
//! use karat::{BestOfN, Module, Predict, Reply, ScriptedLm, blocking, signature};
//!
//! #[signature]
//! struct Qa {
//!     #[input]
//!     question: String,
//!     #[output]
//!     answer: String,
//! }
//!
//! # fn main() -> karat::Result<()> {
//! let lm = ScriptedLm::new(["a long winded answer", "Paris", "Lima"].map(|answer| Reply::fields([("answer", answer)])));
//! let qa = Predict::<Qa>::new().lm(&lm.lm());
//! let ask = |text: &str| QaInput { question: text.into() };
//!
//! let best = BestOfN::new(qa.clone(), 5, |_, p| p.answer.len() < 10).threshold(1.0);
//! let best = blocking::call(&best, ask("Capital of France?"))?;
//! assert_eq!(best.answer, "Paris");
//! assert_eq!(best.rollouts().len(), 2);
//!
//! let answers = blocking::batch(qa.batch([ask("Capital of Peru?")]).concurrency(4))?;
//! assert_eq!(answers[0].result.as_ref().unwrap().answer, "Lima");
//! # Ok(())
//! # }
//! ```

use std::{
    future::{self, IntoFuture},
    io,
    sync::{Mutex, PoisonError},
    thread,
};

use tokio::runtime::{Builder, Handle};

use crate::{
    Error, ErrorKind, Module, Prediction, Result,
    batch::{Batch, Batched},
};

/// Calls a module and waits for the prediction.
///
/// # Errors
/// The call's, and those of [`run`].
///
/// # Panics
/// If the module does.
pub fn call<M: Module>(module: &M, input: M::Input) -> Result<Prediction<M::Output>> {
    run(module.call(input))?
}

/// Runs a [`Batch`] and waits for it: `blocking::batch(module.batch(inputs).concurrency(8))`. The items' errors are in what it
/// returns.
///
/// # Errors
/// Those of [`run`].
pub fn batch<M: Module>(batch: Batch<M>) -> Result<Batched<M::Input, M::Output>> {
    run(batch)
}

/// Awaits anything on the calling thread, and blocks until it is done: a [`Parallel`](crate::batch::Parallel), or the next event
/// of a stream, `blocking::run(stream.next())`.
///
/// ```
/// let sum = karat::blocking::run(async { 2 + 2 })?;
/// assert_eq!(sum, 4);
/// # Ok::<(), karat::Error>(())
/// ```
///
/// # Errors
/// [`is_config`](Error::is_config): inside of an async runtime, whose other tasks would have to wait too; `.await` it there.
/// Another error if the system gives no thread or no descriptors for the runtime.
///
/// # Panics
/// If the future does.
pub fn run<F: IntoFuture>(future: F) -> Result<F::Output> {
    match Handle::try_current() {
        Err(none) if none.is_missing_context() => {}
        Err(_) => {
            return Err(config(
                "the thread is ending: `karat::blocking` cannot be used in a destructor of it",
            ));
        }
        Ok(_) => {
            return Err(config(
                "`karat::blocking` was used inside of an async runtime, which must not be blocked: `.await` the call \
                 instead, or, in `spawn_blocking`, use `tokio::runtime::Handle::current().block_on(..)`",
            ));
        }
    }
    let runtime = runtime().map_err(|error| {
        Error::new(ErrorKind::Other, format!("the runtime of `karat::blocking` could not start: {error}"))
            .with_source(error)
    })?;
    Ok(runtime.block_on(future.into_future()))
}

fn config(message: &str) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// The process's runtime, started at the first use. A start that failed is tried again at the next.
static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

/// Returns the process's runtime, whose own thread drives timers and connections. Were that left to the callers, one that is
/// busy in its own code (a reward that computes, or that waits for another thread's call) would hold up all others.
fn runtime() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*runtime {
        return Ok(handle.clone());
    }
    let built = Builder::new_current_thread().enable_all().build()?;
    let handle = built.handle().clone();
    let drive = move || built.block_on(future::pending::<()>());
    thread::Builder::new().name("karat-blocking".into()).spawn(drive)?;
    *runtime = Some(handle.clone());
    Ok(handle)
}
