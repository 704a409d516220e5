//! Saving and loading where the disk is full or read-only, memory is short, or the process is killed: in processes of their own,
//! since such limits hold for a whole process.

#![cfg(unix)]

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use karat::{Module, State};

use crate::{
    state_files::{names, tuned},
    support::*,
};

/// What a child is to do: `save`, `save_program`, `load` or `forever`.
const WHAT: &str = "KARAT_TEST_WHAT";
const PATH: &str = "KARAT_TEST_PATH";

/// More than any limit here.
fn large() -> TwoSteps {
    tuned(&"large ".repeat(100_000))
}

#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    let Ok(what) = env::var(WHAT) else { return };
    let path = env::var(PATH).unwrap();
    let outcome = match what.as_str() {
        "save" => large().save(path),
        "save_program" => large().save_program(path),
        "load" => TwoSteps::new().load(path),
        _ => loop {
            tuned("a").save(&path).unwrap();
            println!("\nSAVED");
            large().save(&path).unwrap();
        },
    };
    match outcome {
        Ok(()) => println!("\nOUTCOME Ok"),
        Err(error) => println!("\nOUTCOME {:?} {error}", error.kind()),
    }
}

/// This test's binary as a child that does this after the shell has done that.
fn child_after(shell: &str, what: &str, path: &Path) -> Command {
    let mut command = Command::new("unshare");
    // A mount is seen by the child alone and ends with it.
    if !shell.contains("mount") {
        command = Command::new("env");
    } else {
        command.arg("--mount");
    }
    command.args(["sh", "-c", &format!("{shell} && exec \"$0\" \"$@\"")]).arg(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "state_faults::child"]);
    command.env(WHAT, what).env(PATH, path);
    command
}

/// What the child said at its end; `None`, visibly, where this system does not let the shell do its part.
fn outcome_of(mut command: Command, test: &str) -> Option<String> {
    let output = command.output();
    let text = output
        .as_ref()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    if !text.contains("running 1 test") {
        let why = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        // Past the test harness, which shows nothing of a test that passes.
        let mut console = io::stderr();
        writeln!(console, "SKIPPED {test}: this system does not allow it: {why:?}").unwrap();
        return None;
    }
    Some(text.lines().find_map(|line| line.strip_prefix("OUTCOME ")).unwrap_or("killed").to_owned())
}

/// A folder with a saved state and a saved program; says what is in its files.
fn saved() -> (tempfile::TempDir, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    tuned("old").save(folder.path().join("s.json")).unwrap();
    tuned("old").save_program(folder.path().join("p")).unwrap();
    let bytes = contents(folder.path());
    (folder, bytes)
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    ["s.json", "p/program.json", "p/state.json"].map(|name| fs::read(folder.join(name)).unwrap()).into()
}

/// Nothing was changed and nothing is left behind.
fn assert_as_before(folder: &Path, before: &[Vec<u8>]) {
    assert!(contents(folder) == before, "the old files are as they were");
    assert_eq!(names(folder), ["p", "s.json"]);
    assert_eq!(names(&folder.join("p")), ["program.json", "state.json"]);
}

#[test]
fn a_write_that_fails_half_way_leaves_the_old_files_as_they_were() {
    for (what, name) in [("save", "s.json"), ("save_program", "p")] {
        let (folder, before) = saved();
        let limited = "trap '' XFSZ && ulimit -f 16";
        let child = child_after(limited, what, &folder.path().join(name));
        let Some(outcome) = outcome_of(child, "file size limit") else { return };
        assert!(outcome.starts_with("Io ") && outcome.contains(name), "{outcome}");
        assert_as_before(folder.path(), &before);
    }
}

#[test]
fn a_full_disk_leaves_the_old_files_as_they_were() {
    for (what, name) in [("save", "s.json"), ("save_program", "p")] {
        let (folder, before) = saved();
        let (disk, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (disk, copy) = (disk.path().display(), copy.path());
        // What the disk holds at the end is copied out, since it goes with the child.
        let shell = format!(
            "mount -t tmpfs -o size=128k tmpfs {disk} && cp -a {}/. {disk} && {{ \"$0\" \"$@\"; cp -a {disk}/. {}; exit; }}",
            folder.path().display(),
            copy.display()
        );
        let path = format!("{disk}/{name}");
        let child = child_after(&shell, what, Path::new(&path));
        let Some(outcome) = outcome_of(child, "full disk") else { return };
        assert!(outcome.starts_with("Io ") && outcome.contains("No space left"), "{outcome}");
        assert_as_before(copy, &before);
    }
}

#[test]
fn a_read_only_disk_is_an_io_error() {
    for (what, name) in
        [("save", "s.json"), ("save_program", "p"), ("save", "new/s.json"), ("save_program", "new")]
    {
        let (folder, before) = saved();
        let at = folder.path().display();
        let shell = format!("mount --bind {at} {at} && mount -o remount,bind,ro {at}");
        let child = child_after(&shell, what, &folder.path().join(name));
        let Some(outcome) = outcome_of(child, "read-only disk") else { return };
        assert!(outcome.starts_with("Io ") && outcome.contains("Read-only"), "{outcome}");
        assert_as_before(folder.path(), &before);
    }
}

#[test]
fn a_process_killed_while_it_writes_leaves_the_old_file_and_the_next_one_saves() {
    let (folder, before) = saved();
    let path = folder.path().join("s.json");
    // Without a trap, the limit's signal kills.
    let Some(outcome) = outcome_of(child_after("ulimit -f 16", "save", &path), "killed") else { return };
    assert_eq!(outcome, "killed");
    assert!(contents(folder.path()) == before);
    tuned("next").save(&path).unwrap();
    assert!(State::read(&path).unwrap() == tuned("next").dump_state());
}

#[test]
fn a_process_killed_at_any_moment_leaves_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    for round in 0..10 {
        let mut child = child_after("true", "forever", &path).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let saved = lines.map_while(Result::ok).filter(|line| line == "SAVED").take(1 + round % 3).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(saved, 1 + round % 3);
        let state = State::read(&path).unwrap();
        assert!(state == tuned("a").dump_state() || state == large().dump_state());
    }
}

#[test]
fn a_gibibyte_of_nesting_is_refused_in_a_process_with_less_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    for start in ["[".repeat(1 << 16), "{\"a\":".repeat(1 << 16), " ".repeat(1 << 16)] {
        fs::write(&path, start).unwrap();
        // The rest is a hole, which takes no place on the disk.
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
        let Some(outcome) = outcome_of(child_after("ulimit -v 600000", "load", &path), "memory limit") else {
            return;
        };
        assert!(outcome.starts_with("State ") && outcome.contains("is not a state file"), "{outcome}");
    }
}

#[test]
fn a_relative_path_is_one_from_the_folder_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    for (what, path, made) in [
        ("save", "s.json", "s.json"),
        ("save", "./a/b.json", "a/b.json"),
        ("save", "a/../c.json", "c.json"),
        ("save_program", "p", "p/state.json"),
        ("save_program", ".", "state.json"),
    ] {
        let mut child = child_after("true", what, Path::new(path));
        child.current_dir(folder.path());
        assert_eq!(outcome_of(child, "relative path").unwrap(), "Ok", "{path}");
        assert!(State::read(folder.path().join(made)).unwrap() == large().dump_state());
    }
    assert_eq!(names(folder.path()), ["a", "c.json", "p", "program.json", "s.json", "state.json"]);
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_an_io_error() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, before) = saved();
    let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    // Root may write anyway, and is asked to become nobody.
    let mut child = child_after("true", "save", &folder.path().join("new.json"));
    if fs::write(folder.path().join("probe"), "").is_ok() {
        fs::remove_file(folder.path().join("probe")).unwrap();
        let mut nobody = Command::new("setpriv");
        nobody.args(["--reuid=65534", "--clear-groups"]).arg(child.get_program()).args(child.get_args());
        nobody.env(WHAT, "save").env(PATH, folder.path().join("new.json"));
        child = nobody;
    }
    let outcome = outcome_of(child, "read-only folder");
    mode(0o755);
    let Some(outcome) = outcome else { return };
    assert!(outcome.starts_with("Io ") && outcome.contains("Permission denied"), "{outcome}");
    assert_as_before(folder.path(), &before);
}
