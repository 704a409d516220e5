//! Tests that numbers keep every digit, and of numbers where a text is wanted.

use std::{collections::BTreeMap, fmt::Debug};

use karat::{
    ChatAdapter, JsonAdapter, Module, Predict, Reply, ScriptedLm, TerseAdapter, XmlAdapter,
    adapter::Adapter,
    field::Repair,
    signature,
    stream::{StreamEvent, Update},
};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Defines a signature with one output of a type, and readers of it.
macro_rules! field {
    ($name:ident: $type:ty) => {
        mod $name {
            use super::*;

            /// Give the value.
            #[signature]
            pub struct One {
                #[input]
                pub none: (),
                #[output]
                pub value: $type,
            }

            fn by(adapter: impl Adapter, text: &str) -> Result<$type, karat::Error> {
                let one = Predict::<One>::new().adapter(adapter);
                one.parse(&OneInput { none: () }, text).map(|one| one.value)
            }

            /// Reads a lone number with all adapters, which must agree.
            #[allow(dead_code)]
            pub fn read(number: &str) -> Result<$type, karat::Error> {
                let all = [
                    by(ChatAdapter, &format!("[[ ## value ## ]]\n{number}\n\n[[ ## completed ## ]]")),
                    by(XmlAdapter, &format!("<value>{number}</value>")),
                    by(TerseAdapter, &format!("Value: {number}")),
                    by(JsonAdapter, &format!("{{\"value\": {number}}}")),
                    by(JsonAdapter, &format!("{{'value': {number},}}")),
                ];
                let [first, others @ ..] = all;
                for other in others {
                    assert_eq!(format!("{:?}", other.ok()), format!("{:?}", first.as_ref().ok()), "{number}");
                }
                first
            }

            /// Reads JSON alone.
            #[allow(dead_code)]
            pub fn read_json(json: &str) -> Result<$type, karat::Error> {
                by(JsonAdapter, &format!("{{\"value\": {json}}}"))
            }

            #[allow(dead_code)]
            pub fn flags(json: &str) -> Vec<Repair> {
                let one = Predict::<One>::new().adapter(JsonAdapter);
                let lm = ScriptedLm::new([Reply::text(format!("{{\"value\": {json}}}"))]).lm();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let read = runtime.block_on(one.lm(&lm).call(OneInput { none: () })).unwrap();
                read.repairs().iter().flat_map(|(_, repairs)| repairs.iter()).collect()
            }
        }
    };
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    price: Decimal,
    id: String,
    total: Option<i128>,
    #[serde(default)]
    parts: Vec<Order>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Id {
    Number(i64),
    Name(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount {
    Number(f64),
    Words(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Stars {
    #[serde(rename = "1")]
    One,
    #[serde(rename = "2")]
    Two,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub enum Payment {
    Card { number: String, amount: Decimal },
    Cash { amount: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    #[serde(flatten)]
    rest: Rest,
    count: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rest {
    code: String,
    price: Decimal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(transparent)]
pub struct Plain(#[schemars(with = "String")] Decimal);

field!(decimal: Decimal);
field!(decimals: Vec<Decimal>);
field!(maybe_decimal: Option<Decimal>);
field!(prices: BTreeMap<String, Decimal>);
field!(plain: Plain);
field!(wide: i128);
field!(unsigned: u128);
field!(wides: Vec<Option<i128>>);
field!(whole: i64);
field!(double: f64);
field!(single: f32);
field!(singles: Vec<f32>);
field!(text: String);
field!(texts: Vec<String>);
field!(maybe: Option<String>);
field!(order: Order);
field!(id: Id);
field!(amount: Amount);
field!(anything: Value);
field!(map: BTreeMap<String, Value>);
field!(stars: Stars);
field!(payment: Payment);
field!(line: Line);

fn decimal_of(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn good<T: Debug, E: Debug>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error:?}"))
}

#[test]
fn a_decimal_keeps_every_written_digit() {
    for number in [
        "12345678901234567.89",
        "0.1234567890123456789012345",
        "0.29999999999999998",
        "-79228162514264337593543950335",
        "1.50",
        "0.0",
        "5",
        "-0.10",
        "9007199254740993.0",
    ] {
        let value = good(decimal::read(number));
        assert_eq!(value.to_string(), number);
        assert_eq!(good(decimal::read_json(&format!("\"{number}\""))).to_string(), number);
        assert_eq!(good(maybe_decimal::read(number)).unwrap().to_string(), number);
        assert_eq!(good(decimals::read(&format!("[{number}, {number}]"))), [value, value]);
        assert_eq!(good(prices::read(&format!("{{\"a\": {number}}}")))["a"].to_string(), number);
        assert_eq!(good(plain::read(number)).0.to_string(), number);
    }
    for (number, value) in [("1e3", "1000"), ("1.5e-3", "0.0015"), ("1_000.50", "1000.50"), (".5", "0.5")] {
        assert_eq!(good(decimal::read(number)), decimal_of(value), "{number}");
    }
    assert_eq!(good(decimal::read_json("\"1,234.50\"")), decimal_of("1234.50"));
    assert_eq!(good(maybe_decimal::read("null")), None);
}

#[test]
fn a_decimal_with_more_digits_than_its_type_has_is_an_error() {
    for number in
        ["0.12345678901234567890123456789012345", "1234567890123456789012345678.123456", "1e400", "1e40"]
    {
        assert!(decimal::read(number).is_err(), "{number}: {:?}", decimal::read(number));
        assert!(decimal::read_json(&format!("\"{number}\"")).is_err(), "{number}");
        assert!(decimals::read(&format!("[{number}]")).is_err(), "{number}");
    }
    let error = decimal::read("0.12345678901234567890123456789012345").unwrap_err();
    assert!(error.is_parse() && error.field() == Some("value"), "{error:?}");
    assert!(error.to_string().contains("0.12345678901234567890123456789012345"), "{error}");
}

#[test]
fn whole_numbers_of_128_bits_keep_every_digit() {
    for number in [i128::MAX, i128::MIN, 0, -1, 1 << 64, i128::from(u64::MAX), (1 << 53) + 1] {
        assert_eq!(good(wide::read(&number.to_string())), number);
        assert_eq!(good(wide::read_json(&format!("\"{number}\""))), number);
        assert_eq!(good(wides::read(&format!("[{number}, null]"))), [Some(number), None]);
    }
    assert_eq!(good(unsigned::read(&u128::MAX.to_string())), u128::MAX);
    assert_eq!(good(wide::read("1e30")), 10_i128.pow(30));
    assert_eq!(good(wide::read("170141183460469231731687303715884105727.0")), i128::MAX);
    assert_eq!(wide::flags(&i128::MAX.to_string()), []);
    for number in ["170141183460469231731687303715884105728", "1e400", "1e39", "18446744073709551616.5"] {
        assert!(wide::read(number).is_err(), "{number}");
    }
    for number in ["-18446744073709551616", "340282366920938463463374607431768211456", "-1"] {
        assert!(unsigned::read(number).is_err(), "{number}");
    }
}

#[test]
fn a_whole_number_in_another_spelling_is_exact_or_an_error() {
    for (number, value) in [
        ("9007199254740993.0", 9_007_199_254_740_993),
        ("9223372036854775807.0", i64::MAX),
        ("-9223372036854775808.00", i64::MIN),
        ("1e3", 1000),
        ("1.5e1", 15),
        ("1200e-2", 12),
        ("-0", 0),
        ("-0.0", 0),
        ("9.007199254740993e15", 9_007_199_254_740_993),
        ("9_007_199_254_740_993", 9_007_199_254_740_993),
    ] {
        assert_eq!(good(whole::read(number)), value, "{number}");
    }
    for number in ["9223372036854775808", "9223372036854775807.5", "1e400", "1e19", "0.5", "1e-2", "1e-400"] {
        assert!(whole::read(number).is_err(), "{number}");
    }
}

#[test]
fn a_whole_number_that_a_float_would_round_is_an_error() {
    for number in
        ["9007199254740993", "9007199254740993.0", "123456789012345678901234567890", "1e400", "-1e400"]
    {
        assert!(double::read(number).is_err(), "{number}: {:?}", double::read(number));
        assert!(double::read_json(&format!("\"{number}\"")).is_err(), "{number}");
    }
    for number in ["16777217", "16777217.0", "9007199254740992.5e1", "3.5e38", "1e39"] {
        assert!(single::read(number).is_err(), "{number}: {:?}", single::read(number));
        assert!(singles::read(&format!("[{number}]")).is_err(), "{number}");
    }
    for number in [
        "0.29999999999999998",
        "0.1234567890123456789012345",
        "12345678901234567.89",
        "1e23",
        "6.02214076e23",
        "1e-400",
        "9007199254740992",
        "1e300",
        "-0",
    ] {
        assert_eq!(
            good(double::read(number)).to_bits(),
            number.parse::<f64>().unwrap().to_bits(),
            "{number}"
        );
    }
    // The last two are rounded to another number by way of 64 bits.
    for number in [
        "0.1",
        "3.4028235e38",
        "16777216",
        "1e10",
        "-2.5",
        "1.0000000596046448",
        "1.00000005960464477539062500000001",
    ] {
        let value: f32 = number.parse().unwrap();
        assert_eq!(good(single::read(number)).to_bits(), value.to_bits(), "{number}");
        assert_eq!(good(singles::read(&format!("[{number}]"))), [value], "{number}");
    }
}

#[test]
fn a_number_for_a_text_is_the_text_as_written() {
    for number in ["42", "1.50", "1e3", "-0", "12345678901234567.89", "true", "false", "0.10", "1e400"] {
        assert_eq!(good(text::read(number)), number);
        assert_eq!(good(maybe::read(number)).as_deref(), Some(number));
        assert_eq!(good(texts::read_json(&format!("[{number}, \"a\"]"))), [number, "a"]);
    }
    for list in ["[\"a\"]", "[ 1,  2.50 ]", "[]", "[[1], {\"a\": null}]"] {
        assert_eq!(good(text::read(list)), list);
    }
    assert_eq!(text::flags("42"), [Repair::ValueForText]);
    assert_eq!(text::flags("\"42\""), []);
    assert_eq!(texts::flags("[1, true]"), [Repair::ValueForText]);
    for json in ["null", "{\"a\": 1}", "{}"] {
        assert!(text::read_json(json).is_err(), "{json}");
        assert!(texts::read_json(&format!("[{json}]")).is_err(), "{json}");
    }
    assert_eq!(good(maybe::read_json("null")), None);
    assert!(maybe::read_json("{}").is_err());
}

#[test]
fn a_type_that_fits_a_number_better_gets_it() {
    assert_eq!(good(id::read("42")), Id::Number(42));
    assert_eq!(good(id::read_json("\"42\"")), Id::Name("42".into()));
    assert_eq!(good(id::read_json("2.5")), Id::Name("2.5".into()));
    assert_eq!(good(amount::read("1.5")), Amount::Number(1.5));
    assert_eq!(good(amount::read("9007199254740993")), Amount::Words("9007199254740993".into()));
    assert_eq!(good(anything::read("1.5")), json!(1.5));
    assert_eq!(good(anything::read("[true, 7]")), json!([true, 7]));
    assert_eq!(good(stars::read("2")), Stars::Two);
    assert!(stars::read("3").is_err());
}

#[test]
fn a_value_of_any_type_keeps_all_digits_of_whole_numbers() {
    for json in ["123456789012345678901234567890", "[1, 9007199254740993.0]", "{\"a\": {\"b\": [1e400]}}"] {
        assert!(anything::read_json(json).is_err(), "{json}: {:?}", anything::read_json(json));
        assert!(map::read_json(&format!("{{\"x\": {json}}}")).is_err(), "{json}");
    }
    assert_eq!(good(anything::read("[1e23, 18446744073709551615]")), json!([1e23, u64::MAX]));
}

#[test]
fn the_parts_of_a_value_keep_their_digits_on_all_adapters() {
    let json = "{\"price\": 12345678901234567.89, \"id\": 1.50, \"total\": 18446744073709551617, \
                \"parts\": [{\"price\": 0.1234567890123456789012345, \"id\": 007e, \"total\": null}]}";
    let json = json.replace("007e", "7e0");
    let read = good(order::read(&json));
    assert_eq!(read.price, decimal_of("12345678901234567.89"));
    assert_eq!((read.id.as_str(), read.total), ("1.50", Some(18_446_744_073_709_551_617)));
    assert_eq!(read.parts[0].price, decimal_of("0.1234567890123456789012345"));
    assert_eq!(read.parts[0].id, "7e0");
    let found = good(order::read_json(&json!(json).to_string()));
    assert_eq!(found, read, "as a text");
    let prose = format!("Here it is:\n```json\n{json}\n```");
    assert_eq!(good(order::read_json(&json)), read);
    let fenced = Predict::<order::One>::new();
    let input = order::OneInput { none: () };
    assert_eq!(good(fenced.parse(&input, &format!("[[ ## value ## ]]\n{prose}"))).value, read);
}

#[test]
fn tagged_and_flattened_types_keep_their_digits() {
    let card = good(payment::read("{\"kind\": \"Card\", \"number\": 4111, \"amount\": 0.10}"));
    assert_eq!(card, Payment::Card { number: "4111".into(), amount: decimal_of("0.10") });
    let line = good(line::read("{\"code\": 1e3, \"price\": 12345678901234567.89, \"count\": 1}"));
    let rest = Rest { code: "1e3".into(), price: decimal_of("12345678901234567.89") };
    assert_eq!(line, Line { rest, count: 1 });
    let cash = "{\"kind\": \"Cash\", \"amount\": 7}";
    assert_eq!(good(payment::read(cash)), Payment::Cash { amount: 7 });
    for amount in ["18446744073709551617", "9007199254740993.5", "1e400"] {
        let cash = format!("{{\"kind\": \"Cash\", \"amount\": {amount}}}");
        assert!(payment::read(&cash).is_err(), "{amount}");
    }
}

/// Sell.
#[signature]
pub struct Sale {
    #[input]
    budget: u128,
    #[output]
    answer: String,
    #[output(range(0..=100))]
    price: Decimal,
    #[output(range(0..=1000))]
    total: i128,
}

#[test]
fn rules_are_checked_for_numbers_that_are_kept_as_texts() {
    let read = |price: &str, total: &str| {
        let text = format!("{{\"answer\": true, \"price\": {price}, \"total\": {total}}}");
        Predict::<Sale>::new().adapter(JsonAdapter).parse(&SaleInput { budget: 1 }, &text)
    };
    let sale = good(read("100.00", "7"));
    assert_eq!((sale.answer.as_str(), sale.price.to_string().as_str(), sale.total), ("true", "100.00", 7));
    for (price, total, field) in
        [("100.01", "7", "price"), ("-0.5", "7", "price"), ("1", "18446744073709551617", "total")]
    {
        let error = read(price, total).unwrap_err();
        assert!(error.is_violation() && error.field() == Some(field), "{price} {total}: {error:?}");
    }
}

#[tokio::test]
async fn an_input_and_a_demo_of_128_bits_are_written_with_every_digit() {
    let demo = Sale {
        budget: u128::MAX,
        answer: "yes".into(),
        price: decimal_of("1.50"),
        total: i128::from(u64::MAX) + 1,
    };
    let lm = ScriptedLm::computed(|request| {
        let all = crate::support::whole(request);
        assert!(all.contains("340282366920938463463374607431768211455"), "{all}");
        assert!(all.contains("18446744073709551616"), "{all}");
        assert!(all.contains("1.50"), "{all}");
        Reply::text("{\"answer\": 1.50, \"price\": 1, \"total\": 2}")
    });
    let sale = Predict::<Sale>::new().adapter(JsonAdapter).demo(demo).lm(&lm.lm());
    let made = good(sale.call(SaleInput { budget: u128::MAX }).await);
    assert_eq!(made.answer, "1.50");
}

/// Name it.
#[signature]
pub struct Named {
    #[input]
    question: String,
    #[output]
    answer: String,
    #[output]
    tags: Vec<String>,
    #[output]
    price: Decimal,
}

#[tokio::test]
async fn the_streamed_text_of_a_number_for_a_text_agrees_with_the_end() {
    for text in [
        "{\"answer\": 1.50, \"tags\": [1, \"b\"], \"price\": 12345678901234567.89}",
        "{\"answer\": [1, 2.0], \"tags\": [true], \"price\": 12345678901234567.89}",
        "{\"answer\": true, \"tags\": [], \"price\": 12345678901234567.89}",
    ] {
        let lm = ScriptedLm::new([Reply::text(text)]).lm();
        let named = Predict::<Named>::new().adapter(JsonAdapter).lm(&lm);
        let mut stream = named.stream(NamedInput { question: "?".into() });
        let (mut streamed, mut finished) = (String::new(), Vec::new());
        let prediction = loop {
            match good(stream.next().await.unwrap()) {
                StreamEvent::Progress(progress) => match progress.update() {
                    Update::Delta { field, text } if *field == "answer" => streamed.push_str(text),
                    Update::Finished { field, value } => finished.push((field.clone(), value.clone())),
                    Update::Discarded { error } => panic!("{text}: {error}"),
                    _ => {}
                },
                StreamEvent::Done(prediction) => break prediction,
                _ => {}
            }
        };
        assert_eq!(streamed, prediction.answer, "{text}");
        assert_eq!(prediction.price, decimal_of("12345678901234567.89"));
        let names: Vec<_> = finished.iter().map(|(field, _)| &**field).collect();
        assert_eq!(names, ["answer", "tags", "price"], "{text}");
        assert_eq!(finished[0].1, json!(streamed));
        assert_eq!(finished[2].1, json!("12345678901234567.89"));
    }
}

#[test]
fn numbers_for_texts_in_a_long_answer_are_read_in_linear_time() {
    let list = format!("[{}]", vec!["1.50"; 20_000].join(", "));
    let read = good(texts::read_json(&list));
    assert!(read.len() == 20_000 && read.iter().all(|item| item == "1.50"));
    let digits = "7".repeat(200_000);
    assert_eq!(good(text::read_json(&digits)), digits);
    assert!(double::read_json(&digits).is_err());
    assert!(whole::read_json(&digits).is_err());
    assert!(decimal::read_json(&digits).is_err());
    assert!(anything::read_json(&digits).is_err());
}
