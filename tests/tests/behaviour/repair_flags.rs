//! Tests of repair flags: the flaws of answers that are not in the form asked for.

use karat::{
    ChatAdapter, JsonAdapter, Module, Predict, Prediction, ScriptedLm, TerseAdapter, XmlAdapter,
    adapter::Adapter, field::Repair, signature,
};

/// Answer the question.
#[signature]
struct Capital {
    #[input]
    question: String,
    #[output]
    reasoning: Option<String>,
    #[output]
    answer: String,
}

/// Find the city.
#[signature]
struct City {
    #[input]
    text: String,
    #[output(alias = "city")]
    place: Place,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Place {
    name: String,
}

async fn capital(adapter: impl Adapter, reply: &str) -> Prediction<CapitalOutput> {
    let lm = ScriptedLm::new([reply]).lm();
    let input = CapitalInput { question: "Capital of France?".into() };
    let answer = Predict::<Capital>::new().adapter(adapter).lm(&lm).call(input).await;
    answer.unwrap_or_else(|error| panic!("{reply}: {error}"))
}

async fn flags(adapter: impl Adapter, reply: &str) -> String {
    let answer = capital(adapter, reply).await;
    assert!(["Paris", "Pa\u{fffd}is"].contains(&answer.answer.as_str()), "{reply}: {}", answer.answer);
    let found = answer.repairs().iter().find(|(field, _)| *field == "answer");
    let words: Vec<_> =
        found.iter().flat_map(|(_, all)| all.iter()).map(|repair| repair.to_string()).collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

#[tokio::test]
async fn the_flags_on_the_page_on_answers_are_true() {
    let page = include_str!("../../../docs/answers.md");
    let (_, rows) = page.split_once("| adapter | reply | flaws of `answer` | rule |").unwrap();
    let rows = rows.split_once("\n\n").unwrap().0.lines().skip(2);
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, adapter, reply, expected, ..] = cells[..] else { panic!("{row}") };
        let reply = reply
            .strip_prefix("`` ")
            .and_then(|reply| reply.strip_suffix(" ``"))
            .unwrap_or_else(|| reply.strip_prefix('`').and_then(|reply| reply.strip_suffix('`')).unwrap());
        let reply = reply.replace('⏎', "\n");
        let found = match adapter {
            "chat" => flags(ChatAdapter, &reply).await,
            "xml" => flags(XmlAdapter, &reply).await,
            "json" => flags(JsonAdapter, &reply).await,
            "terse" => flags(TerseAdapter, &reply).await,
            other => panic!("{other}"),
        };
        assert_eq!(found, expected, "{row}");
        count += 1;
    }
    assert!(count > 30, "{count}");
}

#[tokio::test]
async fn a_flag_belongs_to_its_own_field_alone() {
    let reply = "**[[ ## reasoning ## ]]**\na\n[[ ## reasoning ## ]]\nb\n[[ ## answer ## ]]\nParis";
    let answer = capital(ChatAdapter, reply).await;
    let [(field, repairs)] = answer.repairs() else { panic!("{:?}", answer.repairs()) };
    assert_eq!(field, "reasoning");
    assert_eq!(repairs.iter().collect::<Vec<_>>(), [Repair::Marker, Repair::DoubleField]);
    let answer = capital(XmlAdapter, "<Reasoning>a</Reasoning><answer>Paris</answer>").await;
    let [(field, repairs)] = answer.repairs() else { panic!("{:?}", answer.repairs()) };
    assert_eq!(field, "reasoning");
    assert_eq!(repairs.iter().collect::<Vec<_>>(), [Repair::Name]);
}

#[tokio::test]
async fn a_marker_within_a_text_causes_no_flag() {
    let reply = "[[ ## answer ## ]]\nwrite [[ ## answer ## ]] twice\n\n[[ ## completed ## ]]";
    let answer = capital(ChatAdapter, reply).await;
    assert_eq!(answer.answer, "write [[ ## answer ## ]] twice");
    assert!(answer.repairs().is_empty(), "{:?}", answer.repairs());
}

fn read(reply: &str) -> karat::Result<String> {
    let city = Predict::<City>::new().adapter(JsonAdapter);
    city.parse(&CityInput { text: "?".into() }, reply).map(|output| output.place.name)
}

async fn place(adapter: impl Adapter, reply: &str) -> Vec<Repair> {
    let lm = ScriptedLm::new([reply]).lm();
    let city = Predict::<City>::new().adapter(adapter).lm(&lm);
    let city = city.call(CityInput { text: "?".into() }).await.unwrap();
    assert_eq!(city.place.name, "Rome");
    city.repairs().iter().flat_map(|(_, all)| all.iter()).collect()
}

#[tokio::test]
async fn double_keys_and_names_in_another_case_within_a_value_are_flagged() {
    let inner = |json: &str| format!("[[ ## place ## ]]\n{json}");
    assert_eq!(place(ChatAdapter, &inner("{\"name\": \"Rome\"}")).await, []);
    assert_eq!(
        place(ChatAdapter, &inner("{\"name\": \"Rome\", \"name\": \"Rome\"}")).await,
        [Repair::DoubleKey]
    );
    assert_eq!(place(ChatAdapter, &inner("{\"NAME\": \"Rome\"}")).await, [Repair::Name]);
    assert_eq!(place(XmlAdapter, "<place><name>Rome</name></place>").await, []);
    assert_eq!(place(XmlAdapter, "<place><Name>Rome</Name></place>").await, [Repair::Name]);
    assert_eq!(place(JsonAdapter, "{\"place\": {\"name\": \"Rome\"}}").await, []);
    let twice = "{\"place\": {\"name\": \"Rome\"}, \"city\": {\"name\": \"Oslo\"}}";
    assert_eq!(place(JsonAdapter, twice).await, [Repair::DoubleField]);
}

#[test]
fn two_keys_in_another_case_for_one_field_are_an_error() {
    assert_eq!(read("{\"PLACE\": {\"name\": \"Rome\"}}").unwrap(), "Rome");
    let error = read("{\"PLACE\": {\"name\": \"Rome\"}, \"Place\": {\"name\": \"Oslo\"}}").unwrap_err();
    assert!(error.is_parse() && error.field() == Some("place"), "{error}");
    // Valid JSON is read as by `serde_json`; flawed JSON is not guessed at.
    let twice = "{\"place\": {\"name\": \"Rome\"}, \"place\": {\"name\": \"Oslo\"}}";
    assert_eq!(read(twice).unwrap(), "Oslo");
    assert!(read(&twice.replace("\"place\"", "place")).is_err_and(|error| error.is_parse()));
    // Of several objects, the one with a field is the answer.
    assert_eq!(read("{\"x\": 1} then {\"Place\": {\"name\": \"Rome\"}}").unwrap(), "Rome");
    assert!(read("{\"pläce\": {\"name\": \"Rome\"}}").is_err(), "a look-alike is another name");
}
