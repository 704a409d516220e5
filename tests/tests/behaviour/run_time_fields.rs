//! Fields and signatures whose names a program makes while it runs.

use std::sync::LazyLock;

use karat::{
    JsonAdapter, Module, Predict, Reply, Result, ScriptedLm, Signature,
    field::{Field, Fields, Place, Reader, Spec, Writer},
    signature,
    stream::StreamEvent,
};
use serde_json::json;

use crate::support::{Qa, ask};

/// The columns of a table, as if they were read from a file.
static COLUMNS: LazyLock<Vec<String>> =
    LazyLock::new(|| (1..=3).map(|number| format!("column_{number}")).collect());

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    text: Text,
    cells: Cells,
}

#[derive(Clone, Debug, PartialEq)]
struct Text(String);

#[derive(Clone, Debug, PartialEq)]
struct Cells(Vec<String>);

impl Fields for Text {
    const NAMES: &'static [&'static str] = &["text"];

    fn write(&self, writer: &mut Writer) {
        writer.put(&self.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        reader.take().map(Self)
    }
}

impl Fields for Cells {
    // None that the compiler knows.
    const NAMES: &'static [&'static str] = &[];

    fn write(&self, writer: &mut Writer) {
        self.0.iter().for_each(|cell| writer.put(cell));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        COLUMNS.iter().map(|_| reader.take()).collect::<Result<_>>().map(Self)
    }
}

impl Signature for Row {
    type Input = Text;
    type Output = Cells;

    fn spec() -> &'static Spec {
        static SPEC: LazyLock<Spec> = LazyLock::new(|| {
            let outputs = COLUMNS.iter().enumerate().map(|(index, name)| {
                Field::output::<String>("", "")
                    .with_name(name.clone())
                    .with_description(format!("the cell at {index}"))
                    .with_alias(format!("cell_{index}"))
            });
            let fields = outputs.chain([Field::input::<String>("text", "")]);
            Spec::of(format!("Row{}", COLUMNS.len()), "", fields).expect("no column stands twice")
        });
        &SPEC
    }

    fn join(text: Text, cells: Cells) -> Self {
        Self { text, cells }
    }

    fn split(self) -> (Text, Cells) {
        (self.text, self.cells)
    }
}

fn cells(cells: [&str; 3]) -> Cells {
    Cells(cells.map(str::to_owned).into())
}

#[tokio::test]
async fn a_signature_whose_table_is_made_at_run_time_is_asked_like_any_other() {
    let demo = Row { text: Text("a b c".into()), cells: cells(["a", "b", "c"]) };
    for predict in [Predict::<Row>::new(), Predict::new().adapter(JsonAdapter)] {
        let reply = Reply::fields([("column_1", "x"), ("cell_1", "y"), ("column_3", "z")]);
        let lm = ScriptedLm::new([reply]).lm();
        let predict = predict.demo(demo.clone()).lm(&lm);
        let prompt = predict.prompt(&Text("x y z".into())).unwrap();
        let system = prompt.iter().next().unwrap().content.to_string();
        assert!(system.contains("From `text`, give `column_1`, `column_2`, `column_3`."), "{system}");
        assert!(system.contains("`column_2` (text): the cell at 1"), "{system}");
        let answer = predict.call(Text("x y z".into())).await.unwrap();
        assert_eq!(*answer, cells(["x", "y", "z"]));
        let step = &answer.trace().steps()[0];
        assert_eq!((step.signature(), step.inputs()), ("Row3", &[("text".into(), json!("x y z"))][..]));
        let names: Vec<_> = step.outputs().iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["column_1", "column_2", "column_3"]);
        let state = predict.dump_state();
        let mut other = Predict::<Row>::new();
        other.load_state(&state).unwrap();
        assert_eq!(other.predictor().demos(), predict.predictor().demos());
    }
}

#[tokio::test]
async fn events_and_errors_name_a_field_that_was_made_at_run_time() {
    let lm = ScriptedLm::new([Reply::fields([("column_1", "x"), ("column_2", "y")])]).lm();
    let predict = Predict::<Row>::new().lm(&lm).on_parse_error(karat::OnParseError::Fail);
    let mut stream = predict.stream(Text("x y".into()));
    let mut begun = Vec::new();
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(StreamEvent::Progress(progress)) => begun.extend(progress.field().map(str::to_owned)),
            Ok(event) => panic!("{event:?}"),
            Err(error) => break error,
        }
    };
    begun.dedup();
    assert_eq!(
        (begun, error.field()),
        (vec!["column_1".to_owned(), "column_2".to_owned()], Some("column_3"))
    );
}

#[test]
fn two_fields_of_one_name_make_no_table() {
    let fields = ["a", "b", "a"].map(|name| Field::output::<u8>("", "").with_name(name.to_owned()));
    let error = Spec::of("Twice", "", fields).unwrap_err();
    assert!(error.is_config() && error.field() == Some("a"), "{error}");
}

#[tokio::test]
async fn an_added_field_may_have_a_name_that_the_program_made() {
    let lm = ScriptedLm::new([Reply::fields([("answer", "Paris"), ("sure_2", "yes")])]);
    let sure =
        Field::output::<bool>("", "").with_name(format!("sure_{}", 1)).with_alias(format!("sure_{}", 2));
    let predict = Predict::<Qa>::new().adapter(JsonAdapter).lm(&lm.lm()).with_field(sure, Place::Last);
    let answer = predict.call(ask()).await.unwrap();
    assert!(answer.added::<bool>("sure_1").unwrap());
}

/// Sort.
#[signature]
struct Alias {
    #[output(alias = "first")]
    one: String,
}

#[test]
fn names_of_the_source_and_of_the_program_are_aliases_alike() {
    let field = Alias::spec().fields()[0].clone().with_alias("second".to_owned());
    assert_eq!(field.aliases().collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(Alias::spec().fields()[0].aliases().collect::<Vec<_>>(), ["first"]);
}
