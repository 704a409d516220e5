use super::{adapters, read};

#[tokio::test]
async fn only_the_channel_final_of_harmony_is_the_answer() {
    let analysis = "<|channel|>analysis<|message|>";
    let last = "<|start|>assistant<|channel|>final<|message|>";
    for (adapter, form) in adapters() {
        let (draft, answer) = (form("Lyon"), form("Paris"));
        for (reply, reasoning) in [
            (format!("<|channel|>final<|message|>{answer}"), ""),
            (format!("{last}{answer}<|return|>"), ""),
            (format!("{analysis}{draft}<|end|>{last}{answer}<|return|>\n"), &*draft),
            (
                format!(
                    "{analysis}a<|end|><|start|>assistant<|channel|>commentary<|message|>b<|end|>{last}{answer}<|end|>"
                ),
                "a\n\nb",
            ),
            (format!("{analysis}a<|end|>{last}{answer}<|end|>{last}{answer}<|return|>"), "a"),
            (format!("{analysis}a<|end|>{last}{answer}<|end|><|start|>user<|message|>{draft}"), "a"),
            (format!("{draft}<|end|>{last}{answer}<|return|>"), &*draft),
            (
                format!("assistant<|channel|>FINAL <|constrain|>json<|message|>{answer}<|return|>"),
                "assistant",
            ),
        ] {
            let (read, thoughts) =
                read(&adapter, &reply).await.unwrap_or_else(|error| panic!("{reply}: {error}"));
            assert_eq!(
                (&*read, thoughts.as_deref().unwrap_or_default()),
                ("Paris", reasoning.trim()),
                "{reply}"
            );
        }
        for reply in [
            format!("{analysis}{draft}"),
            format!("{analysis}{draft}<|end|>"),
            format!("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{draft}<|call|>"),
            format!("<|channel|>analysis\n{draft}"),
            format!("<|start|>assistant<|message|>{draft}"),
            format!("{analysis}a<|end|>{last}{draft}<|end|>{last}{answer}<|return|>"),
        ] {
            let read = read(&adapter, &reply).await;
            assert!(read.is_err(), "{}: {reply}: {read:?}", adapter.name());
        }
    }
}
