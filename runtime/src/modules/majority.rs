//! The answer that most completions agree on.

use std::{collections::HashMap, hash::Hash};

use crate::Prediction;

/// The completion whose key most completions share, alone in the prediction: self-consistency over the `n` completions of one
/// call. Of equally frequent keys the earlier one wins, and of its completions the first.
///
/// A completion whose key is `None` does not vote, unless all are. [`normalize`] makes a key of a text.
///
/// ```
/// use karat::{Module, Predict, Reply, ScriptedLm, majority, normalize, signature};
///
/// #[signature]
/// struct Qa {
///     #[input]
///     question: String,
///     #[output]
///     answer: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> karat::Result<()> {
/// # let reply = |answer: &str| Reply::fields([("answer", answer)]);
/// # let lm = ScriptedLm::new([reply("Lyon").and(reply("The Paris.")).and(reply("Paris"))]).lm();
/// let qa = Predict::<Qa>::new().n(3).lm(&lm);
/// let answers = qa.call(QaInput { question: "Capital of France?".into() }).await?;
/// let answer = majority(answers, |answer| normalize(&answer.answer));
/// assert_eq!(answer.answer, "The Paris.");
/// # Ok(())
/// # }
/// ```
pub fn majority<O, K: Eq + Hash>(prediction: Prediction<O>, key: impl Fn(&O) -> Option<K>) -> Prediction<O> {
    let keys: Vec<Option<K>> = prediction.completions().map(key).collect();
    let mut votes: HashMap<&K, usize> = HashMap::new();
    for key in keys.iter().flatten() {
        *votes.entry(key).or_default() += 1;
    }
    let most = votes.values().copied().max();
    let is_chosen = |key: &Option<K>| key.as_ref().and_then(|key| votes.get(key).copied()) == most;
    let chosen = keys.iter().position(is_chosen).unwrap_or_default();
    prediction.only(chosen)
}

/// A text as a key for comparing answers: lower case, without punctuation and the articles a, an and the, words apart by one
/// blank. `None` if nothing is left. The rules are those of the SQuAD evaluation, which DSPy's `normalize_text` follows too.
///
/// ```
/// use karat::normalize;
///
/// assert_eq!(normalize(" The  Eiffel-Tower! ").as_deref(), Some("eiffeltower"));
/// assert_eq!(normalize("the..."), None);
/// ```
pub fn normalize(text: &str) -> Option<String> {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let words: Vec<&str> =
        plain.split_whitespace().filter(|word| !["a", "an", "the"].contains(word)).collect();
    Some(words.join(" ")).filter(|text| !text.is_empty())
}
