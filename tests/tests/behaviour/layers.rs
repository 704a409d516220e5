//! Layers around a model: they stream, and keep the model's name, identity and capabilities.

use std::sync::{Arc, Mutex};

use karat::{
    Cache, JsonAdapter, LanguageModel, Limits, Lm, Module, Predict, Reply, Result, Retry, ScriptedLm,
    lm::{
        BoxFuture, Caller, CallerId, Completion, Delta, Layer, Message, Next, Request, Response,
        ResponseFormat, Sink, Support,
    },
};
use serde_json::json;

use crate::support::{Qa, Twins, ask};

/// Notes what it sees of the model behind it, and has no code for streams.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Layer for Notes {
    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response>> {
        let supports = next.supports(&ResponseFormat::JsonObject);
        let note = format!("{} {} {supports:?}", next.name(), next.identity());
        self.0.lock().unwrap().push(note);
        next.call(request, sink)
    }
}

/// Takes no response format, and answers in pieces.
struct Formless;

impl LanguageModel for Formless {
    fn name(&self) -> &str {
        "formless"
    }

    fn identity(&self) -> String {
        "formless at home".into()
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        sink: Option<&'a mut Sink<'a>>,
    ) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            assert_eq!(request.response_format, None, "a form that the model does not take");
            let pieces = [r#"{"answer": "#, r#""Paris"}"#];
            if let Some(sink) = sink {
                pieces.iter().for_each(|piece| sink(Delta::text(0, piece)));
            }
            Ok(Response::of(pieces.concat()))
        })
    }

    fn supports(&self, _: &ResponseFormat) -> Support {
        Support::None
    }
}

fn hi() -> Request {
    Request::new(vec![Message::user("hi")])
}

/// The streamed pieces of the answer to one request.
async fn heard(lm: &Lm) -> Vec<String> {
    let mut heard = Vec::new();
    let me = Caller::new("me", CallerId::unique());
    lm.stream_for(me, hi(), &mut |delta| heard.push(delta.text.to_owned())).await.unwrap();
    heard
}

/// Every layer that there is, around a model.
fn layered(lm: Lm) -> (Lm, Notes, tempfile::TempDir) {
    let (notes, folder) = (Notes::default(), tempfile::tempdir().unwrap());
    let lm = lm.layer(notes.clone()).cache(Cache::memory()).limits(Limits::new().concurrency(2));
    (lm.retry(Retry::new()).record(folder.path().join("calls.jsonl")), notes, folder)
}

#[tokio::test]
async fn a_stream_passes_through_every_layer_piece_by_piece() {
    let lm = ScriptedLm::new([Reply::pieces(["he", "llo"])]).lm();
    assert_eq!(heard(&layered(lm).0).await, ["he", "llo"]);
}

#[tokio::test]
async fn a_layer_sees_the_models_name_identity_and_capabilities() {
    let (lm, notes, _folder) = layered(Lm::custom(Formless));
    lm.complete(hi()).await.unwrap();
    assert_eq!(*notes.0.lock().unwrap(), ["formless formless at home None"]);
    assert_eq!((lm.name(), lm.supports(&ResponseFormat::JsonObject)), ("formless", Support::None));
}

#[tokio::test]
async fn a_predictor_asks_for_no_format_that_a_layered_model_does_not_take() {
    let qa = Predict::<Qa>::new().adapter(JsonAdapter).lm(&layered(Lm::custom(Formless)).0);
    assert_eq!(qa.call(ask()).await.unwrap().answer, "Paris");
}

#[tokio::test]
async fn a_layer_may_answer_itself_change_the_request_and_ask_again() {
    struct Twice;
    impl Layer for Twice {
        fn call<'a>(
            &'a self,
            request: &'a Request,
            _: Option<&'a mut Sink<'a>>,
            next: Next<'a>,
        ) -> BoxFuture<'a, Result<Response>> {
            Box::pin(async move {
                let mut loud = request.clone();
                loud.prompt.push(Message::user("louder"));
                let first = next.call(request, None).await?;
                let second = next.call(&loud, None).await?;
                let text = format!("{} {}", first.completions[0].text, second.completions[0].text);
                Ok(second.completions(vec![Completion::new(text)]))
            })
        }
    }
    let echo = ScriptedLm::computed(|request: &Request| Reply::text(request.prompt.last()));
    let response = echo.lm().layer(Twice).complete(hi()).await.unwrap();
    assert_eq!((response.completions[0].text.as_str(), echo.calls()), ("hi louder", 2));
}

#[tokio::test]
async fn custom_layers_wrap_each_other_in_the_order_in_which_they_were_added() {
    struct Tag(&'static str);
    impl Layer for Tag {
        fn call<'a>(
            &'a self,
            request: &'a Request,
            sink: Option<&'a mut Sink<'a>>,
            next: Next<'a>,
        ) -> BoxFuture<'a, Result<Response>> {
            Box::pin(async move {
                let mut response = next.call(request, sink).await?;
                response.completions[0].text += self.0;
                Ok(response)
            })
        }
    }
    let lm = ScriptedLm::new(["x"]).lm().layer(Tag("-inner")).layer(Tag("-outer"));
    assert_eq!(lm.complete(hi()).await.unwrap().completions[0].text, "x-inner-outer");
}

#[test]
fn handles_with_clones_of_one_cache_and_of_the_same_limits_are_equal() {
    let (cache, limits) = (Cache::memory(), Limits::new().concurrency(2));
    let lm = || Lm::new("openai/x").unwrap().cache(cache.clone()).limits(limits.clone());
    assert_eq!(lm(), lm());
    assert_ne!(lm(), lm().cache(Cache::memory()));
    assert_ne!(lm(), lm().limits(Limits::new().concurrency(2)));
    assert_ne!(lm(), lm().retry(Retry::none()));

    let twins = Twins { left: Predict::new().lm(&lm()), right: Predict::new().lm(&lm()) };
    assert_eq!(twins.get_lm().unwrap(), Some(lm()));
}

#[tokio::test]
async fn a_setter_on_a_clone_leaves_the_layers_of_the_others_as_they_are() {
    let script = ScriptedLm::new(["a", "b", "c"]);
    let lm = script.lm().cache(Cache::memory());
    let apart = lm.clone().cache(Cache::memory()).param("top_k", json!(1));
    for _ in 0..2 {
        lm.complete(hi()).await.unwrap();
        apart.complete(hi()).await.unwrap();
    }
    assert_eq!(script.calls(), 2);
}
