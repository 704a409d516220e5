#[karat::module]
union Rag {
    #[module(skip)]
    one: u8,
}

fn main() {}
