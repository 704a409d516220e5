#[karat::module]
async fn forward(question: String) -> String {
    question
}

fn main() {}
