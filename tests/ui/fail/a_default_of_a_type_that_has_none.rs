//! A type without `Default` needs a default that is written down.

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
enum Mood {
    Calm,
}

#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output(default)]
    mood: Mood,
}

fn main() {
    let _ = Mood::Calm;
}
