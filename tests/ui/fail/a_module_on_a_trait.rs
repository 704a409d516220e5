#[karat::module]
trait Rag {}

fn main() {}
