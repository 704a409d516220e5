use super::words::{TypeName, rule};
use crate::report::ErrorKind;

#[test]
fn type_names_are_shown_without_paths() {
    for (name, shown) in [
        ("a::b::Rag", "Rag"),
        ("karat::modules::best_of_n::BestOfN<a::b::Rag>", "BestOfN<Rag>"),
        ("m::Pair<alloc::vec::Vec<x::A>, (x::B, y::C)>", "Pair<Vec<A>, (B, C)>"),
        ("Rag", "Rag"),
        ("", ""),
    ] {
        assert_eq!(TypeName(name).to_string(), shown);
    }
}

#[test]
fn a_reward_is_called_by_its_function_or_type_and_a_closure_just_reward() {
    assert_eq!(rule("app::rewards::short"), "short");
    assert_eq!(rule("app::Judge<app::Rate>"), "Judge");
    assert_eq!(rule("app::main::{{closure}}"), "reward");
    assert_eq!(rule("fn(&A, &B) -> bool"), "reward");
    assert_eq!(rule(""), "reward");
}

#[test]
fn error_kinds_are_snake_case() {
    assert_eq!(ErrorKind::RateLimited.to_string(), "rate_limited");
    assert_eq!(ErrorKind::Io.to_string(), "io");
}
