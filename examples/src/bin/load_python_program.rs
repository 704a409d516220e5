//! Loads a program that was optimized in Python: DSPy 3.3.1 saved `examples/python/program.json`, with the program beside it,
//! `optimize.py`. This one has the same shape, so that the file fits.
//!
//! Offline: `cargo run -p karat-examples --bin load_python_program`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or
//! on the small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin load_python_program`.

use karat::{
    ChainOfThought, Error, Module, Predict, Prediction, Reasoned, Result, ScriptedLm, State, TerseAdapter,
    module, signature,
};
use karat_examples::search::search;

/// `question -> query`; the instructions come from the file.
#[signature]
struct MakeQuery {
    #[input]
    question: String,
    #[output]
    query: String,
}

/// `passage, question -> answer`
#[signature]
struct Answer {
    #[input]
    passage: String,
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// The fields are called as in Python's `Rag`, since the file goes by their paths.
#[module]
struct Rag {
    query: Predict<MakeQuery>,
    answer: ChainOfThought<Answer>,
}

#[module]
impl Rag {
    async fn forward(&self, question: String) -> Result<Prediction<Reasoned<AnswerOutput>>> {
        let query = self.query.call(MakeQueryInput { question: question.clone() }).await?.into_inner().query;
        let passage = search(&query).ok_or_else(|| Error::other(format!("nothing found for {query:?}")))?;
        self.answer.call(AnswerInput { passage: passage.into(), question }).await
    }
}

const SAVED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/program.json");

#[tokio::main]
async fn main() -> Result<()> {
    let lm = karat_examples::lm(ScriptedLm::new([
        "Query: discovered penicillin",
        "Reasoning: The passage says that Alexander Fleming discovered penicillin.\nAnswer: Alexander Fleming",
    ]))?;
    let mut rag = Rag {
        query: Predict::new().adapter(TerseAdapter),
        answer: ChainOfThought::new().adapter(TerseAdapter),
    };
    // It stays, whatever LM the file names: key, limits and cache are the program's. `State::take_lm` takes the file's.
    rag.set_lm(&lm.temperature(0.0));
    rag.load(SAVED)?; // all of it, or an error that names what does not fit

    let (saved, loaded) = (State::read(SAVED)?, rag.dump_state());
    for (path, predictor) in rag.named_predictors() {
        let part =
            |state: &State, pointer: &str| state.get(&path).and_then(|entry| entry.pointer(pointer)).cloned();
        let same =
            |pointer| part(&saved, pointer).is_some() && part(&saved, pointer) == part(&loaded, pointer);
        println!("{path}: {}", predictor.instructions());
        println!("    the same instructions as in Python: {}", same("/signature/instructions"));
        println!("    the same {} demos: {}", predictor.demos().len(), same("/demos"));
    }

    let question = "Who discovered penicillin?";
    let answer = rag.call(question.into()).await?;
    println!("\n{question} {}\n    because: {}", answer.answer, answer.reasoning);
    Ok(())
}
