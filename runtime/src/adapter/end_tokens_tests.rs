use super::*;
use crate::{
    Signature,
    adapter::{Inputs, Task},
    signature,
};

/// Answer.
#[signature]
struct Qa {
    #[input]
    question: String,
    #[output]
    answer: String,
}

fn with<T>(question: &str, read: impl FnOnce(&PromptTexts<'_>) -> T) -> T {
    let layout = Qa::spec().layout();
    let values = [Some(question.into())];
    let task = Task { layout: &layout, instructions: "Answer.", demos: &[] };
    let inputs = Inputs { slots: &layout.inputs, values: &values, extra: &[] };
    read(&PromptTexts::of(&task, &inputs))
}

/// Reads a reply's last value whole.
fn kept<'t>(text: &'t str, is_json: bool, shown: &PromptTexts<'_>) -> &'t str {
    let text = reply_end(text, is_json, shown).and_then(|turn| text.get(..turn)).unwrap_or(text);
    without_tokens(text, shown).trim()
}

#[test]
fn end_tokens_are_removed_at_the_end_and_stay_anywhere_else() {
    with("Capital?", |shown| {
        for token in TOKENS {
            for text in
                [format!("Paris{token}"), format!("Paris \n{token}\n"), format!("Paris{token} {token}")]
            {
                assert_eq!(without_tokens(&text, shown), "Paris", "{text}");
            }
            for text in
                [format!("{token} Paris"), format!("Pa{token}ris"), (*token).to_owned(), format!("{token}.")]
            {
                assert_eq!(without_tokens(&text, shown), text);
            }
        }
        assert_eq!(without_tokens("<s>old</s>", shown), "<s>old</s>");
        assert_eq!(without_tokens("<s>old</s><|im_end|>", shown), "<s>old</s>");
        assert_eq!(without_tokens("a <|im_end", shown), "a <|im_end");
    });
    with("What is <|im_end|>?", |shown| {
        assert_eq!(without_tokens("It is <|im_end|>", shown), "It is <|im_end|>");
        assert_eq!(without_tokens("It is <|im_end|></s>", shown), "It is <|im_end|>");
    });
}

#[test]
fn a_turn_behind_an_end_token_is_no_part_of_the_reply() {
    with("Capital?", |shown| {
        for text in [
            "Paris<|im_end|>\n<|im_start|>user\nAnd Peru?",
            "Paris<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd?",
            "Paris<end_of_turn>\n<start_of_turn>user\nx",
            "Paris</s><s>[INST] x",
            "Paris</s>[INST] x [/INST]",
            "Paris<｜end▁of▁sentence｜><｜User｜>x",
            "Paris<|end|>\n<|user|>\nx",
        ] {
            assert_eq!(kept(text, false, shown), "Paris", "{text}");
        }
        for text in ["<s>a</s> <s>b</s> c", "a <|im_end|> and <|im_start|> b", "a<|im_start|>user"] {
            assert_eq!(kept(text, false, shown), text);
        }
        let json = "[\"a<|im_end|><|im_start|>user\"]";
        assert_eq!(kept(json, true, shown), json);
        assert_eq!(kept("[\"a\\\"\"]<|im_end|><|im_start|>user \"", true, shown), "[\"a\\\"\"]");
    });
}

#[test]
fn a_streamed_value_ends_where_the_whole_value_ends() {
    let texts = [
        "Paris",
        "",
        "Paris<|im_end|>",
        "Paris <|im_end|> </s>\n",
        "Pa<|im_end|>ris</s",
        "<|im_end|>",
        "</s></s>",
        "a</s><s>b",
        "<s>a</s>",
        "<s >a</s> </s><s>b",
        "<<|im_end|>",
        "a<|im_end|><",
        "a <|im_end|>\n<|im_start|>user\nx<|im_end|>",
        "a<|im_end|><|im_sta",
        "a</s>\n[INST] b </s>",
        "a</s> [1] b</s>",
        "a[/INST][EOS][",
        "a<|user|> <|user|>b",
        "\"a<|im_end|><|im_start|>\" b",
        "\"\\\"<|im_end|><s>",
        "ä<｜end▁of▁sentence｜>é<｜end▁of▁sentence｜><｜User｜>",
        "a <|eot_id|> </s> b",
        "[a]</s> [b]",
        "a<|im_end|><|im_start|><|im_end|>",
        "a</s><seed:eos><seed:bos>",
        "<s",
        "a</s><s",
    ];
    for question in ["Capital?", "</s>", "<|im_end|> <|user|>"] {
        with(question, |shown| {
            for (text, is_json) in texts.iter().flat_map(|text| [(*text, false), (*text, true)]) {
                let chars: Vec<_> = text.chars().map(String::from).collect();
                for size in 1..=chars.len().max(1) {
                    let (mut filter, mut emitted) = (EndTokenFilter::new(is_json), String::new());
                    for piece in chars.chunks(size) {
                        filter.push(&piece.concat(), shown, &mut |text| emitted.push_str(text));
                    }
                    let has_text = !emitted.trim().is_empty();
                    filter.end(true, has_text, shown, &mut |text| emitted.push_str(text));
                    assert_eq!(
                        emitted.trim(),
                        kept(text, is_json, shown),
                        "{text:?} by {size} for {question}"
                    );
                }
            }
        });
    }
}

#[test]
fn the_tokens_fit_the_bit_sets_of_prompt_texts() {
    assert!(TOKENS.len() < 64);
    for token in TOKENS.iter().chain(STARTS) {
        assert!(
            token.starts_with(['<', '[']) && token.ends_with(['>', ']']) && !token[1..].contains(['<', '['])
        );
    }
}

#[test]
fn many_tokens_take_linear_time() {
    with("Capital?", |shown| {
        for piece in ["</s>", "<s></s>", "<|im_end|>x", "</s><s", "<", "\"</s><s>"] {
            let text = piece.repeat(20_000);
            let start = std::time::Instant::now();
            let _ = kept(&text, true, shown);
            let mut filter = EndTokenFilter::new(true);
            filter.push(&text, shown, &mut |_| {});
            filter.end(true, true, shown, &mut |_| {});
            assert!(start.elapsed().as_secs() < 5, "{piece}: {:?}", start.elapsed());
        }
    });
}
