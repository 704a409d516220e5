//! karat and the real DSPy read each other's state files. The first run installs DSPy; where the package registry cannot be
//! reached, this says so and is skipped, but for `CI=true`, where it fails.
//!
//! It has no test harness, so that the line about a skip is always seen.

mod parity;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use karat::State;
use serde_json::Value;

use self::parity::{
    assert_same, assert_same_prompts, differences, golden_of_dspy, learned,
    programs::{NAMES, SECRET, fresh, tuned},
    read, state, without_addresses,
};

/// `scripts/dspy-env`'s exit code where the registry cannot be reached.
const NO_REGISTRY: i32 = 75;

fn main() -> ExitCode {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("scripts").join("dspy-env");
    // What it says is for the user, who may have to wait.
    let install = Command::new(&script).stderr(Stdio::inherit()).output();
    let install = install.unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    if install.status.code() == Some(NO_REGISTRY) {
        if env::var_os("CI").is_some_and(|value| value == "true") {
            println!(
                "FAILED: parity with DSPy: the package registry cannot be reached, and with CI=true it has to be"
            );
            return ExitCode::FAILURE;
        }
        println!("SKIPPED: parity with DSPy: the package registry cannot be reached");
        return ExitCode::SUCCESS;
    }
    assert!(install.status.success(), "scripts/dspy-env: {}", install.status);
    let python = String::from_utf8(install.stdout).expect("a path of text").trim().into();
    // Its own for every run, so that two at once do not meet.
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dspy-{}", std::process::id()));
    // What a failed run has left there.
    let _ = fs::remove_dir_all(&root);
    let dspy = Dspy { python, root };

    dspy.the_golden_files_are_what_dspy_writes();
    dspy.what_karat_loads_and_saves_is_the_same_program_to_dspy();
    dspy.dspy_loads_what_was_tuned_in_rust();
    dspy.dspy_tells_a_model_the_same_of_a_program_that_was_tuned_in_rust();
    dspy.what_dspy_loads_and_saves_is_the_same_state_to_karat();
    // Left behind by a failure, to be looked at.
    fs::remove_dir_all(&dspy.root).expect("the folder of this run");
    println!("test result: ok. parity with DSPy: 5 passed; 0 failed");
    ExitCode::SUCCESS
}

struct Dspy {
    python: PathBuf,
    root: PathBuf,
}

impl Dspy {
    /// Folders: `dspy`: saved by DSPy; `again`: those, loaded and saved by karat; `karat`: tuned and saved in Rust, with what
    /// DSPy should read in it; `back`: those, loaded and saved by DSPy.
    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Runs a command of `programs.py`, which has to pass for every program.
    fn run(&self, command: &str, folders: &[&Path]) {
        let output = Command::new(&self.python)
            .arg(parity::folder().join("programs.py"))
            .arg(command)
            .args(folders)
            // It asks nobody and leaves nothing in the user's home.
            .env("DSPY_CACHEDIR", self.folder("cache"))
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1")
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.python.display()));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "programs.py {command}: {}\n{out}\n{err}", output.status);
        let passed: Vec<_> = out.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
        assert_eq!(passed, NAMES, "programs.py {command}: these passed\n{out}\n{err}");
    }

    fn the_golden_files_are_what_dspy_writes(&self) {
        let made = self.folder("dspy");
        self.run("make", &[&made]);
        self.run("prompts", &[&made]);
        let newest: BTreeMap<_, _> =
            golden_of_dspy().into_iter().map(|(folder, name)| (name, folder)).collect();
        for (name, golden) in newest {
            let file = format!("{name}.json");
            let same = differences(&state(&read(&golden.join(&file))), &state(&read(&made.join(&file))));
            let prompts = format!("{name}.prompts.json");
            let same_prompts = differences(&read(&golden.join(&prompts)), &read(&made.join(&prompts)));
            let all = [same, same_prompts].concat();
            assert!(
                all.is_empty(),
                "{name}: the golden file is not what DSPy writes; CONTRIBUTING.md says how to make it anew\n{}",
                all.join("\n")
            );
        }
        passed("the_golden_files_are_what_dspy_writes");
    }

    fn what_karat_loads_and_saves_is_the_same_program_to_dspy(&self) {
        let (made, again) = (self.folder("dspy"), self.folder("again"));
        for name in NAMES {
            let file = format!("{name}.json");
            let mut program = fresh(name);
            program.load(&made.join(&file)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            program.save(&again.join(&file)).expect("a saved file");
            let expected = without_addresses(state(&read(&made.join(&file))));
            assert_same(name, &expected, &state(&read(&again.join(&file))));
        }
        self.run("check", &[&made, &again]);
        self.run("prompts", &[&again]);
        for name in NAMES {
            let file = format!("{name}.prompts.json");
            let [expected, found] =
                [&made, &again].map(|folder| fs::read_to_string(folder.join(&file)).expect(name));
            assert_eq!(expected, found, "{name}");
        }
        passed("what_karat_loads_and_saves_is_the_same_program_to_dspy");
    }

    fn dspy_loads_what_was_tuned_in_rust(&self) {
        let saved = self.folder("karat");
        for name in NAMES {
            let (program, file) = (tuned(name), saved.join(format!("{name}.json")));
            program.save(&file).expect("a saved file");
            assert!(!fs::read_to_string(&file).expect("a file").contains(SECRET), "{name}");
            let expected = saved.join(format!("{name}.expected.json"));
            fs::write(expected, learned(&*program).to_string()).expect("a file");
        }
        self.run("load", &[&saved, &saved]);
        passed("dspy_loads_what_was_tuned_in_rust");
    }

    fn dspy_tells_a_model_the_same_of_a_program_that_was_tuned_in_rust(&self) {
        let saved = self.folder("karat");
        self.run("prompts", &[&saved]);
        for name in NAMES {
            assert_same_prompts(name, &*tuned(name), &read(&saved.join(format!("{name}.prompts.json"))));
        }
        passed("dspy_tells_a_model_the_same_of_a_program_that_was_tuned_in_rust");
    }

    fn what_dspy_loads_and_saves_is_the_same_state_to_karat(&self) {
        let (saved, back) = (self.folder("karat"), self.folder("back"));
        self.run("resave", &[&saved, &back]);
        for name in NAMES {
            let file = format!("{name}.json");
            assert_same(name, &state(&read(&saved.join(&file))), &state(&read(&back.join(&file))));
            let mut program = fresh(name);
            let read = State::read(back.join(&file)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let version = read.metadata().and_then(|metadata| metadata.pointer("/dependency_versions/dspy"));
            assert_eq!(version, Some(&Value::from("3.4.1")), "{name}: saved by DSPy");
            program.load_state(&read).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(program.dump_state(), tuned(name).dump_state(), "{name}");
        }
        passed("what_dspy_loads_and_saves_is_the_same_state_to_karat");
    }
}

fn passed(step: &str) {
    println!("test {step} ... ok");
}
