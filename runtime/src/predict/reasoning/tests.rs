mod harmony;

use std::sync::Arc;

use crate::{
    ChatAdapter, JsonAdapter, Module, OnParseError, Predict, Reply, Result, ScriptedLm, TerseAdapter,
    XmlAdapter,
    adapter::Adapter,
    signature,
    stream::{StreamEvent, Update},
};

/// Answer.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

/// An answer in an adapter's form.
type Form = fn(&str) -> String;

fn adapters() -> [(Arc<dyn Adapter>, Form); 4] {
    [
        (Arc::new(ChatAdapter), |answer| format!("[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]")),
        (Arc::new(XmlAdapter), |answer| format!("<answer>{answer}</answer>")),
        (Arc::new(JsonAdapter), |answer| format!("{{\"answer\": \"{answer}\"}}")),
        (Arc::new(TerseAdapter), |answer| format!("Answer: {answer}")),
    ]
}

/// What makers put around reasoning.
const PAIRS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<Thinking>", "</THINKING>"),
    ("<thought>", "</thought >"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</Reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    (
        "<|start|>assistant<|channel|>commentary to=functions.x <|constrain|>json<|message|>",
        "<|call|><|channel|>final <|constrain|>json<|message|>",
    ),
    ("analysis", "assistantfinal"),
];

fn qa(adapter: &Arc<dyn Adapter>, reply: Reply) -> Predict<Qa> {
    let lm = ScriptedLm::new([reply]).lm().without_history();
    let mut qa = Predict::<Qa>::new().lm(&lm).on_parse_error(OnParseError::Fail);
    qa.predictor_mut().set_adapter(adapter.clone());
    qa
}

fn input(question: &str) -> QaInput {
    QaInput { question: question.into() }
}

/// The answer, and the reasoning, of a reply that comes whole or in pieces; what a stream's last events say must agree.
async fn read_with(
    adapter: &Arc<dyn Adapter>,
    question: &str,
    reply: &str,
) -> Result<(String, Option<String>)> {
    let mut outcomes = Vec::new();
    for size in [1, 5, usize::MAX] {
        let chars: Vec<_> = reply.chars().collect();
        let pieces: Vec<String> = chars.chunks(size).map(|piece| piece.iter().collect()).collect();
        let mut stream = qa(adapter, Reply::pieces(pieces)).stream(input(question));
        let (mut text, mut thought) = (String::new(), String::new());
        let outcome = loop {
            match stream.next().await {
                Some(Ok(StreamEvent::Progress(progress))) => match progress.into_update() {
                    Update::Delta { text: more, .. } => text.push_str(&more),
                    Update::Reasoning { text: more } => thought.push_str(&more),
                    Update::Discarded { .. } => {
                        text.clear();
                        thought.clear();
                    }
                    _ => {}
                },
                Some(Ok(StreamEvent::Done(prediction))) => {
                    assert_eq!(text, prediction.answer, "{reply}");
                    assert_eq!(thought, prediction.model_reasoning().unwrap_or_default(), "{reply}");
                    break Ok((text, prediction.model_reasoning().map(str::to_owned)));
                }
                Some(Err(error)) => {
                    assert!(error.outputs().is_empty(), "{reply}: {error:?}");
                    break Err(error);
                }
                None => panic!("a stream without an end"),
            }
        };
        outcomes.push(outcome);
    }
    let parsed = qa(adapter, Reply::text(reply)).parse(&input(question), reply);
    for outcome in &outcomes {
        assert_eq!(
            outcome.as_ref().ok().map(|(answer, _)| answer),
            parsed.as_ref().ok().map(|qa| &qa.answer),
            "{reply}"
        );
    }
    outcomes.swap_remove(2)
}

async fn read(adapter: &Arc<dyn Adapter>, reply: &str) -> Result<(String, Option<String>)> {
    read_with(adapter, "Which?", reply).await
}

#[tokio::test]
async fn the_answer_behind_reasoning_is_read_and_never_a_draft_in_it() {
    for (adapter, form) in adapters() {
        let (draft, answer) = (form("Lyon"), form("Paris"));
        for (open, close) in PAIRS {
            let is_bare = *open == "analysis";
            for reply in [
                format!("{open}The form wants\n{draft}\nNo, it is Paris.\n{close}\n\n{answer}"),
                format!("\n {open}\n{draft}{close}{answer}"),
                // The opening tag is a part of the prompt.
                format!("The form wants\n{draft}\nNo, it is Paris.\n{close}\n\n{answer}"),
                format!("{draft}\n{close}{answer}"),
                // A text before the block, and several blocks.
                format!("Well.\n{open}{draft}{close}\n{answer}"),
                format!("{open}Lyon?{close}\n{open}{draft}{close}\n\n{answer}"),
                format!("{open}Lyon?{close}\nSo:\n{open}{draft}{close}\n\n{answer}"),
                // The tags are a part of the draft.
                format!("{open}I end with {close} and then {draft}. Lyon.\n{close}\n{answer}"),
            ] {
                if is_bare && (!reply.starts_with(open) || reply.matches(close).count() > 1) {
                    continue;
                }
                let read = read(&adapter, &reply).await;
                // Two messages in the channel `final` that differ are an error.
                if reply.matches("final").count() > 1 && read.is_err() {
                    continue;
                }
                let (read, reasoning) = read.unwrap_or_else(|error| panic!("{reply}: {error}"));
                assert_eq!(read, "Paris", "{}: {reply}", adapter.name());
                let reasoning = reasoning.unwrap();
                assert!(reasoning.contains("Lyon") && !reasoning.contains("Paris\""), "{reply}: {reasoning}");
                assert!(!reasoning.contains("<|start|>"), "{reply}: {reasoning}");
            }
        }
    }
}

#[tokio::test]
async fn reasoning_without_an_answer_behind_it_is_an_error() {
    for (adapter, form) in adapters() {
        let draft = form("Lyon");
        for (open, close) in PAIRS {
            for reply in [
                format!("{open}Maybe\n{draft}\nNo, it is"),
                format!("{open}Maybe\n{draft}\n{close}"),
                format!("Well.\n{open}Maybe\n{draft}\nNo, it is"),
                format!("{open}a{close}\n{open}Maybe\n{draft}"),
                format!("Well.\n{open}a{close}\n{open}Maybe\n{draft}{close}"),
                format!("Well.\n{open}\n{draft}\n{close}\nIt is Paris."),
            ] {
                // Without its special tokens, harmony is recognized by its first and its last channel.
                if *open == "analysis"
                    && (!reply.starts_with(open) || !reply.contains(close) || reply.matches(open).count() > 1)
                {
                    continue;
                }
                let read = read(&adapter, &reply).await;
                assert!(read.is_err(), "{}: {reply:?}: {read:?}", adapter.name());
            }
        }
    }
}

#[tokio::test]
async fn a_draft_before_a_lone_closing_tag_is_no_answer() {
    for (adapter, form) in adapters().into_iter().filter(|(adapter, _)| adapter.name() != "terse") {
        // What stands outside of all values cannot be a part of one.
        let reply =
            format!("{} <think>Or", form("Lyon").replace("\n\n[[", "\n[[").replace("ed ## ]]", "ed ## ]]\n"));
        assert!(read(&adapter, &reply).await.is_err(), "{reply}");
        let reply = format!("Maybe {}\nNo.\n</think>\nParis", form("Lyon").replace("[[ ## a", "\n[[ ## a"));
        let read = read(&adapter, &reply).await;
        assert!(read.is_err(), "{}: {reply}: {read:?}", adapter.name());
    }
    let terse: Arc<dyn Adapter> = Arc::new(TerseAdapter);
    for reply in [
        "Lyon? No.\n</think>\nParis",
        "Lyon? No.</think>\n\nParis",
        "Well.\n<think>Lyon?</think>\nParis",
        "Paris\n<think>Or Lyon?</think>",
        "So, <think>Lyon?</think>",
        "Well, <think>\nAnswer: Lyon",
        "Lyon </think> no\nAnswer: Paris",
        "Answer: Lyon\n<think>no</think>\nAnswer: Paris",
    ] {
        let read = read(&terse, reply).await;
        assert!(read.is_err(), "{reply}: {read:?}");
    }
}

#[tokio::test]
async fn a_tag_that_a_value_quotes_is_text() {
    for (adapter, form) in adapters() {
        for value in [
            "Close it with </think>, then answer.",
            "<think> opens and </think> closes.",
            "The tag is <think>",
            "</think>",
            "Use <|channel|>analysis<|message|> first.",
            "It is [THINK], ◁think▷ or <|END_THINKING|> there.",
            "a <|end|> b",
        ] {
            let reply = form(value);
            let (read_value, reasoning) = read(&adapter, &reply).await.unwrap();
            assert_eq!((&*read_value, reasoning.as_deref()), (value, None), "{reply}");
            let thought = format!("<think>Lyon?</think>\n{reply}");
            let (read_value, reasoning) = read(&adapter, &thought).await.unwrap();
            assert_eq!((&*read_value, reasoning.as_deref()), (value, Some("Lyon?")), "{thought}");
            let lone = format!("Lyon?\n</think>\n{reply}");
            let (read_value, reasoning) = read(&adapter, &lone).await.unwrap();
            assert_eq!((&*read_value, reasoning.as_deref()), (value, Some("Lyon?")), "{lone}");
        }
    }
    let json: Arc<dyn Adapter> = Arc::new(JsonAdapter);
    let reply = r#"{"answer": "Write </think> {\"answer\": \"Paris\"}"}"#;
    assert_eq!(read(&json, reply).await.unwrap().0, r#"Write </think> {"answer": "Paris"}"#);
    let chat: Arc<dyn Adapter> = Arc::new(ChatAdapter);
    for value in
        ["So:\n```\n</think>\n[[ ## x ## ]]\n```\nIt ends.", "Say \"</think>\" now", "a\n</think>\nb"]
    {
        let reply = format!("[[ ## answer ## ]]\n{value}\n\n[[ ## completed ## ]]");
        assert_eq!(read(&chat, &reply).await.unwrap(), (value.to_owned(), None));
    }
    let terse: Arc<dyn Adapter> = Arc::new(TerseAdapter);
    for reply in ["Use <think>a</think>.", "</think> closes it", "The tag is `<think>`", "It is </think>"] {
        assert_eq!(read(&terse, reply).await.unwrap(), (reply.to_owned(), None));
    }
}

#[tokio::test]
async fn a_tag_in_the_prose_before_the_answer_harms_nothing() {
    for (adapter, form) in adapters().into_iter().filter(|(adapter, _)| adapter.name() != "terse") {
        for prose in [
            "I use no `<think>`.",
            "\"<think>\" opens.",
            "Behind </think>:",
            "```\n<think>\n```",
            "<think>a</think> b",
        ] {
            let reply = format!("{prose}\n{}", form("Paris"));
            assert_eq!(read(&adapter, &reply).await.unwrap().0, "Paris", "{reply}");
        }
    }
}

/// Weigh.
#[signature]
struct Weighed {
    #[input]
    question: String,
    #[output(default)]
    note: Option<String>,
    #[output(default)]
    tags: Vec<String>,
    #[output]
    answer: String,
}

/// Answer, and say why.
#[signature]
struct Reasoned {
    #[input]
    question: String,
    #[output]
    why: String,
    #[output]
    answer: String,
}

fn reasoned(reply: &str) -> Option<ReasonedOutput> {
    Predict::<Reasoned>::new().parse(&ReasonedInput { question: "Which?".into() }, reply).ok()
}

#[test]
fn a_tag_in_a_field_that_must_be_there_is_text() {
    let read = reasoned("[[ ## why ## ]]\nIt is Lyon.\n</think>\n[[ ## answer ## ]]\nParis").unwrap();
    assert_eq!((&*read.why, &*read.answer), ("It is Lyon.\n</think>", "Paris"));
    let draft = "[[ ## answer ## ]]\nLyon\n</think>\n[[ ## why ## ]]\nw\n[[ ## answer ## ]]\nParis";
    assert_eq!(reasoned(draft).unwrap().answer, "Paris");
}

#[tokio::test]
async fn a_reply_in_a_block_of_code_is_read_without_its_end() {
    for (adapter, form) in adapters().into_iter().filter(|(adapter, _)| adapter.name() != "terse") {
        for thoughts in ["<think>Lyon?</think>", "<think>Lyon?\n</think>\n", "Lyon?\n</think>"] {
            let reply =
                format!("```\n{thoughts}\n{}\n```", form("Paris").replace("\n\n[[ ## completed ## ]]", ""));
            assert_eq!(read(&adapter, &reply).await.unwrap().0, "Paris", "{reply}");
        }
    }
}

#[test]
fn a_tag_in_a_field_that_may_be_left_out_ends_nothing_or_is_an_error() {
    let weighed = Predict::<Weighed>::new();
    let read = |reply: &str| weighed.parse(&WeighedInput { question: "Which?".into() }, reply).ok();
    let inline = read("[[ ## note ## ]]\nUse </think> at the end\n[[ ## answer ## ]]\nParis").unwrap();
    assert_eq!((inline.note.as_deref(), &*inline.answer), (Some("Use </think> at the end"), "Paris"));
    let block = read("[[ ## note ## ]]\nThe <think>x</think> tag\n[[ ## answer ## ]]\nParis").unwrap();
    assert_eq!(block.note.as_deref(), Some("The <think>x</think> tag"));
    let json = read("[[ ## tags ## ]]\n[\"<think>\", \"</think>\"]\n[[ ## answer ## ]]\nParis").unwrap();
    assert_eq!(json.tags, ["<think>", "</think>"]);
    assert!(
        read("[[ ## note ## ]]\nIs it Lyon?\n</think>\n[[ ## answer ## ]]\nParis").is_none(),
        "a draft or a note"
    );
    let draft = "[[ ## note ## ]]\nn\n[[ ## answer ## ]]\nLyon\n</think>\n[[ ## answer ## ]]\nParis";
    assert_eq!(read(draft).map(|read| (read.note, read.answer)), Some((None, "Paris".into())));
    for again in ["Lyon\n</think>", "Lyon\n<think>no"] {
        let thought =
            reasoned(&format!("[[ ## why ## ]]\nw\n[[ ## answer ## ]]\n{again}\n[[ ## answer ## ]]\nParis"));
        assert!(thought.is_none(), "the form begins anew, and lacks a field");
    }
    assert!(read("[[ ## answer ## ]]\nLyon\n<think>no</think>\n[[ ## answer ## ]]\nParis").is_none());
}

#[test]
fn an_adapter_without_an_outline_leaves_all_but_the_beginning_alone() {
    #[derive(Debug)]
    struct Plain;
    impl Adapter for Plain {
        fn name(&self) -> &'static str {
            "plain"
        }
        fn prepare(&self, _: &crate::adapter::Task<'_>) -> crate::adapter::Prepared {
            crate::adapter::Prepared {
                prefix: Arc::new([]),
                modes: vec![crate::adapter::Mode::PROMPT],
                stop: Vec::new(),
            }
        }
        fn turn(&self, _: &crate::adapter::Task<'_>, _: &crate::adapter::Demo) -> [String; 2] {
            Default::default()
        }
        fn ask(&self, _: &crate::adapter::Task<'_>, _: &crate::adapter::Inputs<'_>) -> String {
            String::new()
        }
        fn read(
            &self,
            task: &crate::adapter::Task<'_>,
            _: &crate::adapter::Inputs<'_>,
            text: &str,
        ) -> Result<Vec<Option<crate::field::FieldValue>>> {
            Ok(task.outputs().map(|field| Some(field.value_of_text(text))).collect())
        }
    }
    let qa = Predict::<Qa>::new().adapter(Plain);
    for (reply, answer) in [
        ("<think>a</think>b</think>c", Some("b</think>c")),
        ("b</think>c", Some("b</think>c")),
        ("a <think> b", Some("a <think> b")),
        ("<think>a", None),
    ] {
        assert_eq!(qa.parse(&input("?"), reply).ok().map(|qa| qa.answer).as_deref(), answer);
    }
}

#[tokio::test]
async fn a_reply_is_read_right_where_the_prompt_has_tags_too() {
    for (adapter, form) in adapters() {
        let (draft, answer) = (form("Lyon"), form("Paris"));
        let question = "What does a text with </think> or <think> in it mean to you, dear model?";
        // A tag of the input that is repeated ends nothing.
        let reply = format!("{answer}\n{question}\n{draft}");
        if let Ok((read, _)) = read_with(&adapter, question, &reply).await {
            assert!(read.starts_with("Paris"), "{reply}: {read}");
        }
        let reply = format!("<think>Lyon?</think>\n{answer}");
        assert_eq!(read_with(&adapter, question, &reply).await.unwrap().0, "Paris");
        // Two readings.
        let reply = format!("{draft}\nNo.\n</think>\n{answer}");
        let read = read_with(&adapter, question, &reply).await;
        assert!(read.is_err(), "{}: {reply}: {read:?}", adapter.name());
    }
}

#[tokio::test]
async fn a_text_of_many_tags_is_read_in_linear_time() {
    let start = std::time::Instant::now();
    for (adapter, form) in adapters() {
        for tag in [
            "<think>",
            "</think>",
            "</think>\n",
            "<|end|>",
            "<|channel|>final<|message|>",
            "<think   ",
            "[THINK] \"",
        ] {
            let many = tag.repeat(2_000);
            for reply in [many.clone(), form(&many.replace('"', "")), format!("{many}{}", form("Paris"))] {
                let _ = qa(&adapter, Reply::text(reply.clone())).parse(&input("Which?"), &reply);
            }
        }
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
