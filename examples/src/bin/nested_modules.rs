//! Modules in modules: in a map, in a list, in a wrapper, frozen; with the paths by which each part is found.
//!
//! Offline: `cargo run -p karat-examples --bin nested_modules`. Live: the same with `KARAT_MODEL` or `OPENAI_API_KEY` set, or on
//! the small local model with `scripts/local-lm run -- cargo run -p karat-examples --bin nested_modules`.

use std::collections::BTreeMap;

use karat::{
    BestOfN, Error, Frozen, JsonAdapter, Module, Predict, Prediction, Result, ScriptedLm, TerseAdapter,
    module, signature,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Choose the desk for the message.
#[signature]
struct Route {
    #[input]
    message: String,
    #[output]
    desk: DeskName,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
enum DeskName {
    Billing,
    Repairs,
}

/// Answer the customer in one friendly sentence.
#[signature]
struct Draft {
    #[input]
    message: String,
    #[output]
    reply: String,
}

/// Make the sentence shorter.
#[signature]
struct Shorten {
    #[input]
    sentence: String,
    #[output]
    shorter: String,
}

/// A draft, then as many edits as there are editors.
#[module]
struct Desk {
    draft: BestOfN<Predict<Draft>>,
    editors: Vec<Predict<Shorten>>,
}

#[module]
impl Desk {
    async fn forward(&self, message: String) -> Result<Prediction<String>> {
        let mut reply = self.draft.call(DraftInput { message }).await?.map(|draft| draft.reply);
        for editor in &self.editors {
            let edited = editor.call(ShortenInput { sentence: reply.into_inner() }).await?;
            reply = edited.map(|edited| edited.shorter);
        }
        Ok(reply)
    }
}

/// The router was tuned long ago: optimizers and state files pass it over.
#[module]
struct Office {
    route: Frozen<Predict<Route>>,
    desks: BTreeMap<String, Desk>,
}

#[module]
impl Office {
    async fn forward(&self, message: String) -> Result<Prediction<String>> {
        let desk = format!("{:?}", self.route.call(RouteInput { message: message.clone() }).await?.desk);
        let missing = || Error::other(format!("there is no desk called {desk}"));
        self.desks.get(&desk).ok_or_else(missing)?.call(message).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let lm = karat_examples::lm(ScriptedLm::new([
        r#"{"desk": "Billing"}"#,
        "We are sorry",
        "We are sorry about the two charges, and you get one of them back tomorrow.",
        "Sorry! You get the second charge back tomorrow.",
    ]))?;
    let mut office = office();
    office.set_lm(&lm); // every part, frozen ones too
    office.route.set_lm(&lm.temperature(0.0)); // one part

    println!("named_sub_modules:");
    for (path, module) in office.named_sub_modules().skip_frozen() {
        println!("  {path}{}", if module.is_frozen() { " (frozen)" } else { "" });
    }
    println!("named_predictors, which leave out what is frozen:");
    for (path, predictor) in office.named_predictors() {
        println!("  {path}: {}, {} demos", predictor.signature(), predictor.demos().len());
    }
    let drafts = office.named_sub_modules().of_type::<Predict<Draft>>().count();
    println!("{drafts} predictors draft; all have one LM: {}", office.get_lm().is_ok());

    let answer = office.call("You charged my card twice for one bill!".into()).await?;
    println!("\n{}\n", *answer);
    for step in answer.trace().steps() {
        println!("{}: {} LM calls", step.predictor(), step.calls().len());
    }
    println!("with the rollouts that were not chosen: {} LM calls", answer.usage().calls);
    Ok(())
}

fn office() -> Office {
    let route = |message: &str, desk| Route { message: message.into(), desk };
    let route = Predict::new().adapter(JsonAdapter).demos(vec![
        route("My bill has the wrong name on it.", DeskName::Billing),
        route("The screen of my phone is cracked.", DeskName::Repairs),
    ]);
    let draft = |message: &str, reply: &str| Draft { message: message.into(), reply: reply.into() };
    let draft = Predict::new().adapter(TerseAdapter).demos(vec![
        draft("Where is my parcel?", "Your parcel is on its way and arrives on Friday."),
        draft("The cup came broken.", "We are sorry, and a new cup is on its way."),
    ]);
    let edit = |sentence: &str, shorter: &str| Shorten { sentence: sentence.into(), shorter: shorter.into() };
    let editor = Predict::new().adapter(TerseAdapter).demos(vec![
        edit("We would like to thank you very much.", "Thank you very much."),
        edit("Your parcel is going to be there on Friday.", "It arrives on Friday."),
    ]);
    let whole = |_: &DraftInput, draft: &Prediction<DraftOutput>| draft.reply.split_whitespace().count() > 4;
    let desk = Desk { draft: BestOfN::new(draft, 2, whole).threshold(1.0), editors: vec![editor] };
    let desks = ["Billing", "Repairs"].map(|name| (name.to_owned(), desk.clone()));
    Office { route: Frozen::new(route), desks: desks.into() }
}
