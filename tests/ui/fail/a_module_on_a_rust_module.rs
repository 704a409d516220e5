#[karat::module]
mod rag {}

fn main() {}
