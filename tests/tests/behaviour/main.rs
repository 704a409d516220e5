//! What programs see of karat at run time, told by tests with a scripted LM: no network, no clock.

mod best_of_n;
mod best_of_n_faults;
mod concurrency;
mod critic;
mod history;
mod history_bounds;
mod history_print;
mod isolation;
mod modules;
mod nesting;
mod outside;
mod parse_errors;
mod predict;
mod prompts;
mod refine;
mod reward;
mod support;
mod traversal;
