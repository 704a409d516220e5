#[karat::signature]
fn qa(question: String) -> String {
    question
}

fn main() {}
