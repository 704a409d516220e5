//! State files that DSPy and karat have written, loaded and saved: no network, no Python. `dspy.rs` proves with the real DSPy
//! that these files are what it writes and reads.

mod log;
mod parity;

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use karat::{ErrorKind, State};
use serde_json::Value;

use self::log::Log;
use self::parity::{
    WRITERS, assert_same, assert_same_prompts, folder, golden_of_dspy,
    programs::{NAMES, Program, SECRET, fresh, tuned},
    read, state, without_addresses,
};

/// The files of one writer: `dspy`, `karat` or `legacy`.
fn golden(writer: &str) -> PathBuf {
    folder().join("golden").join(writer)
}

/// The program with the state of a golden file.
fn loaded(name: &str, path: &Path) -> Box<dyn Program> {
    let mut program = fresh(name);
    program.load(path).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
    program
}

/// The text of the file that the program is saved in.
fn saved(program: &dyn Program, name: &str) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("golden-{name}.json"));
    program.save(&target).unwrap();
    let text = fs::read_to_string(&target).unwrap();
    fs::remove_file(target).unwrap();
    text
}

#[test]
fn every_golden_file_of_dspy_has_a_twin_and_prompts() {
    let mut names: Vec<_> = WRITERS
        .into_iter()
        .flat_map(|writer| fs::read_dir(golden(writer)).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    let mut expected: Vec<_> =
        NAMES.iter().flat_map(|name| [name.to_string(), format!("{name}.prompts")]).collect();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn every_file_of_dspy_loads_and_is_saved_with_the_same_values() {
    for (folder, name) in golden_of_dspy() {
        let original = folder.join(format!("{name}.json"));
        let expected = without_addresses(state(&read(&original)));
        let text = saved(&*loaded(name, &original), &format!("dspy-{name}"));
        let found = state(&serde_json::from_str(&text).unwrap());
        assert_same(name, &expected, &found);
    }
}

#[test]
fn what_was_loaded_from_dspy_and_saved_loads_again_as_the_same_state() {
    for (folder, name) in golden_of_dspy() {
        let program = loaded(name, &folder.join(format!("{name}.json")));
        let text = saved(&*program, &format!("again-{name}"));
        let mut again = fresh(name);
        again.load_state(&serde_json::from_str::<State>(&text).unwrap()).unwrap();
        assert_eq!(again.dump_state(), program.dump_state(), "{name}");
        assert_eq!(saved(&*again, &format!("again-{name}")), text, "{name}");
    }
}

#[test]
fn a_prompt_says_what_dspys_prompt_says() {
    for (folder, name) in golden_of_dspy() {
        let program = loaded(name, &folder.join(format!("{name}.json")));
        let prompts = read(&folder.join(format!("{name}.prompts.json")));
        assert_same_prompts(name, &*program, &prompts);
    }
}

#[test]
fn values_that_do_not_fit_their_fields_are_kept_and_shown() {
    let path = golden("dspy").join("odd_values.json");
    let program = loaded("odd_values", &path);
    let [(_, predictor)] = &program.named_predictors()[..] else { panic!("one predictor") };
    let demos: Vec<_> = predictor.demos().iter().map(|demo| predictor.dump_demo(demo)).collect();
    assert_same("odd_values", &read(&path)["answer"]["demos"], &demos.into());
    let messages: Vec<_> = predictor.task().demo_messages(&karat::ChatAdapter).collect();
    assert_eq!(messages.len(), 18, "nine demos");
    for shown in ["18446744073709551615", "9223372036854775807", "-0.0", r#"{"k":[1,"é"]}"#, "seven"] {
        assert!(messages.iter().any(|message| message.content.contains(shown)), "{shown}");
    }
}

/// Files of DSPy 2.6 and later.
const READABLE: [&str; 5] =
    ["dspy-2.6", "dspy-2.6-no-metadata", "dspy-2.6.9-lm-api-key", "dspy-3.2-lm", "dspy-3.2-reasoning-lm"];

#[test]
fn files_of_dspy_2_6_and_later_load_and_their_api_key_shows_nowhere() {
    let log = &*LOG;
    for name in READABLE {
        let path = golden("legacy").join(format!("{name}.json"));
        let original = fs::read_to_string(&path).unwrap();
        assert_eq!(original.contains(SECRET), name.contains("api-key"), "{name}");
        let program = loaded("legacy", &path);
        let text = saved(&*program, name);
        let trusted = State::read(&path).unwrap().allow_unsafe_lm_state(true);
        let mut again = fresh("legacy");
        again.load_state(&trusted).unwrap();
        let trusting = serde_json::to_string(&again.dump_state().allow_unsafe_lm_state(true)).unwrap();
        let predictors: Vec<_> =
            program.named_predictors().into_iter().map(|(_, predictor)| predictor).collect();
        let shown =
            format!("{text}{trusting}{predictors:?}{:?}{:?}", program.dump_state(), again.dump_state());
        assert!(!shown.contains(SECRET), "{name}: {shown}");

        // All else is as it was, by the names that DSPy 3.3 has for it.
        let mut expected = without_addresses(state(&serde_json::from_str(&original).unwrap()));
        for entry in expected.as_object_mut().unwrap().values_mut() {
            let Some(Value::Object(lm)) = entry.get_mut("lm") else { continue };
            lm.remove("api_key");
            lm.insert("_dspy_lm_class".into(), "dspy.clients.lm.LM".into());
            if let Some(limit) = lm.remove("max_completion_tokens") {
                lm.insert("max_tokens".into(), limit);
            }
        }
        assert_same(name, &expected, &state(&serde_json::from_str(&text).unwrap()));
    }
    let log = log.text();
    assert!(log.contains("may be secrets") && !log.contains(SECRET), "{log}");
}

#[test]
fn files_of_older_versions_are_refused_with_the_key_and_the_version() {
    let mut refused = Vec::new();
    for entry in fs::read_dir(golden("legacy")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if READABLE.contains(&name.as_str()) {
            continue;
        }
        let mut program = fresh("legacy");
        let before = program.dump_state();
        let error = program.load(&path).expect_err(&name);
        assert_eq!((error.kind(), program.dump_state()), (ErrorKind::State, before), "{name}");
        let (key, version) = match name.starts_with("dspy-2.4") {
            true => ("signature_", "DSPy 2.4 and older"),
            false => ("`extended_signature`", "DSPy 2.5 and older"),
        };
        let text = error.to_string();
        assert!(
            text.contains(key) && text.contains(version) && text.contains("save it again"),
            "{name}: {text}"
        );
        refused.push(name);
    }
    assert_eq!(refused.len(), 5, "{refused:?}");
}

static LOG: LazyLock<Log> = LazyLock::new(Log::of_the_process);

/// `UPDATE_GOLDEN=1 cargo test -p karat-tests --test golden` writes these files anew.
#[test]
fn karat_writes_the_same_bytes_as_ever_and_loads_them_as_what_was_saved() {
    let version = format!(r#""version": "{}""#, env!("CARGO_PKG_VERSION"));
    for name in NAMES {
        let text = saved(&*tuned(name), &format!("karat-{name}"));
        assert!(text.contains(&version) && !text.contains(SECRET), "{text}");
        // A new version of karat is no new layout.
        let text = text.replace(&version, r#""version": "(any)""#);
        let path = golden("karat").join(format!("{name}.json"));
        if env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            fs::create_dir_all(golden("karat")).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == expected,
            "{name}: the layout of state files changed; if it should, write the golden files anew with UPDATE_GOLDEN=1\n\
             {text}"
        );
        let program = loaded(name, &path);
        let original = tuned(name);
        assert_same(name, &parity::learned(&*original), &parity::learned(&*program));
        assert_eq!(program.dump_state(), original.dump_state(), "{name}");
    }
}
