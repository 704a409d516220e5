#[karat::signature]
union Qa {
    #[input]
    question: u8,
}

fn main() {}
