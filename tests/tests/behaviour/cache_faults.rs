//! Faults of the cache's folder: a full or read-only disk, and processes that are killed; tested in child processes.

#![cfg(unix)]

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use karat::Cache;

use crate::{
    cache_disk::{files, numbered},
    support::*,
};

/// The child's task: `once` or `forever`.
const WHAT: &str = "KARAT_TEST_CACHE";
const PATH: &str = "KARAT_TEST_PATH";

#[tokio::test]
#[ignore = "run by the other tests, in a process of its own"]
async fn child() {
    let Ok(what) = env::var(WHAT) else { return };
    let cache = Cache::disk(env::var(PATH).unwrap());
    let (model, lm) = numbered(&cache);
    if what == "forever" {
        for index in 0_u64.. {
            let request = hi(&format!("{}{}", index % 50, "x".repeat(20_000)));
            let text = lm.complete(request).await.unwrap().completions.remove(0).text;
            assert!(text.parse::<u64>().is_ok());
            cache.clear().ok();
            if index == 100 {
                println!("\nWARM");
            }
        }
    }
    let warnings = Warnings::default();
    let guard = warnings.collect();
    for index in 0..20 {
        lm.complete(hi(&format!("{index}{}", "x".repeat(20_000)))).await.unwrap();
    }
    for index in 0..20 {
        lm.complete(hi(&format!("{index}{}", "x".repeat(20_000)))).await.unwrap();
    }
    drop(guard);
    println!("\nOUTCOME {} calls, {} hits, {:?}", model.calls(), cache.stats().hits, warnings.texts());
}

/// This test's binary as a child that does `what` after the `shell` command.
fn child_after(shell: &str, what: &str, path: &Path) -> Command {
    // Only the child sees the mount, which ends with it.
    let mut command = if shell.contains("mount") {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        command
    } else {
        Command::new("env")
    };
    command.args(["sh", "-c", &format!("{shell} && exec \"$0\" \"$@\"")]).arg(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "cache_faults::child"]);
    command.env(WHAT, what).env(PATH, path);
    command
}

/// The child's outcome; `None`, with a message, if this system does not let the shell do its part.
fn outcome_of(mut command: Command, test: &str) -> Option<String> {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("running 1 test") {
        // Past the test harness, which hides the output of passing tests.
        let why = String::from_utf8_lossy(&output.stderr);
        let mut console = io::stderr();
        writeln!(console, "SKIPPED {test}: this system does not allow it: {why}").unwrap();
        return None;
    }
    Some(text.lines().find_map(|line| line.strip_prefix("OUTCOME ")).unwrap_or("failed").to_owned())
}

#[test]
fn a_full_disk_is_warned_of_once_and_memory_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let shell = format!("mount -t tmpfs -o size=128k tmpfs {at}");
    let Some(outcome) = outcome_of(child_after(&shell, "once", folder.path()), "full disk") else { return };
    assert!(outcome.starts_with("20 calls, 20 hits, ["), "{outcome}");
    assert_eq!(outcome.matches("memory alone").count(), 1, "{outcome}");
}

#[test]
fn a_file_that_cannot_grow_is_warned_of_once_and_is_not_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let limited = "trap '' XFSZ && ulimit -f 16";
    let Some(outcome) = outcome_of(child_after(limited, "once", folder.path()), "file size limit") else {
        return;
    };
    assert!(outcome.starts_with("20 calls, 20 hits, ["), "{outcome}");
    assert_eq!(outcome.matches("memory alone").count(), 1, "{outcome}");
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_read_only_folder_is_warned_of_once_and_its_entries_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let shell = format!("mount --bind {at} {at} && mount -o remount,bind,ro {at}");
    let Some(outcome) = outcome_of(child_after(&shell, "once", folder.path()), "read-only folder") else {
        return;
    };
    assert!(outcome.starts_with("20 calls, 20 hits, ["), "{outcome}");
    assert_eq!(outcome.matches("memory alone").count(), 1, "{outcome}");
    let outcome = outcome_of(child_after("true", "once", folder.path()), "writable").unwrap();
    assert!(outcome.starts_with("20 calls, 20 hits, []"), "{outcome}");
    let outcome = outcome_of(child_after(&shell, "once", folder.path()), "read-only folder").unwrap();
    assert!(outcome.starts_with("0 calls, 40 hits, []"), "{outcome}");
}

fn start(path: &Path) -> Child {
    let mut child = child_after("true", "forever", path).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "WARM"), "it fails before");
    child
}

#[test]
fn killed_processes_that_write_and_clear_one_folder_leave_only_whole_entries() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut children = [start(folder.path()), start(folder.path())];
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for file in files(folder.path()) {
            let is_temporary = file.file_name().unwrap().to_string_lossy().starts_with(".writing-");
            assert!(is_temporary || fs::read(&file).unwrap().starts_with(b"karat cache 1 "));
        }
        let outcome = outcome_of(child_after("true", "once", folder.path()), "after").unwrap();
        assert!(outcome.ends_with(", []"), "{outcome}");
    }
}
