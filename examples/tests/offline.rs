//! Every example runs without a network and does what its first lines promise.

use std::process::Command;

/// What an example prints where no model is configured.
fn offline(program: &str) -> String {
    let mut command = Command::new(program);
    for variable in [
        "KARAT_MODEL",
        "KARAT_BASE_URL",
        "OPENAI_API_KEY",
        "OPENROUTER_API_KEY",
        "GROQ_API_KEY",
        "DEEPSEEK_API_KEY",
        "TOGETHER_API_KEY",
    ] {
        command.env_remove(variable);
    }
    let output = command.output().unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {}\n{out}\n{err}", output.status);
    assert!(err.contains("offline"), "it should say that its answers are scripted: {err}");
    out.into_owned()
}

/// A test per example: its name, and what it has to print.
macro_rules! examples {
    ($($name:ident: $($text:literal),+;)*) => {
        $(#[test]
        fn $name() {
            let out = offline(env!(concat!("CARGO_BIN_EXE_", stringify!($name))));
            for text in [$($text),+] {
                assert!(out.contains(text), "no {text:?} in:\n{out}");
            }
        })*
    };
}

examples! {
    best_of_n: "All Graz buses to run on hydrogen", "200 is not in the news", "* rollout 2", "cancelled";
    refine: "Fix a crash on empty files", "reward 0.200 (Use at most 50 characters.", "reward 1.00 after 3 LM calls";
    save_load: "loaded: urgency, rules", "-> Today", "a wrong program is refused", "`fallback`";
    load_python_program: "query: Write two or three key words.", "answer.predict: Answer from the passage.",
        "same instructions as in Python: true", "the same 2 demos: true", "Alexander Fleming";
    batch: "Happy", "Unhappy", "failed: predictor `self`", "1 failed; 6 LM calls", "kettle -> Happy";
    nested_modules: "self.desks['Billing'].editors[0]", "desks['Repairs'].draft.module: Draft, 2 demos",
        "2 predictors draft; all have one LM: false", "You get the second charge back", "4 LM calls";
    custom_lm: "spam? rules: true, LM: false", "spam? rules: false, LM: true", "the layer counted 3 calls";
    judge_reward: "Rain? Let it.", "reward 0.100 (Poor)", "reward 1.000 (Excellent)", "4 LM calls, the judge's included";
    streaming: "identify: animal = Spider\n", "describe: sentence = It waits", "until a thread trembles.\" after 2 LM calls";
    record_replay: "3 calls, 1 of them from the cache", "the same: true, unused: 0", "not recorded: ", "Buenos";
}

#[test]
fn an_example_whose_model_cannot_be_reached_fails() {
    // A closed port in place of the model's server.
    let model = [("KARAT_MODEL", "llamacpp/none"), ("KARAT_BASE_URL", "http://127.0.0.1:9/v1")];
    for program in [env!("CARGO_BIN_EXE_best_of_n"), env!("CARGO_BIN_EXE_batch")] {
        let output = Command::new(program).envs(model).output().expect("it starts");
        assert_eq!(output.status.code(), Some(1), "{program}");
    }
}

#[test]
fn the_saved_python_program_says_what_dspy_it_is_from() {
    let state =
        karat::State::read(concat!(env!("CARGO_MANIFEST_DIR"), "/python/program.json")).expect("a state");
    assert_eq!(state.metadata().expect("metadata")["dependency_versions"]["dspy"], "3.3.1");
}
