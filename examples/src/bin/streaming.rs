//! An answer shown while it is written: which predictor writes which field, word by word, and the typed prediction at the end.
//!
//! `cargo run -p karat-examples --bin streaming`, or live: `KARAT_MODEL=ollama/llama3.2 cargo run -p karat-examples --bin streaming`

use std::{
    io::{self, Write},
    time::Duration,
};

use karat::{
    Module, Predict, Prediction, Reply, Result, ScriptedLm, TerseAdapter, module, signature,
    stream::{StreamEvent, Update},
};
use karat_examples::lm;

/// Name the animal in one or two words.
#[signature]
struct Identify {
    #[input]
    clue: String,
    #[output]
    animal: String,
}

/// Write one sentence about the animal.
#[signature]
struct Describe {
    #[input]
    animal: String,
    #[output]
    sentence: String,
}

/// First which animal, then a sentence about it.
#[module]
struct Guide {
    identify: Predict<Identify>,
    describe: Predict<Describe>,
}

#[module]
impl Guide {
    async fn forward(&self, clue: String) -> Result<Prediction<DescribeOutput>> {
        let animal = self.identify.call(IdentifyInput { clue }).await?.into_inner().animal;
        self.describe.call(DescribeInput { animal }).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let word_by_word = |text: &str| {
        let words: Vec<_> = text.split_inclusive(' ').map(str::to_owned).collect();
        Reply::pieces(words).pace(Duration::from_millis(40))
    };
    let offline = ScriptedLm::new([
        word_by_word("Animal: Spider"),
        word_by_word("Sentence: It waits in its web until a thread trembles."),
    ]);
    let identify = Identify { clue: "It says meow.".into(), animal: "Cat".into() };
    let describe = Describe { animal: "Cat".into(), sentence: "It sleeps most of the day.".into() };
    let mut guide = Guide {
        identify: Predict::new().demo(identify).adapter(TerseAdapter),
        describe: Predict::new().demo(describe).adapter(TerseAdapter),
    };
    guide.set_lm(&lm(offline)?);

    let mut stream = guide.stream("It has eight legs and spins webs.".into());
    while let Some(event) = stream.next().await {
        match event? {
            StreamEvent::Progress(progress) => match progress.update() {
                Update::Started { field } => print!("{}: {field} = ", progress.predictor()),
                Update::Delta { text, .. } => print!("{text}"),
                Update::Finished { .. } => println!(),
                _ => {}
            },
            StreamEvent::Done(prediction) => {
                println!("done: {:?} after {} LM calls", prediction.sentence, prediction.usage().calls);
            }
            _ => {}
        }
        // Nobody would see the words while they wait in a buffer.
        let _ = io::stdout().flush();
    }
    Ok(())
}
