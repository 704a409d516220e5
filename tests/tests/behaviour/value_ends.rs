//! Tests of where a value ends: answers that were cut, end tokens, foreign markers, elements.

use std::collections::BTreeMap;

use karat::{
    ChatAdapter, ErrorKind, JsonAdapter, Module, OnParseError, Predict, Prediction, Reply, ScriptedLm,
    TerseAdapter, XmlAdapter,
    adapter::Adapter,
    field::Repair,
    lm::Finish,
    signature,
    stream::{StreamEvent, Update},
};
use serde::{Deserialize, Serialize};

/// Answer the question.
#[signature]
#[derive(PartialEq)]
struct Reasoned {
    #[input]
    question: String,
    #[output]
    reason: String,
    #[output]
    answer: String,
}

/// Count.
#[signature]
#[derive(PartialEq)]
struct Count {
    #[input]
    text: String,
    #[output]
    words: u32,
}

/// List.
#[signature]
#[derive(PartialEq)]
struct Listed {
    #[input]
    text: String,
    #[output]
    tags: Vec<String>,
    #[output]
    note: Option<String>,
}

pub(super) type Outcome<O> = karat::Result<Prediction<O>>;

fn asked(question: &str) -> ReasonedInput {
    ReasonedInput { question: question.into() }
}

/// Returns the outcome of a reply, and checks that a stream in any pieces has the same.
pub(super) async fn outcome<S>(
    adapter: impl Adapter + Clone,
    input: S::Input,
    reply: &str,
    finish: Finish,
) -> Outcome<S::Output>
where
    S: karat::Signature,
    S::Input: Clone,
    S::Output: PartialEq,
{
    let predict = |reply: Reply| {
        let lm = ScriptedLm::new([reply.finish(finish.clone())]).lm();
        Predict::<S>::new().adapter(adapter.clone()).on_parse_error(OnParseError::Fail).lm(&lm)
    };
    let whole = predict(Reply::text(reply)).call(input.clone()).await;
    let chars: Vec<_> = reply.chars().map(String::from).collect();
    for size in [1, 3, 7, 1_000] {
        let mut stream = predict(Reply::pieces(chars.chunks(size).map(<[_]>::concat))).stream(input.clone());
        let mut streamed = BTreeMap::new();
        loop {
            match stream.next().await.unwrap() {
                Ok(StreamEvent::Done(streamed)) => {
                    let whole = whole.as_ref().unwrap_or_else(|error| panic!("{reply}: {error}"));
                    assert_eq!(streamed.repairs(), whole.repairs(), "{reply} by {size}");
                    assert!(streamed.into_inner() == **whole, "{reply} by {size}");
                    break;
                }
                Ok(StreamEvent::Progress(progress)) => match progress.into_update() {
                    Update::Delta { field, text } => {
                        streamed.entry(field).or_insert_with(String::new).push_str(&text)
                    }
                    Update::Finished { field, value } => {
                        if let Some(text) = value.as_str() {
                            assert_eq!(
                                streamed.get(&field).map_or("", String::as_str),
                                text,
                                "{reply} by {size}"
                            );
                        }
                    }
                    Update::Discarded { .. } => streamed.clear(),
                    _ => {}
                },
                Err(error) => {
                    let whole = whole.as_ref().err().unwrap_or_else(|| panic!("{reply}: {error}"));
                    assert_eq!((error.kind(), error.field()), (whole.kind(), whole.field()), "{reply}");
                    break;
                }
                Ok(_) => {}
            }
        }
    }
    whole
}

async fn reasoned(adapter: impl Adapter + Clone, reply: &str) -> Prediction<ReasonedOutput> {
    let outcome = outcome::<Reasoned>(adapter, asked("Capital?"), reply, Finish::Stop).await;
    outcome.unwrap_or_else(|error| panic!("{reply}: {error}"))
}

/// True if the field has this flaw.
fn has<O>(prediction: &Prediction<O>, field: &str, repair: Repair) -> bool {
    prediction.repairs().iter().any(|(name, repairs)| *name == field && repairs.contains(repair))
}

#[tokio::test]
async fn an_answer_cut_amid_its_last_field_is_truncated_with_the_text_so_far() {
    let chat = [
        "[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nThe capital of Fra",
        "[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nParis\n\n[[ ## comp",
        "[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nParis\n\n[[",
        "[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nParis\n",
        "[[ ## reason ## ]]\nr\n[[ ## answer ## ]]\n",
    ];
    let terse = [
        "Reason: r\nAnswer: The capital of Fra",
        "Reason: r\nAnswer: Paris\n",
        "Reason: r\nAnswer: Paris\nQuest",
    ];
    let xml = [
        "<reason>r</reason><answer>The capital of Fra",
        "<reason>r</reason><answer>Paris</ans",
        "<reason>r</reason><answer>Paris</answer",
    ];
    let json = [
        "{\"reason\": \"r\", \"answer\": \"The capital of Fra",
        "{\"reason\": \"r\", \"answer\": \"Paris\"",
        "{\"reason\": \"r\", \"answer\": \"Paris\",",
    ];
    let is_cut = |outcome: Outcome<ReasonedOutput>, reply: &str| {
        let error = outcome.err().unwrap_or_else(|| panic!("{reply}"));
        assert!(error.is_truncated() && !error.is_parse(), "{reply}: {error:?}");
        assert_eq!(error.completion(), Some(reply));
        assert!(error.to_string().contains("max_tokens"), "{error}");
    };
    for reply in chat {
        is_cut(outcome::<Reasoned>(ChatAdapter, asked("?"), reply, Finish::Length).await, reply);
    }
    for reply in terse {
        is_cut(outcome::<Reasoned>(TerseAdapter, asked("?"), reply, Finish::Length).await, reply);
    }
    for reply in xml {
        is_cut(outcome::<Reasoned>(XmlAdapter, asked("?"), reply, Finish::Length).await, reply);
    }
    for reply in json {
        is_cut(outcome::<Reasoned>(JsonAdapter, asked("?"), reply, Finish::Length).await, reply);
    }
    let error = outcome::<Reasoned>(ChatAdapter, asked("?"), chat[0], Finish::Length).await.unwrap_err();
    assert_eq!(error.field(), Some("answer"));
}

#[tokio::test]
async fn an_answer_cut_behind_its_last_value_is_complete() {
    for reply in [
        "[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]",
        "[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nParis\n\n[[ ## completed ## ]]\nAnd mo",
        "[[ ## reason ## ]]\nr\n[[ ## answer ## ]]\nParis [[ ## completed ## ]]",
        "[[ ## reason ## ]]\nr\n[[ ## answer ## ]]\nParis\n[[ ## question ## ]]\nAnd wh",
        "[[ ## reason ## ]]\nr\n[[ ## answer ## ]]\nParis\n[[ ## sources ## ]]\nAnd wh",
        "[[ ## reason ## ]]\nr\n[[ ## answer ## ]]\nParis<|im_end|>\n<|im_start|>user\nAnd wh",
    ] {
        let answer = outcome::<Reasoned>(ChatAdapter, asked("?"), reply, Finish::Length).await;
        assert_eq!(answer.unwrap_or_else(|error| panic!("{reply}: {error}")).answer, "Paris", "{reply}");
    }
    let xml = "<reason>r</reason><answer>Paris</answer> and mo";
    assert_eq!(
        outcome::<Reasoned>(XmlAdapter, asked("?"), xml, Finish::Length).await.unwrap().answer,
        "Paris"
    );
    let json = "{\"reason\": \"r\", \"answer\": \"Paris\"} and mo";
    assert_eq!(
        outcome::<Reasoned>(JsonAdapter, asked("?"), json, Finish::Length).await.unwrap().answer,
        "Paris"
    );
    let terse = "Reason: r\nAnswer: Paris\nQuestion: And";
    assert_eq!(
        outcome::<Reasoned>(TerseAdapter, asked("?"), terse, Finish::Length).await.unwrap().answer,
        "Paris"
    );
}

#[tokio::test]
async fn a_line_end_ends_a_terse_number_and_a_closing_bracket_a_list() {
    let count = |reply: &'static str| {
        outcome::<Count>(TerseAdapter, CountInput { text: "x".into() }, reply, Finish::Length)
    };
    assert_eq!(count("Words: 36\n").await.unwrap().words, 36);
    assert!(count("Words: 36").await.unwrap_err().is_truncated());
    assert!(count("Words: ").await.unwrap_err().is_truncated());
    let listed = |adapter: Dyn, reply: &'static str| {
        outcome::<Listed>(adapter, ListedInput { text: "x".into() }, reply, Finish::Length)
    };
    for (adapter, reply, is_whole) in [
        (Dyn(&ChatAdapter), "[[ ## note ## ]]\nn\n[[ ## tags ## ]]\n[\"a\"]", true),
        (Dyn(&ChatAdapter), "[[ ## tags ## ]]\n[\"a\"]", false),
        (Dyn(&ChatAdapter), "[[ ## tags ## ]]\n[\"a\"]\n[[ ## completed ## ]]", true),
        (Dyn(&ChatAdapter), "[[ ## note ## ]]\nn\n[[ ## tags ## ]]\n[\"a\", \"b", false),
        (Dyn(&ChatAdapter), "[[ ## note ## ]]\nn\n[[ ## tags ## ]]\na", false),
        (Dyn(&TerseAdapter), "Note: n\nTags: [\"a\"]", true),
        (Dyn(&TerseAdapter), "Note: n\nTags: a\n", false),
        (Dyn(&TerseAdapter), "Tags: [\"a\"]\n", false),
        (Dyn(&XmlAdapter), "<tags>[\"a\"]</tags>", false),
        (Dyn(&XmlAdapter), "<tags>[\"a\"]</tags><note>n</note>", true),
        (Dyn(&JsonAdapter), "{\"tags\": [\"a\"]}", true),
        (Dyn(&JsonAdapter), "{\"tags\": [\"a\"]", false),
    ] {
        let outcome = listed(adapter, reply).await;
        assert_eq!(outcome.is_ok(), is_whole, "{reply}: {outcome:?}");
        assert!(outcome.is_ok_and(|found| found.tags == ["a"]) || !is_whole, "{reply}");
    }
}

/// Any adapter.
#[derive(Clone, Copy, Debug)]
struct Dyn(&'static dyn Adapter);

impl Adapter for Dyn {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn prepare(&self, task: &karat::adapter::Task<'_>) -> karat::adapter::Prepared {
        self.0.prepare(task)
    }

    fn turn(&self, task: &karat::adapter::Task<'_>, example: &karat::adapter::Demo) -> [String; 2] {
        self.0.turn(task, example)
    }

    fn ask(&self, task: &karat::adapter::Task<'_>, inputs: &karat::adapter::Inputs<'_>) -> String {
        self.0.ask(task, inputs)
    }

    fn read(
        &self,
        task: &karat::adapter::Task<'_>,
        inputs: &karat::adapter::Inputs<'_>,
        text: &str,
    ) -> karat::Result<Vec<Option<karat::field::FieldValue>>> {
        self.0.read(task, inputs, text)
    }

    fn cut_output<'a>(
        &self,
        task: &karat::adapter::Task<'a>,
        inputs: &karat::adapter::Inputs<'_>,
        text: &str,
    ) -> Option<karat::adapter::TaskField<'a>> {
        self.0.cut_output(task, inputs, text)
    }

    fn follow<'a>(
        &self,
        task: &karat::adapter::Task<'a>,
        inputs: &karat::adapter::Inputs<'a>,
    ) -> Option<Box<dyn karat::adapter::Follow + 'a>> {
        self.0.follow(task, inputs)
    }

    fn owns_tag(&self, task: &karat::adapter::Task<'_>, name: &str) -> bool {
        self.0.owns_tag(task, name)
    }
}

#[tokio::test]
async fn a_cut_answer_is_an_error_for_an_adapter_without_cut_output() {
    #[derive(Clone, Debug)]
    struct Plain;
    impl Adapter for Plain {
        fn name(&self) -> &'static str {
            "plain"
        }
        fn prepare(&self, task: &karat::adapter::Task<'_>) -> karat::adapter::Prepared {
            ChatAdapter.prepare(task)
        }
        fn turn(&self, task: &karat::adapter::Task<'_>, example: &karat::adapter::Demo) -> [String; 2] {
            ChatAdapter.turn(task, example)
        }
        fn ask(&self, task: &karat::adapter::Task<'_>, inputs: &karat::adapter::Inputs<'_>) -> String {
            ChatAdapter.ask(task, inputs)
        }
        fn read(
            &self,
            task: &karat::adapter::Task<'_>,
            inputs: &karat::adapter::Inputs<'_>,
            text: &str,
        ) -> karat::Result<Vec<Option<karat::field::FieldValue>>> {
            ChatAdapter.read(task, inputs, text)
        }
    }
    let reply = "[[ ## reason ## ]]\nr\n[[ ## answer ## ]]\nParis\n[[ ## completed ## ]]";
    let error = outcome::<Reasoned>(Plain, asked("?"), reply, Finish::Length).await.unwrap_err();
    assert!(error.is_truncated() && error.field() == Some("answer"), "{error:?}");
    assert!(outcome::<Reasoned>(Plain, asked("?"), reply, Finish::Stop).await.is_ok());
}

#[tokio::test]
async fn an_unknown_finish_reason_flags_every_field_and_a_break_is_an_error() {
    let reply = "[[ ## reason ## ]]\nr\n[[ ## answer ## ]]\nParis\n[[ ## completed ## ]]";
    for word in ["tool_calls", "unload", "SAFETY", "cancelled"] {
        let answer = outcome::<Reasoned>(ChatAdapter, asked("?"), reply, Finish::from(word)).await.unwrap();
        assert_eq!(answer.answer, "Paris");
        assert!(has(&answer, "answer", Repair::Finish) && has(&answer, "reason", Repair::Finish), "{word}");
    }
    for word in ["", "stop", "eos", "eos_token", "stop_sequence", "end_turn", "STOP", "COMPLETE"] {
        let answer = outcome::<Reasoned>(ChatAdapter, asked("?"), reply, Finish::from(word)).await.unwrap();
        assert!(answer.repairs().is_empty(), "{word}");
    }
    for word in ["insufficient_system_resource", "abort", "aborted", "error"] {
        let error =
            outcome::<Reasoned>(ChatAdapter, asked("?"), reply, Finish::from(word)).await.unwrap_err();
        assert_eq!((error.kind(), error.completion()), (ErrorKind::Server, Some(reply)), "{word}");
        assert!(error.is_transient(), "{word}");
    }
    for word in ["model_length", "MAX_TOKENS", "max_tokens", "length"] {
        assert_eq!(Finish::from(word), Finish::Length);
    }
}

#[tokio::test]
async fn end_tokens_behind_the_answer_are_removed_and_flagged() {
    for token in [
        "<|im_end|>",
        "<|eot_id|>",
        "</s>",
        "<end_of_turn>",
        "<｜end▁of▁sentence｜>",
        "<|endoftext|>",
        " \n<|end_of_text|>\n",
        "<eos>",
        "</s></s>",
        "<|eom_id|>",
        "[/INST]",
        "<|im_end|>\n<|im_start|>user\nAnd Peru?",
        "</s><s>[INST] And?",
    ] {
        for (adapter, reply) in [
            (Dyn(&ChatAdapter), format!("[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nParis{token}")),
            (
                Dyn(&ChatAdapter),
                format!("[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nParis{token}\n\n[[ ## completed ## ]]"),
            ),
            (Dyn(&XmlAdapter), format!("<reason>r</reason>\n<answer>Paris{token}</answer>")),
            (Dyn(&XmlAdapter), format!("<reason>r</reason>\n<answer>Paris{token}")),
            (Dyn(&TerseAdapter), format!("Reason: r\nAnswer: Paris{token}")),
            (Dyn(&JsonAdapter), format!("{{\"reason\": \"r\", \"answer\": \"Paris\"}}{token}")),
        ] {
            let answer = reasoned(adapter, &reply).await;
            assert_eq!((&*answer.reason, &*answer.answer), ("r", "Paris"), "{reply}");
            assert!(has(&answer, "answer", Repair::EndToken), "{reply}: {:?}", answer.repairs());
            assert!(adapter.name() == "json" || !has(&answer, "reason", Repair::EndToken), "{reply}");
        }
    }
    let json = "{\"reason\": \"r\", \"answer\": \"Paris\"}<|im_end|>\n<|im_start|>user\n{\"reason\": \"x\", \"answer\": \"Lima\"}";
    assert_eq!(reasoned(JsonAdapter, json).await.answer, "Paris");
    let count = outcome::<Count>(
        ChatAdapter,
        CountInput { text: "x".into() },
        "[[ ## words ## ]]\n3<|im_end|>",
        Finish::Stop,
    )
    .await
    .unwrap();
    assert_eq!(count.words, 3);
}

#[tokio::test]
async fn an_end_token_within_the_text_stays() {
    let chat = |answer: &str| {
        format!("[[ ## reason ## ]]\nr<|im_end|>\n\n[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]")
    };
    for text in ["<|im_end|>", "use <|im_end|> here", "<s>old</s>", "a <|im_end|>.", "x </sub>"] {
        let answer = reasoned(ChatAdapter, &chat(text)).await;
        assert_eq!((&*answer.reason, &*answer.answer), ("r<|im_end|>", text));
        assert!(answer.repairs().is_empty(), "{text}: {:?}", answer.repairs());
    }
    for text in ["Paris<|im_end|>", "<|im_end|>", "a<|im_end|><|im_start|>user b"] {
        let reply = format!("{{\"reason\": \"r\", \"answer\": \"{text}\"}}");
        let answer = reasoned(JsonAdapter, &reply).await;
        assert_eq!(answer.answer, text);
        assert!(answer.repairs().is_empty(), "{text}: {:?}", answer.repairs());
    }
    let question = asked("How does a turn end? With <|im_end|>?");
    let answer = outcome::<Reasoned>(ChatAdapter, question.clone(), &chat("With <|im_end|>"), Finish::Stop)
        .await
        .unwrap();
    assert_eq!(answer.answer, "With <|im_end|>");
    let answer = outcome::<Reasoned>(ChatAdapter, question, &chat("With </s>"), Finish::Stop).await.unwrap();
    assert_eq!(answer.answer, "With");
    let demo = Reasoned { question: "?".into(), reason: "r".into(), answer: "a</s>".into() };
    let shown = Predict::<Reasoned>::new().demo(demo);
    assert_eq!(shown.parse(&asked("?"), &chat("b</s>")).unwrap().answer, "b</s>");
    let instructed = Predict::<Reasoned>::new().instructions("End with </s>.");
    assert_eq!(instructed.parse(&asked("?"), &chat("b</s>")).unwrap().answer, "b</s>");
    let tags = "[[ ## tags ## ]]\n[\"a\", \"b<|im_end|><|im_start|>user\"]";
    let listed =
        outcome::<Listed>(ChatAdapter, ListedInput { text: "x".into() }, tags, Finish::Stop).await.unwrap();
    assert_eq!(listed.tags, ["a", "b<|im_end|><|im_start|>user"]);
}

#[tokio::test]
async fn a_foreign_marker_ends_the_last_value_if_only_such_sections_follow() {
    let start = "[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\nParis\n";
    for end in [
        "[[ ## completion ## ]]",
        "\n[[ ## completion ## ]]\n",
        "[[ ## sources ## ]]\nan atlas",
        "[[ ## sources ## ]]\nan atlas\n\n[[ ## completed ## ]]",
        "[[ ## sources ## ]]\nan atlas\n[[ ## end ## ]]",
        "[[ ## sources ## ]]\nan atlas [[ ## completed ## ]]",
        "  **[[ ## Sources ## ]]**\nan atlas",
        "[[ ## sources ## ]]\n```\nx\n[[ ## completed ## ]]",
    ] {
        let answer = reasoned(ChatAdapter, &format!("{start}{end}")).await;
        assert_eq!(answer.answer, "Paris", "{end}");
        assert!(has(&answer, "answer", Repair::ForeignMarker), "{end}");
        assert!(!has(&answer, "reason", Repair::ForeignMarker), "{end}");
    }
    let number = "[[ ## words ## ]]\n3\n[[ ## completion ## ]]";
    let count =
        outcome::<Count>(ChatAdapter, CountInput { text: "x".into() }, number, Finish::Stop).await.unwrap();
    assert_eq!(count.words, 3);
}

#[tokio::test]
async fn a_foreign_marker_elsewhere_stays_byte_for_byte_and_is_flagged() {
    for (text, is_flagged) in [
        ("a [[ ## note ## ]] b", true),
        ("a\n[[ ## note ## ]] b", true),
        ("a [[ ## note ## ]]", true),
        ("a\n- [[ ## note ## ]]\nb", true),
        ("so:\n```\n[[ ## note ## ]]\nb\n```\nand on", false),
        ("so:\n```\n[[ ## note ## ]]\nb", false),
    ] {
        let reply = format!("[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\n{text}\n\n[[ ## completed ## ]]");
        let answer = reasoned(ChatAdapter, &reply).await;
        assert_eq!(answer.answer, text);
        assert_eq!(has(&answer, "answer", Repair::ForeignMarker), is_flagged, "{text}");
    }
    let amid = "[[ ## reason ## ]]\na\n[[ ## note ## ]]\nb\n[[ ## answer ## ]]\nParis";
    let answer = reasoned(ChatAdapter, amid).await;
    assert_eq!((&*answer.reason, &*answer.answer), ("a\n[[ ## note ## ]]\nb", "Paris"));
    assert!(has(&answer, "reason", Repair::ForeignMarker) && !has(&answer, "answer", Repair::ForeignMarker));
    // Text that stands only below it is not lost.
    let alone = "[[ ## reason ## ]]\nr\n[[ ## answer ## ]]\n[[ ## text ## ]]\nParis";
    let answer = reasoned(ChatAdapter, alone).await;
    assert_eq!(answer.answer, "[[ ## text ## ]]\nParis");
    assert!(has(&answer, "answer", Repair::ForeignMarker));
    let reply = "[[ ## reason ## ]]\nr\n\n[[ ## answer ## ]]\na\n[[ ## note ## ]]\nb";
    for question in ["What is [[ ## note ## ]]?", "[[ ## Note ## ]]\nx"] {
        let answer = outcome::<Reasoned>(ChatAdapter, asked(question), reply, Finish::Stop).await.unwrap();
        assert_eq!(answer.answer, "a\n[[ ## note ## ]]\nb");
        assert!(answer.repairs().is_empty());
    }
}

/// Write.
#[signature]
#[derive(PartialEq)]
struct Code {
    #[input]
    text: String,
    #[output]
    code: String,
}

#[tokio::test]
async fn a_second_end_of_an_element_silently_loses_no_text() {
    let code = |reply: &'static str| {
        outcome::<Code>(XmlAdapter, CodeInput { text: "x".into() }, reply, Finish::Stop)
    };
    for reply in [
        "<code>print('</code>')</code>",
        "<code>a</code></code>",
        "<code>a</code> b </Code >",
        "<code>a</code><code>b</code>c</code>",
    ] {
        let error = code(reply).await.unwrap_err();
        assert!(error.is_parse() && error.field() == Some("code"), "{reply}: {error:?}");
        assert!(error.to_string().contains("&lt;/"), "{error}");
    }
    assert_eq!(code("<code>print('&lt;/code>')</code>").await.unwrap().code, "print('</code>')");
    assert_eq!(code("I close </code> twice. <code>a</code>").await.unwrap().code, "a");
    assert_eq!(code("<code>a<code>b</code></code>").await.unwrap().code, "a<code>b</code>");
    assert_eq!(code("<code>a</code> </s>").await.unwrap().code, "a");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
struct Values {
    labels: Vec<String>,
    name: String,
    more: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
struct Point {
    x: i32,
    y: i32,
}

/// List all.
#[signature]
#[derive(PartialEq)]
struct Lists {
    #[input]
    text: String,
    #[output(default)]
    v: Option<Values>,
    #[output(default)]
    map: BTreeMap<String, Vec<u8>>,
    #[output(default)]
    points: Vec<Point>,
    #[output(default)]
    tags: Vec<String>,
    #[output(default)]
    rows: Vec<Vec<u8>>,
    #[output(default)]
    word: Option<String>,
    #[output(default)]
    text_out: String,
    #[output(default)]
    number: Option<u8>,
    #[output(default)]
    maybe: Option<Vec<u8>>,
}

async fn lists(reply: &str) -> Outcome<ListsOutput> {
    outcome::<Lists>(XmlAdapter, ListsInput { text: "x".into() }, reply, Finish::Stop).await
}

#[tokio::test]
async fn repeated_elements_are_the_items_of_a_list() {
    let found =
        lists("<v><labels>one</labels><name>n</name><labels>two</labels><more>1</more><more>2</more></v>")
            .await
            .unwrap();
    let expected =
        Values { labels: vec!["one".into(), "two".into()], name: "n".into(), more: Some(vec![1, 2]) };
    assert_eq!(found.v.as_ref(), Some(&expected));
    assert!(has(&found, "v", Repair::DoubleField));
    let found = lists("<map><first>3</first><first>4</first><second>5</second></map>").await.unwrap();
    assert_eq!(found.map, BTreeMap::from([("first".into(), vec![3, 4]), ("second".into(), vec![5])]));
    let found = lists("<map><entry key=\"a\">1</entry><entry key=\"a\">2</entry></map>").await.unwrap();
    assert_eq!(found.map["a"], [1, 2]);
    let found = lists("<tags>a</tags>\n<tags>b, c</tags> and <tags>&lt;d</tags>").await.unwrap();
    assert_eq!(found.tags, ["a", "b, c", "<d"]);
    assert!(has(&found, "tags", Repair::DoubleField));
    let found =
        lists("<points><x>1</x><y>2</y></points><points>{\"x\": 3, \"y\": 4}</points>").await.unwrap();
    assert_eq!(found.points, [Point { x: 1, y: 2 }, Point { x: 3, y: 4 }]);
    let found = lists("<rows>[1, 2]</rows><rows>[3]</rows>").await.unwrap();
    assert_eq!(found.rows, [vec![1, 2], vec![3]]);
    let found = lists("<rows><item>1</item><item>2</item></rows><rows><item>3</item></rows>").await.unwrap();
    assert_eq!(found.rows, [vec![1, 2], vec![3]]);
}

#[tokio::test]
async fn a_list_given_twice_is_no_list_of_lists() {
    for reply in [
        "<tags>[\"a\"]</tags><tags>[\"b\"]</tags>",
        "<tags><item>a</item></tags><tags><item>b</item></tags>",
        "<tags>['a']</tags><tags>b</tags>",
    ] {
        let found = lists(reply).await.unwrap();
        assert_eq!(found.tags, ["a"], "{reply}");
        assert!(has(&found, "tags", Repair::DoubleField));
    }
    assert_eq!(lists("<tags>a</tags><tags>[\"b\"]</tags>").await.unwrap_err().field(), Some("tags"));
    assert!(
        lists("<v><labels><item>a</item></labels><labels><item>b</item></labels><name>n</name></v>")
            .await
            .is_err()
    );
    assert!(lists("<v><name>a</name><name>b</name><labels>c</labels></v>").await.is_err());
    let found = lists("<word>a</word><word>b</word>").await.unwrap();
    assert_eq!(found.word.as_deref(), Some("a"));
}

#[tokio::test]
async fn an_empty_element_is_null_where_the_type_takes_null() {
    let all = "<v /><map/><points></points><tags />\n<word /><text_out/><number/><maybe> </maybe>";
    let found = lists(all).await.unwrap();
    let empty = ListsOutput {
        v: None,
        map: BTreeMap::new(),
        points: vec![],
        tags: vec![],
        rows: vec![],
        word: None,
        text_out: String::new(),
        number: None,
        maybe: None,
    };
    assert_eq!(found.into_inner(), empty);
    let found = lists("<v><labels/><name/><more/></v>").await.unwrap();
    assert_eq!(found.v, Some(Values { labels: vec![], name: String::new(), more: None }));
    let error = outcome::<Count>(XmlAdapter, CountInput { text: "x".into() }, "<words />", Finish::Stop)
        .await
        .unwrap_err();
    assert!(error.is_parse() && error.field() == Some("words"), "{error:?}");
}
