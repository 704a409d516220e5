//! Programs in a folder: the description beside the state, and the differences that are refused at a load.

use std::{fs, path::Path};

use karat::{Error, Frozen, Module, Param, Predict, Prediction, Result, State, module};
use serde_json::{Value, json};

use crate::{state_files::names, support::*};

/// A program and its signature, named alike in every variation.
macro_rules! program {
    ($name:ident, $signature:ident { $($fields:tt)* }, { $($parts:tt)* }) => {
        mod $name {
            #[allow(unused_imports)]
            use karat::{ChainOfThought, Frozen, Module, Param, Predict, Prediction, Result, module, signature};

            #[allow(unused_imports)]
            use crate::support::*;

            #[signature]
            pub struct $signature { $($fields)* }

            #[module]
            #[derive(Default)]
            pub struct Program { $($parts)* }

            #[module]
            impl Program {
                async fn forward(&self, _: String) -> Result<Prediction<String>> {
                    Ok(Prediction::new(String::new()))
                }
            }
        }
    };
}

program!(base, Ask { #[input] question: String, #[input] context: Vec<String>, #[output] answer: String },
    { pub ask: Predict<Ask>, pub limit: Param<u32> });
program!(more, Ask { #[input] question: String, #[input] context: Vec<String>, #[output] answer: String },
    { pub ask: Predict<Ask>, pub limit: Param<u32>, pub check: ChainOfThought<Qa> });
program!(another_type, Ask { #[input] question: String, #[input] context: Vec<String>, #[output] answer: String },
    { pub ask: ChainOfThought<Ask>, pub limit: Param<u32> });
program!(another_signature, Find { #[input] question: String, #[input] context: Vec<String>, #[output] answer: String },
    { pub ask: Predict<Find>, pub limit: Param<u32> });
program!(renamed, Ask { #[input] query: String, #[input] context: Vec<String>, #[output] answer: String },
    { pub ask: Predict<Ask>, pub limit: Param<u32> });
program!(added, Ask { #[input] question: String, #[input] context: Vec<String>, #[output] answer: String, #[output] sure: bool },
    { pub ask: Predict<Ask>, pub limit: Param<u32> });
program!(reordered, Ask { #[input] context: Vec<String>, #[input] question: String, #[output] answer: String },
    { pub ask: Predict<Ask>, pub limit: Param<u32> });
program!(retyped, Ask { #[input] question: String, #[input] context: Vec<u32>, #[output] answer: String },
    { pub ask: Predict<Ask>, pub limit: Param<u32> });
program!(frozen, Ask { #[input] question: String, #[input] context: Vec<String>, #[output] answer: String },
    { pub ask: Frozen<Predict<Ask>>, pub limit: Param<u32> });
program!(frozen_limit, Ask { #[input] question: String, #[input] context: Vec<String>, #[output] answer: String },
    { pub ask: Predict<Ask>, pub limit: Param<u32>, pub share: Param<f64> });
program!(everything, Find { #[input] query: String, #[output] answer: u8 },
    { pub ask: Predict<Find>, pub check: ChainOfThought<Qa>, pub share: Param<f64> });
program!(documented, Ask {
        /// the question, in other words than before
        #[input] question: String,
        #[input] context: Vec<String>,
        /// short
        #[output] answer: String },
    { pub ask: Predict<Ask>, pub limit: Param<u32> });

fn tuned() -> base::Program {
    let mut program = base::Program::default();
    program.limit.set(7);
    program.ask = Predict::new().instructions("Be brief.");
    program
}

/// The folder of the tuned program.
fn saved() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tuned().save_program(folder.path()).unwrap();
    folder
}

/// Why a program is not loaded; it stays as it was.
fn refused(mut module: impl Module, folder: &Path) -> Error {
    let before = module.dump_state();
    let error = module.load_program(folder).unwrap_err();
    assert!(module.dump_state() == before, "nothing was changed");
    error
}

#[test]
fn a_program_comes_back_from_its_folder_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/my program");
    for _ in 0..2 {
        tuned().save_program(&path).unwrap();
        let mut fresh = base::Program::default();
        fresh.load_program(&path).unwrap();
        assert!(fresh.dump_state() == tuned().dump_state());
        assert_eq!(*fresh.limit, 7);
        assert_eq!(names(&path), ["program.json", "state.json"]);
    }
    let mut fresh = base::Program::default();
    fresh.load(path.join("state.json")).unwrap();
    assert!(fresh.dump_state() == tuned().dump_state(), "the state is a state file like any other");
    #[cfg(unix)]
    for name in names(&path) {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path.join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn the_description_has_modules_signatures_and_source() {
    let folder = tempfile::tempdir().unwrap();
    TwoSteps::new().save_program(folder.path()).unwrap();
    let text = fs::read_to_string(folder.path().join("program.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let modules = json["program"]["modules"].as_array().unwrap();
    let modules: Vec<_> = modules.iter().map(|module| (&module["path"], &module["kind"])).collect();
    assert_eq!(format!("{modules:?}").matches("ChainOfThought<Qa>").count(), 1, "{modules:?}");
    assert!(json["program"]["source"].as_str().unwrap().contains("self.answer.call"));
    assert_eq!(json["program"]["predictors"][0]["signature"], "MakeQuery");
    assert_eq!(json["metadata"]["karat"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(!text.contains("behaviour::") && !text.contains("karat::"), "no paths of crates");
}

#[test]
fn each_difference_of_a_program_is_named() {
    let folder = saved();
    let at = folder.path();
    let cases: [(Error, &str, &[&str]); 9] = [
        (
            refused(more::Program::default(), at),
            "in 3 ways",
            &[
                "module `self.check` was not saved",
                "module `self.check.predict` was",
                "predictor `check.predict` was not",
            ],
        ),
        (
            refused(another_type::Program::default(), at),
            "ways",
            &[
                "module `self.ask` is a `ChainOfThought<Ask>`, saved was a `Predict<Ask>`",
                "predictor `ask.predict` was not saved",
                "predictor `ask` was saved and is not in the program",
            ],
        ),
        (
            refused(another_signature::Program::default(), at),
            "in 2 ways",
            &[
                "is a `Predict<Find>`, saved was a `Predict<Ask>`",
                "has the signature `Find`, saved was `Ask`",
            ],
        ),
        (
            refused(renamed::Program::default(), at),
            "in 1 way:",
            &["predictor `ask` has the input fields `query`, `context`, saved were `question`, `context`"],
        ),
        (
            refused(added::Program::default(), at),
            "in 1 way:",
            &["predictor `ask` has the output fields `answer`, `sure`, saved were `answer`"],
        ),
        (
            refused(reordered::Program::default(), at),
            "in 1 way:",
            &["has the input fields `context`, `question`, saved were `question`, `context`"],
        ),
        (
            refused(retyped::Program::default(), at),
            "in 1 way:",
            &["the input field `context` of the predictor `ask` has the type", "\"integer\"", "\"string\""],
        ),
        (refused(frozen::Program::default(), at), "in 1 way:", &["`ask` is frozen, saved was not frozen"]),
        (
            refused(frozen_limit::Program::default(), at),
            "in 1 way:",
            &["the parameter `share` was not saved"],
        ),
    ];
    for (error, count, words) in cases {
        assert!(error.is_state(), "{error:?}");
        for word in words.iter().chain([&count]) {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }
    // And the other way round.
    let folder = tempfile::tempdir().unwrap();
    more::Program::default().save_program(folder.path()).unwrap();
    let error = refused(tuned(), folder.path()).to_string();
    assert!(error.contains("module `self.check` was saved and is not in the program"), "{error}");
    frozen::Program::default().save_program(folder.path()).unwrap();
    let error = refused(tuned(), folder.path()).to_string();
    assert!(error.contains("`ask` is not frozen, saved was frozen"), "{error}");
}

#[test]
fn all_differences_are_in_one_error() {
    let folder = saved();
    let error = refused(everything::Program::default(), folder.path()).to_string();
    for words in [
        "`self.ask` is a `Predict<Find>`",
        "`self.check` was not saved",
        "`check.predict` was not saved",
        "signature `Find`",
        "`ask` has the input fields `query`",
        "output field `answer` of the predictor `ask`",
        "parameter `share` was not saved",
        "parameter `limit` was saved",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// Loads the tuned program after a change of its files; the warnings, or the error.
fn after(change: impl FnOnce(&mut Value, &mut Value)) -> Result<Vec<String>> {
    let folder = saved();
    let [program, state] = ["program.json", "state.json"].map(|name| folder.path().join(name));
    let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let (mut program_json, mut state_json) = (read(&program), read(&state));
    change(&mut program_json, &mut state_json);
    fs::write(program, program_json.to_string()).unwrap();
    fs::write(state, state_json.to_string()).unwrap();
    let warnings = Warnings::default();
    let _guard = warnings.collect();
    let mut fresh = base::Program::default();
    let before = fresh.dump_state();
    let outcome = fresh.load_program(folder.path());
    let expected = if outcome.is_ok() { tuned().dump_state() } else { before };
    assert!(fresh.dump_state() == expected);
    outcome.map(|()| warnings.texts())
}

#[test]
fn another_source_is_a_warning_and_other_doc_comments_are_nothing() {
    let warned = after(|program, _| program["program"]["source"] = json!("impl Program {}")).unwrap();
    assert!(warned.len() == 1 && warned[0].contains("another source"), "{warned:?}");
    let warned = after(|program, _| program["program"]["source"] = json!(null)).unwrap();
    assert!(warned.len() == 1 && warned[0].contains("another source"), "{warned:?}");
    documented::Program::default().load_program(saved().path()).unwrap();
}

#[test]
fn another_compilers_names_of_types_are_no_difference() {
    let warned = after(|program, _| {
        let kind = &mut program["program"]["modules"][1]["kind"];
        assert_eq!(kind, "Predict<Ask>");
        *kind = json!("some::Predict<a::b::Ask<'_>>");
        let field = &mut program["program"]["predictors"][0]["inputs"][0]["schema"];
        field["description"] = json!("of another version of the schema library");
    });
    assert!(warned.unwrap().is_empty());
}

#[test]
fn another_version_is_warned_of_once_and_named_where_the_program_is_not_loaded() {
    assert!(after(|_, _| ()).unwrap().is_empty());
    let other = json!({"karat": {"version": "9.1.0"}});
    for (in_program, in_state) in [(true, true), (true, false), (false, true)] {
        let warned = after(|program, state| {
            if in_program {
                program["metadata"] = other.clone();
            }
            if in_state {
                state["metadata"] = other.clone();
            }
        });
        let warned = warned.unwrap();
        assert!(
            warned.len() == 1 && warned[0].contains("karat") && warned[0].contains("9.1.0"),
            "{warned:?}"
        );
    }
    let error = after(|program, _| {
        program["metadata"] = other.clone();
        program["program"]["predictors"][0]["frozen"] = json!(true);
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("not frozen") && error.contains("saved with karat 9.1.0"), "{error}");
    let error = after(|program, _| *program = json!({"layout": 2, "metadata": other.clone()}));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("description of a program") && error.contains("karat 9.1.0"), "{error}");
}

#[test]
fn a_missing_or_damaged_file_is_an_error_that_names_it() {
    let error = refused(tuned(), &saved().path().join("none"));
    assert!(error.is_io() && error.to_string().contains("program.json"), "{error}");
    for name in ["program.json", "state.json"] {
        let folder = saved();
        let path = folder.path().join(name);
        let bytes = fs::read(&path).unwrap();
        for end in (0..bytes.len() - 1).step_by(64) {
            fs::write(&path, &bytes[..end]).unwrap();
            let error = refused(tuned(), folder.path());
            assert!(error.is_state() && error.to_string().contains(name), "{error}");
        }
        fs::remove_file(&path).unwrap();
        let error = refused(tuned(), folder.path());
        assert!(error.is_io() && error.to_string().contains(name), "{error}");
        fs::create_dir(&path).unwrap();
        assert!(refused(tuned(), folder.path()).is_io());
        // Nor is one of the two written where the other cannot be.
        let other = if name == "state.json" { "program.json" } else { "state.json" };
        let before = fs::read(folder.path().join(other)).unwrap();
        assert!(base::Program::default().save_program(folder.path()).unwrap_err().is_io());
        assert_eq!(fs::read(folder.path().join(other)).unwrap(), before);
        assert_eq!(names(folder.path()), ["program.json", "state.json"]);
    }
}

#[test]
fn wrong_types_anywhere_in_a_description_are_an_error_or_no_difference() {
    let mut pointers = Vec::new();
    fn walk(value: &Value, at: String, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| walk(item, format!("{at}/{index}"), found));
            }
            Value::Object(object) => {
                object.iter().for_each(|(key, item)| walk(item, format!("{at}/{key}"), found))
            }
            _ => {}
        }
        found.push(at);
    }
    walk(&serde_json::to_value(tuned().program()).unwrap(), "/program".into(), &mut pointers);
    assert!(pointers.len() > 30);
    let long = "x".repeat(1 << 16);
    for pointer in pointers {
        for wrong in [json!(null), json!(1), json!(long), json!([]), json!({})] {
            match after(|program, _| *program.pointer_mut(&pointer).unwrap() = wrong) {
                Ok(_) => assert!(pointer.ends_with("/source"), "{pointer}"),
                Err(error) => {
                    assert!(error.is_state() && error.to_string().len() < 4_000, "{pointer}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_are_errors() {
    let folder = saved();
    let file = folder.path().join("state.json");
    let error = refused(tuned(), &file);
    assert!(error.is_io() && error.to_string().contains("loaded with `load`"), "{error}");
    let before = fs::read(&file).unwrap();
    let error = tuned().save_program(&file).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("expected a folder"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn nothing_is_written_when_the_state_cannot_be_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = frozen_limit::Program::default();
    program.share.set(f64::NAN);
    for path in [folder.path().to_owned(), folder.path().join("new")] {
        assert!(program.save_program(path).unwrap_err().is_state());
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn the_state_of_another_program_in_the_folder_is_an_error() {
    let folder = saved();
    more::Program::default().save(folder.path().join("state.json")).unwrap();
    let error = refused(base::Program::default(), folder.path());
    assert!(error.is_state() && error.to_string().contains("`check.predict`"), "{error}");
}

/// Parameters alone, and the same frozen.
#[module]
#[derive(Default)]
struct Thawed {
    part: Confusing,
}

#[module]
impl Thawed {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaInput>> {
        self.part.call(input).await
    }
}

#[module]
#[derive(Default)]
struct Iced {
    part: Frozen<Confusing>,
}

#[module]
impl Iced {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaInput>> {
        self.part.call(input).await
    }
}

#[test]
fn a_parameter_that_is_frozen_now_is_named() {
    let folder = tempfile::tempdir().unwrap();
    Thawed::default().save_program(folder.path()).unwrap();
    let error = refused(Iced::default(), folder.path()).to_string();
    for path in ["part.signature", "part.demos"] {
        assert!(
            error.contains(&format!("the parameter `{path}` is frozen, saved was not frozen")),
            "{error}"
        );
    }
}

/// The names of its parameters are those of a bare predictor's file.
#[module]
#[derive(Default)]
struct Confusing {
    signature: Param<Value>,
    demos: Param<Vec<u8>>,
}

#[module]
impl Confusing {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaInput>> {
        Ok(Prediction::new(input))
    }
}

#[test]
fn parameters_named_as_the_parts_of_a_predictors_entry_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let tuned = Confusing { signature: Param::new(json!({"fields": []})), demos: Param::new(vec![1]) };
    tuned.save_program(folder.path()).unwrap();
    let mut fresh = Confusing { signature: Param::new(json!(null)), demos: Param::new(vec![]) };
    fresh.load_program(folder.path()).unwrap();
    assert!(fresh.dump_state() == tuned.dump_state());
    let state = State::read(folder.path().join("state.json")).unwrap();
    assert!(Predict::<Qa>::new().load_state(&state).unwrap_err().is_state());
}
