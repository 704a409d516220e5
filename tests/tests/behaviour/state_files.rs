//! State files as files: names, folders, links, what is no state, many at once, and the warnings.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use karat::{Error, Module, Param, Predict, Prediction, Result, State, module};
use serde_json::{Map, Value, json};

use crate::support::*;

pub fn tuned(instructions: &str) -> TwoSteps {
    let mut program = TwoSteps::new();
    program.query = Predict::new()
        .instructions(instructions)
        .demo(MakeQuery { question: "q\u{0}\u{1f600}\"\\".into(), query: "a\r\n\u{2028}b".into() });
    program
}

/// The names of what lies in the folder.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The error of loading a file; the module stays as it was.
fn refused(path: &Path) -> Error {
    let mut module = tuned("before");
    let error = module.load(path).unwrap_err();
    assert!(module.dump_state() == tuned("before").dump_state(), "nothing was changed");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    error
}

#[test]
fn a_state_comes_back_from_a_file_of_any_name_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let longest = format!("{}.json", "n".repeat(250));
    let names =
        ["s.json", "a b.json", "ünï 日本 \u{1f600}.json", "x.JSON", ".hidden.json", "a\nb.json", &longest];
    for name in names {
        let path = folder.path().join(name);
        for instructions in ["once", "again, over the older file"] {
            tuned(instructions).save(&path).unwrap();
            let mut fresh = TwoSteps::new();
            fresh.load(&path).unwrap();
            assert!(fresh.dump_state() == tuned(instructions).dump_state(), "{name}");
        }
    }
    assert_eq!(self::names(folder.path()).len(), names.len(), "nothing else is left");
    let error = tuned("").save(folder.path().join(format!("n{longest}"))).unwrap_err();
    assert!(error.is_io(), "{error}");
}

#[cfg(unix)]
#[test]
fn a_file_is_for_its_owner_alone_also_where_an_older_one_was_not() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    tuned("").save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn folders_that_are_missing_are_made_and_a_file_in_their_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b c/d/s.json");
    tuned("deep").save(&path).unwrap();
    TwoSteps::new().load(&path).unwrap();
    let error = tuned("deep").save(path.join("below/s.json")).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("d/s.json, found a file"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_what_it_points_to_is_replaced_or_made() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("there")).unwrap();
    fs::write(at("there/old.json"), "old").unwrap();
    symlink("there/old.json", at("to_old.json")).unwrap();
    symlink("to_old.json", at("to_link.json")).unwrap();
    symlink("there/new.json", at("to_nothing.json")).unwrap();
    for (link, target) in [("to_link.json", "there/old.json"), ("to_nothing.json", "there/new.json")] {
        tuned(link).save(at(link)).unwrap();
        assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        assert!(fs::symlink_metadata(at(target)).unwrap().is_file(), "{target}");
        assert!(State::read(at(link)).unwrap() == tuned(link).dump_state());
    }
    assert!(fs::symlink_metadata(at("to_old.json")).unwrap().is_symlink());
    assert_eq!(names(&at("there")), ["new.json", "old.json"]);
    symlink("b.json", at("a.json")).unwrap();
    symlink("a.json", at("b.json")).unwrap();
    assert!(tuned("").save(at("a.json")).unwrap_err().is_io());
    assert!(refused(&at("a.json")).is_io());
}

#[test]
fn a_name_that_does_not_end_with_json_is_refused_and_a_pickle_has_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["state", "state.txt", ".json", "state.json.bak", "state.pkl", "state.PKL", "state.pickle"] {
        let path = folder.path().join(name);
        let error = tuned("").save(&path).unwrap_err();
        assert!(error.is_state() && !path.exists(), "{error}");
        fs::write(&path, "{}").unwrap();
        let words = if name.to_lowercase().contains(".p") { "program.save(" } else { "ends with `.json`" };
        for error in [error, refused(&path)] {
            assert!(error.is_state() && error.to_string().contains(words), "{name}: {error}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        fs::remove_file(path).unwrap();
    }
    assert!(names(folder.path()).is_empty());
    assert!(refused(folder.path()).to_string().contains("load_program"));
    for path in ["", "/", ".."] {
        assert!(tuned("").save(path).unwrap_err().is_state(), "{path}");
        assert!(TwoSteps::new().load(path).unwrap_err().is_state(), "{path}");
    }
}

#[test]
fn what_is_no_state_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let text = serde_json::to_string(&tuned("x").dump_state()).unwrap();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
    };
    let cases: [(Vec<u8>, &str); 16] = [
        (b"".into(), "is empty"),
        (b" \n\t".into(), "cut off"),
        (b"null".into(), "found null"),
        (b"[]".into(), "found a list"),
        (b"3".into(), "found a number"),
        (b"\"x\"".into(), "found a text"),
        (b"{}".into(), "no entry for `answer.predict`, `query`"),
        (format!("\u{feff}{text}").into(), "byte order mark"),
        (utf16(u16::to_le_bytes), "UTF-16"),
        (utf16(u16::to_be_bytes), "UTF-16"),
        (vec![0; 100], "not a state file"),
        ([text.as_bytes(), &[0; 9]].concat(), "trailing"),
        (format!("{text}{text}").into(), "trailing"),
        (b"\x80\x04\x95\x0e\x00\x00\x00".into(), "program.save("),
        (b"{\"query\": \xff}".into(), "not a state file"),
        (b"{\"query\": NaN}".into(), "not a state file"),
    ];
    for (bytes, words) in cases {
        fs::write(&path, &bytes).unwrap();
        let mut module = tuned("before");
        let error = module.load(&path).unwrap_err();
        assert!(module.dump_state() == tuned("before").dump_state());
        assert!(error.is_state() && error.to_string().contains(words), "{words}: {error}");
    }
}

#[test]
fn a_missing_file_and_a_folder_are_io_errors_with_their_cause() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&folder.path().join("none.json"));
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert!(error.is_io() && cause.kind() == std::io::ErrorKind::NotFound, "{error}");
    let path = folder.path().join("folder.json");
    fs::create_dir(&path).unwrap();
    for error in [refused(&path), tuned("").save(&path).unwrap_err()] {
        assert!(error.is_io() && error.to_string().contains("found a folder"), "{error}");
    }
    assert_eq!(names(folder.path()), ["folder.json"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_is_an_error_and_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let device = folder.path().join("device.json");
    std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
    for path in [pipe, device] {
        let (sender, receiver) = mpsc::channel();
        let there = path.clone();
        std::thread::spawn(move || {
            sender.send(tuned("").save(&there).unwrap_err()).unwrap();
            sender.send(refused(&there)).unwrap();
        });
        for _ in 0..2 {
            let error = receiver.recv_timeout(Duration::from_secs(60)).expect("it does not wait");
            assert!(error.is_io() && error.to_string().contains("a pipe or a device"), "{error}");
        }
        assert!(!fs::metadata(path).unwrap().is_file());
    }
}

#[test]
fn a_read_only_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    tuned("old").save(&path).unwrap();
    let old = fs::read(&path).unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let error = tuned("new").save(&path).unwrap_err();
    assert!(error.is_io() && error.to_string().contains("read-only"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(names(folder.path()), ["s.json"]);
}

#[test]
fn ten_threads_that_save_to_one_path_at_once_give_one_whole_file_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("s.json");
    let programs: Vec<_> = (0..10).map(|index| tuned(&format!("{index}").repeat(5_000))).collect();
    programs[0].save(&path).unwrap();
    let is_whole = || {
        let state = State::read(&path).unwrap();
        assert!(programs.iter().any(|program| program.dump_state() == state));
    };
    std::thread::scope(|scope| {
        for program in &programs {
            scope.spawn(|| (0..5).for_each(|_| program.save(&path).unwrap()));
            scope.spawn(|| (0..5).for_each(|_| is_whole()));
        }
    });
    is_whole();
    assert_eq!(names(folder.path()), ["s.json"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_tasks_load_one_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    tuned("together").save(&path).unwrap();
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move {
                let mut fresh = TwoSteps::new();
                fresh.load(path).unwrap();
                fresh.query.predictor().instructions().to_owned()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), "together");
    }
}

#[test]
fn ten_megabytes_in_a_demo_and_ten_thousand_demos_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let demo = |question: String| MakeQuery { question, query: "q".into() };
    let large = vec![demo("ä".repeat(5 << 20))];
    let many = (0..10_000).map(|index| demo(format!("question {index}"))).collect();
    for demos in [large, many] {
        let mut program = TwoSteps::new();
        program.query = Predict::new().demos(demos);
        program.save(&path).unwrap();
        let mut fresh = TwoSteps::new();
        fresh.load(&path).unwrap();
        assert!(fresh.dump_state() == program.dump_state());
    }
}

/// A program that learns a value of any form.
#[module]
struct Noted {
    notes: Param<Value>,
    ask: Predict<Qa>,
}

#[module]
impl Noted {
    async fn forward(&self, input: QaInput) -> Result<Prediction<QaOutput>> {
        self.ask.call(input).await
    }
}

fn noted(notes: Value) -> Noted {
    Noted { notes: Param::new(notes), ask: Predict::new() }
}

/// What is learned of such notes once they went through a file.
fn through_a_file(notes: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    noted(notes.clone()).save(&path).unwrap();
    let mut fresh = noted(Value::Null);
    fresh.load(&path).unwrap();
    (*fresh.notes).clone()
}

#[test]
fn a_value_comes_back_exactly_whatever_its_keys_are_called() {
    // A generator of numbers that look like any.
    let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
    let mut numbers: Vec<f64> = std::iter::repeat_with(|| {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from_bits(bits)
    })
    .filter(|number| number.is_finite())
    .take(10_000)
    .collect();
    numbers.extend([0.1, 1.0 / 3.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0]);
    let notes = json!({
        "numbers": numbers, "large": [u64::MAX, i64::MIN], "": [null, {}, []],
        "lm": {"model": "m", "api_base": "http://127.0.0.1", "api_key": "of the program's own"},
        "signature_prefix": "x", "extended_signature": {"self": 1}, "metadata": 2, "self": {"demos": []},
    });
    let loaded = through_a_file(&notes);
    for (key, value) in notes.as_object().unwrap() {
        assert!(loaded[key] == *value, "{key}");
    }
}

#[test]
fn a_value_too_deep_to_be_loaded_again_is_not_saved() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    for depth in [100, 126] {
        assert_eq!(through_a_file(&nested(depth)), nested(depth));
    }
    let folder = tempfile::tempdir().unwrap();
    for depth in [127, 128, 1_000] {
        let error = noted(nested(depth)).save(folder.path().join("s.json")).unwrap_err();
        assert!(error.is_state() && error.predictor() == Some("notes"), "{error}");
        assert!(error.to_string().contains("127 levels"), "{error}");
    }
    assert!(names(folder.path()).is_empty());
}

/// The module's state with a change, as a file; the warnings of loading it, and what was loaded.
fn warnings_of(change: impl FnOnce(&mut Map<String, Value>)) -> (Vec<String>, TwoSteps, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let mut json = serde_json::to_value(tuned("x").dump_state()).unwrap();
    change(json.as_object_mut().unwrap());
    fs::write(&path, json.to_string()).unwrap();
    let warnings = Warnings::default();
    let _guard = warnings.collect();
    let mut fresh = TwoSteps::new();
    fresh.load(&path).unwrap();
    (warnings.texts(), fresh, folder)
}

#[test]
fn another_version_of_karat_or_dspy_is_warned_of_and_a_patch_is_not() {
    let own = env!("CARGO_PKG_VERSION");
    for metadata in [
        json!({}),
        json!({"karat": {"version": own}, "dependency_versions": {}}),
        json!({"dependency_versions": {"python": "3.12", "dspy": "3.3.1", "cloudpickle": "3.1"}}),
        json!({"dependency_versions": {"dspy": "3.3.99"}}),
        json!({"dependency_versions": {"dspy": "3.3"}}),
        json!({"karat": 1, "dependency_versions": []}),
        json!({"karat": {"version": null}, "dependency_versions": {"dspy": 3}}),
    ] {
        let (warned, ..) = warnings_of(|json| drop(json.insert("metadata".into(), metadata.clone())));
        assert!(warned.is_empty(), "{metadata}: {warned:?}");
    }
    for (metadata, words) in [
        (json!({"karat": {"version": "9.1.0"}}), ["karat", "9.1.0"]),
        (json!({"dependency_versions": {"dspy": "3.30.1"}}), ["dspy", "3.30.1"]),
        (json!({"dependency_versions": {"dspy": "2.6.27"}}), ["dspy", "2.6.27"]),
        (json!({"dependency_versions": {"dspy": ""}}), ["dspy", "3.3"]),
    ] {
        let (warned, ..) = warnings_of(|json| drop(json.insert("metadata".into(), metadata.clone())));
        assert_eq!(warned.len(), 1, "{metadata}: {warned:?}");
        assert!(words.iter().all(|word| warned[0].contains(word)), "{warned:?}");
    }
}

#[test]
fn addresses_and_keys_in_a_file_are_dropped_with_a_warning_that_names_them() {
    let lm = json!({"model": "openai/x", "api_base": "http://canary", "base_url": "http://canary",
        "model_list": ["http://canary"], "api_key": "canary", "extra_headers": {"x": "canary"}});
    let (warned, fresh, folder) = warnings_of(|json| json["query"]["lm"] = lm);
    let warned = warned.join("\n");
    for key in ["api_base", "base_url", "model_list", "allow_unsafe_lm_state", "api_key", "extra_headers"] {
        assert!(warned.contains(key), "{key}: {warned}");
    }
    assert!(!warned.contains("canary"), "names and no values: {warned}");
    let json = serde_json::to_string(&fresh.dump_state().allow_unsafe_lm_state(true)).unwrap();
    assert!(!json.contains("canary"), "{json}");
    // Nor does a file pass on a key of another file.
    let (from, to) = (folder.path().join("s.json"), folder.path().join("copy.json"));
    State::read(&from).unwrap().allow_unsafe_lm_state(true).write(&to).unwrap();
    let copy = fs::read_to_string(to).unwrap();
    assert!(copy.contains("http://canary") && !copy.contains(r#""canary""#), "addresses on demand: {copy}");
    assert!(!format!("{:?}", State::read(&from).unwrap()).contains("canary"));
}
