//! The quick start: a typed two-step program on a real language model. `BestOfN` and `Refine` choose its answers, and the
//! reward of every rollout is printed.
//!
//! Run it with `scripts/quickstart`, which brings a small local model where the environment names none. The model is that of
//! `Lm::from_env()`: `KARAT_MODEL` (e.g. `ollama/llama3.2`), else one of the first provider whose key is set.

mod table;

use std::process::ExitCode;

use karat::{
    BestOfN, Error, Lm, Module, Predict, Prediction, Refine, Result, Rollout, TerseAdapter, module, reward,
    signature,
};
use karat_examples::search::{search, words};
use table::Row;

/// Write the key words to search for.
#[signature]
struct MakeQuery {
    #[input]
    question: String,
    #[output]
    query: String,
}

/// Answer the question from the passage in one to five words.
#[signature]
struct Answer {
    #[input]
    passage: String,
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// Searches, then answers from what was found.
#[module]
struct Guide {
    query: Predict<MakeQuery>,
    answer: Predict<Answer>,
}

/// An answer, and the passage that it comes from.
#[derive(Clone, Debug)]
struct Cited {
    answer: String,
    passage: String,
}

#[module]
impl Guide {
    async fn forward(&self, question: String) -> Result<Prediction<Cited>> {
        let query = self.query.call(MakeQueryInput { question: question.clone() }).await?;
        let passage = search(&query.query)
            .ok_or_else(|| Error::other(format!("nothing found for {:?}", query.query)))?;
        let answer = self.answer.call(AnswerInput { passage: passage.into(), question }).await?;
        Ok(answer.map(|answer| Cited {
            answer: answer.answer.trim_end_matches('.').into(),
            passage: passage.into(),
        }))
    }
}

/// Full marks for an answer that is short, stands in the passage, and is no echo of the question.
#[reward]
fn grounded(question: &String, prediction: &Prediction<Cited>) -> (f64, String) {
    let Cited { answer, passage } = &**prediction;
    let said = words(answer);
    let in_passage = passage.to_lowercase().contains(&answer.to_lowercase());
    let is_echo = said.iter().all(|word| words(question).contains(word));
    if is_echo {
        (0.0, "Do not repeat the question.".into())
    } else if !in_passage {
        (0.3, "Copy the answer from the passage, word for word.".into())
    } else if said.len() > 5 {
        (0.6, "Use at most five words.".into())
    } else {
        (1.0, "Good.".into())
    }
}

const QUESTIONS: [&str; 6] = [
    "Who discovered radium?",
    "When was the Eiffel Tower finished?",
    "How long is the Great Wall of China?",
    "What colour is the blood of an octopus?",
    "What is the highest mountain in Africa?",
    "Who discovered penicillin?",
];

/// Two or three demos stop a small model from copying the form.
fn guide(lm: &Lm) -> Guide {
    let query = |question: &str, query: &str| MakeQuery { question: question.into(), query: query.into() };
    let answer = |passage: &str, question: &str, answer: &str| Answer {
        passage: passage.into(),
        question: question.into(),
        answer: answer.into(),
    };
    Guide {
        query: Predict::new().adapter(TerseAdapter).lm(lm).demos(vec![
            query("Which river is the longest in Africa?", "longest river Africa"),
            query("Who painted the Mona Lisa?", "Mona Lisa painted"),
            query("How many legs does a spider have?", "spider legs"),
        ]),
        answer: Predict::new().adapter(TerseAdapter).lm(lm).demos(vec![
            answer(
                "The Nile is the longest river in Africa, 6,650 kilometres long.",
                "How long is the Nile?",
                "6,650 kilometres",
            ),
            answer(
                "Leonardo da Vinci painted the Mona Lisa around 1503.",
                "Who painted the Mona Lisa?",
                "Leonardo da Vinci",
            ),
            answer("An ant has six legs and two antennae.", "How many legs does an ant have?", "six"),
        ]),
    }
}

async fn run() -> Result<()> {
    let lm = karat_examples::live()?;
    println!("A two-step program (question -> query -> passage -> answer) on {}\n", lm.name());
    let guide = guide(&lm);
    let best = BestOfN::new(guide.clone(), 5, grounded).threshold(1.0).concurrency(2);
    let refine = Refine::new(guide, 4, grounded).threshold(1.0);

    let (mut rows, mut answers) = (Vec::new(), 0);
    for (index, question) in QUESTIONS.into_iter().enumerate() {
        let number = index + 1;
        println!("{number}/{} {question}", QUESTIONS.len());
        for (by, outcome) in
            [("BestOfN", best.call(question.into()).await), ("Refine", refine.call(question.into()).await)]
        {
            answers += usize::from(outcome.is_ok());
            rows.extend(show(number, by, outcome)?);
        }
    }
    println!("\nEvery rollout; * was chosen:\n");
    table::print(&rows);
    match answers {
        0 => Err(Error::other("no question was answered; the last column says why")),
        _ => Ok(()),
    }
}

/// Prints the answer, and gives the rows of its rollouts. That the model gave no rollout a usable answer is a result too; anything
/// else that failed, such as a server that is down, ends the program.
fn show(question: usize, by: &str, outcome: Result<Prediction<Cited>>) -> Result<Vec<Row>> {
    let row = |rollout| Row::new(question, by, rollout);
    match outcome {
        Ok(best) => {
            println!("    {by:<8}{:<28} reward {:.2}", best.answer, best.reward().unwrap_or_default());
            Ok(best.rollouts().iter().map(row).collect())
        }
        Err(error) if error.is_exhausted() && has_answers(&error) => {
            println!("    {by:<8}no answer: {}", table::cause(&error));
            Ok(error.rollouts().iter().map(row).collect())
        }
        Err(error) => Err(error),
    }
}

/// True if the model answered at least one of the failed rollouts, though not in a way that could be used.
fn has_answers(error: &Error) -> bool {
    let mut errors = error.rollouts().iter().filter_map(Rollout::error);
    errors.any(|error| !error.is_transient())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}
