//! What a module has learned, as data: one entry per parameter path, in the layout of DSPy's JSON files.
//!
//! A [`State`] holds demos, instructions and parameters; [`Module::save`](crate::Module::save) and
//! [`Module::load`](crate::Module::load) are the short way to a file. A [`Program`] describes what the state belongs to: modules,
//! signatures, source; [`Module::save_program`](crate::Module::save_program) writes both.
//!
//! ```
//! use karat::{Module, Predict, signature};
//!
//! #[signature]
//! struct Qa {
//!     #[input]
//!     question: String,
//!     #[output]
//!     answer: String,
//! }
//!
//! let tuned = Predict::<Qa>::new().demo(Qa { question: "Capital of Peru?".into(), answer: "Lima".into() });
//! let state = tuned.dump_state();
//! assert_eq!(state.paths().collect::<Vec<_>>(), ["self"]);
//! assert_eq!(tuned.program().predictors[0].path, "self");
//!
//! let mut fresh = Predict::<Qa>::new();
//! fresh.load_state(&state)?;
//! assert_eq!(fresh.predictor().demos().len(), 1);
//! # Ok::<(), karat::Error>(())
//! ```

mod file;
mod json;
mod lm;
mod predictor;
mod prefix;
mod program;
mod versions;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use karat_lm::{Error, ErrorKind, Lm, Result, internal::shortened};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::{Map, Value};

pub use self::program::{Program, ProgramField, ProgramModule, ProgramParameter, ProgramPredictor};
pub(crate) use self::program::{load as load_program, save as save_program};
use crate::module::{Node, Traverse, Walker, WalkerMut};

/// The key beside the paths; no parameter can have it as its path.
const METADATA: &str = "metadata";

/// The path of a bare predictor, whose entry lies in the file without a path.
const BARE: &str = "self";

/// How many levels of objects and lists serde_json reads. What lies deeper could be saved and not be loaded.
const LEVELS: usize = 127;

/// What a module has learned: an entry per parameter path and `metadata`, in the layout of DSPy's own JSON files. DSPy 3.3 and 3.4
/// loads what karat writes, and karat loads what DSPy writes.
///
/// [`Module::dump_state`](crate::Module::dump_state) makes one, [`Module::load_state`](crate::Module::load_state) takes one;
/// [`read`](State::read) and [`write`](State::write) are what [`Module::load`](crate::Module::load) and
/// [`Module::save`](crate::Module::save) do with a file. The setters say how it is to be loaded or written, and are not part of
/// what is written.
///
/// An entry of a predictor has `traces`, `train`, `demos`, `signature` (`instructions` and `fields`, each with `prefix` and
/// `description`; karat adds the `name`) and `lm`. API keys are never in it. In the file of a bare predictor, whose path is
/// `self`, these keys stand by themselves.
///
/// DSPy has rules of its own for what it loads: it takes tabs and common indents out of instructions, and refuses an LM that is
/// one of OpenAI's reasoning models with fewer than 16000 `max_tokens` or a temperature other than 1.
///
/// ```
/// use karat::{Module, Predict, State, signature};
///
/// /// Answer in one word.
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// let tuned = Predict::<Qa>::new().instructions("Answer in French.");
/// let state = tuned.dump_state();
/// assert_eq!(state.get("self").unwrap()["signature"]["instructions"], "Answer in French.");
///
/// let text = serde_json::to_string(&state).unwrap();
/// let mut fresh = Predict::<Qa>::new();
/// fresh.load_state(&serde_json::from_str::<State>(&text).unwrap())?;
/// assert_eq!(fresh.dump_state(), state);
/// # Ok::<(), karat::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct State {
    entries: Map<String, Value>,
    metadata: Option<Value>,
    options: StateOptions,
    ignore_extra: bool,
    /// The headers of LMs by path, which go to LMs that are allowed to have them and nowhere else.
    headers: BTreeMap<String, Map<String, Value>>,
    /// Why something could not be dumped, returned when the state is used: dumping returns no `Result`.
    mistake: Option<Error>,
}

/// Settings with which a [`Parameter`](crate::traverse::Parameter) loads its state.
#[derive(Clone, Copy, Debug, Default)]
pub struct StateOptions {
    allow_unsafe_lm_state: bool,
    take_lm: bool,
}

impl StateOptions {
    /// Whether addresses and headers in an LM's state (`api_base`, `base_url`, `model_list`, `extra_headers`) are to be trusted.
    pub fn allows_unsafe_lm_state(&self) -> bool {
        self.allow_unsafe_lm_state
    }

    /// Whether the LM that the state names goes before one that the program has set.
    pub fn takes_lm(&self) -> bool {
        self.take_lm
    }
}

/// Settings for loading and writing it.
impl State {
    /// Trusts the addresses and headers in an LM's state (`api_base`, `base_url`, `model_list`, `extra_headers`): a file from
    /// somebody else could send your prompts to a server of theirs. Without it they are neither loaded (with a warning) nor, the
    /// addresses, written; headers never are. No API key of the environment is sent to an address of a file in any case.
    #[must_use]
    pub fn allow_unsafe_lm_state(mut self, allow: bool) -> Self {
        self.options.allow_unsafe_lm_state = allow;
        self
    }

    /// Takes the LMs that the state names in place of those that the program has set with `.lm(..)` or `set_lm`: by default these
    /// stay, with their keys, limits, caches and deadlines, of which a state knows nothing. A predictor without an LM of its own takes
    /// the state's in any case: the [process default](crate::configure) is not its own.
    ///
    /// ```
    /// use karat::{Lm, Module, Predict, State, signature};
    ///
    /// #[signature]
    /// struct Qa {
    ///     #[input]
    ///     question: String,
    ///     #[output]
    ///     answer: String,
    /// }
    ///
    /// # fn main() -> karat::Result<()> {
    /// let saved: State = Predict::<Qa>::new().lm(&Lm::new("openai/gpt-4o")?).dump_state();
    /// let mut qa = Predict::<Qa>::new().lm(&Lm::new("ollama/llama3.2")?);
    /// qa.load_state(&saved)?;
    /// assert_eq!(qa.get_lm()?.unwrap().name(), "ollama/llama3.2");
    /// qa.load_state(&saved.take_lm(true))?;
    /// assert_eq!(qa.get_lm()?.unwrap().name(), "openai/gpt-4o");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn take_lm(mut self, take: bool) -> Self {
        self.options.take_lm = take;
        self
    }

    /// Passes over entries for parameters that the module does not have, with a warning that lists them, in place of an error.
    #[must_use]
    pub fn ignore_extra(mut self, ignore: bool) -> Self {
        self.ignore_extra = ignore;
        self
    }
}

impl State {
    /// The entry of a parameter, by its path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.entries.get(path)
    }

    /// The paths of the parameters, in the order of the entries.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The `metadata` that was read: the versions that it was saved with.
    pub fn metadata(&self) -> Option<&Value> {
        self.metadata.as_ref()
    }

    /// Reads a `.json` file that karat or DSPy wrote.
    ///
    /// # Errors
    /// [`is_io`](Error::is_io): it cannot be read, or it is no file but a folder, a pipe or a device.
    /// [`is_state`](Error::is_state): it is a Python pickle, or not the JSON of a state: cut off, not UTF-8, an object with one
    /// key twice, more than 127 levels deep.
    ///
    /// It is read piece by piece, so that nesting without end takes no memory. A state of mostly text takes about twice its
    /// file's size; a file of many small values may take 40 times its size, so look at the size of files that you do not trust.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_entries(file::read(path.as_ref())?)
    }

    /// Writes a `.json` file, to be read by its owner alone (mode 0600 on Unix). Folders that are missing are made. A file of
    /// this name is replaced as a whole or, after an error, left as it is; of a link, the file that it points to. A process
    /// that is killed meanwhile leaves the old file, and may leave a `.karat-*.tmp` beside it.
    ///
    /// # Errors
    /// [`is_io`](Error::is_io): it cannot be written, or what is there is read-only or no file. [`is_state`](Error::is_state):
    /// the name does not end with `.json`, or a value has no JSON form or is nested too deeply to be read again.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        file::write(path.as_ref(), &self.to_json()?)
    }

    fn to_json(&self) -> Result<Map<String, Value>> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        for (path, entry) in &self.entries {
            if json::is_deeper_than(entry, LEVELS - 1) {
                let message = format!(
                    "a value is nested too deeply to be loaded again: a file has at most {LEVELS} levels of objects and lists"
                );
                return Err(at(path, error(message)));
            }
        }
        let mut all = self.entries.clone();
        if !self.options.allow_unsafe_lm_state {
            all.values_mut().filter_map(predictor::lm_of).for_each(lm::drop_unsafe);
        }
        let bare =
            all.get(BARE).and_then(Value::as_object).filter(|entry| predictor::is_entry(entry)).cloned();
        if let (Some(bare), 1) = (bare, all.len()) {
            all = bare;
        }
        all.insert(METADATA.into(), versions::metadata());
        Ok(all)
    }

    fn from_entries(mut entries: Map<String, Value>) -> Result<Self> {
        let metadata = entries.shift_remove(METADATA);
        if let Some(other) = metadata.as_ref().filter(|metadata| !metadata.is_object()) {
            return Err(error(format!("`{METADATA}` should be an object, found {}", json::kind(other))));
        }
        if predictor::is_entry(&entries) {
            entries = bare(entries);
        }
        // Whatever is done with the state, it does not pass on somebody's API key.
        let mut headers = BTreeMap::new();
        for (path, entry) in &mut entries {
            let Some(entry) = predictor::lm_of(entry) else { continue };
            let of_lm = lm::take_headers(entry);
            if !of_lm.is_empty() {
                headers.insert(path.clone(), of_lm);
            }
            lm::drop_secrets(entry);
        }
        Ok(Self { entries, metadata, headers, ..Self::default() })
    }

    /// The entries with the headers of their LMs, as they are loaded.
    fn entries_with_headers(&self) -> Cow<'_, Map<String, Value>> {
        let mut entries = Cow::Borrowed(&self.entries);
        for (path, headers) in &self.headers {
            if let Some(entry) = entries.to_mut().get_mut(path).and_then(predictor::lm_of) {
                entry.extend(headers.clone());
            }
        }
        entries
    }

    /// The state of this module.
    pub(crate) fn of<T: Traverse>(root: &T) -> Self {
        let mut state = Self::default();
        Walker::run(root, &mut |site, node| {
            let Node::Parameter(parameter) = node else { return };
            if site.is_frozen() {
                return;
            }
            let path = site.path();
            let entry = match parameter.dump_state() {
                Err(error) => Err(at(path, error)),
                Ok(_) if path == METADATA => Err(error(format!(
                    "a parameter cannot be saved under the name `{METADATA}`, which files use: rename the field"
                ))),
                Ok(_) if state.entries.contains_key(path) => Err(error(format!(
                    "two parameters have the path `{path}`, so that a file cannot hold both: rename a map's key"
                ))),
                Ok(entry) => Ok(entry),
            };
            match entry {
                Ok(entry) => drop(state.entries.insert(path.into(), entry)),
                Err(error) => drop(state.mistake.get_or_insert(error)),
            }
        });
        state
    }

    /// Gives each parameter its entry. After an error the module may be half changed.
    pub(crate) fn apply<T: Traverse>(&self, root: &mut T) -> Result<()> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        let known = paths(root);
        let entries = self.entries_with_headers();
        let entries = entries_for(&entries, &known);
        // Before the paths are compared, which changed with the layouts.
        for (path, entry) in entries.iter() {
            predictor::refuse_legacy(entry).map_err(|error| at(path, error))?;
        }
        // One that lies in the file without a path.
        predictor::refuse_flex(&self.entries)?;
        self.check_paths(&entries, &known)?;
        if let Some(metadata) = &self.metadata {
            versions::warn(metadata);
        }
        let mut outcome = Ok(());
        // Predictors whose LMs have equal entries get one LM, with one cache and the like.
        let mut lms: Vec<(&Value, Lm)> = Vec::new();
        WalkerMut::run(root, &mut |site, parameter| {
            let (path, false, Ok(())) = (site.path(), site.is_frozen(), &outcome) else { return };
            let Some(entry) = entries.get(path) else { return };
            outcome = parameter.load_state(entry, &self.options).map_err(|error| at(path, error));
            let Some(predictor) = parameter.as_predictor_mut() else { return };
            let Some(named) = entry.get("lm").filter(|lm| !lm.is_null()) else { return };
            let Some(lm) = predictor.lm().filter(|_| !predictor.has_own_lm()).cloned() else { return };
            match lms.iter().find(|(known, _)| *known == named) {
                Some((_, known)) => predictor.set_state_lm(known),
                None => lms.push((named, lm)),
            }
        });
        outcome
    }

    /// The module's paths and the state's have to be the same.
    fn check_paths(&self, entries: &Map<String, Value>, known: &BTreeSet<String>) -> Result<()> {
        let missing: Vec<_> =
            known.iter().map(String::as_str).filter(|path| !entries.contains_key(*path)).collect();
        let extra: Vec<_> =
            entries.keys().map(String::as_str).filter(|path| !known.contains(*path)).collect();
        if let Some(first) = missing.first() {
            let mut message = format!("the state has no entry for {}", quoted(&missing));
            if extra.is_empty() {
                let is_empty = missing.len() == known.len();
                message += if is_empty {
                    "; it has none at all"
                } else {
                    "; every other predictor of the module is there"
                };
            } else {
                message += &format!("; it has {}, which the module does not have", quoted(&extra));
            }
            return Err(
                error(message + ": the program that was saved has another shape").with_predictor(*first)
            );
        }
        if extra.is_empty() {
            return Ok(());
        }
        let extra = quoted(&extra);
        if self.ignore_extra {
            tracing::warn!(
                paths = extra,
                "the state has entries that the module does not have; they are passed over"
            );
            return Ok(());
        }
        let known = match known.is_empty() {
            true => "nothing to load".to_owned(),
            false => quoted(&known.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        Err(error(format!(
            "the state has entries for {extra}, which the module does not have or has frozen; it has {known}. To pass over \
             them: `module.load_state(&State::read(path)?.ignore_extra(true))`"
        )))
    }
}

/// The entries as a module with these paths has them. Whether a file without paths is of one predictor or of parameters with
/// such names depends on the module.
fn entries_for<'e>(entries: &'e Map<String, Value>, known: &BTreeSet<String>) -> Cow<'e, Map<String, Value>> {
    let is_bare = known.len() == 1 && known.contains(BARE);
    match entries.get(BARE) {
        None if is_bare && predictor::has_key_of_entry(entries) => Cow::Owned(bare(entries.clone())),
        Some(Value::Object(entry))
            if entries.len() == 1 && !known.contains(BARE) && entry.keys().all(|key| known.contains(key)) =>
        {
            Cow::Borrowed(entry)
        }
        _ => Cow::Borrowed(entries),
    }
}

/// The paths of what a state of this module has.
fn paths<T: Traverse>(root: &T) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    Walker::run(root, &mut |site, node| {
        if let (Node::Parameter(_), false) = (node, site.is_frozen()) {
            known.insert(site.path().to_owned());
        }
    });
    known
}

/// The entries of a bare predictor's file, which has no path.
fn bare(entry: Map<String, Value>) -> Map<String, Value> {
    Map::from_iter([(BARE.to_owned(), Value::Object(entry))])
}

fn error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::State, message)
}

/// The error with the path of the parameter that it is about.
fn at(path: &str, error: Error) -> Error {
    error.with_predictor(path)
}

fn quoted(paths: &[&str]) -> String {
    let all = paths.iter().map(|path| format!("`{}`", shortened(path, 100))).collect::<Vec<_>>().join(", ");
    shortened(&all, 2_000)
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_entries(json::object(deserializer)?).map_err(de::Error::custom)
    }
}

/// Equal if the same was learned; versions and settings do not count.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("paths", &self.entries.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
