//! What programs see of karat at run time, told by tests with a scripted LM: no network, no clock.

mod batch;
mod batch_faults;
mod best_of_n;
mod best_of_n_faults;
mod blocking;
mod concurrency;
mod critic;
mod history;
mod history_bounds;
mod history_print;
mod isolation;
mod modules;
mod nesting;
mod outside;
mod parallel;
mod parameters;
mod parse_errors;
mod predict;
mod predict_in_full;
mod prompts;
mod refine;
mod reward;
mod several;
mod state;
mod support;
mod traversal;
