//! No argument, one, several; patterns, `mut`, attributes, helpers, aliases of the return type.
#![deny(warnings, missing_docs, unreachable_pub, private_interfaces, rust_2018_idioms)]
#![allow(dead_code)]

use karat::{Error, Module, Predict, Prediction};

/// Answer the question.
#[karat::signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

type Answered = karat::Result<Prediction<QaOutput>>;
type Outcome<T, E = Error> = std::result::Result<T, E>;

macro_rules! module {
    ($name:ident { $($block:tt)* }) => {
        #[karat::module]
        struct $name {
            qa: Predict<Qa>,
        }

        #[karat::module]
        impl $name {
            $($block)*
        }
    };
}

module!(Nothing {
    async fn forward(&self) -> Answered {
        self.qa.call(QaInput { question: Self::QUESTION.into() }).await
    }

    const QUESTION: &'static str = "?";
});
module!(Pattern {
    async fn forward(&self, QaInput { mut question }: QaInput) -> Outcome<Prediction<QaOutput>> {
        question.push('?');
        self.qa.call(QaInput { question }).await
    }
});
module!(Mutable {
    async fn forward(&self, mut question: String) -> std::result::Result<Prediction<QaOutput>, karat::Error> {
        question.push('?');
        self.qa.call(QaInput { question }).await
    }
});
module!(Unused {
    #[allow(clippy::unused_async)]
    async fn forward(&self, _: String) -> karat::Result<Prediction<u8>> {
        Ok(Prediction::new(1))
    }
});
module!(Several {
    /// Documented.
    #[inline]
    pub async fn forward(
        &self,
        /// what is asked
        mut question: String,
        #[allow(unused_variables)] unused: [u8; 3],
        callback: fn(&str) -> bool,
    ) -> Answered {
        if callback(&question) {
            question = self.help(question);
        }
        self.qa.call(QaInput { question }).await
    }

    /// Helps.
    fn help(&self, question: String) -> String {
        format!("{question}?")
    }
});

fn main() {
    let nothing = Nothing { qa: Predict::new() };
    drop(nothing.call(()));
    drop(Pattern { qa: Predict::new() }.call(QaInput { question: String::new() }));
    drop(Mutable { qa: Predict::new() }.call(String::new()));
    drop(Unused { qa: Predict::new() }.call(String::new()));
    let input = SeveralInput { question: String::new(), unused: [1, 2, 3], callback: str::is_empty };
    drop(Several { qa: Predict::new() }.call(input));
}
