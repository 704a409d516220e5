//! What the macros refuse, and with which words; and what they must take.
//!
//! A case is a file named as a sentence, with the compiler's output beside it. After a change to a message, read every line that
//! `TRYBUILD=overwrite cargo test -p karat-tests --test ui` wrote: one error for one mistake, at the user's own token, with the way out.

/// Each misuse is one error at the user's own token.
#[test]
fn misuses_are_errors_that_say_the_way_out() {
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
}

/// Programs that are right compile, and with every lint on.
#[test]
fn right_programs_compile_without_a_warning() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}
