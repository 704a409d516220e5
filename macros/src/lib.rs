//! The macros of [karat](https://docs.rs/karat): `#[signature]`, `#[module]` and `#[reward]`. Use them through that crate.
//!
//! Each macro is a pipeline: parse (a raw model of what the user wrote) → check (one error context that collects every mistake) → the
//! checked model → expand (which cannot fail). A mistake never takes the item away: the structs and stand-ins for the impls are still
//! emitted, so that the rest of the program gets no second wave of errors.
//!
//! Expansions name everything through `::karat::__private` (or the name that the user's Cargo.toml has for karat) and import nothing,
//! so that whatever is called `Result` or `Option` in the user's scope does not matter.

use proc_macro::TokenStream;

mod attributes;
mod derives;
mod diagnostics;
mod docs;
mod items;
mod module;
mod naming;
mod number;
mod reward;
mod rules;
mod runtime;
mod signature;
mod source;
mod types;

/// Makes a struct a signature: a typed task for a language model, with input and output fields.
///
/// For `struct Qa`, it keeps `Qa` as a whole example (a demo, a row of a data set) and adds `QaInput` and `QaOutput` with the fields of
/// each role, and `impl Signature for Qa`.
///
/// ```
/// use karat::{Predict, Signature, signature};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// Answer the question from the passages.
/// #[signature]
/// #[derive(PartialEq)]
/// struct Qa {
///     /// passages that may hold the facts
///     #[input]
///     passages: Vec<String>,
///     #[input]
///     question: String,
///     /// one to five words
///     #[output(alias = "reply")]
///     answer: String,
///     #[output(desc = "how sure the answer is")]
///     certainty: Certainty,
/// }
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
/// enum Certainty {
///     Low,
///     High,
/// }
///
/// assert_eq!(Qa::spec().instructions(), "Answer the question from the passages.");
/// assert_eq!(Qa::spec().fields()[3].description(), "how sure the answer is");
///
/// // The whole struct is a demo.
/// let demo = Qa { passages: vec![], question: "1 + 1?".into(), answer: "2".into(), certainty: Certainty::High };
/// let predict = Predict::<Qa>::new().demo(demo.clone());
///
/// // Its two halves are what a call takes and gives.
/// let (input, output): (QaInput, QaOutput) = demo.clone().split();
/// assert_eq!(output.answer, "2");
/// assert_eq!(Qa::join(input, output), demo);
/// ```
///
/// # What stands where
///
/// | what | where |
/// |---|---|
/// | instructions | the struct's doc comment; none: they are derived from the fields |
/// | a field's description | its doc comment, or `desc = ".."`, which wins; both take `include_str!` and other macros |
/// | other names that a model may use for an output | `#[output(alias = "reply")]`, `alias = ["reply", "response"]` |
/// | what stands for an output that the model leaves out | `#[output(default)]`, `#[output(default = 3)]`; an `Option` needs none |
/// | rules that an output's values have to keep | `#[output(range(0..=10))]` and the words below |
/// | a field's name in prompts | its identifier without `r#`, or `#[serde(rename = "..")]`, `#[serde(rename_all = "..")]` on the struct |
/// | karat's path, if it is not a dependency by itself | `#[signature(crate = "facade::karat")]`; a name changed in Cargo.toml is found |
///
/// # Rules
///
/// A rule is shown to the model and enforced: an answer that breaks it is an error that names field, rule and value, and is asked
/// for again as one that cannot be read. No value is changed to keep a rule. On an `Option` they hold for what is there.
///
/// | word | values |
/// |---|---|
/// | `range(0..=10)`, `range(0.0..1.0)`, `range(min = 0, max = 10)`, also `exclusive_min`, `exclusive_max` | numbers |
/// | `length(1..=40)`, `length(min = 1, max = 40)`, `length(equal = 5)` | characters of a text, items of a list, entries of a map |
/// | `pattern = "^[a-z]+$"` | texts in which the regular expression finds something |
/// | `one_of("a", "b")` | these alone |
/// | `inner(range(..), length(..), pattern = "..", one_of(..))` | the items of a list |
/// | `check = path::to::fn`, `check(path::to::fn, "an even number")` | those for which the fn, given a reference, returns `true` or `Ok(())`; the words are for the model |
///
/// What schemars' attributes declare within a field's type is shown and enforced likewise. A default and demos are not checked.
///
/// `Clone` and `Debug` are always derived; every derive under the attribute goes to all three structs, and so do other attributes. A
/// derive *above* the attribute is seen by the first struct alone.
///
/// A field's type is any that serde reads and writes, schemars describes, and that is `Clone + Debug + Send + Sync + 'static`. A signature
/// is one fixed task: it has no generics. Its fields have names; a field called `completed` would end an answer and is refused.
#[proc_macro_attribute]
pub fn signature(words: TokenStream, item: TokenStream) -> TokenStream {
    signature::attribute(words.into(), item.into()).into()
}

/// Makes a struct a module, a program of predictors and other modules: on the struct the traversal, on an impl block the run.
///
/// ```
/// use std::sync::Arc;
///
/// use karat::{ChainOfThought, Module, Predict, Prediction, Reasoned, Result, module, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     passages: Vec<String>,
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// struct Index;
///
/// #[module]
/// struct Rag {
///     answer: ChainOfThought<Qa>,
///     backups: Vec<Predict<Qa>>,
///     k: usize,
///     #[module(skip)]
///     index: Arc<Index>,
/// }
///
/// #[module]
/// impl Rag {
///     // Several arguments: `RagInput { question, retries }` is generated.
///     async fn forward(&self, question: String, retries: usize) -> Result<Prediction<Reasoned<QaOutput>>> {
///         let passages = self.search(&question);
///         let mut answer = self.answer.call(QaInput { passages, question: question.clone() }).await;
///         for _ in 0..retries {
///             if answer.is_err() {
///                 answer = self.answer.call(QaInput { passages: Vec::new(), question: question.clone() }).await;
///             }
///         }
///         answer
///     }
///
///     fn search(&self, question: &str) -> Vec<String> {
///         vec![question.to_owned(); self.k]
///     }
/// }
///
/// let rag = Rag { answer: ChainOfThought::new(), backups: vec![Predict::new()], k: 2, index: Arc::new(Index) };
/// let paths: Vec<_> = rag.named_predictors().into_iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, ["answer.predict", "backups[0]"]);
/// let call = rag.call(RagInput { question: "Who?".into(), retries: 1 });
/// # drop(call);
/// ```
///
/// # On a struct
///
/// `Clone` and the traversal are implemented. Each field is a module, a container of modules (`Option`, `Box`, `Vec`, arrays, tuples,
/// `HashMap`, `BTreeMap`, at any depth) or a plain value of a basic type; a field of any other type is an error until it is marked
/// `#[module(skip)]`, so that no predictor is passed over in silence. Generics need no bounds besides those of the fields: `M: Module`,
/// `S: Signature`.
///
/// # On an impl block
///
/// One `async fn forward(&self, ..) -> karat::Result<Prediction<T>>` becomes `impl Module`; the block's other items stay in an impl block
/// of their own. Its arguments are owned:
///
/// | arguments | `Module::Input` |
/// |---|---|
/// | none | `()` |
/// | one, also a pattern | its type |
/// | several, with plain names | the generated struct `RagInput` with these fields, public |
///
/// `Module::source()` gives the block's text, comments and all, as it was at compile time. Inside of `forward` the trait `Module` is in
/// scope without an import.
#[proc_macro_attribute]
pub fn module(words: TokenStream, item: TokenStream) -> TokenStream {
    module::attribute(words.into(), item.into()).into()
}

/// Keeps the text of a reward function beside its rewards, for the advice that `Refine` asks for.
///
/// The function takes two shared references, the input and the prediction, and returns a `bool`, an `f64`, an `(f64, feedback)`, a
/// `Score`, or a `Result` of one. It then returns that inside of [`Sourced`](https://docs.rs/karat/latest/karat/struct.Sourced.html),
/// which dereferences to the value.
///
/// ```
/// use karat::{BestOfN, Predict, Prediction, reward, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// #[reward]
/// fn concise(input: &QaInput, prediction: &Prediction<QaOutput>) -> f64 {
///     if input.question.is_empty() {
///         return 0.0;
///     }
///     1.0 / prediction.answer.len() as f64
/// }
///
/// let reward = concise(&QaInput { question: "?".into() }, &Prediction::new(QaOutput { answer: "four".into() }));
/// assert_eq!(*reward, 0.25);
///
/// let best = BestOfN::new(Predict::<Qa>::new(), 5, concise).threshold(0.2);
/// # drop(best);
/// ```
///
/// A reward that has to `.await`, such as one that asks a language model, implements `karat::Reward` for a type.
#[proc_macro_attribute]
pub fn reward(words: TokenStream, item: TokenStream) -> TokenStream {
    reward::attribute(words.into(), item.into()).into()
}

/// The derive underneath `#[signature]`. Not for use by hand.
#[doc(hidden)]
#[proc_macro_derive(DeriveSignature, attributes(input, output, serde, schemars, __karat))]
pub fn derive_signature(item: TokenStream) -> TokenStream {
    signature::derive(item.into()).into()
}

/// The derive underneath `#[module]`. Not for use by hand.
#[doc(hidden)]
#[proc_macro_derive(DeriveModule, attributes(__karat))]
pub fn derive_module(item: TokenStream) -> TokenStream {
    module::derive(item.into()).into()
}

/// Emits nothing: it makes serde's and schemars' attributes legal on generated structs whose user listed neither derive.
#[doc(hidden)]
#[proc_macro_derive(Inert, attributes(serde, schemars))]
pub fn inert(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
