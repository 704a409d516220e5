//! What programs see of karat at run time, told by tests with a scripted LM: no network, no clock.

mod batch;
mod batch_faults;
mod best_of_n;
mod best_of_n_faults;
mod blocking;
mod concurrency;
mod critic;
mod isolation;
mod modules;
mod nesting;
mod outside;
mod parallel;
mod parameters;
mod parse_errors;
mod predict;
mod predict_in_full;
mod programs;
mod prompts;
mod refine;
mod reward;
mod state;
mod state_damage;
mod state_faults;
mod state_files;
mod support;
mod traversal;
