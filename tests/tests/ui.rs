//! Tests the programs that the macros refuse, with their messages, and the programs that they must take.
//!
//! A case is a file named as a sentence, with the compiler's output beside it. After a change to a message, read every line that
//! `TRYBUILD=overwrite cargo test -p karat-tests --test ui` wrote: one error for one mistake, at the user's own token, with the way out.

use std::{io::Write as _, process::Command};

/// Whose words the `.stderr` files hold: other compilers say the same in words of their own.
const COMPILER: &str = "rustc 1.95.";

/// Each misuse is one error at the user's own token.
#[test]
fn misuses_are_errors_that_say_the_way_out() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("the compiler's version");
    let version = String::from_utf8_lossy(&output.stdout);
    if !version.starts_with(COMPILER) {
        // Straight to stderr, past the harness, which shows nothing of tests that pass.
        let line = format!(
            "SKIPPED: the compile errors are compared with those of {COMPILER}x only, this is {version}"
        );
        std::io::stderr().write_all(line.as_bytes()).expect("stderr");
        return;
    }
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
}

/// Programs that are right compile, and with every lint on.
#[test]
fn right_programs_compile_without_a_warning() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}
