//! A model that answers from a recording.

use std::{
    collections::{HashMap, VecDeque},
    fmt, fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::nearest::Difference;
use crate::{
    data::{Request, Response, Sink, redacted::RedactedRequest},
    handle::Lm,
    layers::{
        cache::{Key, Prefixes, key, stream_whole},
        record::{io_error, line::Line},
    },
    model::{BoxFuture, LanguageModel},
    report::{Error, ErrorKind, Result},
};

/// A model that answers from a file that [`Lm::record`] wrote; for tests with real answers and no network.
///
/// A request gets the outcome recorded for an equal one: the same messages, settings, rollout id, parameters and response format.
/// Parameters that may be secrets are not in the file and not compared, nor is the model's name or address. Equal requests get
/// their outcomes in the order of the recording, each of them once. Errors come back with their kind, message, status and the
/// time to wait. Recorded delays are not waited for, and a stream gets each answer in one piece.
///
/// It is a handle: clones share one recording.
///
/// ```
/// use karat::lm::{Message, Replay, Request};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// # let path = std::env::temp_dir().join(format!("karat-replay-{}.jsonl", std::process::id()));
/// # std::fs::write(&path, "").unwrap();
/// let replay = Replay::from_file(&path)?;
/// let request = Request::new(vec![Message::user("never recorded")]);
/// let error = replay.lm().complete(request).await.unwrap_err();
/// assert!(error.is_config());
/// # let _ = std::fs::remove_file(path);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Replay {
    shared: Arc<Shared>,
}

struct Shared {
    /// The model of the first line.
    name: String,
    path: String,
    takes: Vec<Take>,
    /// The indices in `takes` that were not played yet, by the key of the request.
    left: Mutex<HashMap<Key, VecDeque<usize>>>,
}

struct Take {
    line: usize,
    request: Request,
    outcome: Result<Response>,
}

impl Replay {
    /// Reads a recording.
    ///
    /// # Errors
    /// [`is_io`](Error::is_io): the file cannot be read. [`is_state`](Error::is_state): a line, which the message names, is not one
    /// of a recording.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |cause| io_error("read", path, cause);
        // Checked before it is opened: opening a pipe waits for its writer.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("expected a file, found something else")));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let mut name = None;
        let mut takes = Vec::new();
        for (index, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let line = index + 1;
            let flawed = |flaw: String| {
                let message = format!(
                    "line {line} of {} is none of a recording: {flaw}; expected what `Lm::record` writes",
                    path.display()
                );
                Error::new(ErrorKind::State, message)
            };
            let read: Line = serde_json::from_str(text).map_err(|error| flawed(error.to_string()))?;
            if let Some(flaw) = read.flaw() {
                return Err(flawed(flaw));
            }
            name.get_or_insert_with(|| read.model.clone());
            let (request, outcome) = read.into_parts();
            takes.push(Take { line, request, outcome });
        }
        let mut left: HashMap<_, VecDeque<_>> = HashMap::new();
        for (index, take) in takes.iter().enumerate() {
            left.entry(key(&Prefixes::default(), "", &take.request)).or_default().push_back(index);
        }
        let name = name.unwrap_or_else(|| "replay".into());
        let (path, left) = (path.display().to_string(), Mutex::new(left));
        Ok(Self { shared: Arc::new(Shared { name, path, takes, left }) })
    }

    /// A handle for modules, with the name of the first recorded model. Set the same layers on it as on the real one, such as its
    /// cache: the recording holds the requests that were sent behind them.
    pub fn lm(&self) -> Lm {
        Lm::custom(self.clone())
    }

    /// The recorded requests that were not replayed, in the order of the recording, without secrets; a test that should use all of
    /// them asserts that there are none.
    pub fn unused(&self) -> Vec<Request> {
        let mut unused: Vec<usize> = self.left(|left| left.values().flatten().copied().collect());
        unused.sort_unstable();
        unused.into_iter().filter_map(|index| Some(self.shared.takes.get(index)?.request.clone())).collect()
    }

    fn left<T>(&self, look: impl FnOnce(&mut HashMap<Key, VecDeque<usize>>) -> T) -> T {
        look(&mut self.shared.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next(&self, request: &Request) -> Result<Response> {
        let asked = RedactedRequest::new(request).request();
        let key = key(&Prefixes::default(), "", &asked);
        let next = self.left(|left| left.get_mut(&key).map(VecDeque::pop_front));
        let Shared { path, takes, .. } = &*self.shared;
        let why = match next {
            Some(Some(index)) => match takes.get(index) {
                Some(take) => return take.outcome.clone(),
                None => String::new(),
            },
            Some(None) => "it was recorded, but not as often as it is asked".into(),
            None => nearest(takes, &asked),
        };
        let message = format!("{path} has no answer to this request: {why}; record it again");
        Err(Error::new(ErrorKind::Config, message))
    }
}

fn nearest(takes: &[Take], asked: &Request) -> String {
    takes
        .iter()
        .filter_map(|take| Some((take.line, Difference::between(&take.request, asked)?)))
        .min_by(|(_, one), (_, other)| one.distance().total_cmp(&other.distance()))
        .map_or_else(
            || "nothing was recorded".into(),
            |(line, difference)| format!("the nearest one, in line {line}, differs {difference}"),
        )
}

impl LanguageModel for Replay {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async {
            let response = self.next(request)?;
            if let Some(sink) = sink {
                stream_whole(&response, sink);
            }
            Ok(response)
        })
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("file", &self.shared.path)
            .field("recorded", &self.shared.takes.len())
            .field("unused", &self.unused().len())
            .finish()
    }
}
